"""Dueling streams: one says how good the state is, the other how much better each action is than the rest.

    Q(s, a) = V(s) + A(s, a) - 1/|A| Σ_a' A(s, a')

What is learned about any action improves the value of the state, and with it all of them. Without the mean
subtracted, V and A could not be told apart. Wang et al., "Dueling Network Architectures for Deep Reinforcement
Learning", ICML (2016), equation 9.
"""

from __future__ import annotations

from collections.abc import Callable

import minigrad as mg
import minigrad.nn as nn


class Dueling(nn.Module):
    """Features (batch, features) to (batch, actions × numbers), each stream with a hidden layer of its own."""

    def __init__(
        self, features: int, hidden: int, actions: int, numbers: int, linear: Callable[[int, int], nn.Module]
    ) -> None:
        super().__init__()
        self.actions, self.numbers = actions, numbers
        self.value = nn.Sequential(linear(features, hidden), nn.ReLU(), linear(hidden, numbers))
        self.advantage = nn.Sequential(linear(features, hidden), nn.ReLU(), linear(hidden, actions * numbers))

    def forward(self, features: mg.Tensor) -> mg.Tensor:
        value = self.value(features).reshape(-1, 1, self.numbers)
        advantage = self.advantage(features).reshape(-1, self.actions, self.numbers)
        return (value + (advantage - advantage.mean(dim=1, keepdim=True))).reshape(-1, self.actions * self.numbers)
