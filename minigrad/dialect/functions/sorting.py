"""Sorting, ranking, counting and searching.

Places are found with NumPy's sort and have no derivative; values are then picked at these places (`gather`), which has.
Sorting is stable in both directions, and NaN counts as the largest number.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...core.tensor import Tensor, wrap
from ...device import beside, namespace
from ...errors import GradientError
from ...events import compute, report
from ...ops import arithmetic, indexing, reductions
from ...ops.shapes import axis
from .gathering import take_along_dim
from .reductions import ValuesAndIndices
from .shapes import as_index, reshape


def argsort(input: Tensor, dim: int = -1, descending: bool = False, *, stable: bool = False) -> Tensor:
    """The indices that sort `input` along `dim`. Equal elements keep their order, stable or not."""
    d, x = axis(dim, input.ndim), input.array
    if not x.ndim:
        return wrap(compute(make_zero, x))
    return wrap(compute(order_descending if descending else order, x, d))


make_zero = lambda x: np.zeros_like(x, dtype=np.int64)


def order(x: Any, d: int) -> Any:
    return np.argsort(x, axis=d, kind="stable")


def order_descending(x: Any, d: int) -> Any:
    backwards = np.argsort(np.flip(x, d), axis=d, kind="stable")
    return np.flip(x.shape[d] - 1 - backwards, d).copy()


def sort(input: Tensor, dim: int = -1, descending: bool = False, *, stable: bool = False) -> ValuesAndIndices:
    """(values, indices) in order along `dim`. Equal elements keep their order, stable or not."""
    indices = argsort(input, dim, descending)
    return ValuesAndIndices(take_at(input, dim, indices), indices)


def topk(input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> ValuesAndIndices:
    """(values, indices) of the k largest (or smallest) elements along `dim`, in order."""
    d = axis(dim, input.ndim)
    n = input.shape[d] if input.ndim else 1
    k = as_index("topk", "k", k)
    if not 0 <= k <= n:
        raise GradientError(f"topk: k is {k}, but dimension {dim} of {input.shape} has {n} elements; expected 0 to {n}")
    order = argsort(input, dim, descending=largest)
    if input.ndim:
        order = wrap(order.array[(slice(None),) * d + (slice(0, k),)])
    return ValuesAndIndices(take_at(input, dim, order), order)


def kthvalue(input: Tensor, k: int, dim: int = -1, keepdim: bool = False) -> ValuesAndIndices:
    """(values, indices) of the k-th smallest elements along `dim`, counted from 1."""
    d = axis(dim, input.ndim)
    n = input.shape[d] if input.ndim else 1
    k = as_index("kthvalue", "k", k)
    if not 1 <= k <= n:
        raise GradientError(
            f"kthvalue: k is {k}, but dimension {dim} of {input.shape} has {n} elements; expected 1 to {n}"
        )
    if not input.ndim:
        return ValuesAndIndices(input.clone(), argsort(input))
    index = argsort(input, dim).array[(slice(None),) * d + (slice(k - 1, k),)]
    return ValuesAndIndices(
        indexing.select_along(input, index, d, keepdim), wrap(index if keepdim else index.squeeze(d))
    )


def median(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """The median, of all elements or (values, indices) along `dim`; of an even number the lower one in the middle.

    Where there is a NaN, the median is NaN.
    """
    if dim is None:  # equal elements share the gradient, as in max() of everything
        middle = median(reshape(input.detach(), -1), 0).values
        if not input.requires_grad:
            return middle
        report("read", "the median of all elements")
        is_number = bool((middle == middle).array)  # a NaN is the largest element itself
        lower = arithmetic.where(arithmetic.less_equal(input, middle), input, -np.inf) if is_number else input
        return reductions.amax(lower, None, False)
    if input.ndim and not input.shape[axis(dim, input.ndim)]:
        raise GradientError(
            f"median: a tensor of shape {input.shape} has no elements along dim={dim}; check numel() first"
        )
    d = axis(dim, input.ndim)
    n = input.shape[d] if input.ndim else 1
    if not input.ndim or input.dtype.kind != "f":
        return kthvalue(input, (n + 1) // 2, dim, keepdim)
    middle = argsort(input, dim).array[(slice(None),) * d + (slice((n - 1) // 2, (n + 1) // 2),)]
    index = compute(find_middle_or_nan, input.array, middle, d)
    return ValuesAndIndices(
        indexing.select_along(input, index, d, keepdim), wrap(index if keepdim else index.squeeze(d))
    )


def find_middle_or_nan(x: Any, middle: Any, d: int) -> Any:
    """The place in the middle, or of the first NaN."""
    is_nan = np.isnan(x)
    return np.where(is_nan.any(axis=d, keepdims=True), is_nan.argmax(axis=d, keepdims=True), middle)


def take_at(input: Tensor, dim: int, indices: Tensor) -> Tensor:
    return indexing.gather(input, axis(dim, input.ndim), indices.array)


def unique(
    input: Tensor,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """The different elements (or slices along `dim`) in ascending order; with their places and counts when asked for.

    Returns values, or (values, inverse, counts) less what was not asked for. `values[inverse]` is the input.
    """
    d = None if dim is None else axis(dim, input.ndim)
    report("read", "unique()")
    search: Any = np.unique
    found = search(input.array, return_inverse=return_inverse, return_counts=return_counts, axis=d, equal_nan=False)
    if not (return_inverse or return_counts):
        return wrap(found)
    values, *rest = found
    if return_inverse:
        rest[0] = rest[0].reshape(input.shape if d is None else -1)
    return (wrap(values), *map(wrap, rest))


def bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """How often each of 0, 1, ... occurs in a vector of integers, or the sum of the weights where it occurs."""
    x = input.array
    if x.ndim != 1 or x.dtype.kind not in "iu" or (x.size and bool((x < 0).any())):
        raise GradientError(
            f"bincount: expected a vector of integers >= 0, got {input.dtype} of shape {input.shape}"
            + (f" with {x.min()}" if x.size and x.dtype.kind in "iu" else "; flatten or convert it")
        )
    report("read", "bincount()")
    counted = np.bincount(x, None if weights is None else weights.array, minlength)
    single = weights is not None and weights.dtype == np.float32
    return wrap(counted.astype(np.float32) if single else counted)


def searchsorted(
    sorted_sequence: Tensor,
    input: Any,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: Tensor | None = None,
) -> Tensor:
    """Where to insert each element of `input` to keep the last dimension of `sorted_sequence` in order.

    sorted_sequence: one vector for all, or (..., n) beside an input (..., m). right: after equal elements, not before.
    sorter: the indices that bring a sequence in order which is not (from argsort). A NaN is the largest number.
    """
    if side not in (None, "left", "right"):
        raise ValueError(f"searchsorted: side={side!r}; expected 'left' or 'right'")
    if right and side == "left":
        raise GradientError("searchsorted: right=True and side='left' say the opposite; give one of them")
    right = right or side == "right"
    edges = sorted_sequence.array if sorter is None else take_along_dim(sorted_sequence, sorter, -1).array
    x = input.array if isinstance(input, Tensor) else beside(np.asarray(input), edges)
    if edges.ndim != 1 and edges.shape[:-1] != x.shape[:-1]:
        raise GradientError(
            f"searchsorted: the sequence has shape {edges.shape} and the input {x.shape}; all dimensions but the last "
            "must be equal, unless the sequence is a vector"
        )
    if edges.ndim == 1:
        found = namespace(edges).searchsorted(edges, x, side="right" if right else "left")
    else:
        edges, x = edges[..., None, :], x[..., None]
        below = (edges <= x) | (x != x) if right else (edges < x) | ((x != x) & (edges == edges))
        found = below.sum(-1)
    return wrap(np.asarray(found) if isinstance(found, np.generic) else found).to(np.int32 if out_int32 else np.int64)


def bucketize(input: Any, boundaries: Tensor, *, out_int32: bool = False, right: bool = False) -> Tensor:
    """The bucket of each element: how many boundaries are below it (`right`: below or equal)."""
    return searchsorted(boundaries, input, out_int32=out_int32, right=right)


def count_nonzero(input: Tensor, *places: Any, dim: Any = None) -> Tensor:
    """How many elements are not 0, of all or over the dimensions `dim`."""
    if places:
        dim = places[0] if len(places) == 1 else places
    return reductions.sum_(
        wrap(compute(np.not_equal, input.array, 0)), tuple(dim) if isinstance(dim, list) else dim, False
    )


def nonzero(input: Tensor, *, as_tuple: bool = False) -> Any:
    """The places of the elements that are not 0: (how many, ndim), or with as_tuple one vector per dimension."""
    report("read", "nonzero()")
    x = input.array
    places = np.nonzero(x if x.ndim or not as_tuple else x.reshape(1)) if x.ndim or as_tuple else ()
    if as_tuple:
        return tuple(wrap(p) for p in places)
    if not x.ndim:
        return wrap(namespace(x).empty((int(x != 0), 0), np.int64))
    return wrap(namespace(x).stack(places, axis=1))
