"""Expected Sarsa: Sarsa without the luck of the next action.

    Q(s, a) ← Q(s, a) + α [r + γ Σ_a' π(a' | s') Q(s', a') - Q(s, a)]

Sarsa's target depends on which a' happens to be drawn; its expectation over a' has the same mean and less variance,
for the price of a sum. With ε = 0 the policy π is greedy, the sum is max_a' Q(s', a'), and this is Q-learning.

van Seijen, van Hasselt, Whiteson and Wiering, "A Theoretical and Empirical Analysis of Expected Sarsa" (2009); Sutton &
Barto, "Reinforcement Learning" (2018), section 6.6, equation 6.9; Zhao, "Mathematical Foundations of Reinforcement
Learning" (2025), section 7.2.
"""

from __future__ import annotations

from envs import Transition

from .parts.control import TabularControl
from .parts.table import move_estimate, steps_of


class ExpectedSarsa(TabularControl):
    name = "expected-sarsa"

    def observe(self, transition: Transition) -> None:
        for step in steps_of(self, transition):
            next_value = 0.0 if step.terminated else self.expected_value(step.next_state)
            move_estimate(self, (step.state, step.action), step.reward + self.hyperparameters.gamma * next_value)
