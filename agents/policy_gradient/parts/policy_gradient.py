"""What the agents of this folder share that learn from samples: a policy that draws its actions, discrete or continuous
ones, and a step of the optimizer down the gradient of a loss."""

from __future__ import annotations

from typing import Any, ClassVar

import gymnasium as gym
from gymnasium import spaces

import minigrad as mg
import minigrad.nn as nn
import minigrad.optim as optim
from envs import Environments

from ...core.agent import Agent
from ...networks.policies import with_scaled_actions


class PolicyGradient(Agent):
    action_spaces: ClassVar[tuple[type[gym.Space], ...]] = (spaces.Discrete, spaces.Box)
    figures: tuple[float, ...] = ()  # a variant's own metrics of the update under way
    weights: list[nn.Parameter]  # what the optimizer moves
    optimizer: optim.Optimizer

    def make_environments(self, env: Any, num_envs: int = 1) -> Environments:
        return with_scaled_actions(super().make_environments(env, num_envs))

    def descend(self, loss: mg.Tensor) -> float:
        """One step of the optimizer. Returns the gradient's norm, before it is scaled down to max_gradient_norm."""
        self.optimizer.zero_grad()
        loss.backward()
        largest = self.hyperparameters.max_gradient_norm or float("inf")
        norm = nn.utils.clip_grad_norm_(self.weights, largest).item()
        self.optimizer.step()
        return norm
