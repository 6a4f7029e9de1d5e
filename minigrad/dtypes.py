"""Element types and PyTorch's rules for mixing them.

A dtype is NumPy's own. What differs from NumPy is promotion: only tensors that have dimensions decide within a
category, so that a Python number or a 0-d tensor never turns float32 into float64, and integers become *float32*
where a fraction is needed.
"""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np

from .errors import GradientError

float32 = float = np.dtype(np.float32)
float64 = double = np.dtype(np.float64)
int64 = long = np.dtype(np.int64)
int32 = int = np.dtype(np.int32)
int16 = short = np.dtype(np.int16)
int8 = np.dtype(np.int8)
uint8 = np.dtype(np.uint8)
bool = np.dtype(np.bool_)

SUPPORTED = frozenset({float32, float64, int64, int32, int16, int8, uint8, bool})

NAMES = frozenset(str(d) for d in SUPPORTED)

_CATEGORY = {"b": 0, "i": 1, "u": 1, "f": 2}
_default = float32


def get_default_dtype() -> np.dtype:
    """The dtype that Python floats become."""
    return _default


def set_default_dtype(dtype: Any) -> None:
    """Make Python floats become `dtype`, float32 or float64, from now on."""
    global _default
    dtype = as_dtype(dtype)
    if dtype.kind != "f":
        raise TypeError(f"set_default_dtype: expected a floating-point dtype, got {dtype}")
    _default = dtype


def as_dtype(dtype: Any) -> np.dtype:
    """`dtype` as a supported NumPy dtype; accepts dtypes, names and Python's bool, int (int64) and float (float64)."""
    try:
        found = np.dtype(dtype)
    except TypeError:
        found = None
    if found not in SUPPORTED:
        names = ", ".join(sorted(str(d) for d in SUPPORTED))
        raise TypeError(f"dtype {dtype!r} is not supported; use one of {names}")
    return found  # type: ignore[return-value]


class _Limits:
    """What a dtype can hold, as Python numbers."""

    def __init__(self, limits: Any, names: str) -> None:
        for name in names.split():
            value = getattr(limits, name)
            if name == "resolution":
                value = builtins.float(str(value))  # a power of ten, which float32 only comes near to
            setattr(self, name, value.item() if isinstance(value, np.generic) else value)
        self.dtype = str(limits.dtype)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"{type(self).__name__} has no {name!r}; it has {', '.join(vars(self))}")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v}' for k, v in vars(self).items())})"


class finfo(_Limits):
    """The limits of a floating-point dtype: bits, eps, max, min, tiny (smallest_normal), resolution."""

    def __init__(self, type: Any = None) -> None:
        dtype = _default if type is None else as_dtype(type)
        if dtype.kind != "f":
            raise TypeError(f"finfo: expected a floating-point dtype, got {dtype}; for integers use iinfo")
        super().__init__(np.finfo(dtype), "bits eps max min tiny smallest_normal resolution")


class iinfo(_Limits):
    """The limits of an integer dtype: bits, max, min."""

    def __init__(self, type: Any) -> None:
        dtype = as_dtype(type)
        if dtype.kind not in "iu":
            raise TypeError(f"iinfo: expected an integer dtype, got {dtype}; for floating-point ones use finfo")
        super().__init__(np.iinfo(dtype), "bits max min")


def result_type(*operands: Any, fractional: builtins.bool = False) -> np.dtype:
    """The dtype PyTorch computes in when it mixes `operands`: arrays, and Python or NumPy numbers.

    Operands rank by how much they say: arrays with dimensions, then 0-d arrays, then numbers. A lower rank
    counts only if its category (bool < integer < floating) is above every higher rank's.
    fractional: the operation makes fractions (a division, exp), so integers become the default float.
    """
    given: set[Any] = {getattr(x, "dtype", None) for x in operands}
    if len(given) == 1 and None not in given:
        (same,) = given
        return _default if fractional and same.kind != "f" else same
    ranks: list[np.dtype | None] = [None, None, None]  # of arrays with dimensions, 0-d arrays, numbers
    for x in operands:
        rank: builtins.int = 2
        dtype: np.dtype
        if isinstance(x, builtins.bool | np.bool_):
            dtype = bool
        elif isinstance(x, builtins.int | np.integer):
            dtype = int64
        elif isinstance(x, builtins.float | np.floating):
            dtype = _default
        elif hasattr(x, "dtype"):
            rank, dtype = (0 if x.ndim else 1), x.dtype
        else:
            raise TypeError(f"expected a Tensor or a number, got {type(x).__name__}; convert it with minigrad.tensor")
        held = ranks[rank]
        ranks[rank] = dtype if held is None else _promote(held, dtype)
    result: np.dtype | None = None
    for found in ranks:
        if found is not None and (result is None or _CATEGORY[found.kind] > _CATEGORY[result.kind]):
            result = found
    assert result is not None
    return _default if fractional and result.kind != "f" else result


_LIMITS = {d: (np.iinfo(d).min, np.iinfo(d).max) for d in (uint8, int8, int16, int32, int64)}
_MODULAR = {"add", "subtract", "multiply", "addcmul", "bitwise_and", "bitwise_or", "bitwise_xor"}
_COMPARING = {"less", "less_equal", "greater", "greater_equal", "equal", "not_equal"}


def fit(name: str, number: builtins.int, dtype: np.dtype) -> builtins.int:
    """A Python integer as the operation `name` takes it beside integers of `dtype`.

    Sums, products and bits wrap around, as their results do: uint8 * -1 is uint8 * 255. Comparisons take any integer.
    Elsewhere a wrapped number would give a wrong result, so one that does not fit is refused.
    """
    low, high = _LIMITS[dtype]
    if low <= number <= high or name in _COMPARING:
        return number
    if name in _MODULAR:
        return (number - low) % (high - low + 1) + low
    raise GradientError(
        f"{name}: {number} does not fit into {dtype}, which holds {low} to {high}; "
        "convert the tensor first, e.g. with .long() or .float(), or give a number that fits"
    )


def _promote(a: np.dtype, b: np.dtype) -> np.dtype:
    if a == b:
        return a
    if a.kind == "f" or b.kind == "f":  # an integer never widens a float
        return max((d for d in (a, b) if d.kind == "f"), key=lambda d: d.itemsize)
    return np.promote_types(a, b)
