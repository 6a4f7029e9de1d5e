"""What the agents share that learn from rollouts: both Actor-Critics, A2C and A3C, TRPO and both PPOs.

A policy π(a | s; θ) acts, and a value V(s; w) judges. After `rollout_steps` steps of each environment the agent learns
from them (`learn_from`) and forgets them. How it learns is in the algorithm's file.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
from gymnasium import spaces

import minigrad as mg
import minigrad.nn as nn
import minigrad.optim as optim
from envs import Environments, Transition, UsageError

from ...core.agent import Agent
from ...core.hyperparameters import Hyperparameters
from ...core.schedules import list_learning_rate
from ...memory.rollout import Rollout, Steps
from ...networks.bodies import ACTIVATIONS, is_picture
from ...networks.critics import make_own_critic
from ...networks.normalization import ObservationNormalizer, RewardNormalizer
from ...networks.policies import DistributionHead, NormalHead, make_own_policy, with_scaled_actions
from .actor_critic_networks import ActorCriticNetwork, initialize_orthogonally, make_actor_critic


@dataclass(frozen=True)
class RolloutHyperparameters(Hyperparameters):
    """Settings that some of the algorithms offer. Where an algorithm does not list one, it has the value below."""

    rollout_steps = 1
    anneal_learning_rate = False
    shared = False
    orthogonal = False
    initial_std = 1.0
    normalize_observations = False
    normalize_rewards = False


class RolloutAgent(Agent):
    """It takes networks of the user's own, PPO(env, policy=..., value=...): Modules, or functions of the observation
    and the action space that make one. networks/policies.py and critics.py say what they must give."""

    own_networks = ("policy", "value")
    compares_policies: ClassVar[bool] = False  # whether the old distribution has to be made again, to be compared
    action_spaces: ClassVar[tuple[type[gym.Space], ...]] = (spaces.Discrete, spaces.Box)

    def build(self) -> None:
        h = self.hyperparameters
        self.observation_normalizer = self.make_observation_normalizer() if h.normalize_observations else None
        self.reward_normalizer = RewardNormalizer(self.num_envs, h.gamma) if h.normalize_rewards else None
        self.network = self.make_network().to(self.device)
        self.weights = self.list_weights()
        self.optimizer = self.make_optimizer()
        self.rollout = Rollout(h.rollout_steps, self.num_envs, self.observation_space, self.action_space)

    # -- what an algorithm defines

    def make_optimizer(self) -> optim.Optimizer:
        """The optimizer of `weights`."""
        raise NotImplementedError

    def learn_from(self, steps: Steps) -> None:
        """The update, and its figures for `metrics`."""
        raise NotImplementedError

    def list_weights(self) -> list[nn.Parameter]:
        """What the optimizer moves."""
        return list(self.network.parameters())

    # -- what it is made of

    def make_environments(self, env: Any, num_envs: int = 1) -> Environments:
        return with_scaled_actions(super().make_environments(env, num_envs))

    def make_observation_normalizer(self) -> ObservationNormalizer:
        seen = self.observation_space
        if not isinstance(seen, spaces.Box) or is_picture(seen):
            raise UsageError(
                f"normalize_observations is for numbers, and {self.environments.name} has the observations "
                f"{seen}; leave it out: pictures and choices come to 0..1 anyway"
            )
        return ObservationNormalizer(seen.shape)

    def make_network(self) -> ActorCriticNetwork:
        h, normalizer = self.hyperparameters, self.observation_normalizer
        # Bytes that were normalised are no bytes any more: the network must not divide them by 255.
        seen = self.observation_space if normalizer is None else normalizer.space
        if h.shared and self.own:
            raise UsageError(
                f"with shared, policy and value are one network; leave out shared, or {', '.join(self.own)}"
            )
        both = seen, self.action_space
        policy = make_own_policy(self.own["policy"], *both, self.device) if "policy" in self.own else None
        critic = make_own_critic(self.own["value"], *both, self.device) if "value" in self.own else None
        network = make_actor_critic(h.shared, *both, h.hidden, ACTIVATIONS[h.activation], policy, critic)
        if h.orthogonal:
            initialize_orthogonally(network)
        head = network.policy.head
        if isinstance(head, DistributionHead) and self.compares_policies:
            head.check_remaking()
        if isinstance(head, NormalHead):
            nn.init.constant_(head.log_std, math.log(h.initial_std))
        return network

    def parts(self) -> dict[str, Any]:
        parts = {"network": self.network, "optimizer": self.optimizer, "rollout": self.rollout}
        normalizers = {"observations": self.observation_normalizer, "rewards": self.reward_normalizer}
        return {**parts, **{name: each for name, each in normalizers.items() if each is not None}}

    # -- acting

    def see(self, observation: np.ndarray) -> mg.Tensor:
        """Observations as the network sees them."""
        normalizer = self.observation_normalizer
        return self.tensor(observation if normalizer is None else normalizer(observation))

    def choose(self, observation: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
        """Drawn from the policy; without `rng`, the most probable."""
        return self.network.policy.choose(self.see(observation), rng)

    def state_values(self, observation: np.ndarray) -> np.ndarray:
        """V(s) of (k, ...) observations, (k,). With normalised rewards, of those."""
        with mg.no_grad():
            return mg.to_numpy(self.network.value(self.see(observation)))

    # -- learning

    def observe(self, transition: Transition) -> None:
        self.rollout.add(transition)

    def update(self, new_steps: int) -> None:
        if self.rollout.full:
            self.learn_from(self.rollout.take())

    def normalize_rewards(self, steps: Steps) -> Steps:
        """The rollout with its rewards as the value sees them. Their statistics learn from it first."""
        if self.reward_normalizer is None:
            return steps
        self.reward_normalizer.learn_from(steps.reward, steps.terminated | steps.truncated, steps.valid)
        return steps._replace(reward=self.reward_normalizer(steps.reward))

    def learn_observations(self, steps: Steps) -> None:
        """The statistics of observations learn from a rollout, once the networks have seen it."""
        if self.observation_normalizer is not None:
            self.observation_normalizer.learn_from(steps.observation[steps.valid])

    def schedules(self) -> dict[str, float]:
        return {**super().schedules(), **list_learning_rate(self.hyperparameters, self.progress)}
