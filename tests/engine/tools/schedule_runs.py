"""An optimizer without a network, and a schedule that is stepped with it."""

from __future__ import annotations

import math

import minigrad as mg
import minigrad.optim as optim
from minigrad.optim import lr_scheduler as schedules


def optimizer(*rates, kind=optim.SGD, lib=mg):
    groups = [{"params": [lib.ones(2, requires_grad=True)], "lr": rate} for rate in rates or (0.4,)]
    return kind(groups)


def rates(opt):
    return [group["lr"] for group in opt.param_groups]


def run(opt, scheduler, steps):
    """The rates with which `steps` updates would be made."""
    found = []
    for _ in range(steps):
        found.append(rates(opt))
        opt.step()
        scheduler.step()
        assert scheduler.get_last_lr() == rates(opt)
    return found


# name -> (how the schedule is made, epoch -> the factor of the rate then)
CLOSED = {
    "LambdaLR": (lambda o: schedules.LambdaLR(o, lambda e: 0.9**e), lambda e: 0.9**e),
    "StepLR": (lambda o: schedules.StepLR(o, 3, 0.5), lambda e: 0.5 ** (e // 3)),
    "MultiStepLR": (
        lambda o: schedules.MultiStepLR(o, [2, 5, 5], 0.5),
        lambda e: 0.5 ** ((e >= 2) + 2 * (e >= 5)),
    ),
    "ExponentialLR": (lambda o: schedules.ExponentialLR(o, 0.8), lambda e: 0.8**e),
    "ConstantLR": (lambda o: schedules.ConstantLR(o, 0.5, 4), lambda e: 0.5 if e < 4 else 1),
    "LinearLR": (lambda o: schedules.LinearLR(o, 0.25, 0.75, 6), lambda e: 0.25 + 0.5 * min(e, 6) / 6),
    "to zero": (lambda o: schedules.LinearLR(o, 1.0, 0.0, 8), lambda e: 1 - min(e, 8) / 8),
    "CosineAnnealingLR": (
        lambda o: schedules.CosineAnnealingLR(o, 6),
        lambda e: (1 + math.cos(math.pi * e / 6)) / 2,
    ),
}
