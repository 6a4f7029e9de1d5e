"""The head: what a Q-network says about each action, and how a target is made from it. One of DQN's four
seams.

A head reads the network's output, (batch, actions × numbers) or (batch, actions, numbers), where `numbers` is how many
it takes to describe an action: one here, a distribution in categorical.py. It turns the output into the value of every
action (`values`) and into what the policy goes by (`preferences`), and picks an action's part out of it (`of_action`),
which is (batch, numbers). `target` is what that part should have been, of the same shape; `loss` compares the two and
`error` says how far off it was.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import minigrad as mg

from .categorical import Categorical
from .sample_losses import LOSSES


class ExpectedValue:
    """One number per action: Q(s, a) itself. The target is the Bellman equation's right-hand side,

    y = r + γ Q⁻(s', a')    with γ = 0 where the episode terminated    (Mnih et al. 2015, Methods, equation 1)
    """

    numbers = 1

    def __init__(self, loss: Callable[..., mg.Tensor]) -> None:
        self.loss = loss

    def values(self, output: mg.Tensor) -> mg.Tensor:
        """Q(s, ·), (batch, actions)."""
        return output

    preferences = values

    def of_action(self, output: mg.Tensor, action: mg.Tensor) -> mg.Tensor:
        """Q(s, a), (batch, 1), of actions (batch, 1)."""
        return output.gather(1, action)

    def target(
        self, reward: np.ndarray, discount: np.ndarray, next_output: np.ndarray, next_action: np.ndarray
    ) -> np.ndarray:
        """y, (batch, 1), from reward, discount and a' (batch,). A constant: plain arrays will do."""
        y = reward + discount * next_output[np.arange(len(next_action)), next_action]
        return y[:, None]

    def mean(self, prediction: mg.Tensor) -> float:
        """The mean of Q(s, a) over the batch."""
        return np.add.reduce(mg.to_numpy(prediction), axis=None).item() / len(prediction)

    def error(self, prediction: mg.Tensor, target: mg.Tensor) -> np.ndarray:
        """|δ| of every sample, (batch,): what a prioritised replay goes by."""
        return np.abs(mg.to_numpy(target) - mg.to_numpy(prediction))[:, 0]


# Each from DQN's hyper-parameters.
HEADS: dict[str, Callable[[Any], Any]] = {
    "expected": lambda h: ExpectedValue(LOSSES[h.loss]),
    "categorical": lambda h: Categorical(h.atoms, h.value_min, h.value_max, (h.risk_from, h.risk_to)),
}
