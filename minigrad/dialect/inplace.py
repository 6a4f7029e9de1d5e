"""Changes in place: `copy_`, `add_`, `x[i] = v` and their kin.

Three cases. A leaf that requires a gradient refuses (under no_grad it does not: that is how parameters are updated).
A tensor that takes no part in recording is just overwritten. Otherwise the tensor is overwritten *and* becomes the
result of the operation in the graph, so that what is computed from it later flows back through the change.
Each change counts up the version that backward compares (see core/backward.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import dtypes
from ..core.modes import Block, get_ident, paused
from ..core.tensor import LEAF, Tensor, wrap
from ..device import beside, is_array, namespace, on_cpu, to_numpy
from ..errors import GradientError
from ..events import compute, draw, report
from ..ops import arithmetic, indexing
from ..ops.shapes import fits
from ..random import Generator
from .creation import convert, integer_range
from .gradients import move_to_node


def must_record(name: str, x: Tensor, *others: Any) -> bool:
    """Whether the change has to be recorded; raises where it may not be made."""
    if get_ident() in paused:
        return False
    if x._node is LEAF:
        raise GradientError(
            f"{name}: a leaf tensor that requires a gradient (shape {x.shape}) cannot be changed in place while "
            "recording, because its gradient would belong to the old value; do it under no_grad(), or out of place"
        )
    base, changes = x._base or (x, x._version[1])
    of_a_constant = x._node is base._node is None and changes == x._version[1]
    if of_a_constant and not any(isinstance(o, Tensor) and o._node is not None for o in others):
        return False
    if x._base is not None:
        raise GradientError(
            f"{name}: this tensor (shape {x.shape}) is a view, and a recorded change of a view is not supported; "
            "change the tensor it was taken from (base[index] = value), or work on a .clone()"
        )
    return True


def become(x: Tensor, result: Tensor) -> Tensor:
    """Take over the values and the place in the graph of `result`."""
    overwrite(x, result.array)
    move_to_node(x, result._node)
    x._version[1] += 1
    return x


def overwrite(x: Tensor, values: Any, key: Any = Ellipsis) -> None:
    """x[key] = values, for those who check that they fit."""
    x.array[key] = values
    x._version[0] += 1
    report("wrote", x, key, values)


def in_place(name: str, operation: Callable[..., Any]) -> Callable[..., Tensor]:
    """The method `name` that overwrites a tensor with `operation(tensor, ...)`."""

    def method(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        recorded = must_record(name, self, *args, *kwargs.values())
        if recorded:
            # On a copy, because the rule may need the values from before the change.
            before = wrap(compute(np.copy, self.array), self._node)
            result = operation(before, *args, **kwargs)
        else:
            with Block(recording=False):
                result = operation(self, *args, **kwargs)
        check_fit(name, self, result)
        _refuse_read_only(name, self)
        if recorded:
            return become(self, _cast_like(self, result))
        overwrite(self, result.array)
        return self

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"`{name[:-1]}` in place; returns the tensor."
    return method


def check_fit(name: str, x: Tensor, result: Tensor) -> None:
    """Refuse a result that `x` cannot hold."""
    if result.array.shape != x.array.shape:
        raise GradientError(
            f"{name}: the result has shape {result.shape}, which does not fit into the tensor of shape "
            f"{x.shape}; only the argument can be broadcast, not the tensor that is changed"
        )
    if dtypes._CATEGORY[result.array.dtype.kind] > dtypes._CATEGORY[x.array.dtype.kind]:
        raise GradientError(
            f"{name}: the result is {result.dtype}, which cannot be stored in a tensor of {x.dtype}; "
            "convert the tensor first, e.g. with .float()"
        )


def _refuse_read_only(name: str, x: Tensor) -> None:
    """Refuse memory that can't be written, and say where it came from."""
    if not on_cpu(x.array) or x.array.flags.writeable:
        return
    if 0 in x.array.strides:
        source = "was made by expand (or broadcast_to), so several of its places share one number"
    else:
        source = "looks at a NumPy array that is read-only"
    raise GradientError(f"{name}: this tensor (shape {x.shape}) {source}; write into a .clone() of it")


