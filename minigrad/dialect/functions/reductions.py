"""Reductions: sums, means, extremes and running sums, with PyTorch's `dim` and `keepdim` or NumPy's names for them."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ... import dtypes
from ...core.tensor import Tensor, wrap
from ...device import as_array
from ...errors import GradientError
from ...events import observers
from ...ops import arithmetic, reductions
from ...ops.shapes import axes, axis
from .converting import check_tensors, to
from .shapes import reshape

any_ = builtins.any


def read_dim(name: str, dim: Any, keepdim: bool, axis: Any, keepdims: bool | None) -> tuple[Any, bool]:
    """PyTorch's and NumPy's words for the same thing."""
    if axis is not None:
        if dim is not None:
            raise TypeError(f"{name}: got both dim={dim} and axis={axis}; they mean the same, give one")
        dim = axis
    if isinstance(dim, list):
        dim = tuple(dim)
    elif isinstance(dim, Tensor):
        dim = int(dim)
    if dim == ():
        dim = None
    keepdim = keepdim if keepdims is None else keepdims
    if keepdim is not True and keepdim is not False and not isinstance(keepdim, np.bool_):
        raise TypeError(f"{name}: keepdim is {keepdim!r}, expected True or False; several dimensions go in a tuple")
    return dim, keepdim


def require_float(name: str, x: Tensor, dtype: Any) -> Tensor:
    if dtype is not None:
        if dtypes.as_dtype(dtype).kind != "f":
            raise GradientError(f"{name}: dtype={dtypes.as_dtype(dtype)} cannot hold a fraction; give a float dtype")
        return to(x, dtype)
    if x.array.dtype.kind != "f":
        raise GradientError(
            f"{name}: not defined for {x.dtype} tensors, only for floating-point ones; convert first, with .float()"
        )
    return x


def sum(
    input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None, axis: Any = None, keepdims: Any = None
) -> Tensor:
    """The sum of all elements, or over the dimensions `dim`."""
    dim, keepdim = read_dim("sum", dim, keepdim, axis, keepdims)
    return reduce_in_dtype(reductions.sum_, input, dtype, dim, keepdim)


def reduce_in_dtype(reduction: Callable[..., Tensor], input: Tensor, dtype: Any, *how: Any) -> Tensor:
    """The reduction of the input as `dtype`; integers are added up in int64, so the result is converted again."""
    return reduction(input, *how) if dtype is None else to(reduction(to(input, dtype), *how), dtype)


def mean(
    input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None, axis: Any = None, keepdims: Any = None
) -> Tensor:
    """The mean of all elements, or over the dimensions `dim`. Floating-point tensors only."""
    dim, keepdim = read_dim("mean", dim, keepdim, axis, keepdims)
    return reductions.mean(require_float("mean", input, dtype), dim, keepdim)


def var(
    input: Tensor,
    dim: Any = None,
    unbiased: Any = None,
    keepdim: bool = False,
    *,
    correction: int | None = None,
    axis: Any = None,
    keepdims: Any = None,
) -> Tensor:
    """The variance; divides by n - correction (default 1; unbiased=False means 0)."""
    dim, keepdim, correction = read_spread_arguments("var", dim, unbiased, keepdim, correction, axis, keepdims)
    return reductions.var(require_float("var", input, None), dim, keepdim, correction)


def std(
    input: Tensor,
    dim: Any = None,
    unbiased: Any = None,
    keepdim: bool = False,
    *,
    correction: int | None = None,
    axis: Any = None,
    keepdims: Any = None,
) -> Tensor:
    """The standard deviation; divides by n - correction. Its gradient at a deviation of 0 is 0."""
    dim, keepdim, correction = read_spread_arguments("std", dim, unbiased, keepdim, correction, axis, keepdims)
    return reductions.std(require_float("std", input, None), dim, keepdim, correction)


def read_spread_arguments(
    name: str, dim: Any, unbiased: Any, keepdim: bool, correction: int | None, axis: Any, keepdims: Any
) -> tuple[Any, bool, int]:
    if isinstance(dim, bool):  # x.std(False): PyTorch's older signature has unbiased first
        dim, unbiased = None, dim
    dim, keepdim = read_dim(name, dim, keepdim, axis, keepdims)
    if correction is None:
        correction = 1 if unbiased is None else int(unbiased)
    return dim, keepdim, correction


class ValuesAndIndices(NamedTuple):
    """What max, min, median, sort and their kin return: the elements that were chosen, and where they stood."""

    values: Tensor
    indices: Tensor


def max(
    input: Tensor, dim: Any = None, keepdim: bool = False, *, other: Any = None, axis: Any = None, keepdims: Any = None
) -> Any:
    """The largest element; along `dim` (values, indices); with a tensor in place of `dim` the elementwise maximum.

    Ties: along a dimension the first gets the whole gradient; over all elements they share it.
    """
    if isinstance(dim, Tensor) or other is not None:
        return arithmetic.maximum(input, dim if other is None else other)
    check_tensors("max", input=input)
    dim, keepdim = read_dim("max", dim, keepdim, axis, keepdims)
    _refuse_empty("max", input, dim)
    if dim is None:
        return reductions.amax(input, None, False)
    return ValuesAndIndices(*reductions.max_along(input, read_one_dim("max", input, dim), keepdim))


def min(
    input: Tensor, dim: Any = None, keepdim: bool = False, *, other: Any = None, axis: Any = None, keepdims: Any = None
) -> Any:
    """The smallest element; along `dim` (values, indices); with a tensor in place of `dim` the elementwise minimum."""
    if isinstance(dim, Tensor) or other is not None:
        return arithmetic.minimum(input, dim if other is None else other)
    check_tensors("min", input=input)
    dim, keepdim = read_dim("min", dim, keepdim, axis, keepdims)
    _refuse_empty("min", input, dim)
    if dim is None:
        return reductions.amin(input, None, False)
    return ValuesAndIndices(*reductions.min_along(input, read_one_dim("min", input, dim), keepdim))


def read_one_dim(name: str, x: Tensor, dim: Any) -> int:
    if type(dim) is not int:
        raise TypeError(f"{name}: dim must be one int, got {dim!r}; use a{name} for several dimensions")
    return dim if -x.array.ndim <= dim < x.array.ndim else axis(dim, x.array.ndim)


def _refuse_empty(name: str, x: Tensor, dim: Any) -> None:
    if not x.array.size and (dim is None or any_(x.shape[d] == 0 for d in axes(dim, x.ndim))):
        raise GradientError(
            f"{name}: a tensor of shape {x.shape} has no element to choose along dim={dim}; expected at least one, "
            "check numel() first"
        )


def amax(input: Tensor, dim: Any = None, keepdim: bool = False, *, axis: Any = None, keepdims: Any = None) -> Tensor:
    """The largest elements over one or several dimensions; ties share the gradient."""
    dim, keepdim = read_dim("amax", dim, keepdim, axis, keepdims)
    _refuse_empty("amax", input, dim)
    return reductions.amax(input, dim, keepdim)


def amin(input: Tensor, dim: Any = None, keepdim: bool = False, *, axis: Any = None, keepdims: Any = None) -> Tensor:
    """The smallest elements over one or several dimensions; ties share the gradient."""
    dim, keepdim = read_dim("amin", dim, keepdim, axis, keepdims)
    _refuse_empty("amin", input, dim)
    return reductions.amin(input, dim, keepdim)


def argmax(input: Tensor, dim: Any = None, keepdim: bool = False, *, axis: Any = None, keepdims: Any = None) -> Tensor:
    """The index of the largest element (of the flattened tensor, or along `dim`); the first one of a tie."""
    if dim is None and axis is None:  # the way an agent acts: np.argmax would cost as much again as the search
        if not input.array.size:
            _refuse_empty("argmax", input, None)
        if observers:  # who want to be told of a row
            return reductions.argmax(input, None, keepdim)
        return wrap(as_array(input.array.argmax(keepdims=keepdim)))
    dim, keepdim = read_dim("argmax", dim, keepdim, axis, keepdims)
    _refuse_empty("argmax", input, dim)
    return reductions.argmax(input, read_one_dim("argmax", input, dim), keepdim)


def argmin(input: Tensor, dim: Any = None, keepdim: bool = False, *, axis: Any = None, keepdims: Any = None) -> Tensor:
    """The index of the smallest element (of the flattened tensor, or along `dim`); the first one of a tie."""
    dim, keepdim = read_dim("argmin", dim, keepdim, axis, keepdims)
    _refuse_empty("argmin", input, dim)
    return reductions.argmin(input, None if dim is None else read_one_dim("argmin", input, dim), keepdim)


def all(input: Tensor, dim: Any = None, keepdim: bool = False, *, axis: Any = None, keepdims: Any = None) -> Tensor:
    """Whether all elements are true (not zero)."""
    return reductions.all_(input, *read_dim("all", dim, keepdim, axis, keepdims))


def any(input: Tensor, dim: Any = None, keepdim: bool = False, *, axis: Any = None, keepdims: Any = None) -> Tensor:
    """Whether any element is true (not zero)."""
    return reductions.any_(input, *read_dim("any", dim, keepdim, axis, keepdims))


def prod(
    input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None, axis: Any = None, keepdims: Any = None
) -> Tensor:
    """The product of all elements, or along one dimension; right at zeros too."""
    dim, keepdim = read_dim("prod", dim, keepdim, axis, keepdims)
    if dim is None:
        return reduce_in_dtype(reductions.prod, reshape(input, -1), dtype, 0, False)
    d = read_one_dim("prod", input, dim)
    return reduce_in_dtype(
        reductions.prod, input if input.ndim else reshape(input, 1), dtype, d, keepdim and input.ndim > 0
    )


def logsumexp(input: Tensor, dim: Any, keepdim: bool = False) -> Tensor:
    """log Σ exp(input) over `dim`, without overflow."""
    if not input.is_floating_point():
        input = to(input, dtypes.get_default_dtype())
    return reductions.logsumexp(input, *read_dim("logsumexp", dim, keepdim, None, None))


def norm(input: Tensor, p: Any = "fro", dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Tensor:
    """The vector p-norm of all elements or over `dim`; the gradient at 0 is 0."""
    p = p.item() if isinstance(p, Tensor) else p
    if not (p is None or p == "fro" or isinstance(p, int | float)):
        raise ValueError(f"norm: p={p!r}; expected a number, inf, -inf or 'fro' (others need singular values)")
    input = require_float("norm", input, dtype)
    dim, keepdim = read_dim("norm", dim, keepdim, None, None)
    if p in (2, "fro", None):
        return reductions.norm2(input, dim, keepdim)
    size = arithmetic.absolute(input)
    if p == 1:
        return reductions.sum_(size, dim, keepdim)
    if p == float("inf"):
        return reductions.amax(size, dim, keepdim)
    if p == -float("inf"):
        return reductions.amin(size, dim, keepdim)
    if p == 0:
        return reductions.sum_(to(arithmetic.not_equal(input, 0), input.dtype), dim, keepdim)
    return reductions.norm_of_order(input, p, dim, keepdim)


def cumsum(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """Running sums along `dim`."""
    d = axis(dim, input.ndim)
    return reduce_in_dtype(reductions.cumsum, input, dtype, d) if input.ndim else sum(input, dtype=dtype)


def cumprod(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """Running products along `dim`; the derivative is right at zeros too."""
    d = axis(dim, input.ndim)
    return reduce_in_dtype(reductions.cumprod, input, dtype, d) if input.ndim else prod(input, dtype=dtype)


def var_mean(
    input: Tensor,
    dim: Any = None,
    unbiased: Any = None,
    keepdim: bool = False,
    *,
    correction: int | None = None,
    axis: Any = None,
    keepdims: Any = None,
) -> tuple[Tensor, Tensor]:
    """(var, mean) over the same dimensions, with the arguments of `var`."""
    dim, keepdim, correction = read_spread_arguments("var_mean", dim, unbiased, keepdim, correction, axis, keepdims)
    input = require_float("var_mean", input, None)
    return reductions.var(input, dim, keepdim, correction), reductions.mean(input, dim, keepdim)


def std_mean(
    input: Tensor,
    dim: Any = None,
    unbiased: Any = None,
    keepdim: bool = False,
    *,
    correction: int | None = None,
    axis: Any = None,
    keepdims: Any = None,
) -> tuple[Tensor, Tensor]:
    """(std, mean) over the same dimensions, with the arguments of `std`."""
    dim, keepdim, correction = read_spread_arguments("std_mean", dim, unbiased, keepdim, correction, axis, keepdims)
    input = require_float("std_mean", input, None)
    return reductions.std(input, dim, keepdim, correction), reductions.mean(input, dim, keepdim)
