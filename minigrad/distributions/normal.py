"""The normal distribution N(μ, σ²), the policy of continuous actions:

log p(x) = -½ ((x - μ) / σ)² - log σ - ½ log 2π
"""

from __future__ import annotations

import math
from typing import Any, ClassVar, Self

from ..core.tensor import Tensor, wrap
from ..events import compute
from ..ops import arithmetic, densities, special
from . import constraints
from .distribution import Distribution, constant, normal_noise, parameters


class Normal(Distribution):
    """A normal distribution for each element of `loc` (the mean) and `scale` (the standard deviation, > 0).

    Both are tensors or numbers and broadcast; event_shape is (). For actions of several dimensions with one
    log_prob an action see DiagonalNormal, or Independent(Normal(loc, scale), 1).
    """

    arg_constraints: ClassVar = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.real  # type: ignore[assignment]
    has_rsample = True

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        self.loc, self.scale = parameters(loc, scale)
        super().__init__(self.loc.array.shape, (), validate_args)

    def expand(self, batch_shape: Any) -> Self:
        """The same distribution repeated to a larger batch shape."""
        return self._repeat_sample(batch_shape, loc=self.loc.expand(batch_shape), scale=self.scale.expand(batch_shape))

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """μ + σ ε, through which no gradient flows."""
        noise = normal_noise(self._shape(sample_shape), self.loc)
        return constant(compute(stretch, self.loc.array, self.scale.array, noise))

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """μ + σ ε with ε ~ N(0, 1): differentiable in μ and σ (Kingma & Welling 2014, §2.4)."""
        noise = wrap(normal_noise(self._shape(sample_shape), self.loc))
        return arithmetic.add(self.loc, arithmetic.multiply(self.scale, noise))

    def log_prob(self, value: Any) -> Tensor:
        """The log-density of each element of `value`, of shape sample_shape + batch_shape."""
        return densities.normal_log_prob(self._value("log_prob", value, self.loc), self.loc, self.scale)

    def entropy(self) -> Tensor:
        """½ log 2πe + log σ."""
        return arithmetic.add(arithmetic.log(self.scale), 0.5 + 0.5 * math.log(2 * math.pi))

    def cdf(self, value: Any) -> Tensor:
        """Φ((x - μ) / σ) = ½ erfc(-(x - μ) / (σ √2)): the lower tail keeps its digits."""
        value = self._value("cdf", value, self.loc)
        return 0.5 * special.erfc((self.loc - value) / (self.scale * math.sqrt(2)))

    def icdf(self, value: Any) -> Tensor:
        """μ + σ √2 erf⁻¹(2p - 1) for a probability p."""
        value = self._value("icdf", value, self.loc, checked=False)
        return self.loc + self.scale * (math.sqrt(2) * special.erfinv(2 * value - 1))

    @property
    def mean(self) -> Tensor:
        """μ."""
        return self.loc

    @property
    def mode(self) -> Tensor:
        """μ, where the density is greatest."""
        return self.loc

    @property
    def stddev(self) -> Tensor:
        """σ."""
        return self.scale

    @property
    def variance(self) -> Tensor:
        """σ²."""
        return arithmetic.square(self.scale)


stretch = lambda loc, scale, noise: loc + scale * noise
