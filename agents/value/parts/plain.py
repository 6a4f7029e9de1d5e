"""What plain DQN has at its seams: one number for an action, the target's own maximum, Huber's loss, dense layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import minigrad as mg
import minigrad.nn as nn
import minigrad.nn.functional as F

from ...networks.bodies import body, mlp
from .seams import HEAD, LOSS, NETWORK, NEXT_ACTION

# δ²/2 for |δ| < 1, then |δ| - 1/2. Its derivative is δ clipped to [-1, 1], which is what "clipping the error term"
# means in Mnih et al. 2015.
LOSS.option("huber")(F.huber_loss)
LOSS.option("mse")(F.mse_loss)


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
        self, reward: mg.Tensor, discount: mg.Tensor, next_output: mg.Tensor, next_action: mg.Tensor
    ) -> mg.Tensor:
        """y, (batch, 1), from reward, discount and a' (batch,)."""
        return reward.unsqueeze(1) + discount.unsqueeze(1) * next_output.gather(1, next_action.unsqueeze(1))

    def mean(self, prediction: mg.Tensor) -> mg.Tensor:
        """The mean of Q(s, a) over the batch."""
        return prediction.mean()

    def error(self, prediction: mg.Tensor, target: mg.Tensor) -> mg.Tensor:
        """|δ| of every sample, (batch,): what a prioritised replay goes by."""
        return (target - prediction).abs().squeeze(1)

    def average(self, outputs: Sequence[mg.Tensor]) -> mg.Tensor:
        """The mean value of every action, (batch, actions)."""
        return mg.stack(outputs).mean(0)


@HEAD.option("expected")
def make_expected_value(agent: Any) -> ExpectedValue:
    return ExpectedValue(LOSS.make(agent))


@NEXT_ACTION.option("target")
def target_argmax(head: Any, network: nn.Module, target_output: mg.Tensor, next_observation: mg.Tensor) -> mg.Tensor:
    """DQN: a' = argmax Q⁻(s', a). What chooses is what judges, so whatever it overestimates it also picks. "Best" is
    what the policy goes by, the head's preferences; so what is learned is the return of the policy that acts."""
    return head.preferences(target_output).argmax(1)


Linear = Callable[[int, int], nn.Module]


@NETWORK.option("plain")
def plain_network(agent: Any, linear: Linear = nn.Linear) -> nn.Module:
    """The hidden layers, then for every action the numbers that the head wants. `linear` makes the dense layers."""
    h = agent.hyperparameters
    layers, features = body(agent.observation_space, (), scale=h.scale_observations)
    layers += mlp((features, *h.hidden), linear)
    outputs = int(agent.action_space.n) * agent.head.numbers
    return nn.Sequential(*layers, linear(h.hidden[-1] if h.hidden else features, outputs))
