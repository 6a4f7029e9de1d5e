"""Reductions: many elements become one. The adjoint spreads the cotangent back over the elements."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from ..device import namespace
from .arithmetic import cast, where
from .indexing import select_along
from .shapes import axes, flip, spread_sum
from .table import constant, distinct, op, real


def dims_of(domain: Any) -> list[tuple]:
    return [
        (domain(3, 4), None, False),
        (domain(3, 4), 1, False),
        (domain(3, 4), -2, True),
        (domain(2, 3, 4), (0, 2), False),
        (domain(2, 3, 4), [-1, 0], True),
        (domain(5), 0, False),
        (domain(), None, False),
    ]


def dim_of(x: Any, dim: Any) -> Any:
    """`dim` as NumPy takes it, checked."""
    if dim is None or (type(dim) is int and -x.ndim <= dim < x.ndim):
        return dim
    return axes(dim, x.ndim)


def count_summed(shape: tuple[int, ...], dim: Any) -> int:
    n = 1
    for d in axes(dim, len(shape)):
        n *= shape[d]
    return n


@functools.lru_cache(maxsize=64)
def ones(n: int, dtype: Any) -> Any:
    """The same array at every call, to multiply with."""
    return np.ones(n, dtype)


_FLOAT32 = np.dtype(np.float32)
_SHORT = 512


def row_sums(x: Any) -> Any:
    """Σ over the last dimension, which stays with size 1. Of short rows as a product with ones: BLAS takes a tenth of
    a reduction's time, which is spent row by row. Of long rows as a reduction, which is more exact."""
    n = x.shape[-1]
    if type(x) is not np.ndarray or not 0 < n <= _SHORT:
        return np.add.reduce(x, axis=-1, keepdims=True)
    return x.reshape(-1, n).dot(ones(n, x.dtype)).reshape(*x.shape[:-1], 1)


def _sum(x: Any, dim: Any, keepdim: bool) -> Any:
    if x.ndim == 2 and dim in (1, -1) and x.dtype.kind == "f":
        return row_sums(x) if keepdim else row_sums(x)[:, 0]
    dtype = np.int64 if x.dtype.kind in "bui" else None
    return np.add.reduce(x, axis=dim_of(x, dim), dtype=dtype, keepdims=keepdim)


sum_ = op(
    _sum,
    vjp=lambda g, x_shape, dim, keepdim: spread_sum(g, x_shape, dim, keepdim),
    cases=lambda: [*dims_of(real), (real(0, 3), 0, False)],
)


def _mean(x: Any, dim: Any, keepdim: bool) -> Any:
    n = x.size if dim is None else count_summed(x.shape, dim)
    return np.add.reduce(x, axis=dim_of(x, dim), keepdims=keepdim) / x.dtype.type(n)


mean = op(
    _mean,
    vjp=lambda g, x_shape, dim, keepdim: spread_sum(g / count_summed(x_shape, dim), x_shape, dim, keepdim),
    cases=lambda: dims_of(real),
)


def _mean_square_deviation(x: Any, dim: Any, keepdim: bool, correction: int) -> Any:
    if dim is None and not keepdim:  # of everything: as products of vectors, half the time
        x = x.ravel()
        centred = x - np.add.reduce(x) / x.dtype.type(x.size)
        return centred.dot(centred) / x.dtype.type(max(x.size - correction, 0))
    n = count_summed(x.shape, dim)
    centred = x - np.add.reduce(x, axis=dim_of(x, dim), keepdims=True) / n
    total = np.add.reduce(centred * centred, axis=dim_of(x, dim), keepdims=keepdim)
    return total / x.dtype.type(max(n - correction, 0))


def _spread(x: Any, dim: Any, keepdim: bool, correction: int) -> Any:
    """The variance; where the squares leave the range of float32, in float64. (On a GPU, to look would be to wait.)"""
    if type(x) is np.ndarray:
        y = _mean_square_deviation(x, dim, keepdim, correction)
        if x.dtype != _FLOAT32 or _float32_holds(y):
            return y
    return _mean_square_deviation(x.astype(np.float64), dim, keepdim, correction)


def _float32_holds(squares: Any) -> bool:
    if not squares.ndim:
        return 1e-30 < float(squares) < 1e38
    # argmin and argmax are vectorised, min and max are not
    return not squares.size or (
        squares.item(squares.argmin()) > 1e-30 and squares.item(squares.argmax()) < 1e38  # neither holds for NaN
    )


def cast_like(x: Any, y: Any) -> Any:
    """y in the dtype of x; too large a variance is infinite."""
    if y.dtype == x.dtype:
        return y
    with np.errstate(over="ignore"):
        return y.astype(x.dtype)


def subtract_mean(x: Any, dim: Any) -> Any:
    return x - mean(x, dim, True)


