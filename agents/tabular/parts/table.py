"""What every tabular learner is made of: a table of estimates, the steps that it learns from, and the rule by which an
estimate moves. A learner moves one number at a time towards a target,

    Q(s, a) ← Q(s, a) + α [target - Q(s, a)]

and differs from the others in what the target is, and in when it is known.

Sutton & Barto, "Reinforcement Learning" (2018), section 2.4, has the update; chapters 5 to 8 the targets.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from envs import Transition

from ...core.agent import Agent
from ...core.hyperparameters import Fraction, Hyperparameters
from ...core.state import State


class Step(NamedTuple):
    """What one environment did in one step: a row of a transition, in Python's numbers. States count from 0."""

    state: int
    action: int
    reward: float
    terminated: bool
    truncated: bool
    next_state: int
    env: int


@dataclass(frozen=True)
class StepSizeHyperparameters(Hyperparameters):
    gamma: Fraction = 0.99
    """Discount: what a reward is worth one step earlier."""
    learning_rate: Fraction = 0.1
    """Step size α: the part of the way to its target that an estimate moves."""
    step_size: Literal["constant", "linear", "average"] = "constant"
    """How α goes on: as it is, in a straight line to 0 at the end of training, or 1/N at an estimate's N-th update,
    which makes it the average of its targets (the learning rate has no say then)."""


def make_table(*shape: int) -> State:
    """Estimates of 0, `value`, and what went into each: `weight`, the sum of its updates' weights, or their number
    where every weight is 1."""
    return State(value=np.zeros(shape), weight=np.zeros(shape))


def steps_of(agent: Agent, transition: Transition) -> Iterator[Step]:
    """The transition's rows, one by one. Two environments may be in the same state: what the first learns there, the
    second builds on."""
    rows = transition._replace(
        observation=agent.states_of(transition.observation),
        next_observation=agent.states_of(transition.next_observation),
    )
    return (Step(*row) for row in zip(*(field.tolist() for field in rows), strict=True))


def move_estimate(agent: Any, place: Any, target: float, weight: float = 1.0) -> None:
    """Moves the estimate of `agent.table` at `place`, (s, a) or s, the part α of the way to `target`, or `weight` times
    that, but not past it."""
    value, h = agent.table.value, agent.hyperparameters
    before = value[place]
    error = target - before
    if weight:
        agent.table.weight[place] += weight
        if h.step_size == "average":
            part = weight / agent.table.weight[place]
        else:
            alpha = h.learning_rate * (1 - agent.progress) if h.step_size == "linear" else h.learning_rate
            part = min(1.0, alpha * weight)
        value[place] = before + part * error
    agent.metrics.add(abs(error), value[place])


def list_states(agent: Agent) -> dict[str, Any]:
    """Every `State` that an agent has, by its name: all that a tabular learner must keep across a crash."""
    return {name: value for name, value in vars(agent).items() if isinstance(value, State)}
