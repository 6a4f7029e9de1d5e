"""Picking elements, and the adjoint: adding into the picked places. The two are one pair, each the other's rule.

An element may be picked several times, so its cotangents must *add up*. `np.add.at` does that slowly. A bincount over
flat positions does it fast. Where the places are known to be unique, a plain assignment is enough.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from ..device import is_array, namespace, zeros_beside
from ..errors import GradientError
from .shapes import reshape, sum_to
from .table import constant, integers, op, real

# -- x[key] -----------------------------------------------------------------------------------------------


def is_basic(key: Any) -> bool:
    """Whether the key is made of ints, slices, None and ... only: such places are unique and the result is a view."""
    parts = key if isinstance(key, tuple) else (key,)
    return all(p is None or p is Ellipsis or type(p) in (int, slice) for p in parts)


def add_at(x: Any, shape: tuple[int, ...], key: Any) -> Any:
    """Zeros of `shape` with x added at `[key]`, repeated places adding up."""
    out = zeros_beside(x, shape)
    if is_basic(key) or (is_array(key) and key.dtype == bool):
        out[key] = x
        return out
    size = out.size
    if not size or not x.size:
        return out
    rows = find_different_rows(shape, key)
    if rows is not None:
        length = math.prod(shape[len(key) :])
        out.reshape(-1, length)[rows] = x.reshape(len(rows), length)
        return out
    positions = namespace(x).arange(size).reshape(shape)[key]
    return add_at_flat(x, positions, shape)


def find_different_rows(shape: tuple[int, ...], key: Any) -> Any:
    """Of a key of arrays for the first dimensions: the numbers of the rows it picks, if none is picked twice; else
    None. A distribution for each sample's action: putting 64 rows in their places takes a third of adding up."""
    if type(key) is not tuple or len(key) >= len(shape):
        return None
    for k in key:
        if type(k) is not np.ndarray or k.dtype.kind not in "iu":
            return None
    first = shape[: len(key)]
    count = math.prod(first)
    rows = np.arange(count).reshape(first)[key].ravel()
    picked = np.bincount(rows, minlength=count)
    return rows if picked.item(picked.argmax()) <= 1 else None


def add_at_flat(x: Any, positions: Any, shape: tuple[int, ...]) -> Any:
    """Zeros of `shape` with x added at the flat `positions`. Sums in float64, whatever the dtype."""
    size = 1
    for n in shape:
        size *= n
    total = np.bincount(positions.ravel(), weights=x.ravel(), minlength=size)
    return total.reshape(shape).astype(x.dtype)


def _index_into(total: Any, g: Any, shape: tuple[int, ...], key: Any) -> None:
    if is_basic(key):
        total[key] += g
    else:
        total += add_at(g, shape, key)


def _index(x: Any, key: Any) -> Any:
    y = x[key]
    if isinstance(y, np.generic):  # NumPy copies a single element, unless there is a ... in the key
        return x[(*key, ...)] if isinstance(key, tuple) else x[key, ...]
    return y


index = op(
    _index,
    vjp=lambda g, x_shape, key: index_add(g, x_shape, key),
    into=_index_into,
    name="index",
    view=True,
    cases=lambda: [
        (real(3, 4), 1),
        (real(3, 4), (slice(None), 2)),
        (real(3, 4), (slice(None, None, -2), None, slice(1, 3))),
        (real(2, 3, 4), (Ellipsis, -1)),
        (real(5), np.array([0, 3, 3, -1])),
        (real(3, 4), (np.array([0, 2, 0]), np.array([1, 3, 1]))),
        (real(3, 4), (np.array([[0], [2]]), np.array([1, 1, 3]))),
        (real(2, 3, 4), (np.array([0, 1, 1]), np.array([2, -1, 0]))),
        (real(2, 3, 4), (np.array([[0, 1], [0, 0]]), np.array([2, -1]))),
        (real(3, 4), np.array([[True, False, True, False]] * 3)),
        (real(3, 4), (slice(None), np.array([True, False, True, True]))),
        (real(3, 4), np.array([], dtype=np.int64)),
    ],
)
index_add = op(
    add_at,
    vjp=lambda g, key: index(g, key),
    name="index_add",
    cases=lambda: [
        (real(4), (3, 4), 1),
        (real(4), (5,), np.array([0, 3, 3, -1])),
        (real(3), (3, 4), (np.array([0, 2, 0]), np.array([1, 3, 1]))),
        (real(3, 4), (2, 3, 4), (np.array([0, 1, 1]), np.array([2, -1, 0]))),
        (real(2, 4), (2, 3, 4), (np.array([1, 1]), np.array([2, -1]))),
        (real(2, 4), (3, 4), np.array([True, False, True])),
        (real(3, 2), (3, 4), (slice(None), slice(None, None, 2))),
    ],
)