var = op(
    lambda x, dim, keepdim, correction: cast_like(x, _spread(x, dim, keepdim, correction)),
    vjp=lambda g, x, dim, keepdim, correction: (
        spread_sum(g * 2 / (count_summed(x.shape, dim) - correction), x.shape, dim, keepdim) * subtract_mean(x, dim)
    ),
    name="var",
    cases=lambda: [(x, dim, keepdim, 1) for x, dim, keepdim in dims_of(real)[:-1]] + [(real(3, 4), 0, False, 0)],
)
std = op(
    lambda x, dim, keepdim, correction: cast_like(x, np.sqrt(_spread(x, dim, keepdim, correction))),
    vjp=lambda g, y, x, dim, keepdim, correction: (
        spread_sum(
            # the slope at a deviation of 0 is taken as 0: with y = 0 replaced by 1 it is, by the factor x - mean
            g / where(y == 0, 1.0, y) / (count_summed(x.shape, dim) - correction),
            x.shape,
            dim,
            keepdim,
        )
        * subtract_mean(x, dim)
    ),
    name="std",
    cases=lambda: [(x, dim, keepdim, 1) for x, dim, keepdim in dims_of(real)[:-1]] + [(real(3, 4), 0, False, 0)],
)


def share_among_ties(g: Any, x: Any, y: Any, dim: Any, keepdim: bool) -> Any:
    """Every element that equals the extreme value gets an equal part of the cotangent."""
    ties = x == spread_sum(y, x.shape, dim, keepdim)
    count = cast(sum_(ties, dim, True), g.dtype, np.int64)  # dividing by integers would make float32 float64
    return spread_sum(g, x.shape, dim, keepdim) * ties / count


amax = op(
    lambda x, dim, keepdim: x.max(axis=dim_of(x, dim), keepdims=keepdim),
    vjp=lambda g, y, x, dim, keepdim: share_among_ties(g, x, y, dim, keepdim),
    name="amax",
    cases=lambda: dims_of(distinct),
)
amin = op(
    lambda x, dim, keepdim: x.min(axis=dim_of(x, dim), keepdims=keepdim),
    vjp=lambda g, y, x, dim, keepdim: share_among_ties(g, x, y, dim, keepdim),
    name="amin",
    cases=lambda: dims_of(distinct),
)
argmax = op(
    lambda x, dim, keepdim: np.argmax(x, axis=dim, keepdims=keepdim),
    name="argmax",
    cases=lambda: [(distinct(3, 4), None, False), (distinct(3, 4), 1, False), (distinct(3, 4), 0, True)],
)
argmin = op(
    lambda x, dim, keepdim: np.argmin(x, axis=dim, keepdims=keepdim),
    name="argmin",
    cases=lambda: [(distinct(3, 4), None, False), (distinct(3, 4), 1, False), (distinct(3, 4), 0, True)],
)
all_ = op(
    lambda x, dim, keepdim: np.all(x, axis=dim_of(x, dim), keepdims=keepdim), name="all", cases=lambda: dims_of(real)
)
any_ = op(
    lambda x, dim, keepdim: np.any(x, axis=dim_of(x, dim), keepdims=keepdim), name="any", cases=lambda: dims_of(real)
)


def multiply_others(x: Any, dim: int) -> Any:
    """The product of all other elements along `dim`, without dividing (an element may be 0)."""
    n = x.shape[dim]
    spread = unsqueeze_at(x, dim)  # (..., 1, n, ...): row i will hold the factors of the i-th product
    mask = namespace(x).eye(n, dtype=bool).reshape((n, n) + (1,) * (len(x.shape) - dim - 1))
    return prod(where(mask, 1.0, spread), dim + 1, False)


def unsqueeze_at(x: Any, dim: int) -> Any:
    """x with a new dimension of size 1 before `dim`."""
    from .shapes import reshape

    return reshape(x, (*x.shape[:dim], 1, *x.shape[dim:]))


prod = op(
    lambda x, dim, keepdim: np.multiply.reduce(
        x, axis=dim % max(x.ndim, 1), keepdims=keepdim, dtype=np.int64 if x.dtype.kind in "bui" else None
    ),
    vjp=lambda g, x, dim, keepdim: (
        spread_sum(g, x.shape, dim, keepdim) * multiply_others(x, dim % len(x.shape)) if x.shape else g
    ),
    name="prod",
    cases=lambda: [
        (real(3, 4), 1, False),
        (real(3, 4), -2, True),
        (real(2, 3, 2), 1, False),
        (constant([2.0, 0.0, 3.0]), 0, False),
        (real(1), 0, False),
        (real(), 0, False),
    ],
)


def _logsumexp(x: Any, dim: Any, keepdim: bool) -> Any:
    top: Any = 0
    if x.size:  # the sum over nothing is 0, its logarithm -inf
        top = x.max(axis=dim_of(x, dim), keepdims=True)
        top = np.where(np.isfinite(top), top, 0)  # a row of -inf gives -inf, not NaN
    total = np.add.reduce(np.exp(x - top), axis=dim_of(x, dim), keepdims=True)
    with np.errstate(divide="ignore"):  # log 0 = -inf is meant: a row of -inf, or of nothing
        y = np.log(total) + top
    return y if keepdim else y.reshape([n for i, n in enumerate(x.shape) if i not in axes(dim, x.ndim)])


