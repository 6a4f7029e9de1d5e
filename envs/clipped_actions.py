"""Continuous actions from a policy without bounds, clipped to the box only on their way to the environment.

What was drawn is what the agent learns from: its probability under the policy is the one that the gradient needs, and
a clipped action has another.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .errors import UsageError
from .mapped_actions import MappedActions
from .transitions import Environments


class ClippedActions(MappedActions):
    """`environments` that take any numbers for actions, and the nearest in their box in their place."""

    def __init__(self, environments: Environments) -> None:
        super().__init__(environments, environments.action_space)

    def around(self, environments: Environments) -> Environments:
        return ClippedActions(environments)

    def for_env(self, action: Any) -> Any:
        # NaN stays NaN when it is clipped, and the environment would be blamed for the reward that it gives for it.
        if math.isnan(np.vdot(action, action)):
            raise UsageError(
                f"{self.name}: the policy's action is NaN, because training has diverged; give a smaller "
                f"learning_rate, or observations and rewards that are nearer to 1"
            )
        space: Any = self.action_space
        return np.clip(action, space.low, space.high).astype(space.dtype)
