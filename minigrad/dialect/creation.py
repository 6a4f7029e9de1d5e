"""Making tensors from data, of constants and of random numbers.

Random numbers are drawn on the host, whatever the device, and then copied: the same seed gives the same numbers on a
GPU. (To draw where they are needed would be faster, but CuPy's streams are other streams.)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import dtypes
from ..core.tensor import Tensor, wrap
from ..device import as_array, backend, is_array, namespace, put
from ..events import compute, draw, report
from ..random import Generator


def tensor(data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A new tensor with a copy of `data`: a number, nested lists, an array or a tensor.

    Python floats become the default dtype (float32); arrays and NumPy numbers keep theirs.
    Raises TypeError for data that is not numeric and ValueError for ragged lists.
    """
    found = make_array("tensor", data, dtype)
    array = compute(namespace(found).array, found)
    return deliver(array, device, requires_grad)


def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """`data` as a tensor, sharing memory where possible (a tensor is returned as it is)."""
    if isinstance(data, Tensor) and (dtype is None or data.dtype == dtype):
        return data if device is None else data.to(device)
    if isinstance(data, Tensor):
        return data.to(dtype, device=device)
    return deliver(make_array("as_tensor", data, dtype), device, False)


def from_numpy(array: np.ndarray) -> Tensor:
    """A tensor on the memory of a NumPy array: a change of one is a change of the other."""
    if type(array) is not np.ndarray:
        raise TypeError(
            f"from_numpy: expected a numpy.ndarray, got {type(array).__name__}; use tensor() or as_tensor()"
        )
    if array.dtype is not dtypes.float32 and array.dtype not in dtypes.SUPPORTED:  # most are; a dtype's hash is slow
        dtypes.as_dtype(array.dtype)
    return wrap(array)


def make_array(who: str, data: Any, dtype: Any) -> Any:
    if isinstance(data, Tensor):
        data = data.array
    wanted = None if dtype is None else dtypes.as_dtype(dtype)
    if is_array(data) or isinstance(data, np.generic):
        found = as_array(data)
        if wanted is None and found.dtype not in dtypes.SUPPORTED:
            if found.dtype.kind not in "biuf":
                raise TypeError(
                    f"{who}: arrays of dtype {found.dtype} cannot become tensors; convert them to numbers first"
                )
            wanted = dtypes.get_default_dtype() if found.dtype.kind == "f" else dtypes.int64
        return found if wanted is None or found.dtype == wanted else compute(convert, found, wanted)
    inside: list[np.dtype] = []
    numbers = replace_tensors(who, data, inside)
    try:
        found = np.array(numbers)
    except ValueError:
        raise ValueError(
            f"{who}: the nested lists are ragged, with rows of {describe_lengths(data)}; every row must have the same "
            "length: pad them, or keep a list of tensors"
        ) from None
    if found.dtype.kind not in "biuf":
        raise TypeError(f"{who}: expected numbers, got {find_odd_element(data)!r}; convert it first, or leave it out")
    if wanted is None:
        leaf = find_first(data)
        if inside and len(inside) == found.size and all(d == inside[0] for d in inside):
            wanted = inside[0]  # a list of tensors keeps their dtype
        elif found.size == 0 or (found.dtype.kind == "f" and (isinstance(leaf, Tensor) or not hasattr(leaf, "dtype"))):
            wanted = dtypes.float64 if dtypes.float64 in inside else dtypes.get_default_dtype()
        elif found.dtype not in dtypes.SUPPORTED:
            wanted = dtypes.int64
    if found.dtype.kind in "iu" and found.size and (wanted or found.dtype).kind in "iu":
        limits = np.iinfo(dtypes.int64 if wanted is None else wanted)
        for bad in (found.min(), found.max()):
            if not limits.min <= int(bad) <= limits.max:
                raise OverflowError(f"{who}: {bad} does not fit into {limits.dtype}; give a wider dtype, or a float")
    found = found if wanted is None else found.astype(wanted, copy=False)
    report("created", found)
    return found


convert = lambda array, dtype: array.astype(dtype)


def replace_tensors(who: str, data: Any, dtypes_found: list[np.dtype]) -> Any:
    """Nested lists with every one-element tensor replaced by its number; collects the tensors' dtypes."""
    if isinstance(data, Tensor):
        if data.array.size != 1:
            raise ValueError(
                f"{who}: the list holds a tensor of shape {data.shape}, but only one element stands for a number; "
                "join tensors with stack() or cat()"
            )
        dtypes_found.append(data.dtype)
        report("read", "a list with a tensor in it")
        return data.array.item()
    if isinstance(data, list | tuple):
        return [replace_tensors(who, x, dtypes_found) for x in data]
    return data


