"""Everything random comes from one seed: a tree of generators, one for each purpose.

Each generator is derived from the seed and its own name, so that adding one (a variant that draws noise)
leaves what the others draw unchanged.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from zlib import crc32

import numpy as np

import minigrad as mg


class RandomTree:
    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._generators: dict[str, np.random.Generator] = {}
        self._engine = mg.Generator().manual_seed(int(self._sequence("engine").generate_state(1)[0]))

    def __getitem__(self, purpose: str) -> np.random.Generator:
        if purpose not in self._generators:
            self._generators[purpose] = np.random.Generator(np.random.PCG64(self._sequence(purpose)))
        return self._generators[purpose]

    def _sequence(self, purpose: str) -> np.random.SeedSequence:
        return np.random.SeedSequence(self.seed, spawn_key=(crc32(purpose.encode()),))

    @contextmanager
    def engine(self) -> Iterator[None]:
        """Inside, the engine draws from this tree's generator, in this thread: two agents in one process don't
        disturb each other, nor do two that train at the same time in two threads."""
        with mg.random.using(self._engine):
            yield

    def state_dict(self) -> dict[str, Any]:
        return {
            "engine": dict(self._engine.numpy.bit_generator.state),
            "generators": {name: rng.bit_generator.state for name, rng in self._generators.items()},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._engine.set_state(state["engine"])
        for name, saved in state["generators"].items():
            self[name].bit_generator.state = saved


def draw(probability: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """An action for each row of `probability` (k, actions), (k,)."""
    cumulative = probability.cumsum(1)
    # Scaled to the sum, because rounding may leave that a little off 1. The first action whose cumulative probability
    # is above the number drawn: one of probability 0 never is the first.
    threshold = rng.random((len(probability), 1)) * cumulative[:, -1:]
    return (cumulative <= threshold).sum(1)
