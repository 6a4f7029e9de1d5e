"""What prediction methods share: how good is a given policy? They learn V(s), the value of its states, and change
nothing about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from gymnasium import spaces

from envs import Environments, UsageError
from envs.counted_states import count_states

from ...core.agent import Agent
from ...core.randomness import draw
from ...core.state import State
from .planning import optimal_policy, probabilities
from .table import StepSizeHyperparameters, list_states, make_table


@dataclass(frozen=True)
class PredictionHyperparameters(StepSizeHyperparameters):
    policy: Literal["uniform", "optimal"] = "uniform"
    """The policy to evaluate: any action, all equally likely; or the best one, if the environment has a model to find
    it with. From Python, `agent.policy` can be set to any other."""


class TabularPrediction(Agent):
    """`table.value` is V, (states,). A learner defines `observe`."""

    Hyperparameters = PredictionHyperparameters
    observation_spaces = (spaces.Discrete,)
    default_env = "minigrad/GridWorld-v0"
    metric_names = ("td_error", "value")

    def make_environments(self, env: Any, num_envs: int = 1) -> Environments:
        return count_states(super().make_environments(env, num_envs))

    def build(self) -> None:
        self.table = make_table(self.observation_space.n)
        self.evaluated = State(policy=self.uniform_policy())
        if self.hyperparameters.policy == "optimal":
            model, gamma = self.environments.model(), self.hyperparameters.gamma
            self.policy = probabilities(optimal_policy(model, gamma), model)

    def uniform_policy(self) -> np.ndarray:
        return np.full((self.observation_space.n, self.action_space.n), 1 / self.action_space.n)

    @property
    def policy(self) -> np.ndarray:
        """π(a | s), (states, actions), the policy that is evaluated and followed. Another one can be set before
        learning; it is saved with the agent. Raises `UsageError` if its rows aren't probabilities."""
        return self.evaluated.policy

    @policy.setter
    def policy(self, probability: Any) -> None:
        probability = np.array(probability, np.float64)
        shape = self.evaluated.policy.shape
        if probability.shape != shape or (probability < 0).any() or not np.allclose(probability.sum(1), 1.0):
            given = probability.shape if probability.shape != shape else "rows that don't"
            raise UsageError(
                f"a policy is an array of shape {shape}, for each state its actions' probabilities, with sum 1; "
                f"got {given}"
            )
        self.evaluated.policy = probability

    def choose(self, observation: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
        """The policy that is evaluated; without `rng` its most likely action, of equally likely ones the first."""
        probability = self.policy[self.states_of(observation)]
        return probability.argmax(1) if rng is None else draw(probability, rng)

    def state_values(self, observation: np.ndarray) -> np.ndarray:
        """V(s) of (k,) observations, (k,)."""
        return self.table.value[self.states_of(observation)]

    def update(self, new_steps: int) -> None:
        """A table learns from a transition as soon as it observes it."""

    def parts(self) -> dict[str, Any]:
        return list_states(self)
