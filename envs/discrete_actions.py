"""Continuous actions as a choice among a few, for agents that can only choose.

Each dimension's range is divided evenly, both ends included: of n actions, number i is

    low + (high - low) i / (n - 1)

and with several dimensions every combination of theirs is an action, so their number grows as n^dimensions. Of an
integer box these are integers: all of a dimension that has no more than n, else the nearest to the n above.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from gymnasium import spaces

from .errors import UsageError
from .mapped_actions import MappedActions
from .transitions import Environments

# A network has an output for each.
MOST_ACTIONS = 1_000


class DiscreteActions(MappedActions):
    """`environments` with the actions 0, 1, ... in place of a box of them, `n` in each dimension."""

    def __init__(self, environments: Environments, n: int) -> None:
        self._n = n
        self._grid = grid(environments.name, environments.action_space, n)
        super().__init__(environments, spaces.Discrete(len(self._grid)))

    def around(self, environments: Environments) -> Environments:
        return DiscreteActions(environments, self._n)

    def for_env(self, action: Any) -> Any:
        return self._grid.take(action, 0)  # a copy, of a single one too

    def for_agent(self, action: np.ndarray) -> np.ndarray:
        """The nearest of the choices, (k,)."""
        distances = self._grid[None] - action.astype(np.float64)[:, None]
        return np.square(distances).reshape(len(action), len(self._grid), -1).sum(2).argmin(1)


def grid(name: str, space: Any, n: int) -> np.ndarray:
    """The actions in the box `space`, (actions, ...) of its shape and dtype; the last dimension varies
    fastest."""
    if not space.is_bounded():
        raise UsageError(f"{name}: actions without bounds can't be divided evenly, and they are {space}")
    if n < 2:
        raise UsageError(f"{name}: continuous actions must be divided into at least 2, got {n}")
    steps = [divide(least, most, n, space.dtype) for least, most in zip(space.low.flat, space.high.flat, strict=True)]
    count = math.prod(map(len, steps))
    if count > MOST_ACTIONS:
        raise UsageError(
            f"{name}: {n} actions in each of {len(steps)} dimensions are {count:,} combinations, and {MOST_ACTIONS:,} "
            f"are the most; divide into fewer, or use an agent for continuous actions"
        )
    combinations = np.stack([axis.ravel() for axis in np.meshgrid(*steps, indexing="ij")], axis=1)
    return combinations.reshape(count, *space.shape)


def divide(low: Any, high: Any, n: int, dtype: np.dtype) -> np.ndarray:
    """The numbers of one dimension, (k,), k at most `n`, from `low` to `high`, both included."""
    if dtype.kind not in "iu":
        return np.linspace(low, high, n).astype(dtype)
    low, high = int(low), int(high)
    n = min(n, high - low + 1)
    # The nearest to low + (high - low) i / (n - 1). Its steps are at least 1, so that none comes twice.
    gaps = max(1, n - 1)
    return np.array([low + ((high - low) * i * 2 + gaps) // (2 * gaps) for i in range(n)], dtype)
