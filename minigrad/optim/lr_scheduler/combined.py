"""Schedules made of schedules."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

from ..optimizer import Optimizer
from .base import LRScheduler, check_optimizer
from .plateau import ReduceLROnPlateau


class _Combined(LRScheduler):
    """A schedule of several others on one optimizer; its state holds theirs."""

    _schedulers: list[LRScheduler]

    def _adopt(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer) -> None:
        if any(isinstance(s, ReduceLROnPlateau) for s in schedulers):
            raise ValueError(
                f"{type(self).__name__}: ReduceLROnPlateau cannot be one of the schedules, because its step takes a "
                "metric; step it by itself"
            )
        if any(s.optimizer is not optimizer for s in schedulers):
            raise ValueError(
                f"{type(self).__name__}: the schedules belong to several optimizers; build all of them on this one"
            )
        self.optimizer, self._schedulers = optimizer, list(schedulers)
        self._step_count = 1

    @property
    def base_lrs(self) -> list[float]:  # type: ignore[override]
        """Each group's rate at the start."""
        return self._schedulers[0].base_lrs

    def _take_in_new_groups(self) -> None:
        for scheduler in self._schedulers:
            scheduler._take_in_new_groups()

    def state_dict(self) -> dict[str, Any]:
        """Its own place, and the state_dict of each schedule."""
        return {**super().state_dict(), "_schedulers": [s.state_dict() for s in self._schedulers]}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on where the scheduler that gave `state_dict` was."""
        schedulers = self._schedulers
        super().load_state_dict(state_dict)
        self._schedulers = schedulers
        for scheduler, saved in zip(schedulers, state_dict["_schedulers"], strict=True):
            scheduler.load_state_dict(saved)


class SequentialLR(_Combined):
    """One schedule after the other: at each milestone the next begins, with its epoch 0 and the initial rates.

    schedulers: built on the same optimizer, one more than there are milestones, e.g. a warm-up and what comes after:
        SequentialLR(optimizer, [LinearLR(optimizer, 0.1, total_iters=5), ExponentialLR(optimizer, 0.9)], [5])
    """

    def __init__(
        self, optimizer: Optimizer, schedulers: Sequence[LRScheduler], milestones: Sequence[int], last_epoch: int = -1
    ) -> None:
        check_optimizer("SequentialLR", optimizer)
        if len(schedulers) != len(milestones) + 1:
            raise ValueError(
                f"SequentialLR: {len(schedulers)} schedules and {len(milestones)} milestones; expected one milestone "
                "between each two schedules"
            )
        self._adopt(schedulers, optimizer)
        self._milestones = list(milestones)
        self._restart()  # building the schedules has changed the rates
        self.last_epoch = last_epoch + 1

    def _begin(self) -> None:
        self.last_epoch = 0
        scheduler = self._schedulers[bisect_right(self._milestones, 0)]
        scheduler._begin()
        self._last_lr = scheduler.get_last_lr()

    def _advance(self) -> None:
        epoch = self.last_epoch + 1
        i = bisect_right(self._milestones, epoch)
        scheduler = self._schedulers[i]
        if i and self._milestones[i - 1] == epoch:
            scheduler._restart()
        else:
            scheduler._advance()
        self._step_count += 1
        self.last_epoch = epoch
        self._last_lr = scheduler.get_last_lr()


class ChainedScheduler(_Combined):
    """Several schedules at once, one after the other at every step, so that their factors multiply."""

    def __init__(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None) -> None:
        schedulers = list(schedulers)
        if not schedulers:
            raise ValueError("ChainedScheduler: the list of schedules is empty; give at least one")
        self._adopt(schedulers, schedulers[0].optimizer if optimizer is None else optimizer)
        self._last_lr = schedulers[-1].get_last_lr()

    def _begin(self) -> None:
        for scheduler in self._schedulers:
            scheduler._begin()
        self._last_lr = self._schedulers[-1].get_last_lr()

    def _advance(self) -> None:
        self._step_count += 1
        for scheduler in self._schedulers:
            scheduler._advance()
        self._last_lr = self._schedulers[-1].get_last_lr()
