"""The categorical distribution over 0 .. n - 1, the policy of discrete actions:

log p(k) = l_k - log Σ_j exp l_j        for unnormalised logits l
"""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np

from ..core.tensor import Tensor
from ..device import as_array
from ..dialect.creation import arange, as_tensor
from ..events import compute, draw
from ..ops import arithmetic, densities, indexing, losses, reductions, shapes
from . import constraints
from .distribution import Distribution, clamp_probs, constant, on_device_of, one_of


class Categorical(Distribution):
    """One choice among n, for each row of `probs` or `logits` of shape batch_shape + (n,); give one of the two.

    probs: weights >= 0, divided by their sum. logits: unnormalised log-probabilities; -inf rules a choice out.
    The attributes are normalised: `dist.probs` sums to 1, and so does exp(`dist.logits`).
    """

    arg_constraints: ClassVar = {"probs": constraints.simplex, "logits": constraints.real}
    has_enumerate_support = True

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        one_of("Categorical", probs, logits)
        name, given = ("probs", probs) if logits is None else ("logits", logits)
        if not isinstance(given, Tensor):
            given = as_tensor(given)
        if not given.array.ndim or not given.array.shape[-1]:
            raise ValueError(
                f"Categorical: {name} has shape {given.shape}; its last dimension counts the choices and must be there"
            )
        self._given = name, given
        self._probs: Tensor | None = None
        if logits is not None:
            self.logits: Tensor = losses.log_softmax(given, given.array.ndim - 1)
        else:
            with np.errstate(invalid="ignore"):  # 0 / 0 is for the check to report
                self._probs = arithmetic.divide(given, reductions.sum_(given, -1, True))
                self.logits = arithmetic.log(clamp_probs(self._probs))
        super().__init__(given.array.shape[:-1], (), validate_args)

    def _bad_parameter(self, name: str, value: Tensor, constraint: constraints.Constraint) -> str:
        name, given = self._given
        if name == "logits" and not np.isnan(given.array).any():
            return (
                f"Categorical: logits (shape {given.shape}) has +inf, or a row of nothing but -inf, so no choice is "
                "possible there; leave at least one finite"
            )
        message = super()._bad_parameter(name, given, constraint)
        return message if name == "logits" else f"{message}; for unnormalised log-probabilities use logits="

    @property
    def probs(self) -> Tensor:
        """The probability of each choice, of shape batch_shape + (n,)."""
        return arithmetic.exp(self.logits) if self._probs is None else self._probs

    @property
    def param_shape(self) -> tuple[int, ...]:
        """batch_shape + (n,)."""
        return self.logits.shape

    @property
    def support(self) -> constraints.Constraint:
        """0 .. n - 1."""
        return constraints.integer_interval(0, self.logits.array.shape[-1] - 1)

    def expand(self, batch_shape: Any) -> Self:
        """The same distribution repeated to a larger batch shape."""
        full = (*batch_shape, self.logits.shape[-1])
        probs = None if self._probs is None else self._probs.expand(full)
        return self._repeat_sample(batch_shape, logits=self.logits.expand(full), _probs=probs)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Choices drawn, int64.

        A race: an exponential clock of rate p_k for each choice; the first to ring is k with probability p_k. Three
        calls to NumPy, and a choice of probability 0 never wins, which rounding can't promise for a cumulative sum.
        """
        p = compute(np.exp, self.logits.array) if self._probs is None else self._probs.array
        shape = p.shape if sample_shape == () else self._shape(sample_shape) + p.shape[-1:]
        times = on_device_of(draw(draw_times, None, shape), p)
        return constant(compute(find_first_to_ring, p, times))

    def log_prob(self, value: Any) -> Tensor:
        """log p(value), of shape sample_shape + batch_shape. Whole numbers in a float tensor are accepted."""
        value = self._value("log_prob", value, self.logits, checked=False)
        log_p, index = self.logits, value.array
        n = log_p.array.shape[-1]
        if index.dtype.kind not in "iu" or (
            index.size and (constraints.smallest(index) < 0 or constraints.largest(index) >= n)
        ):
            if index.size and not self.support.check(value):
                bad = index[~((index >= 0) & (index < n) & (np.floor(index) == index))].ravel()[0]
                raise ValueError(
                    f"Categorical.log_prob: value {bad} is no choice; with {n} of them expected whole numbers from 0 "
                    f"to {n - 1}"
                )
            index = index.astype(np.int64)
        if index.shape != self._batch_shape:
            if not index.ndim:
                index = np.broadcast_to(index, self._batch_shape)
            log_p = shapes.broadcast_to(log_p, (*index.shape, n))
        return indexing.select(log_p, log_p.array.ndim - 1, False, index[..., None])

    def entropy(self) -> Tensor:
        """-Σ p log p, of shape batch_shape; log n for the uniform distribution."""
        if self._probs is None:
            return densities.entropy(self.logits)
        return arithmetic.negative(reductions.sum_(arithmetic.multiply(self.logits, self._probs), -1, False))

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """0 .. n - 1 along a new first dimension."""
        values = arange(self.logits.shape[-1], device=self.logits.device).reshape(-1, *[1] * len(self._batch_shape))
        return values.expand(-1, *self._batch_shape) if expand else values

    @property
    def mode(self) -> Tensor:
        """The most probable choice, int64."""
        return constant((self.logits if self._probs is None else self._probs).array.argmax(-1))

    @property
    def mean(self) -> Tensor:
        """NaN, as in PyTorch: choices are names, and names have no mean."""
        return constant(np.full_like(self.logits.array, np.nan, shape=self._batch_shape))

    @property
    def variance(self) -> Tensor:
        """NaN, as in PyTorch."""
        return self.mean

    def __repr__(self) -> str:
        return f"Categorical({self._given[0]}: {self.logits.shape})"


draw_times = lambda rng, shape: rng.standard_exponential(shape)
find_first_to_ring = lambda p, times: as_array((p / times).argmax(-1))
