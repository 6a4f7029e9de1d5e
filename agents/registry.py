"""Every algorithm by its name. The command line, `minigrad list` and the agents' tests all go through this table;
agents/__init__.py fills it."""

from __future__ import annotations

from typing import Any

from envs import UsageError
from envs.errors import did_you_mean

from .core.agent import Agent

AGENTS: dict[str, type[Agent]] = {}


def register(names: dict[str, Any]) -> None:
    """Enters the agents among `names`, a module's, in their order."""
    for value in names.values():
        if isinstance(value, type) and issubclass(value, Agent) and value is not Agent:
            AGENTS[value.name] = value


def agent_class(name: str) -> type[Agent]:
    """The algorithm that is called `name`; raises `UsageError` with the close names if there is none."""
    if name not in AGENTS:
        raise UsageError(f"unknown algorithm {name!r}{did_you_mean(name, AGENTS) or '; known: ' + ', '.join(AGENTS)}")
    return AGENTS[name]
