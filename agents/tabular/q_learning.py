"""Q-learning: learn the best policy's values while following another.

    Q(s, a) ← Q(s, a) + α [r + γ max_a' Q(s', a') - Q(s, a)]

The target asks what the best next action is worth, whichever is taken then. So Q approaches the optimal action
values whatever the agent does, as long as it goes on trying every action everywhere.

Watkins, "Learning from Delayed Rewards" (1989); Sutton & Barto, "Reinforcement Learning" (2018), section 6.5,
equation 6.8; Zhao, "Mathematical Foundations of Reinforcement Learning" (2025), section 7.4.
"""

from __future__ import annotations

from envs import Transition

from .parts.control import TabularControl
from .parts.table import Step, move_estimate, steps_of


class QLearning(TabularControl):
    name = "q-learning"

    def observe(self, transition: Transition) -> None:
        for step in steps_of(self, transition):
            update_q(self, step)


def update_q(agent: TabularControl, step: Step) -> None:
    """The equation above, for one step."""
    # A truncated episode would have gone on, so what follows counts.
    next_value = 0.0 if step.terminated else agent.table.value[step.next_state].max()
    move_estimate(agent, (step.state, step.action), step.reward + agent.hyperparameters.gamma * next_value)
