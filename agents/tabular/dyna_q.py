"""Dyna-Q: Q-learning that also learns from steps it only imagines.

After every step in the environment the agent

1. learns from it as Q-learning does;
2. remembers what it led to: Model(s, a) = r, s';
3. repeats `planning_steps` times: draw a pair (s, a) taken before, and learn from what the model says it leads to.

Experience is used again and again, and a value found at one end of the world spreads through it while the agent has
moved a single step. With no planning steps this is Q-learning.

The model keeps the last outcome of every pair: all there is to know in a deterministic environment. In a random one
it is a sample, drawn anew whenever the pair is visited.

Sutton, "Integrated Architectures for Learning, Planning, and Reacting" (1990); Sutton & Barto, "Reinforcement Learning"
(2018), section 8.2.
"""

from __future__ import annotations

from dataclasses import dataclass

from envs import Transition

from ..core.hyperparameters import Natural
from ..core.state import State
from .parts.control import ControlHyperparameters, TabularControl
from .parts.table import Step, steps_of
from .q_learning import update_q


@dataclass(frozen=True)
class DynaQHyperparameters(ControlHyperparameters):
    planning_steps: Natural = 10
    """Imagined steps to learn from after every real one."""


class DynaQ(TabularControl):
    name = "dyna-q"
    Hyperparameters = DynaQHyperparameters

    def build(self) -> None:
        super().build()
        # The pairs taken so far, as s * actions + a, and what each led to last: [r, terminated, s'].
        self.model = State(pairs=[], outcomes=[None] * self.table.value.size)

    def observe(self, transition: Transition) -> None:
        for step in steps_of(self, transition):
            update_q(self, step)
            self.remember(step)
            if self.hyperparameters.planning_steps:
                self.plan(self.hyperparameters.planning_steps)

    def remember(self, step: Step) -> None:
        pair = step.state * int(self.action_space.n) + step.action
        if self.model.outcomes[pair] is None:
            self.model.pairs.append(pair)
        self.model.outcomes[pair] = [step.reward, step.terminated, step.next_state]

    def plan(self, steps: int) -> None:
        """Learns from `steps` pairs drawn among those that were taken, as the model says that they end."""
        for i in self.random["planning"].integers(len(self.model.pairs), size=steps).tolist():
            pair = self.model.pairs[i]
            reward, terminated, next_state = self.model.outcomes[pair]
            state, action = divmod(pair, int(self.action_space.n))
            update_q(self, Step(state, action, reward, terminated, False, next_state, env=-1))