def _assign(x: Any, value: Any, key: Any) -> Any:
    y = np.asarray(x).copy() if isinstance(x, np.generic) else x.copy()  # a 0-d cotangent may be a NumPy scalar
    y[key] = value
    return y


assign = op(
    _assign,  # a copy of x with y[key] = value
    vjp=dict(
        x=lambda g, key: assign(g, 0.0, key),
        value=lambda g, value_shape, key: sum_to_value(index(g, key), value_shape),
    ),
    name="assign",
    cases=lambda: [
        (real(3, 4), real(4), 1),
        (real(3, 4), real(3), (slice(None), 2)),
        (real(5), real(2), np.array([0, 3])),
        (real(3, 4), real(), (slice(1, 3), slice(0, 2))),
        (real(3, 4), real(1, 4), slice(0, 2)),
        (real(3, 4), real(1, 1, 4), 1),
        (real(2, 3), real(3), np.array([True, False])),
    ],
)


def sum_to_value(g: Any, shape: tuple[int, ...]) -> Any:
    """The cotangent of the assigned value: summed over what broadcasting repeated."""
    while len(shape) > len(g.shape):  # a value may have leading dimensions of size 1 more than the place
        g = reshape(g, (1, *g.shape))
    return sum_to(g, shape) if g.shape != shape else g


# -- along one dimension ----------------------------------------------------------------------------------


@functools.lru_cache(maxsize=64)
def _column(n: int) -> Any:
    """0 .. n - 1 as a column, kept because a batch asks for the same one at every step."""
    return np.arange(n)[:, None]


def _along(x_shape: tuple[int, ...], index: Any, dim: int) -> tuple:
    """The key that walks `index` along `dim` and all other dimensions in step with it."""
    ndim = len(x_shape)
    dim = dim % ndim
    if ndim == 2 and type(index) is np.ndarray:  # the case of RL, without the general case's loop
        return (_column(index.shape[0]), index) if dim else (index, np.arange(index.shape[1]))
    arange, steps = namespace(index).arange, []
    for d in range(ndim):
        shape = [1] * ndim
        shape[d] = index.shape[d]
        steps.append(index if d == dim else arange(index.shape[d]).reshape(shape))
    return tuple(steps)


def _check_along(name: str, x_shape: tuple[int, ...], dim: int, index: Any, longer: bool = True) -> None:
    if index.dtype.kind not in "iu":
        raise GradientError(
            f"{name}: index must be an integer tensor, this one is {index.dtype}; convert it with .long()"
        )
    if index.ndim != len(x_shape):
        raise GradientError(
            f"{name}: index has shape {index.shape} and the input {x_shape}; "
            "they must have the same number of dimensions"
            + ("; for one element per row use index.unsqueeze(1)" if index.ndim == len(x_shape) - 1 else "")
        )
    if not -max(index.ndim, 1) <= dim < max(index.ndim, 1):
        raise IndexError(f"{name}: dim={dim} is out of range for a {index.ndim}-d tensor; dimensions count from 0")
    for d, (n, m) in enumerate(zip(index.shape, x_shape, strict=True)):
        if n > m and not (longer and d == dim % index.ndim):
            raise GradientError(
                f"{name}: index has shape {index.shape} and the input {x_shape}; index must not be longer than it "
                f"in dimension {d}" + (f", only in dimension {dim}" if longer else "")
            )


def check_bounds(name: str, index: Any, low: int, high: int) -> None:
    """Raise IndexError unless low <= index < high everywhere."""
    if type(index) is np.ndarray:
        # argmin and argmax are vectorised for integers, min and max are not
        fits = not index.size or (index.item(index.argmin()) >= low and index.item(index.argmax()) < high)
    else:  # CuPy would wrap around without a word; to look costs waiting for the GPU once
        fits = bool(((index >= low) & (index < high)).all())
    if not fits:
        bad = index[(index < low) | (index >= high)].ravel()[0]
        raise IndexError(
            f"{name}: index {bad} is out of bounds for a dimension of size {high}; expected {low} to {high - 1}"
        )


_INT64 = np.dtype(np.int64)


def _gather(x: Any, dim: int, index: Any) -> Any:
    if dim == 1 and x.ndim == 2 and index.dtype == _INT64 and index.shape == (len(x), 1):
        check_bounds("gather", index, 0, x.shape[1])  # Q(s, a): one element a row
        return x[_along(x.shape, index, 1)]
    _check_along("gather", x.shape, dim, index)
    check_bounds("gather", index, 0, x.shape[dim] if x.ndim else 1)
    if not x.ndim:
        return x.copy()
    return x[_along(x.shape, index, dim)]


