"""Arithmetic with PyTorch's extras: scaled sums, rounded quotients, bounds, interpolation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ... import dtypes
from ...core.tensor import Tensor, wrap
from ...errors import DivisionByZeroError, GradientError
from ...events import compute
from ...ops import arithmetic, special
from .converting import check_tensors, to


def add(input: Any, other: Any, *, alpha: Any = 1) -> Tensor:
    """input + alpha * other."""
    return arithmetic.add(input, other if alpha == 1 else arithmetic.multiply(other, alpha))


def sub(input: Any, other: Any, *, alpha: Any = 1) -> Tensor:
    """input - alpha * other. Refused for bool tensors, as in PyTorch: use ~mask or logical_not."""
    return arithmetic.subtract(input, other if alpha == 1 else arithmetic.multiply(other, alpha))


def div(input: Any, other: Any, *, rounding_mode: str | None = None) -> Tensor:
    """input / other, as a fraction, or rounded with rounding_mode 'floor' or 'trunc'."""
    if rounding_mode is None:
        return arithmetic.divide(input, other)
    if rounding_mode in ("floor", "trunc"):
        _refuse_zero("div", input, other)
    if rounding_mode == "floor":
        return arithmetic.floor_divide(input, other)
    if rounding_mode == "trunc":
        down = arithmetic.floor_divide(input, other)
        if down.is_floating_point():
            return arithmetic.trunc(arithmetic.divide(input, other).detach())
        # A fraction would not hold large integers. Towards zero: one more where rounding down left a negative.
        inexact = arithmetic.not_equal(arithmetic.multiply(down, other), input)
        return arithmetic.add(down, to(arithmetic.bitwise_and(arithmetic.less(down, 0), inexact), down.dtype))
    raise ValueError(f"div: rounding_mode={rounding_mode!r}; expected None, 'floor' or 'trunc'")


def _refuse_zero(name: str, input: Any, other: Any) -> None:
    """Refuse an integer division by 0. (NumPy's answer to it is 0.)"""
    arrays = [x.array if isinstance(x, Tensor) else np.asarray(x) for x in (input, other)]
    if all(x.dtype.kind != "f" for x in arrays):
        compute(refuse_zero, name, *(x.array if isinstance(x, Tensor) else x for x in (input, other)))


def refuse_zero(name: str, input: Any, other: Any) -> None:
    if getattr(input, "size", 1) and not np.all(other):
        raise DivisionByZeroError(
            f"{name}: an integer was divided by 0; keep the divisor away from 0, or convert with .float(): "
            "a float divided by 0 is infinite or NaN"
        )


def floor_divide(input: Any, other: Any) -> Tensor:
    """input / other, rounded down. Integers raise where the divisor is 0."""
    _refuse_zero("floor_divide (//)", input, other)
    return arithmetic.floor_divide(input, other)


def remainder(input: Any, other: Any) -> Tensor:
    """What a division rounded down leaves, with the sign of other. Integers raise where the divisor is 0."""
    _refuse_zero("remainder (%)", input, other)
    return arithmetic.remainder(input, other)


def fmod(input: Any, other: Any) -> Tensor:
    """What a division rounded towards 0 leaves, with the sign of input. Integers raise where the divisor is 0."""
    _refuse_zero("fmod", input, other)
    return arithmetic.fmod(input, other)


def positive(input: Tensor) -> Tensor:
    """The tensor itself."""
    if input.dtype == dtypes.bool:
        raise GradientError("positive: '+' is not defined for bool tensors; convert the mask with .float()")
    return input


def clamp(input: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """input limited to [min, max]; either bound may be missing or a tensor. At a bound the gradient passes.

    A NaN, in the input or in a tensor of bounds, stays a NaN.
    """
    if min is None and max is None:
        raise GradientError("clamp: neither bound was given; expected min, max or both: clamp(min=0)")
    if isinstance(min, Tensor) or isinstance(max, Tensor):
        if min is not None:
            input = bound_by(input, min, arithmetic.greater_equal)
        return input if max is None else bound_by(input, max, arithmetic.less_equal)
    if not input.is_floating_point():
        if isinstance(min, float) or isinstance(max, float):
            input = input.to(dtypes.get_default_dtype())
        elif input.dtype != dtypes.bool:
            for bound in (min, max):
                if isinstance(bound, int):
                    dtypes.fit("clamp", bound, input.dtype)
    return arithmetic.clamp(input, min, max)


def bound_by(input: Tensor, bound: Any, inside: Callable[[Any, Any], Tensor]) -> Tensor:
    """input where it is inside the bound, the bound elsewhere."""
    kept = inside(input, bound)
    if input.is_floating_point():  # no comparison holds for NaN
        kept = arithmetic.logical_or(kept, arithmetic.isnan(input))
    return arithmetic.where(kept, input, bound)


def lerp(input: Tensor, end: Tensor, weight: Any) -> Tensor:
    """input + weight * (end - input)."""
    if not input.is_floating_point():
        input = to(input, dtypes.get_default_dtype())
    end = to(end, input.dtype) if end.dtype == dtypes.bool else end  # a bool cannot be subtracted from
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


def addcmul(input: Tensor, tensor1: Any, tensor2: Any, *, value: Any = 1) -> Tensor:
    """input + value * tensor1 * tensor2."""
    if value == 1:
        return arithmetic.addcmul(input, tensor1, tensor2)
    return add(input, arithmetic.multiply(tensor1, tensor2), alpha=value)


def addcdiv(input: Tensor, tensor1: Any, tensor2: Any, *, value: Any = 1) -> Tensor:
    """input + value * tensor1 / tensor2. Refused for two integer tensors, as in PyTorch."""
    if not any(getattr(x, "dtype", dtypes.float32).kind == "f" for x in (tensor1, tensor2)):
        raise GradientError(
            "addcdiv: tensor1 and tensor2 are integers, so it is not clear which division is meant; "
            "convert one with .float(), or write input + value * div(tensor1, tensor2, rounding_mode='trunc')"
        )
    return add(input, arithmetic.divide(tensor1, tensor2), alpha=value)


def frac(input: Tensor) -> Tensor:
    """What is behind the decimal point, with the sign of input: input - trunc(input)."""
    return arithmetic.subtract(input, arithmetic.trunc(input))


make_number = lambda like, value, dtype: np.full_like(like, value, dtype=dtype, shape=())


def xlogy(input: Any, other: Any) -> Tensor:
    """input * log(other), with 0 log 0 = 0."""
    if not isinstance(other, Tensor):
        check_tensors("xlogy", input=input)
        # A number's logarithm must not bring its own dtype
        dtype = dtypes.result_type(input.array, other, fractional=True)
        other = wrap(compute(make_number, input.array, other, dtype))
    return special.xlogy(input, other)


def clamp_min(input: Tensor, min: Any) -> Tensor:
    """input, or `min` where it is below."""
    check_tensors("clamp_min", input=input)
    return clamp(input, min, None)


def clamp_max(input: Tensor, max: Any) -> Tensor:
    """input, or `max` where it is above."""
    check_tensors("clamp_max", input=input)
    return clamp(input, None, max)


def nan_to_num(
    input: Tensor, nan: float | None = None, posinf: float | None = None, neginf: float | None = None
) -> Tensor:
    """input with NaN replaced by `nan` (0), ∞ by `posinf` (the largest number) and -∞ by `neginf` (the lowest)."""
    if not input.is_floating_point():
        return arithmetic.clone(input)
    limits = np.finfo(input.dtype)
    for found, value in (
        (arithmetic.isnan(input), 0.0 if nan is None else nan),
        (arithmetic.equal(input, np.inf), limits.max if posinf is None else posinf),
        (arithmetic.equal(input, -np.inf), limits.min if neginf is None else neginf),
    ):
        input = arithmetic.where(found, input.dtype.type(value), input)
    return input
