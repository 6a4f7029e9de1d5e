"""A training that could not learn says so at its end, and says what an update waits for."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

from agents import A2C, DQN, PPO, Agent, MonteCarlo, Reinforce, SimplePolicyGradient, cli
from tests.agents.conftest import env_of


@pytest.mark.parametrize(
    ("algorithm", "settings", "message"),
    [
        (DQN, {}, r"dqn made no update in 12 steps: it learns after learning_starts = 1,000 steps; train for more"),
        (PPO, {"num_envs": 2, "rollout_steps": 9}, r"it learns from rollouts of 18 steps, 9 \(rollout_steps\) in each"),
        (A2C, {"num_envs": 4, "rollout_steps": 5}, r"it learns from rollouts of 20 steps"),
        (Reinforce, {}, r"it learns from whole episodes, and none ended; train for more steps$"),
        (
            SimplePolicyGradient,
            {"episodes": 3},
            r"it learns from whole episodes, 3 \(episodes\) at a time, and 0 ended; .*lower$",
        ),
        (DQN, {"learning_starts": 1, "train_every": 50}, r"it learns every train_every = 50 steps"),
    ],
)
def test_a_training_without_an_update_says_why(algorithm: type[Agent], settings: dict[str, Any], message: str) -> None:
    with pytest.warns(UserWarning, match=message):
        algorithm("Acrobot-v1", seed=0, **settings).learn(12)


def test_a_table_waits_for_an_episode() -> None:
    with pytest.warns(UserWarning, match=r"monte-carlo made no update in 3 steps: it learns from whole episodes"):
        MonteCarlo("minigrad/GridWorld-v0", seed=0).learn(3)


def test_one_that_learns_says_nothing(agent_type: type[Agent]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        agent_type(env_of(agent_type), seed=0).learn(300)


@pytest.mark.filterwarnings("default:.*made no update")
def test_on_the_command_line(tmp_path, capsys) -> None:
    line = ["train", "dqn", "--steps", "40", "--evaluation-episodes", "0", "--quiet", "--run", str(tmp_path / "run")]
    assert cli.main(line) == 0
    said = capsys.readouterr().err.splitlines()
    assert [text.partition(" steps:")[0] for text in said if "update" in text] == ["warning: dqn made no update in 40"]
