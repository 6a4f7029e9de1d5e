"""One step of the optimizer down the gradient of a loss."""

from __future__ import annotations

from collections.abc import Sequence

import minigrad as mg
import minigrad.nn as nn
import minigrad.optim as optim


def descend(loss: mg.Tensor, optimizer: optim.Optimizer, weights: Sequence[nn.Parameter], max_norm: float) -> mg.Tensor:
    """Takes the step. Returns the gradient's norm, (), before it is scaled down to `max_norm`; 0 leaves it as it is."""
    optimizer.zero_grad()
    loss.backward()
    norm = nn.utils.clip_grad_norm_(weights, max_norm or float("inf"))
    optimizer.step()
    return norm
