"""What the planners share: agents that are given the model, and compute where others try out.

The training loop drives them like any agent. One step of the environment is one update, and one update is one
sweep over all the states, so that `steps` counts sweeps; the episodes on the way show how good the policy is by
then. The model comes from the environment (envs/model.py); what happens in the episodes teaches a planner
nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from gymnasium import spaces

from envs import Transition

from ..core.agent import Agent
from ..core.checkpoint import Memory
from ..core.hyperparameters import Fraction, Hyperparameters, NonNegative
from ..core.planning import SWEEPS, Backup, action_values, first_best


@dataclass(frozen=True)
class PlannerHyperparameters(Hyperparameters):
    gamma: Fraction = 0.99
    """Discount: what a reward is worth one step earlier."""
    sweep: Literal["two-array", "in-place"] = "two-array"
    """Whether a sweep goes by the values before it, or by the newest ones, state after state."""
    tolerance: NonNegative = 1e-12
    """It has converged, and stops, when a sweep changes no value by more than this."""


class Planner(Agent):
    """`plan` is how far planning is: `plan.values` is v, (states,). A planner defines `advance`."""

    Hyperparameters = PlannerHyperparameters
    observation_spaces = (spaces.Discrete,)
    default_env = "minigrad/GridWorld-v0"
    metric_names: ClassVar[tuple[str, ...]] = ("change", "start_value")

    def build(self) -> None:
        self.model = self.environments.model()
        self.plan = Memory(values=np.zeros(len(self.model.terminal)), converged=False)

    def advance(self) -> float:
        """One sweep. Returns the largest change of a value, and sets `plan.converged` when there is no more to
        do."""
        raise NotImplementedError

    def sweep(self, backup: Backup) -> float:
        """Applies `backup` once to every state. Returns the largest change."""
        before = self.plan.values
        self.plan.values = SWEEPS[self.hyperparameters.sweep](backup, before)
        return float(np.abs(self.plan.values - before).max())

    # -- acting

    def choose(self, observation: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
        """Greedy for the values so far; there is nothing to explore when the model is known."""
        return first_best(self.action_values(observation))

    def action_values(self, observation: np.ndarray) -> np.ndarray:
        """Q(s, ·) of (k,) observations, (k, actions)."""
        return action_values(
            self.model, self.plan.values, self.hyperparameters.gamma, self.states_of(observation)
        )

    # -- planning

    def observe(self, transition: Transition) -> None:
        pass

    def update(self, new_steps: int) -> None:
        for _ in range(new_steps):
            change = 0.0 if self.plan.converged else self.advance()
            self.metrics.add(*self.measured(change))

    def measured(self, change: float) -> tuple[float, ...]:
        """The metrics after a sweep; the value of the start is the return, discounted, that is expected."""
        return change, float(self.model.start @ self.plan.values)

    def parts(self) -> dict[str, Any]:
        return {"plan": self.plan}