logsumexp = op(
    _logsumexp,
    vjp=lambda g, y, x, dim, keepdim: (
        spread_sum(g, x.shape, dim, keepdim) * np.exp(x - spread_sum(y, x.shape, dim, keepdim))
    ),
    cases=lambda: dims_of(real),
)
norm2 = op(
    lambda x, dim, keepdim: np.sqrt(np.add.reduce(x * x, axis=dim_of(x, dim), keepdims=keepdim)),
    vjp=lambda g, y, x, dim, keepdim: (
        # the slope at 0 is taken as 0: x / y with y = 0 replaced by 1 is 0 there
        spread_sum(g / where(y == 0, 1.0, y), x.shape, dim, keepdim) * x
    ),
    name="norm",
    cases=lambda: dims_of(real),
)


def _norm_of_order(x: Any, p: float, dim: Any, keepdim: bool) -> Any:
    with np.errstate(divide="ignore"):  # of a negative order, 0 ** p is infinite, and the norm is 0
        return np.add.reduce(np.abs(x) ** p, axis=dim_of(x, dim), keepdims=keepdim) ** (1 / p)


def _norm_slope(g: Any, y: Any, x: Any, p: float, dim: Any, keepdim: bool) -> Any:
    # |x|ᵖ⁻¹ y¹⁻ᵖ, but 0 for elements that are 0, and where the norm is 0: no 0 * ∞ is formed.
    of_norm = where(y == 0, 0.0, g) * where(y == 0, 1.0, y) ** (1 - p)
    return spread_sum(of_norm, x.shape, dim, keepdim) * np.sign(x) * where(x == 0, 1.0, np.abs(x)) ** (p - 1)


norm_of_order = op(
    _norm_of_order,  # (Σ |x|ᵖ)¹ᐟᵖ
    vjp=_norm_slope,
    name="norm_of_order",
    cases=lambda: [(x, p, *rest) for (x, *rest), p in zip(dims_of(real), (3, 2.5, 3, -1, 0.5, 4, 3), strict=True)],
)
cumsum = op(
    lambda x, dim: np.cumsum(x, axis=dim, dtype=np.int64 if x.dtype.kind in "bui" else None),
    vjp=lambda g, dim: flip(cumsum(flip(g, (dim,)), dim), (dim,)),
    name="cumsum",
    cases=lambda: [(real(3, 4), 0), (real(3, 4), -1), (real(5), 0), (real(0, 3), 0)],
)


def _cumprod_slope(g: Any, y: Any, x: Any, dim: int) -> Any:
    if type(x) is np.ndarray and x.all():
        return flip(cumsum(flip(g * y, (dim,)), dim), (dim,)) / x
    # Where an element is 0 the division is not possible: the j-th row holds the running products without factor j.
    n, d = x.shape[dim], dim % len(x.shape)
    xp, after = namespace(x), (1,) * (len(x.shape) - d - 1)
    others = cumprod(where(xp.eye(n, dtype=bool).reshape((n, n, *after)), 1.0, unsqueeze_at(x, d)), d + 1)
    reached = xp.tri(n, dtype=bool).T.reshape((n, n, *after))  # the i-th product contains factor j for i >= j
    return sum_(where(reached, others, 0.0) * unsqueeze_at(g, d), d + 1, False)


cumprod = op(
    lambda x, dim: np.cumprod(x, axis=dim, dtype=np.int64 if x.dtype.kind in "bui" else None),
    vjp=_cumprod_slope,
    name="cumprod",
    cases=lambda: [
        (real(3, 4), 0),
        (real(3, 4), -1),
        (constant([2.0, 0.0, 3.0, 0.5]), 0),
        (constant([[2.0, 0.0], [0.0, 3.0], [1.5, 0.0]]), 0),
        (constant([[[2.0, 0.5], [0.0, 3.0], [1.5, 0.7]], [[0.3, 0.0], [0.9, 3.0], [0.0, 0.6]]]), -2),
        (real(0, 3), 0),
    ],
)


def max_along(x: Any, dim: int, keepdim: bool) -> tuple[Any, Any]:
    """Values and indices of the largest elements along `dim`; a tie goes to the first, and so does its cotangent."""
    index = argmax(x, dim, True)
    return select_along(x, index, dim, keepdim), index if keepdim else index.squeeze(dim)


def min_along(x: Any, dim: int, keepdim: bool) -> tuple[Any, Any]:
    """Values and indices of the smallest elements along `dim`."""
    index = argmin(x, dim, True)
    return select_along(x, index, dim, keepdim), index if keepdim else index.squeeze(dim)
