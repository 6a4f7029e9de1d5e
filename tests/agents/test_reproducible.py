"""The same seed gives the same run, bit for bit; nothing else in the process has a say in it."""

from __future__ import annotations

import sys
import threading

import numpy as np
import pytest

import minigrad as mg
from agents import Agent, evaluate
from agents.core.randomness import RandomTree
from tests.agents.conftest import assert_same_state, env_of


@pytest.mark.parametrize("num_envs", [1, 3])
def test_same_seed_same_run(agent_type: type[Agent], num_envs: int) -> None:
    first, second = (agent_type(env_of(agent_type), seed=3, num_envs=num_envs).learn(400) for _ in range(2))
    assert_same_state(first, second)


def test_other_seed_other_run(agent_type: type[Agent]) -> None:
    first, second = (agent_type(env_of(agent_type), seed=seed).learn(400) for seed in (0, 1))
    with pytest.raises(AssertionError):
        assert_same_state(first, second)


def test_another_agent_in_between_changes_nothing(agent_type: type[Agent]) -> None:
    alone = agent_type(env_of(agent_type), seed=0).learn(300)
    agent = agent_type(env_of(agent_type), seed=0)
    agent_type(env_of(agent_type), seed=5).learn(200)
    np.random.seed(0)  # noqa: NPY002
    agent.learn(300)
    assert_same_state(alone, agent)


def test_looking_at_an_agent_changes_nothing(agent_type: type[Agent]) -> None:
    alone = agent_type(env_of(agent_type), seed=0).learn(300)
    agent = agent_type(env_of(agent_type), seed=0)
    agent.total_steps = 300
    evaluate(agent, episodes=3)
    evaluate(agent, episodes=3, deterministic=False)
    assert_same_state(alone, agent.learn(300), but="/random/generators/prediction")


def test_a_run_on_disk_learns_the_same(agent_type: type[Agent], tmp_path) -> None:
    # All but the means since the last row of metrics.csv, which only a run writes.
    env = env_of(agent_type)
    without, recorded = agent_type(env).learn(300), agent_type(env).learn(300, run=tmp_path / "run")
    assert_same_state(without, recorded, but="/metrics")


def test_the_engines_numbers_of_two_agents_in_two_threads() -> None:
    def draw(seed: int, found: list) -> None:
        tree = RandomTree(seed)
        for _ in range(50):
            with tree.engine():
                found += mg.randn(3).tolist()

    alone: list[list] = [[], []]
    for seed in range(2):
        draw(seed, alone[seed])
    together: list[list] = [[], []]
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threads = [threading.Thread(target=draw, args=(seed, together[seed])) for seed in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    assert together == alone
    assert alone[0] != alone[1]
