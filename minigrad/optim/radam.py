"""RAdam: Adam that waits, with its scaling, until there is enough history to scale by."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..speed.flat import Flat, Piece
from .adam import average_moments
from .optimizer import Optimizer


class RAdam(Optimizer):
    """Rectified Adam (Liu et al. 2020, "On the variance of the adaptive learning rate and beyond", algorithm 2).

        m, v, m̂, v̂ as in Adam
        ρ∞ = 2 / (1 - β₂) - 1                 the length of a long moving average
        ρ  = ρ∞ - 2 t β₂ᵗ / (1 - β₂ᵗ)         the length of v's average so far
        θ ← θ - lr · m̂ · r / √v̂,   r² = (ρ - 4)(ρ - 2) ρ∞ / ((ρ∞ - 4)(ρ∞ - 2) ρ),   if ρ > 5
        θ ← θ - lr · m̂                        otherwise

    The settings are Adam's; as in PyTorch, eps is added to √v rather than to √v̂.

    Raises ValueError for settings outside their range.
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        super().__init__(
            params,
            dict(
                lr=lr,
                betas=betas,
                eps=eps,
                weight_decay=weight_decay,
                decoupled_weight_decay=decoupled_weight_decay,
                maximize=maximize,
            ),
            capturable=capturable,
            differentiable=differentiable,
        )

    def _check(self, group: dict[str, Any]) -> None:
        self._refuse_negative(group, "lr", "eps", "weight_decay")
        self._refuse_non_fractions(group, "betas", 2, "(0.9, 0.999)")

    def _list_state_names(self, group: dict[str, Any]) -> tuple[str, ...]:
        return ("exp_avg", "exp_avg_sq")

    def _update(self, group: dict[str, Any], flat: Flat, piece: Piece) -> None:
        t, (m, v), steps = piece.scratch, piece.state, piece.steps
        beta1, beta2 = group["betas"]
        c1, c2 = 1 - beta1**steps, 1 - beta2**steps
        longest = 2 / (1 - beta2) - 1
        length = longest - 2 * steps * (1 - c2) / c2
        rate = group["lr"] / c1
        if length > 5:
            ratio = (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)
            rate *= (ratio * c2) ** 0.5
        self._prepare(group, piece)
        beta1, rest1, beta2, rest2, epsilon, rate = flat.scalars(beta1, 1 - beta1, beta2, 1 - beta2, group["eps"], rate)
        average_moments(piece, beta1, rest1, beta2, rest2)
        if length > 5:
            np.sqrt(v, t)
            np.add(t, epsilon, t)
            np.divide(m, t, t)
            m = t
        np.multiply(m, rate, t)
        np.subtract(piece.values, t, piece.values)
