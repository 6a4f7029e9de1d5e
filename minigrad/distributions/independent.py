"""Several independent numbers as one event: densities multiply, so log-densities add,

log p(x₁ ... x_k) = Σ_i log p_i(x_i)
"""

from __future__ import annotations

from typing import Any, Self

from ..core.tensor import Tensor
from ..ops import reductions
from .constraints import Constraint
from .distribution import Distribution
from .normal import Normal


class Independent(Distribution):
    """`base_distribution` with its last `reinterpreted_batch_ndims` batch dimensions counted as one event.

    Independent(Normal(loc, scale), 1) with loc of shape (64, 6) is 64 distributions over vectors of 6: log_prob and
    entropy have shape (64,).
    """

    def __init__(
        self, base_distribution: Distribution, reinterpreted_batch_ndims: int, validate_args: bool | None = None
    ) -> None:
        batch, n = base_distribution.batch_shape, reinterpreted_batch_ndims
        if not 0 <= n <= len(batch):
            raise ValueError(
                f"Independent: reinterpreted_batch_ndims={n}, but the base {base_distribution} has batch_shape "
                f"{batch}; expected 0 to {len(batch)}"
            )
        self.base_dist, self.reinterpreted_batch_ndims = base_distribution, n
        kept = len(batch) - n
        super().__init__(batch[:kept], batch[kept:] + base_distribution.event_shape, validate_args)

    @property
    def has_rsample(self) -> bool:  # type: ignore[override]
        """Whether the base's draws are differentiable."""
        return self.base_dist.has_rsample

    @property
    def support(self) -> Constraint | None:
        """None: the base checks the values."""
        return None

    def _sum_events(self, x: Tensor) -> Tensor:
        """Over the dimensions of the batch that became part of the event."""
        n = self.reinterpreted_batch_ndims
        return reductions.sum_(x, -1 if n == 1 else tuple(range(-n, 0)), False) if n else x

    def expand(self, batch_shape: Any) -> Self:
        """The same distribution repeated to a larger batch shape."""
        kept = len(self.event_shape) - len(self.base_dist.event_shape)
        base = self.base_dist.expand((*batch_shape, *self.event_shape[:kept]))
        new = self._repeat_sample(batch_shape)
        new.base_dist = base
        return new

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """The base's draws."""
        return self.base_dist.sample(sample_shape)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """The base's differentiable draws."""
        return self.base_dist.rsample(sample_shape)

    def log_prob(self, value: Any) -> Tensor:
        """The sum of the base's log-densities over the event, of shape sample_shape + batch_shape."""
        if isinstance(value, Tensor):
            self._value("log_prob", value, value)
        return self._sum_events(self.base_dist.log_prob(value))

    def rsample_and_log_prob(self, sample_shape: Any = ()) -> tuple[Tensor, Tensor]:
        """rsample() and its log_prob(), by the base's own way."""
        value, log_prob = self.base_dist.rsample_and_log_prob(sample_shape)
        return value, self._sum_events(log_prob)

    def entropy(self) -> Tensor:
        """The sum of the base's entropies over the event."""
        return self._sum_events(self.base_dist.entropy())

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """The base's, unless several of its numbers make one event."""
        if self.reinterpreted_batch_ndims:
            raise self._report_missing("enumerate_support")
        return self.base_dist.enumerate_support(expand)

    @property
    def has_enumerate_support(self) -> bool:  # type: ignore[override]
        """Whether all possible values can be listed."""
        return not self.reinterpreted_batch_ndims and self.base_dist.has_enumerate_support

    @property
    def mean(self) -> Tensor:
        """The base's."""
        return self.base_dist.mean

    @property
    def mode(self) -> Tensor:
        """The base's."""
        return self.base_dist.mode

    @property
    def variance(self) -> Tensor:
        """The base's, element by element."""
        return self.base_dist.variance

    @property
    def stddev(self) -> Tensor:
        """The base's, element by element."""
        return self.base_dist.stddev

    def __repr__(self) -> str:
        return f"{self._name}({self.base_dist}, {self.reinterpreted_batch_ndims})"


class DiagonalNormal(Independent):
    """A normal distribution over vectors whose numbers are independent: Independent(Normal(loc, scale), 1).

    The Gaussian policy of continuous control. loc, scale: (..., actions) each; log_prob and entropy have shape (...).
    """

    base_dist: Normal

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        base = Normal(loc, scale, validate_args)
        if not base.batch_shape:
            raise ValueError("DiagonalNormal: loc and scale are numbers; give vectors, (..., actions), or use Normal")
        super().__init__(base, 1, validate_args)

    @property
    def loc(self) -> Tensor:
        """The means."""
        return self.base_dist.loc

    @property
    def scale(self) -> Tensor:
        """The standard deviations."""
        return self.base_dist.scale
