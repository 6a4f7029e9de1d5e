"""Batch normalisation as layers, which remember the statistics of what they have seen."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.tensor import Tensor, wrap
from ..errors import GradientError
from . import init
from .functional import batch_norm
from .layers import _empty, check_size
from .module import Module
from .parameter import Parameter


class _BatchNorm(Module):
    """What the two share: parameters, buffers, and which statistics to use."""

    weight: Parameter | None
    bias: Parameter | None
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None
    dims: tuple[int, ...] = ()
    shapes = ""

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        check_size(type(self).__name__, "num_features", num_features, 1)
        self.num_features, self.eps, self.momentum = int(num_features), eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        self.weight = Parameter(_empty((self.num_features,), dtype)) if affine else None
        self.bias = Parameter(_empty((self.num_features,), dtype)) if affine and bias else None
        self.register_buffer("running_mean", _empty((self.num_features,), dtype) if track_running_stats else None)
        self.register_buffer("running_var", _empty((self.num_features,), dtype) if track_running_stats else None)
        self.register_buffer("num_batches_tracked", wrap(np.zeros((), np.int64)) if track_running_stats else None)
        self.reset_parameters()
        if device is not None:
            self.to(device)

    def reset_running_stats(self) -> None:
        """Mean 0, variance 1, no batches seen."""
        if self.running_mean is not None and self.running_var is not None and self.num_batches_tracked is not None:
            init.zeros_(self.running_mean)
            init.ones_(self.running_var)
            self.num_batches_tracked.fill_(0)

    def reset_parameters(self) -> None:
        """Weight 1, bias 0, and no statistics."""
        self.reset_running_stats()
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def forward(self, input: Tensor) -> Tensor:
        """The input, normalised per channel."""
        if input.ndim not in self.dims:
            raise GradientError(
                f"{type(self).__name__}: the input has shape {input.shape}; expected {self.shapes}: reshape it, or use "
                f"{'BatchNorm2d' if input.ndim == 4 else 'BatchNorm1d'}"
            )
        momentum = self.momentum
        if self.training and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            if momentum is None:
                momentum = 1 / self.num_batches_tracked.item()
        return batch_norm(
            input,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or self.running_mean is None,
            0.0 if momentum is None else momentum,
            self.eps,
        )

    def extra_repr(self) -> str:
        """PyTorch's words."""
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )


class BatchNorm1d(_BatchNorm):
    """Batch normalisation of features or sequences; the arguments are those of BatchNorm2d.

    Shapes: (N, num_features) or (N, num_features, L) -> the same.
    """

    dims, shapes = (2, 3), "(batch, channels) or (batch, channels, length)"


class BatchNorm2d(_BatchNorm):
    """y = (x - mean) / √(variance + eps) · weight + bias, per channel (Ioffe & Szegedy 2015, algorithm 1).

    While training, mean and variance are the batch's, and the running ones move towards them by the fraction
    `momentum` (None: they become the average over all batches so far); after `eval()` the running ones are used.

    num_features: how many channels. weight and bias have this shape and start as ones and zeros; affine=False leaves
        them out, bias=False the bias alone.
    track_running_stats: False uses the batch's statistics always.

    Shapes: (N, num_features, H, W) -> the same. Raises RuntimeError for another number of dimensions or channels, and
    ValueError for a batch of one value a channel while training.
    """

    dims, shapes = (4,), "(batch, channels, height, width)"
