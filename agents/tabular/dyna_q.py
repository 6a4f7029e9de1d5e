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

from ..core.hyperparameters import Natural
from ..core.state import State
from .parts.table import ControlHyperparameters, Step
from .q_learning import QLearning


@dataclass(frozen=True)
class DynaQHyperparameters(ControlHyperparameters):
    planning_steps: Natural = 10
    """Imagined steps to learn from after every real one."""


class DynaQ(QLearning):
    name = "dyna-q"
    Hyperparameters = DynaQHyperparameters

    def build(self) -> None:
        super().build()
        # The pairs taken so far, as s * actions + a, and what each led to last: [r, terminated, s'].
        self.model = State(pairs=[], outcomes=[None] * (self.states * self.actions))

    def learn_from(self, step: Step) -> None:
        super().learn_from(step)
        pair = step.state * self.actions + step.action
        if self.model.outcomes[pair] is None:
            self.model.pairs.append(pair)
        self.model.outcomes[pair] = [step.reward, step.terminated, step.next_state]
        if self.hyperparameters.planning_steps:
            self.plan(self.hyperparameters.planning_steps)

    def plan(self, steps: int) -> None:
        for i in self.random["planning"].integers(len(self.model.pairs), size=steps).tolist():
            pair = self.model.pairs[i]
            reward, terminated, next_state = self.model.outcomes[pair]
            state, action = divmod(pair, self.actions)
            super().learn_from(Step(state, action, reward, terminated, False, next_state, env=-1))
