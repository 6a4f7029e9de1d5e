"""Trigonometry, other logarithms, and the error function: elementwise, one derivative a line."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .arithmetic import sigmoid, where
from .table import binary, op, positive, real, unary, within

# -- angles -----------------------------------------------------------------------------------------------

sin = op(np.sin, vjp=lambda g, x: g * np.cos(x), fractional=True)
cos = op(np.cos, vjp=lambda g, x: -g * np.sin(x), fractional=True)
tan = op(
    np.tan, vjp=lambda g, y: g * (1 + y * y), fractional=True, cases=lambda: unary(lambda *shape: within(-1, 1, *shape))
)
atan = op(np.arctan, vjp=lambda g, x: g / (1 + x * x), name="atan", fractional=True)


def _square_of_radius(a: Any, b: Any) -> Any:
    """a² + b², but 1 at the origin: there the slopes of the angle are taken as 0."""
    return where((a == 0) & (b == 0), 1.0, a * a + b * b)


atan2 = op(
    np.arctan2,  # the angle of the point (b, a), in (-π, π]
    vjp=dict(
        a=lambda g, a, b: g * b / _square_of_radius(a, b),
        b=lambda g, a, b: -g * a / _square_of_radius(a, b),
    ),
    name="atan2",
    fractional=True,
)
atanh = op(
    np.arctanh,
    vjp=lambda g, x: g / (1 - x * x),
    name="atanh",
    fractional=True,
    cases=lambda: unary(lambda *shape: within(-0.9, 0.9, *shape)),
)

# -- logarithms and powers --------------------------------------------------------------------------------

log2 = op(np.log2, vjp=lambda g, x: g / (x * math.log(2)), fractional=True, cases=lambda: unary(positive))
log10 = op(np.log10, vjp=lambda g, x: g / (x * math.log(10)), fractional=True, cases=lambda: unary(positive))
logaddexp = op(
    np.logaddexp,  # log(exp a + exp b), without overflow
    vjp=dict(a=lambda g, a, b: g * sigmoid(a - b), b=lambda g, a, b: g * sigmoid(b - a)),
    fractional=True,
)
reciprocal = op(np.reciprocal, vjp=lambda g, y: -g * (y * y), fractional=True, cases=lambda: unary(positive))
rsqrt = op(
    lambda x: 1 / np.sqrt(x),
    vjp=lambda g, y: -0.5 * g * (y * y * y),
    name="rsqrt",
    elementwise=True,
    fractional=True,
    cases=lambda: unary(positive),
)


def _xlogy(a: Any, b: Any) -> Any:
    """a log b, with 0 log 0 = 0."""
    if isinstance(b, int | float):  # a number's logarithm must not bring its own dtype
        b = a.dtype.type(b)
    is_zero = (a == 0) & (b == b)  # a NaN stays a NaN
    return np.where(is_zero, 0, a * np.log(np.where(is_zero, 1, b)))


xlogy = op(
    _xlogy,
    vjp=dict(
        a=lambda g, a, b: g * np.log(where((a == 0) & (b <= 0), 1.0, b)),
        b=lambda g, a, b: g * a / b,
    ),
    elementwise=True,
    fractional=True,
    cases=lambda: binary(real, positive),
)

# -- the error function -----------------------------------------------------------------------------------
#
#     erf(x) = 2/√π ∫₀ˣ exp(-t²) dt,    erfc(x) = 1 - erf(x)
#
# NumPy has neither. Polynomials over polynomials, leading coefficient first. In float64 those of W. J. Cody,
# "Rational Chebyshev approximations for the error function" (Math. Comp. 23, 1969), one pair for each of three
# ranges of |x|, right to a few units in the last place; in float32 one pair for all (Eigen's), right to 4e-7.

_TO_HALF = (
    (0.185777706184603153, 3.16112374387056560, 113.864154151050156, 377.485237685302021, 3209.37758913846947),
    (1.0, 23.6012909523441209, 244.024637934444173, 1282.61652607737228, 2844.23683343917062),
)
_TO_FOUR = (
    (
        *(2.15311535474403846e-8, 0.564188496988670089, 8.88314979438837594, 66.1191906371416295),
        *(298.635138197400131, 881.952221241769090, 1712.04761263407058, 2051.07837782607147, 1230.33935479799725),
    ),
    (
        *(1.0, 15.7449261107098347, 117.693950891312499, 537.181101862009858, 1621.38957456669019),
        *(3290.79923573345963, 4362.61909014324716, 3439.36767414372164, 1230.33935480374942),
    ),
)
_BEYOND = (
    (
        *(0.0163153871373020978, 0.305326634961232344, 0.360344899949804439),
        *(0.125781726111229246, 0.0160837851487422766, 6.58749161529837803e-4),
    ),
    (
        *(1.0, 2.56852019228982242, 1.87295284992346725),
        *(0.527905102951428412, 0.0605183413124413191, 0.00233520497626869185),
    ),
)
_SINGLE = (
    (
        *(-2.72614225801306e-10, 2.77068142495902e-8, -2.10102402082508e-6, -5.69250639462346e-5),
        *(-7.34990630326855e-4, -2.95459980854025e-3, -1.60960333262415e-2),
    ),
    (-1.45660718464996e-5, -2.13374055278905e-4, -1.68282697438203e-3, -7.37332916720468e-3, -1.42647390514189e-2),
)
_HALF, _FOUR, _END = 0.46875, 4.0, 28.0  # beyond _END erfc(x) is 0 in float64


def _ratio(polynomials: tuple, x: Any) -> Any:
    """One polynomial in x over another, each by Horner's rule."""
    above, below = polynomials
    y = z = 0.0
    for c in above:
        y = y * x + c
    for c in below:
        z = z * x + c
    return y / z


