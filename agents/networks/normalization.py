"""Running statistics, to bring observations and rewards to a common size.

They change only when the agent learns, between one rollout and the next: within a rollout, acting and learning see the
same numbers, and looking at an agent (evaluation, `predict`) leaves them as they are. They are saved with the agent.

Huang et al., "The 37 implementation details of proximal policy optimization", ICLR blog track (2022), details 6 to 9
for continuous actions.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces

LARGEST = 10.0  # standard deviations: what is further off is as if it were here


class RunningStatistics:
    """Mean and variance of everything seen, each number of a row by itself.

    Chan, Golub and LeVeque, "Algorithms for computing the sample variance", The American Statistician 37 (1983),
    equation 1.5: two parts' sums of squares are combined without either's rows.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.count = 0
        self.mean, self.variance = np.zeros(shape), np.ones(shape)

    def add(self, rows: np.ndarray) -> None:
        """(k, ...) more of them."""
        n = len(rows)
        if not n:
            return
        rows = rows.astype(np.float64)
        delta, total = rows.mean(0) - self.mean, self.count + n
        squares = rows.var(0) * n + self.variance * self.count + delta**2 * (self.count * n / total)
        self.mean = self.mean + delta * (n / total)
        self.variance = squares / total
        self.count = total

    def state_dict(self) -> dict[str, Any]:
        return {"count": self.count, "mean": self.mean, "variance": self.variance}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.count, self.mean, self.variance = state["count"], state["mean"], state["variance"]


class ObservationNormalizer:
    """Observations with mean 0 and variance 1, none further than 10 from 0. Before it has learned anything it only
    clips."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.statistics = RunningStatistics(shape)
        self.space = spaces.Box(-LARGEST, LARGEST, shape, np.float32)  # of what comes out

    def __call__(self, observation: np.ndarray) -> np.ndarray:
        """(..., *shape) float32."""
        s = self.statistics
        scaled = (observation - s.mean) / np.sqrt(s.variance + 1e-8)
        return scaled.clip(-LARGEST, LARGEST).astype(np.float32)

    def learn_from(self, observation: np.ndarray) -> None:
        """(k, *shape)."""
        self.statistics.add(observation)

    def state_dict(self) -> dict[str, Any]:
        return self.statistics.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.statistics.load_state_dict(state)


class RewardNormalizer:
    """Rewards divided by the standard deviation of the discounted return, so that a value is about as large in every
    environment. Not centred: that would change what is worth living for."""

    def __init__(self, num_envs: int, gamma: float) -> None:
        self.statistics = RunningStatistics(())
        self.gamma = gamma
        self.returns = np.zeros(num_envs)  # Σ γᵏ r_{t-k} of the episodes under way

    def __call__(self, reward: np.ndarray) -> np.ndarray:
        """Of the same shape, float32."""
        scaled = reward / np.sqrt(self.statistics.variance + 1e-8)
        return scaled.clip(-LARGEST, LARGEST).astype(np.float32)

    def learn_from(self, reward: np.ndarray, ended: np.ndarray, valid: np.ndarray) -> None:
        """Of a rollout, (T, N) each; `ended` is either end."""
        seen = np.empty(reward.shape)
        for t in range(len(reward)):
            self.returns = seen[t] = self.gamma * self.returns + reward[t]
            self.returns = self.returns * ~ended[t]
        self.statistics.add(seen[valid])

    def state_dict(self) -> dict[str, Any]:
        return {"statistics": self.statistics.state_dict(), "returns": self.returns}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.statistics.load_state_dict(state["statistics"])
        self.returns = state["returns"]
