"""Off-policy Sarsa: learn the values of one policy π from the actions of another, b.

What b does is not what π would have done, but it can be weighed: with the ratio of the probabilities with which the
two choose the actions that the return depends on,

    ρ = Π_{k=t+1}^{t+n} π(a_k | s_k) / b(a_k | s_k)
    Q(s_t, a_t) ← Q(s_t, a_t) + α ρ [G - Q(s_t, a_t)]

where G is n-step Sarsa's return. An action that π never takes makes ρ = 0, and nothing is learned. The action a_t
itself is not weighed: Q(s_t, a_t) says what follows if it is taken. Nor is there an action after a terminal state.

Here b is ε-greedy, and π too, with an ε of its own: 0 is greedy, and the values are those of the best policy. n = 1 is
the one-step method with ρ = π(a' | s') / b(a' | s').

Sutton & Barto, "Reinforcement Learning" (2018), section 7.3, equation 7.11.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from envs import Transition

from ..core.hyperparameters import Count, Fraction
from ..core.state import State
from .parts.chosen_ahead import ChosenAhead
from .parts.control import ControlHyperparameters, TabularControl, epsilon_greedy
from .parts.multi_step import discounted, ready
from .parts.table import Step, move_estimate, steps_of


@dataclass(frozen=True)
class OffPolicySarsaHyperparameters(ControlHyperparameters):
    target_epsilon: Fraction = 0.0
    """Probability of a random action in the policy whose values are learned; 0 is the greedy one."""
    n: Count = 1
    """Rewards in a return, before the estimate stands for the rest."""


class OffPolicySarsa(TabularControl):
    name = "off-policy-sarsa"
    Hyperparameters = OffPolicySarsaHyperparameters

    def build(self) -> None:
        super().build()
        self.ahead = ChosenAhead(self.num_envs)
        # [state, action, reward, next state, next action, b(next action | next state)] each
        self.paths = State(steps=[[] for _ in range(self.num_envs)])

    def act(self, observation: np.ndarray) -> np.ndarray:
        return self.ahead.take(observation, super().act)

    def observe(self, transition: Transition) -> None:
        # As b is when it chooses a', before anything is learned.
        behaviour = epsilon_greedy(self.action_values(transition.next_observation), self.epsilon)
        next_action = self.ahead.choose_next(transition, super().act)
        chances = np.take_along_axis(behaviour, next_action[:, None], 1)[:, 0].tolist()
        for step, action, chance in zip(steps_of(self, transition), next_action.tolist(), chances, strict=True):
            self.learn_from(step, action, None if step.terminated else chance)

    def learn_from(self, step: Step, next_action: int, chance: float | None) -> None:
        """`chance` is b(a' | s'); after a terminal state there is none."""
        h = self.hyperparameters
        path = self.paths.steps[step.env]
        path.append([step.state, step.action, step.reward, step.next_state, next_action, chance])
        next_value = 0.0 if step.terminated else self.table.value[step.next_state, next_action]
        for part in ready(path, h.n, step.terminated or step.truncated):
            target = discounted([reward for _, _, reward, *_ in part], next_value, h.gamma)
            ratio = 1.0
            for *_, state, action, b in part:
                if b is not None:
                    ratio *= self.target_policy(state)[action] / b
            move_estimate(self, (part[0][0], part[0][1]), target, ratio)

    def target_policy(self, state: int) -> Any:
        """π(· | s), (actions,)."""
        return epsilon_greedy(self.table.value[state, None], self.hyperparameters.target_epsilon)[0]
