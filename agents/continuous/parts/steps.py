"""The critics' loss, and a step down a loss."""

from __future__ import annotations

import minigrad as mg
import minigrad.nn.functional as F
import minigrad.optim as optim


def squared_error(values: list[mg.Tensor], target: mg.Tensor, weight: mg.Tensor | None) -> mg.Tensor:
    """Σ_i mean((y - Q_i(s, a))²), where samples may count differently."""
    if weight is None:
        losses = [F.mse_loss(value, target) for value in values]
    else:
        losses = [(weight * (target - value).square()).mean() for value in values]
    total = losses[0]
    for loss in losses[1:]:
        total = total + loss
    return total


def descend(loss: mg.Tensor, optimizer: optim.Optimizer) -> None:
    """One step of the optimizer down the loss."""
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
