"""Random choices that depend on a tensor: its elements are probabilities or weights.

The random numbers are the host's, whatever the device (see creation.py).
"""

from __future__ import annotations

import numpy as np

from ..device import as_array, beside, host
from ..errors import GradientError
from ..random import Generator
from ..random import generator as _rng
from ..tensor import Tensor, wrap


def bernoulli(input: Tensor, *, generator: Generator | None = None) -> Tensor:
    """Zeros and ones, each one with the probability that `input` gives."""
    p = input.array
    if not ((p >= 0) & (p <= 1)).all():
        bad = p[~((p >= 0) & (p <= 1))].reshape(-1)[0]
        raise GradientError(f"bernoulli: the input holds {bad}; expected probabilities, between 0 and 1 (see sigmoid)")
    drawn = beside(np.asarray(_rng(generator).random(p.shape)), p)
    return wrap(as_array(drawn < p).astype(p.dtype))


def multinomial(
    input: Tensor, num_samples: int, replacement: bool = False, *, generator: Generator | None = None
) -> Tensor:
    """Indices drawn in proportion to the rows of `input` (weights >= 0): shape (..., num_samples), int64."""
    if input.ndim not in (1, 2):
        raise GradientError(
            f"multinomial: expected weights of 1 or 2 dimensions, got shape {input.shape}; flatten them first"
        )
    if num_samples < 1:
        raise GradientError(f"multinomial: num_samples is {num_samples}; at least 1 must be drawn")
    weights = np.atleast_2d(host(input.array)).astype(np.float64)
    if (weights < 0).any() or not np.isfinite(weights).all() or (weights.sum(1) == 0).any():
        raise GradientError(
            "multinomial: a weight is negative or not finite, or a row sums to 0; expected weights >= 0, as softmax "
            "gives them"
        )
    rng = _rng(generator)
    if replacement or num_samples == 1:
        edges = weights.cumsum(1)
        u = rng.random((len(weights), num_samples)) * edges[:, -1:]
        drawn = (u[:, :, None] >= edges[:, None, :]).sum(2)
    else:
        if num_samples > (weights > 0).sum(1).min():
            raise GradientError(
                f"multinomial: cannot draw {num_samples} different indices, as many weights are not positive; "
                "pass replacement=True"
            )
        # Efraimidis & Spirakis 2006: the largest of u ** (1 / w) are a weighted sample without replacement.
        with np.errstate(divide="ignore"):
            keys = np.log(rng.random(weights.shape)) / weights
        drawn = np.argsort(-keys, axis=1, kind="stable")[:, :num_samples]
    return wrap(beside(drawn[0] if input.ndim == 1 else drawn, input.array))
