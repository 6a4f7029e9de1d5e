"""Picking elements by a condition or an index. Putting them back is scattering.py."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import dtypes
from ...core.tensor import Tensor, wrap
from ...device import is_array, namespace
from ...errors import GradientError
from ...events import compute, report
from ...ops import arithmetic, indexing
from ...ops.shapes import axis
from .converting import as_element
from .shapes import as_index, expand, reshape


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
    if other is None or input is None:
        raise TypeError("where: expected the condition alone, or with both input and other; one of them is missing")
    if not isinstance(input, Tensor) and not isinstance(other, Tensor):
        input = wrap(compute(namespace(condition).asarray, input, dtypes.result_type(input, other)))
    return arithmetic.where(condition, input, other)


def masked_fill(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """input with `value` where the mask is True."""
    if mask.dtype != dtypes.bool:
        raise GradientError(
            f"masked_fill: mask must be a bool tensor, this one is {mask.dtype}; convert it with .bool()"
        )
    return arithmetic.where(mask, as_element("masked_fill", input, value), input)


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
    return indexing.gather(input, dim, index.array if isinstance(index, Tensor) else _index_array("gather", index))


def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """The slices along `dim` that a 1-d integer tensor names."""
    positions = _index_array("index_select", index)
    if positions.ndim > 1:
        raise GradientError(f"index_select: index must have one dimension, this one has shape {positions.shape}")
    if not input.ndim:
        return reshape(indexing.index_select(reshape(input, 1), axis(dim, 0), positions.reshape(-1)), ())
    return indexing.index_select(input, axis(dim, input.ndim), positions.reshape(-1))


def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """`gather`, with input and indices broadcast against each other in the other dimensions (dim=None: flattened)."""
    positions = _index_array("take_along_dim", indices)
    if positions.dtype.kind not in "iu":
        raise GradientError(
            f"take_along_dim: indices must be integers, these are {positions.dtype}; convert them with .long()"
        )
    if dim is None:
        return take_along_dim(reshape(input, -1), wrap(positions.reshape(-1)), 0)
    d = axis(dim, input.ndim)
    n = input.shape[d] if input.ndim else 1
    compute(indexing.check_bounds, "take_along_dim", positions, -n, n)
    positions = compute(count_from_start, positions, n)
    if positions.ndim != input.ndim:
        raise GradientError(
            f"take_along_dim: indices have shape {positions.shape} and the input {input.shape}; they must have "
            "the same number of dimensions"
        )
    beside = [1 if i == d else n for i, n in enumerate(input.shape)]
    shape = np.broadcast_shapes(tuple(beside), tuple(1 if i == d else n for i, n in enumerate(positions.shape)))
    along = lambda n: tuple(n if i == d else m for i, m in enumerate(shape))
    xp = namespace(positions)
    return indexing.gather(
        expand(input, *along(input.shape[d])), d, xp.broadcast_to(positions, along(positions.shape[d]))
    )


def count_from_start(positions: Any, n: int) -> Any:
    """Places that are counted from the end, counted from the start."""
    return np.where(positions < 0, positions + n, positions)


def repeat_interleave(
    input: Tensor, repeats: Any = None, dim: int | None = None, *, output_size: int | None = None
) -> Tensor:
    """Each element (or slice along `dim`) several times in a row; `repeats` is a number, or one for each.

    A vector of counts alone gives the index to do so with: 0 as often as the first count says, and so on.
    output_size: the size along `dim` that is expected.
    """
    if repeats is None:
        return repeat_interleave(wrap(namespace(input).arange(input.numel())), input, 0, output_size=output_size)
    if dim is None:
        input, dim = reshape(input, -1), 0
    xp = namespace(input.array)
    n = input.shape[axis(dim, input.ndim)]
    counts = repeats.array.reshape(-1) if isinstance(repeats, Tensor) else xp.asarray(repeats).reshape(-1)
    dimensions = repeats.ndim if isinstance(repeats, Tensor) else 1
    if counts.dtype.kind not in "iu" or len(counts) not in (1, n) or bool((counts < 0).any()) or dimensions > 1:
        raise GradientError(
            f"repeat_interleave: repeats must be an int >= 0 or a vector of {n} of them, got {counts.dtype} of "
            f"{len(counts)}"
        )
    places = xp.arange(n).repeat(int(counts[0]) if len(counts) == 1 else counts.tolist())
    if isinstance(repeats, Tensor):
        report("read", "repeat_interleave() with a tensor of counts")
    report("created", places)
    if output_size is not None and output_size != len(places):
        raise GradientError(
            f"repeat_interleave: output_size={output_size}, but the repeats add up to {len(places)}; leave it out"
        )
    return indexing.index_select(input, axis(dim, input.ndim), places)


def take(input: Tensor, index: Tensor) -> Tensor:
    """The elements of the flattened input that `index` names, in its shape."""
    positions = _index_array("take", index)
    compute(indexing.check_bounds, "take", positions, -input.numel(), input.numel())
    return indexing.index(reshape(input, -1), positions)


def select(input: Tensor, dim: int, index: int) -> Tensor:
    """The slice at one place along `dim`; a view without that dimension."""
    if not input.ndim:
        raise IndexError("select: a 0-d tensor has no dimension to select from; see .item()")
    d = axis(dim, input.ndim)
    n, place = input.shape[d], as_index("select", "index", index)
    if not -n <= place < n:
        raise IndexError(f"select: index {place} is out of bounds for dimension {dim} of size {n}; see .shape")
    return indexing.index(input, (slice(None),) * d + (place,))
