"""Picking elements by a condition or an index, and putting values where an index says."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dtypes
from ..device import is_array, namespace
from ..errors import GradientError
from ..ops import arithmetic, indexing
from ..ops.shapes import axis
from ..tensor import Tensor, wrap
from .conversion import to
from .shapes import expand, reshape


def where(condition: Tensor, input: Any = None, other: Any = None) -> Any:
    """input where the condition holds, other elsewhere; with a condition alone, the indices where it holds."""
    if input is None and other is None:
        return tuple(wrap(i) for i in np.nonzero(np.atleast_1d(condition.array)))
    if not isinstance(condition, Tensor):
        raise TypeError(
            f"where: condition must be a bool Tensor, got {type(condition).__name__}; wrap it with as_tensor"
        )
    if condition.dtype != dtypes.bool:
        raise GradientError(
            f"where: condition must be a bool tensor, this one is {condition.dtype}; compare it, e.g. x > 0"
        )
    if not isinstance(input, Tensor) and not isinstance(other, Tensor):
        input = wrap(namespace(condition).asarray(input, dtypes.result_type(input, other)))
    return arithmetic.where(condition, input, other)


def masked_fill(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """input with `value` where the mask is True."""
    if mask.dtype != dtypes.bool:
        raise GradientError(
            f"masked_fill: mask must be a bool tensor, this one is {mask.dtype}; convert it with .bool()"
        )
    if isinstance(value, Tensor) and value.ndim:
        raise GradientError(f"masked_fill: value must be a number or a 0-d tensor, this one has shape {value.shape}")
    value = to(value, input.dtype) if isinstance(value, Tensor) else input.array.dtype.type(value)
    return arithmetic.where(mask, value, input)


def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """The elements where the mask is True, as a vector."""
    if mask.dtype != dtypes.bool:
        raise GradientError(
            f"masked_select: mask must be a bool tensor, this one is {mask.dtype}; convert it with .bool()"
        )
    full = np.broadcast_shapes(input.shape, mask.shape)
    return indexing.index(expand(input, full), np.broadcast_to(mask.array, full))


def _index_array(name: str, index: Any) -> Any:
    if isinstance(index, Tensor):
        return index.array
    if is_array(index):
        return index
    raise TypeError(f"{name}: index must be an integer tensor, got {type(index).__name__}; wrap it with tensor()")


def gather(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """out[i][j] = input[i][index[i][j]] for dim=1: one element per index, `Q(s, a)` from `Q(s, ·)`.

    index: an integer tensor with as many dimensions as the input. Raises IndexError for an index out of range.
    """
    return indexing.gather(input, dim, _index_array("gather", index))


def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """input with src added at the places that `gather(dim, index)` would read; repeated places add up."""
    positions = _index_array("scatter_add", index)
    if input.dtype != src.dtype:
        raise GradientError(f"scatter_add: the input is {input.dtype}, src {src.dtype}; convert one of them with .to()")
    indexing._check_along("scatter_add", input.shape, dim, positions)
    indexing._check_along("scatter_add", src.shape, dim, positions, longer=False)
    indexing.check_bounds("scatter_add", positions, 0, input.shape[dim] if input.ndim else 1)
    if not input.ndim:
        return arithmetic.add(input, src)
    if positions.shape != src.shape:
        src = indexing.index(src, tuple(slice(0, n) for n in positions.shape))
    return arithmetic.add(input, indexing.scatter_add_zeros(src, input.shape, dim, positions))


def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """The slices along `dim` that a 1-d integer tensor names."""
    positions = _index_array("index_select", index)
    if positions.ndim > 1:
        raise GradientError(f"index_select: index must have one dimension, this one has shape {positions.shape}")
    if not input.ndim:
        return reshape(indexing.index_select(reshape(input, 1), axis(dim, 0), positions.reshape(-1)), ())
    return indexing.index_select(input, axis(dim, input.ndim), positions.reshape(-1))
