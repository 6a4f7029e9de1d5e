"""A training that has diverged ends with one sentence, not with a policy of NaN."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

from envs import UsageError
from minigrad.distributions import ParameterError

from .contract import Learner


@contextmanager
def divergence_named(agent: Learner) -> Iterator[None]:
    """A policy's distribution refuses NaN. That is not the caller's mistake who made it, but of steps too large."""
    try:
        yield
    except ParameterError as problem:
        raise divergence(agent, str(problem)) from problem


def refuse_divergence(agent: Learner) -> None:
    """Values go on where a distribution stops: the best of actions that are all worth NaN is the first."""
    for name, total in agent.metrics.sums():
        if not math.isfinite(total):
            raise divergence(agent, f"its {name} is {total}")


def divergence(agent: Learner, sign: str) -> UsageError:
    return UsageError(
        f"{agent.name} has diverged, after {agent.steps:,} steps: {sign}; give a smaller learning_rate, or "
        f"observations and rewards that are nearer to 1"
    )
