"""One seed for each environment, out of one for all of them."""

from __future__ import annotations

from zlib import crc32

import numpy as np

from .errors import whole_number

ENVIRONMENTS = crc32(b"environments")  # a purpose, as those of agents/core/randomness.py are


def spawn_seeds(seed: int, count: int) -> list[int]:
    """The seeds of environments 0 to `count` - 1, each below 2³¹, which every environment takes.

    They are children of `np.random.SeedSequence(seed)`. Counting up from `seed` would be a trap: with four environments
    the runs of seed 0 and seed 1 would share three, and their results would not be independent.
    """
    seed = whole_number("seed", seed, 0)
    children = [np.random.SeedSequence(seed, spawn_key=(ENVIRONMENTS, i)) for i in range(count)]
    return [int(child.generate_state(1)[0] >> 1) for child in children]
