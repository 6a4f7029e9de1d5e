"""Continuous actions: the environment gets the nearest in the box, the agent keeps its own."""

from __future__ import annotations

from functools import partial

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

from agents import Agent, evaluate
from envs import UsageError, make_environments
from envs.clipped_actions import ClippedActions
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


def test_clipped_on_the_way_only() -> None:
    environments = ClippedActions(make_environments(Echo, 2))
    environments.reset(0)
    action = np.array([[-3.0, 0.25], [0.5, 7.0]], np.float32)
    transition = environments.step(action)
    assert transition.action is action or np.array_equal(transition.action, action)
    assert transition.reward.tolist() == [-1 + 0.25, 0.5 + 0.5]
    assert environments.for_env(action).dtype == np.float64
    assert environments.for_env(np.array([9.0, -9.0])).tolist() == [1.0, 0.0]
    assert action.tolist() == [[-3.0, 0.25], [0.5, 7.0]]


def test_nan_is_the_policys_not_the_environments() -> None:
    environments = ClippedActions(make_environments(Echo, 2))
    environments.reset(0)
    environments.step(np.full((2, 2), np.inf))
    with pytest.raises(UsageError, match="Echo: the policy's action is NaN, because training has diverged"):
        environments.step(np.array([[0.0, 0.0], [0.0, np.nan]]))


def test_another_is_clipped_too() -> None:
    another = ClippedActions(make_environments(Echo, 2)).another()
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


@pytest.mark.parametrize("vectorization_mode", ["sync", "async"])
def test_a_vector_environment_gives_the_same(vectorization_mode: str) -> None:
    vector = gym.make_vec("Pendulum-v1", num_envs=2, vectorization_mode=vectorization_mode)
    ours, theirs = (ClippedActions(make_environments(env, 2)) for env in ("Pendulum-v1", vector))
    ours.reset(0)
    theirs.reset(0)
    rng = np.random.default_rng(0)
    for _ in range(5):
        action = rng.normal(0, 4, (2, 1)).astype(np.float32)
        np.testing.assert_array_equal(ours.step(action).reward, theirs.step(action).reward)
    ours.close()
    theirs.close()
