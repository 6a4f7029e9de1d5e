"""Densities and entropies that policies evaluate at every step, each as one operation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .table import binary, op, positive, real, unary

_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


# With z = (x - μ) / σ: log N(x; μ, σ²) = -½ z² - log σ - ½ log 2π.


def _normal_log_prob(x: Any, loc: Any, scale: Any) -> Any:
    z = (x - loc) / scale
    return -0.5 * (z * z) - np.log(scale) - _HALF_LOG_2PI


normal_log_prob = op(
    _normal_log_prob,
    vjp=dict(
        x=lambda g, x, loc, scale: g * (loc - x) / (scale * scale),
        loc=lambda g, x, loc, scale: g * (x - loc) / (scale * scale),
        scale=lambda g, x, loc, scale: g * (((x - loc) / scale) ** 2 - 1) / scale,
    ),
    elementwise=True,
    fractional=True,
    cases=lambda: [
        *[(x, *pair) for (x, _), pair in zip(binary(), binary(real, positive), strict=True)],
        (real(4), real(3, 1), positive()),
    ],
)


def _log_sech2(u: Any) -> Any:
    size = np.abs(u)
    return 2 * (math.log(2) - size - np.log1p(np.exp(-2 * size)))


log_sech2 = op(
    # log(1 - tanh² u): how much tanh squeezes at u. 1 - tanh² rounds to 0 from |u| = 9 on in float32; this form,
    # 2 (log 2 - |u| - softplus(-2 |u|)), never does.
    _log_sech2,
    vjp=lambda g, u: g * (-2 * np.tanh(u)),
    elementwise=True,
    fractional=True,
    cases=unary,
)


def replace_minus_infinity(log_p: Any) -> Any:
    """0 * log 0 is to be 0, so -∞ becomes the lowest finite number."""
    return np.maximum(log_p, np.finfo(log_p.dtype).min)


entropy = op(
    # H(p) = -Σ p log p over the last dimension, from log p.
    lambda log_p: -np.add.reduce(np.exp(log_p) * replace_minus_infinity(log_p), axis=-1),
    vjp=lambda g, log_p: -g[..., None] * (np.exp(log_p) * (replace_minus_infinity(log_p) + 1)),
    name="entropy",
    fractional=True,
    cases=lambda: [(real(3, 4),), (real(5),), (real(2, 3, 4),)],
)
