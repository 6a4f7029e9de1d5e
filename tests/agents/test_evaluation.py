"""Evaluation: whole episodes, fairly chosen, in environments that training never sees."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest

from agents import DQN, evaluate
from envs import UsageError
from tests.agents.conftest import assert_same_state


class Lengths(gym.Env):
    """Episodes of its own fixed length, with reward 1 a step."""

    observation_space = gym.spaces.Box(-1, 1, (1,))
    action_space = gym.spaces.Discrete(2)

    def __init__(self, length: int = 1) -> None:
        self.length, self.elapsed = length, 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.elapsed = 0
        return np.zeros(1, np.float32), {}

    def step(self, action):
        self.elapsed += 1
        return np.zeros(1, np.float32), 1.0, self.elapsed == self.length, False, {}


def test_returns_lengths_and_their_spread() -> None:
    result = evaluate(DQN("minigrad/ProbeBoth-v0"), lambda: Lengths(5), episodes=7)
    assert result.returns.tolist() == [5.0] * 7
    assert result.lengths.tolist() == [5] * 7
    assert (result.mean, result.std) == (5.0, 0.0)
    assert str(result) == "5.0 ± 0.0 over 7 episodes"


def test_long_episodes_count_as_often_as_short_ones() -> None:
    uneven = gym.vector.SyncVectorEnv([lambda n=n: Lengths(n) for n in (2, 50)])
    result = evaluate(DQN("minigrad/ProbeBoth-v0"), uneven, episodes=5)
    assert sorted(result.returns) == [2.0, 2.0, 2.0, 50.0, 50.0]


def test_an_environment_without_a_step_limit_gets_one(monkeypatch) -> None:
    never = gym.envs.registration.EnvSpec("Endless-v0", entry_point=Lengths, kwargs={"length": 0})
    monkeypatch.setitem(gym.registry, "Endless-v0", never)
    monkeypatch.setattr("agents.core.evaluation.LONGEST_EPISODE", 7)
    agent = DQN("Endless-v0")
    assert evaluate(agent, episodes=2).lengths.tolist() == [7, 7]
    assert evaluate(agent, "Endless-v0", episodes=2).lengths.tolist() == [7, 7]


@pytest.mark.parametrize(("length", "warns"), [(7, False), (8, True)])
def test_waiting_for_an_end_is_not_silent(monkeypatch, recwarn, length: int, warns: bool) -> None:
    monkeypatch.setattr("agents.core.evaluation.LONGEST_EPISODE", 7)
    evaluate(DQN("minigrad/ProbeBoth-v0"), lambda: Lengths(length), episodes=2)
    said = [str(each.message) for each in recwarn]
    assert len(said) == warns
    assert all("no episode of Lengths has ended for 7 steps" in message and "TimeLimit" in message for message in said)


def test_same_seed_same_episodes() -> None:
    agent = DQN("CartPole-v1")
    assert evaluate(agent).returns.tolist() == evaluate(agent).returns.tolist()
    assert evaluate(agent).returns.tolist() != evaluate(agent, seed=5).returns.tolist()


@pytest.mark.parametrize(
    "env",
    [lambda: gym.make("CartPole-v1"), lambda: gym.make_vec("CartPole-v1", num_envs=2)],
    ids=["one", "vector"],
)
def test_the_training_environment_is_left_alone(env) -> None:
    """An agent may be given an environment itself; evaluating in that one would cut the training episode
    short."""
    alone, watched = DQN(env(), seed=1), DQN(env(), seed=1)
    for agent, watch in ((alone, False), (watched, True)):
        agent.learn(30)
        if watch:
            assert len(evaluate(agent, episodes=3).returns) == 3
        agent.learn(30)
    assert_same_state(alone, watched)


def test_without_a_way_to_make_another_environment(tmp_path) -> None:
    with pytest.warns(
        UserWarning, match=r"Lengths can't be made a second time \(it is an instance.*without evaluations"
    ):
        agent = DQN(Lengths(3))
    with pytest.raises(
        UsageError, match=r"Lengths can't be made a second time \(.*\); give an id, a class, or a function"
    ):
        evaluate(agent)
    with pytest.warns(UserWarning, match="can't be resumed exactly"):
        agent.learn(20, run=tmp_path / "run")
    assert not (tmp_path / "run" / "evaluations.csv").exists()
