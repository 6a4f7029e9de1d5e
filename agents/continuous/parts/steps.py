"""The critics' step, and the actor's: a loss, its gradient, Adam."""

from __future__ import annotations

from typing import Any

import numpy as np

import minigrad as mg
import minigrad.nn.functional as F
import minigrad.optim as optim

from ...core.schedules import set_learning_rate
from ...memory.replay import Batch


def squared_error(agent: Any, values: list[mg.Tensor], target: mg.Tensor, batch: Batch) -> mg.Tensor:
    """Σ_i mean((y - Q_i(s, a))²), where samples may count differently. A prioritised replay hears of the errors."""
    if agent.replay.wants_errors:
        errors = [np.abs(mg.to_numpy(value) - mg.to_numpy(target)) for value in values]
        agent.replay.feedback(batch.rows, np.mean(errors, 0))
    if batch.weight is None:
        losses = [F.mse_loss(value, target) for value in values]
    else:
        weight = agent.tensor(batch.weight)
        losses = [(weight * (target - value).square()).mean() for value in values]
    total = losses[0]
    for loss in losses[1:]:
        total = total + loss
    return total


def descend(loss: mg.Tensor, optimizer: optim.Optimizer, agent: Any) -> float:
    """One step of the optimizer down the loss, which is returned."""
    optimizer.zero_grad()
    loss.backward()
    set_learning_rate(optimizer, agent.hyperparameters, agent.progress)
    optimizer.step()
    return loss.item()
