"""Actor and critic: a policy and a value of the same observation, by two networks or by one with two heads."""

from __future__ import annotations

import math
from collections.abc import Callable

import gymnasium as gym

import minigrad as mg
import minigrad.nn as nn
from minigrad.distributions import Distribution

from ...networks.critics import Critic
from ...networks.policies import Policy, make_policy


class TwoNetworks(nn.Module):
    """A policy and a critic that share nothing."""

    def __init__(self, policy: Policy, critic: Critic) -> None:
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
        output = policy.head.output
        assert isinstance(output, nn.Linear)
        self.critic = nn.Linear(output.in_features, 1)

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
) -> ActorCriticNetwork:
    """A policy and a value, in one network if `shared`."""
    policy = make_policy(observation_space, action_space, hidden, activation)
    return SharedTrunk(policy) if shared else TwoNetworks(policy, Critic(observation_space, hidden, activation))


def initialize_orthogonally(network: ActorCriticNetwork) -> None:
    """Orthogonal weights times √2, and biases of 0. The policy's output is times 0.01: at first all actions are about
    equally probable. The value's output is times 1. (Huang et al., "The 37 implementation details of proximal policy
    optimization", ICLR blog track (2022), detail 2.)"""
    value_output = network.critic.output if isinstance(network.critic, Critic) else network.critic
    gains = {id(network.policy.head.output): 0.01, id(value_output): 1.0}
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            nn.init.orthogonal_(module.weight, gains.get(id(module), math.sqrt(2)))
            if module.bias is not None:
                nn.init.zeros_(module.bias)
