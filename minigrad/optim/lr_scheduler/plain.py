"""Schedules that depend on the epoch alone."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ..optimizer import Optimizer
from .base import LRScheduler, check_optimizer


class LambdaLR(LRScheduler):
    """lr = initial_lr · lr_lambda(epoch).

    lr_lambda: a function of the epoch, or a list with one for each group. Functions are not part of the state_dict;
    objects that can be called are, by their attributes.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Callable[[int], float] | Sequence[Callable[[int], float]],
        last_epoch: int = -1,
    ) -> None:
        check_optimizer("LambdaLR", optimizer)
        n = len(optimizer.param_groups)
        self.lr_lambdas = [lr_lambda] * n if callable(lr_lambda) else list(lr_lambda)
        if len(self.lr_lambdas) != n:
            raise ValueError(
                f"LambdaLR: {len(self.lr_lambdas)} functions for {n} parameter groups; "
                "give one for each, or one for all"
            )
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """initial_lr · lr_lambda(epoch)."""
        return [rate * f(self.last_epoch) for rate, f in zip(self.base_lrs, self.lr_lambdas, strict=True)]

    def _take_in_new_groups(self) -> None:
        super()._take_in_new_groups()
        if len(self.lr_lambdas) != len(self.base_lrs):
            raise ValueError(
                f"LambdaLR: lr_lambdas has {len(self.lr_lambdas)} functions for {len(self.base_lrs)} parameter groups, "
                "because a group was added; append a function for it: scheduler.lr_lambdas.append(...)"
            )

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer and functions."""
        saved = [None if hasattr(f, "__code__") else dict(f.__dict__) for f in self.lr_lambdas]
        return {**super().state_dict(), "lr_lambdas": saved}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on where the scheduler that gave `state_dict` was, with this one's functions."""
        functions = self.lr_lambdas
        super().load_state_dict(state_dict)
        self.lr_lambdas = functions
        for f, saved in zip(functions, state_dict["lr_lambdas"], strict=True):
            if saved is not None:
                f.__dict__.update(saved)


class _Factor(LRScheduler):
    """A schedule that multiplies all rates by one factor at each epoch."""

    def get_lr(self) -> list[float]:
        """The present rates times the epoch's factor."""
        factor = self._factor(self.last_epoch)
        return [rate * factor for rate in self._rates()]

    def _factor(self, epoch: int) -> float:
        """From epoch - 1 to `epoch`; at epoch 0, from the initial rate."""
        raise NotImplementedError


class StepLR(_Factor):
    """The rate times `gamma` every `step_size` epochs."""

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1) -> None:
        if not step_size >= 1:
            raise ValueError(f"StepLR: step_size={step_size}; expected a number of epochs, at least 1")
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer, last_epoch)

    def _factor(self, epoch: int) -> float:
        return self.gamma if epoch and epoch % self.step_size == 0 else 1.0


class MultiStepLR(_Factor):
    """The rate times `gamma` at each of the epochs `milestones` (twice where one is listed twice)."""

    def __init__(
        self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        self.milestones: Mapping[int, int] = Counter(milestones)
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def _factor(self, epoch: int) -> float:
        return self.gamma ** self.milestones.get(epoch, 0)


class ExponentialLR(_Factor):
    """The rate times `gamma` at every epoch."""

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def _factor(self, epoch: int) -> float:
        return self.gamma if epoch else 1.0


class ConstantLR(_Factor):
    """The rate times `factor` for the first `total_iters` epochs, then the rate itself."""

    def __init__(self, optimizer: Optimizer, factor: float = 1 / 3, total_iters: int = 5, last_epoch: int = -1) -> None:
        if not 0 < factor <= 1:
            raise ValueError(f"ConstantLR: factor={factor}; expected above 0 (it is divided by later) and at most 1")
        self.factor, self.total_iters = factor, total_iters
        super().__init__(optimizer, last_epoch)

    def _factor(self, epoch: int) -> float:
        if epoch == 0:
            return self.factor
        return 1 / self.factor if epoch == self.total_iters else 1.0


class LinearLR(_Factor):
    """The rate times a factor that goes in a straight line from `start_factor` to `end_factor` in `total_iters` epochs.

    PPO's annealing to zero is LinearLR(optimizer, 1.0, 0.0, updates).
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        if not 0 < start_factor <= 1:
            raise ValueError(
                f"LinearLR: start_factor={start_factor}; expected above 0 (it is divided by later) and at most 1"
            )
        if not 0 <= end_factor <= 1:
            raise ValueError(f"LinearLR: end_factor={end_factor}; expected between 0 and 1")
        self.start_factor, self.end_factor, self.total_iters = start_factor, end_factor, total_iters
        super().__init__(optimizer, last_epoch)

    def _factor(self, epoch: int) -> float:
        if epoch == 0:
            return self.start_factor
        if epoch > self.total_iters:
            return 1.0
        rise = self.end_factor - self.start_factor  # in total_iters epochs
        return 1 + rise / (self.total_iters * self.start_factor + (epoch - 1) * rise)


class CosineAnnealingLR(LRScheduler):
    """lr = eta_min + ½ (initial_lr - eta_min) (1 + cos(π epoch / T_max)), down to eta_min at T_max (and up again).

    (Loshchilov & Hutter 2017, "SGDR", eq. 5, without the restarts.)
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1) -> None:
        if not T_max >= 1:
            raise ValueError(f"CosineAnnealingLR: T_max={T_max}; expected a number of epochs, at least 1")
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The present rate's height above eta_min, times what the cosine leaves of it from one epoch to the next."""
        epoch, low = self.last_epoch, self.eta_min
        height = lambda e: 1 + math.cos(math.pi * e / self.T_max)
        if epoch == 0:
            return self._rates()
        if self._step_count == 1:  # built with a last_epoch: from the formula
            return [low + (rate - low) * height(epoch) / 2 for rate in self.base_lrs]
        if (epoch - 1 - self.T_max) % (2 * self.T_max) == 0:  # from the bottom there is nothing to multiply
            return [
                rate + (start - low) * height(epoch) / 2
                for rate, start in zip(self._rates(), self.base_lrs, strict=True)
            ]
        return [low + (rate - low) * height(epoch) / height(epoch - 1) for rate in self._rates()]
