"""The public functions in PyTorch's dialect: its argument names, defaults and return types.

The mathematics is in ops/; here is what PyTorch's users expect around it. Every function whose first argument is a
tensor is a method of Tensor too (methods.py). NumPy's `axis` and `keepdims` are accepted for `dim` and `keepdim`.
"""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from . import dtypes
from .device import device as device_type
from .device import put
from .errors import GradientError
from .ops import arithmetic, indexing, joining, linalg, reductions, shapes
from .ops.shapes import axes, axis
from .random import Generator
from .random import generator as _rng
from .tensor import Tensor, wrap

# -- arithmetic -------------------------------------------------------------------------------------------


def add(input: Any, other: Any, *, alpha: Any = 1) -> Tensor:
    """input + alpha * other."""
    return arithmetic.add(input, other if alpha == 1 else arithmetic.multiply(other, alpha))


def sub(input: Any, other: Any, *, alpha: Any = 1) -> Tensor:
    """input - alpha * other. Refused for bool tensors, as in PyTorch: use ~mask or logical_not."""
    for x in (input, other):
        if isinstance(x, Tensor) and x.array.dtype.kind == "b":
            raise GradientError(
                "subtract: '-' is not defined for bool tensors; for 1 - mask use ~mask or logical_not(mask), "
                "or convert the mask with .float()"
            )
    return arithmetic.subtract(input, other if alpha == 1 else arithmetic.multiply(other, alpha))


def div(input: Any, other: Any, *, rounding_mode: str | None = None) -> Tensor:
    """input / other, as a fraction, or rounded with rounding_mode 'floor' or 'trunc'."""
    if rounding_mode is None:
        return arithmetic.divide(input, other)
    if rounding_mode == "floor":
        return arithmetic.floor_divide(input, other)
    if rounding_mode == "trunc":
        down = arithmetic.floor_divide(input, other)
        if down.is_floating_point():
            return wrap(np.asarray(np.trunc(arithmetic.divide(input, other).array)))
        # A fraction would not hold large integers. Towards zero: one more where rounding down left a negative.
        inexact = arithmetic.not_equal(arithmetic.multiply(down, other), input)
        return arithmetic.add(down, to(arithmetic.bitwise_and(arithmetic.less(down, 0), inexact), down.dtype))
    raise ValueError(f"div: rounding_mode={rounding_mode!r}; expected None, 'floor' or 'trunc'")


