"""Adam: each element's step is scaled by its own gradients' history."""

from __future__ import annotations

from typing import Any

import numpy as np

from .flat import Flat, Piece
from .optimizer import Optimizer


class Adam(Optimizer):
    """Adam (Kingma & Ba 2015, algorithm 1).

        m ← β₁ m + (1 - β₁) g                 m̂ = m / (1 - β₁ᵗ)
        v ← β₂ v + (1 - β₂) g²                v̂ = v / (1 - β₂ᵗ)
        θ ← θ - lr · m̂ / (√v̂ + ε)

    weight_decay: adds weight_decay · θ to the gradient.
    amsgrad: divides by the largest v̂ so far (Reddi, Kale & Kumar 2018).
    maximize: climbs instead of descending.

    Raises ValueError for settings outside their range.
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        defaults = dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, amsgrad=amsgrad, maximize=maximize)
        super().__init__(params, defaults)

    def _check(self, group: dict[str, Any]) -> None:
        self._at_least_0(group, "lr", "eps", "weight_decay")
        betas = group["betas"]
        if not isinstance(betas, tuple | list) or len(betas) != 2 or not all(0 <= b < 1 for b in betas):
            raise ValueError(f"Adam: betas={betas!r}; expected two numbers in [0, 1), such as (0.9, 0.999)")

    def _names(self, group: dict[str, Any]) -> tuple[str, ...]:
        return ("exp_avg", "exp_avg_sq", "max_exp_avg_sq") if group["amsgrad"] else ("exp_avg", "exp_avg_sq")

    def _update(self, group: dict[str, Any], flat: Flat, piece: Piece) -> None:
        theta, g, t = piece.values, piece.gradient, piece.scratch
        m, v, *largest = piece.state
        beta1, beta2 = group["betas"]
        # m̂ / (√v̂ + ε) = m √c₂ / c₁ / (√v + ε √c₂): both corrections as numbers, not as two more passes
        c1, root_c2 = 1 - beta1**piece.steps, (1 - beta2**piece.steps) ** 0.5
        beta1, rest1, beta2, rest2, epsilon, rate = flat.scalars(
            beta1, 1 - beta1, beta2, 1 - beta2, group["eps"] * root_c2, group["lr"] * root_c2 / c1
        )
        multiply, add = np.multiply, np.add

        if group["maximize"]:
            np.negative(g, g)
        if group["weight_decay"]:
            add(g, multiply(theta, group["weight_decay"], t), g)
        multiply(g, g, t)
        multiply(t, rest2, t)
        multiply(v, beta2, v)
        add(v, t, v)
        multiply(g, rest1, g)
        multiply(m, beta1, m)
        add(m, g, m)
        if largest:
            v = np.maximum(largest[0], v, out=largest[0])
        np.sqrt(v, t)
        add(t, epsilon, t)
        np.divide(m, t, t)
        multiply(t, rate, t)
        np.subtract(theta, t, theta)
