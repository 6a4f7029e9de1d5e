"""The command as a user runs it: a process, its output, its exit code."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from agents import AGENTS, Agent, cli
from agents.runs.tables import read_table
from tests.agents.conftest import env_of

ENV = "minigrad/ProbeBoth-v0"


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "agents.cli", *arguments]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def minigrad(*arguments: str, cwd: Path) -> subprocess.CompletedProcess:
    return subprocess.run(command(*arguments), capture_output=True, text=True, cwd=cwd, env=environment(), timeout=120)


def test_from_training_to_picture(tmp_path: Path) -> None:
    done = minigrad("train", "dqn", "--env", ENV, "--steps", "300", "--seed", "4", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    run = "runs/dqn-minigrad-ProbeBoth-v0-seed4"
    assert re.search(rf"^run +{run}$", done.stdout, re.M)
    assert re.search(r"^trained +300 steps in 0:0\d \([\d,]+ steps/s\)$", done.stdout, re.M)
    assert re.search(r"^evaluation +1\.0 ± 0\.0 over 20 episodes$", done.stdout, re.M)
    assert "300/300 steps" in done.stderr
    for line in re.findall(r"minigrad (.*)", done.stdout):  # what it says to type next works
        again = minigrad(*line.split(), cwd=tmp_path)
        assert again.returncode == 0, again.stderr
    assert (tmp_path / run / "returns.png").exists()


def test_probe(capsys) -> None:
    assert cli.main(["probe", "reinforce", "--seed", "1"]) == 0
    said = capsys.readouterr()
    assert said.out.count(" right\n") == 6
    assert said.err == ""
    for arguments, message in (
        (["q-learning"], "q-learning needs Discrete observations, but minigrad/ProbeConstant-v0 has Box"),
        (["pp"], "unknown algorithm 'pp'; did you mean ppo"),
    ):
        assert cli.main(["probe", *arguments]) == 2
        assert message in capsys.readouterr().err


def test_every_algorithm_trains(agent_type: type[Agent], tmp_path: Path, capsys) -> None:
    run = tmp_path / "run"
    train = ["train", agent_type.name, "--env", env_of(agent_type), "--steps", "250", "--quiet"]
    assert cli.main([*train, "--run", str(run)]) == 0
    assert cli.main(["evaluate", str(run), "--episodes", "3"]) == 0
    said = capsys.readouterr().out
    assert f"{agent_type.name} {env_of(agent_type)}, step 250: return" in said
    assert "over 3 episodes" in said
    # Every cell is a number, and every metric can be drawn.
    table = read_table(run / "metrics.csv")
    assert {"step", "episode", "return", "length", *agent_type.metric_names} <= table.keys()
    for metric in agent_type.metric_names:
        assert np.isfinite([value for value in table[metric] if value is not None]).all()
        assert cli.main(["plot", str(run), "--metric", metric]) == (2 if set(table[metric]) == {None} else 0)


@pytest.mark.parametrize("arguments", [[], ["--help"]])
def test_the_help_names_every_command(arguments: list[str], capsys) -> None:
    assert cli.main(arguments) == 0
    said = capsys.readouterr().out
    assert all(f"    minigrad {name}" in said for name in cli.COMMANDS)


def test_list_names_every_algorithm(capsys) -> None:
    assert cli.main(["list"]) == 0
    said = capsys.readouterr().out
    assert all(f"  {name} " in said for name in AGENTS)
    assert all(re.search(rf"  {name} .*\. \[", said) for name in AGENTS)  # whole sentences


def test_help(agent_type: type[Agent], capsys) -> None:
    with pytest.raises(SystemExit) as exit:
        cli.main(["train", agent_type.name, "--help"])
    assert exit.value.code == 0
    said = " ".join(re.sub("[│╭╮╰╯─]", " ", capsys.readouterr().out).split())
    for name in agent_type.Hyperparameters().plain():
        assert f"--{name.replace('_', '-')}" in said
    if "gamma" in agent_type.Hyperparameters().plain():
        assert "Discount: what a reward is worth one step earlier. (default: " in said


def test_default_run_directories_are_numbered(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for _ in range(3):
        assert cli.main(["train", "dqn", "--env", ENV, "--steps", "10", "--quiet"]) == 0
    name = "dqn-minigrad-ProbeBoth-v0-seed0"
    assert {path.name for path in (tmp_path / "runs").iterdir()} == {name, f"{name}-2", f"{name}-3"}


MISTAKES = [
    ("trian dqn", "unknown command 'trian'; did you mean train?"),
    ("train", "which algorithm?"),
    ("train dqm", "unknown algorithm 'dqm'; did you mean dqn?"),
    ("train dqn --env CartPol-v1", "unknown environment 'CartPol-v1'; did you mean CartPole-v1"),
    ("train dqn --env nomod:My-v0", "nomod:My-v0: there is no module 'nomod' in "),
    ("train dqn --env FrozenLake-v1 --env-option slippery=False", "no option 'slippery'; did you mean is_slippery"),
    ("train dqn --env Pendulum-v1 --actions 2000", "Pendulum-v1: 2000 actions in each of 1 dimensions are 2,000"),
    ("train dqn --learning-rate -1", "learning_rate must be above 0, got -1.0"),
    ("train dqn --learning-rate fast", "--learning-rate: could not convert string to float: 'fast'"),
    ("train dqn --learning-rat 1", "Unrecognized options: --learning-rat"),
    ("train dqn --loss hubris", "invalid choice 'hubris'"),
    ("train dqn --steps 10 --hidden", "--hidden needs the size of each hidden layer, such as --hidden 64 64"),
    ("train dqn --hidden --steps 10", "--hidden needs the size of each hidden layer, such as --hidden 64 64"),
    ("train dqn --steps 0", "--steps must be at least 1, got 0"),
    ("train ppo --checkpoint-every -1", "--checkpoint-every must be at least 0, got -1"),
    ("train ppo --evaluation-episodes -1", "--evaluation-episodes must be at least 0, got -1"),
    ("train dqn --num-envs 0", "num_envs must be at least 1, got 0"),
    ("train dqn --seed -1", "seed must be at least 0, got -1"),
    ("train dqn --run .", "exists already"),
    ("train dqn --run a-file/run", "a-file"),
    ("evaluate nothing", "nothing is not a run: it has no config.json"),
    ("evaluate a-file", "a-file is not a run"),
    ("evaluate", "RUN"),
    ("evaluate broken", "config.json is damaged"),
    ("resume .", "is not a run"),
    ("plot", "at least one run"),
    ("plot nothing", "nothing is not a run"),
]


@pytest.mark.parametrize(("line", "message"), MISTAKES)
def test_a_mistake_is_one_line_and_exit_code_2(line: str, message: str, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a-file").write_text("")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "config.json").write_text("{")
    assert cli.main(line.split()) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert len(said.err.splitlines()) == 1
    assert said.err.startswith("minigrad: ")
    assert message.lower() in said.err.lower()


@pytest.mark.filterwarnings("ignore:.*encountered in:RuntimeWarning")
@pytest.mark.parametrize("algorithm", ["reinforce", "actor-critic", "ppo"])
@pytest.mark.parametrize(
    ("env", "message"),
    [
        (ENV, "has diverged, after [0-9]+ steps: (Categorical|its policy_loss)"),
        ("Pendulum-v1", "action is NaN|has diverged"),
    ],
)
def test_what_diverges_is_one_line(algorithm: str, env: str, message: str, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    line = f"train {algorithm} --env {env} --steps 3000 --num-envs 2 --quiet --learning-rate 1e38"
    assert cli.main(line.split()) == 2
    said = capsys.readouterr().err
    assert re.fullmatch(f"minigrad: .*({message}).*give a smaller learning_rate.*\n", said)


@pytest.mark.filterwarnings("ignore:.*encountered in:RuntimeWarning")
@pytest.mark.parametrize("algorithm", ["dqn", "c51", "neural-q-learning"])
def test_values_that_diverge_are_one_line(algorithm: str, tmp_path: Path, monkeypatch, capsys) -> None:
    """Without a look at the figures, training would go on with NaN to its end."""
    monkeypatch.chdir(tmp_path)
    line = f"train {algorithm} --env {ENV} --steps 3000 --quiet --learning-rate 1e38"
    assert cli.main(line.split()) == 2
    said = capsys.readouterr().err
    assert re.fullmatch("minigrad: .* diverged, .*: its .* is (nan|-?inf); give a smaller.*\n", said)


def test_a_mistake_in_a_process(tmp_path: Path) -> None:
    done = minigrad("train", "dqn", "--env", "CartPol-v1", cwd=tmp_path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "runs").exists()


def hear_hang_up() -> None:
    """A process inherits that SIGHUP is ignored, as where the tests run under nohup."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def start(run: Path, *more: str) -> subprocess.Popen:
    arguments = [
        "train",
        "dqn",
        "--env",
        "CartPole-v1",
        "--steps",
        "3000",
        "--run",
        str(run),
        "--learning-starts",
        "500",
        "--evaluation-episodes",
        "1",
        *more,
    ]
    return subprocess.Popen(
        command(*arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        preexec_fn=hear_hang_up,
    )


def wait_for(found, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.parametrize("command", ["list", "train ppo --help"])
def test_nothing_is_wrong_when_nobody_reads_on(command: str) -> None:
    line = f'"{sys.executable}" -m agents.cli {command} | head -c 1'
    done = subprocess.run(line, shell=True, capture_output=True, text=True, env=environment(), timeout=60)
    assert (len(done.stdout), done.stderr) == (1, "")


def test_killed_from_outside_and_resumed(tmp_path: Path) -> None:
    whole, killed = start(tmp_path / "whole"), start(tmp_path / "killed")
    wait_for(lambda: any((tmp_path / "killed").glob("checkpoints/step-*")))
    killed.kill()
    assert whole.wait() == 0
    assert killed.wait() == -signal.SIGKILL
    assert not (tmp_path / "killed" / "checkpoints" / "step-000000003000").exists()
    assert minigrad("resume", str(tmp_path / "killed"), cwd=tmp_path).returncode == 0
    for name in ("metrics.csv", "evaluations.csv", "checkpoints/step-000000003000/arrays.safetensors"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "killed" / name).read_bytes()


def test_a_run_in_progress_is_not_resumed(tmp_path: Path) -> None:
    process = start(tmp_path / "run", "--steps", "1000000")
    wait_for(lambda: (tmp_path / "run" / "metrics.csv").exists() or process.poll() is not None)
    done = minigrad("resume", str(tmp_path / "run"), cwd=tmp_path)
    process.kill()
    process.communicate()
    assert done.returncode == 2
    assert "is being trained by another process" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_saves_and_says_how_to_go_on(number: signal.Signals, tmp_path: Path) -> None:
    """And the exit code is the one that a shell expects, so that `minigrad train && minigrad evaluate` stops, too."""
    process = start(tmp_path / "my run", "--steps", "1000000")
    wait_for(lambda: (tmp_path / "my run" / "metrics.csv").exists() or process.poll() is not None)
    process.send_signal(number)
    try:
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 128 + number, err
    assert f"`minigrad resume '{tmp_path / 'my run'}'` goes on" in out
    assert len(list(tmp_path.glob("my run/checkpoints/step-*"))) == 1


def test_an_environment_that_cannot_be_resumed_is_named(tmp_path: Path) -> None:
    import gymnasium as gym
    import numpy as np

    from agents import DQN

    rng = np.random.default_rng()

    class Secretive(gym.Wrapper):
        def step(self, action):
            observation, reward, *rest = super().step(action)
            return observation, reward + rng.random(), *rest

    with pytest.warns(UserWarning, match="CartPole-v1 can't be resumed exactly: reward differs"):
        DQN(lambda: Secretive(gym.make("CartPole-v1"))).learn(20, run=tmp_path / "run")


def test_every_algorithm_trains_without_saying_where(agent_type: type[Agent], tmp_path: Path, capsys) -> None:
    """In an environment that it can learn in: `minigrad train q-learning` alone is enough."""
    run = tmp_path / "run"
    assert cli.main(["train", agent_type.name, "--steps", "60", "--run", str(run), "--quiet"]) == 0
    assert f'"env": "{agent_type.default_env}"' in (run / "config.json").read_text()
