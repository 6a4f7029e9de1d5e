"""The ablation study: every improvement once, resumed where it was, drawn together."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agents import DQN, Rainbow, cli
from agents.cli.ablation import STUDY, run_of

ENV = "minigrad/ProbeBoth-v0"


def test_each_improvement_is_one_of_rainbows() -> None:
    assert STUDY[0] is DQN
    assert STUDY[-1] is Rainbow
    alone = [agent.components for agent in STUDY[1:-1]]
    assert len(alone) == 6
    assert {name: value for components in alone for name, value in components.items()} == Rainbow.components


@pytest.mark.slow
def test_study(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    command = ["ablation", "--env", ENV, "--steps", "150", "--seeds", "1", "--jobs", "2"]
    assert cli.main([*command, "--output", str(tmp_path / "study")]) == 0
    said = capsys.readouterr().out
    for agent in STUDY:
        assert f"{agent.name}, seed 0: " in said
        assert (run_of(tmp_path / "study", agent.name, 0) / "metrics.csv").exists()
    assert (tmp_path / "study" / "ablation.png").stat().st_size > 10_000
    # Again: nothing is trained a second time, and nothing is lost.
    before = (run_of(tmp_path / "study", "dqn", 0) / "timing.csv").read_bytes()
    assert cli.main([*command, "--output", str(tmp_path / "study")]) == 0
    assert (run_of(tmp_path / "study", "dqn", 0) / "timing.csv").read_bytes() == before


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        (["--env", ENV], "not on minigrad/ProbeBoth-v0; give another --output"),
        (["--env", "CartPole-v1", "--steps", "70"], "not on CartPole-v1, 70 steps; give another --output"),
    ],
)
def test_another_studys_runs_are_not_taken_for_this_ones(options, wanted, tmp_path: Path, capsys) -> None:
    for agent in STUDY:
        run = run_of(tmp_path, agent.name, 0)
        run.mkdir()
        config = {"algorithm": agent.name, "env": "CartPole-v1", "seed": 0, "num_envs": 1, "steps": 60}
        (run / "config.json").write_text(json.dumps({**config, "hyperparameters": {}}))
    assert cli.main(["ablation", "--seeds", "1", "--output", str(tmp_path), *options]) == 2
    said = capsys.readouterr().err
    assert "-seed0 is a training on CartPole-v1, 60 steps, " in said
    assert wanted in said


def test_mistakes(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert cli.main(["ablation", "--seeds", "0"]) == 2
    assert "--seeds must be at least 1, got 0" in capsys.readouterr().err
    assert cli.main(["ablation", "--env", "CartPol-v1", "--output", str(tmp_path)]) == 2
    assert "dqn, seed 0: unknown environment 'CartPol-v1'; did you mean CartPole-v1" in capsys.readouterr().err