def _cast_like(x: Tensor, result: Tensor) -> Tensor:
    if result.array.dtype == x.array.dtype:
        return result
    return arithmetic.cast(result, x.array.dtype, result.array.dtype)


def define_operator(symbol: str, operation: Callable[..., Any], change: str) -> Callable[..., Tensor]:
    """The method behind `x += y` or its kin: a change in place (`p -= lr * p.grad` under no_grad).

    Where that would be recorded, the name is bound to a new tensor instead (`loss += term`). Who needs the old value
    keeps it.
    """

    def method(self: Tensor, other: Any) -> Tensor:
        recorded = self._node is not None or (isinstance(other, Tensor) and other._node is not None)
        if recorded and self._node is not LEAF and get_ident() not in paused:
            result = operation(self, other)
            check_fit(method.__name__, self, result)
            return _cast_like(self, result)
        return getattr(self, change)(other)

    method.__name__ = method.__qualname__ = f"x {symbol} y"
    method.__doc__ = f"`x {symbol} y`: in place unless it is recorded."
    return method


def copy_(self: Tensor, src: Any, non_blocking: bool = False) -> Tensor:
    """Take over the values of `src`, broadcast and converted to this tensor's shape and dtype; returns the tensor."""
    return write_place("copy_", self, Ellipsis, src)


def fill_(self: Tensor, value: Any) -> Tensor:
    """Set every element to `value`, a number or a 0-d tensor; returns the tensor."""
    if isinstance(value, Tensor) and value.ndim:
        raise GradientError(
            f"fill_: the value must be a number or a 0-d tensor, it has shape {value.shape}; "
            "use copy_ for several values"
        )
    return write_place("fill_", self, Ellipsis, value)


def zero_(self: Tensor) -> Tensor:
    """Set every element to 0; returns the tensor."""
    return write_place("zero_", self, Ellipsis, 0)


def setitem(self: Tensor, key: Any, value: Any) -> None:
    """`x[key] = value`, with the value broadcast to the place."""
    write_place("x[...] = value", self, raw_key(key, self.array), value)


def write_place(name: str, x: Tensor, key: Any, value: Any) -> Tensor:
    if is_array(value) or isinstance(value, list):
        value = Tensor(value) if isinstance(value, list) else arithmetic.clone(wrap(value))
    if isinstance(value, Tensor) and type(value.array) is not type(x.array):  # as in PyTorch, the place decides
        value = value.to(x.device)
    if must_record(name, x, value):
        if not isinstance(value, Tensor):
            value = wrap(compute(namespace(x).asarray, value, x.array.dtype))
        if value.dtype != x.dtype:
            value = value.to(x.dtype)
        result = assign_recorded(name, x, key, value)
        return become(x, result)
    raw = value.array if isinstance(value, Tensor) else value
    try:
        overwrite(x, raw, key)
    except (ValueError, IndexError) as error:
        raise explain_misfit(name, x, key, raw, error) from None
    except OverflowError:
        dtypes.fit(name, raw, x.dtype)  # says what fits
        raise
    return x


def assign_recorded(name: str, x: Tensor, key: Any, value: Tensor) -> Tensor:
    try:
        return indexing.assign(x, value, key)
    except (ValueError, IndexError) as error:
        raise explain_misfit(name, x, key, value.array, error) from None


def explain_misfit(name: str, x: Tensor, key: Any, value: Any, error: Exception) -> Exception:
    _refuse_read_only(name, x)
    try:
        place = x.array[key].shape
    except IndexError:
        return IndexError(f"{name}: the index does not fit a tensor of shape {x.shape}: {error}")
    return GradientError(
        f"{name}: a value of shape {np.shape(value)} does not fit the place of shape {place}; "
        "give a value that broadcasts to it"
    )


