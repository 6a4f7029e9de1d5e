"""Schedules: how the learning rate changes as training goes on.

    scheduler = LinearLR(optimizer, start_factor=1.0, end_factor=0.0, total_iters=updates)
    for _ in range(updates):
        ...
        optimizer.step()
        scheduler.step()

The word is PyTorch's "epoch"; it means one call of `scheduler.step()`, whatever happens in between. Most schedules
are written, as in PyTorch, as what happens from one epoch to the next: a factor on the group's *present* rate. So
several of them on one optimizer multiply, and a rate that the user changes mid-way stays changed. LambdaLR instead
sets the rate from its start, `initial_lr`, and overrules both.

A scheduler's `state_dict` holds its own place and settings; the rates are in the optimizer's. To resume, build both
anew, then load both, the optimizer last.
"""

from .base import LRScheduler
from .combined import ChainedScheduler, SequentialLR
from .plain import ConstantLR, CosineAnnealingLR, ExponentialLR, LambdaLR, LinearLR, MultiStepLR, StepLR
from .plateau import ReduceLROnPlateau

__all__ = [
    "ChainedScheduler",
    "ConstantLR",
    "CosineAnnealingLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
]
