"""Gradient clipping: all gradients made smaller, in place, where they are too large."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ...core.tensor import Tensor, wrap
from ...device import namespace
from ...events import act


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scale all gradients, in place, so that the norm of all of them together is at most `max_norm`.

    (Pascanu et al. 2013, "On the difficulty of training recurrent neural networks", algorithm 1.)
    Returns the norm before, a 0-d tensor. Parameters without a gradient are passed over.
    norm_type: 2 for the Euclidean norm, `inf` for the largest absolute value, or any power. foreach changes nothing.

    Raises RuntimeError for a norm that is NaN or infinite, if error_if_nonfinite.
    """
    parameters = list_parameters("clip_grad_norm_", parameters)
    return wrap(act(clip_norm, parameters, parameters, max_norm, norm_type, error_if_nonfinite))


def clip_norm(parameters: list[Tensor], max_norm: float, norm_type: float, error_if_nonfinite: bool) -> Any:
    """Do it. Returns the norm before, a 0-d array."""
    max_norm, norm_type = float(max_norm), float(norm_type)
    gradients = collect_gradients("clip_grad_norm_", parameters, max_norm)
    if not norm_type > 0:
        raise ValueError(f"clip_grad_norm_: norm_type={norm_type}; expected a positive number or inf")
    if not gradients:
        return np.zeros((), np.float32)
    if norm_type == 2.0:
        total = 0.0
        for g in gradients:
            flat = g.reshape(-1)
            total += float(flat.dot(flat))
        total **= 0.5
    elif norm_type == float("inf"):
        total = max(float(np.abs(g).max()) if g.size else 0.0 for g in gradients)
    else:
        total = sum(float((np.abs(g) ** norm_type).sum()) for g in gradients) ** (1 / norm_type)
    if error_if_nonfinite and not np.isfinite(total):
        raise RuntimeError(
            f"clip_grad_norm_: the norm of the gradients is {total}; look for the operation that made it with "
            "autograd.detect_anomaly(), or pass error_if_nonfinite=False to go on"
        )
    scale = max_norm / (total + 1e-6)
    if not scale >= 1:  # also for NaN, which then shows in every weight, as in PyTorch
        for g in gradients:
            np.multiply(g, scale, out=g)
    first = gradients[0]
    asarray = np.asarray if type(first) is np.ndarray else namespace(first).asarray
    return asarray(total, first.dtype)


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float, foreach: bool | None = None) -> None:
    """Clamp every element of every gradient to [-clip_value, clip_value], in place."""
    parameters = list_parameters("clip_grad_value_", parameters)
    act(clip_values, parameters, parameters, clip_value)


def clip_values(parameters: list[Tensor], clip_value: float) -> None:
    """Do it."""
    for g in collect_gradients("clip_grad_value_", parameters, clip_value):
        np.maximum(g, -clip_value, out=g)
        np.minimum(g, clip_value, out=g)


def list_parameters(who: str, parameters: Any) -> list[Tensor]:
    """The parameters, one or several, as a list."""
    found = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    for p in found:
        if not isinstance(p, Tensor):
            raise TypeError(
                f"{who}: expected parameters, got {type(p).__name__}; pass module.parameters(), not the module or names"
            )
    return found


def collect_gradients(who: str, parameters: list[Tensor], limit: float) -> list[Any]:
    """The gradients' arrays, counted as changed in place."""
    if not limit >= 0:
        raise ValueError(f"{who}: the limit must be a number of at least 0, got {limit!r}; use inf for no limit")
    found = []
    for p in parameters:
        if p._grad is not None:
            p._grad._version[0] += 1
            found.append(p._grad.array)
    return found
