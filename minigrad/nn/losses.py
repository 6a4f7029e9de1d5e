"""Losses as modules. Each is its function in `functional` with the settings kept; see there for shapes and errors.

reduction: "mean" over all elements (the default), "sum", or "none" for one loss per element.
"""

from __future__ import annotations

from ..core.tensor import Tensor
from . import functional as F
from .module import Module


class _Loss(Module):
    reductions: tuple[str, ...] = ("mean", "sum", "none")

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__()
        if reduction not in self.reductions:
            *first, last = map(repr, self.reductions)
            raise ValueError(f"{type(self).__name__}: reduction={reduction!r}; expected {', '.join(first)} or {last}")
        self.reduction = reduction


class MSELoss(_Loss):
    """(input - target)²."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Shapes: input and target the same; a scalar, or their shape with reduction="none"."""
        return F.mse_loss(input, target, reduction=self.reduction)


class L1Loss(_Loss):
    """|input - target|."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Shapes: input and target the same; a scalar, or their shape with reduction="none"."""
        return F.l1_loss(input, target, reduction=self.reduction)


class SmoothL1Loss(_Loss):
    """½ d² / beta for |d| < beta, |d| - ½ beta beyond, with d = input - target (Girshick 2015, eq. 3, for beta = 1)."""

    def __init__(self, reduction: str = "mean", beta: float = 1.0) -> None:
        super().__init__(reduction)
        self.beta = beta

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Shapes: input and target the same; a scalar, or their shape with reduction="none"."""
        return F.smooth_l1_loss(input, target, reduction=self.reduction, beta=self.beta)


class HuberLoss(_Loss):
    """½ d² for |d| ≤ delta, delta (|d| - ½ delta) beyond, with d = input - target (Huber 1964)."""

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction)
        self.delta = delta

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Shapes: input and target the same; a scalar, or their shape with reduction="none"."""
        return F.huber_loss(input, target, reduction=self.reduction, delta=self.delta)


class CrossEntropyLoss(_Loss):
    """-log softmax(input) at the target class. weight: one number per class."""

    def __init__(
        self,
        weight: Tensor | None = None,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(reduction)
        self.register_buffer("weight", weight)
        self.ignore_index, self.label_smoothing = ignore_index, label_smoothing

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Shapes: logits (batch, classes), class numbers (batch,) or probabilities (batch, classes)."""
        return F.cross_entropy(
            input,
            target,
            weight=self.weight,  # type: ignore[attr-defined]
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )


class NLLLoss(_Loss):
    """-input at the target class, for inputs that are log-probabilities. weight: one number per class."""

    def __init__(self, weight: Tensor | None = None, ignore_index: int = -100, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.register_buffer("weight", weight)
        self.ignore_index = ignore_index

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Shapes: log-probabilities (batch, classes), class numbers (batch,)."""
        return F.nll_loss(
            input,
            target,
            weight=self.weight,  # type: ignore[attr-defined]
            ignore_index=self.ignore_index,
            reduction=self.reduction,
        )


class BCEWithLogitsLoss(_Loss):
    """-(t log σ(x) + (1 - t) log(1 - σ(x))), stable for large |x|.

    weight: a factor per element; pos_weight: a factor on the first term.
    """

    def __init__(self, weight: Tensor | None = None, reduction: str = "mean", pos_weight: Tensor | None = None) -> None:
        super().__init__(reduction)
        self.register_buffer("weight", weight)
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Shapes: logits and targets in [0, 1] the same; a scalar, or their shape with reduction="none"."""
        return F.binary_cross_entropy_with_logits(
            input,
            target,
            weight=self.weight,  # type: ignore[attr-defined]
            reduction=self.reduction,
            pos_weight=self.pos_weight,  # type: ignore[attr-defined]
        )


class BCELoss(_Loss):
    """-(t log p + (1 - t) log(1 - p)) for probabilities p, with each logarithm at least -100.

    BCEWithLogitsLoss takes the logits themselves and is exact for all of them. weight: a factor per element.
    """

    def __init__(self, weight: Tensor | None = None, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.register_buffer("weight", weight)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Shapes: probabilities and targets in [0, 1] the same; a scalar, or their shape with reduction="none"."""
        return F.binary_cross_entropy(
            input,
            target,
            weight=self.weight,  # type: ignore[attr-defined]
            reduction=self.reduction,
        )


class KLDivLoss(_Loss):
    """t (log t - x) for log-probabilities x: summed over a distribution it is KL(t ‖ eˣ).

    reduction: "batchmean", the sum divided by the batch size, is the divergence; PyTorch's default, "mean", divides by
        the number of elements and is not. log_target: the target is log t.
    """

    reductions = (*_Loss.reductions, "batchmean")

    def __init__(self, reduction: str = "mean", log_target: bool = False) -> None:
        super().__init__(reduction)
        self.log_target = log_target

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Shapes: input and target the same; a scalar, or their shape with reduction="none"."""
        return F.kl_div(input, target, reduction=self.reduction, log_target=self.log_target)
