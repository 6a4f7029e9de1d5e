"""RMSprop: each element's step is divided by the size its gradients have had lately."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..speed.flat import Flat, Piece
from .optimizer import Optimizer


class RMSprop(Optimizer):
    """RMSprop (Tieleman & Hinton 2012, "Neural networks for machine learning", lecture 6.5; DQN's and A3C's optimizer).

        v ← α v + (1 - α) g²
        θ ← θ - lr · g / (√v + ε)

    centered: divides by the standard deviation instead, √(v - ḡ²) with ḡ ← α ḡ + (1 - α) g (Graves 2013, eq. 38 to 45).
    momentum: b ← momentum · b + the quotient, and θ ← θ - lr · b.
    weight_decay: adds weight_decay · θ to the gradient.
    maximize: climbs instead of descending.

    ε stands beside the root, as in PyTorch; TensorFlow, with which A2C was published, has it inside.

    Raises ValueError for settings outside their range.
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        super().__init__(
            params,
            dict(
                lr=lr,
                momentum=momentum,
                alpha=alpha,
                eps=eps,
                centered=centered,
                weight_decay=weight_decay,
                maximize=maximize,
            ),
            capturable=capturable,
            differentiable=differentiable,
        )

    def _check(self, group: dict[str, Any]) -> None:
        self._refuse_negative(group, "lr", "eps", "weight_decay", "momentum")
        self._refuse_non_fractions(group, "alpha", 1, "0.99")

    def _list_state_names(self, group: dict[str, Any]) -> tuple[str, ...]:
        names = ["square_avg"]
        if group["momentum"]:
            names.append("momentum_buffer")
        if group["centered"]:
            names.append("grad_avg")
        return tuple(names)

    def _update(self, group: dict[str, Any], flat: Flat, piece: Piece) -> None:
        g, t, v = piece.gradient, piece.scratch, piece.state[0]
        alpha, epsilon, momentum, rate = group["alpha"], group["eps"], group["momentum"], group["lr"]
        self._prepare(group, piece)
        alpha, rest, epsilon, momentum, rate = flat.scalars(alpha, 1 - alpha, epsilon, momentum, rate)
        np.multiply(g, g, t)
        np.multiply(t, rest, t)
        np.multiply(v, alpha, v)
        np.add(v, t, v)
        if group["centered"]:
            average = piece.state[-1]
            np.multiply(average, alpha, average)
            np.add(average, np.multiply(g, rest, t), average)
            np.multiply(average, average, t)
            v = np.subtract(v, t, t)
        np.sqrt(v, t)
        np.add(t, epsilon, t)
        np.divide(g, t, g)
        if group["momentum"]:
            b = piece.state[1]
            np.multiply(b, momentum, b)
            g = np.add(b, g, b)
        np.subtract(piece.values, np.multiply(g, rate, t), piece.values)
