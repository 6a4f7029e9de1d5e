"""What the tabular learners share: a number for every state and action, and a policy that follows from them.

A learner moves one number at a time towards a target,

    Q(s, a) ← Q(s, a) + α [target - Q(s, a)]

and differs from the others in what the target is, and in when it is known.

Sutton & Barto, "Reinforcement Learning" (2018), section 2.4, has the update; chapters 5 to 8 the targets.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from gymnasium import spaces

from envs import Environments, Transition
from envs.counted_states import count_states

from ...core.agent import Agent
from ...core.annealing import AnnealedEpsilon
from ...core.hyperparameters import Fraction, Hyperparameters
from ...core.randomness import draw
from ...core.state import State


class Step(NamedTuple):
    """What one environment did in one step: a row of a transition, in Python's numbers. States count from 0."""

    state: int
    action: int
    reward: float
    terminated: bool
    truncated: bool
    next_state: int
    env: int


# -- policies as probabilities


def epsilon_greedy(values: np.ndarray, epsilon: float) -> np.ndarray:
    """π(a | s), (k, actions): the best of `values` (k, actions) with probability 1 - ε, any action with probability ε.

    Equally good actions share; else a table full of zeros would send everybody in the same direction.
    """
    best = values == values.max(1, keepdims=True)
    return (1 - epsilon) * best / best.sum(1, keepdims=True) + epsilon / values.shape[1]


# -- the learners


@dataclass(frozen=True)
class StepSizeHyperparameters(Hyperparameters):
    gamma: Fraction = 0.99
    """Discount: what a reward is worth one step earlier."""
    learning_rate: Fraction = 0.1
    """Step size α: the part of the way to its target that an estimate moves."""
    step_size: Literal["constant", "linear", "average"] = "constant"
    """How α goes on: as it is, in a straight line to 0 at the end of training, or 1/N at an estimate's N-th update,
    which makes it the average of its targets (the learning rate has no say then)."""


class TabularAgent(Agent):
    """A table of estimates, `table.value`, and what went into each: `table.weight`, the sum of its updates' weights, or
    their number where every weight is 1."""

    observation_spaces = (spaces.Discrete,)
    default_env = "minigrad/GridWorld-v0"
    metric_names = ("td_error", "value")
    table: State

    def make_environments(self, env: Any, num_envs: int = 1) -> Environments:
        return count_states(super().make_environments(env, num_envs))

    def make_table(self, *shape: int) -> State:
        return State(value=np.zeros(shape), weight=np.zeros(shape))

    @property
    def states(self) -> int:
        return int(self.observation_space.n)  # type: ignore[attr-defined]

    @property
    def actions(self) -> int:
        return int(self.action_space.n)

    def steps_of(self, transition: Transition) -> Iterator[Step]:
        """The transition's rows, one by one. Two environments may be in the same state: what the first learns there,
        the second builds on."""
        rows = transition._replace(
            observation=self.states_of(transition.observation),
            next_observation=self.states_of(transition.next_observation),
        )
        return (Step(*row) for row in zip(*(field.tolist() for field in rows), strict=True))

    def move(self, place: Any, target: float, weight: float = 1.0) -> None:
        """Moves the estimate at `place`, (s, a) or s, the part α of the way to `target`, or `weight` times that, but
        not past it."""
        value, h = self.table.value, self.hyperparameters
        before = value[place]
        error = target - before
        if weight:
            self.table.weight[place] += weight
            if h.step_size == "average":
                part = weight / self.table.weight[place]
            else:
                alpha = h.learning_rate * (1 - self.progress) if h.step_size == "linear" else h.learning_rate
                part = min(1.0, alpha * weight)
            value[place] = before + part * error
        self.metrics.add(abs(error), value[place])

    def update(self, new_steps: int) -> None:
        """Nothing is left to do: a learner learns from a transition when it observes it."""

    def parts(self) -> dict[str, Any]:
        """Every `State` that it has."""
        return {name: value for name, value in vars(self).items() if isinstance(value, State)}


@dataclass(frozen=True)
class ControlHyperparameters(StepSizeHyperparameters):
    epsilon_start: Fraction = 1.0
    """Probability of a random action at the start."""
    epsilon_end: Fraction = 0.1
    """Probability of a random action once it stops falling."""
    epsilon_fraction: Fraction = 0.5
    """Part of training over which it falls, in a straight line."""


class TabularControl(AnnealedEpsilon, TabularAgent):
    """Q(s, a), (states, actions), and its ε-greedy policy."""

    Hyperparameters = ControlHyperparameters

    def build(self) -> None:
        self.table = self.make_table(self.states, self.actions)

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
