"""The tanh-squashed normal distribution, SAC's policy of bounded actions (Haarnoja et al. 2018, appendix C):

    a = tanh(u),  u ~ N(μ, σ²)        log p(a) = log N(u; μ, σ²) - log(1 - tanh² u)

The last term is the change of variables: where tanh is flat, much probability is pressed into little space. Computed
as it stands it is log 0 from |u| = 9 on in float32. The same number without a rounding to 0 is

    log(1 - tanh² u) = 2 (log 2 - u - softplus(-2u))        with slope -2 tanh u

(ops/densities.py). And going from an action back to u loses everything but the first digits of u near the bounds, so
a draw and its log-probability come from one call, which keeps u: `rsample_and_log_prob`.
"""

from __future__ import annotations

import functools
import math
from typing import Any, Self

import numpy as np

from ..core.tensor import Tensor, wrap
from ..device import device_of, put, to_numpy
from ..events import compute
from ..ops import arithmetic, densities, reductions, special
from ..ops.shapes import fits
from . import constraints
from .distribution import Distribution, constant, normal_noise
from .normal import Normal

_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


log_density = lambda noise: -0.5 * (noise * noise) - _HALF_LOG_2PI  # of the standard normal distribution


class SquashedNormal(Distribution):
    """tanh of Normal(loc, scale), stretched from [-1, 1] to [low, high]: a distribution for each element.

    loc, scale: as for Normal. low, high: the bounds, numbers or arrays that broadcast with them (an action space's).
    `base_dist` is the Normal before tanh; event_shape is (). For one log_prob an action of several dimensions use
    Independent(SquashedNormal(...), 1), which has `rsample_and_log_prob` too.
    """

    has_rsample = True

    def __init__(
        self, loc: Any, scale: Any, low: Any = -1.0, high: Any = 1.0, validate_args: bool | None = None
    ) -> None:
        self.base_dist = base = Normal(loc, scale, validate_args)
        self._stretches = not (_is_number(low, -1) and _is_number(high, 1))
        self.low, self.high = (
            (low, high) if not self._stretches else (_read_bound(low, base.loc), _read_bound(high, base.loc))
        )
        if self._stretches:
            self._half, self._middle = (self.high - self.low) / 2, (self.high + self.low) / 2
            if not (self._half > 0).all() or not np.isfinite(self._half).all():
                raise ValueError(f"SquashedNormal: the bounds must be finite, low < high; got low={low}, high={high}")
            if not fits(self._half.shape, base.batch_shape):
                raise ValueError(
                    f"SquashedNormal: bounds of shape {self._half.shape} do not fit loc and scale of shape "
                    f"{base.batch_shape}; give one number, or one for each of the last dimension"
                )
        super().__init__(base.batch_shape, (), validate_args)

    @property
    def support(self) -> constraints.Constraint:
        """From low to high."""
        return constraints.Interval(self.low, self.high)

    def expand(self, batch_shape: Any) -> Self:
        """The same distribution repeated to a larger batch shape."""
        new = self._repeat_sample(batch_shape)
        new.base_dist = self.base_dist.expand(batch_shape)
        return new

    def _squash(self, u: Tensor) -> Tensor:
        """The action, between the bounds, that the real number u becomes."""
        y = arithmetic.tanh(u)
        if not self._stretches:
            return y
        y = y * self._half + self._middle
        fresh = y.array  # rounding may have passed a bound by the last digit, which environments refuse
        np.maximum(np.minimum(fresh, self.high, out=fresh), self.low, out=fresh)
        return y

    def _unsquash(self, value: Tensor) -> Tensor:
        """The real number u that becomes this action.

        At a bound u is infinite, and a float32 action is *at* its bound from |u| = 9 on. So actions are first clamped
        to the number next to the bound: u is at most 8.7 in float32 and 18.7 in float64, and log_prob stays finite,
        though for such an action it is not that of the u it came from (`rsample_and_log_prob` knows it).
        """
        y = (value - self._middle) / self._half if self._stretches else value
        inside = 1 - float(np.finfo(y.dtype).epsneg)
        return special.atanh(arithmetic.clamp(y, -inside, inside))

    def _stretch_to_box(self, log_prob: Tensor) -> Tensor:
        """Stretching by c divides the density by c."""
        return log_prob - np.log(self._half) if self._stretches else log_prob

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Actions, through which no gradient flows."""
        return self._squash(self.base_dist.sample(sample_shape))

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """Actions, differentiable in loc and scale."""
        return self._squash(self.base_dist.rsample(sample_shape))

    def rsample_and_log_prob(self, sample_shape: Any = ()) -> tuple[Tensor, Tensor]:
        """Actions and their log-probabilities, both differentiable, without the inverse of tanh.

        With u = μ + σ ε the density of u is that of ε over σ: log N(u) = -½ ε² - log σ - ½ log 2π, in which μ has
        cancelled exactly. Right to |u| = 20 and far beyond, in value and gradient.
        """
        noise = normal_noise(self._shape(sample_shape), self.base_dist.loc)
        scale = self.base_dist.scale
        u = arithmetic.add(self.base_dist.loc, arithmetic.multiply(scale, wrap(noise)))
        squeezed = arithmetic.add(arithmetic.log(scale), densities.log_sech2(u))
        log_prob = arithmetic.subtract(wrap(compute(log_density, noise)), squeezed)
        return self._squash(u), self._stretch_to_box(log_prob)

    def log_prob(self, value: Any) -> Tensor:
        """The log-density of each action, which is clamped first if it is at a bound (see `_unsquash`)."""
        u = self._unsquash(self._value("log_prob", value, self.base_dist.loc))
        return self._stretch_to_box(self.base_dist.log_prob(u) - densities.log_sech2(u))

    def cdf(self, value: Any) -> Tensor:
        """The probability of an action of at most `value`: tanh keeps the order, so it is the normal's."""
        return self.base_dist.cdf(self._unsquash(self._value("cdf", value, self.base_dist.loc)))

    def icdf(self, value: Any) -> Tensor:
        """The quantile: the normal's, squashed."""
        return self._squash(self.base_dist.icdf(value))

    @property
    def median(self) -> Tensor:
        """tanh(loc) within the bounds: what SAC does when it acts without noise. (Often called its mode: see there.)"""
        return self._squash(self.base_dist.loc)

    @property
    def mode(self) -> Tensor:
        """Where the density is greatest, without a gradient: for a wide normal close to a bound, not at tanh(loc).

        The slope of the log-density is 0 where u = μ + 2σ² tanh u. Say μ ≥ 0: then the greatest of the solutions is
        the mode, and Newton's method comes down to it from u = μ + 2σ², as tanh is concave there. (μ < 0: mirrored.)
        """
        loc, spread = self.base_dist.loc.array, 2 * np.square(self.base_dist.scale.array)
        size = np.abs(loc)
        u = size + spread
        for _ in range(40):
            y = np.tanh(u)
            slope = 1 - spread * (1 - y * y)
            u = np.maximum(u - (u - size - spread * y) / np.where(slope > 0, slope, 1), 0)
        return self._squash(constant(np.copysign(u, loc)))

    def _expect(self, *functions: Any) -> list[Tensor]:
        """E f(u) for each f, u ~ N(μ, σ²), by the trapezoidal rule, which for smooth functions of a normal variable is
        right to float64's last digits up to σ = 3 or so, and to 1e-6 at σ = 8."""
        z, weights = make_quadrature(len(self._batch_shape), self.base_dist.loc.dtype)
        like = self.base_dist.loc.array
        z, weights = (a if type(like) is np.ndarray else put(a, device_of(like)) for a in (z, weights))
        u = self.base_dist.loc + self.base_dist.scale * wrap(z)  # (nodes, *batch_shape)
        return [reductions.sum_(f(u) * wrap(weights), 0, False) for f in functions]

    @property
    def mean(self) -> Tensor:
        """The expected action; there is no closed form, so it is integrated numerically."""
        (y,) = self._expect(arithmetic.tanh)
        return y * self._half + self._middle if self._stretches else y

    @property
    def variance(self) -> Tensor:
        """The variance of the action, integrated numerically."""
        y, y2 = self._expect(arithmetic.tanh, lambda u: arithmetic.square(arithmetic.tanh(u)))
        variance = y2 - arithmetic.square(y)
        return variance * np.square(self._half) if self._stretches else variance

    def entropy(self) -> Tensor:
        """The entropy of u plus the expected log(1 - tanh² u), integrated numerically."""
        (squeezed,) = self._expect(densities.log_sech2)
        entropy = self.base_dist.entropy() + squeezed
        return entropy + np.log(self._half) if self._stretches else entropy

    def __repr__(self) -> str:
        bounds = f", low: {self.low}, high: {self.high}" if self._stretches else ""
        return f"SquashedNormal({self.base_dist}{bounds})"


def _is_number(x: Any, number: int) -> bool:
    return isinstance(x, float | int) and x == number


def _read_bound(bound: Any, like: Tensor) -> Any:
    """A bound as an array that mixes with the parameters."""
    array = np.asarray(to_numpy(bound.array) if isinstance(bound, Tensor) else bound, like.dtype)
    return array if type(like.array) is np.ndarray else put(array, device_of(like.array))


@functools.lru_cache(maxsize=16)
def make_quadrature(ndim: int, dtype: np.dtype) -> tuple[Any, Any]:
    """The nodes of the trapezoidal rule on [-8.5, 8.5], and the normal density there times the step."""
    z = np.linspace(-8.5, 8.5, 201)
    weights = np.exp(-0.5 * z * z) / math.sqrt(2 * math.pi) * (z[1] - z[0])
    shape = (-1,) + (1,) * ndim
    return z.astype(dtype).reshape(shape), weights.astype(dtype).reshape(shape)
