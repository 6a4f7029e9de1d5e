"""The choice of a', the action whose value the target takes. One of DQN's four seams.

Each rule gets the head, the online network, the target network's output for the next observations, and those, and
returns a', (batch,). Nothing is recorded: an argmax has no gradient anyway. "Best" is what the policy goes by, the
head's preferences: the values, or with C51 and a risk the mean over its quantiles, so that what is learned is the
return of the policy that acts.
"""

from __future__ import annotations

import numpy as np

import minigrad as mg
import minigrad.nn as nn


def target_argmax(
    head, network: nn.Module, target_output: mg.Tensor, next_observation: mg.Tensor
) -> np.ndarray:
    """DQN: a' = argmax Q⁻(s', a). The network that chooses is the one that judges, so whatever it
    overestimates it also picks."""
    return mg.to_numpy(head.preferences(target_output)).argmax(1)


def online_argmax(
    head, network: nn.Module, target_output: mg.Tensor, next_observation: mg.Tensor
) -> np.ndarray:
    """Double DQN: a' = argmax Q(s', a), judged by Q⁻ (van Hasselt et al. 2016, equation 4)."""
    with mg.no_grad():
        return mg.to_numpy(head.preferences(network(next_observation))).argmax(1)


NEXT_ACTIONS = {"target": target_argmax, "online": online_argmax}
