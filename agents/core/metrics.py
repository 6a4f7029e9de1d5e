"""Figures of the updates, for metrics.csv and the progress."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


class Means:
    """The mean of each metric since its last `take`."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names
        self._sums, self._count = [0.0] * len(names), 0

    def add(self, *values: float) -> None:
        """One value of every metric, in the order of their names."""
        sums = self._sums
        for i, value in enumerate(values):
            sums[i] += value
        self._count += 1

    def take(self) -> dict[str, float | None]:
        """The means, `None` if nothing was added; and starts again."""
        sums, count = self._sums, self._count
        self._sums, self._count = [0.0] * len(sums), 0
        return {name: total / count if count else None for name, total in zip(self._names, sums, strict=True)}

    def sums(self) -> Iterable[tuple[str, float]]:
        """The sum of each metric so far."""
        return zip(self._names, self._sums, strict=True)

    def state_dict(self) -> dict[str, Any]:
        return {"sums": list(self._sums), "count": self._count}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._sums, self._count = list(state["sums"]), state["count"]
