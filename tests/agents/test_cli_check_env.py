"""`minigrad check-env` says what is to be mended in an environment, and who can learn in it."""

from __future__ import annotations

import json
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

from agents import cli
from tests.envs.odd import Odd

KINDS: dict[str, dict[str, Any]] = {
    "right": {},
    "shape": {"observe": lambda env: np.zeros(1 if env.t > 3 else 3, np.float32)},
    "far": {"observe": lambda env: np.full(3, 7, np.float32)},
    "outside": {"observe": lambda env: np.full(3, 7 if env.t > 3 else 0, np.float32)},
    "nan": {"observe": lambda env: np.full(3, np.nan if env.t > 3 else 0, np.float32)},
    "float64": {"observe": lambda env: np.zeros(3)},
    "random": {"observe": lambda env: np.random.default_rng().random(3, np.float32)},
    "four": {"answer": lambda env, seen: (seen, 0.0, False, {})},
    "none": {"answer": lambda env, seen: (seen, None if env.t > 3 else 0.0, env.t > 5, False, {})},
    "raises": {"answer": lambda env, seen: [][0]},
    "no-info": {"open": lambda env, seen: seen},
    "endless": {"length": 10**9},
    "dictionary": {"space": spaces.Dict(a=spaces.Box(0, 1)), "observe": lambda env: {"a": np.zeros(1, np.float32)}},
}


def make(kind: str, render_mode: str | None = None) -> Odd:
    return Odd(**KINDS[kind])


@pytest.fixture
def check(monkeypatch, capsys):
    """Runs it on an environment of that kind; returns the exit code and what was printed."""
    spec = gym.envs.registration.EnvSpec("Odd-v0", entry_point=make)
    monkeypatch.setitem(gym.registry, "Odd-v0", spec)

    def run(kind: str) -> tuple[int, str]:
        code = cli.main(["check-env", "Odd-v0", "--env-option", f"kind='{kind}'"])
        return code, capsys.readouterr().out

    return run


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("shape", r"fault   the environment returned an observation of shape (1,)"),
        ("far", "fault   the environment returned an observation with 7.0 in it"),
        ("nan", "fault   the environment returned an observation with nan in it"),
        ("float64", "advice  an observation is of float64, its space of float32; return observation.astype"),
        ("float64", "fault   gymnasium's checker: The first element returned by `env.reset()` is not within"),
        ("random", "fault   gymnasium's checker: Using `env.reset(seed=123)` is non-deterministic"),
        ("four", "fault   step returned 4 values; return (observation, reward, terminated, truncated, info)"),
        ("none", "fault   step returned the reward None"),
        ("raises", "fault   it raises IndexError: list index out of range"),
        ("no-info", "fault   reset returned an array of shape (3,) alone; return (observation, info)"),
        ("dictionary", "fault   observations are a Dict, and agents take one array; wrap the environment in"),
    ],
)
def test_a_fault_is_one_line_and_the_exit_code(check, kind, message) -> None:
    code, printed = check(kind)
    assert code == 1
    assert message in printed
    assert "agents" not in [line.split()[0] for line in printed.splitlines()]
    assert printed.splitlines()[-1] == f"to be mended: {printed.count('fault   ')}"


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("outside", "with 7.0 in it, and its observation_space is Box(-1.0, 1.0, (3,), float32)"),
        ("endless", "no episode ended in 1,000 random steps, and there is no time limit"),
    ],
)
def test_advice_is_no_fault(check, kind, message) -> None:
    code, printed = check(kind)
    assert code == 0
    assert message in next(line for line in printed.splitlines() if line.startswith("advice"))
    assert printed.splitlines()[-1] == "nothing has to be mended"


def test_nothing_to_mend(check) -> None:
    code, printed = check("right")
    learners, verdict = printed.splitlines()
    assert (code, verdict) == (0, "nothing has to be mended")
    assert learners.startswith("agents  ")
    names = learners.removeprefix("agents  ").split(", ")
    assert {"dqn", "ppo"} <= set(names)
    assert "q-learning" not in names  # a table doesn't take a Box


def test_seeds_that_change_nothing(check) -> None:
    """gymnasium's checker looks at the first steps only; what is drawn later is seen, too."""
    KINDS["late"] = {"observe": lambda env: np.random.default_rng().random(3, np.float32) * (env.t > 3)}
    code, printed = check("late")
    assert code == 1
    assert "fault   the same seed gives other episodes, so no training can be repeated" in printed
    assert "super().reset(seed=seed)" in printed


def test_a_state_that_nobody_can_save(check) -> None:
    """A generator of its own, which only a seed begins anew."""

    def observe(env: Any) -> np.ndarray:
        if getattr(env, "seeded", None) is not env.np_random:  # a seeded reset replaces it
            env.seeded, env.hidden = env.np_random, np.random.default_rng(abs(env.np_random_seed))
        return env.hidden.random(3, np.float32)

    KINDS["hidden"] = {"observe": observe}
    code, printed = check("hidden")
    assert code == 0
    assert "advice  a run that was stopped can't go on exactly: " in printed
    assert "after resuming" in printed
    assert "get_state() and set_state(state)" in printed


@pytest.mark.parametrize("env", ["CartPole-v1", "minigrad/GridWorld-v0"])
def test_known_environments_have_no_faults(env, capsys) -> None:
    assert cli.main(["check-env", env]) == 0
    assert "fault" not in capsys.readouterr().out


def test_one_that_is_not_there(capsys) -> None:
    assert cli.main(["check-env", "nomod:My-v0"]) == 2
    assert "there is no module 'nomod'" in capsys.readouterr().err


def test_options_on_the_command_line_reach_training_and_evaluation(tmp_path, capsys) -> None:
    """Deterministic FrozenLake, which a table solves; on ice it could not be sure."""
    run = str(tmp_path / "run")
    options = ["--env-option", "is_slippery=false", "--env-option", "max_episode_steps=50"]
    train = ["train", "q-learning", "--env", "FrozenLake-v1", *options, "--steps", "3000", "--run", run, "--quiet"]
    assert cli.main(train) == 0
    assert "evaluation  1.0 ± 0.0" in capsys.readouterr().out
    assert cli.main(["evaluate", run]) == 0
    assert "return 1.0 ± 0.0" in capsys.readouterr().out
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["env_options"] == {"is_slippery": False, "max_episode_steps": 50}
