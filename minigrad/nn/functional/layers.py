"""What layers compute, as functions of their inputs and parameters."""

from __future__ import annotations

from ...ops import indexing, linalg
from ...tensor import Tensor


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """input Wᵀ + b. input: (..., in), weight: (out, in), bias: (out,) or None; returns (..., out)."""
    return linalg.linear(input, weight, bias)


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """int64 rows with a 1 at the class: shape (..., num_classes); -1 infers the number of classes."""
    return indexing.one_hot(tensor, num_classes)
