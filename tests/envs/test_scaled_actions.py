"""Continuous actions: the agent acts between -1 and 1, the environment gets the nearest action in its box, and the
agent keeps its own."""

from __future__ import annotations

from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

from agents import PPO, Agent, evaluate
from envs import UsageError, make_environments
from envs.scaled_actions import ScaledActions
from tests.agents.families import POLICY_GRADIENT


class Echo(gym.Env):
    """Rewards the sum of the action that it gets, which has to be in its box."""

    observation_space = spaces.Box(-1, 1, (1,), np.float32)
    action_space = spaces.Box(np.float64([-1, 0]), np.float64([1, 0.5]), dtype=np.float64)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(1, np.float32), {}

    def step(self, action):
        assert self.action_space.contains(action)
        return np.zeros(1, np.float32), float(action.sum()), False, False, {}


class Target(gym.Env):
    """Pays 1 less the distance from the best action, in units of the box's width. An episode has ten steps."""

    observation_space = spaces.Box(-1, 1, (1,), np.float32)

    def __init__(self, space: spaces.Box, best: float) -> None:
        self.action_space, self.best, self.time = space, best, 0
        self.width = float(space.high[0]) - float(space.low[0])

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.time = 0
        return np.zeros(1, np.float32), {}

    def step(self, action):
        assert self.action_space.contains(action)
        self.time += 1
        reward = 1.0 - abs(float(action[0]) - self.best) / self.width
        return np.zeros(1, np.float32), reward, self.time == 10, False, {}


def scaled(space: spaces.Box) -> ScaledActions:
    return ScaledActions(make_environments(lambda: Target(space, 0.0)))


def test_scaled_and_clipped_on_the_way_only() -> None:
    environments = ScaledActions(make_environments(Echo, 2))
    assert environments.action_space == spaces.Box(-1, 1, (2,), np.float32)
    environments.reset(0)
    action = np.array([[-3.0, 0.0], [0.5, 7.0]], np.float32)
    transition = environments.step(action)
    assert np.array_equal(transition.action, [[-3.0, 0.0], [0.5, 7.0]])
    assert transition.reward.tolist() == [-1 + 0.25, 0.5 + 0.5]
    assert environments.for_env(action).dtype == np.float64
    assert environments.for_env(np.array([9.0, -9.0])).tolist() == [1.0, 0.0]
    assert action.tolist() == [[-3.0, 0.0], [0.5, 7.0]]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(10, 20, [10, 12.5, 15, 20, 20]), (-2000, 2000, [-2000, -1000, 0, 2000, 2000]), (-1, 1, [-1, -0.5, 0, 1, 1])],
)
def test_a_box_by_hand(low: float, high: float, expected: list[float]) -> None:
    environments = scaled(spaces.Box(low, high, (1,), np.float32))
    given = [environments.for_env(np.float32([action])).item() for action in (-1, -0.5, 0, 1, 3)]
    assert given == expected


def test_a_dimension_without_two_bounds_keeps_its_units() -> None:
    largest = np.finfo(np.float32).max
    low, high = np.float32([0, -np.inf, -largest, 5, -np.inf]), np.float32([4, np.inf, largest, np.inf, 5])
    environments = scaled(spaces.Box(low, high))
    assert environments.for_env(np.float32([0, 7, 7, 7, 7])).tolist() == [2, 7, 7, 7, 5]
    assert environments.for_env(np.float32([0, -7, -7, -7, -7])).tolist() == [2, -7, -7, 5, -7]
    assert environments.action_space.low.tolist() == [-1, -np.inf, -largest, 5, -np.inf]
    assert environments.action_space.high.tolist() == [1, np.inf, largest, np.inf, 5]


