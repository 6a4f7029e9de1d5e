"""The model of an agent, made of its hyper-parameters."""

from __future__ import annotations

import numpy as np

import minigrad.optim as optim
from envs import UsageError

from ...core.agent import Agent
from .dynamics import Dynamics


def check_vectors(agent: Agent) -> None:
    """Raises `UsageError` unless observations are vectors of numbers: the model predicts how they change."""
    space = agent.observation_space
    if len(space.shape) != 1 or np.dtype(space.dtype).kind != "f":
        raise UsageError(
            f"{agent.name} predicts how an observation changes, which must be a vector of numbers, and "
            f"{agent.environments.name} has {space}"
        )


def make_model(agent: Agent) -> tuple[Dynamics, optim.Optimizer]:
    """The model that an agent's hyper-parameters describe, and its optimizer."""
    h = agent.hyperparameters
    if h.elites > h.members:
        raise UsageError(f"elites must be at most members, which is {h.members}, got {h.elites}")
    if h.held_out == 1:
        raise UsageError("held_out must be below 1, so that there are steps to learn from, got 1.0")
    sizes = agent.observation_space.shape[0], int(np.prod(agent.action_space.shape))
    model = Dynamics(*sizes, h.members, h.model_hidden, h.elites).to(agent.device)
    return model, optim.Adam(model.parameters(), lr=h.model_learning_rate, weight_decay=h.model_decay)
