"""Noisy DQN: DQN that explores by learned noise in its weights, and not by ε.

    y = (μ_w + σ_w ⊙ ε_w) x + μ_b + σ_b ⊙ ε_b    (networks/noisy.py)

Fortunato et al., "Noisy Networks for Exploration", ICLR (2018), section 3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import minigrad.nn as nn

from ..core.hyperparameters import Hyperparameters, NonNegative
from ..networks.noisy import NoisyLinear
from .dqn import DQN
from .parts.plain import Linear, plain_network
from .parts.seams import NETWORK


@dataclass(frozen=True)
class NoisySettings(Hyperparameters):
    network_sigma: NonNegative = 0.5
    """How large the noise of the noisy layers is at the start."""

    aliases: ClassVar[Mapping[str, str]] = {"noise_sigma": "network_sigma"}


def noisy_layers(agent: Any) -> Linear:
    return partial(NoisyLinear, sigma=agent.hyperparameters.network_sigma)


@NETWORK.option("noisy", NoisySettings)
def noisy_network(agent: Any) -> nn.Module:
    return plain_network(agent, noisy_layers(agent))


class NoisyDQN(DQN):
    name = "noisy-dqn"
    components = {"noisy": True, "epsilon_start": 0.0, "epsilon_end": 0.0}
