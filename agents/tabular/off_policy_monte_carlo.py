"""Off-policy Monte Carlo control: explore with one policy, learn the values of the greedy one.

The behaviour b is ε-greedy; the target π is greedy. A return counts in proportion to how much likelier it was under π,

    ρ_t = Π_{k=t+1}^{T-1} π(a_k | s_k) / b(a_k | s_k),    where π(a | s) is 1 or 0,

so only the tail of an episode from its last exploring action on teaches anything: a larger ε tries more, and makes
the tails shorter.

The average is the weighted one, divided by the sum of the ρ_t. With the ordinary one, divided by their number, a return
that weighs far too much makes its action the greedy one, which makes it weigh more: that has its place where the target
policy stands still (monte_carlo_prediction.py).

A truncated episode's missing rest is worth max_a Q(s, a) of its final state.

Sutton & Barto, "Reinforcement Learning" (2018), section 5.7.
"""

from __future__ import annotations

import numpy as np

from envs import Transition

from ..core.randomness import draw
from ..core.state import State
from .parts.control import TabularControl, epsilon_greedy
from .parts.multi_step import Path
from .parts.table import move_estimate, steps_of


class OffPolicyMonteCarlo(TabularControl):
    name = "off-policy-monte-carlo"
    components = {"step_size": "average"}

    def build(self) -> None:
        super().build()
        self.paths = State(steps=[[] for _ in range(self.num_envs)])  # [state, action, reward, b(action | state)] each

    def act(self, observation: np.ndarray) -> np.ndarray:
        self.behaviour = epsilon_greedy(self.action_values(observation), self.epsilon)  # (num_envs, actions)
        return draw(self.behaviour, self.random["exploration"])

    def observe(self, transition: Transition) -> None:
        for step in steps_of(self, transition):
            path = self.paths.steps[step.env]
            path.append([step.state, step.action, step.reward, float(self.behaviour[step.env, step.action])])
            if step.terminated or step.truncated:
                self.learn_from(path, 0.0 if step.terminated else self.table.value[step.next_state].max())
                path.clear()

    def learn_from(self, path: Path, value: float) -> None:
        """From an episode, after which `value` would have followed."""
        total, ratio = value, 1.0
        for state, action, reward, chance in reversed(path):
            total = reward + self.hyperparameters.gamma * total
            move_estimate(self, (state, action), total, weight=ratio)
            if action != self.table.value[state].argmax():
                break  # π never does this, so what came before has no weight
            ratio /= chance
