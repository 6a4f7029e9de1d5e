"""The choice of a', the action whose value the target takes. One of DQN's four seams.

Each rule gets the head, the online network, the target network's output for the next observations, and those, and
returns a' as a column, (batch, 1), which is what `gather` takes.
"""

from __future__ import annotations

import minigrad as mg
import minigrad.nn as nn


def target_argmax(
    head, network: nn.Module, target_output: mg.Tensor, next_observation: mg.Tensor
) -> mg.Tensor:
    """DQN: a' = argmax Q⁻(s', a). The network that chooses is the one that judges, so whatever it
    overestimates it also picks."""
    return head.values(target_output).argmax(1, keepdim=True)


def online_argmax(
    head, network: nn.Module, target_output: mg.Tensor, next_observation: mg.Tensor
) -> mg.Tensor:
    """Double DQN: a' = argmax Q(s', a), judged by Q⁻ (van Hasselt et al. 2016, equation 4)."""
    return head.values(network(next_observation)).argmax(1, keepdim=True)


NEXT_ACTIONS = {"target": target_argmax, "online": online_argmax}