def raw_key(key: Any, array: Any) -> Any:
    """An index into `array` with every Tensor replaced by its array and every list by an integer or bool array."""
    if not isinstance(key, tuple):
        part = convert_index_part(key)
        return part if type(array) is np.ndarray else move_to_gpu((part,), array)[0]
    parts = tuple([convert_index_part(k) for k in key])
    if type(array) is not np.ndarray:
        parts = move_to_gpu(parts, array)
    kinds = {type(k) for k in parts}
    return move_ints_first(parts, array) if int in kinds and type(array) in kinds and len(kinds) > 2 else parts


def move_to_gpu(parts: tuple, array: Any) -> tuple:
    """An index whose arrays lie beside `array`, on the GPU.

    CuPy wraps an index out of range without a word and takes one mask at most: both are dealt with here.
    """
    if on_cpu(array):
        return parts
    masks = [k for k in parts if is_array(k) and k.dtype == bool]
    taken = sum(k.ndim if is_array(k) and k.dtype == bool else not _adds_no_place(k) for k in parts)
    found: list[Any] = []
    dim = 0
    for k in parts:
        if not is_array(k):
            found.append(k)
            dim += array.ndim - taken if k is Ellipsis else not _adds_no_place(k)
        elif k.dtype == bool:
            found += beside(k, array).nonzero() if len(masks) > 1 else [beside(k, array)]
            dim += k.ndim
        else:
            if dim < array.ndim:
                n = array.shape[dim]
                indexing.check_bounds("index", k, -n, n)  # on the host, if it comes from there
            found.append(beside(k, array))
            dim += 1
    return tuple(found)


def _adds_no_place(k: Any) -> bool:
    """Whether a part of an index stands for no dimension of the array."""
    return k is None or k is Ellipsis or isinstance(k, bool)


def move_ints_first(parts: tuple, array: Any) -> Any:
    """An index of ints, arrays and slices as PyTorch means it: the ints pick their places before the arrays do.

    (To NumPy an int is one more array, and arrays with a slice between them move their dimensions to the front.)
    """
    ints: list[Any] = []
    rest: list[Any] = []
    for k in parts:
        if is_array(k):
            ints += [slice(None)] * (k.ndim if k.dtype == bool else 1)
            rest.append(k)
        else:
            ints.append(k)
            if type(k) is not int:
                rest.append(k if k is Ellipsis else slice(None))
    places = namespace(array).arange(array.size).reshape(array.shape)[tuple(ints)][tuple(rest)]
    return np.unravel_index(places, array.shape)


def convert_index_part(k: Any) -> Any:
    if type(k) is int or type(k) is slice or k is None or k is Ellipsis:
        if type(k) is slice and any(isinstance(v, Tensor) for v in (k.start, k.stop, k.step)):
            return slice(*(v.item() if isinstance(v, Tensor) else v for v in (k.start, k.stop, k.step)))
        return k
    if type(k) is np.ndarray and k.dtype is dtypes.int64:
        return k
    if isinstance(k, Tensor):
        k = k.array
        if not k.ndim and k.dtype.kind == "i" and on_cpu(k):
            report("read", "an index that is a tensor of one number (give it one dimension: i[None])")
            return int(k)  # picks a view
    elif isinstance(k, np.integer):
        return int(k)
    elif isinstance(k, list | range):
        k = np.asarray([x.item() if isinstance(x, Tensor) else x for x in k])
        if not k.size:
            k = k.astype(np.int64)
        report("created", k)
    if is_array(k):
        if k.dtype.kind not in "iub":
            raise IndexError(
                f"index: tensors used as indices must be integer or bool, this one is {k.dtype}; "
                "convert it with .long()"
            )
        return k.astype(bool) if k.dtype == np.uint8 else k
    if isinstance(k, bool):
        return k
    raise TypeError(
        f"index: cannot index with {k!r} of type {type(k).__name__}; use ints, slices, None, ... or tensors"
    )


