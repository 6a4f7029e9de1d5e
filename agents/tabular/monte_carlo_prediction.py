"""Monte Carlo prediction: a state's value is the average of the returns that followed it.

    V(s) = average of G_t over the times t at which s_t = s,    G_t = r_{t+1} + γ r_{t+2} + γ² r_{t+3} + ...

over the first visit to s in each episode, whose returns are independent and unbiased, or over every visit, which are
more of them.

The episodes may come from another policy b than the one that is evaluated, π. Then each return is weighed with

    ρ_t = Π_{k=t}^{T-1} π(a_k | s_k) / b(a_k | s_k)

Ordinary importance sampling averages ρ_t G_t: unbiased, but of a variance that may be infinite. Weighted importance
sampling divides by the sum of the ρ_t instead of their number: never outside the returns that were seen, biased at
first, and mostly much nearer.

Where an episode was truncated, its return isn't known to the end. V of the final state stands for the rest: leaving
such episodes out would leave out the long ones, and bias the average.

Sutton & Barto, "Reinforcement Learning" (2018), sections 5.1, 5.5 (equations 5.5 and 5.6) and 5.6.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from envs import Transition

from ..core.randomness import draw
from ..core.state import State
from .parts.multi_step import Path, first_visits
from .parts.prediction import PredictionHyperparameters, TabularPrediction
from .parts.table import move_estimate, steps_of


@dataclass(frozen=True)
class MonteCarloPredictionHyperparameters(PredictionHyperparameters):
    visits: Literal["first", "every"] = "first"
    """Which visits to a state in an episode count."""
    behaviour: Literal["policy", "uniform"] = "policy"
    """What acts: the policy that is evaluated, or any action, all equally likely."""
    importance_sampling: Literal["weighted", "ordinary"] = "weighted"
    """How returns of another policy's episodes are averaged."""


class MonteCarloPrediction(TabularPrediction):
    name = "monte-carlo-prediction"
    Hyperparameters = MonteCarloPredictionHyperparameters
    components = {"step_size": "average"}

    def build(self) -> None:
        super().build()
        self.paths = State(steps=[[] for _ in range(self.num_envs)])  # [state, action, reward] each

    @property
    def behaviour(self) -> np.ndarray:
        """b(a | s), (states, actions)."""
        return self.policy if self.hyperparameters.behaviour == "policy" else self.uniform_policy()

    def act(self, observation: np.ndarray) -> np.ndarray:
        return draw(self.behaviour[self.states_of(observation)], self.random["exploration"])

    def observe(self, transition: Transition) -> None:
        for step in steps_of(self, transition):
            path = self.paths.steps[step.env]
            path.append([step.state, step.action, step.reward])
            if step.terminated or step.truncated:
                self.learn_from(path, 0.0 if step.terminated else self.table.value[step.next_state])
                path.clear()

    def learn_from(self, path: Path, value: float) -> None:
        """From an episode, after which `value` would have followed."""
        h = self.hyperparameters
        target, behaviour = self.policy, self.behaviour
        counts = [h.visits == "every" or first for first in first_visits([state for state, *_ in path])]
        total, ratio = value, 1.0
        for (state, action, reward), wanted in zip(reversed(path), reversed(counts), strict=True):
            total = reward + h.gamma * total
            ratio *= target[state, action] / behaviour[state, action]
            if wanted and h.importance_sampling == "weighted":
                move_estimate(self, state, total, weight=ratio)
            elif wanted:
                move_estimate(self, state, ratio * total)
