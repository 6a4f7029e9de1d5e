"""Double DQN: DQN whose online network chooses the next action and whose target network judges it.

The maximum over noisy estimates is too high on average, E[max Q] >= max E[Q], and DQN's target takes that
maximum at every step. Choosing with one network and judging with the other removes most of it:

    y = r + γ Q(s', argmax_a Q(s', a; θ); θ⁻)

van Hasselt, Guez and Silver, "Deep Reinforcement Learning with Double Q-learning", AAAI (2016), equation 4.
"""

from __future__ import annotations

from typing import Any

import minigrad as mg
import minigrad.nn as nn

from .dqn import DQN
from .parts.seams import NEXT_ACTION


@NEXT_ACTION.option("online")
def online_argmax(head: Any, network: nn.Module, target_output: mg.Tensor, next_observation: mg.Tensor) -> mg.Tensor:
    """a' = argmax_a Q(s', a; θ), (batch,)."""
    with mg.no_grad():
        return head.preferences(network(next_observation)).argmax(1)


class DoubleDQN(DQN):
    name = "double-dqn"
    components = {"next_action": "online"}
