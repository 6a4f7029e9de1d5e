"""Target networks that follow softly: θ⁻ += τ (θ - θ⁻) after every update.

Lillicrap et al., "Continuous control with deep reinforcement learning", ICLR (2016), algorithm 1.
"""

from __future__ import annotations

import copy
from typing import Any

import minigrad.nn as nn


class Follower:
    """`network`, a copy of `followed` that begins as it is and follows it at the rate τ. Statistics among its buffers
    follow, too; whole numbers are copied."""

    def __init__(self, followed: nn.Module, rate: float) -> None:
        self.network: Any = copy.deepcopy(followed)
        self.network.requires_grad_(False)
        self._rate = rate
        tensors = lambda module: [*module.parameters(), *module.buffers()]
        pairs = list(zip(tensors(self.network), tensors(followed), strict=True))
        self._averaged = [pair for pair in pairs if pair[0].is_floating_point()]
        self._copied = [pair for pair in pairs if not pair[0].is_floating_point()]

    def __call__(self, *inputs: Any) -> Any:
        return self.network(*inputs)

    def follow(self) -> None:
        for behind, ahead in self._averaged:
            behind.lerp_(ahead.detach(), self._rate)
        for behind, ahead in self._copied:
            behind.copy_(ahead)
