"""Values that change over training, as functions of its progress from 0 (start) to 1 (end)."""

from __future__ import annotations

from typing import Any


def linear(start: float, end: float, fraction: float, progress: float) -> float:
    """From `start` to `end` in a straight line over the first `fraction` of training, and `end` after
    that."""
    if progress >= fraction:
        return end
    return start + (end - start) * progress / fraction


class AnnealedEpsilon:
    """What ε-greedy agents share: ε falls by plan, from hyper-parameters called epsilon_start, _end and _fraction."""

    hyperparameters: Any
    progress: Any

    @property
    def epsilon(self) -> float:
        h = self.hyperparameters
        return linear(h.epsilon_start, h.epsilon_end, h.epsilon_fraction, self.progress)

    def schedules(self) -> dict[str, float]:
        return {"epsilon": self.epsilon}
