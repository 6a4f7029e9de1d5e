"""Learned state values, V(s) ≈ E[G_t | s_t = s], and how much of the returns they explain."""

from __future__ import annotations

from collections.abc import Callable

import gymnasium as gym
import numpy as np

import minigrad as mg
import minigrad.nn as nn

from .bodies import body


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


def explained_variance(predicted: np.ndarray, returns: np.ndarray) -> float:
    """1 - Var(G - V) / Var(G): 1 if the values predict the returns perfectly, 0 if a constant would do as well, below
    0 if it would do better. 0 where the returns don't vary. Raises ValueError for two shapes."""
    if predicted.shape != returns.shape:
        raise ValueError(
            f"explained_variance: values have shape {predicted.shape} but returns {returns.shape}; reshape one of them"
        )
    variance = returns.var()
    return float(1 - (returns - predicted).var() / variance) if variance > 0 else 0.0