@pytest.mark.parametrize("dtype", [np.int64, np.int8, np.uint8])
def test_an_integer_box_gets_the_nearest_integer(dtype: Any) -> None:
    environments = scaled(spaces.Box(0, 4, (1,), dtype))
    actions = [-9, -1, -0.76, -0.74, -0.26, -0.24, 0, 0.24, 0.26, 0.99, 1, 9]
    given = [environments.for_env(np.float32([action])) for action in actions]
    assert [each.item() for each in given] == [0, 0, 0, 1, 1, 2, 2, 2, 3, 4, 4, 4]
    assert all(each.dtype == dtype for each in given)


def test_every_integer_is_as_likely_as_its_neighbours() -> None:
    """A cast cuts off towards 0, which would then stand for twice as many numbers as 1, and the ends for none."""
    environments = scaled(spaces.Box(-3, 3, (1,), np.int64))
    found = environments.for_env(np.linspace(-1, 1, 60_001)[:, None]).ravel()
    share = np.bincount(found + 3) / len(found)
    np.testing.assert_allclose(share, [1 / 12, *[1 / 6] * 5, 1 / 12], atol=1e-4)


def test_nan_is_the_policys_not_the_environments() -> None:
    environments = ScaledActions(make_environments(Echo, 2))
    environments.reset(0)
    environments.step(np.full((2, 2), np.inf))
    with pytest.raises(UsageError, match="Echo: the policy's action is NaN, because training has diverged"):
        environments.step(np.array([[0.0, 0.0], [0.0, np.nan]]))


def test_another_is_scaled_too() -> None:
    another = ScaledActions(make_environments(Echo, 2)).another()
    another.reset(0)
    assert another.step(np.full((2, 2), 9.0)).reward.tolist() == [1.5, 1.5]


@pytest.mark.parametrize("kind", [kind for kind in POLICY_GRADIENT if spaces.Box in kind.action_spaces])
def test_what_an_agent_draws_reaches_the_environment_within_its_box(kind: type[Agent]) -> None:
    settings = {"workers": 1} if "workers" in kind.Hyperparameters.__dataclass_fields__ else {}
    agent = kind(Echo, num_envs=2, seed=0, **settings)
    drawn, observe = [], agent.observe
    agent.observe = lambda transition: drawn.append(transition.action) or observe(transition)  # type: ignore[method-assign]
    agent.learn(50)
    assert np.abs(drawn).max() > 1.5  # what it learns from is what it drew
    evaluate(agent, partial(gym.wrappers.TimeLimit, Echo(), 3), episodes=2)


@pytest.mark.parametrize(
    ("low", "high", "best", "dtype"),
    [
        (10, 20, 17, np.float32),
        (0, 100, 75, np.float32),
        (-2000, 2000, 1500, np.float32),
        (0, 4, 4, np.int64),
        (-8, 8, 5, np.int64),
    ],
)
def test_the_best_action_is_found_wherever_the_box_is(low: float, high: float, best: float, dtype: Any) -> None:
    """A policy that acts in the environment's units ends at 10, 29 and 27 in the first three, after 15,000 steps."""
    space = spaces.Box(low, high, (1,), dtype)
    settings = dict(rollout_steps=128, learning_rate=3e-3, gamma=0.0, hidden=(16,))
    agent = PPO(lambda: Target(space, best), seed=0, **settings).learn(4_000)
    found = agent.predict(np.zeros(1, np.float32))
    assert space.contains(found)
    assert abs(found.item() - best) <= (0 if dtype is np.int64 else 0.01 * (high - low))


@pytest.mark.parametrize("vectorization_mode", ["sync", "async"])
def test_a_vector_environment_gives_the_same(vectorization_mode: str) -> None:
    vector = gym.make_vec("Pendulum-v1", num_envs=2, vectorization_mode=vectorization_mode)
    ours, theirs = (ScaledActions(make_environments(env, 2)) for env in ("Pendulum-v1", vector))
    ours.reset(0)
    theirs.reset(0)
    rng = np.random.default_rng(0)
    for _ in range(5):
        action = rng.normal(0, 2, (2, 1)).astype(np.float32)
        np.testing.assert_array_equal(ours.step(action).reward, theirs.step(action).reward)
    ours.close()
    theirs.close()
