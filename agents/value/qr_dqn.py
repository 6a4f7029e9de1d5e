"""QR-DQN: DQN that learns the distribution of the return as N of its quantiles.

The random return Z(s, a) is modelled by N equally likely values θ_i(s, a). θ_i is to be the quantile of Z at the
level τ_i = (2i - 1) / 2N. The regression of a quantile weighs errors above it by τ, and errors below it by 1 - τ:

    L = Σ_i 1/N Σ_j ρ_{τ_i}(u_ij),    u_ij = r + γ θ⁻_j(s', a') - θ_i(s, a),    ρ_τ(u) = |τ - 1{u < 0}| H(u)

with Huber's loss H (κ = 1) in the place of |u|; then the slope is 0 where u is. Unlike C51 it needs no bounds of the
return.

Dabney, Rowland, Bellemare & Munos, "Distributional Reinforcement Learning with Quantile Regression", AAAI (2018),
equations 9 and 10, algorithm 1. As with C51, a policy may go by a part of the distribution: `risk_to=0.25`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import minigrad as mg

from ..core.hyperparameters import Count
from .dqn import DQN
from .parts.risk import Risk, RiskSettings, quantile_weights
from .parts.seams import HEAD


def _errors_and_slopes(target: Any, level: Any, prediction: Any) -> tuple[Any, Any, Any]:
    """u, c = u clipped to [-1, 1], and the slope of ρ, |τ - 1{u < 0}| c, all (batch, N, M)."""
    u = target[:, None, :] - prediction[:, :, None]
    c = np.minimum(np.maximum(u, -1), 1)
    return u, c, level * c + (1 - 2 * level) * np.minimum(c, 0)


def _quantile_loss(target: Any, level: Any, prediction: Any) -> Any:
    """Σ_i 1/M Σ_j ρ_{τ_i}(u_ij), (batch, 1). Huber's loss is c (u - c / 2)."""
    u, c, slope = _errors_and_slopes(target, level, prediction)
    return (slope * (u - c / 2)).sum(2).sum(1)[:, None] / target.shape[1]


def _quantile_slope(g: Any, target: Any, level: Any, prediction: Any) -> Any:
    _, _, slope = _errors_and_slopes(target, level, prediction)
    return -g * slope.sum(2) / target.shape[1]


# L, (batch, 1), of a constant target (batch, M), the levels τ (N, 1) and quantiles (batch, N): in one node.
quantile_loss = mg.operation(_quantile_loss, dict(prediction=_quantile_slope), name="quantile_loss")


def _mean_in_range(quantiles: np.ndarray, low: float, high: float) -> np.ndarray:
    ascending, size = np.sort(quantiles, -1), quantiles.shape[-1]
    return ascending @ quantile_weights(np.full(size, 1 / size), low, high).astype(ascending.dtype)


# The mean of quantiles (..., N), in whatever order, between two levels: an operation without a rule.
mean_in_range = mg.operation(_mean_in_range, name="mean_in_range")


def quantile_huber_loss(target: mg.Tensor, prediction: mg.Tensor) -> mg.Tensor:
    """L, (batch, 1), of a constant target (batch, M) and quantiles (batch, N) in the order of their levels."""
    size = prediction.shape[1]
    level = (mg.arange(size, dtype=prediction.dtype, device=prediction.device) + 0.5) / size
    return quantile_loss(target, level[:, None], prediction)


class Quantiles(Risk):
    """The head: `numbers` quantiles of the return for every action. They need not come in order."""

    def __init__(self, numbers: int, risk: tuple[float, float] = (0.0, 1.0)) -> None:
        super().__init__(risk)
        self.numbers = numbers

    def quantiles(self, output: mg.Tensor) -> mg.Tensor:
        """θ(s, ·), (batch, actions, N)."""
        return output if output.ndim == 3 else output.reshape(len(output), -1, self.numbers)

    def values(self, output: mg.Tensor) -> mg.Tensor:
        """Q(s, ·) = 1/N Σ_i θ_i(s, ·), (batch, actions)."""
        return self.quantiles(output).mean(2)

    def preferences(self, output: mg.Tensor) -> mg.Tensor:
        """The mean over the quantiles `risk`, (batch, actions)."""
        if self.risk == (0.0, 1.0):
            return self.values(output)
        return mean_in_range(self.quantiles(output).detach().cpu(), *self.risk).to(output.device)

    def of_action(self, output: mg.Tensor, action: mg.Tensor) -> mg.Tensor:
        """θ(s, a), (batch, N), of actions (batch, 1)."""
        return self.quantiles(output)[mg.arange(len(action)), action.squeeze(1)]

    def target(
        self, reward: mg.Tensor, discount: mg.Tensor, next_output: mg.Tensor, next_action: mg.Tensor
    ) -> mg.Tensor:
        """r + γ θ⁻(s', a'), (batch, N). Where the episode terminated γ is 0, and all are r."""
        following = self.quantiles(next_output)[mg.arange(len(next_action)), next_action]
        return reward.unsqueeze(1) + discount.unsqueeze(1) * following

    def loss(self, prediction: mg.Tensor, target: mg.Tensor, reduction: str) -> mg.Tensor:
        """The losses of quantiles (batch, N), (batch, 1), or their mean."""
        if prediction.shape != target.shape:  # (batch, 1) would count for every quantile
            raise ValueError(f"quantile loss: the prediction has shape {prediction.shape}, the target {target.shape}")
        losses = quantile_huber_loss(target, prediction)
        return losses if reduction == "none" else losses.mean()

    def mean(self, prediction: mg.Tensor) -> mg.Tensor:
        """The mean of Q(s, a) over the batch."""
        return prediction.detach().mean()

    def error(self, prediction: mg.Tensor, target: mg.Tensor) -> mg.Tensor:
        """|E target - Q(s, a)|, (batch,): what a prioritised replay goes by, as in DQN."""
        return (target.mean(1) - prediction.detach().mean(1)).abs()

    def average(self, outputs: Sequence[mg.Tensor]) -> mg.Tensor:
        """The mean of every quantile, (batch, actions, N)."""
        return mg.stack([self.quantiles(output) for output in outputs]).mean(0)


@dataclass(frozen=True)
class QuantileSettings(RiskSettings):
    head_quantiles: Count = 32
    """N, how many quantiles of the return are learned."""


@HEAD.option("quantile", QuantileSettings)
def quantile(agent: Any) -> Quantiles:
    h = agent.hyperparameters
    return Quantiles(h.head_quantiles, (h.head_risk_from, h.head_risk_to))


class QRDQN(DQN):
    name = "qr-dqn"
    components = {"head": "quantile"}
