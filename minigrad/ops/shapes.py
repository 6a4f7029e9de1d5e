"""Shapes: the same elements, seen differently. Linear operations, so each rule is the adjoint operation."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from ..core.rules import broadcast_to, sum_to
from ..device import zeros_beside
from .table import TABLE, op, real


def fits(shape: tuple[int, ...], into: tuple[int, ...]) -> bool:
    """Whether an array of `shape` can be stretched to the shape `into`."""
    return len(shape) <= len(into) and all(n in (1, m) for n, m in zip(shape[::-1], into[::-1], strict=False))


def axes(dim: Any, ndim: int) -> tuple[int, ...]:
    """`dim` (None, an int or a sequence) as sorted non-negative axes of an `ndim`-dimensional array.

    Raises IndexError for a dimension that is not there, ValueError for one named twice.
    """
    if dim is None:
        return tuple(range(ndim))
    if type(dim) is int and 0 <= dim < ndim:  # the usual case
        return (dim,)
    found = []
    for d in dim if isinstance(dim, tuple | list) else (dim,):
        try:
            d = operator.index(d)
        except TypeError:
            raise TypeError(f"dim={dim!r}: expected an int or a tuple of ints, got {type(d).__name__}") from None
        if not -max(ndim, 1) <= d < max(ndim, 1):
            raise IndexError(
                f"dimension {d} is out of range for a {ndim}-d tensor; "
                f"expected one in [{-max(ndim, 1)}, {max(ndim, 1) - 1}]"
                ", counting from 0, or backwards from -1"
            )
        found.append(d % max(ndim, 1))
    if len(set(found)) != len(found):
        raise ValueError(f"dim={dim} names a dimension of a {ndim}-d tensor twice; name each once")
    return tuple(sorted(found)) if ndim else ()


def axis(dim: int, ndim: int) -> int:
    """One dimension, non-negative; raises IndexError if it is not there."""
    if type(dim) is int and 0 <= dim < ndim:  # the usual case
        return dim
    return axes(dim, ndim)[0] if ndim else axes(dim, 1)[0]


def spread_sum(g: Any, shape: tuple[int, ...], dim: Any, keepdim: bool) -> Any:
    """The adjoint of a sum over `dim`: every summed element receives the cotangent of its sum."""
    if not keepdim and g.ndim:
        kept = list(shape)
        for d in axes(dim, len(shape)):
            kept[d] = 1
        g = reshape(g, tuple(kept))
    return broadcast_to(g, shape)


TABLE["sum_to"].cases = lambda: [
    (real(3, 4), (1, 4)),
    (real(3, 4), (4,)),
    (real(2, 3), ()),
    (real(2, 3, 4), (3, 1)),
    (real(0, 3), (3,)),
]
TABLE["broadcast_to"].cases = lambda: [
    (real(1, 4), (3, 4)),
    (real(4), (2, 3, 4)),
    (real(), (2, 3)),
    (real(3, 1), (3, 4)),
    (real(3), (0, 3)),
]
reshape = op(
    lambda x, shape: x.reshape(shape),
    vjp=lambda g, x_shape: reshape(g, x_shape),
    name="reshape",
    view=True,
    cases=lambda: [
        (real(3, 4), (2, 6)),
        (real(3, 4), (-1,)),
        (real(), (1, 1)),
        (real(2, 3, 2), (3, 4)),
        (real(0, 3), (3, 0)),
    ],
)
permute = op(
    lambda x, dims: x.transpose(dims),
    vjp=lambda g, dims: permute(g, invert_order(dims)),
    name="permute",
    view=True,
    cases=lambda: [(real(3, 4), (1, 0)), (real(2, 3, 4), (2, 0, 1)), (real(2, 3, 4), (0, -1, 1)), (real(5), (0,))],
)
transpose = op(
    lambda x, dim0, dim1: x.swapaxes(dim0, dim1) if x.ndim else x[...],
    vjp=lambda g, dim0, dim1: transpose(g, dim0, dim1),
    name="transpose",
    view=True,
    cases=lambda: [(real(3, 4), 0, 1), (real(2, 3, 4), -1, 0), (real(2, 3, 4), 1, 1), (real(), 0, -1)],
)


def _diagonal(x: Any, offset: int, dim1: int, dim2: int) -> Any:
    y = np.diagonal(x, offset, dim1, dim2)
    if type(y) is np.ndarray:  # a view that NumPy marks as read-only
        y.flags.writeable = x.flags.writeable
    return y


def _diagonal_into(total: Any, g: Any, shape: tuple[int, ...], offset: int, dim1: int, dim2: int) -> None:
    part = _diagonal(total, offset, dim1, dim2)
    part += g


def _place_diagonal(x: Any, shape: tuple[int, ...], offset: int, dim1: int, dim2: int) -> Any:
    y = zeros_beside(x, shape)
    _diagonal(y, offset, dim1, dim2)[...] = x
    return y


diagonal = op(
    _diagonal,
    vjp=lambda g, x_shape, offset, dim1, dim2: place_diagonal(g, x_shape, offset, dim1, dim2),
    into=_diagonal_into,
    name="diagonal",
    view=True,
    cases=lambda: [
        (real(3, 3), 0, 0, 1),
        (real(2, 4), 1, 0, 1),
        (real(4, 2), -1, 1, 0),
        (real(2, 3, 4), 0, -1, 0),
        (real(2, 2), 5, 0, 1),
    ],
)
place_diagonal = op(
    _place_diagonal,  # zeros of a shape, with x on a diagonal
    vjp=lambda g, offset, dim1, dim2: diagonal(g, offset, dim1, dim2),
    name="place_diagonal",
    cases=lambda: [(real(3), (3, 3), 0, 0, 1), (real(2), (2, 4), 1, 0, 1), (real(3, 2), (2, 3, 4), 0, -1, 0)],
)
flip = op(
    lambda x, dims: np.flip(x, dims).copy(),  # PyTorch's is no view either
    vjp=lambda g, dims: flip(g, dims),
    name="flip",
    cases=lambda: [(real(3, 4), (0,)), (real(3, 4), (0, 1)), (real(2, 3, 4), (-1,))],
)
roll = op(
    lambda x, shifts, dims: np.roll(x, shifts, dims),
    vjp=lambda g, shifts, dims: roll(g, tuple(-s for s in shifts), dims),
    name="roll",
    cases=lambda: [(real(3, 4), (1,), (0,)), (real(3, 4), (2, -1), (0, 1))],
)


def invert_order(dims: tuple[int, ...]) -> tuple[int, ...]:
    order = [d % len(dims) for d in dims]
    return tuple(order.index(i) for i in range(len(dims)))


def _repeat_sum(g: Any, shape: tuple[int, ...], repeats: tuple[int, ...]) -> Any:
    full = (1,) * (len(repeats) - len(shape)) + shape
    split = tuple(n for pair in zip(repeats, full, strict=True) for n in pair)  # (copies, size) per dimension
    summed = sum_to(reshape(g, split), tuple(1 if i % 2 == 0 else n for i, n in enumerate(split)))
    return reshape(summed, shape)


repeat = op(
    lambda x, repeats: np.tile(x, repeats),
    vjp=lambda g, x_shape, repeats: _repeat_sum(g, x_shape, repeats),
    name="repeat",
    cases=lambda: [(real(3, 4), (2, 1)), (real(3), (2, 3)), (real(2, 3), (1, 2, 2)), (real(), (3,))],
)


# -- joining: the operations take their tensors one by one, so that each is an input of the graph ----------


def _narrow_into(total: Any, g: Any, shape: tuple[int, ...], dim: int, start: int) -> None:
    total[(slice(None),) * dim + (slice(start, start + g.shape[dim]),)] += g


narrow = op(
    lambda x, dim, start, length: x[(slice(None),) * dim + (slice(start, start + length),)],
    vjp=lambda g, x_shape, dim, start: widen(g, x_shape, dim, start),
    into=_narrow_into,
    name="narrow",
    view=True,
    cases=lambda: [(real(3, 4), 1, 1, 2), (real(5), 0, 0, 5), (real(2, 3, 4), 1, 2, 1), (real(3, 4), 0, 1, 0)],
)


def _widen(x: Any, shape: tuple[int, ...], dim: int, start: int) -> Any:
    out = zeros_beside(x, shape)
    out[(slice(None),) * dim + (slice(start, start + x.shape[dim]),)] = x
    return out


widen = op(
    _widen,
    vjp=lambda g, x_shape, dim, start: narrow(g, dim, start, x_shape[dim]),
    name="widen",
    cases=lambda: [(real(3, 2), (3, 4), 1, 1), (real(2), (5,), 0, 0)],
)
