"""Activation functions."""

from __future__ import annotations

from typing import Any

from ...functions import elu, leaky_relu, softplus
from ...ops import arithmetic, losses
from ...ops.shapes import axis
from ...tensor import Tensor

__all__ = ["elu", "leaky_relu", "log_softmax", "logsigmoid", "relu", "sigmoid", "softmax", "softplus", "tanh"]

tanh, sigmoid = arithmetic.tanh, arithmetic.sigmoid


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """max(input, 0); the slope at 0 is 0."""
    return input.relu_() if inplace else arithmetic.relu(input)


def logsigmoid(input: Tensor) -> Tensor:
    """log sigmoid(input) = -softplus(-input), without overflow."""
    return -softplus(-input)


def _implicit_dim(ndim: int) -> int:
    """The dimension PyTorch normalises when none is given: 0 for 0, 1 or 3 dimensions, otherwise 1."""
    return 0 if ndim in (0, 1, 3) else 1


def softmax(input: Tensor, dim: int | None = None, *, dtype: Any = None) -> Tensor:
    """exp(input) / Σ exp(input) along `dim` (without one: dimension 0 of 0-, 1- and 3-d tensors, otherwise 1)."""
    input = input if dtype is None else input.to(dtype)
    d = _implicit_dim(input.ndim) if dim is None else axis(dim, input.ndim)
    return losses.softmax(input, d) if input.ndim else arithmetic.exp(input - input)


def log_softmax(input: Tensor, dim: int | None = None, *, dtype: Any = None) -> Tensor:
    """log softmax(input), computed without forming the softmax, so that no probability underflows to log 0."""
    input = input if dtype is None else input.to(dtype)
    d = _implicit_dim(input.ndim) if dim is None else axis(dim, input.ndim)
    return losses.log_softmax(input, d) if input.ndim else input - input
