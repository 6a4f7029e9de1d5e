"""Losses. Each refuses an input and a target of different shapes instead of broadcasting them (see ops/losses.py)."""

from __future__ import annotations

import math
import warnings
from typing import Any

from ... import dtypes
from ...core.tensor import Tensor
from ...dialect.functions import clamp_min
from ...errors import GradientError
from ...ops import arithmetic, losses, special
from ...ops.shapes import fits


def promote_operands(name: str, input: Any, target: Any) -> tuple[Tensor, Tensor]:
    """Input and target, both in the dtype that arithmetic between them would have."""
    if not isinstance(input, Tensor) or not isinstance(target, Tensor):
        what, x = ("target", target) if isinstance(input, Tensor) else ("input", input)
        raise TypeError(f"{name}: {what} must be a Tensor, got {type(x).__name__}; wrap it with as_tensor")
    dtype = input.array.dtype
    if dtype is target.array.dtype and (dtype is dtypes.float32 or dtype.kind == "f"):
        return input, target
    dtype = dtypes.result_type(input.array, target.array, fractional=True)
    return input.to(dtype), target.to(dtype)


def mse_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """(input - target)², averaged, summed, or one per element ('none'). The shapes must be equal."""
    input, target = promote_operands("mse_loss", input, target)
    return losses.mse(input, target, reduction)


def l1_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """|input - target|. The shapes must be equal."""
    input, target = promote_operands("l1_loss", input, target)
    return losses.l1(input, target, reduction)


def huber_loss(input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0) -> Tensor:
    """½ d² where |d| = |input - target| <= delta, delta (|d| - ½ delta) beyond (Huber 1964). Shapes must be equal."""
    input, target = promote_operands("huber_loss", input, target)
    if not delta > 0:
        raise ValueError(f"huber_loss: delta must be positive, got {delta}")
    return losses.huber(input, target, delta, reduction)


def smooth_l1_loss(input: Tensor, target: Tensor, reduction: str = "mean", beta: float = 1.0) -> Tensor:
    """huber_loss / beta: ½ d² / beta near 0, |d| - ½ beta beyond; beta = 0 is l1_loss. The shapes must be equal."""
    input, target = promote_operands("smooth_l1_loss", input, target)
    if not beta >= 0:
        raise ValueError(f"smooth_l1_loss: beta must not be negative, got {beta}")
    if beta == 0:
        return l1_loss(input, target, reduction)
    if input.array.shape != target.array.shape:
        losses.check_shapes("smooth_l1_loss", input, target)
    loss = losses.huber(input, target, beta, reduction)
    return loss if beta == 1 else loss / beta


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """-log softmax(input)[target]. input: logits (N, C), (C,) or (N, C, ...).

    target: classes (N,), (), (N, ...) as integers, or probabilities of the input's shape.
    weight: one factor per *class*, (C,). For a weight per sample use reduction="none" and multiply.
    ignore_index: a class whose samples count nothing; not for probabilities.
    label_smoothing: how much of each target is given to all classes alike, between 0 and 1.
    """
    losses.check_reduction(reduction)
    if not 0 <= label_smoothing <= 1:
        raise GradientError(
            f"cross_entropy: label_smoothing={label_smoothing}; expected the part of a target that all classes share, "
            "between 0 and 1"
        )
    if input.ndim == 0:
        raise GradientError("cross_entropy: input must have a class dimension: (C,), (N, C) or (N, C, ...); it is 0-d")
    dim = min(1, input.ndim - 1)
    log_p = losses.log_softmax(input, dim)
    classes = input.shape[dim]
    if not classes:
        raise GradientError(f"cross_entropy: input has shape {input.shape}; dimension {dim} must hold the classes")
    if weight is not None:
        weight = check_class_weights("cross_entropy", weight, classes, log_p)
    if target.is_floating_point() or label_smoothing > 0:
        return _soft_cross_entropy(log_p, target, weight, ignore_index, reduction, label_smoothing, dim)
    return nll_loss(log_p, target, weight, ignore_index, reduction)


