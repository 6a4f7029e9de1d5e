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
from envs import Environments, UsageError
from envs.scaled_actions import ScaledActions
from minigrad.distributions import Categorical, Distribution, Independent, Normal

from .bodies import body
from .own import make_own_network, refuse_output, try_once


class CategoricalHead(nn.Module):
    """A choice among actions. `output` takes features to their logits, (batch, actions)."""

    def __init__(self, output: nn.Module) -> None:
        super().__init__()
        self.output = output

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
    """Actions of the shape `shape`, each number independent of the others. `output` takes features to their means,
    (batch, numbers) or (batch, *shape)."""

    def __init__(self, output: nn.Module, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.shape = shape
        self.output = output
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
        return moments_of(distribution)

    def distribution_of(self, numbers: mg.Tensor) -> Independent:
        return Independent(Normal(numbers[:, 0], numbers[:, 1]), len(self.shape))


def moments_of(distribution: Any) -> np.ndarray:
    """Means and standard deviations of an Independent(Normal), (batch, 2, *shape)."""
    normal = distribution.base_dist
    return np.stack([mg.to_numpy(normal.loc), mg.to_numpy(normal.scale)], 1)


class DistributionHead(nn.Module):
    """For a user's own network that gives the distribution itself. `example` is one of them."""

    def __init__(self, example: Distribution) -> None:
        super().__init__()
        self.kind: type[Distribution] | None = Categorical if isinstance(example, Categorical) else None
        if isinstance(example, Independent) and isinstance(example.base_dist, Normal):
            self.kind = Independent
        self.dimensions = len(example.event_shape)

    def forward(self, distribution: Distribution) -> Distribution:
        return distribution

    def choose(self, distribution: Distribution, rng: np.random.Generator | None) -> np.ndarray:
        """Actions (batch, ...) drawn with `rng`; without one, the most probable."""
        if rng is None:
            return mg.to_numpy(distribution.mode)
        # A distribution draws from the engine's generator: here from one that follows from `rng`.
        with mg.random.using(mg.Generator().manual_seed(int(rng.integers(2**31)))):
            return mg.to_numpy(distribution.sample())

    def numbers_of(self, distribution: Any) -> np.ndarray:
        """As the other heads' `numbers_of`; (batch, 0) for a distribution that can't be made again."""
        if self.kind is Categorical:
            return mg.to_numpy(distribution.logits)
        return moments_of(distribution) if self.kind is Independent else np.empty((*distribution.batch_shape, 0))

    def distribution_of(self, numbers: mg.Tensor) -> Distribution:
        if self.kind is Categorical:
            return Categorical(logits=numbers)
        return Independent(Normal(numbers[:, 0], numbers[:, 1]), self.dimensions)

    def check_remaking(self) -> None:
        """Raises `UsageError` if the old distribution can't be made again, for an algorithm that compares it with the
        new one."""
        if self.kind is None:
            raise UsageError(
                "policy: this algorithm compares whole distributions, old with new; let the network give logits, "
                "means, a Categorical or an Independent(Normal(mean, std), 1)"
            )


Head = CategoricalHead | NormalHead | DistributionHead


def make_head(action_space: gym.Space, features: int) -> CategoricalHead | NormalHead:
    """The head that draws actions of `action_space`, with a linear layer of its own."""
    if isinstance(action_space, spaces.Discrete):
        return CategoricalHead(nn.Linear(features, int(action_space.n)))
    assert isinstance(action_space, spaces.Box)  # agents say which spaces they take
    return NormalHead(nn.Linear(features, int(np.prod(action_space.shape))), action_space.shape)


class Policy(nn.Module):
    """Observations to π(· | s): a body of its own and a head."""

    def __init__(self, body: nn.Module, head: Head) -> None:
        super().__init__()
        self.body, self.head = body, head

    def forward(self, observation: mg.Tensor) -> Distribution:
        """π(· | s) of observations (batch, ...)."""
        return self.head(self.body(observation))

    def choose(self, observation: mg.Tensor, rng: np.random.Generator | None) -> np.ndarray:
        """Actions for observations (batch, ...), drawn with `rng`; without one, the most probable. Records no
        graph."""
        with mg.no_grad():
            return self.head.choose(self.body(observation), rng)


def make_policy(
    observation_space: gym.Space,
    action_space: gym.Space,
    hidden: tuple[int, ...],
    activation: Callable[[], nn.Module] = nn.ReLU,
) -> Policy:
    """A policy with the body that suits the observations, and `hidden` units in each layer after it."""
    layers, features = body(observation_space, hidden, activation)
    return Policy(nn.Sequential(*layers), make_head(action_space, features))


def make_own_policy(given: Any, observation_space: gym.Space, action_space: gym.Space, device: mg.device) -> Policy:
    """The policy that `given` stands for: a Module, or a function of both spaces that makes one. It gives logits
    (batch, actions), or the means (batch, *shape) of a normal distribution, with σ learned beside them; or else the
    distribution itself. Raises `UsageError` for anything else."""
    network = make_own_network(given, "policy", observation_space, action_space).to(device)
    tensor = lambda array: mg.from_numpy(array).to(device)
    observation, output = try_once(network, "policy", observation_space, tensor)
    if isinstance(output, Distribution):
        check_distribution(output, action_space)
        return Policy(network, DistributionHead(output))
    if isinstance(action_space, spaces.Discrete):
        actions = int(action_space.n)
        refuse_output(observation, output, "policy", [(actions,)], f"the logits of {actions} actions, or a Categorical")
        return Policy(network, CategoricalHead(nn.Identity()))
    shape = action_space.shape or ()
    meaning = "the means of the actions, or a distribution of them, as Independent(Normal(mean, std), 1)"
    refuse_output(observation, output, "policy", [shape], meaning)
    return Policy(network, NormalHead(nn.Identity(), shape))


def check_distribution(distribution: Distribution, action_space: gym.Space) -> None:
    """Raises `UsageError` unless this is a distribution of actions, for one observation, that has an entropy."""
    expected = ((1,), action_space.shape)
    shapes = tuple(distribution.batch_shape), tuple(distribution.event_shape)
    if shapes != expected:
        raise UsageError(
            f"policy: for one observation came a {type(distribution).__name__} with batch_shape {shapes[0]} and "
            f"event_shape {shapes[1]}, but {expected[0]} and {expected[1]} were expected: a draw is one action, with "
            f"one log_prob; Independent(Normal(mean, std), 1) makes one action of several numbers"
        )
    if isinstance(action_space, spaces.Discrete):
        actions = distribution.logits.shape[-1] if isinstance(distribution, Categorical) else None
        if actions != action_space.n:
            found = f"a Categorical of {actions} actions" if actions else f"a {type(distribution).__name__}"
            raise UsageError(f"policy: {found} came, but a Categorical of {action_space.n} actions was expected")
    try:
        distribution.entropy()
    except NotImplementedError as error:
        raise UsageError(f"policy: {error}; give a distribution that has one: it is among the figures") from error


def with_scaled_actions(environments: Environments) -> Environments:
    """Environments that a policy of this module can act in."""
    return ScaledActions(environments) if isinstance(environments.action_space, spaces.Box) else environments


def action_layout(action_space: Any) -> tuple[tuple[int, ...], Any]:
    """The shape and dtype that this module's policies give an action."""
    return action_space.shape, np.int64 if isinstance(action_space, spaces.Discrete) else np.float32
