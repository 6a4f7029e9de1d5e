"""Putting values where an index says: the opposite of gathering.py. Each exists in place too (`scatter_`)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import dtypes
from ...core.tensor import Tensor, wrap
from ...device import namespace
from ...errors import GradientError
from ...events import compute
from ...ops import arithmetic, indexing
from ...ops.shapes import axis
from .converting import as_element
from .gathering import _index_array
from .shapes import expand, reshape


def scatter(
    input: Tensor, dim: int, index: Tensor, src: Any = None, *, value: Any = None, reduce: str | None = None
) -> Tensor:
    """input with src (a tensor or a number) written at the places that `gather(dim, index)` would read.

    reduce: 'add' adds instead (see scatter_add), 'multiply' multiplies. With None, one of those stands that are written
    to the same place.
    """
    if reduce not in (None, "add", "multiply"):
        raise ValueError(f"scatter: reduce={reduce!r}; expected None, 'add' or 'multiply'")
    if (src is None) == (value is None):
        raise TypeError("scatter: expected either src or value; give one of them")
    positions = _index_array("scatter", index)
    given = value if src is None else src
    if not isinstance(given, Tensor):
        given = fill_places(input, as_element("scatter", input, given), positions.shape)
    if reduce == "add":
        return scatter_add(input, dim, index, given)
    if given.dtype != input.dtype:
        raise GradientError(f"scatter: the input is {input.dtype}, src {given.dtype}; convert one of them with .to()")
    indexing._check_along("scatter", input.shape, dim, positions)
    indexing._check_along("scatter", given.shape, dim, positions, longer=False)
    compute(indexing.check_bounds, "scatter", positions, 0, input.shape[dim] if input.ndim else 1)
    if not input.ndim:
        return arithmetic.multiply(input, given) if reduce else given.clone()
    given = indexing.index(given, tuple(slice(0, n) for n in positions.shape))
    key = indexing._along(input.shape, positions, axis(dim, input.ndim))
    return multiply_at(input, key, given) if reduce else indexing.assign(input, given, key)


def multiply_at(input: Tensor, key: tuple, factors: Tensor) -> Tensor:
    """input with the elements that `key` names multiplied by the factors. Each round uses a place once."""
    xp = namespace(input.array)
    places = xp.arange(input.numel()).reshape(input.shape)[key].reshape(-1)
    x, factors, left = reshape(input, -1), reshape(factors, -1), xp.arange(len(places))
    while len(left):
        _, first = np.unique(places[left], return_index=True)
        now, rest = left[first], xp.ones(len(left), bool)
        rest[first] = False
        product = arithmetic.multiply(indexing.index(x, places[now]), indexing.index(factors, now))
        x, left = indexing.assign(x, product, places[now]), left[rest]
    return reshape(x, input.shape)


def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """input with src added at the places that `gather(dim, index)` would read; repeated places add up."""
    positions = _index_array("scatter_add", index)
    if input.dtype != src.dtype:
        raise GradientError(f"scatter_add: the input is {input.dtype}, src {src.dtype}; convert one of them with .to()")
    indexing._check_along("scatter_add", input.shape, dim, positions)
    indexing._check_along("scatter_add", src.shape, dim, positions, longer=False)
    compute(indexing.check_bounds, "scatter_add", positions, 0, input.shape[dim] if input.ndim else 1)
    if not input.ndim:
        return arithmetic.add(input, src)
    if positions.shape != src.shape:
        src = indexing.index(src, tuple(slice(0, n) for n in positions.shape))
    return arithmetic.add(input, indexing.scatter_add_zeros(src, input.shape, dim, positions))


def fill_places(like: Tensor, value: Any, shape: tuple[int, ...]) -> Tensor:
    return wrap(compute(fill_shape, like.array, value, shape))


fill_shape = lambda like, value, shape: np.full_like(like, value, shape=shape)


def find_slices(name: str, input: Tensor, dim: int, index: Tensor, source: Tensor) -> tuple[Tensor, Tensor, tuple]:
    """Input and source with at least one dimension, and the key of the slices along `dim` that `index` names."""
    positions = _index_array(name, index)
    if positions.ndim > 1 or positions.dtype.kind not in "iu":
        raise GradientError(
            f"{name}: index must be a vector of integers, this one is {positions.dtype} of shape {positions.shape}"
        )
    if isinstance(source, Tensor) and source.dtype != input.dtype:
        raise GradientError(
            f"{name}: the input is {input.dtype}, source {source.dtype}; convert one of them with .to()"
        )
    if not input.ndim:
        input, source = reshape(input, 1), reshape(source, 1) if isinstance(source, Tensor) else source
    d, positions = axis(dim, input.ndim), positions.reshape(-1)
    compute(indexing.check_bounds, name, positions, -input.shape[d], input.shape[d])
    if isinstance(source, Tensor):
        expected = (*input.shape[:d], len(positions), *input.shape[d + 1 :])
        if not source.ndim and expected == (1,):
            source = reshape(source, 1)
        if source.shape != expected:
            raise GradientError(
                f"{name}: source has shape {source.shape}; with an input of shape {input.shape} and {len(positions)} "
                f"indices along dimension {dim} expected {expected}"
            )
    return input, source, (slice(None),) * d + (positions,)


def index_add(input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: Any = 1) -> Tensor:
    """input with alpha * source added to the slices along `dim` that a 1-d index names; repeated ones add up."""
    x, source, key = find_slices("index_add", input, dim, index, source)
    added = indexing.index_add(source if alpha == 1 else arithmetic.multiply(source, alpha), x.shape, key)
    return reshape(arithmetic.add(x, added), input.shape)


def index_copy(input: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """input with the slices along `dim` that a 1-d index names replaced by those of source."""
    x, source, key = find_slices("index_copy", input, dim, index, source)
    return reshape(indexing.assign(x, source, key), input.shape)


def index_fill(input: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    """input with one value, a number or a 0-d tensor, in the slices along `dim` that a 1-d index names."""
    x, _, key = find_slices("index_fill", input, dim, index, None)  # type: ignore[arg-type]
    value = as_element("index_fill", input, value)
    d, places = len(key) - 1, key[-1]
    named = namespace(places).zeros(x.shape[d], bool)
    named[places] = True  # a mask: the value's gradient counts an element once, however often it is named
    named = named.reshape([-1 if i == d else 1 for i in range(x.ndim)])
    return reshape(arithmetic.where(named, value, x), input.shape)


def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """input with the places where the mask is True filled with the first elements of source, in order.

    Input and mask broadcast against each other.
    """
    if mask.dtype != dtypes.bool:
        raise GradientError(
            f"masked_scatter: mask must be a bool tensor, this one is {mask.dtype}; convert it with .bool()"
        )
    if source.dtype != input.dtype:
        raise GradientError(
            f"masked_scatter: the input is {input.dtype}, source {source.dtype}; convert one of them with .to()"
        )
    shape = np.broadcast_shapes(input.shape, mask.shape)
    input, where = expand(input, shape), np.broadcast_to(mask.array, shape)
    count = int(where.sum())
    if source.numel() < count:
        raise GradientError(
            f"masked_scatter: the mask holds {count} True, but source only {source.numel()} elements; "
            "give at least as many"
        )
    flat = indexing.index(reshape(source, -1), slice(0, count))
    return indexing.assign(input, flat, where)