def _soft_cross_entropy(
    log_p: Tensor,
    target: Tensor,
    weight: Tensor | None,
    ignore_index: int,
    reduction: str,
    smoothing: float,
    dim: int,
) -> Tensor:
    classes = log_p.shape[dim]
    along = (1, -1) + (1,) * (log_p.ndim - 2) if log_p.ndim > 1 else (-1,)  # weight's shape beside log_p
    per_class = log_p if weight is None else log_p * weight.reshape(along)
    if target.is_floating_point():
        if target.shape != log_p.shape:
            raise GradientError(
                f"cross_entropy: target is {target.dtype} with shape {target.shape}; probabilities need the "
                f"input's shape {log_p.shape}, and classes an integer dtype: convert them with .long()"
            )
        if ignore_index >= 0:
            raise GradientError(
                f"cross_entropy: ignore_index={ignore_index} names a class, but the target holds probabilities; leave "
                'it out, and weigh samples with reduction="none"'
            )
        target = target * (1 - smoothing) + smoothing / classes
        loss = -(per_class * target).sum(dim)
        if reduction == "mean":
            return loss.sum() / (log_p.numel() / classes)
    else:
        hard = nll_loss(log_p, target, weight, ignore_index, reduction)
        kept = target != ignore_index
        loss = arithmetic.where(kept, -per_class.sum(dim), 0.0) / classes
        if reduction == "mean":
            total = kept.sum() if weight is None else (weight[target * kept] * kept).sum()
            return (1 - smoothing) * hard + smoothing * loss.sum() / (total.item() or 1)
        loss = loss if reduction == "none" else loss.sum()
        return (1 - smoothing) * hard + smoothing * loss
    return loss.sum() if reduction == "sum" else loss


def check_class_weights(name: str, weight: Tensor, classes: int, input: Tensor) -> Tensor:
    """`weight`, one factor for each class, in the dtype of `input`."""
    if weight.shape != (classes,):
        raise GradientError(
            f"{name}: weight has shape {weight.shape}, but it is one factor per class, so ({classes},) was expected; "
            'to weight the samples (by an advantage, say) use reduction="none" and multiply: '
            f'({name}(input, target, reduction="none") * weight).mean()'
        )
    return weight.to(input.dtype)


def stretch_weights(name: str, what: str, weight: Tensor | None, input: Tensor) -> Any:
    """The array of `weight`, factors that are stretched to the shape of `input` and never beyond it."""
    if weight is None:
        return None
    if not fits(weight.shape, input.shape):
        raise GradientError(
            f"{name}: {what} has shape {weight.shape}, the input {input.shape}; give a {what} that broadcasts to the "
            "input's shape"
        )
    return weight.array.astype(input.dtype, copy=False)


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """-input[target] for log-probabilities (N, C), (C,) or (N, C, ...) and integer classes; see cross_entropy."""
    losses.check_reduction(reduction)
    if input.ndim == 0:
        raise GradientError("nll_loss: input must have a class dimension: (C,), (N, C) or (N, C, ...); it is 0-d")
    if input.array.dtype.kind != "f":
        raise GradientError(f"nll_loss: input is {input.dtype}; expected log-probabilities, as log_softmax gives them")
    dim = min(1, input.ndim - 1)
    classes = input.shape[dim]
    expected = input.shape[:dim] + input.shape[dim + 1 :]
    if target.array.dtype.kind not in "iu":
        raise GradientError(
            f"nll_loss: target must hold integer classes, it is {target.dtype}; convert it with .long()"
        )
    if target.shape != expected:
        raise GradientError(
            f"nll_loss: input has shape {input.shape}, so target must have shape {expected} (a class each), "
            f"it has {target.shape}" + ("; use target.squeeze(1)" if target.ndim == 2 and target.shape[1] == 1 else "")
        )
    if weight is not None:
        weight = check_class_weights("nll_loss", weight, classes, input)
    chosen = target.array[target.array != ignore_index]
    if chosen.size and (chosen.min() < 0 or chosen.max() >= classes):
        bad = chosen[(chosen < 0) | (chosen >= classes)][0]
        raise IndexError(
            f"nll_loss: target {bad} is out of range; with {classes} classes expected 0 to {classes - 1} (ignore_index "
            "skips a class)"
        )
    return losses.nll(input, target.array, None if weight is None else weight.array, ignore_index, reduction)


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """-(target log σ(input) + (1 - target) log(1 - σ(input))), stable for large |input|. The shapes must be equal."""
    name = "binary_cross_entropy_with_logits"
    input, target = promote_operands(name, input, target)
    factors = stretch_weights(name, "weight", weight, input)
    positive_factors = stretch_weights(name, "pos_weight", pos_weight, input)
    return losses.bce_with_logits(input, target, factors, positive_factors, reduction)


