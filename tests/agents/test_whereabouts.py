"""The user's own environment may be played in between two trainings: the agent goes on where it was."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import gymnasium as gym
import numpy as np
import pytest

from agents import DQN, Every, evaluate
from envs.seeding import spawn_seeds
from tests.agents.conftest import assert_same_state

MAKE: dict[str, Callable[[], gym.Env]] = {
    "replayed": lambda: gym.make("CartPole-v1"),
    "stateful": lambda: gym.make("minigrad/GridWorld-v0"),
    "without a spec": lambda: gym.wrappers.TimeLimit(Drifts(), 30),
}


class Drifts(gym.Env):
    """A number that moves by chance."""

    observation_space = gym.spaces.Box(-np.inf, np.inf, (1,), np.float64)
    action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place = self.np_random.normal()
        return np.array([self.place]), {}

    def step(self, action):
        self.place += self.np_random.normal() + action
        return np.array([self.place]), 0.0, False, False, {}


class Forgetful(Drifts):
    """Its chance is nobody's: it can't be put back."""

    chance = np.random.default_rng(0)

    def step(self, action):
        self.place += self.chance.normal()
        return np.array([self.place]), 0.0, False, False, {}


def play(env: gym.Env) -> None:
    env.reset(seed=3)
    for _ in range(5):
        env.step(env.action_space.sample())


@pytest.mark.filterwarnings("ignore:.*can't be made a second time")
@pytest.mark.parametrize("make", MAKE.values(), ids=MAKE)
@pytest.mark.parametrize("use", [play, lambda env: env.reset(seed=1)], ids=["played", "reset"])
def test_training_goes_on_where_it_was(make: Callable, use: Callable) -> None:
    env = make()
    agent = DQN(env, seed=0, learning_starts=20, hidden=(8,)).learn(53)
    use(env)
    agent.learn(40)
    alone = DQN(make(), seed=0, learning_starts=20, hidden=(8,)).learn(53).learn(40)
    assert_same_state(agent, alone)


def test_before_the_first_training() -> None:
    env = gym.make("CartPole-v1")
    agent = DQN(env, seed=0)
    play(env)
    assert_same_state(agent.learn(30), DQN(gym.make("CartPole-v1"), seed=0).learn(30))


def test_after_an_evaluation() -> None:
    env = gym.make("CartPole-v1")
    agent = DQN(env, seed=0).learn(30)
    evaluate(agent, env, episodes=2)
    assert_same_state(agent.learn(30), DQN(gym.make("CartPole-v1"), seed=0).learn(30).learn(30))


@pytest.mark.filterwarnings("ignore:.*can't be made a second time")
def test_one_that_cannot_be_put_back_begins_a_new_episode() -> None:
    env = Forgetful()
    agent = DQN(env, seed=0).learn(30)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", ".* made no update")
        agent.learn(10)  # nobody has played in between
    play(env)
    told: list[np.ndarray] = []
    note = Every(1, lambda agent, figures: told.append(figures["transition"].observation))
    with pytest.warns(
        UserWarning, match=r"Forgetful was used since the agent trained in it, and could not be put back"
    ):
        agent.learn(1, callbacks=[note])
    assert told[0][0] == Forgetful().reset(seed=spawn_seeds(40, 1)[0])[0].astype(np.float32)


def test_so_does_a_vector_environment() -> None:
    env = gym.make_vec("CartPole-v1", num_envs=2, vectorization_mode="vector_entry_point")
    agent = DQN(env, seed=0).learn(30)
    env.reset(seed=3)
    with pytest.warns(
        UserWarning, match=r"CartPole-v1 was used since the agent trained in it, and could not be put back"
    ):
        agent.learn(10)
