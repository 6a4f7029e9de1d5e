"""Two trainings in two threads are the two trainings one after the other: they share nothing that either changes."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits
from threads import run_in_threads

from agents import DQN, PPO, Agent, NoisyDQN
from agents.core.process import one_blas_thread
from agents.runs.workers import main_script
from tests.agents.conftest import assert_same_state

STEPS = 200
VALUES = dict(hidden=(16,), batch_size=8, learning_starts=50, target_every=20)
TRAININGS: dict[str, Callable[[], Agent]] = {
    "dqn": lambda: DQN("CartPole-v1", seed=1, **VALUES),
    "noisy-dqn": lambda: NoisyDQN("CartPole-v1", seed=2, **VALUES),
    "ppo": lambda: PPO("CartPole-v1", seed=3, hidden=(16,), rollout_steps=64, batch_size=32, epochs=2),
}
PAIRS = [("dqn", "ppo"), ("noisy-dqn", "ppo"), ("dqn", "noisy-dqn"), ("noisy-dqn", "noisy-dqn")]


@pytest.fixture(autouse=True)
def quick_switches() -> Iterator[None]:
    """Python changes between threads as often as it can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


@pytest.fixture(scope="module")
def alone() -> dict[str, Agent]:
    """Each agent, trained while nothing else runs."""
    return {name: make().learn(STEPS) for name, make in TRAININGS.items()}


def check_together(names: tuple[str, ...], alone: dict[str, Agent], times: int) -> None:
    """Made and trained in threads, so often, the agents are those trained alone."""
    for _ in range(times):
        agents = run_in_threads(*(lambda make=TRAININGS[name]: make().learn(STEPS) for name in names))
        for name, agent in zip(names, agents, strict=True):
            assert_same_state(agent, alone[name])


@pytest.mark.parametrize("names", PAIRS, ids="+".join)
def test_two_trainings_in_threads_are_the_two_alone(names, alone):
    check_together(names, alone, 2)


@pytest.mark.slow
@pytest.mark.parametrize("names", PAIRS, ids="+".join)
def test_twenty_times_of_twenty(names, alone):
    check_together(names, alone, 20)


def test_a_run_on_disk_in_a_thread_is_that_of_the_main_thread(alone, tmp_path):
    """With rows, evaluations and checkpoints. Only the means since the last row are the run's own."""

    def train(name: str) -> Agent:
        return TRAININGS[name]().learn(STEPS, run=tmp_path / name)

    agents = run_in_threads(lambda: train("dqn"), lambda: train("ppo"))
    for name, agent in zip(("dqn", "ppo"), agents, strict=True):
        assert_same_state(agent, alone[name], but="/metrics")


def test_the_number_of_blas_threads_stays_one_until_the_last_training_has_ended():
    def count() -> list[int]:
        return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]

    if not count():
        pytest.skip("NumPy's BLAS is none that threadpoolctl knows")
    with threadpool_limits(2, "blas"):
        if set(count()) != {2}:
            pytest.skip("this BLAS has one thread only")
        first, second = contextlib.ExitStack(), contextlib.ExitStack()
        first.enter_context(one_blas_thread())
        assert set(count()) == {1}
        second.enter_context(one_blas_thread())
        first.close()
        assert set(count()) == {1}
        second.close()
        assert set(count()) == {2}


def test_the_main_script_that_one_thread_hides_is_back_when_two_have_hidden_it():
    main, inside = sys.modules["__main__"], []

    def hide() -> None:
        for _ in range(50):
            with main_script(hidden=True):
                inside.append(sys.modules["__main__"] is not main)

    run_in_threads(hide, hide)
    assert sys.modules["__main__"] is main
    assert inside == [True] * 100


def test_trainings_alone_differ_from_each_other(alone):
    """So that the comparison above can fail."""
    left, right = (alone[name].state_dict() for name in ("dqn", "noisy-dqn"))
    assert left["steps"] == right["steps"] == STEPS
    with pytest.raises(AssertionError):
        np.testing.assert_equal(left, right)
