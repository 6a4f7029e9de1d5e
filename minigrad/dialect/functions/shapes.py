"""Shapes: the same elements, arranged differently. Most of these are views: they share the input's memory."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...core.tensor import Tensor, wrap
from ...errors import GradientError
from ...ops import shapes
from ...ops.shapes import axes, axis
from .converting import contiguous


def read_sizes(name: str, sizes: tuple, named: Any = None, word: str = "") -> tuple[int, ...]:
    """Ints given one by one, in a tuple or by keyword: reshape(2, 3), reshape((2, 3)), reshape(shape=(2, 3))."""
    if named is not None:
        if sizes:
            raise TypeError(f"{name}: got both {sizes} and {word}={named}; give one of them")
        sizes = (tuple(named) if isinstance(named, tuple | list) else (named,),)
    if len(sizes) == 1 and isinstance(sizes[0], tuple | list):
        sizes = tuple(sizes[0])
    for n in sizes:
        if type(n) is not int and (isinstance(n, bool) or not hasattr(n, "__index__")):
            raise TypeError(f"{name}: sizes must be ints, got {n!r} of type {type(n).__name__}")
    return tuple(int(n) for n in sizes)


def as_index(name: str, argument: str, value: Any) -> int:
    """A place or a length: an int, or an integer tensor of no dimensions."""
    if isinstance(value, Tensor):
        fits = not value.ndim and value.dtype.kind in "iu"
    else:
        fits = hasattr(value, "__index__") and not isinstance(value, bool | np.bool_)
    if not fits:
        found = f"a tensor of {value.dtype} and shape {value.shape}" if isinstance(value, Tensor) else repr(value)
        raise TypeError(f"{name}: {argument} must be an int or a 0-d integer tensor, got {found}")
    return int(value)


def reshape(input: Tensor, *sizes: Any, shape: Any = None) -> Tensor:
    """The same elements in another shape; one size may be -1. Shares memory where it can."""
    sizes = read_sizes("reshape", sizes, shape, "shape")
    try:
        if any(n < -1 for n in sizes):
            raise ValueError
        return shapes.reshape(input, sizes)
    except ValueError:
        raise GradientError(
            f"reshape: shape {sizes} does not fit a tensor of shape {input.shape} ({input.numel()} elements); "
            "the sizes must multiply to that, and at most one may be -1"
        ) from None


def view(input: Tensor, *sizes: Any, size: Any = None, dtype: Any = None) -> Tensor:
    """The same memory in another shape, or (given a dtype) as another type. Raises where `reshape` would copy."""
    if len(sizes) == 1 and isinstance(sizes[0], np.dtype):
        dtype = sizes[0]
    if dtype is not None:
        return wrap(input.array.view(dtype))
    out = reshape(input, *sizes, shape=size)
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


def squeeze(input: Tensor, *places: Any, dim: Any = None) -> Tensor:
    """Without the dimensions of size 1, or without those of `dim` that have size 1."""
    if places:
        dim = read_sizes("squeeze", places, dim, "dim")
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
    return shapes.transpose(input, 0, 1 if input.ndim == 2 else 0)


def swapaxes(input: Tensor, axis0: int, axis1: int) -> Tensor:
    """`transpose` under NumPy's name."""
    return transpose(input, axis0, axis1)


def permute(input: Tensor, *order: Any, dims: Any = None) -> Tensor:
    """The dimensions in another order; a view."""
    order = read_sizes("permute", order, dims, "dims")
    if len(axes(order, input.ndim)) != input.ndim:
        raise GradientError(
            f"permute: dims {order} must name each of the {input.ndim} dimensions of {input.shape} once"
        )
    return shapes.permute(input, order)


def expand(input: Tensor, *sizes: Any, size: Any = None) -> Tensor:
    """Dimensions of size 1 repeated without copying; -1 keeps a size."""
    sizes = read_sizes("expand", sizes, size, "size")
    wanted = list(sizes)
    extra = len(wanted) - input.ndim
    for i, n in enumerate(wanted):
        if n == -1 and i >= extra:
            wanted[i] = input.shape[i - extra]
    if extra < 0 or any(n < 0 or (i >= extra and input.shape[i - extra] not in (1, n)) for i, n in enumerate(wanted)):
        raise GradientError(
            f"expand: a tensor of shape {input.shape} cannot be expanded to {sizes}; "
            "only dimensions of size 1 can grow, and new ones come first: use repeat, or unsqueeze where the new one "
            "belongs"
        )
    return shapes.broadcast_to(input, tuple(wanted))


