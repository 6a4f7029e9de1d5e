"""Every test that takes `agent_type` runs for every agent in the registry: adding an agent adds its tests."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from agents import AGENTS, Agent


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "agent_type" in metafunc.fixturenames:
        metafunc.parametrize("agent_type", AGENTS.values(), ids=AGENTS.keys())


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
