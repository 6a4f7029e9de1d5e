"""Random choices that depend on a tensor: its elements are probabilities, weights, means or deviations.

Drawn on the host, as in creation.py, and without a derivative: for one, use distributions (rsample).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import dtypes
from ...core.tensor import Tensor, wrap
from ...device import as_array, beside, device_of, to_numpy
from ...errors import GradientError
from ...random import Generator
from ...random import generator as _rng
from ..creation import _shape, choose_dtype, deliver, randint


def normal(
    mean: Any = 0.0,
    std: Any = 1.0,
    size: Any = None,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Normal numbers, one for each element of mean and std: tensors, a tensor and a number, or numbers and a size."""
    given = [x for x in (mean, std) if isinstance(x, Tensor)]
    if size is None and not given:
        raise TypeError(f"normal: mean={mean} and std={std} are numbers, so size is needed: normal(0.0, 1.0, (2, 3))")
    if size is not None and given:
        raise TypeError("normal: the size is that of the tensors mean and std; leave size out, or give numbers")
    lowest = to_numpy(std.array).min(initial=0) if isinstance(std, Tensor) else std
    if lowest < 0:
        raise GradientError(f"normal: std holds {lowest}; expected deviations >= 0 (see abs and exp)")
    if not given:
        found = dtypes.get_default_dtype() if dtype is None else dtypes.as_dtype(dtype)
        drawn = mean + std * _rng(generator).standard_normal(_shape("normal", (size,)))
        return deliver(np.asarray(drawn).astype(found), device, requires_grad)
    found = dtypes.result_type(*(x.array for x in given), fractional=True)
    loc, scale = (to_numpy(x.array) if isinstance(x, Tensor) else x for x in (mean, std))
    shape = np.broadcast_shapes(np.shape(loc), np.shape(scale))
    drawn = np.asarray(loc + scale * _rng(generator).standard_normal(shape)).astype(found)
    return wrap(beside(drawn, given[0].array))


def randint_like(
    input: Tensor,
    low: Any,
    high: Any = None,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Integers in [low, high), or [0, low), in the shape and dtype of `input`."""
    low, high = (0, low) if high is None else (low, high)
    where = device_of(input.array) if device is None else device
    drawn = randint(low, high, tuple(input.shape), generator=generator, dtype=choose_dtype(input, dtype), device=where)
    return drawn.requires_grad_() if requires_grad else drawn


def bernoulli(input: Tensor, p: float | None = None, *, generator: Generator | None = None) -> Tensor:
    """Zeros and ones in the shape of `input`, each one with the probability that `input` gives, or with p."""
    chances = input.array
    if p is not None:
        chances = np.full_like(chances, p, dtype=np.float64)
    elif chances.dtype.kind != "f":
        raise GradientError(f"bernoulli: the input is {input.dtype}; expected probabilities, convert it with .float()")
    if not ((chances >= 0) & (chances <= 1)).all():
        bad = chances[~((chances >= 0) & (chances <= 1))].reshape(-1)[0]
        raise GradientError(f"bernoulli: the input holds {bad}; expected probabilities, between 0 and 1 (see sigmoid)")
    drawn = beside(np.asarray(_rng(generator).random(chances.shape)), chances)
    return wrap(as_array(drawn < chances).astype(input.dtype))


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
    weights = np.atleast_2d(to_numpy(input.array)).astype(np.float64)
    if (weights < 0).any() or not np.isfinite(weights).all() or (weights.sum(1) == 0).any():
        raise GradientError(
            "multinomial: a weight is negative or not finite, or a row sums to 0; expected weights >= 0, as softmax "
            "gives them"
        )
    rng = _rng(generator)
    if replacement or num_samples == 1:
        edges = weights.cumsum(1)
        u = rng.random((len(weights), num_samples)) * edges[:, -1:]
        if len(weights) == 1:  # a replay's priorities, say: many weights
            drawn = np.searchsorted(edges[0], u, side="right")
        else:
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
