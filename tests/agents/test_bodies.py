"""What a network sees of an observation: whole numbers come to the range that their space says."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

import minigrad as mg
from agents import DQN, evaluate
from agents.networks.bodies import body


def seen(space: spaces.Box, observation: np.ndarray) -> np.ndarray:
    """The numbers that come to the first layer with weights, of one observation."""
    layers, _ = body(space, ())
    x = mg.from_numpy(np.asarray(observation, space.dtype)[None])
    return layers[0](x).numpy()[0]


@pytest.mark.parametrize(
    ("shape", "low", "high", "dtype", "divided_by"),
    [
        ((4,), 0, 255, np.uint8, 255),  # the memory of an Atari game
        ((4, 5), 0, 255, np.uint8, 255),
        ((3, 6, 6), 0, 255, np.uint8, 255),
        ((4,), 0, 1, np.uint8, 1),  # flags, one-hot vectors
        ((4,), 0, 10, np.uint8, 1),
        ((4,), 1, 255, np.uint8, 1),
        ((4,), 0, 255, np.int64, 1),
        ((3, 6, 6), 0, 1, np.uint8, 1),
        ((3, 6, 6), 0, 10, np.uint8, 10),
        ((3, 6, 6), 0, 1, np.bool_, 1),
        ((3, 6, 6), 0, 0, np.uint8, 1),
    ],
)
def test_the_space_says_what_numbers_are_divided_by(shape, low: int, high: int, dtype: Any, divided_by: int) -> None:
    space = spaces.Box(low, high, shape, dtype)
    np.testing.assert_allclose(seen(space, space.high), np.full(shape, high / divided_by), rtol=1e-6)


def test_bounds_that_differ_are_no_range_of_bytes() -> None:
    space = spaces.Box(np.uint8([0, 0]), np.uint8([1, 255]), dtype=np.uint8)
    assert seen(space, space.high).tolist() == [1.0, 255.0]


class Match(gym.Env):
    """Pays 1 for the action that the observation, a one-hot vector, names."""

    action_space = spaces.Discrete(5)

    def __init__(self, dtype: Any) -> None:
        self.observation_space = spaces.Box(0, 1, (5,), dtype)
        self.number = self.time = 0

    def observe(self) -> np.ndarray:
        self.number = int(self.np_random.integers(5))
        return np.eye(5, dtype=self.observation_space.dtype)[self.number]

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        super().reset(seed=seed)
        self.time = 0
        return self.observe(), {}

    def step(self, action: int):
        self.time += 1
        reward = float(action == self.number)
        return self.observe(), reward, self.time == 10, False, {}


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.float32])
def test_one_hot_vectors_are_told_apart_in_any_dtype(dtype: Any) -> None:
    settings = dict(gamma=0.0, learning_starts=100, hidden=(16,), learning_rate=1e-2, target_every=50, batch_size=16)
    agent = DQN(lambda: Match(dtype), seed=0, **settings).learn(800)
    assert evaluate(agent, lambda: Match(dtype), episodes=5).mean == 10.0
