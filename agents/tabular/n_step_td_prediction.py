"""n-step TD: learn a policy's values from n steps and the estimate of what follows.

    V(s_t) ← V(s_t) + α [G - V(s_t)],
    G = r_{t+1} + γ r_{t+2} + ... + γⁿ⁻¹ r_{t+n} + γⁿ V(s_{t+n})

where the sum stops at the end of the episode. n = 1 is TD(0); n as long as the episodes is Monte Carlo; the best is
mostly in between.

Sutton & Barto, "Reinforcement Learning" (2018), section 7.1, equations 7.1 and 7.2.
"""

from __future__ import annotations

from dataclasses import dataclass

from envs import Transition

from ..core.hyperparameters import Count
from ..core.state import State
from .parts.multi_step import discounted, ready
from .parts.prediction import PredictionHyperparameters, TabularPrediction
from .parts.table import move_estimate, steps_of


@dataclass(frozen=True)
class NStepTDPredictionHyperparameters(PredictionHyperparameters):
    n: Count = 4
    """Rewards in a return, before the estimate stands for the rest."""


class NStepTDPrediction(TabularPrediction):
    name = "n-step-td-prediction"
    Hyperparameters = NStepTDPredictionHyperparameters

    def build(self) -> None:
        super().build()
        self.paths = State(steps=[[] for _ in range(self.num_envs)])  # [state, reward] each

    def observe(self, transition: Transition) -> None:
        h = self.hyperparameters
        for step in steps_of(self, transition):
            path = self.paths.steps[step.env]
            path.append([step.state, step.reward])
            next_value = 0.0 if step.terminated else self.table.value[step.next_state]
            for part in ready(path, h.n, step.terminated or step.truncated):
                move_estimate(self, part[0][0], discounted([reward for _, reward in part], next_value, h.gamma))
