"""What the parameters and the values of a distribution must be: checked once, cheaply, where they are given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.tensor import Tensor


class Constraint:
    """A condition on a tensor, and the words for it."""

    def __init__(self, words: str, holds: Callable[[Any], Any]) -> None:
        self.words, self._holds = words, holds

    def check(self, value: Tensor) -> bool:
        """Whether every element satisfies the condition."""
        return not value.array.size or bool(self._holds(value.array))

    def __repr__(self) -> str:
        return f"<constraint: {self.words}>"


def smallest(x: Any) -> Any:
    """The smallest element, NaN if there is one. (NumPy's argmin is vectorised, its min is not.)"""
    return x.item(x.argmin()) if type(x) is np.ndarray else x.min().item()


def largest(x: Any) -> Any:
    """The largest element, NaN if there is one."""
    return x.item(x.argmax()) if type(x) is np.ndarray else x.max().item()


def _sums_to_one(x: Any) -> bool:
    return smallest(x) >= 0 and smallest(-abs(np.add.reduce(x, axis=-1) - 1)) > -1e-6 * (1 + x.shape[-1])


def _not_nan(x: Any) -> bool:
    low = smallest(x)
    return low == low


real = Constraint("a number, not NaN", _not_nan)
positive = Constraint("greater than 0", lambda x: smallest(x) > 0)
unit_interval = Constraint("between 0 and 1", lambda x: smallest(x) >= 0 and largest(x) <= 1)
simplex = Constraint("at least 0, and positive in sum", _sums_to_one)  # checked after the division by the sum
boolean = Constraint("0 or 1", lambda x: ((x == 0) | (x == 1)).all())


def integer_interval(low: int, high: int) -> Constraint:
    """Whole numbers from `low` to `high`."""
    return Constraint(
        f"a whole number from {low} to {high}",
        lambda x: smallest(x) >= low and largest(x) <= high and (x.dtype.kind in "iub" or (np.floor(x) == x).all()),
    )


class Interval(Constraint):
    """From `low` to `high`, both included; numbers or arrays that broadcast with the values."""

    def __init__(self, low: Any, high: Any) -> None:
        self.low, self.high = low, high

    def _holds(self, x: Any) -> Any:  # type: ignore[override]
        return ((self.low <= x) & (x <= self.high)).all()

    @property
    def words(self) -> str:  # type: ignore[override]
        """Written when asked for: to print an array takes longer than to check a hundred actions."""
        return f"between {self.low} and {self.high}"
