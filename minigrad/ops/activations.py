"""Activation functions beyond relu, tanh and sigmoid (arithmetic.py): one derivative a line."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .arithmetic import sigmoid, softplus
from .special import erf
from .table import op, real, unary


def _normal_cdf(x: Any) -> Any:
    """Φ(x), the standard normal distribution function."""
    return 0.5 * (1 + erf(x * math.sqrt(0.5)))


silu = op(
    lambda x: x * sigmoid(x),
    vjp=lambda g, x: g * (sigmoid(x) * (1 + x * sigmoid(-x))),
    name="silu",
    elementwise=True,
    fractional=True,
    cases=unary,
)
gelu = op(
    lambda x: x * _normal_cdf(x),
    vjp=lambda g, x: g * (_normal_cdf(x) + x * (np.exp(-0.5 * x * x) / math.sqrt(2 * math.pi))),
    name="gelu",
    elementwise=True,
    fractional=True,
    cases=unary,
)


def _squash(x: Any) -> Any:
    return np.tanh(softplus(x, 1.0, 20.0))


mish = op(
    lambda x: x * _squash(x),
    vjp=lambda g, x: g * (_squash(x) + x * sigmoid(x) * (1 - _squash(x) ** 2)),
    name="mish",
    elementwise=True,
    fractional=True,
    cases=unary,
)
hardtanh = op(
    # clamp, but for the slope at the bounds, which is 0 here and 1 there: PyTorch's conventions.
    lambda x, low, high: np.minimum(np.maximum(x, x.dtype.type(low)), x.dtype.type(high)),
    vjp=lambda g, x, low, high: g * ~(x <= low) * ~(x >= high),  # a NaN passes its cotangent on
    name="hardtanh",
    elementwise=True,
    cases=lambda: unary(real, -0.6, 0.7),
)
