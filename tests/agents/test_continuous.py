"""Acting in boxes of any bounds, exploring, and learning from many environments, from pictures and from choices."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

from agents import DDPG, SAC, TD3
from envs import UsageError
from tests.agents.conftest import Near, assert_same_state

KINDS = [DDPG, TD3, SAC]
SMALL = dict(hidden=(8,), batch_size=8, replay_size=200, learning_starts=20)


class Boxed(gym.Env):
    """Keeps the actions that it was given; the best is `best`."""

    observation_space = spaces.Box(-1, 1, (1,), np.float32)

    def __init__(self, space: spaces.Box, best: Any = 0.0) -> None:
        self.action_space, self.best = space, best
        self.given: list[np.ndarray] = []

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(1, np.float32), {}

    def step(self, action):
        assert self.action_space.contains(action), action
        self.given.append(action)
        return np.zeros(1, np.float32), -float(np.square(action - self.best).mean()), True, False, {}


BOXES = {
    "far from 0": spaces.Box(10, 20, (1,), np.float32),
    "two of a kind": spaces.Box(np.float32([-2, 0]), np.float32([2, 1000])),
    "a matrix": spaces.Box(-1, 1, (2, 3), np.float32),
    "float64": spaces.Box(-5, 5, (2,), np.float64),
    "integers": spaces.Box(0, 9, (1,), np.int64),
    "no bounds": spaces.Box(-np.inf, np.inf, (2,), np.float32),
    "one bound": spaces.Box(0, np.inf, (1,), np.float32),
}


@pytest.mark.parametrize("box", BOXES.values(), ids=BOXES)
@pytest.mark.parametrize("kind", KINDS)
def test_any_box(kind: Any, box: spaces.Box) -> None:
    env = Boxed(box)
    agent = kind(env, seed=0, **SMALL).learn(60)
    assert len(env.given) >= 60
    assert box.contains(agent.predict(np.zeros(1, np.float32)))
    assert np.isfinite(agent.metrics.take()["critic_loss"])


def test_the_first_actions_fill_the_box() -> None:
    """Random, all alike, in the environment's units."""
    env = Boxed(spaces.Box(10, 20, (1,), np.float32))
    SAC(env, seed=0, **{**SMALL, "learning_starts": 1_000}).learn(1_000)
    given = np.ravel(env.given)
    np.testing.assert_allclose(np.quantile(given, [0.1, 0.5, 0.9]), [11, 15, 19], atol=0.5)


@pytest.mark.parametrize("kind", [DDPG, TD3])
def test_noise_is_for_exploring_alone(kind: Any) -> None:
    """Of the size that was asked for, around μ(s), never outside the box; and none where nobody learns."""
    agent = kind(Near, seed=0, noise_std=0.3, **SMALL)
    observation = np.zeros((5_000, 1), np.float32)
    chosen = agent.predict(observation)
    np.testing.assert_array_equal(chosen, agent.predict(observation, deterministic=False))
    agent.steps = 1_000
    explored = agent.act(observation)
    noise = (explored - chosen)[np.abs(explored) < 1]
    assert noise.std() == pytest.approx(0.3, rel=0.05)
    assert noise.mean() == pytest.approx(0, abs=0.02)
    loud = kind(Near, seed=0, noise_std=3.0, **SMALL)
    loud.steps = 1_000
    acted = np.abs(loud.act(observation))
    assert acted.max() == 1
    assert (acted == 1).mean() == pytest.approx(0.74, abs=0.03)  # of N(0, 3) outside ±1


@pytest.mark.parametrize("kind", KINDS)
def test_how_many_environments_step_at_once_changes_no_interval(kind: Any) -> None:
    """As many updates from 200 steps of one as of four."""
    counts = []
    for num_envs in (1, 4):
        agent = kind(Near, seed=0, num_envs=num_envs, train_every=2, **SMALL).learn(200)
        counts.append(agent.metrics.updates)
    assert counts == [90, 90]


@pytest.mark.parametrize("kind", KINDS)
def test_prioritised_replay_hears_of_the_errors(kind: Any) -> None:
    agent = kind(Near, seed=0, replay="prioritized", **SMALL).learn(100)
    priorities = agent.replay.order._tree[np.arange(100)]
    assert len(set(priorities.tolist())) > 10  # and not one for all


@pytest.mark.parametrize("kind", KINDS)
def test_it_goes_on_the_same_in_the_middle(kind: Any, tmp_path) -> None:
    """Between two updates of TD3's actor, with several environments in the middle of episodes."""
    agent = kind("Pendulum-v1", seed=3, num_envs=3, **SMALL).learn(100)
    agent.save(tmp_path / "agent")
    assert_same_state(agent.learn(60), kind.load(tmp_path / "agent").learn(60))


class Brighter(gym.Env):
    """A picture that is dark or bright; the best action is -0.5 or 0.5."""

    observation_space = spaces.Box(0, 255, (6, 6, 1), np.uint8)
    action_space = spaces.Box(-1, 1, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.bright = bool(self.np_random.random() < 0.5)
        return np.full((6, 6, 1), 255 if self.bright else 0, np.uint8), {}

    def step(self, action):
        best = 0.5 if self.bright else -0.5
        return np.zeros((6, 6, 1), np.uint8), -float((action[0] - best) ** 2), True, False, {}


def test_from_pictures() -> None:
    small = dict(hidden=(64,), batch_size=64, replay_size=500, learning_starts=100)
    agent = SAC(Brighter, seed=0, learning_rate=1e-3, alpha=0.01, learn_alpha=False, **small).learn(500)
    assert agent.replay.ring.arrays["observation"].dtype == np.uint8
    dark, bright = (agent.predict(np.full((6, 6, 1), value, np.uint8)) for value in (0, 255))
    assert dark < -0.25
    assert bright > 0.25


def test_who_needs_a_box_says_so() -> None:
    with pytest.raises(UsageError, match="sac needs Box actions, but CartPole-v1 has Discrete"):
        SAC("CartPole-v1")
    with pytest.raises(UsageError, match="replay_size must be at least batch_size, which is 128, got 10"):
        SAC("Pendulum-v1", replay_size=10)
    with pytest.raises(UsageError, match="noise must be one of gaussian"):
        DDPG("Pendulum-v1", noise="pink")
