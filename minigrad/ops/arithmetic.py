"""Arithmetic and the elementary functions: one derivative a line.

All are elementwise. In the rules g is the cotangent of the output y. The first rows are in core/rules.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dtypes
from ..core.rules import add, cast, clone, divide, multiply, negative, power, subtract, tanh
from ..device import CPU, put
from .table import TABLE, binary, booleans, integers, op, positive, real, unary, within

__all__ = ["add", "cast", "clone", "divide", "multiply", "negative", "power", "subtract", "tanh"]

TABLE["divide"].cases = lambda: binary(real, positive)
TABLE["pow"].cases = lambda: [
    *binary(positive, real),
    *unary(real, 2),
    *unary(real, 3.0),
    *unary(positive, -0.5),
    *unary(real, 0),
    (2.5, real(3, 4)),
    (2, real()),
]
TABLE["cast"].cases = lambda: [(real(3, 4), dtypes.float64, dtypes.float64)]
TABLE["clone"].cases = lambda: [(real(3, 4),), (real(),)]

# -- the four operations, powers --------------------------------------------------------------------------


def _multiply_add(a: Any, b: Any, c: Any) -> Any:
    y = np.multiply(b, c)
    if type(a) is np.ndarray and a.shape == y.shape and y.shape and a.dtype is y.dtype:
        return np.add(a, y, out=y)  # a weight plus its noise: one array less to allocate
    return a + y


addcmul = op(
    _multiply_add,  # a + b * c
    vjp=dict(a=lambda g: g, b=lambda g, c: g * c, c=lambda g, b: g * b),
    name="addcmul",
    elementwise=True,
    cases=lambda: [
        (real(3, 4), real(3, 4), real(3, 4)),
        (real(3, 4), real(4), real(3, 1)),
        (real(4), real(3, 1), real(3, 4)),
        (real(), real(2), real()),
        (real(2), real(), real(0, 2)),
    ],
)
positive_ = op(np.positive, vjp=lambda g: g, name="positive")


floor_divide = op(np.floor_divide, cases=lambda: binary(real, positive))
remainder = op(
    np.remainder,
    vjp=dict(a=lambda g: g, b=lambda g, a, b: -g * np.floor_divide(a, b)),
    cases=lambda: [(within(0.1, 0.4, 3, 4), within(0.5, 1.0, 4)), (within(2.1, 2.4, 3), within(0.9, 1.0, 3))],
)
fmod = op(
    np.fmod,  # the remainder with the sign of a; `remainder` has that of b
    vjp=dict(a=lambda g: g, b=lambda g, a, b: -g * np.trunc(a / b)),
    cases=lambda: [(within(-0.4, -0.1, 3, 4), within(0.5, 1.0, 4)), (within(-2.4, -2.1, 3), within(0.6, 0.65, 3))],
)
square = op(np.square, vjp=lambda g, x: g * (2 * x))
sqrt = op(np.sqrt, vjp=lambda g, y: g / (2 * y), fractional=True, cases=lambda: unary(positive))

# -- exponentials and logarithms --------------------------------------------------------------------------

exp = op(np.exp, vjp=lambda g, y: g * y, fractional=True)
log = op(np.log, vjp=lambda g, x: g / x, fractional=True, cases=lambda: unary(positive))
log1p = op(np.log1p, vjp=lambda g, x: g / (1 + x), fractional=True, cases=lambda: unary(positive))
expm1 = op(np.expm1, vjp=lambda g, y: g * (y + 1), fractional=True)


def _sigmoid(x: Any) -> Any:
    e = np.exp(-np.abs(x))  # never overflows, unlike exp(-x)
    return np.where(x >= 0, 1, e) / (1 + e)


sigmoid = op(_sigmoid, vjp=lambda g, y: g * (y * (1 - y)), elementwise=True, fractional=True, cases=unary)


def _softplus(x: Any, beta: float, threshold: float) -> Any:
    bx = beta * x
    return np.where(bx > threshold, x, (np.maximum(bx, 0) + np.log1p(np.exp(-np.abs(bx)))) / beta)


softplus = op(
    _softplus,
    vjp=lambda g, x, beta, threshold: where(beta * x > threshold, g, g * sigmoid(beta * x)),
    elementwise=True,
    fractional=True,
    cases=lambda: [*unary(real, 1.0, 20.0), (real(3, 4), 2.5, 1.5)],
)

# -- functions with a kink: its value there is PyTorch's --------------------------------------------------

absolute = op(np.absolute, vjp=lambda g, x: g * np.sign(x), name="abs")
sign = op(np.sign)
_ZEROS: dict[Any, Any] = {}


def rectify(x: Any) -> Any:
    """max(x, 0)."""
    # NumPy's maximum is vectorised for two arrays, not for an array and a number.
    # So arrays of zeros are kept, of a few small shapes: a network asks for the same ones at every step.
    if type(x) is not np.ndarray or not 64 < x.size <= 1 << 18:
        return np.maximum(x, 0)
    zeros = _ZEROS.get((x.shape, x.dtype))
    if zeros is None:
        if len(_ZEROS) >= 16:
            _ZEROS.clear()
        zeros = _ZEROS[x.shape, x.dtype] = np.zeros_like(x)
    return np.maximum(x, zeros)


relu = op(
    rectify,
    vjp=lambda g, y: g * (y != 0),  # y is not negative: 0 at 0, and a NaN passes its cotangent on
    name="relu",
    elementwise=True,
    cases=lambda: [*unary(), (real(9, 8),)],
)
leaky_relu = op(
    lambda x, slope: np.where(x > 0, x, slope * x),
    vjp=lambda g, x, slope: where(x > 0, g, slope * g),
    name="leaky_relu",
    elementwise=True,
    fractional=True,
    cases=lambda: unary(real, 0.01),
)
elu = op(
    lambda x, alpha: np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0))),
    vjp=lambda g, x, y, alpha: where(x > 0, g, g * (y + alpha)),
    name="elu",
    elementwise=True,
    fractional=True,
    cases=lambda: [*unary(real, 1.0), (real(3, 4), 0.5)],
)
maximum = op(
    np.maximum,
    vjp=dict(  # a tie is shared; a NaN on either side passes the cotangent on to both
        a=lambda g, a, b: g * ~(a < b) - g * 0.5 * (a == b),
        b=lambda g, a, b: g * ~(b < a) - g * 0.5 * (a == b),
    ),
)
minimum = op(
    np.minimum,
    vjp=dict(
        a=lambda g, a, b: g * ~(a > b) - g * 0.5 * (a == b),
        b=lambda g, a, b: g * ~(b > a) - g * 0.5 * (a == b),
    ),
)


def _clamp(x: Any, low: float | None, high: float | None) -> Any:
    y = x if low is None else np.maximum(x, low)
    return y if high is None else np.minimum(y, high)


def _clamp_slope(g: Any, x: Any, low: float | None, high: float | None) -> Any:
    if low is not None:
        g = g * (x >= low)  # the bounds themselves belong to the inside
    return g if high is None else g * (x <= high)


clamp = op(
    _clamp,
    vjp=_clamp_slope,
    name="clamp",
    elementwise=True,
    cases=lambda: [*unary(real, -0.5, 0.5), (real(3, 4), None, 0.5), (real(3, 4), -0.5, None)],
)

# -- choosing ---------------------------------------------------------------------------------------------

where = op(
    lambda condition, a, b: np.where(condition, a, b),
    vjp=dict(  # the branch not chosen gets an exact 0
        a=lambda g, condition: where(condition, g, 0.0),
        b=lambda g, condition: where(condition, 0.0, g),
    ),
    name="where",
    elementwise=True,
    cases=lambda: [
        (booleans(3, 4), real(3, 4), real(3, 4)),
        (booleans(4), real(3, 1), real(3, 4)),
        (booleans(3, 4), real(), real(4)),
        (booleans(), real(2), real(2)),
        (booleans(0, 3), real(3), real(0, 3)),
    ],
)

# -- comparisons and logic: no derivative -----------------------------------------------------------------

less, less_equal = op(np.less), op(np.less_equal)
greater, greater_equal = op(np.greater), op(np.greater_equal)
equal, not_equal = op(np.equal), op(np.not_equal)
logical_and, logical_or, logical_not = op(np.logical_and), op(np.logical_or), op(np.logical_not)
logical_xor = op(np.logical_xor)
bitwise_and, bitwise_or, bitwise_xor = (
    op(f, cases=lambda: [(booleans(3, 4), booleans(4))]) for f in (np.bitwise_and, np.bitwise_or, np.bitwise_xor)
)
left_shift = op(np.left_shift, name="bitwise_left_shift", cases=lambda: [(integers(0, 99, 3, 4), integers(0, 4, 4))])
right_shift = op(np.right_shift, name="bitwise_right_shift", cases=lambda: [(integers(0, 99, 3, 4), integers(0, 4, 4))])
invert = op(np.invert, cases=lambda: [(booleans(3, 4),)], name="bitwise_not")
isfinite, isnan, isinf = op(np.isfinite), op(np.isnan), op(np.isinf)
floor, ceil, trunc = op(np.floor), op(np.ceil), op(np.trunc)
round_ = op(lambda x, decimals: np.round(x, decimals), name="round", elementwise=True, cases=lambda: unary(real, 0))

# -- dtypes, memory, devices ------------------------------------------------------------------------------


def move_beside(x: Any, device: Any, source: Any) -> Any:
    moved = put(x, device)
    return x.copy() if moved is x else moved


to_device = op(
    move_beside,
    vjp=lambda g, device, source: to_device(g, source, device),
    name="to_device",
    cases=lambda: [(real(3, 4), CPU, CPU), (real(), CPU, CPU)],
)
