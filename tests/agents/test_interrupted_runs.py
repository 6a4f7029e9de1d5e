"""A training that an exception of the environment or Ctrl-C ends: what is saved, and what is said."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

from agents import QLearning, cli, load
from tests.agents.test_runs import ENV, LINE


@pytest.fixture(autouse=True)
def without_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


class Failing(gym.Wrapper):
    """Its server is gone at step 150, and back again when it is asked anew."""

    failed = False

    def step(self, action):
        Failing.count += 1
        if Failing.count == 850 and not Failing.failed:  # beyond what is tried out beforehand
            Failing.failed = True
            raise BrokenPipeError(errno.EPIPE, "the server is gone")
        return super().step(action)

    count = 0


def test_after_an_exception_of_the_environment_the_run_goes_on(tmp_path: Path) -> None:
    Failing.count, Failing.failed = 0, False
    make = lambda: Failing(gym.make(ENV))
    with pytest.raises(BrokenPipeError) as raised:
        QLearning(make).learn(20_000, run=tmp_path / "my run")
    (note,) = raised.value.__notes__
    steps = load(tmp_path / "my run", make).steps
    assert 100 < steps < 2000
    assert note == (
        f"The environment {ENV} raised this after step {steps:,}; the run is saved there, and "
        f"`agents.load({str(tmp_path / 'my run')!r}, env=...).learn(steps, run={str(tmp_path / 'my run')!r})` goes on."
    )


def test_after_an_exception_in_an_evaluation_the_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def evaluate(*_, **__):
        raise OSError("the server is gone")

    monkeypatch.setattr("agents.runs.recorder.evaluate", evaluate)
    with pytest.raises(OSError, match="the server is gone") as raised:
        QLearning(ENV).learn(300, run=tmp_path / "run")
    (note,) = raised.value.__notes__
    assert note.startswith(f"The environment {ENV} raised this in an evaluation after step 30; the run is saved there")
    assert load(tmp_path / "run").steps == 30


def test_an_environment_that_does_not_start_is_named() -> None:
    class Broken(gym.Wrapper):
        def reset(self, **keywords):
            raise OSError("the server is gone")

    for make in (lambda: Broken(gym.make(ENV)), lambda: gym.vector.SyncVectorEnv([lambda: Broken(gym.make(ENV))])):
        with pytest.raises(OSError, match="the server is gone") as raised:
            QLearning(make)
        assert "raised this in its first reset" in raised.value.__notes__[-1]


def test_an_exception_of_the_environment_is_no_word_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A BrokenPipeError is not a reader of stdout that has gone: it ends with its traceback."""
    from envs.bare import BareEnvironments

    def step(self, action):
        raise BrokenPipeError(errno.EPIPE, "the server is gone")

    monkeypatch.setattr(BareEnvironments, "step", step)
    monkeypatch.setattr("envs.transitions.why_not_resumable", lambda make: None)
    with pytest.raises(BrokenPipeError, match="the server is gone"):
        cli.main([*LINE, "--run", str(tmp_path / "run")])


@pytest.fixture
def heard() -> Iterator[None]:
    """Ctrl-C raises KeyboardInterrupt, also where the tests run in the background of a script, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heard")
def test_ctrl_c_in_python_saves(tmp_path: Path) -> None:
    """And is the uninterrupted run, resumed."""

    class Interrupted(QLearning):
        def update(self, new_steps: int) -> None:
            super().update(new_steps)
            if self.steps == 133:
                signal.raise_signal(signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    agent = Interrupted(ENV)
    with pytest.raises(KeyboardInterrupt):
        agent.learn(300, run=tmp_path / "run")
    assert signal.getsignal(signal.SIGINT) is before
    assert load(tmp_path / "run").steps == agent.steps == 133
    assert np.isfinite(agent.state_dict()["total_steps"])
    with pytest.raises(KeyboardInterrupt):  # without a run there is nothing to save
        Interrupted(ENV).learn(300)
