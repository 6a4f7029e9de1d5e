"""Adam: each element's step is scaled by its own gradients' history."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..speed.flat import Flat, Piece
from .optimizer import Optimizer


class Adam(Optimizer):
    """Adam (Kingma & Ba 2015, algorithm 1).

        m ← β₁ m + (1 - β₁) g                 m̂ = m / (1 - β₁ᵗ)
        v ← β₂ v + (1 - β₂) g²                v̂ = v / (1 - β₂ᵗ)
        θ ← θ - lr · m̂ / (√v̂ + ε)

    weight_decay: adds weight_decay · θ to the gradient.
    amsgrad: divides by the largest v̂ so far (Reddi, Kale & Kumar 2018).
    maximize: climbs instead of descending.
    decoupled_weight_decay: makes it AdamW.
    foreach, fused, capturable, differentiable: see Optimizer.

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
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        super().__init__(
            params,
            dict(
                lr=lr,
                betas=betas,
                eps=eps,
                weight_decay=weight_decay,
                amsgrad=amsgrad,
                maximize=maximize,
                decoupled_weight_decay=decoupled_weight_decay,
            ),
            capturable=capturable,
            differentiable=differentiable,
        )

    def _check(self, group: dict[str, Any]) -> None:
        self._refuse_negative(group, "lr", "eps", "weight_decay")
        self._refuse_non_fractions(group, "betas", 2, "(0.9, 0.999)")

    def _list_state_names(self, group: dict[str, Any]) -> tuple[str, ...]:
        return ("exp_avg", "exp_avg_sq", "max_exp_avg_sq") if group["amsgrad"] else ("exp_avg", "exp_avg_sq")

    def _update(self, group: dict[str, Any], flat: Flat, piece: Piece) -> None:
        t, (m, v, *largest) = piece.scratch, piece.state
        beta1, beta2 = group["betas"]
        # m̂ / (√v̂ + ε) = m √c₂ / c₁ / (√v + ε √c₂): both corrections as numbers, not as two more passes
        c1, root_c2 = 1 - beta1**piece.steps, (1 - beta2**piece.steps) ** 0.5
        if group["weight_decay"] or group["maximize"]:
            self._prepare(group, piece)
        beta1, rest1, beta2, rest2, epsilon, rate = flat.scalars(
            beta1, 1 - beta1, beta2, 1 - beta2, group["eps"] * root_c2, group["lr"] * root_c2 / c1
        )
        average_moments(piece, beta1, rest1, beta2, rest2)
        if largest:
            v = np.maximum(largest[0], v, out=largest[0])
        np.sqrt(v, t)
        np.add(t, epsilon, t)
        np.divide(m, t, t)
        np.multiply(t, rate, t)
        np.subtract(piece.values, t, piece.values)


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019, "Decoupled weight decay", algorithm 2).

        θ ← θ - lr · weight_decay · θ         and then Adam's step, which knows nothing of it

    In Adam itself the decay would be a part of the gradient, and so be divided by √v̂: the elements with large gradients
    would decay less. The other settings are Adam's.
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, decoupled_weight_decay=True, **options)

    def _check(self, group: dict[str, Any]) -> None:
        group["decoupled_weight_decay"] = True  # also after loading Adam's state
        super()._check(group)


def average_moments(piece: Piece, beta1: Any, rest1: Any, beta2: Any, rest2: Any) -> None:
    """m ← β₁ m + (1 - β₁) g and v ← β₂ v + (1 - β₂) g², in place; uses up the gradient."""
    g, t, m, v = piece.gradient, piece.scratch, piece.state[0], piece.state[1]
    multiply, add = np.multiply, np.add
    multiply(g, g, t)
    multiply(t, rest2, t)
    multiply(v, beta2, v)
    add(v, t, v)
    multiply(g, rest1, g)
    multiply(m, beta1, m)
    add(m, g, m)