def describe_lengths(data: Any) -> str:
    """The lengths found at the first depth where they differ."""
    rows = list(data)
    while all(isinstance(row, list | tuple | np.ndarray) for row in rows) and len({len(row) for row in rows}) == 1:
        rows = [x for row in rows for x in row]
    return " and ".join(sorted({str(len(row)) if hasattr(row, "__len__") else "a number" for row in rows}))


def find_odd_element(data: Any) -> Any:
    """The first thing in nested lists that is no number."""
    if isinstance(data, list | tuple):
        return next((odd for odd in map(find_odd_element, data) if odd is not None or None in data), None)
    return None if isinstance(data, int | float | np.number | np.bool_ | Tensor) else data


def find_first(data: Any) -> Any:
    """The first number in nested lists."""
    while isinstance(data, list | tuple):
        if not data:
            return None
        data = data[0]
    return data


def deliver(array: Any, device: Any, requires_grad: bool) -> Tensor:
    out = wrap(array if device is None else put(array, device))
    report("created", out.array)
    return out.requires_grad_() if requires_grad else out


# -- constants --------------------------------------------------------------------------------------------


def _shape(name: str, size: tuple) -> tuple[int, ...]:
    """`zeros(2, 3)` and `zeros((2, 3))` mean the same."""
    if len(size) == 1 and isinstance(size[0], list | tuple):
        size = tuple(size[0])
    for n in size:
        if isinstance(n, bool) or not hasattr(n, "__index__"):
            raise TypeError(f"{name}: sizes must be ints, got {n!r} of type {type(n).__name__}")
        if n < 0:
            raise ValueError(f"{name}: sizes must not be negative, got {tuple(size)}")
    return tuple(int(n) for n in size)


