"""TD(0): learn a policy's values from one step and the estimate of what follows.

    V(s) ← V(s) + α [r + γ V(s') - V(s)]

The target leans on V itself, which is called bootstrapping: there is no waiting for the end of the episode, and the
luck of the later steps stays out of it.

Sutton, "Learning to Predict by the Methods of Temporal Differences" (1988); Sutton & Barto, "Reinforcement Learning"
(2018), section 6.1, equation 6.2; Zhao, "Mathematical Foundations of Reinforcement Learning" (2025), section 7.1.
"""

from __future__ import annotations

from envs import Transition

from .parts.prediction import TabularPrediction
from .parts.table import move_estimate, steps_of


class TDPrediction(TabularPrediction):
    name = "td-prediction"

    def observe(self, transition: Transition) -> None:
        for step in steps_of(self, transition):
            # A truncated episode would have gone on, so what follows counts.
            next_value = 0.0 if step.terminated else self.table.value[step.next_state]
            move_estimate(self, step.state, step.reward + self.hyperparameters.gamma * next_value)