def expand_as(input: Tensor, other: Tensor) -> Tensor:
    """Expanded to the shape of `other`."""
    return expand(input, *other.shape)


def repeat(input: Tensor, *counts: Any, repeats: Any = None) -> Tensor:
    """Copies side by side: `repeats` says how many along each dimension."""
    counts = read_sizes("repeat", counts, repeats, "repeats")
    if len(counts) < input.ndim:
        raise GradientError(
            f"repeat: got {len(counts)} counts for a tensor of shape {input.shape}; give one per dimension"
        )
    return shapes.repeat(input, counts)


def flip(input: Tensor, *places: Any, dims: Any = None) -> Tensor:
    """The order of the elements reversed along `dims`."""
    if dims is None and not places:
        raise TypeError("flip: dims is missing; name the dimensions to reverse: flip(0), or flip(0, 1) for both")
    return shapes.flip(input, axes(read_sizes("flip", places, dims, "dims"), input.ndim))


def roll(input: Tensor, shifts: Any, dims: Any = None) -> Tensor:
    """Elements shifted along `dims`, those pushed out coming in again at the other side."""
    as_tuple = lambda v: tuple(v) if isinstance(v, tuple | list) else (v,)
    steps = as_tuple(shifts)
    places = (0,) if dims is None else as_tuple(dims)
    if len(steps) != len(places):
        raise GradientError(
            f"roll: got {len(steps)} shifts {shifts} and {len(places)} dims {dims}; give one shift for each dimension"
            + (" (without dims, one for all elements)" if dims is None else "")
        )
    if dims is None:
        return reshape(shapes.roll(reshape(input, -1), steps, places), input.shape)
    if not input.ndim:
        raise IndexError(f"roll: a 0-d tensor has no dimension {dims} to roll along")
    return shapes.roll(input, steps, tuple(axis(d, input.ndim) for d in places))


def movedim(input: Tensor, source: Any, destination: Any) -> Tensor:
    """Dimensions moved to other places, the others keeping their order; a view."""
    many = lambda v: tuple(v) if isinstance(v, tuple | list) else (v,)
    start = [axis(d, input.ndim) for d in many(source)]
    end = [axis(d, input.ndim) for d in many(destination)]
    if len(start) != len(end) or len(set(start)) < len(start) or len(set(end)) < len(end):
        raise GradientError(
            f"movedim: source {source} and destination {destination} must name as many dimensions, each once"
        )
    rest = iter(d for d in range(input.ndim) if d not in start)
    moved = dict(zip(end, start, strict=True))
    return shapes.permute(input, tuple(moved[d] if d in moved else next(rest) for d in range(input.ndim)))


def tile(input: Tensor, *counts: Any, dims: Any = None) -> Tensor:
    """Copies side by side, `dims` along each dimension; missing counts, at the front, are 1."""
    counts = read_sizes("tile", counts, dims, "dims")
    return shapes.repeat(input, (1,) * (input.ndim - len(counts)) + counts)


def broadcast_to(input: Tensor, *sizes: Any, size: Any = None, shape: Any = None) -> Tensor:
    """Expanded to `size` (which PyTorch's manual calls shape) without copying; a view."""
    return expand(input, *sizes, size=size if shape is None else shape)


def broadcast_tensors(*tensors: Tensor) -> tuple[Tensor, ...]:
    """All tensors expanded to the shape that they broadcast to."""
    try:
        shape = np.broadcast_shapes(*(x.shape for x in tensors))
    except ValueError:
        found = ", ".join(str(x.shape) for x in tensors)
        raise GradientError(
            f"broadcast_tensors: shapes {found} do not fit; from the last dimension on, sizes must be equal or 1"
        ) from None
    return tuple(expand(x, *shape) for x in tensors)


def ravel(input: Tensor) -> Tensor:
    """All elements in one dimension; a view only if the memory is contiguous, as in PyTorch."""
    return reshape(contiguous(input), -1)


def unflatten(input: Tensor, dim: int, sizes: Any) -> Tensor:
    """One dimension made several, of the given sizes; one of them may be -1."""
    d = axis(dim, input.ndim)
    known = math.prod(n for n in sizes if n != -1)
    if known and input.ndim:  # reshape could not infer the size where another dimension is 0
        sizes = [input.shape[d] // known if n == -1 else n for n in sizes]
    return reshape(input, *input.shape[:d], *sizes, *input.shape[d + 1 :])
