"""How long does prioritised replay take? Drawing a batch of 64 with its weights, and handing its errors back.

    python benchmarks/replay.py

The numbers lie in a sum tree with 32 children a node (agents/core/sum_tree.py). Beside it, in the same process, the
same replay on a binary tree, the layout of the paper, and uniform replay. Only the rows are drawn here; gathering the
transitions costs each of them the same.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.common import fair_start, side_by_side, table, write

fair_start()

from collections.abc import Callable
from typing import Any

import numpy as np

from agents.core.prioritized import Prioritized
from agents.core.replay import Uniform
from agents.core.ring import Ring

CAPACITIES = [10_000, 100_000, 1_000_000]
BATCH = 64
ROUNDS = 300  # short ones, so that some of them have the processor to themselves
GOAL = 60e-6  # seconds for a batch from 10⁶


class BinaryTree:
    """Node i has the children 2i and 2i + 1; a batch goes down or up one level with each few calls of NumPy."""

    def __init__(self, capacity: int) -> None:
        self.depth = (capacity - 1).bit_length()
        self.first = 2**self.depth
        self.sums = np.zeros(2 * self.first)

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        return self.sums.take(rows + self.first)

    @property
    def total(self) -> float:
        return self.sums[1]

    def set(self, rows: np.ndarray, numbers: Any) -> None:
        nodes = rows + self.first
        self.sums[nodes] = numbers
        for _ in range(self.depth):
            nodes = nodes >> 1
            children = nodes << 1
            self.sums[nodes] = self.sums.take(children) + self.sums.take(children + 1)

    def find(self, mass: np.ndarray) -> np.ndarray:
        nodes = np.ones(len(mass), np.int64)
        for _ in range(self.depth):
            nodes = nodes << 1
            left = self.sums.take(nodes)
            right = mass >= left
            nodes += right
            mass = mass - left * right
        return nodes - self.first


def ring_of(capacity: int) -> Ring:
    """A full ring without anything in it."""
    ring = Ring(capacity)
    ring.total = capacity
    return ring


def filled(capacity: int) -> tuple[Prioritized, Prioritized, Uniform]:
    """A full replay of each kind; the prioritised ones hold the same priorities."""
    ours, binary = (Prioritized(capacity, np.random.default_rng(0)) for _ in range(2))
    binary._tree = BinaryTree(capacity)  # type: ignore[assignment]
    ring = ring_of(capacity)
    rows, error = np.arange(capacity), np.random.default_rng(1).exponential(size=capacity)
    for replay in (ours, binary):
        replay.added(rows)
        replay.feedback(rows, error)
    for _ in range(100):
        (a, w), (b, v) = (replay.draw(BATCH, ring, 0.5) for replay in (ours, binary))
        np.testing.assert_array_equal(a, b)
        np.testing.assert_allclose(w, v)
    return ours, binary, Uniform(np.random.default_rng(0))


def contestants(capacity: int) -> dict[str, Callable[[], Any]]:
    """What is timed, by name."""
    ours, binary, uniform = filled(capacity)
    ring = ring_of(capacity)
    error = np.random.default_rng(2).exponential(size=BATCH).astype(np.float32)
    rows, _ = ours.draw(BATCH, ring, 0.5)
    one = rows[:1]

    def batch(replay: Prioritized) -> Callable[[], None]:
        def call() -> None:
            rows, _ = replay.draw(BATCH, ring, 0.5)
            replay.feedback(rows, error)

        return call

    return {
        "draw and feedback": batch(ours),
        "draw and feedback, binary tree": batch(binary),
        "feedback": lambda: ours.feedback(rows, error),
        "add one": lambda: ours.added(one),
        "add one, binary tree": lambda: binary.added(one),
        "uniform draw": lambda: uniform.draw(BATCH, ring, 0.5),
    }


def main() -> None:
    """Measure everything and write results/replay.md and .json. A time is the best of the rounds."""
    data: dict[str, Any] = {}
    for capacity in CAPACITIES:
        times = side_by_side(contestants(capacity), ROUNDS, seconds=0.002)
        best = {name: min(seconds) * 1e6 for name, seconds in times.items()}
        data[str(capacity)] = {
            "microseconds": best,
            "binary / ours": best["draw and feedback, binary tree"] / best["draw and feedback"],
        }
    names = list(data[str(CAPACITIES[0])]["microseconds"])
    lines: list[list[Any]] = [
        [name, *(f"{data[str(capacity)]['microseconds'][name]:.1f}" for capacity in CAPACITIES)] for name in names
    ]
    lines.append(["**binary tree / ours**", *(f"**{data[str(c)]['binary / ours']:.2f}**" for c in CAPACITIES)])
    header = [f"µs, batches of {BATCH}", *(f"from {capacity:,}" for capacity in CAPACITIES)]
    goal = (
        f"The best of {ROUNDS} rounds. "
        f"Goal: draw and feedback from {CAPACITIES[-1]:,} in at most {GOAL * 1e6:.0f} µs."
    )
    write("replay", "Prioritised replay", [table(header, lines), goal], data)


if __name__ == "__main__":
    main()
