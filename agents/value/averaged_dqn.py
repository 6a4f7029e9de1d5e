"""Averaged DQN: DQN whose target is the mean of the last K networks that it learned.

    y = r + γ max_a' Q_A(s', a'),    Q_A(s, a) = 1/K Σ_{k=1..K} Q(s, a; θ_{i-k})

Each network errs in its own way, so their mean errs less. A maximum over less noisy values is less too high, and the
target jumps less from one renewal to the next.

Anschel, Baram & Shimkin, "Averaged-DQN: Variance Reduction and Stabilization for Deep Reinforcement Learning", ICML
(2017), algorithm 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import minigrad as mg
import minigrad.nn as nn

from ..core.hyperparameters import Count
from .dqn import DQN
from .parts.seams import TARGET
from .parts.targets import Copied, CopiedSettings


@dataclass(frozen=True)
class AveragedSettings(CopiedSettings):
    target_last: Count = 5
    """K: how many of the networks that the target was renewed with are averaged."""


@TARGET.option("averaged", AveragedSettings)
class Averaged(Copied):
    def __init__(self, agent: Any) -> None:
        super().__init__(agent)
        self.copies, self.average = agent.hyperparameters.target_last, agent.head.average

    def forward(self, observation: mg.Tensor) -> mg.Tensor:
        return self.average([network(observation) for network in self.networks])

    def renew(self, network: nn.Module) -> None:
        """The oldest goes: each takes the weights of the one after it, and the last those of `network`."""
        for older, newer in pairwise([*self.networks, network]):
            older.load_state_dict(newer.state_dict())


class AveragedDQN(DQN):
    name = "averaged-dqn"
    components = {"target": "averaged"}
