"""The ablation study: every improvement once, resumed where it was, drawn together."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from agents import DQN, Rainbow, cli
from agents.cli.ablation import STUDY, last_evaluation, run_of
from envs import UsageError

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


def finish(run: Path, steps: int, evaluated: int) -> None:
    """Files of a training of `steps` steps that was evaluated last at step `evaluated`."""
    run.mkdir(parents=True, exist_ok=True)
    config = {"algorithm": run.name.partition("-seed")[0], "env": ENV, "seed": int(run.name[-1]), "num_envs": 1}
    (run / "config.json").write_text(json.dumps({**config, "steps": steps, "hyperparameters": {}}))
    (run / "evaluations.csv").write_text(f"step,mean,std\n{evaluated},9.5,1.0\n")
    (run / "metrics.csv").write_text("step,return\n5,1.0\n9,2.0\n")


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What the study would have started; every training comes to its end, but for double-dqn's, which is killed."""
    typed: list[list[str]] = []

    def start(line: list[str], **keywords: Any) -> subprocess.CompletedProcess:
        command = line[3:]
        typed.append(command)
        stopped = "double-dqn" in command and len(typed) < 20
        finish(
            Path(command[command.index("--run") + 1] if "--run" in command else command[1]), 100, 60 if stopped else 100
        )
        said = "stopped at step 60 of 100; `minigrad resume it` goes on" if stopped else ""
        return subprocess.CompletedProcess(line, 143 if stopped else 0, stdout=said, stderr="")

    monkeypatch.setattr(subprocess, "run", start)
    return typed


def test_a_training_that_was_stopped_is_no_result(commands, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    command = ["ablation", "--env", ENV, "--steps", "100", "--seeds", "1", "--output", str(tmp_path)]
    assert cli.main(command) == 2
    said = capsys.readouterr()
    assert "double-dqn, seed 0: stopped at step 60 of 100" in said.err
    assert "exit code 143" in said.err
    assert "9.5   " not in said.out  # no table
    while len(commands) < 20:
        commands.append(["something else"])
    assert cli.main(command) == 0
    assert ["resume", str(run_of(tmp_path, "double-dqn", 0)), "--quiet"] in commands
    assert "double-dqn            9.5" in capsys.readouterr().out


def test_an_evaluation_before_the_end_is_no_result(tmp_path: Path) -> None:
    finish(tmp_path / "dqn-seed0", 12_000, 1_200)
    with pytest.raises(UsageError, match="dqn-seed0 stopped at step 1,200 of 12,000"):
        last_evaluation(tmp_path / "dqn-seed0")


def test_every_seed_of_a_study_is_another(commands, tmp_path: Path) -> None:
    commands.extend([["something else"]] * 20)
    assert cli.main(["ablation", "--env", ENV, "--seeds", "3", "--output", str(tmp_path)]) == 0
    trained = [(line[1], line[line.index("--seed") + 1], line[line.index("--run") + 1]) for line in commands[20:]]
    assert sorted(trained) == sorted(
        (agent.name, str(seed), str(run_of(tmp_path, agent.name, seed))) for agent in STUDY for seed in range(3)
    )