def getitem(self: Tensor, key: Any) -> Tensor:
    """`x[key]`: ints, slices, None and ... give a view; integer and bool tensors, arrays and lists give a copy."""
    key = raw_key(key, self.array)
    try:
        return indexing.index(self, key)
    except IndexError as error:
        raise IndexError(f"index: the index does not fit a tensor of shape {self.shape}: {error}") from None


# -- filled with random numbers ---------------------------------------------------------------------------


def uniform_(self: Tensor, from_: float = 0.0, to: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Fill with uniform numbers in [from_, to); returns the tensor. (PyTorch's `from` is a word of Python's.)"""
    _check_floating("uniform_", self)
    if not -math.inf < from_ <= to < math.inf:
        raise GradientError(f"uniform_: the bounds are {from_} and {to}; expected finite numbers, the lower one first")
    return fill_with("uniform_", self, draw(draw_uniform, generator, from_, to, self.shape))


def normal_(self: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Fill with normal numbers; returns the tensor."""
    _check_floating("normal_", self)
    if not std >= 0:
        raise GradientError(f"normal_: std={std}; expected a standard deviation, at least 0")
    return fill_with("normal_", self, draw(draw_normal, generator, mean, std, self.shape))


def exponential_(self: Tensor, lambd: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Fill with exponential numbers of rate lambd; returns the tensor."""
    _check_floating("exponential_", self)
    if not lambd > 0:
        raise GradientError(f"exponential_: lambd={lambd}; expected a rate above 0, one over the mean")
    return fill_with("exponential_", self, draw(draw_exponential, generator, lambd, self.shape))


def bernoulli_(self: Tensor, p: Any = 0.5, *, generator: Generator | None = None) -> Tensor:
    """Fill with zeros and ones, each one with probability p, a number or a tensor; returns the tensor."""
    chances = to_numpy(p.array) if isinstance(p, Tensor) else np.asarray(p)
    report("created", chances)
    if not ((chances >= 0) & (chances <= 1)).all():
        raise GradientError(f"bernoulli_: p is {p}; expected probabilities, between 0 and 1")
    if not fits(chances.shape, self.shape):
        raise GradientError(
            f"bernoulli_: p has shape {chances.shape}, the tensor {self.shape}; give probabilities that broadcast to it"
        )
    return fill_with("bernoulli_", self, draw(draw_events, generator, chances, self.shape))


def random_(
    self: Tensor, from_: int | None = None, to: int | None = None, *, generator: Generator | None = None
) -> Tensor:
    """Fill with integers in [from_, to); given one number in [0, from_), given none with all that the dtype holds."""
    low, high = (0, from_) if to is None else (from_, to)
    if high is None:
        most = 2 ** (24 if self.dtype == dtypes.float32 else 53) if self.is_floating_point() else None
        high = most or (2 if self.dtype == dtypes.bool else int(np.iinfo(self.dtype).max))
    low, high = integer_range("random_", self.dtype, 0 if low is None else low, high)
    return fill_with("random_", self, draw(draw_integers, generator, low, high, self.shape))


def _check_floating(name: str, x: Tensor) -> None:
    if not x.is_floating_point():
        raise GradientError(f"{name}: expected a floating-point tensor, this one is {x.dtype}; use .float()")


def fill_with(name: str, x: Tensor, drawn: Any) -> Tensor:
    return write_place(name, x, Ellipsis, wrap(beside(compute(convert, drawn, x.dtype), x.array)))


draw_uniform = lambda rng, low, high, shape: np.asarray(rng.uniform(low, high, shape))
draw_normal = lambda rng, mean, std, shape: np.asarray(mean + std * rng.standard_normal(shape))
draw_exponential = lambda rng, rate, shape: np.asarray(rng.standard_exponential(shape) / rate)
draw_events = lambda rng, chances, shape: np.asarray(rng.random(shape) < chances)
draw_integers = lambda rng, low, high, shape: np.asarray(rng.integers(low, high, shape))
