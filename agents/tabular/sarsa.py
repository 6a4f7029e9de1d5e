"""Sarsa: learn the values of the policy one follows, exploration included.

    Q(s, a) ← Q(s, a) + α [r + γ Q(s', a') - Q(s, a)]

where a' is the action really taken next; the five letters of (s, a, r, s', a') are the name. An agent that explores
next to a cliff falls now and then, and Sarsa's values know it: it learns to keep away, where Q-learning, which values
the policy without exploration, walks along the edge.

Rummery & Niranjan, "On-line Q-learning using connectionist systems" (1994); Sutton & Barto, "Reinforcement Learning"
(2018), section 6.4, equation 6.7; Zhao, "Mathematical Foundations of Reinforcement Learning" (2025), section 7.2.
"""

from __future__ import annotations

import numpy as np

from envs import Transition

from .parts.chosen_ahead import ChosenAhead
from .parts.control import TabularControl
from .parts.table import move_estimate, steps_of


class Sarsa(TabularControl):
    name = "sarsa"

    def build(self) -> None:
        super().build()
        self.ahead = ChosenAhead(self.num_envs)

    def act(self, observation: np.ndarray) -> np.ndarray:
        return self.ahead.take(observation, super().act)

    def observe(self, transition: Transition) -> None:
        next_actions = self.ahead.choose_next(transition, super().act).tolist()
        for step, next_action in zip(steps_of(self, transition), next_actions, strict=True):
            next_value = 0.0 if step.terminated else self.table.value[step.next_state, next_action]
            move_estimate(self, (step.state, step.action), step.reward + self.hyperparameters.gamma * next_value)
