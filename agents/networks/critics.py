"""Learned state values, V(s) ≈ E[G_t | s_t = s], and how much of the returns they explain."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np

import minigrad as mg
import minigrad.nn as nn

from .bodies import body
from .own import check_output, make_own_network


class Critic(nn.Module):
    """Observations (batch, ...) to V(s), (batch,)."""

    def __init__(
        self, observation_space: gym.Space, hidden: tuple[int, ...], activation: Callable[[], nn.Module] = nn.ReLU
    ) -> None:
        super().__init__()
        layers, features = body(observation_space, hidden, activation)
        self.layers = nn.Sequential(*layers)
        self.output = nn.Linear(features, 1)

    def forward(self, observation: mg.Tensor) -> mg.Tensor:
        return self.output(self.layers(observation)).reshape(-1)


class OwnCritic(nn.Module):
    """A network of the user's own, which gives V(s), (batch,) or (batch, 1)."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, observation: mg.Tensor) -> mg.Tensor:
        return self.network(observation).reshape(-1)


def make_own_critic(given: Any, observation_space: gym.Space, action_space: gym.Space, device: mg.device) -> OwnCritic:
    """The critic that `given` stands for: a Module, or a function of both spaces. Raises `UsageError` unless it gives
    one number for an observation."""
    network = make_own_network(given, "value", observation_space, action_space).to(device)
    meaning = "V(s), one number for each observation"
    tensor = lambda array: mg.from_numpy(array).to(device)
    check_output(network, "value", observation_space, [(), (1,)], meaning, tensor)
    return OwnCritic(network)


def explained_variance(predicted: np.ndarray, returns: np.ndarray) -> float:
    """1 - Var(G - V) / Var(G): 1 if the values predict the returns perfectly, 0 if a constant would do as well, below
    0 if it would do better. 0 where the returns don't vary. Raises ValueError for two shapes."""
    if predicted.shape != returns.shape:
        raise ValueError(
            f"explained_variance: values have shape {predicted.shape} but returns {returns.shape}; reshape one of them"
        )
    variance = returns.var()
    return float(1 - (returns - predicted).var() / variance) if variance > 0 else 0.0
