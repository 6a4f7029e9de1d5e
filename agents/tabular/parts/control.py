"""What the learners of a policy share: Q(s, a), a number for every state and action, and the ε-greedy policy that
follows from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces

from envs import Environments
from envs.counted_states import count_states

from ...core.agent import Agent
from ...core.hyperparameters import Fraction
from ...core.randomness import draw
from ...core.schedules import decay_epsilon
from .table import StepSizeHyperparameters, list_states, make_table


def epsilon_greedy(values: np.ndarray, epsilon: float) -> np.ndarray:
    """π(a | s), (k, actions): the best of `values` (k, actions) with probability 1 - ε, any action with probability ε.

    Equally good actions share; else a table full of zeros would send everybody in the same direction.
    """
    best = values == values.max(1, keepdims=True)
    return (1 - epsilon) * best / best.sum(1, keepdims=True) + epsilon / values.shape[1]


@dataclass(frozen=True)
class ControlHyperparameters(StepSizeHyperparameters):
    epsilon_start: Fraction = 1.0
    """Probability of a random action at the start."""
    epsilon_end: Fraction = 0.1
    """Probability of a random action once it stops falling."""
    epsilon_fraction: Fraction = 0.5
    """Part of training over which it falls, in a straight line."""
    initial_value: float = 0.0
    """Q of everything that was never tried. Above all returns it is an optimistic start: whatever an action brings is
    a disappointment, so that the others are tried, too, even with an ε of 0 (Sutton & Barto 2018, section 2.6)."""


class TabularControl(Agent):
    """`table.value` is Q, (states, actions). A learner defines `observe`."""

    Hyperparameters = ControlHyperparameters
    observation_spaces = (spaces.Discrete,)
    default_env = "minigrad/GridWorld-v0"
    metric_names = ("td_error", "value")

    def make_environments(self, env: Any, num_envs: int = 1) -> Environments:
        return count_states(super().make_environments(env, num_envs))

    def build(self) -> None:
        self.table = make_table(self.observation_space.n, self.action_space.n)
        self.table.value += self.hyperparameters.initial_value

    @property
    def epsilon(self) -> float:
        return decay_epsilon(self.hyperparameters, self.progress)

    def schedules(self) -> dict[str, float]:
        return {"epsilon": self.epsilon}

    def choose(self, observation: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
        """ε-greedy; without `rng` greedy, the first of equally good actions."""
        values = self.action_values(observation)
        return values.argmax(1) if rng is None else draw(epsilon_greedy(values, self.epsilon), rng)

    def action_values(self, observation: np.ndarray) -> np.ndarray:
        """Q(s, ·) of (k,) observations, (k, actions)."""
        return self.table.value[self.states_of(observation)]

    def expected_value(self, state: int) -> float:
        """Σ_a π(a | s) Q(s, a) of the ε-greedy policy π: the best with probability 1 - ε, else any."""
        values, epsilon = self.table.value[state], self.epsilon
        return (1 - epsilon) * values.max() + epsilon * values.mean()

    def update(self, new_steps: int) -> None:
        """A table learns from a transition as soon as it observes it."""

    def parts(self) -> dict[str, Any]:
        return list_states(self)
