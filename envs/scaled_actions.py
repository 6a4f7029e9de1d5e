"""Continuous actions for policies that act between -1 and 1, and may draw beyond it.

A policy starts around 0 with a standard deviation near 1. A box of 10 to 20, or of -2000 to 2000, would hardly be
explored. So the agent's action a, in every dimension with two bounds, means

    low + (high - low) (a + 1) / 2

and the environment gets the nearest action in its box. A dimension without two bounds keeps its own units.

What was drawn is what the agent learns from: its probability under the policy is the one that the gradient needs, and
a clipped action has another.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from gymnasium import spaces

from .errors import UsageError
from .mapped_actions import MappedActions
from .transitions import Environments

# A bound as far away as this is none: environments write the largest number of a dtype where they mean infinity.
NO_BOUND = 2.0**62


class ScaledActions(MappedActions):
    """`environments` with a box of -1 to 1 for actions in place of their own box. They take any numbers; a number
    outside counts as the nearest inside. An integer box gets the nearest integer."""

    def __init__(self, environments: Environments) -> None:
        space: Any = environments.action_space
        self._space, (self._center, self._half_width) = space, center_and_half_width(space)
        super().__init__(environments, scaled_space(space))

    def around(self, environments: Environments) -> Environments:
        return ScaledActions(environments)

    def for_env(self, action: Any) -> Any:
        # NaN stays NaN when it is clipped, and the environment would be blamed for the reward that it gives for it.
        if math.isnan(np.vdot(action, action)):
            raise UsageError(
                f"{self.name}: the policy's action is NaN, because training has diverged; give a smaller "
                f"learning_rate, or observations and rewards that are nearer to 1"
            )
        space = self._space
        scaled = np.clip(self._center + self._half_width * action, space.low, space.high)
        if space.dtype.kind in "iu":
            scaled = np.rint(scaled)  # a cast alone cuts off towards 0: -0.9 and 0.9 would be the same
        return scaled.astype(space.dtype)

    def for_agent(self, action: np.ndarray) -> np.ndarray:
        # A dimension of no width has one action, which is 0 to the agent.
        half_width = np.where(self._half_width > 0, self._half_width, 1.0)
        return ((action - self._center) / half_width).astype(np.float32)


def has_two_bounds(space: spaces.Box) -> np.ndarray:
    """(...) bool: the dimensions that can be scaled."""
    near = (np.abs(space.low.astype(np.float64)) < NO_BOUND) & (np.abs(space.high.astype(np.float64)) < NO_BOUND)
    return near & space.bounded_below & space.bounded_above


def center_and_half_width(space: spaces.Box) -> tuple[np.ndarray, np.ndarray]:
    """(...) each, float64: the environment's action that the agent's 0 stands for, and how far it moves when the
    agent's moves by 1."""
    bounded = has_two_bounds(space)
    low, high = np.where(bounded, space.low, -1.0), np.where(bounded, space.high, 1.0)
    return (low + high) / 2, (high - low) / 2


def scaled_space(space: spaces.Box) -> spaces.Box:
    """The agent's box: -1 to 1 where `space` has two bounds, elsewhere its own bounds."""
    bounded = has_two_bounds(space)
    low = np.where(bounded, -1.0, space.low).astype(np.float32)
    high = np.where(bounded, 1.0, space.high).astype(np.float32)
    return spaces.Box(low, high, dtype=np.float32)
