"""ReduceLROnPlateau: the one schedule that looks at how the training goes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ..optimizer import Optimizer
from .base import LRScheduler, check_optimizer


class ReduceLROnPlateau(LRScheduler):
    """The rate times `factor` when a metric has not improved for over `patience` epochs: `scheduler.step(loss)`.

    mode: "min" if less is better, "max" if more is (a return).
    threshold: by how much the metric must beat the best so far to count as better: relative to the best, or, with
        threshold_mode="abs", as it is. (Relative to its size: PyTorch takes a negative best for larger than it is.)
    cooldown: epochs after a reduction in which nothing is counted.
    min_lr: where to stop, a number or one per group. A change of less than `eps` is not made.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | Sequence[float] = 0,
        eps: float = 1e-8,
    ) -> None:
        check_optimizer("ReduceLROnPlateau", optimizer)
        if not factor < 1:
            raise ValueError(f"ReduceLROnPlateau: factor={factor}; expected below 1, for the rate is to become smaller")
        for name, value, a, b in (("mode", mode, "min", "max"), ("threshold_mode", threshold_mode, "rel", "abs")):
            if value not in (a, b):
                raise ValueError(f"ReduceLROnPlateau: {name}={value!r}; expected {a!r} or {b!r}")
        n = len(optimizer.param_groups)
        self.optimizer = optimizer
        self.default_min_lr = float(min_lr) if isinstance(min_lr, int | float) else None  # of groups that are added
        self.mode, self.factor, self.patience, self.cooldown, self.eps = mode, factor, patience, cooldown, eps
        self.threshold, self.threshold_mode = threshold, threshold_mode
        self.min_lrs = [float(min_lr)] * n if isinstance(min_lr, int | float) else [float(low) for low in min_lr]
        if len(self.min_lrs) != n:
            raise ValueError(
                f"ReduceLROnPlateau: min_lr has {len(self.min_lrs)} numbers for {n} parameter groups; "
                "give one for each, or one for all"
            )
        self.best = math.inf if mode == "min" else -math.inf
        self.num_bad_epochs = self.cooldown_counter = self.last_epoch = 0
        self._last_lr = [group["lr"] for group in optimizer.param_groups]

    def step(self, metrics: Any, epoch: None = None) -> None:  # type: ignore[override]
        """Take notice of the epoch's metric, a number or a tensor of one element."""
        metric, lowest = float(metrics), self._lowest_rates()
        self.last_epoch += 1
        if self.is_better(metric, self.best):
            self.best, self.num_bad_epochs = metric, 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            for group, low in zip(self.optimizer.param_groups, lowest, strict=True):
                rate = max(group["lr"] * self.factor, low)
                if group["lr"] - rate > self.eps:
                    group["lr"] = rate
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
        self._last_lr = [group["lr"] for group in self.optimizer.param_groups]

    def _lowest_rates(self) -> list[float]:
        """min_lrs, with an entry for groups that were added to the optimizer since."""
        n = len(self.optimizer.param_groups)
        if self.default_min_lr is not None:
            self.min_lrs = self.min_lrs + [self.default_min_lr] * (n - len(self.min_lrs))
        if len(self.min_lrs) != n:
            raise ValueError(
                f"ReduceLROnPlateau: min_lrs has {len(self.min_lrs)} numbers for {n} parameter groups, because a "
                "group was added; append its lowest rate: scheduler.min_lrs.append(...)"
            )
        return self.min_lrs

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on where the scheduler that gave `state_dict` was."""
        super().load_state_dict({"default_min_lr": self.default_min_lr, **state_dict})  # it was not always there

    def is_better(self, a: float, best: float) -> bool:
        """Whether `a` beats the best so far by the threshold."""
        margin = self.threshold * abs(best) if self.threshold_mode == "rel" and math.isfinite(best) else self.threshold
        return a < best - margin if self.mode == "min" else a > best + margin