gather = op(
    _gather,
    vjp=lambda g, x_shape, dim, index: scatter_add_zeros(g, x_shape, dim, index) if x_shape else g,
    name="gather",
    cases=lambda: [
        (real(), 0, constant(0)),
        (real(4, 3), -1, integers(0, 3, 4, 2)),
        (real(4, 3), 1, integers(0, 3, 4, 1)),
        (real(4, 3), 1, integers(0, 3, 4, 5)),
        (real(4, 3), 0, integers(0, 4, 2, 3)),
        (real(4, 3), 1, integers(0, 3, 2, 2)),
        (real(4, 3), 0, integers(0, 4, 0, 3)),
        (real(2, 3, 4), -1, integers(0, 4, 2, 3, 2)),
        (real(5), 0, integers(0, 5, 7)),
    ],
)


def _scatter_add_zeros(x: Any, shape: tuple[int, ...], dim: int, index: Any) -> Any:
    key = _along(shape, index, dim)
    if index.shape[dim] == 1:  # one place per row: nothing to add up
        out = zeros_beside(x, shape)
        out[key] = x
        return out
    positions = namespace(x).arange(int(np.prod(shape))).reshape(shape)[key]
    x = x[tuple(slice(0, n) for n in index.shape)]
    return add_at_flat(x, positions, shape) if x.size else zeros_beside(x, shape)


scatter_add_zeros = op(
    _scatter_add_zeros,
    vjp=lambda g, dim, index: gather(g, dim, index),
    name="scatter_add_zeros",
    cases=lambda: [
        (real(4, 1), (4, 3), 1, integers(0, 3, 4, 1)),
        (real(4, 5), (4, 3), 1, integers(0, 3, 4, 5)),
        (real(2, 3), (4, 3), 0, integers(0, 4, 2, 3)),
        (real(2, 2), (4, 3), 1, integers(0, 3, 2, 2)),
        (real(2, 3, 2), (2, 3, 4), -1, integers(0, 4, 2, 3, 2)),
        (real(0, 3), (4, 3), 0, integers(0, 4, 0, 3)),
    ],
)


def select_along(x: Any, index: Any, dim: int, keepdim: bool) -> Any:
    """`gather` for an index of size 1 along `dim` that is known to be in range (it comes from argmax, say)."""
    return select(x, dim, keepdim, getattr(index, "array", index))


def _select(x: Any, dim: int, keepdim: bool, index: Any) -> Any:
    if not x.ndim:
        return x.copy()
    y = x[_along(x.shape, index, dim)]
    return y if keepdim else y.squeeze(dim)


select = op(
    _select,
    vjp=lambda g, x_shape, dim, keepdim, index: (
        scatter_add_zeros(reshape(g, index.shape), x_shape, dim, index) if x_shape else g
    ),
    name="select",
    cases=lambda: [
        (real(4, 3), 1, False, integers(0, 3, 4, 1)),
        (real(4, 3), 0, True, integers(0, 4, 1, 3)),
        (real(2, 3, 4), 1, False, integers(0, 3, 2, 1, 4)),
        (real(), 0, False, constant(0)),
    ],
)


def _index_select(x: Any, dim: int, index: Any) -> Any:
    check_bounds("index_select", index, 0, x.shape[dim])
    return x.take(index, axis=dim)


index_select = op(
    _index_select,
    vjp=lambda g, x_shape, dim, index: index_add(g, x_shape, (slice(None),) * (dim % len(x_shape)) + (index,)),
    name="index_select",
    cases=lambda: [
        (real(3, 4), 1, integers(0, 4, 5)),
        (real(3, 4), -2, integers(0, 3, 2)),
        (real(3, 4), -1, integers(0, 4, 2)),
        (real(5), 0, integers(0, 5, 7)),
    ],
)


def _one_hot(x: Any, num_classes: int) -> Any:
    if x.dtype.kind not in "iu":
        raise GradientError(
            f"one_hot: expected an integer tensor of class indices, got {x.dtype}; convert it with .long()"
        )
    n = int(x.max()) + 1 if num_classes < 0 and x.size else num_classes
    check_bounds("one_hot", x, 0, n)
    return (x[..., None] == namespace(x).arange(n)).astype(np.int64)


one_hot = op(
    _one_hot, name="one_hot", cases=lambda: [(integers(0, 3, 4), 3), (integers(0, 3, 2, 2), -1), (integers(0, 3, 0), 4)]
)
