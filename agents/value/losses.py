"""The loss of each sample, (batch,) and (batch,) to (batch,). One of DQN's four seams."""

from __future__ import annotations

import minigrad as mg
import minigrad.nn.functional as F


def huber(prediction: mg.Tensor, target: mg.Tensor) -> mg.Tensor:
    """δ²/2 for |δ| < 1, then |δ| - 1/2: the derivative is δ clipped to [-1, 1], which is what "clipping the
    error term" in Mnih et al. 2015 means."""
    return F.huber_loss(prediction, target, reduction="none")


def mse(prediction: mg.Tensor, target: mg.Tensor) -> mg.Tensor:
    """δ²."""
    return F.mse_loss(prediction, target, reduction="none")


LOSSES = {"huber": huber, "mse": mse}
