"""Adagrad: each element's step is divided by the size of all its gradients so far."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..speed.flat import Flat, Piece
from .optimizer import Optimizer


class Adagrad(Optimizer):
    """Adagrad (Duchi, Hazan & Singer 2011, "Adaptive subgradient methods", figure 1, diagonal).

        s ← s + g²
        θ ← θ - lr / (1 + (t - 1) lr_decay) · g / (√s + ε)

    initial_accumulator_value: what s starts from.
    weight_decay: adds weight_decay · θ to the gradient.
    maximize: climbs instead of descending.

    Raises ValueError for settings outside their range.
    """

    _remembers_at_once = True

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        super().__init__(
            params,
            dict(
                lr=lr,
                lr_decay=lr_decay,
                eps=eps,
                weight_decay=weight_decay,
                initial_accumulator_value=initial_accumulator_value,
                maximize=maximize,
            ),
            differentiable=differentiable,
        )

    def _check(self, group: dict[str, Any]) -> None:
        self._refuse_negative(group, "lr", "lr_decay", "eps", "weight_decay", "initial_accumulator_value")

    def _list_state_names(self, group: dict[str, Any]) -> tuple[str, ...]:
        return ("sum",)

    def _choose_initial(self, group: dict[str, Any], name: str) -> float:
        return group["initial_accumulator_value"]

    def _update(self, group: dict[str, Any], flat: Flat, piece: Piece) -> None:
        g, t, (total,) = piece.gradient, piece.scratch, piece.state
        self._prepare(group, piece)
        epsilon, rate = flat.scalars(group["eps"], group["lr"] / (1 + (piece.steps - 1) * group["lr_decay"]))
        np.add(total, np.multiply(g, g, t), total)
        np.sqrt(total, t)
        np.add(t, epsilon, t)
        np.divide(g, t, t)
        np.multiply(t, rate, t)
        np.subtract(piece.values, t, piece.values)
