"""Figures of the updates, for metrics.csv and the progress."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


class Means:
    """The mean of each metric since its last `take`."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names
        self._sums, self._count = [0.0] * len(names), 0
        self._taken = 0

    def add(self, *values: float) -> None:
        """One value of every metric, in the order of their names."""
        sums = self._sums
        for i, value in enumerate(values):
            sums[i] += value
        self._count += 1

    def take(self) -> dict[str, float | None]:
        """The means, `None` if nothing was added; and starts again."""
        sums, count = self._sums, self._count
        self._taken += count
        self._sums, self._count = [0.0] * len(sums), 0
        return {name: total / count if count else None for name, total in zip(self._names, sums, strict=True)}

    @property
    def updates(self) -> int:
        """How often something was added, since the agent was made."""
        return self._taken + self._count

    def mark(self) -> tuple[list[float], int]:
        """Where the sums are, for `since`."""
        return list(self._sums), self._count

    def since(self, mark: tuple[list[float], int]) -> dict[str, float | None]:
        """The means of what was added since `mark`, `None` if that was nothing. In between, nothing may be taken."""
        sums, count = mark
        added = self._count - count
        totals = [now - then for now, then in zip(self._sums, sums, strict=True)]
        return {name: total / added if added else None for name, total in zip(self._names, totals, strict=True)}

    def sums(self) -> Iterable[tuple[str, float]]:
        """The sum of each metric so far."""
        return zip(self._names, self._sums, strict=True)

    def state_dict(self) -> dict[str, Any]:
        return {"sums": list(self._sums), "count": self._count, "taken": self._taken}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._sums, self._count = list(state["sums"]), state["count"]
        self._taken = state.get("taken", 1)  # an older checkpoint doesn't know; most agents had learned
