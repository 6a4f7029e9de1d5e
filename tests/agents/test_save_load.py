"""An agent that was saved and loaded is the same agent, and goes on the same."""

from __future__ import annotations

import pickle
import re

import gymnasium as gym
import numpy as np
import pytest

from agents import A3C, DQN, Agent, DoubleDQN, QLearning, cli
from envs import UsageError
from tests.agents.conftest import assert_same_state, env_of

ENV = "minigrad/ProbeBoth-v0"


def test_saved_and_loaded(agent_type: type[Agent], tmp_path) -> None:
    agent = agent_type(env_of(agent_type), seed=2, num_envs=2).learn(300)
    agent.save(tmp_path / "agent")
    loaded = agent_type.load(tmp_path / "agent")
    assert_same_state(agent, loaded)
    assert loaded.hyperparameters == agent.hyperparameters
    assert_same_state(agent.learn(100), loaded.learn(100))


def test_loaded_from_a_run(agent_type: type[Agent], tmp_path) -> None:
    agent = agent_type(env_of(agent_type)).learn(300, run=tmp_path / "run")
    assert_same_state(agent, agent_type.load(tmp_path / "run"))
    assert agent_type.load(tmp_path / "run", best=True).steps <= 300


def test_saving_twice_keeps_one(agent_type: type[Agent], tmp_path) -> None:
    agent = agent_type(env_of(agent_type))
    agent.save(tmp_path / "agent")
    agent.learn(50).save(tmp_path / "agent")
    assert agent_type.load(tmp_path / "agent").steps == 50
    assert len(list((tmp_path / "agent").glob("step-*"))) == 1


def test_predict_takes_one_or_many(agent_type: type[Agent]) -> None:
    agent = agent_type(env_of(agent_type)).learn(50)
    shape = agent.observation_space.shape
    one = agent.predict(np.zeros(shape))
    assert agent.action_space.contains(one)
    many = agent.predict(np.zeros((5, *shape)))
    np.testing.assert_allclose(many, [one] * 5, rtol=1e-5)
    name, wrong = re.escape(env_of(agent_type)), (3, 2)
    with pytest.raises(UsageError, match=rf"shape {re.escape(str(wrong))}, but {name} has {re.escape(str(shape))}"):
        agent.predict(np.zeros(wrong))


def test_pickled(agent_type: type[Agent]) -> None:
    agent = agent_type(env_of(agent_type), seed=2).learn(100)
    if agent_type is A3C:
        with pytest.raises(UsageError, match=r"a3c can't be copied or pickled.*agent\.save\(path\)"):
            pickle.dumps(agent)
        return
    copy = pickle.loads(pickle.dumps(agent))
    assert_same_state(agent, copy)
    assert_same_state(agent.learn(50), copy.learn(50))


@pytest.mark.parametrize("env_id", ["CartPole-v1", "minigrad/Snake-v0", "minigrad/GridWorld-v0"])
def test_an_agent_of_an_instance_is_loaded_by_its_id(env_id: str, tmp_path) -> None:
    """Although gymnasium puts wrappers around the one that aren't around the other."""
    agent = DQN(gym.make(env_id), hidden=(8,), learning_starts=20).learn(100)
    agent.save(tmp_path / "agent")
    loaded = DQN.load(tmp_path / "agent")
    assert_same_state(agent.learn(100), loaded.learn(100))


def test_an_agent_of_another_environment_than_its_id_makes(tmp_path, capsys) -> None:
    corridor = lambda: gym.make("minigrad/GridWorld-v0", map="S..G")
    many = lambda: gym.make_vec("minigrad/GridWorld-v0", num_envs=2)
    for name, make in (("corridor", corridor), ("many", many)):
        agent = QLearning(make()).learn(100, run=tmp_path / name)
        with pytest.raises(UsageError, match=r"has observations Discrete\(12\).*QLearning\.load\(path, env\)"):
            QLearning.load(tmp_path / name)
        assert cli.main(["evaluate", str(tmp_path / name)]) == 2
        assert "was trained in minigrad/GridWorld-v0 with observations" in capsys.readouterr().err
        loaded = QLearning.load(tmp_path / name, make())
        assert_same_state(agent.learn(50), loaded.learn(50), but="/metrics")


def test_errors(tmp_path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        DQN.load(tmp_path / "nothing")
    DQN(ENV).save(tmp_path / "agent")
    with pytest.raises(UsageError, match="agent has no best checkpoint: nothing was evaluated"):
        DQN.load(tmp_path / "agent", best=True)
    with pytest.raises(UsageError, match="holds a dqn agent, not double-dqn"):
        DoubleDQN.load(tmp_path / "agent")
    with pytest.raises(UsageError, match="no hyper-parameter is called 'learning_rat'; did you mean learning_rate"):
        DQN(ENV, learning_rat=1)
    switches = gym.wrappers.TransformAction(gym.make("CartPole-v1"), lambda a: int(a[0]), gym.spaces.MultiBinary(2))
    with pytest.raises(UsageError, match=r"dqn needs Discrete or Box actions, but CartPole-v1 has MultiBinary"):
        DQN(switches)
    for steps in (0, 2.5, "10", float("inf"), float("nan")):
        with pytest.raises(UsageError, match=r"steps must be (a whole number|at least 1), got"):
            DQN(ENV).learn(steps)
    assert DQN(ENV).learn(1e1).config()["steps"].__class__ is int
    with pytest.raises(UsageError, match="seed must be"):
        DQN(ENV, seed=-1)
