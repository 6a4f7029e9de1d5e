"""Batch normalisation, with the running statistics that a layer remembers."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...core.tensor import Tensor
from ...errors import GradientError
from ...events import act
from ...ops.normalization import batch_statistics_norm, dims_but_channels, reshape_channels
from ...ops.reductions import mean


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """(input - mean) / √(variance + eps) · weight + bias, per channel: input is (N, C) or (N, C, ...), the rest (C,).

    training: normalise with the mean and variance of this batch, and move the running ones towards them, in place,
        by the fraction `momentum` (the running variance towards the unbiased one). Otherwise normalise with the
        running ones. An empty batch moves nothing.
    eps: above 0 in training, where a variance may be 0; not negative otherwise.

    Raises RuntimeError for statistics of another shape or dtype and without any, ValueError for a batch of one value a
    channel and for an eps out of range.
    """
    ndim, shape = input.ndim, input.shape
    if ndim < 2:
        raise GradientError(f"batch_norm: the input has shape {shape}; expected (batch, channels, ...): use unsqueeze")
    if not (eps > 0 or (eps == 0 and not training)):
        least = "above 0 in training" if training else "at least 0"
        raise ValueError(f"batch_norm: eps={eps}; expected a number {least}, which keeps the division from 0")
    named = {"running_mean": running_mean, "running_var": running_var, "weight": weight, "bias": bias}
    for name, tensor in named.items():
        if tensor is not None and tensor.shape != (shape[1],):
            raise GradientError(
                f"batch_norm: the input of shape {shape} has {shape[1]} channels, but {name} has shape {tensor.shape}; "
                f"expected ({shape[1]},): build the layer for {shape[1]} channels"
            )
        if tensor is not None and tensor.dtype != input.dtype:
            raise GradientError(
                f"batch_norm: the input is {input.dtype}, {name} is {tensor.dtype}; "
                "convert the input or the layer with .float() or .double()"
            )
    if training:
        count = input.numel() // max(shape[1], 1)
        if count == 1:
            raise ValueError(
                f"batch_norm: an input of shape {shape} has one value per channel, whose variance is 0; "
                "give larger batches, or call .eval() to normalise with the running statistics"
            )
        if count:
            if running_mean is not None and running_var is not None:
                act(track, (), input.array, running_mean, running_var, momentum, count)
            return batch_statistics_norm(input, weight, bias, eps)
        y = input * 1.0  # an empty batch has no mean; the gradients of weight and bias are sums of nothing, zeros
    elif running_mean is None or running_var is None:
        raise GradientError("batch_norm: there are no running statistics to use; pass them, or training=True")
    else:
        y = (input - reshape_channels(running_mean, ndim)) / reshape_channels((running_var + eps).sqrt(), ndim)
    if weight is not None:
        y = y * reshape_channels(weight, ndim)
    return y if bias is None else y + reshape_channels(bias, ndim)


def track(x: Any, running_mean: Tensor, running_var: Tensor, momentum: float, count: int) -> None:
    """Move the running statistics towards those of this batch."""
    dims = dims_but_channels(x.ndim)
    average = mean(x, dims, True)
    centred = x - average
    unbiased = np.add.reduce(centred * centred, axis=dims) / (count - 1)
    for running, new in ((running_mean, average.reshape(-1)), (running_var, unbiased)):
        running.array += momentum * (new - running.array)
        running._version[0] += 1
