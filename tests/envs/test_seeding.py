"""Neighbouring seeds share nothing, whatever the environments are made of."""

from __future__ import annotations

from itertools import chain

import gymnasium as gym
import numpy as np
import pytest

from agents.core.randomness import RandomTree
from envs import make_environments
from envs.seeding import ENVIRONMENTS, spawn_seeds


def test_no_two_of_many_seeds_are_equal():
    drawn = list(chain.from_iterable(spawn_seeds(seed, 16) for seed in range(200)))
    assert len(set(drawn)) == len(drawn) == 3200
    assert all(0 <= seed < 2**31 for seed in drawn)


def test_they_are_children_of_numpys_seed_sequence():
    """The same as NumPy's own `spawn` gives for that key, and a longer list begins as a shorter one does."""
    assert spawn_seeds(7, 3) != [7, 8, 9]
    assert spawn_seeds(7, 3) == spawn_seeds(7, 5)[:3]
    parent = np.random.SeedSequence(7, spawn_key=(ENVIRONMENTS,))
    assert spawn_seeds(7, 3) == [int(child.generate_state(1)[0]) // 2 for child in parent.spawn(3)]


@pytest.mark.parametrize(
    "make",
    [
        lambda: make_environments("CartPole-v1", 4),
        lambda: make_environments(gym.make_vec("CartPole-v1", 4, vectorization_mode="sync")),
        lambda: make_environments(gym.make_vec("CartPole-v1", 4, vectorization_mode="vector_entry_point")),
    ],
    ids=["bare", "sync", "vectorised"],
)
def test_the_first_observations_of_neighbouring_seeds_differ(make):
    """Counting up from the seed, environment 1 of seed 0 began as environment 0 of seed 1 did."""
    first = []
    for seed in range(3):
        environments = make()
        environments.reset(seed)
        first += [row.tobytes() for row in environments.observation]
    assert len(set(first)) == 12


def test_an_agents_generators_share_nothing_with_a_neighbours():
    drawn = {RandomTree(seed)[purpose].integers(2**62) for seed in range(100) for purpose in ("replay", "exploration")}
    assert len(drawn) == 200
