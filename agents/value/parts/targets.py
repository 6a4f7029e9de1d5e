"""The target: what says how much the next action is worth. It changes slowly, so that the network has something that
stands still to move towards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import minigrad as mg
import minigrad.nn as nn

from ...core.hyperparameters import Count, Fraction, Hyperparameters
from .seams import TARGET


@dataclass(frozen=True)
class CopiedSettings(Hyperparameters):
    target_every: Count = 500
    """Steps between renewals of the target network."""


@TARGET.option("copied", CopiedSettings)
class Copied(nn.Module):
    """θ⁻ = θ, every so many steps (Mnih et al. 2015, algorithm 1)."""

    copies = 1

    def __init__(self, agent: Any) -> None:
        super().__init__()
        self.every = agent.hyperparameters.target_every

    def start(self, network: nn.Module, make_network: Callable[[], nn.Module]) -> None:
        """All copies begin as `network`. None of their weights requires a gradient."""
        self.networks = nn.ModuleList([make_network() for _ in range(self.copies)])
        for copy in self.networks:
            copy.load_state_dict(network.state_dict())
        self.requires_grad_(False)
        self._at_hand = tuple(self.networks)  # indexing the list takes longer

    def forward(self, observation: mg.Tensor) -> mg.Tensor:
        return self._at_hand[0](observation)

    def follow(self, network: nn.Module, step: int) -> None:
        if step % self.every == 0:
            self.renew(network)

    def renew(self, network: nn.Module) -> None:
        self.networks[0].load_state_dict(network.state_dict())


@dataclass(frozen=True)
class SoftSettings(Hyperparameters):
    target_rate: Fraction = 0.005
    """τ, the part of the way to the network that the target goes at every step."""


@TARGET.option("soft", SoftSettings)
class Soft(Copied):
    """θ⁻ += τ (θ - θ⁻), at every step: a target that follows slowly and never jumps.

    Lillicrap et al., "Continuous control with deep reinforcement learning", ICLR (2016), algorithm 1."""

    def __init__(self, agent: Any) -> None:
        nn.Module.__init__(self)
        self.every, self.rate = 1, agent.hyperparameters.target_rate

    def renew(self, network: nn.Module) -> None:
        followed = network.state_dict()
        for name, behind in self.networks[0].state_dict().items():
            if behind.is_floating_point():
                behind.lerp_(followed[name], self.rate)
            else:  # a counter among the buffers
                behind.copy_(followed[name])
