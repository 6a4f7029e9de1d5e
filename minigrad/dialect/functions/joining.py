"""Joining tensors, and taking them apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ... import dtypes
from ...core.tensor import Tensor
from ...errors import GradientError
from ...ops import indexing, joining, shapes
from ...ops.shapes import axis as axis_of
from .converting import to
from .shapes import as_index, expand, reshape


def cat(tensors: Sequence[Tensor], dim: int = 0, *, axis: int | None = None) -> Tensor:
    """The tensors one after the other along an existing dimension."""
    tensors = list_tensors("cat", tensors)
    kept = [x for x in tensors if x.shape != (0,)] or tensors
    if len(kept) < len(tensors):  # an empty vector fits anything, as in PyTorch, and counts for the dtype only
        dtype = dtypes.result_type(*(x.array if isinstance(x, Tensor) else x for x in tensors))
        kept = [x if x.dtype == dtype else to(x, dtype) for x in kept]
    return joining.cat(kept, dim if axis is None else axis)


def stack(tensors: Sequence[Tensor], dim: int = 0, *, axis: int | None = None) -> Tensor:
    """The tensors one after the other along a new dimension."""
    return joining.stack(list_tensors("stack", tensors), dim if axis is None else axis)


def list_tensors(name: str, tensors: Any) -> list:
    if isinstance(tensors, Tensor):
        raise TypeError(f"{name}: expected a list or tuple of tensors, got one Tensor; write {name}([a, b, ...])")
    if not hasattr(tensors, "__iter__"):
        raise TypeError(f"{name}: expected a list or tuple of tensors, got {type(tensors).__name__}")
    tensors = list(tensors)
    for i, x in enumerate(tensors):
        if not hasattr(x, "dtype"):
            raise TypeError(
                f"{name}: expected a list of tensors, item {i} is a {type(x).__name__}; make it one with tensor()"
            )
    return tensors


def _refuse_0d(name: str, input: Tensor) -> None:
    if not input.ndim:
        raise GradientError(f"{name}: a 0-d tensor has no dimension to take apart; reshape it to (1,) first")


def narrow(input: Tensor, dim: int, start: int, length: int) -> Tensor:
    """`length` elements along `dim` from `start` on; a view."""
    _refuse_0d("narrow", input)
    shape = input.array.shape
    d = axis_of(dim, len(shape))
    n = shape[d]
    start, length = as_index("narrow", "start", start), as_index("narrow", "length", length)
    start = start + n if start < 0 else start
    if not 0 <= start <= n or length < 0 or start + length > n:
        raise GradientError(
            f"narrow: {start} to {start + length} lies outside dimension {dim}; expected a part of its {n} elements"
        )
    return shapes.narrow(input, d, start, length)


def split(
    tensor: Tensor, split_size_or_sections: Any = None, dim: int = 0, *, split_size: Any = None
) -> tuple[Tensor, ...]:
    """Pieces of the given size along `dim` (the last may be smaller), or of each of the given sizes. Views.

    split_size: what PyTorch's method calls its first argument.
    """
    split_size_or_sections = split_size if split_size_or_sections is None else split_size_or_sections
    _refuse_0d("split", tensor)
    shape = tensor.array.shape
    d = axis_of(dim, len(shape))
    n = shape[d]
    if not isinstance(split_size_or_sections, tuple | list):
        size = as_index("split", "the size of a piece", split_size_or_sections)
        if size <= 0:
            raise GradientError(f"split: the size of a piece must be positive, got {size}")
        sections = [min(size, n - start) for start in range(0, n, size)] or [0]
    else:
        sections = list(split_size_or_sections)
        if sum(sections) != n or any(s < 0 for s in sections):
            raise GradientError(
                f"split: sections {sections} must be non-negative and sum to {n}, the size of dimension {dim}"
            )
    pieces, start = [], 0
    for length in sections:
        pieces.append(shapes.narrow(tensor, d, start, length))
        start += length
    return tuple(pieces)


def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """At most `chunks` pieces of equal size along `dim`, the last one possibly smaller."""
    if chunks <= 0:
        raise GradientError(f"chunk: the number of chunks must be positive, got {chunks}")
    _refuse_0d("chunk", input)
    n = input.shape[axis_of(dim, input.ndim)]
    return split(input, -(-n // chunks), dim) if n else split(input, [0] * chunks, dim)


def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """The slices along `dim`, one by one."""
    if not input.ndim:
        raise IndexError("unbind: a 0-d tensor has no dimension to take apart; see .item()")
    d = axis_of(dim, input.ndim)
    return tuple(indexing.index(input, (slice(None),) * d + (i,)) for i in range(input.shape[d]))


def atleast_1d(*tensors: Any) -> Any:
    """Tensors with at least one dimension; one, or a tuple of several."""
    return apply_to_each(tensors, lambda x: x if x.ndim else reshape(x, 1))


def atleast_2d(*tensors: Any) -> Any:
    """Tensors with at least two dimensions, new ones in front; one, or a tuple of several."""
    return apply_to_each(tensors, lambda x: x if x.ndim > 1 else reshape(x, 1, -1))


def apply_to_each(tensors: tuple, change: Callable[[Tensor], Tensor]) -> Any:
    if len(tensors) == 1 and isinstance(tensors[0], Tensor):
        return change(tensors[0])
    return tuple(change(x) for x in (tensors[0] if len(tensors) == 1 else tensors))


def vstack(tensors: Sequence[Tensor]) -> Tensor:
    """The tensors below each other: along dimension 0, vectors as rows."""
    return cat([atleast_2d(x) for x in list_tensors("vstack", tensors)], 0)


def hstack(tensors: Sequence[Tensor]) -> Tensor:
    """The tensors beside each other: along dimension 1, vectors one after the other."""
    several = [atleast_1d(x) for x in list_tensors("hstack", tensors)]
    return cat(several, 0 if several and several[0].ndim == 1 else 1)


def meshgrid(*tensors: Any, indexing: str | None = None) -> tuple[Tensor, ...]:
    """The coordinates of a grid, one tensor for each vector. indexing: 'ij' (default) rows first, 'xy' columns."""
    if indexing not in (None, "ij", "xy"):
        raise ValueError(f"meshgrid: indexing={indexing!r}; expected 'ij' or 'xy'")
    several = list(tensors[0]) if len(tensors) == 1 and isinstance(tensors[0], list | tuple) else list(tensors)
    if any(x.ndim > 1 for x in several):
        raise GradientError(f"meshgrid: expected vectors, got shapes {', '.join(str(x.shape) for x in several)}")
    n = len(several)
    places = list(range(n))
    if indexing == "xy" and n > 1:
        places[:2] = 1, 0
    sizes = [0] * n
    for place, x in zip(places, several, strict=True):
        sizes[place] = x.numel()
    spread = [
        reshape(x, *(-1 if d == place else 1 for d in range(n))) for place, x in zip(places, several, strict=True)
    ]
    return tuple(expand(x, *sizes) for x in spread)