def binary_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None = None, reduction: str = "mean"
) -> Tensor:
    """-(target log input + (1 - target) log(1 - input)) for probabilities; each logarithm is at least -100.

    The shapes must be equal. From logits, binary_cross_entropy_with_logits is exact and does not saturate.
    """
    input, target = promote_operands("binary_cross_entropy", input, target)
    for what, p, hint in (
        ("input", input.array, "apply sigmoid, or use binary_cross_entropy_with_logits"),
        ("target", target.array, "the probability of a yes"),
    ):
        inside = (p >= 0) & (p <= 1)
        if not inside.all():
            raise GradientError(
                f"binary_cross_entropy: the {what} holds {p[~inside].reshape(-1)[0]}; expected probabilities, between "
                f"0 and 1: {hint}"
            )
    factors = stretch_weights("binary_cross_entropy", "weight", weight, input)
    return losses.bce(input, target, factors, reduction)


def kl_div(input: Tensor, target: Tensor, reduction: str = "mean", log_target: bool = False) -> Tensor:
    """KL(target ‖ input) = Σ target (log target - input): `input` holds log-probabilities, `target` probabilities.

    (With log_target both hold logarithms.) The shapes must be equal. reduction='batchmean', the sum divided by the
    number of rows, is the divergence; 'mean' also divides by the number of classes, and warns.
    """
    input, target = promote_operands("kl_div", input, target)
    losses.check_shapes("kl_div", input, target)
    if reduction == "mean":
        warnings.warn(
            "kl_div: reduction='mean' divides by the number of elements, which is not the mean divergence of the rows; "
            "for that give reduction='batchmean'",
            stacklevel=2,
        )
    if log_target:
        loss = arithmetic.exp(target) * (target - input)
    else:
        loss = special.xlogy(target, target) - target * input
    if reduction == "batchmean":
        return loss.sum() / input.shape[0] if input.ndim else loss
    return reduce_losses(loss, reduction)


def reduce_losses(loss: Tensor, reduction: str) -> Tensor:
    losses.check_reduction(reduction)
    return loss if reduction == "none" else loss.sum() if reduction == "sum" else loss.mean()


def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    eps: float = 1e-8,
    reduction: str = "mean",
) -> Tensor:
    """-log Poisson(target; rate) without the constant log target!; `input` is the rate's logarithm, or the rate.

    The shapes must be equal. full: add Stirling's approximation of the constant where target > 1.
    """
    input, target = promote_operands("poisson_nll_loss", input, target)
    losses.check_shapes("poisson_nll_loss", input, target)
    loss = arithmetic.exp(input) - target * input if log_input else input - target * arithmetic.log(input + eps)
    if full:
        large = target > 1
        safe = arithmetic.where(large, target, 1.0)
        stirling = safe * arithmetic.log(safe) - safe + 0.5 * arithmetic.log(2 * math.pi * safe)
        loss = loss + arithmetic.where(large, stirling, 0.0)
    return reduce_losses(loss, reduction)


def gaussian_nll_loss(
    input: Tensor,
    target: Tensor,
    var: Tensor | float,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    """½ (log var + (input - target)² / var), with var at least eps (the clamping has no derivative of its own).

    Input and target must have one shape; var that shape too, or 1 for (or without) its last dimension, or be a number.
    """
    input, target = promote_operands("gaussian_nll_loss", input, target)
    losses.check_shapes("gaussian_nll_loss", input, target)
    variance: Tensor = var if isinstance(var, Tensor) else input.new_full(input.shape, var)
    if variance.shape != input.shape:
        if variance.shape == input.shape[:-1]:
            variance = variance.unsqueeze(-1)
        elif variance.shape != (*input.shape[:-1], 1):
            raise GradientError(
                f"gaussian_nll_loss: var has shape {variance.shape}; expected that of the input, {input.shape}, or "
                f"{(*input.shape[:-1], 1)}"
            )
    if (variance.array < 0).any():
        raise GradientError("gaussian_nll_loss: var holds a negative number; expected variances (see exp and softplus)")
    bounded = variance + (clamp_min(variance, eps) - variance).detach()
    difference = input - target
    loss = 0.5 * (arithmetic.log(bounded) + difference * difference / bounded)
    return reduce_losses(loss + 0.5 * math.log(2 * math.pi) if full else loss, reduction)
