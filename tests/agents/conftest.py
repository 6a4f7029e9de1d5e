"""Every test that takes `agent_type` runs for every agent in the registry: adding an agent adds its tests.
`deep_agent_type` are those that take observations of numbers, `dqn_type` DQN and its variants."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

from agents import AGENTS, BC, DQN, Agent
from agents.presets import find_id
from tests.agents.recordings import record_play


def env_of(agent_type: type[Agent]) -> str:
    """A small environment that the agent can learn in: a probe, or a table's where it needs one."""
    if spaces.Discrete not in (agent_type.action_spaces or (spaces.Discrete,)):
        return "minigrad/ProbeContinuous-v0"
    return "FrozenLake-v1" if learns_tables(agent_type) else "minigrad/ProbeBoth-v0"


def learns_tables(agent_type: type[Agent]) -> bool:
    """Whether it needs states that can be counted."""
    return spaces.Box not in (agent_type.observation_spaces or (spaces.Box,))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    for fixture, wanted in (
        ("agent_type", lambda agent_type: True),
        ("deep_agent_type", lambda agent_type: not learns_tables(agent_type)),
        ("dqn_type", lambda agent_type: issubclass(agent_type, DQN)),
    ):
        if fixture in metafunc.fixturenames:
            chosen = {name: agent_type for name, agent_type in AGENTS.items() if wanted(agent_type)}
            metafunc.parametrize(fixture, chosen.values(), ids=chosen.keys())


@pytest.fixture(autouse=True, scope="session")
def steps_for_those_that_need_them(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """An agent that learns from recorded steps has some of random play, where a test of all agents gives it none."""
    directory, begin = tmp_path_factory.mktemp("recorded"), BC.__init__

    def begin_with_data(self: BC, env: Any, *, data: Any = None, **more: Any) -> None:
        if data is None:
            path = directory / f"{find_id(env)}.safetensors".replace("/", "-")
            data = path if path.exists() else record_play(env, path)
        begin(self, env, data=data, **more)

    begin_with_data.__wrapped__ = begin  # type: ignore[attr-defined]  # for the test of what BC says without
    BC.__init__ = begin_with_data  # type: ignore[method-assign]
    yield
    BC.__init__ = begin  # type: ignore[method-assign]


class Near(gym.Env):
    """One action, rewarded for coming near `best`."""

    observation_space = spaces.Box(-1, 1, (1,), np.float32)
    action_space = spaces.Box(-1, 1, (1,), np.float32)

    def __init__(self, best: float = 0.4) -> None:
        self.best = best

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(1, np.float32), {}

    def step(self, action):
        return np.zeros(1, np.float32), -float((action[0] - self.best) ** 2), True, False, {}


def arrays_of(tree: Any, place: str = "") -> dict[str, Any]:
    """Every leaf of an agent's state by where it is; two agents are the same if these are."""
    if hasattr(tree, "arrays"):  # a replay's ring
        return {f"{place}/{k}": v for k, v in {"total": tree.total, **tree.arrays}.items()}
    if isinstance(tree, dict):
        return {k: v for key, value in tree.items() for k, v in arrays_of(value, f"{place}/{key}").items()}
    if isinstance(tree, list | tuple):
        return {k: v for i, value in enumerate(tree) for k, v in arrays_of(value, f"{place}/{i}").items()}
    return {place: getattr(tree, "array", tree)}


def assert_same_state(a: Agent, b: Agent, but: str = "/nothing") -> None:
    """Bit for bit: networks, optimizer, replay, generators, environments, counters; `but` is left out."""
    left, right = (
        {place: value for place, value in arrays_of(agent.state_dict()).items() if not place.startswith(but)}
        for agent in (a, b)
    )
    assert left.keys() == right.keys()
    for place, value in left.items():
        np.testing.assert_array_equal(value, right[place], err_msg=place)
