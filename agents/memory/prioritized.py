"""Prioritised replay: rows whose error was large are drawn more often. One of a replay's orders (replay.py)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from envs.errors import UsageError

from ..core.hyperparameters import Fraction, Hyperparameters
from ..core.schedules import linear
from .replay import REPLAY
from .ring import Ring
from .sum_tree import SumTree


class Prioritized:
    """Rows with a probability that grows with the error made there the last time: proportional prioritisation.

        P(i) = p_i^α / Σ_k p_k^α    with    p_i = |δ_i| + ε               (1)
        w_i = (1/N · 1/P(i))^β / max_j w_j

    A row drawn more often than evenly would bias what is learnt; the weight w_i of its loss undoes that, wholly at
    β = 1, where β arrives at the end of training. The weights are for the loss alone, not for the priorities.

    Schaul, Quan, Antonoglou & Silver, "Prioritized experience replay" (ICLR 2016), equation 1, sections 3.3 and 3.4,
    algorithm 1.

    capacity    rows of the replay
    rng         what it draws with
    alpha       α >= 0, how much the error counts: 0 draws evenly
    beta        β at the start, from 0 (no correction) to 1
    epsilon     ε > 0, so that a row without error can still be drawn
    """

    wants_errors = True

    def __init__(
        self,
        capacity: int,
        rng: np.random.Generator,
        *,
        alpha: float = 0.6,
        beta: float = 0.4,
        epsilon: float = 1e-6,
    ) -> None:
        if not (0 <= alpha < np.inf and 0 <= beta <= 1 and 0 < epsilon < np.inf):
            raise UsageError(
                f"prioritised replay: alpha must be at least 0, beta from 0 to 1 and epsilon above 0, but alpha is "
                f"{alpha}, beta {beta} and epsilon {epsilon}"
            )
        self.alpha, self.beta, self.epsilon = alpha, beta, epsilon
        self._rng = rng
        self._tree = SumTree(capacity)  # of p^α
        self._highest = 1.0  # p^α of the largest p so far
        self._strata = np.arange(0)

    def added(self, rows: np.ndarray) -> None:
        """New transitions lie at `rows`, (k,). Nobody knows their errors yet: they get the highest priority so far, so
        that all are learnt from soon."""
        self._tree.set(rows, self._highest)

    def removed(self, rows: np.ndarray) -> None:
        """Nothing worth drawing lies at `rows`, (k,), until something is added there."""
        self._tree.set(rows, 0.0)

    def draw(self, batch_size: int, ring: Ring, progress: float) -> tuple[np.ndarray, np.ndarray]:
        """Rows and their weights w, float32, both (batch_size,), at a training's `progress` from 0 to 1.

        The total is divided into `batch_size` equal ranges and one row drawn from each. The weights are divided by the
        largest of this batch. Raises if there is nothing to draw.
        """
        if len(self._strata) != batch_size:
            self._strata = np.arange(batch_size)
        mass = (self._strata + self._rng.random(batch_size)) * (self._tree.total / batch_size)
        rows = self._tree.find(mass)
        number = self._tree[rows]
        # Divided by the largest, N and Σ p^α cancel: the largest weight has the smallest p^α.
        weight = (number / np.minimum.reduce(number)) ** -linear(self.beta, 1.0, 1.0, progress)
        return rows, weight.astype(np.float32)

    def feedback(self, rows: np.ndarray, error: np.ndarray) -> None:
        """The agent was wrong by `error`, δ or |δ|, (k,), about the last draw's `rows`."""
        number = (np.abs(np.asarray(error, np.float64)) + self.epsilon) ** self.alpha
        highest = float(np.maximum.reduce(number, axis=None))
        if not highest < np.inf:
            raise UsageError(
                f"prioritised replay: an error of {np.abs(error).max()} can't be a priority; the network's values have "
                f"diverged, which a smaller learning rate or a bound on the gradient's norm prevents"
            )
        self._tree.set(rows, number)
        self._highest = max(self._highest, highest)

    def state_dict(self) -> dict[str, Any]:
        return {"numbers": self._tree.numbers, "highest": self._highest}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._tree.numbers = state["numbers"]
        self._highest = state["highest"]


@dataclass(frozen=True)
class PrioritizedSettings(Hyperparameters):
    replay_alpha: Fraction = 0.5
    """0 draws all alike, 1 in proportion to the error."""
    replay_beta: Fraction = 0.4
    """How much of the bias is corrected at the start; all of it at the end."""

    aliases: ClassVar[Mapping[str, str]] = {"priority_alpha": "replay_alpha", "priority_beta": "replay_beta"}


@REPLAY.option("prioritized", PrioritizedSettings)
def make_prioritized(agent: Any) -> Prioritized:
    h = agent.hyperparameters
    return Prioritized(h.replay_size, agent.random["replay"], alpha=h.replay_alpha, beta=h.replay_beta)
