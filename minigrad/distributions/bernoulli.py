"""The Bernoulli distribution of a yes or no, x ∈ {0, 1}:

log p(x) = x log σ(l) + (1 - x) log(1 - σ(l))        for a logit l, σ(l) = 1 / (1 + exp(-l))
"""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np

from ..core.tensor import Tensor
from ..dialect.creation import arange, draw_fractions
from ..events import compute, draw
from ..ops import arithmetic, losses, shapes
from . import constraints
from .distribution import Distribution, clamp_probs, constant, on_device_of, one_of, parameters


class Bernoulli(Distribution):
    """1 with probability `probs`, or sigmoid(`logits`), and 0 otherwise, for each element; give one of the two."""

    arg_constraints: ClassVar = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.boolean  # type: ignore[assignment]
    has_enumerate_support = True

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        one_of("Bernoulli", probs, logits)
        self._probs: Tensor | None = None
        if logits is not None:
            (self.logits,) = parameters(logits)
        else:
            (self._probs,) = parameters(probs)
            p = clamp_probs(self._probs)
            self.logits = arithmetic.log(p) - arithmetic.log1p(-p)
        super().__init__(self.logits.array.shape, (), validate_args)

    @property
    def probs(self) -> Tensor:
        """The probability of 1."""
        return arithmetic.sigmoid(self.logits) if self._probs is None else self._probs

    def expand(self, batch_shape: Any) -> Self:
        """The same distribution repeated to a larger batch shape."""
        probs = None if self._probs is None else self._probs.expand(batch_shape)
        return self._repeat_sample(batch_shape, logits=self.logits.expand(batch_shape), _probs=probs)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Zeros and ones, in the parameter's dtype."""
        p = self.probs.array
        drawn = draw(draw_fractions, None, self._shape(sample_shape), np.float64)
        return constant(compute(mark_events, on_device_of(drawn, p), p))

    def log_prob(self, value: Any) -> Tensor:
        """The log-probability of each element of `value`, of shape sample_shape + batch_shape."""
        value = self._value("log_prob", value, self.logits)
        value = value.to(self.logits.dtype)
        logits = self.logits
        full = value.shape or self._batch_shape
        if logits.shape != full:
            logits = shapes.broadcast_to(logits, full)
        if value.shape != full:
            value = shapes.broadcast_to(value, full)
        return arithmetic.negative(losses.bce_with_logits(logits, value, None, None, "none"))

    def entropy(self) -> Tensor:
        """-p log p - (1 - p) log(1 - p)."""
        return losses.bce_with_logits(self.logits, self.probs, None, None, "none")

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """0 and 1 along a new first dimension."""
        values = arange(2, dtype=self.logits.dtype, device=self.logits.device)
        values = values.reshape(-1, *[1] * len(self._batch_shape))
        return values.expand(-1, *self._batch_shape) if expand else values

    @property
    def mean(self) -> Tensor:
        """p."""
        return self.probs

    @property
    def mode(self) -> Tensor:
        """1 where p > ½, 0 where p < ½, and NaN at ½, as in PyTorch."""
        p = self.probs.array
        return constant(np.where(p == 0.5, np.nan, p > 0.5).astype(p.dtype))

    @property
    def variance(self) -> Tensor:
        """p (1 - p)."""
        p = self.probs
        return p * (1 - p)

    def __repr__(self) -> str:
        name, x = ("logits", self.logits) if self._probs is None else ("probs", self._probs)
        return f"Bernoulli({name}: {x.item() if x.numel() == 1 else x.shape})"


mark_events = lambda drawn, p: (drawn < p).astype(p.dtype)