def define_maker(name: str, doc: str) -> Callable[..., Tensor]:
    def function(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
        dtype = dtypes.get_default_dtype() if dtype is None else dtypes.as_dtype(dtype)
        array = getattr(backend(device), name)(_shape(name, size), dtype)
        return deliver(array, None, requires_grad)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return function


zeros = define_maker("zeros", "Zeros of the given sizes.")
ones = define_maker("ones", "Ones of the given sizes.")
empty = define_maker("empty", "Uninitialised memory of the given sizes.")


def full(
    size: Sequence[int], fill_value: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """A tensor of the given size filled with one value, whose type decides the dtype."""
    fill_value = _number("full", "fill_value", fill_value)
    dtype = tensor(fill_value).dtype if dtype is None else dtypes.as_dtype(dtype)
    _check_holds("full", dtype, fill_value)
    return deliver(backend(device).full(_shape("full", (size,)), fill_value, dtype), None, requires_grad)


def _number(name: str, what: str, value: Any) -> Any:
    """`value` as a number; a tensor or array of one element stands for it."""
    if isinstance(value, Tensor) or is_array(value):
        if (value.numel() if isinstance(value, Tensor) else value.size) != 1:
            raise TypeError(f"{name}: {what} has shape {tuple(value.shape)}; expected a number, or a tensor of one")
        report("read", f"{name} with a tensor as {what}")
        return value.item()
    if not isinstance(value, int | float | np.number | np.bool_):
        raise TypeError(f"{name}: {what} is {value!r}; expected a number")
    return value


def _check_holds(name: str, dtype: np.dtype, *values: Any) -> None:
    """Refuse numbers that an integer dtype can't hold, NaN and infinity among them."""
    if dtype.kind not in "iu":
        return
    limits = np.iinfo(dtype)
    for value in values:
        if not limits.min <= value <= limits.max:
            raise OverflowError(f"{name}: {value} does not fit into {dtype}; give a wider dtype, or a float")


def eye(n: int, m: int | None = None, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """The n × m matrix with ones on its diagonal."""
    n, m = _shape("eye", (n, n if m is None else m))
    return deliver(np.eye(n, m, dtype=dtypes.as_dtype(dtype or dtypes.get_default_dtype())), device, requires_grad)


def arange(
    start: float | None = None,
    end: float | None = None,
    step: float = 1,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """The numbers start, start + step, ... below end; int64 if all three are ints.

    For an integer dtype the fractions of start and step are cut off first, for int64 those of end, too, as in PyTorch.
    """
    if end is None:
        start, end = 0, start
    start = 0 if start is None else start
    if end is None:
        raise TypeError("arange: where to end is missing; give arange(end) or arange(start, end)")
    start, end, step = (
        _number("arange", what, value) for what, value in (("start", start), ("end", end), ("step", step))
    )
    for what, value in (("start", start), ("end", end), ("step", step)):
        if not math.isfinite(value):
            raise ValueError(f"arange: {what} is {value}; expected a finite number")
    if step == 0 or (end - start) / step < 0:
        raise ValueError(f"arange: step {step} does not lead from {start} to {end}")
    if dtype is None:
        dtype = (
            dtypes.int64
            if all(isinstance(x, int | np.integer) for x in (start, end, step))
            else dtypes.get_default_dtype()
        )
    found = dtypes.as_dtype(dtype)
    if (end - start) / step > 2**48:
        raise ValueError(f"arange: from {start} to {end} by {step} there are more numbers than any memory holds")
    if found.kind == "f" or all(isinstance(x, int | np.integer) for x in (start, end, step)):
        return deliver(np.arange(start, end, step).astype(found), device, requires_grad)
    if found == dtypes.bool or not int(step):
        raise ValueError(
            f"arange: step {step} from {start} to {end} can't be counted in {found}; give another dtype, or round the "
            "numbers yourself, .to(dtype)"
        )
    first, by = int(start), int(step)
    count = (int(end) - first) / by if found == dtypes.int64 else (end - start) / step
    return deliver((first + by * np.arange(math.ceil(count))).astype(found), device, requires_grad)


def linspace(
    start: float, end: float, steps: int, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """`steps` numbers from start to end inclusive, equally spaced; integers lose their fraction, towards 0."""
    found = dtypes.as_dtype(dtype or dtypes.get_default_dtype())
    for what, value in (("start", start), ("end", end)):
        if isinstance(value, Tensor) and value.ndim:
            raise TypeError(f"linspace: {what} has shape {value.shape}; expected a number, or a 0-d tensor")
    start, end = _number("linspace", "start", start), _number("linspace", "end", end)
    if not (math.isfinite(start) and math.isfinite(end)):
        raise ValueError(f"linspace: start is {start} and end {end}; expected finite numbers")
    if isinstance(steps, bool) or not hasattr(steps, "__index__") or steps < 0:
        raise TypeError(f"linspace: steps is {steps!r}; expected an int of at least 0, how many numbers there are")
    numbers = np.linspace(start, end, steps, dtype=found if found.kind == "f" else None)
    return deliver(numbers if found.kind == "f" else numbers.astype(dtypes.int64).astype(found), device, requires_grad)


# -- like another tensor ----------------------------------------------------------------------------------


def choose_dtype(input: Tensor, dtype: Any) -> np.dtype:
    return input.dtype if dtype is None else dtypes.as_dtype(dtype)


def zeros_like(input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Zeros of the shape and dtype of `input`, on its device."""
    return deliver(np.zeros_like(input.array, dtype=choose_dtype(input, dtype), order="C"), device, requires_grad)


def ones_like(input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Ones of the shape and dtype of `input`, on its device."""
    return deliver(np.ones_like(input.array, dtype=choose_dtype(input, dtype), order="C"), device, requires_grad)


def empty_like(input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Uninitialised memory of the shape and dtype of `input`, on its device."""
    return deliver(np.empty_like(input.array, dtype=choose_dtype(input, dtype), order="C"), device, requires_grad)


def full_like(
    input: Tensor, fill_value: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """One value in the shape and dtype of `input`, on its device."""
    found, fill_value = choose_dtype(input, dtype), _number("full_like", "fill_value", fill_value)
    _check_holds("full_like", found, fill_value)
    out = np.full_like(input.array, fill_value, dtype=found, order="C")
    return deliver(out, device, requires_grad)


def rand_like(input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Uniform numbers in [0, 1) of the shape and dtype of `input`, on its device."""
    device = input.device if device is None else device
    return rand(*input.shape, dtype=choose_dtype(input, dtype), device=device, requires_grad=requires_grad)


def randn_like(input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Standard normal numbers of the shape and dtype of `input`, on its device."""
    device = input.device if device is None else device
    return randn(*input.shape, dtype=choose_dtype(input, dtype), device=device, requires_grad=requires_grad)


def new_zeros(self: Tensor, *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Zeros of the given sizes, with this tensor's dtype and on its device unless told otherwise."""
    return _new(zeros, self, size, dtype, device, requires_grad)


def new_ones(self: Tensor, *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Ones of the given sizes, with this tensor's dtype and on its device unless told otherwise."""
    return _new(ones, self, size, dtype, device, requires_grad)


def new_empty(self: Tensor, *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Uninitialised memory of the given sizes, with this tensor's dtype and on its device unless told otherwise."""
    return _new(empty, self, size, dtype, device, requires_grad)


def new_full(
    self: Tensor,
    size: Sequence[int],
    fill_value: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """One value in the given size, with this tensor's dtype and on its device unless told otherwise."""
    return _new(lambda *a, **k: full(size, fill_value, **k), self, (), dtype, device, requires_grad)


def new_tensor(
    self: Tensor, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """A copy of `data` with this tensor's dtype and on its device unless told otherwise."""
    return _new(lambda *a, **k: tensor(data, **k), self, (), dtype, device, requires_grad)


def _new(make: Callable, like: Tensor, size: tuple, dtype: Any, device: Any, requires_grad: bool) -> Tensor:
    device = like.device if device is None else device
    return make(*size, dtype=choose_dtype(like, dtype), device=device, requires_grad=requires_grad)


# -- random numbers ---------------------------------------------------------------------------------------


def choose_float_dtype(name: str, dtype: Any) -> np.dtype:
    found = dtypes.get_default_dtype() if dtype is None else dtypes.as_dtype(dtype)
    if found.kind != "f":
        raise TypeError(f"{name}: expected a floating-point dtype, got {found}; use randint for integers")
    return found


def rand(
    *size: Any, generator: Generator | None = None, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Uniform numbers in [0, 1)."""
    drawn = draw(draw_fractions, generator, _shape("rand", size), choose_float_dtype("rand", dtype))
    return deliver(drawn, device, requires_grad)


def randn(
    *size: Any, generator: Generator | None = None, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Standard normal numbers."""
    found = choose_float_dtype("randn", dtype)
    return deliver(draw(draw_normal, generator, _shape("randn", size), found), device, requires_grad)


def randint(
    low: Any = 0,
    high: Any = None,
    size: Any = None,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Integers in [low, high), or in [0, low) when called as randint(high, size)."""
    if size is None:
        low, high, size = 0, low, high
    dtype = dtypes.int64 if dtype is None else dtypes.as_dtype(dtype)
    low, high = integer_range("randint", dtype, low, high)
    drawn = draw(draw_integers, generator, low, high, _shape("randint", (size,)), dtype)
    return deliver(drawn, device, requires_grad)


def integer_range(name: str, dtype: np.dtype, low: Any, high: Any) -> tuple[int, int]:
    """low and high as ints, if integers of [low, high) can be drawn for `dtype`."""
    low, high = _number(name, "low", low), _number(name, "high", high)
    for what, value in (("low", low), ("high", high)):
        if not isinstance(value, int | np.integer):
            raise TypeError(f"{name}: {what} is {value!r} of type {type(value).__name__}; expected an int")
    if high <= low:
        raise ValueError(f"{name}: the range [{low}, {high}) is empty; high must be above low")
    _check_holds(name, dtypes.int64 if dtype.kind == "f" else dtype, low, high - 1)
    if dtype == dtypes.bool and not 0 <= low <= high - 1 <= 1:
        raise OverflowError(f"{name}: [{low}, {high}) does not fit into bool, which holds 0 and 1")
    return int(low), int(high)


def randperm(n: int, *, generator: Generator | None = None, dtype: Any = None, device: Any = None) -> Tensor:
    """A random permutation of 0 .. n - 1."""
    dtype = dtypes.int64 if dtype is None else dtypes.as_dtype(dtype)
    (n,) = _shape("randperm", (n,))
    _check_holds("randperm", dtype, max(n - 1, 0))
    return deliver(draw(draw_permutation, generator, n, dtype), device, False)


draw_fractions = lambda rng, shape, dtype: np.asarray(rng.random(shape, dtype))
draw_normal = lambda rng, shape, dtype: np.asarray(rng.standard_normal(shape, dtype))
draw_integers = lambda rng, low, high, shape, dtype: np.asarray(rng.integers(low, high, shape)).astype(dtype)
draw_permutation = lambda rng, n, dtype: rng.permutation(n).astype(dtype)
