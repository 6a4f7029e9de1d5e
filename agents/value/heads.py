"""The head: what a Q-network says about each action, and how a target is made from it. One of DQN's four
seams.

A head turns features into an output, an output into the value of every action (`values`), and picks an
action's part out of it (`of_action`), which is (batch, k): here one number, elsewhere a distribution.
`target` is what that part should have been, of the same shape, and `error` how far off it was."""

from __future__ import annotations

import numpy as np

import minigrad as mg
import minigrad.nn as nn
from minigrad.device import host


class ExpectedValue:
    """One number per action: Q(s, a) itself. The target is the Bellman equation's right-hand side,

    y = r + γ Q⁻(s', a')    with γ = 0 where the episode terminated    (Mnih et al. 2015, Methods, equation 1)
    """

    def layers(self, features: int, actions: int) -> list[nn.Module]:
        return [nn.Linear(features, actions)]

    def values(self, output: mg.Tensor) -> mg.Tensor:
        """Q(s, ·), (batch, actions)."""
        return output

    def of_action(self, output: mg.Tensor, action: mg.Tensor) -> mg.Tensor:
        """Q(s, a), (batch, 1), of actions (batch, 1)."""
        return output.gather(1, action)

    def target(
        self, reward: np.ndarray, discount: np.ndarray, next_output: np.ndarray, next_action: np.ndarray
    ) -> np.ndarray:
        """y, (batch, 1), from reward, discount and a' (batch,). A constant: plain arrays will do."""
        y = reward + discount * next_output[np.arange(len(next_action)), next_action]
        return y[:, None]

    def error(self, prediction: mg.Tensor, target: mg.Tensor) -> np.ndarray:
        """|δ| of every sample, (batch,): what a prioritised replay goes by."""
        return np.abs(host(target.array) - host(prediction.array))[:, 0]


HEADS = {"expected": ExpectedValue}
