"""Dueling streams: one says how good the state is, the other how much better each action is than the rest.

    Q(s, a) = V(s) + A(s, a) - 1/|A| Σ_a' A(s, a')

What is learned about any action improves the value of the state, and with it all of them. Without the mean
subtracted, V and A could not be told apart. Wang et al., "Dueling Network Architectures for Deep Reinforcement
Learning", ICML (2016), equation 9.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import minigrad as mg
import minigrad.nn as nn


def _action_values(value: Any, advantage: Any, actions: int) -> Any:
    """Q, (batch, actions, numbers), from V (batch, numbers) and A (batch, actions × numbers)."""
    advantage = advantage.reshape(len(value), actions, value.shape[1])
    return advantage + (value - np.add.reduce(advantage, 1) / actions)[:, None]


def _advantage_slope(g: Any, advantage_shape: tuple[int, ...], actions: int) -> Any:
    return (g - (g.sum(1) / actions)[:, None]).reshape(advantage_shape)


# An operation of the engine, with its rules: the equation above in one node, where five would take twice the time.
action_values = mg.operation(
    _action_values, dict(value=lambda g: g.sum(1), advantage=_advantage_slope), name="dueling"
)


class Dueling(nn.Module):
    """Features (batch, features) to (batch, actions), or (batch, actions, numbers) where an action takes several
    numbers. Each stream has a hidden layer of its own."""

    def __init__(
        self, features: int, hidden: int, actions: int, numbers: int, linear: Callable[[int, int], nn.Module]
    ) -> None:
        super().__init__()
        self.hidden_units, self.actions, self.numbers = hidden, actions, numbers
        self.hidden = linear(features, 2 * hidden)  # both streams' at once
        self.value = linear(hidden, numbers)
        self.advantage = linear(hidden, actions * numbers)

    def forward(self, features: mg.Tensor) -> mg.Tensor:
        hidden = self.hidden(features).relu()
        value = self.value(hidden.narrow(1, 0, self.hidden_units))
        advantage = self.advantage(hidden.narrow(1, self.hidden_units, self.hidden_units))
        q = action_values(value, advantage, self.actions)
        return q if self.numbers > 1 else q.squeeze(2)
