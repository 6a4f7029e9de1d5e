"""Actor and critic: a policy and a value of the same observation, by two networks or by one with two heads."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import gymnasium as gym

import minigrad as mg
import minigrad.nn as nn
from minigrad.distributions import Distribution

from ...networks.critics import Critic
from ...networks.policies import Policy, make_policy


class TwoNetworks(nn.Module):
    """A policy and a critic that share nothing."""

    def __init__(self, policy: Policy, critic: nn.Module) -> None:
        super().__init__()
        self.policy, self.critic = policy, critic

    def forward(self, observation: mg.Tensor) -> tuple[Distribution, mg.Tensor]:
        """π(· | s) and V(s), (batch,), of observations (batch, ...)."""
        return self.policy(observation), self.critic(observation)

    def value(self, observation: mg.Tensor) -> mg.Tensor:
        """V(s), (batch,)."""
        return self.critic(observation)


class SharedTrunk(nn.Module):
    """One body, whose features serve both heads: half the work, and what one learns to see helps the other."""

    def __init__(self, policy: Policy) -> None:
        super().__init__()
        self.policy = policy
        head: Any = policy.head
        self.critic = nn.Linear(head.output.in_features, 1)

    def forward(self, observation: mg.Tensor) -> tuple[Distribution, mg.Tensor]:
        """π(· | s) and V(s), (batch,), of observations (batch, ...)."""
        features = self.policy.body(observation)
        return self.policy.head(features), self.critic(features).reshape(-1)

    def value(self, observation: mg.Tensor) -> mg.Tensor:
        """V(s), (batch,)."""
        return self.critic(self.policy.body(observation)).reshape(-1)


ActorCriticNetwork = TwoNetworks | SharedTrunk


def make_actor_critic(
    shared: bool,
    observation_space: gym.Space,
    action_space: gym.Space,
    hidden: tuple[int, ...],
    activation: Callable[[], nn.Module] = nn.ReLU,
    policy: Policy | None = None,
    critic: nn.Module | None = None,
) -> ActorCriticNetwork:
    """A policy and a value, in one network if `shared`. `policy` and `critic` are those that are there already."""
    policy = policy or make_policy(observation_space, action_space, hidden, activation)
    if shared:
        return SharedTrunk(policy)
    return TwoNetworks(policy, critic or Critic(observation_space, hidden, activation))


def initialize_orthogonally(network: ActorCriticNetwork) -> None:
    """Orthogonal weights times √2, and biases of 0. The policy's output is times 0.01: at first all actions are about
    equally probable. The value's output is times 1. (Huang et al., "The 37 implementation details of proximal policy
    optimization", ICLR blog track (2022), detail 2.) Networks of the user's own stay as they are."""
    if isinstance(output := getattr(network.policy.head, "output", None), nn.Linear):
        initialize_layers(network.policy, output, 0.01)
    if isinstance(network.critic, nn.Linear | Critic):
        initialize_layers(network.critic, getattr(network.critic, "output", network.critic), 1.0)


def initialize_layers(network: nn.Module, output: nn.Module, gain: float) -> None:
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            nn.init.orthogonal_(module.weight, gain if module is output else math.sqrt(2))
            if module.bias is not None:
                nn.init.zeros_(module.bias)
