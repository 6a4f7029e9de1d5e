"""A sum tree: numbers any of which can be drawn with a probability proportional to it, and changed, in O(log n).

Schaul, Quan, Antonoglou & Silver, "Prioritized experience replay" (ICLR 2016), appendix B.2.1, draw with a binary
tree whose nodes hold the sums of their children. Here a node has 32 children: for NumPy the number of calls counts, not
the number of additions, and a million numbers then need two levels of sums instead of twenty. Drawing a
batch of 64 of them and putting new numbers there takes 38 µs, with a binary tree 105 (benchmarks/replay.py).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from envs.errors import UsageError

# Children of a node. Finding a batch of 64 and changing it takes, with 16, 32 and 64 of them, 29, 26 and 28 µs at 10⁵
# numbers, 33, 33 and 42 µs at 10⁶.
WIDTH = 32
# The highest level isn't divided further if it is no longer than this: its running sum (4.5 µs at most) costs less than
# one more level (10 µs).
LONGEST_TOP = 4096


class SumTree:
    """Numbers >= 0 at the places 0 to `capacity` - 1, all 0 at first.

    Every sum is always computed afresh from the numbers under it, never by adding a difference: it can't drift, and
    the numbers are all there is to save.
    """

    def __init__(self, capacity: int) -> None:
        if capacity < 1:
            raise UsageError(f"SumTree: capacity must be at least 1, got {capacity}")
        self.capacity = capacity
        depth = 0
        while capacity > LONGEST_TOP * WIDTH**depth:
            depth += 1
        top = -(-capacity // WIDTH ** (depth + 1))
        # The numbers, then their sums by blocks, and so on, (blocks, WIDTH) each. The zeros that fill them up let every
        # block of every level have all its children.
        self._levels = [np.zeros((top * WIDTH**i, WIDTH)) for i in range(depth, -1, -1)]
        self._flat = [level.reshape(-1) for level in self._levels]  # views
        self._numbers = self._flat[0][:capacity]
        self._parents = list(zip(self._levels, self._flat[1:], strict=False))  # each level and the sums of its blocks
        # The running sum of the highest level, with a 0 in front; renewed when something has changed since.
        self._running = np.zeros(self._levels[-1].size + 1)
        self._running_blocks = self._running[1:].reshape(-1, WIDTH)
        self._changed = False
        self._block_starts = np.arange(0)

    def __reduce__(self) -> tuple[Any, ...]:
        """For pickle and copy, which would make arrays of their own out of the views."""
        return _with_numbers, (self.capacity, self.numbers)

    # -- the numbers

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        """The numbers at `rows`, in its shape."""
        return self._numbers.take(rows)

    @property
    def numbers(self) -> np.ndarray:
        """A copy of all numbers, (capacity,). Assigning to it restores them, and every sum to the last bit."""
        return self._numbers.copy()

    @numbers.setter
    def numbers(self, numbers: np.ndarray) -> None:
        numbers = np.asarray(numbers, np.float64)
        if numbers.shape != (self.capacity,):
            raise UsageError(
                f"SumTree: {numbers.shape} numbers were given to a tree of capacity {self.capacity}; give "
                f"({self.capacity},), or make the tree as large as the one they are from"
            )
        self._check(np.arange(self.capacity), numbers)
        self._numbers[:] = numbers
        for level, sums in self._parents:
            np.add.reduce(level, 1, out=sums)
        self._changed = True

    def set(self, rows: np.ndarray, numbers: Any) -> None:
        """Puts `numbers`, (k,) or one for all, at `rows`, (k,). Where a row is repeated, the last one stays."""
        rows, numbers = np.asarray(rows, np.int64), np.asarray(numbers, np.float64)
        if rows.ndim != 1 or (numbers.ndim and numbers.shape != rows.shape):
            raise UsageError(
                f"SumTree: {numbers.shape} numbers can't be put at {rows.shape} rows; give (k,) rows and (k,) numbers"
            )
        if not len(rows):
            return
        self._check(rows, numbers)
        self._changed = True
        self._numbers[rows] = numbers
        if len(rows) == 1:  # a new transition at every step of the environment: 3 µs instead of 5
            row = int(rows[0])
            for level, sums in self._parents:
                row //= WIDTH
                sums[row] = np.add.reduce(level[row])
            return
        for level, sums in self._parents:
            rows = rows // WIDTH
            # `reduce` adds up every row by itself, whatever the others are: the same numbers give the same sum to the
            # last bit. A product with ones would save 1 µs, but BLAS doesn't promise that.
            sums[rows] = np.add.reduce(level.take(rows, 0), 1)

    def _check(self, rows: np.ndarray, numbers: np.ndarray) -> None:
        # Seen as unsigned, a negative integer is larger than all others, and so are the bits of a negative float, an
        # infinity or a NaN: one look for both ends, 1 µs instead of 2.
        if np.maximum.reduce(rows.view(np.uint64)) >= self.capacity:
            wrong = rows[(rows < 0) | (rows >= self.capacity)][0]
            raise UsageError(f"SumTree: row {wrong} is not one of the rows 0 to {self.capacity - 1}")
        if np.maximum.reduce(numbers.view(np.uint64), axis=None) >= INFINITY:
            numbers = np.broadcast_to(numbers, rows.shape)
            (wrong,) = np.nonzero(~((numbers >= 0) & (numbers < np.inf)))
            if len(wrong):  # or it was a negative zero, which is fine
                i = wrong[0]
                raise UsageError(
                    f"SumTree: {numbers[i]} at row {rows[i]}, but a number must be finite and not negative"
                )

    # -- drawing

    @property
    def total(self) -> float:
        """The sum of all numbers."""
        return float(self._running_sum()[-1])

    def find(self, mass: np.ndarray) -> np.ndarray:
        """The rows, (k,), in whose interval of the running sum `mass`, (k,), lies.

        Row i's interval starts at the sum of all numbers before it and is as long as its own number: a mass drawn
        evenly from [0, total) finds a row with a probability proportional to its number. The row found never has
        the number 0; a mass from the total up, which rounding can make, finds the last row that hasn't.
        Raises if all numbers are 0.
        """
        running = self._running_sum()
        if not 0 < running[-1] < math.inf:
            raise UsageError(
                f"SumTree: the total is {running[-1]}, so nothing can be drawn; set a number above 0 first"
                if running[-1] == 0
                else f"SumTree: the total is {running[-1]}, too large for a float; set smaller numbers"
            )
        if len(self._block_starts) != len(mass):
            self._block_starts = np.arange(len(mass)) * (WIDTH + 1)
        # The ends of the intervals, the last one's left out: nothing lies behind it.
        rows = running[1:-1].searchsorted(mass, "right")
        rest = mass - running.take(rows)
        for level in self._levels[-2:0:-1]:
            sums = level.take(rows, 0).dot(SUMS_BEFORE)  # (k, WIDTH + 1)
            child = _first_above(sums[:, 1:], rest)
            rest -= sums.take(self._block_starts + child)
            rows = rows * WIDTH + child
        if len(self._levels) > 1:
            sums = self._levels[0].take(rows, 0).dot(SUMS_UP_TO)  # (k, WIDTH)
            rows = rows * WIDTH + _first_above(sums, rest)
        # The sum of a block as its parent has it and as added up here may differ in the last bit, and so the mass may
        # lie just behind the block's last interval; or behind all, where nothing is filled yet.
        found = self._flat[0].take(rows)
        if not np.minimum.reduce(found) > 0:
            for i in np.nonzero(found == 0)[0]:
                rows[i] = self._last_before(rows[i])
        return rows

    def _last_before(self, row: int) -> int:
        """The last row before `row` whose number isn't 0."""
        (rows,) = np.nonzero(self._numbers[:row])
        if not len(rows):
            raise UsageError("SumTree: a mass was negative; draw it from 0 up to the total")
        return int(rows[-1])

    def _running_sum(self) -> np.ndarray:
        if self._changed:
            # Block by block, then the blocks one after the other: 4 µs for 4,096 numbers, where accumulating them
            # all takes 12, because there every addition waits for the one before.
            blocks = self._running_blocks
            self._levels[-1].dot(SUMS_UP_TO, out=blocks)
            blocks[1:] += np.add.accumulate(blocks[:-1, -1])[:, None]
            self._changed = False
        return self._running


# A row of numbers times this is its running sum. A product is two to four times as fast as `np.add.accumulate`.
SUMS_UP_TO = np.triu(np.ones((WIDTH, WIDTH)))
SUMS_BEFORE = np.triu(np.ones((WIDTH, WIDTH + 1)), 1)  # and with a 0 in front

INFINITY = np.float64(np.inf).view(np.uint64)


def _with_numbers(capacity: int, numbers: np.ndarray) -> SumTree:
    tree = SumTree(capacity)
    tree.numbers = numbers
    return tree


def _first_above(sums: np.ndarray, mass: np.ndarray) -> np.ndarray:
    """In every row of `sums`, (k, WIDTH), the first that is above its `mass`, (k,); the last one if none is."""
    above = sums > mass[:, None]
    above[:, -1] = True
    return above.argmax(1)