def clamp(input: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """input limited to [min, max]; either bound may be missing or a tensor. At a bound the gradient passes."""
    if min is None and max is None:
        raise GradientError("clamp: neither bound was given; expected min, max or both: clamp(min=0)")
    if isinstance(min, Tensor) or isinstance(max, Tensor):
        if min is not None:
            input = arithmetic.where(arithmetic.less(input, min), min, input)
        return input if max is None else arithmetic.where(arithmetic.greater(input, max), max, input)
    if not input.is_floating_point() and (isinstance(min, float) or isinstance(max, float)):
        input = input.to(dtypes.get_default_dtype())
    return arithmetic.clamp(input, min, max)


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
        input = wrap(np.asarray(input, dtypes.result_type(input, other)))
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


def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """log(1 + exp(beta * input)) / beta, linear where beta * input > threshold."""
    return arithmetic.softplus(input, beta, threshold)


def leaky_relu(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    """input where positive, negative_slope * input elsewhere."""
    return arithmetic.leaky_relu(input, negative_slope)


def elu(input: Tensor, alpha: float = 1.0) -> Tensor:
    """input where positive, alpha * (exp(input) - 1) elsewhere."""
    return arithmetic.elu(input, alpha)


def round(input: Tensor, *, decimals: int = 0) -> Tensor:
    """Rounded to the nearest value, halves to even."""
    return arithmetic.round_(input, decimals)


def lerp(input: Tensor, end: Tensor, weight: Any) -> Tensor:
    """input + weight * (end - input)."""
    if not input.is_floating_point():
        input = to(input, dtypes.get_default_dtype())
    return arithmetic.add(input, arithmetic.multiply(arithmetic.subtract(end, input), weight))


# -- reductions -------------------------------------------------------------------------------------------


def _which(name: str, dim: Any, keepdim: bool, axis: Any, keepdims: bool | None) -> tuple[Any, bool]:
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
    return dim, keepdim if keepdims is None else keepdims


def _as_float(name: str, x: Tensor, dtype: Any) -> Tensor:
    if dtype is not None:
        return to(x, dtype)
    if x.array.dtype.kind != "f":
        raise GradientError(f"{name}: not defined for {x.dtype} tensors, only for floating-point ones; convert first, with .float()")
    return x


def sum(
    input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None, axis: Any = None, keepdims: Any = None
) -> Tensor:
    """The sum of all elements, or over the dimensions `dim`."""
    dim, keepdim = _which("sum", dim, keepdim, axis, keepdims)
    return reductions.sum_(input if dtype is None else to(input, dtype), dim, keepdim)


def mean(
    input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None, axis: Any = None, keepdims: Any = None
) -> Tensor:
    """The mean of all elements, or over the dimensions `dim`. Floating-point tensors only."""
    dim, keepdim = _which("mean", dim, keepdim, axis, keepdims)
    return reductions.mean(_as_float("mean", input, dtype), dim, keepdim)


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
    dim, keepdim, correction = _spread_arguments("var", dim, unbiased, keepdim, correction, axis, keepdims)
    return reductions.var(_as_float("var", input, None), dim, keepdim, correction)


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
    dim, keepdim, correction = _spread_arguments("std", dim, unbiased, keepdim, correction, axis, keepdims)
    return reductions.std(_as_float("std", input, None), dim, keepdim, correction)


def _spread_arguments(
    name: str, dim: Any, unbiased: Any, keepdim: bool, correction: int | None, axis: Any, keepdims: Any
) -> tuple[Any, bool, int]:
    if isinstance(dim, bool):  # x.std(False): PyTorch's older signature has unbiased first
        dim, unbiased = None, dim
    dim, keepdim = _which(name, dim, keepdim, axis, keepdims)
    if correction is None:
        correction = 1 if unbiased is None else int(unbiased)
    return dim, keepdim, correction


class Extremes(NamedTuple):
    """What max and min along a dimension return."""

    values: Tensor
    indices: Tensor


def max(input: Tensor, dim: Any = None, keepdim: bool = False, *, axis: Any = None, keepdims: Any = None) -> Any:
    """The largest element; along `dim` (values, indices); with a tensor in place of `dim` the elementwise maximum.

    Ties: along a dimension the first gets the whole gradient; over all elements they share it.
    """
    if isinstance(dim, Tensor):
        return arithmetic.maximum(input, dim)
    dim, keepdim = _which("max", dim, keepdim, axis, keepdims)
    _refuse_empty("max", input, dim)
    if dim is None:
        return reductions.amax(input, None, False)
    return Extremes(*reductions.max_along(input, _one("max", input, dim), keepdim))


def min(input: Tensor, dim: Any = None, keepdim: bool = False, *, axis: Any = None, keepdims: Any = None) -> Any:
    """The smallest element; along `dim` (values, indices); with a tensor in place of `dim` the elementwise minimum."""
    if isinstance(dim, Tensor):
        return arithmetic.minimum(input, dim)
    dim, keepdim = _which("min", dim, keepdim, axis, keepdims)
    _refuse_empty("min", input, dim)
    if dim is None:
        return reductions.amin(input, None, False)
    return Extremes(*reductions.min_along(input, _one("min", input, dim), keepdim))


def _one(name: str, x: Tensor, dim: Any) -> int:
    if type(dim) is not int:
        raise TypeError(f"{name}: dim must be one int, got {dim!r}; use a{name} for several dimensions")
    return dim if -x.array.ndim <= dim < x.array.ndim else axis(dim, x.array.ndim)


def _refuse_empty(name: str, x: Tensor, dim: Any) -> None:
    if not x.array.size and (dim is None or any_(x.shape[d] == 0 for d in axes(dim, x.ndim))):
        raise GradientError(f"{name}: a tensor of shape {x.shape} has no element to choose along dim={dim}; expected at least one, check numel() first")


def amax(input: Tensor, dim: Any = None, keepdim: bool = False, *, axis: Any = None, keepdims: Any = None) -> Tensor:
    """The largest elements over one or several dimensions; ties share the gradient."""
    dim, keepdim = _which("amax", dim, keepdim, axis, keepdims)
    _refuse_empty("amax", input, dim)
    return reductions.amax(input, dim, keepdim)


def amin(input: Tensor, dim: Any = None, keepdim: bool = False, *, axis: Any = None, keepdims: Any = None) -> Tensor:
    """The smallest elements over one or several dimensions; ties share the gradient."""
    dim, keepdim = _which("amin", dim, keepdim, axis, keepdims)
    _refuse_empty("amin", input, dim)
    return reductions.amin(input, dim, keepdim)


def argmax(input: Tensor, dim: Any = None, keepdim: bool = False, *, axis: Any = None, keepdims: Any = None) -> Tensor:
    """The index of the largest element (of the flattened tensor, or along `dim`); the first one of a tie."""
    if dim is None and axis is None:  # the way an agent acts: np.argmax would cost as much again as the search
        if not input.array.size:
            _refuse_empty("argmax", input, None)
        return wrap(np.asarray(input.array.argmax(keepdims=keepdim)))
    dim, keepdim = _which("argmax", dim, keepdim, axis, keepdims)
    _refuse_empty("argmax", input, dim)
    return reductions.argmax(input, _one("argmax", input, dim), keepdim)


def argmin(input: Tensor, dim: Any = None, keepdim: bool = False, *, axis: Any = None, keepdims: Any = None) -> Tensor:
    """The index of the smallest element (of the flattened tensor, or along `dim`); the first one of a tie."""
    dim, keepdim = _which("argmin", dim, keepdim, axis, keepdims)
    _refuse_empty("argmin", input, dim)
    return reductions.argmin(input, None if dim is None else _one("argmin", input, dim), keepdim)


def all(input: Tensor, dim: Any = None, keepdim: bool = False, *, axis: Any = None, keepdims: Any = None) -> Tensor:
    """Whether all elements are true (not zero)."""
    return reductions.all_(input, *_which("all", dim, keepdim, axis, keepdims))


def any(input: Tensor, dim: Any = None, keepdim: bool = False, *, axis: Any = None, keepdims: Any = None) -> Tensor:
    """Whether any element is true (not zero)."""
    return reductions.any_(input, *_which("any", dim, keepdim, axis, keepdims))


any_ = builtins.any


def prod(
    input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None, axis: Any = None, keepdims: Any = None
) -> Tensor:
    """The product of all elements, or along one dimension; right at zeros too."""
    dim, keepdim = _which("prod", dim, keepdim, axis, keepdims)
    input = input if dtype is None else to(input, dtype)
    if dim is None:
        return reductions.prod(reshape(input, -1), 0, False)
    if not input.ndim:
        return reductions.prod(reshape(input, 1), _one("prod", input, dim), False)
    return reductions.prod(input, _one("prod", input, dim), keepdim)


def logsumexp(input: Tensor, dim: Any, keepdim: bool = False) -> Tensor:
    """log Σ exp(input) over `dim`, without overflow."""
    if not input.is_floating_point():
        input = to(input, dtypes.get_default_dtype())
    return reductions.logsumexp(input, *_which("logsumexp", dim, keepdim, None, None))


def norm(input: Tensor, p: Any = "fro", dim: Any = None, keepdim: bool = False) -> Tensor:
    """The vector p-norm of all elements or over `dim`; the gradient at 0 is 0 for p = 2."""
    input = _as_float("norm", input, None)
    dim, keepdim = _which("norm", dim, keepdim, None, None)
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
    return arithmetic.power(reductions.sum_(arithmetic.power(size, p), dim, keepdim), 1 / p)


def cumsum(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """Running sums along `dim`."""
    input = input if dtype is None else to(input, dtype)
    d = axis(dim, input.ndim)
    return reductions.cumsum(input, d) if input.ndim else sum(input)


# -- matrix products --------------------------------------------------------------------------------------


def matmul(input: Tensor, other: Tensor) -> Tensor:
    """The matrix product, of vectors, matrices and stacks of matrices."""
    for name, x in (("first", input), ("second", other)):
        if not hasattr(x, "ndim"):
            raise TypeError(
                f"matmul: the {name} operand is a {type(x).__name__}; a matrix product needs two tensors: use * for a number"
            )
    return linalg.matmul(input, other)


# -- shapes -----------------------------------------------------------------------------------------------


def _sizes(name: str, sizes: tuple) -> tuple[int, ...]:
    if len(sizes) == 1 and isinstance(sizes[0], tuple | list):
        sizes = tuple(sizes[0])
    for n in sizes:
        if type(n) is not int and (isinstance(n, bool) or not hasattr(n, "__index__")):
            raise TypeError(f"{name}: sizes must be ints, got {n!r} of type {type(n).__name__}")
    return tuple(int(n) for n in sizes)


def reshape(input: Tensor, *shape: Any) -> Tensor:
    """The same elements in another shape; one size may be -1. Shares memory where it can."""
    sizes = _sizes("reshape", shape)
    try:
        if any_(n < -1 for n in sizes):
            raise ValueError
        return shapes.reshape(input, sizes)
    except ValueError:
        raise GradientError(
            f"reshape: shape {sizes} does not fit a tensor of shape {input.shape} ({input.numel()} elements); "
            "the sizes must multiply to that, and at most one may be -1"
        ) from None


def view(input: Tensor, *shape: Any) -> Tensor:
    """The same memory in another shape, or (given a dtype) as another type. Raises where `reshape` would copy."""
    if len(shape) == 1 and isinstance(shape[0], np.dtype):
        return wrap(input.array.view(shape[0]))
    out = reshape(input, *shape)
    if out.array.size and not np.may_share_memory(out.array, input.array):
        raise GradientError(
            f"view: a tensor of shape {input.shape} with strides {input.array.strides} cannot be seen as {out.shape} "
            "without copying; use .reshape(...), or .contiguous().view(...)"
        )
    return out


def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """The dimensions from start_dim to end_dim made one."""
    start, end = axis(start_dim, input.ndim), axis(end_dim, input.ndim)
    if not input.ndim:
        return reshape(input, 1)
    if start > end:
        raise GradientError(f"flatten: start_dim={start_dim} comes after end_dim={end_dim} in a {input.ndim}-d tensor")
    # The size is computed, not -1, which numpy can't infer for an empty tensor.
    merged = int(np.prod(input.shape[start : end + 1]))
    return shapes.reshape(input, (*input.shape[:start], merged, *input.shape[end + 1 :]))


def squeeze(input: Tensor, dim: Any = None) -> Tensor:
    """Without the dimensions of size 1, or without those of `dim` that have size 1."""
    chosen = axes(dim, input.ndim)
    return shapes.reshape(input, tuple(n for i, n in enumerate(input.shape) if n != 1 or i not in chosen))


def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """With a new dimension of size 1 at `dim`."""
    d = axis(dim, input.ndim + 1)
    return shapes.reshape(input, (*input.shape[:d], 1, *input.shape[d:]))


def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Two dimensions exchanged; a view."""
    return shapes.transpose(input, axis(dim0, input.ndim), axis(dim1, input.ndim))


def t(input: Tensor) -> Tensor:
    """The transpose of a matrix (a vector stays as it is)."""
    if input.ndim > 2:
        raise GradientError(f"t: expected at most 2 dimensions, got shape {input.shape}; use transpose(dim0, dim1)")
    return shapes.transpose(input, 0, 1) if input.ndim == 2 else input


def permute(input: Tensor, *dims: Any) -> Tensor:
    """The dimensions in another order; a view."""
    order = _sizes("permute", dims)
    if len(axes(order, input.ndim)) != input.ndim:
        raise GradientError(
            f"permute: dims {order} must name each of the {input.ndim} dimensions of {input.shape} once"
        )
    return shapes.permute(input, order)


def expand(input: Tensor, *sizes: Any) -> Tensor:
    """Dimensions of size 1 repeated without copying; -1 keeps a size."""
    wanted = list(_sizes("expand", sizes))
    extra = len(wanted) - input.ndim
    for i, n in enumerate(wanted):
        if n == -1 and i >= extra:
            wanted[i] = input.shape[i - extra]
    if extra < 0 or any_(n < 0 or (i >= extra and input.shape[i - extra] not in (1, n)) for i, n in enumerate(wanted)):
        raise GradientError(
            f"expand: a tensor of shape {input.shape} cannot be expanded to {_sizes('expand', sizes)}; "
            "only dimensions of size 1 can grow, and new ones come first: use repeat, or unsqueeze where the new one belongs"
        )
    return shapes.broadcast_to(input, tuple(wanted))


def expand_as(input: Tensor, other: Tensor) -> Tensor:
    """Expanded to the shape of `other`."""
    return expand(input, *other.shape)


def repeat(input: Tensor, *repeats: Any) -> Tensor:
    """Copies side by side: `repeats` says how many along each dimension."""
    counts = _sizes("repeat", repeats)
    if len(counts) < input.ndim:
        raise GradientError(
            f"repeat: got {len(counts)} counts for a tensor of shape {input.shape}; give one per dimension"
        )
    return shapes.repeat(input, counts)


def flip(input: Tensor, *dims: Any) -> Tensor:
    """The order of the elements reversed along `dims`."""
    return shapes.flip(input, axes(_sizes("flip", dims), input.ndim))


def roll(input: Tensor, shifts: Any, dims: Any = None) -> Tensor:
    """Elements shifted along `dims`, those pushed out coming in again at the other side."""
    if dims is None:
        return reshape(roll(reshape(input, -1), shifts, 0), input.shape)
    as_tuple = lambda v: tuple(v) if isinstance(v, tuple | list) else (v,)
    return shapes.roll(input, as_tuple(shifts), tuple(axis(d, input.ndim) for d in as_tuple(dims)))


def cat(tensors: Sequence[Tensor], dim: int = 0, *, axis: int | None = None) -> Tensor:
    """The tensors one after the other along an existing dimension."""
    tensors = _several("cat", tensors)
    kept = [x for x in tensors if x.shape != (0,)] or tensors
    if len(kept) < len(tensors):  # an empty vector fits anything, as in PyTorch, and counts for the dtype only
        dtype = dtypes.result_type(*(x.array if isinstance(x, Tensor) else x for x in tensors))
        kept = [x if x.dtype == dtype else to(x, dtype) for x in kept]
    return joining.cat(kept, dim if axis is None else axis)


def stack(tensors: Sequence[Tensor], dim: int = 0, *, axis: int | None = None) -> Tensor:
    """The tensors one after the other along a new dimension."""
    return joining.stack(_several("stack", tensors), dim if axis is None else axis)


def _several(name: str, tensors: Any) -> list:
    if isinstance(tensors, Tensor):
        raise TypeError(f"{name}: expected a list or tuple of tensors, got one Tensor; write {name}([a, b, ...])")
    tensors = list(tensors)
    for i, x in enumerate(tensors):
        if not hasattr(x, "dtype"):
            raise TypeError(
                f"{name}: expected a list of tensors, item {i} is a {type(x).__name__}; make it one with tensor()"
            )
    return tensors


def narrow(input: Tensor, dim: int, start: int, length: int) -> Tensor:
    """`length` elements along `dim` from `start` on; a view."""
    d = axis(dim, input.ndim)
    n = input.shape[d]
    start = start + n if start < 0 else start
    if not 0 <= start <= n or length < 0 or start + length > n:
        raise GradientError(f"narrow: {start} to {start + length} lies outside dimension {dim}; expected a part of its {n} elements")
    return shapes.narrow(input, d, start, length)


def split(tensor: Tensor, split_size_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Pieces of the given size along `dim` (the last may be smaller), or of each of the given sizes. Views."""
    d = axis(dim, tensor.ndim)
    n = tensor.shape[d]
    if isinstance(split_size_or_sections, int):
        size = split_size_or_sections
        if size <= 0:
            raise GradientError(f"split: the size of a piece must be positive, got {size}")
        sections = [builtins.min(size, n - start) for start in range(0, n, size)] or [0]
    else:
        sections = list(split_size_or_sections)
        if builtins.sum(sections) != n or any_(s < 0 for s in sections):
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
    n = input.shape[axis(dim, input.ndim)]
    return split(input, -(-n // chunks), dim) if n else split(input, [0] * chunks, dim)


def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """The slices along `dim`, one by one."""
    d = axis(dim, input.ndim)
    return tuple(indexing.index(input, (slice(None),) * d + (i,)) for i in range(input.shape[d]))


# -- picking ----------------------------------------------------------------------------------------------


def _index_array(name: str, index: Any) -> np.ndarray:
    if isinstance(index, Tensor):
        return index.array
    if isinstance(index, np.ndarray):
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
    indexing._check_bounds("scatter_add", positions, input.shape[dim] if input.ndim else 1)
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


def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """The elements where the mask is True, as a vector."""
    if mask.dtype != dtypes.bool:
        raise GradientError(
            f"masked_select: mask must be a bool tensor, this one is {mask.dtype}; convert it with .bool()"
        )
    full = np.broadcast_shapes(input.shape, mask.shape)
    return indexing.index(expand(input, full), np.broadcast_to(mask.array, full))


# -- dtypes, memory, devices ------------------------------------------------------------------------------


def to(input: Tensor, *args: Any, dtype: Any = None, device: Any = None, copy: bool = False, **_: Any) -> Tensor:
    """The tensor with another dtype or on another device; itself if nothing changes. `to(other)` takes both from other."""
    for arg in args:
        if isinstance(arg, Tensor):
            dtype, device = arg.dtype, arg.device
        elif isinstance(arg, device_type) or (isinstance(arg, str) and arg.split(":")[0] in ("cpu", "cuda")):
            device = arg
        elif isinstance(arg, bool):  # non_blocking
            continue
        elif isinstance(arg, str) and arg not in dtypes.NAMES:
            raise TypeError(f"to: {arg!r} is neither a dtype nor a device; expected one like minigrad.float32, or 'cpu'")
        else:
            dtype = arg
    out = input
    if dtype is not None:
        wanted = dtypes.as_dtype(dtype)
        if out.array.dtype != wanted:
            if wanted.kind == "f":
                out = arithmetic.cast(out, wanted, out.array.dtype)
            else:
                out = wrap(out.array.astype(wanted))
    if device is not None:
        put(out.array, device)
    return clone(out) if copy and out is input else out


def clone(input: Tensor) -> Tensor:
    """A copy on memory of its own; gradients flow through."""
    return arithmetic.clone(input)


def contiguous(input: Tensor) -> Tensor:
    """The tensor itself if its memory is in row-major order, a copy that is otherwise."""
    return input if input.array.flags.c_contiguous else arithmetic.clone(input)


# -- comparisons ------------------------------------------------------------------------------------------


def equal(input: Tensor, other: Tensor) -> bool:
    """Whether two tensors have the same shape and elements."""
    return bool(input.shape == other.shape and np.array_equal(input.array, other.array))


def allclose(input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> bool:
    """Whether |input - other| <= atol + rtol * |other| everywhere."""
    return bool(np.allclose(input.array, other.array, rtol, atol, equal_nan))


def isclose(input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Tensor:
    """Where |input - other| <= atol + rtol * |other|."""
    return wrap(np.asarray(np.isclose(input.array, other.array, rtol, atol, equal_nan)))


def is_tensor(obj: Any) -> bool:
    """Whether `obj` is a Tensor."""
    return isinstance(obj, Tensor)


# -- random choices that depend on a tensor ---------------------------------------------------------------


def bernoulli(input: Tensor, *, generator: Generator | None = None) -> Tensor:
    """Zeros and ones, each one with the probability that `input` gives."""
    p = input.array
    if not ((p >= 0) & (p <= 1)).all():
        bad = p[~((p >= 0) & (p <= 1))].flat[0]
        raise GradientError(f"bernoulli: the input holds {bad}; expected probabilities, between 0 and 1 (see sigmoid)")
    return wrap(np.asarray(_rng(generator).random(p.shape) < p).astype(p.dtype))


def multinomial(
    input: Tensor, num_samples: int, replacement: bool = False, *, generator: Generator | None = None
) -> Tensor:
    """Indices drawn in proportion to the rows of `input` (weights >= 0): shape (..., num_samples), int64."""
    if input.ndim not in (1, 2):
        raise GradientError(
            f"multinomial: expected weights of 1 or 2 dimensions, got shape {input.shape}; flatten them first"
        )
    if num_samples < 1:
        raise GradientError(f"multinomial: num_samples is {num_samples}; at least 1 must be drawn")
    weights = np.atleast_2d(input.array).astype(np.float64)
    if (weights < 0).any() or not np.isfinite(weights).all() or (weights.sum(1) == 0).any():
        raise GradientError("multinomial: a weight is negative or not finite, or a row sums to 0; expected weights >= 0, as softmax gives them")
    rng = _rng(generator)
    if replacement or num_samples == 1:
        edges = weights.cumsum(1)
        u = rng.random((len(weights), num_samples)) * edges[:, -1:]
        drawn = (u[:, :, None] >= edges[:, None, :]).sum(2)
    else:
        if num_samples > (weights > 0).sum(1).min():
            raise GradientError(f"multinomial: cannot draw {num_samples} different indices, as many weights are not positive; pass replacement=True")
        # Efraimidis & Spirakis 2006: the largest of u ** (1 / w) are a weighted sample without replacement.
        with np.errstate(divide="ignore"):
            keys = np.log(rng.random(weights.shape)) / weights
        drawn = np.argsort(-keys, axis=1, kind="stable")[:, :num_samples]
    return wrap(drawn[0] if input.ndim == 1 else drawn)
