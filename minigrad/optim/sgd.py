"""Stochastic gradient descent."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..speed.flat import Flat, Piece
from .optimizer import Optimizer


class SGD(Optimizer):
    """Gradient descent, with momentum if asked for.

        b ← μ b + (1 - dampening) g           (b = g in the first step)
        θ ← θ - lr · b                        or, Nesterov: θ ← θ - lr · (g + μ b)

    (Sutskever et al. 2013, "On the importance of initialization and momentum in deep learning"; as in PyTorch, lr
    multiplies the whole step rather than the gradient.)

    weight_decay: adds weight_decay · θ to the gradient.
    maximize: climbs instead of descending.

    Raises ValueError for settings outside their range, and for Nesterov momentum without momentum or with dampening.
    """

    _counts_steps = False

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        super().__init__(
            params,
            dict(
                lr=lr,
                momentum=momentum,
                dampening=dampening,
                weight_decay=weight_decay,
                nesterov=nesterov,
                maximize=maximize,
            ),
            differentiable=differentiable,
        )

    def _check(self, group: dict[str, Any]) -> None:
        self._refuse_negative(group, "lr", "momentum", "weight_decay")
        if group["nesterov"] and (not group["momentum"] or group["dampening"]):
            raise ValueError(
                f"SGD: nesterov=True with momentum={group['momentum']} and dampening={group['dampening']}; "
                "it needs a momentum above 0 and no dampening"
            )

    def _list_state_names(self, group: dict[str, Any]) -> tuple[str, ...]:
        return ("momentum_buffer",) if group["momentum"] else ()

    def _update(self, group: dict[str, Any], flat: Flat, piece: Piece) -> None:
        g, t = piece.gradient, piece.scratch
        self._prepare(group, piece)
        momentum, keep, rate = flat.scalars(group["momentum"], 1 - group["dampening"], group["lr"])
        if group["momentum"]:
            (b,) = piece.state
            if piece.steps == 1:
                b[...] = g
            else:
                np.multiply(b, momentum, b)
                np.add(b, np.multiply(g, keep, t), b)
            g = np.add(g, np.multiply(b, momentum, t), g) if group["nesterov"] else b
        np.subtract(piece.values, np.multiply(g, rate, t), piece.values)
