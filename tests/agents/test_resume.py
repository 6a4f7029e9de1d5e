"""A run that was killed with SIGKILL, at any moment, and resumed is the uninterrupted run, bit for bit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from agents import Agent, cli
from tests.agents.conftest import env_of

DRIVER = Path(__file__).with_name("kill_and_resume.py")
ENV = "minigrad/ProbeBoth-v0"


def test_killed_and_resumed(agent_type: type[Agent], tmp_path: Path) -> None:
    command = [sys.executable, str(DRIVER), agent_type.name, env_of(agent_type), str(tmp_path)]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=env)
    assert done.returncode == 0, done.stderr
    assert "moments" in done.stdout


@pytest.mark.slow
def test_killed_at_random_times(tmp_path: Path) -> None:
    """MINIGRAD_KILLS=100 for as many as a release has seen."""
    kills = os.environ.get("MINIGRAD_KILLS", "10")
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    driver = DRIVER.with_name("kill_at_random_times.py")
    command = [sys.executable, str(driver), kills, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(f"{kills} kills, {kills} identical\n")


def train(run: Path, *more: str) -> None:
    assert cli.main(["train", "dqn", "--env", ENV, "--steps", "200", "--run", str(run), "--quiet", *more]) == 0


def test_a_damaged_checkpoint_is_named_and_the_one_before_used(tmp_path: Path, capsys) -> None:
    train(tmp_path / "whole")
    train(tmp_path / "damaged")
    newest = sorted(tmp_path.glob("damaged/checkpoints/step-*"))[-1]
    arrays = newest / "arrays.safetensors"
    arrays.write_bytes(arrays.read_bytes()[:-1] + b"!")
    capsys.readouterr()
    assert cli.main(["resume", str(tmp_path / "damaged"), "--quiet"]) == 0
    said = capsys.readouterr().err
    assert f"{newest} is damaged: arrays.safetensors is not what was written" in said
    assert "the one before it is used" in said
    for name in ("metrics.csv", f"checkpoints/{newest.name}/arrays.safetensors"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "damaged" / name).read_bytes()


def test_without_any_good_checkpoint(tmp_path: Path, capsys) -> None:
    train(tmp_path / "run")
    for state in tmp_path.glob("run/checkpoints/*/state.json"):
        state.write_text("{}")
    assert cli.main(["resume", str(tmp_path / "run")]) == 2
    assert "no good checkpoint is left" in capsys.readouterr().err


def test_a_finished_run_is_left_alone(tmp_path: Path, capsys) -> None:
    train(tmp_path / "run")
    before = (tmp_path / "run" / "metrics.csv").read_bytes()
    assert cli.main(["resume", str(tmp_path / "run")]) == 0
    assert "is finished: 200 of 200 steps" in capsys.readouterr().out
    assert (tmp_path / "run" / "metrics.csv").read_bytes() == before


@pytest.mark.parametrize(
    ("name", "value"), [("num_envs", 3), ("env", "CartPole-v1"), ("hyperparameters", {"gamma": 0.25})]
)
def test_a_config_that_was_changed_is_named(tmp_path: Path, capsys, name: str, value: Any) -> None:
    train(tmp_path / "run")
    path = tmp_path / "run" / "config.json"
    config = json.loads(path.read_text())
    config[name] = {**config[name], **value} if isinstance(value, dict) else value
    path.write_text(json.dumps({key: value for key, value in config.items() if value is not None}))
    assert cli.main(["resume", str(tmp_path / "run")]) == 2
    told = f"{name} (gamma)" if isinstance(value, dict) else name
    assert f"config.json was changed: {told} is not what" in capsys.readouterr().err


def test_resuming_keeps_the_total_number_of_steps(tmp_path: Path) -> None:
    """The exploration schedule is a fraction of it."""
    train(tmp_path / "run")
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["steps"] == 200
    assert config["hyperparameters"]["learning_starts"] == 100


def test_nothing_in_metrics_depends_on_the_clock(tmp_path: Path) -> None:
    train(tmp_path / "one")
    train(tmp_path / "two")
    for name in ("metrics.csv", "evaluations.csv", "config.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
