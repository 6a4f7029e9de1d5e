"""Parallel arrays of fixed size, the oldest row overwritten when they are full: what a replay keeps things in."""

from __future__ import annotations

from typing import Any

import numpy as np


class Ring:
    """The last `capacity` rows of several arrays. `total` rows were ever added; row number r lies at r %
    capacity. Rows numbered below `first` are forgotten, although nothing has overwritten them yet."""

    def __init__(self, capacity: int, **fields: tuple[tuple[int, ...], Any]) -> None:
        self.capacity = capacity
        self.total = 0
        self.first = 0
        # zeros, not empty: the system hands out zeroed pages when they are first touched, so this allocates
        # nothing.
        self.arrays = {name: np.zeros((capacity, *shape), dtype) for name, (shape, dtype) in fields.items()}

    def __len__(self) -> int:
        return self.total - self.oldest

    @property
    def oldest(self) -> int:
        """The number of the oldest row that is kept."""
        return max(self.first, self.total - self.capacity)

    def append(self, count: int, **values: np.ndarray) -> np.ndarray:
        """Adds `count` rows, and returns where; every value has `count` rows of its field's shape."""
        start = self.total % self.capacity
        stop = start + count
        at: Any = slice(start, stop)
        rows = np.arange(start, stop)
        if stop > self.capacity:
            at = rows = rows % self.capacity
        for name, value in values.items():
            array = self.arrays[name]
            # (64, 1) into (64,) would broadcast into nonsense without a word.
            fits = len(value) == count and value.ndim == array.ndim
            if not fits or (array.ndim > 1 and value.shape[1:] != array.shape[1:]):
                raise ValueError(
                    f"replay: {name} has shape {value.shape} but {(count, *array.shape[1:])} was expected "
                    f"for {count} transition(s); reshape it before adding it"
                )
            array[at] = value
        self.total += count
        return rows

    def rows(self, start: int, stop: int) -> dict[str, np.ndarray]:
        """A copy of rows number `start` to `stop`, for a checkpoint."""
        at = np.arange(start, stop) % self.capacity
        return {name: array[at] for name, array in self.arrays.items()}

    def put_rows(self, start: int, values: dict[str, np.ndarray]) -> None:
        """Puts rows from number `start` back where they were."""
        for name, array in self.arrays.items():
            array[np.arange(start, start + len(values[name])) % self.capacity] = values[name]
