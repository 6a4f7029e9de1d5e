"""What layers compute, as functions of their inputs and parameters."""

from __future__ import annotations

from ... import random
from ...device import beside
from ...errors import GradientError
from ...ops import arithmetic, indexing, linalg
from ...tensor import Tensor, wrap


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """input Wᵀ + b. input: (..., in), weight: (out, in), bias: (out,) or None; returns (..., out)."""
    return linalg.linear(input, weight, bias)


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """int64 rows with a 1 at the class: shape (..., num_classes); -1 infers the number of classes."""
    return indexing.one_hot(tensor, num_classes)


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Each element 0 with probability p, else divided by 1 - p, so that its mean stays (Srivastava et al. 2014).

    training: False returns the input as it is.
    """
    if not 0 <= p <= 1:
        raise ValueError(f"dropout: p={p}; expected the probability of a zero, between 0 and 1")
    if not training or p == 0:
        return input
    kept = random.generator().random(input.shape) >= p
    scale = wrap(beside((kept / (1 - p if p < 1 else 1)).astype(input.dtype), input.array))
    return input.mul_(scale) if inplace else arithmetic.multiply(input, scale)


def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """The rows of `weight` (rows, features) that the integers `input` (*) name: (*, features).

    padding_idx: a row that gets no gradient, whoever names it.
    Rows named several times add their gradients up. max_norm, scale_grad_by_freq and sparse are not supported.
    """
    asked = {"max_norm": max_norm is not None, "scale_grad_by_freq": scale_grad_by_freq, "sparse": sparse}
    for name, wanted in asked.items():
        if wanted:
            raise NotImplementedError(f"embedding: {name} is not supported; leave it out, change the weight yourself")
    names = input.array
    if names.dtype.kind not in "iu":
        raise GradientError(f"embedding: the input is {input.dtype}; expected integers, the rows' numbers: use .long()")
    indexing.check_bounds("embedding", names, 0, weight.shape[0])
    rows = indexing.index(weight, names)
    if padding_idx is None:
        return rows
    padding = wrap((names == padding_idx % weight.shape[0])[..., None])
    return arithmetic.where(padding, rows.detach(), rows)
