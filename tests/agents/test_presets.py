"""A preset belongs to the environment's spec, whatever the environment was named or made by; and a run says which
hyper-parameters are the preset's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.classic_control import CartPoleEnv

from agents import C51, DQN, PPO, Agent, DoubleDQN, QLearning, Rainbow, cli
from agents.presets import all_presets, find_id
from envs import UsageError, make_environments

ENV = "CartPole-v1"


def make_cartpole() -> gym.Env:
    return gym.make(ENV)


WAYS = {
    "id": ENV,
    "id without its version": "CartPole",
    "id with the module that registers it": "gymnasium.envs.classic_control:CartPole-v1",
    "function": make_cartpole,
    "function that wraps it": lambda: gym.wrappers.RecordEpisodeStatistics(make_cartpole()),
    "instance": make_cartpole(),
    "wrapped instance": gym.wrappers.RecordEpisodeStatistics(make_cartpole()),
    "environments": make_environments(ENV, 8),
}


@pytest.mark.parametrize("algorithm", [DQN, PPO])
@pytest.mark.parametrize("env", WAYS.values(), ids=WAYS)
@pytest.mark.filterwarnings("ignore:.*the latest versioned environment")
def test_one_environment_has_one_preset(algorithm: type[Agent], env: Any) -> None:
    preset = all_presets()[algorithm.name, ENV]
    agent = algorithm(env, seed=0)
    assert agent.hyperparameters == algorithm.Hyperparameters.of({}, preset.hyperparameters)
    if not isinstance(env, type(WAYS["environments"])):
        assert agent.num_envs == preset.num_envs
    assert agent.config()["env"].endswith(ENV)
    assert agent.describe_preset().startswith(f"preset of {algorithm.name} on CartPole-v1: learning_rate 0.001")


def test_a_function_is_called_once_for_each_environment() -> None:
    """The first one shows what it is, and is then trained in."""
    made = []

    def make() -> gym.Env:
        made.append(make_cartpole())
        return made[-1]

    PPO(make, seed=0)
    # And once more for each, to see whether an evaluation can have others.
    assert len(made) == 2 * all_presets()["ppo", ENV].num_envs
    assert len({id(env) for env in made}) == len(made)


def test_an_environment_without_an_id_has_none() -> None:
    """CartPole's class alone has no step limit: it isn't CartPole-v1."""
    agent = DQN(CartPoleEnv, seed=0)
    assert agent.hyperparameters == DQN.Hyperparameters.of({})
    assert agent.describe_preset() == "no preset of dqn for CartPoleEnv: the algorithm's defaults"
    assert agent.preset_values() == {}


@pytest.mark.filterwarnings("ignore:.*the latest versioned environment")
def test_ids() -> None:
    assert find_id("minigrad/GridWorld") == find_id("envs:minigrad/GridWorld-v0") == "minigrad/GridWorld-v0"
    assert find_id("Nothing") == "Nothing"
    assert find_id("what is this?") == "what is this?"
    assert find_id("ALE/Pong-v5") == "ALE/Pong-v5"
    assert find_id(None) is None
    assert QLearning("minigrad/GridWorld", seed=0).hyperparameters.gamma == 0.9


def test_what_is_the_presets_and_what_the_users() -> None:
    """A variant's component is neither; nor is what the preset says about the head of C51, which isn't there."""
    agent = DoubleDQN(ENV, seed=0, gamma=0.5)
    values = agent.preset_values()
    not_there = {"gamma", "value_min", "value_max"}
    assert values == {k: v for k, v in all_presets()["dqn", ENV].hyperparameters.items() if k not in not_there}
    assert C51(ENV, seed=0).preset_values() == all_presets()["dqn", ENV].hyperparameters
    assert agent.describe_preset().startswith("preset of dqn on CartPole-v1: learning_rate 0.0015, anneal_")
    assert not set(Rainbow.components) & set(Rainbow(ENV, seed=0).preset_values())


@pytest.mark.filterwarnings("ignore:.*the latest versioned environment")
def test_a_run_says_it(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["train", "dqn", "--env", "CartPole", "--steps", "40", "--gamma", "0.9", "--quiet"]) == 0
    assert "preset of dqn on CartPole-v1: learning_rate 0.0015, anneal_learning_rate True, " in capsys.readouterr().out
    config = json.loads(Path("runs/dqn-CartPole-v1-seed0/config.json").read_text())
    assert config["env"] == ENV
    assert config["preset"]["learning_rate"] == 0.0015
    assert "gamma" not in config["preset"]
    DQN(make_cartpole, seed=0).learn(40, run="from-python")
    assert json.loads(Path("from-python/config.json").read_text())["preset"]["gamma"] == 0.98


def test_repr() -> None:
    agent = DoubleDQN("minigrad/ProbeBoth-v0", seed=3, learning_rate=0.5).learn(1_200, progress=False)
    told = repr(agent)
    assert told.startswith("<DoubleDQN on minigrad/ProbeBoth-v0, seed 3, on cpu: 1,200 steps trained; ")
    assert "learning_rate=0.5" in told
    assert "next_action" not in told  # what every Double DQN has
    assert repr(DQN(CartPoleEnv)) == "<DQN on CartPoleEnv, seed 0, on cpu: 0 steps trained>"


def test_numpys_numbers_are_numbers(tmp_path: Path) -> None:
    """Also in config.json."""
    given = {"learning_rate": np.float32(0.5), "batch_size": np.int64(8), "hidden": (np.int32(4),), "noisy": np.True_}
    agent = DQN(ENV, seed=np.int64(1), num_envs=np.int64(2), **given).learn(np.int64(10), run=tmp_path / "run")
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert (config["seed"], config["num_envs"], config["steps"]) == (1, 2, 10)
    expected = {"learning_rate": 0.5, "batch_size": 8, "hidden": [4], "network": "noisy"}
    assert {name: config["hyperparameters"][name] for name in expected} == expected
    assert agent.hyperparameters.hidden == (4,)
    with pytest.raises(UsageError, match=r"seed must be a whole number, got 1.5"):
        DQN(ENV, seed=1.5)