def _erfc_of_large(size: Any) -> Any:
    """erfc(|x|) for |x| ≥ _HALF, with its relative precision: in float64 it does not round to 0 before 1e-300."""
    middle = np.minimum(np.maximum(size, _HALF), _FOUR)
    far = np.minimum(np.maximum(size, _FOUR), _END)
    t = 1 / (far * far)
    tail = np.where(size <= _FOUR, _ratio(_TO_FOUR, middle), (1 / math.sqrt(math.pi) - t * _ratio(_BEYOND, t)) / far)
    x = np.minimum(size, _END)
    head = np.floor(x * 16) / 16  # exp(-x²) of a rounded square would lose digits: x² = head² + (x - head)(x + head)
    return np.exp(-head * head) * np.exp((head - x) * (x + head)) * tail


def _erf_of_small(x: Any) -> Any:
    x = np.minimum(np.maximum(x, -_HALF), _HALF)
    return x * _ratio(_TO_HALF, x * x)


def _erf(x: Any) -> Any:
    if x.dtype != np.float64:
        x = np.minimum(np.maximum(x, -_FOUR), _FOUR)
        return np.minimum(np.maximum(x * _ratio(_SINGLE, x * x), -1), 1)
    size = np.abs(x)
    return np.where(size <= _HALF, _erf_of_small(x), np.copysign(1 - _erfc_of_large(size), x))


def _erfc(x: Any) -> Any:
    wide = x.astype(np.float64)  # in float32, too, the tail is to keep its relative precision
    size = np.abs(wide)
    large = _erfc_of_large(size)
    y = np.where(size <= _HALF, 1 - _erf_of_small(wide), np.where(wide > 0, large, 2 - large))
    return y.astype(x.dtype)


def _erfinv(p: Any) -> Any:
    """x with erf(x) = p: a rational first guess and three steps of Halley's method (Press et al. 2007, §6.2.2).

    The residual is taken from erf where p is small and from erfc where it is close to ±1, so that it keeps its digits.
    """
    wide = p.astype(np.float64)
    size = np.abs(wide)
    inside = np.minimum(size, 1 - 2.0**-53)
    t = np.sqrt(-2 * np.log((1 - inside) / 2))
    x = 0.70711 * (t - (2.30753 + t * 0.27061) / (1 + t * (0.99229 + t * 0.04481)))
    for _ in range(3):
        short = np.where(inside < _HALF, inside - _erf(x), _erfc(x) - (1 - inside))
        x = x + short / (2 / math.sqrt(math.pi) * np.exp(-x * x) + x * short)
    x = np.where(size < 1, x, np.where(size == 1, np.inf, np.nan))
    return np.copysign(x, wide).astype(p.dtype)


erf = op(
    _erf,
    vjp=lambda g, x: g * (2 / math.sqrt(math.pi) * np.exp(-x * x)),
    elementwise=True,
    fractional=True,
    cases=lambda: [*unary(), (within(-5, 5, 8),)],
)
erfc = op(
    _erfc,
    vjp=lambda g, x: -g * (2 / math.sqrt(math.pi) * np.exp(-x * x)),
    elementwise=True,
    fractional=True,
    cases=lambda: [*unary(), (within(-5, 5, 8),)],
)
erfinv = op(
    _erfinv,
    vjp=lambda g, y: g * (math.sqrt(math.pi) / 2 * np.exp(y * y)),
    elementwise=True,
    fractional=True,
    cases=lambda: unary(lambda *shape: within(-0.9, 0.9, *shape)),
)
