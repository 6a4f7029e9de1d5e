"""Whether tensors are equal, or close."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...core.tensor import Tensor, wrap
from ...device import as_array
from ...errors import GradientError
from ...events import compute, report
from .converting import check_tensors


def equal(input: Tensor, other: Tensor) -> bool:
    """Whether two tensors have the same shape and elements."""
    check_tensors("equal", input=input, other=other)
    report("read", "equal()")
    return bool(input.shape == other.shape and np.array_equal(input.array, other.array))


def allclose(input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> bool:
    """Whether |input - other| <= atol + rtol * |other| everywhere."""
    _check_close("allclose", input, other, rtol, atol)
    report("read", "allclose()")
    return bool(np.allclose(input.array, other.array, rtol, atol, equal_nan))


def isclose(input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Tensor:
    """Where |input - other| <= atol + rtol * |other|."""
    _check_close("isclose", input, other, rtol, atol)
    return wrap(as_array(compute(np.isclose, input.array, other.array, rtol, atol, equal_nan)))


def _check_close(name: str, input: Any, other: Any, rtol: float, atol: float) -> None:
    check_tensors(name, input=input, other=other)
    if not (rtol >= 0 and atol >= 0):
        raise GradientError(f"{name}: rtol={rtol} and atol={atol} are tolerances; both must be at least 0")


def is_tensor(obj: Any) -> bool:
    """Whether `obj` is a Tensor."""
    return isinstance(obj, Tensor)
