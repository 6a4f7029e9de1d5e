"""Finite differences for the losses of agents."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

import minigrad as mg


def numeric_gradient(loss: Callable[[], mg.Tensor], parameters: Iterable[mg.Tensor], eps: float = 1e-6) -> np.ndarray:
    """By central differences, with respect to every number in the parameters, as one vector."""
    found = []
    for parameter in parameters:
        for at in np.ndindex(*parameter.shape):
            kept = parameter.array[at].copy()
            sides = []
            for value in (kept + eps, kept - eps):
                parameter.array[at] = value
                sides.append(loss().item())
            parameter.array[at] = kept
            found.append((sides[0] - sides[1]) / (2 * eps))
    return np.array(found)


def gradient_of(loss: mg.Tensor, parameters: Iterable[mg.Tensor]) -> np.ndarray:
    """By `backward`, as one vector; a parameter that the loss doesn't depend on has zeros."""
    parameters = list(parameters)
    for parameter in parameters:
        parameter.grad = None
    loss.backward()
    return np.concatenate([np.zeros(p.numel()) if p.grad is None else p.grad.array.ravel().copy() for p in parameters])
