"""Every algorithm by its name. The command line, `minigrad list` and the agents' tests all go through this
table."""

from __future__ import annotations

from envs import UsageError
from envs.errors import did_you_mean

from .core.agent import Agent
from .tabular.q_learning import QLearning
from .tabular.value_iteration import ValueIteration
from .value.double_dqn import DoubleDQN
from .value.dqn import DQN

AGENTS: dict[str, type[Agent]] = {agent.name: agent for agent in (ValueIteration, QLearning, DQN, DoubleDQN)}


def agent_class(name: str) -> type[Agent]:
    if name not in AGENTS:
        raise UsageError(
            f"unknown algorithm {name!r}{did_you_mean(name, AGENTS) or '; known: ' + ', '.join(AGENTS)}"
        )
    return AGENTS[name]
