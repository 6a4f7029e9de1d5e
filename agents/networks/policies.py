"""Stochastic policies: from observations to a distribution of actions, by the kind of the action space.

    Discrete    π(a | s) = softmax(f(s))_a
    Box         π(a | s) = N(a; f(s), diag(σ²))    log σ is learned, too, and is the same in every state

A box with bounds is -1 to 1 to the policy. A draw from a normal distribution may lie outside it. envs/scaled_actions.py
scales and clips the draw on its way to the environment, and the policy learns from what it drew.

Sutton & Barto, "Reinforcement Learning" (2018), equations 13.2 and 13.19 to 13.21 (their σ depends on the state).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

import minigrad as mg
import minigrad.nn as nn
from envs import Environments
from envs.scaled_actions import ScaledActions
from minigrad.distributions import Categorical, Distribution, Independent, Normal

from .bodies import body


class CategoricalHead(nn.Module):
    """Features (batch, features) to a choice among `n` actions."""

    def __init__(self, features: int, n: int) -> None:
        super().__init__()
        self.output = nn.Linear(features, n)

    def forward(self, features: mg.Tensor) -> Categorical:
        """π(· | s), whose actions and log-probabilities are (batch,)."""
        return Categorical(logits=self.output(features))

    def choose(self, features: mg.Tensor, rng: np.random.Generator | None) -> np.ndarray:
        """Actions (batch,) drawn with `rng`; without one, the most probable."""
        logits = mg.to_numpy(self.output(features))
        if rng is None:
            return logits.argmax(1)
        # A race: an exponential clock of rate π(a) for each action, and the first to ring is a with probability π(a).
        # In logarithms the normalisation of π cancels.
        return (logits - np.log(rng.standard_exponential(logits.shape))).argmax(1)

    def numbers_of(self, distribution: Categorical) -> np.ndarray:
        """The log-probabilities of all actions, (batch, n), as an array: `distribution_of` makes the distribution of
        them again, with no gradient."""
        return mg.to_numpy(distribution.logits)

    def distribution_of(self, numbers: mg.Tensor) -> Categorical:
        return Categorical(logits=numbers)


class NormalHead(nn.Module):
    """Features (batch, features) to actions of the shape `shape`, each number independent of the others."""

    def __init__(self, features: int, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.shape = shape
        self.output = nn.Linear(features, int(np.prod(shape)))
        self.log_std = nn.Parameter(mg.zeros(*shape))  # σ = 1 at the start

    def forward(self, features: mg.Tensor) -> Independent:
        """π(· | s), whose actions are (batch, *shape) and log-probabilities (batch,)."""
        return Independent(Normal(self.mean(features), self.log_std.exp()), len(self.shape))

    def mean(self, features: mg.Tensor) -> mg.Tensor:
        return self.output(features).reshape(-1, *self.shape)

    def choose(self, features: mg.Tensor, rng: np.random.Generator | None) -> np.ndarray:
        """Actions (batch, *shape) drawn with `rng`; without one, the mean."""
        mean = mg.to_numpy(self.mean(features))
        if rng is None:
            return mean
        return mean + np.exp(mg.to_numpy(self.log_std)) * rng.standard_normal(mean.shape, mean.dtype)

    def numbers_of(self, distribution: Independent) -> np.ndarray:
        """Means and standard deviations, (batch, 2, *shape), as an array: `distribution_of` makes the distribution of
        them again, with no gradient."""
        normal: Any = distribution.base_dist
        return np.stack([mg.to_numpy(normal.loc), mg.to_numpy(normal.scale)], 1)

    def distribution_of(self, numbers: mg.Tensor) -> Independent:
        return Independent(Normal(numbers[:, 0], numbers[:, 1]), len(self.shape))


Head = CategoricalHead | NormalHead


def head_for(action_space: gym.Space, features: int) -> Head:
    """The head that draws actions of `action_space`."""
    if isinstance(action_space, spaces.Discrete):
        return CategoricalHead(features, int(action_space.n))
    assert isinstance(action_space, spaces.Box)  # agents say which spaces they take
    return NormalHead(features, action_space.shape)


class Policy(nn.Module):
    """Observations to π(· | s): a body of its own and a head."""

    def __init__(
        self,
        observation_space: gym.Space,
        action_space: gym.Space,
        hidden: tuple[int, ...],
        activation: Callable[[], nn.Module] = nn.ReLU,
    ) -> None:
        super().__init__()
        layers, features = body(observation_space, hidden, activation)
        self.body = nn.Sequential(*layers)
        self.head = head_for(action_space, features)

    def forward(self, observation: mg.Tensor) -> Distribution:
        """π(· | s) of observations (batch, ...)."""
        return self.head(self.body(observation))

    def choose(self, observation: mg.Tensor, rng: np.random.Generator | None) -> np.ndarray:
        """Actions for observations (batch, ...), drawn with `rng`; without one, the most probable. Records no
        graph."""
        with mg.no_grad():
            return self.head.choose(self.body(observation), rng)


def with_scaled_actions(environments: Environments) -> Environments:
    """Environments that a policy of this module can act in."""
    return ScaledActions(environments) if isinstance(environments.action_space, spaces.Box) else environments


def action_layout(action_space: Any) -> tuple[tuple[int, ...], Any]:
    """The shape and dtype that this module's policies give an action."""
    return action_space.shape, np.int64 if isinstance(action_space, spaces.Discrete) else np.float32
