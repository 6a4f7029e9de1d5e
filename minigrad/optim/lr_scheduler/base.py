"""What all schedules share: their place, the rates they set, and their state."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from ...events import act
from ..optimizer import Optimizer


class LRScheduler:
    """The base of all schedules. A subclass computes the groups' rates for the epoch `last_epoch`, in `get_lr`.

    last_epoch: -1 to begin; to go on after epoch n without a state_dict give n, and groups that hold `initial_lr`.
    base_lrs: each group's rate at the start, also kept in the group as "initial_lr". For a group that is added later,
        the rate that it has at the next step.

    Building a scheduler sets the rates of epoch 0.
    """

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        check_optimizer(type(self).__name__, optimizer)
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", group["lr"])
            elif "initial_lr" not in group:
                raise KeyError(
                    f"{type(self).__name__}: last_epoch={last_epoch} goes on with a schedule, but group {i} has no "
                    "'initial_lr'; load the optimizer's state_dict first, or begin with last_epoch=-1"
                )
        self.optimizer = optimizer
        self.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        optimizer._stepped = False
        self._step_count = 0
        self._advance()

    def get_lr(self) -> list[float]:
        """The rates of epoch `last_epoch`, one per group; the groups still hold those of the epoch before."""
        raise NotImplementedError(f"{type(self).__name__}: define get_lr(self), which returns a rate for each group")

    def get_last_lr(self) -> list[float]:
        """The rates that this scheduler set last, one per group."""
        return self._last_lr

    def step(self, epoch: None = None) -> None:
        """Go on to the next epoch. Call it after `optimizer.step()`: before the first one it warns, as PyTorch does."""
        if epoch is not None:
            raise TypeError(
                f"{type(self).__name__}.step: takes no argument, got {type(epoch).__name__}; only "
                "ReduceLROnPlateau.step takes one, the metric; to jump to an epoch build the schedule with last_epoch="
            )
        if self._step_count == 1 and not self.optimizer._stepped and type(self.optimizer).step is Optimizer.step:
            warnings.warn(
                f"{type(self).__name__}.step() was called before optimizer.step(), so the schedule's first rate is "
                "never used; call optimizer.step() first, then scheduler.step()",
                UserWarning,
                stacklevel=2,
            )
        act(self._advance, ())

    def _advance(self) -> None:
        self._take_in_new_groups()
        self._step_count += 1
        self.last_epoch += 1
        self._last_lr = [float(rate) for rate in self.get_lr()]
        for group, rate in zip(self.optimizer.param_groups, self._last_lr, strict=True):
            group["lr"] = rate

    def _take_in_new_groups(self) -> None:
        """Note the initial rates of groups that were added to the optimizer since."""
        for group in self.optimizer.param_groups[len(self.base_lrs) :]:
            self.base_lrs = [*self.base_lrs, group.setdefault("initial_lr", group["lr"])]  # a saved list stays as it is

    def _restart(self) -> None:
        """Begin at epoch 0, from the initial rates."""
        self._take_in_new_groups()
        for group, rate in zip(self.optimizer.param_groups, self.base_lrs, strict=True):
            group["lr"] = rate
        self._begin()

    def _begin(self) -> None:
        """Begin at epoch 0, from the present rates."""
        self.last_epoch = -1
        self._advance()

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer: plain numbers and lists, which `minigrad.save` can write."""
        return {name: value for name, value in self.__dict__.items() if name != "optimizer"}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on where the scheduler that gave `state_dict` was.

        Raises ValueError for the state of another kind of schedule; nothing has been changed then.
        """
        missing = [name for name in self.state_dict() if name not in state_dict]
        if missing:
            raise ValueError(
                f"{type(self).__name__}.load_state_dict: the state_dict lacks {missing}; it has {sorted(state_dict)}: "
                "load it into the kind of schedule that it came from"
            )
        self.__dict__.update({name: state_dict[name] for name in self.state_dict()})

    def _rates(self) -> list[float]:
        return [group["lr"] for group in self.optimizer.param_groups]


def check_optimizer(who: str, optimizer: Any) -> None:
    """Raise TypeError unless it is an Optimizer."""
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"{who}: expected an Optimizer, got {type(optimizer).__name__}; pass the optimizer itself")
