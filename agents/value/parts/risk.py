"""Risk: a policy that goes by a part of the distribution of returns. The heads that know the distribution share it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from envs import UsageError

from ...core.hyperparameters import Fraction, Hyperparameters


@dataclass(frozen=True)
class RiskSettings(Hyperparameters):
    head_risk_from: Fraction = 0.0
    """The policy goes by the mean over a range of quantiles that starts here ..."""
    head_risk_to: Fraction = 1.0
    """... and ends here. 0 to 1 is the plain mean, 0 to 0.25 risk-averse, 0.75 to 1 risk-seeking."""

    aliases: ClassVar[Mapping[str, str]] = {"risk_from": "head_risk_from", "risk_to": "head_risk_to"}


class Risk:
    """`risk` is the range of quantiles whose mean the policy goes by: (0, 1) is the mean of all, (0, 0.25) that of the
    worst quarter (risk-averse), (0.75, 1) that of the best (risk-seeking). It can be changed after training, too."""

    def __init__(self, risk: tuple[float, float]) -> None:
        self.risk = risk

    @property
    def risk(self) -> tuple[float, float]:
        return self._risk

    @risk.setter
    def risk(self, quantiles: tuple[float, float]) -> None:
        low, high = quantiles
        if not 0 <= low < high <= 1:
            raise UsageError(f"risk is a range of quantiles, 0 <= from < to <= 1, got from {low:g} to {high:g}")
        self._risk = (low, high)


def quantile_weights(probability: np.ndarray, low: float, high: float) -> np.ndarray:
    """How much of each value's probability (..., N), in ascending order of the values, lies between the quantiles `low`
    and `high`, as a part of all that does. Their mean over [0, α] is the conditional value at risk of level α."""
    above = np.cumsum(probability, axis=-1)
    inside = np.minimum(above, high) - np.maximum(above - probability, low)
    return np.maximum(inside, 0) / (high - low)
