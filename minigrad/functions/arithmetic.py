"""Arithmetic with PyTorch's extras: scaled sums, rounded quotients, bounds, interpolation."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dtypes
from ..device import as_array
from ..errors import GradientError
from ..ops import arithmetic
from ..tensor import Tensor, wrap
from .conversion import to


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
            return wrap(as_array(np.trunc(arithmetic.divide(input, other).array)))
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


def lerp(input: Tensor, end: Tensor, weight: Any) -> Tensor:
    """input + weight * (end - input)."""
    if not input.is_floating_point():
        input = to(input, dtypes.get_default_dtype())
    return arithmetic.add(input, arithmetic.multiply(arithmetic.subtract(end, input), weight))


def round(input: Tensor, *, decimals: int = 0) -> Tensor:
    """Rounded to the nearest value, halves to even."""
    return arithmetic.round_(input, decimals)


def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """log(1 + exp(beta * input)) / beta, linear where beta * input > threshold."""
    return arithmetic.softplus(input, beta, threshold)


def leaky_relu(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    """input where positive, negative_slope * input elsewhere."""
    return arithmetic.leaky_relu(input, negative_slope)


def elu(input: Tensor, alpha: float = 1.0) -> Tensor:
    """input where positive, alpha * (exp(input) - 1) elsewhere."""
    return arithmetic.elu(input, alpha)
