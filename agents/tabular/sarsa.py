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

from ..core.state import State
from .parts.table import Step, TabularControl


class Sarsa(TabularControl):
    name = "sarsa"

    def build(self) -> None:
        super().build()
        self.ahead = State(action=np.full(self.num_envs, -1))  # (num_envs,) a', -1 where it isn't chosen yet

    def act(self, observation: np.ndarray) -> np.ndarray:
        """The a' that was learned from is the action to take; only at the start of an episode there is none."""
        action = self.ahead.action.copy()
        (unchosen,) = (action < 0).nonzero()
        if len(unchosen):
            action[unchosen] = self.choose(observation[unchosen], self.random["exploration"])
        return action

    def observe(self, transition: Transition) -> None:
        # Also where the episode was truncated: a' is what would have been done there.
        next_action = self.choose(transition.next_observation, self.random["exploration"])
        ended = transition.terminated | transition.truncated
        self.ahead.action[transition.env] = np.where(ended, -1, next_action)
        for step, action in zip(self.steps_of(transition), next_action.tolist(), strict=True):
            self.learn_from(step, action)

    def learn_from(self, step: Step, next_action: int) -> None:
        next_value = 0.0 if step.terminated else self.table.value[step.next_state, next_action]
        self.move((step.state, step.action), step.reward + self.hyperparameters.gamma * next_value)
