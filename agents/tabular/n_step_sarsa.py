"""n-step Sarsa: Sarsa that looks n steps ahead, so that a reward reaches n actions at once.

    Q(s_t, a_t) ← Q(s_t, a_t) + α [G - Q(s_t, a_t)],
    G = r_{t+1} + γ r_{t+2} + ... + γⁿ⁻¹ r_{t+n} + γⁿ Q(s_{t+n}, a_{t+n})

where the sum stops at the end of the episode. n = 1 is Sarsa.

Sutton & Barto, "Reinforcement Learning" (2018), section 7.2, equations 7.4 and 7.5; Zhao, "Mathematical Foundations of
Reinforcement Learning" (2025), section 7.3.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from envs import Transition

from ..core.hyperparameters import Count
from ..core.state import State
from .parts.chosen_ahead import ChosenAhead
from .parts.control import ControlHyperparameters, TabularControl
from .parts.multi_step import discounted, ready
from .parts.table import Step, move_estimate, steps_of


@dataclass(frozen=True)
class NStepSarsaHyperparameters(ControlHyperparameters):
    n: Count = 4
    """Rewards in a return, before the estimate stands for the rest."""


class NStepSarsa(TabularControl):
    name = "n-step-sarsa"
    Hyperparameters = NStepSarsaHyperparameters

    def build(self) -> None:
        super().build()
        self.ahead = ChosenAhead(self.num_envs)
        self.paths = State(steps=[[] for _ in range(self.num_envs)])  # [state, action, reward] each

    def act(self, observation: np.ndarray) -> np.ndarray:
        return self.ahead.take(observation, super().act)

    def observe(self, transition: Transition) -> None:
        next_actions = self.ahead.choose_next(transition, super().act).tolist()
        for step, next_action in zip(steps_of(self, transition), next_actions, strict=True):
            self.learn_from(step, next_action)

    def learn_from(self, step: Step, next_action: int) -> None:
        h = self.hyperparameters
        path = self.paths.steps[step.env]
        path.append([step.state, step.action, step.reward])
        next_value = 0.0 if step.terminated else self.table.value[step.next_state, next_action]
        for part in ready(path, h.n, step.terminated or step.truncated):
            state, action, _ = part[0]
            move_estimate(self, (state, action), discounted([reward for *_, reward in part], next_value, h.gamma))
