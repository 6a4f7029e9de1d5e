"""Normalisation: mean 0 and variance 1, then a learnt scale and shift, y = x̂ · weight + bias with

    x̂ = (x - mean) / s,    s = √(variance + eps).

Layer normalisation takes mean and variance over the last dimensions, for each sample by itself (Ba, Kiros & Hinton
2016); batch normalisation over all dimensions but the channels', over the batch that is (Ioffe & Szegedy 2015,
algorithm 1). The variance is the biased one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import GradientError
from .reductions import mean
from .shapes import reshape, sum_to
from .table import op, real


def name_last_dims(n: int) -> tuple[int, ...]:
    return tuple(range(-n, 0))


def normalise(x: Any, dims: tuple[int, ...], eps: float) -> tuple[Any, Any]:
    """x̂ = (x - mean) / s, of the shape of x, and s, the deviation over `dims`, which stay with size 1."""
    centred = x - mean(x, dims, True)
    s = np.sqrt(mean(centred * centred, dims, True) + eps)
    return centred / s, s


def _normalised_slope(g: Any, x: Any, weight: Any, dims: tuple[int, ...], eps: float) -> Any:
    # ḡ(x̂) loses its mean and its component along x̂, because mean and variance of x̂ are fixed: the projection
    # (I - 11ᵀ/m - x̂x̂ᵀ/m) ḡ / s.
    normalised, s = normalise(x, dims, eps)
    if weight is not None:
        g = g * weight
    along = mean(g * normalised, dims, True)
    return (g - mean(g, dims, True) - normalised * along) / s


def _check_dtypes(name: str, x: Any, weight: Any, bias: Any) -> None:
    if x.dtype.kind != "f":
        raise GradientError(f"{name}: the input is {x.dtype}; expected floating-point numbers: use .float()")
    for what, given in (("weight", weight), ("bias", bias)):
        if given is not None and given.dtype != x.dtype:
            raise GradientError(
                f"{name}: the input is {x.dtype}, the {what} {given.dtype}; "
                "convert one of them with .float() or .double()"
            )


def _layer_norm(x: Any, weight: Any, bias: Any, n: int, eps: float) -> Any:
    _check_dtypes("layer_norm", x, weight, bias)
    y, _ = normalise(x, name_last_dims(n), eps)
    if weight is not None:
        y = y * weight
    return y if bias is None else y + bias


layer_norm = op(
    _layer_norm,
    vjp=dict(
        x=lambda g, x, weight, n, eps: _normalised_slope(g, x, weight, name_last_dims(n), eps),
        weight=lambda g, x, weight_shape, n, eps: sum_to(g * normalise(x, name_last_dims(n), eps)[0], weight_shape),
        bias=lambda g, bias_shape: sum_to(g, bias_shape),
    ),
    cases=lambda: [
        (real(5, 4), real(4), real(4), 1, 1e-5),
        (real(5, 4), None, None, 1, 1e-5),
        (real(2, 3, 4), real(3, 4), real(3, 4), 2, 1e-2),
        (real(2, 3, 4), real(4), None, 1, 1e-5),
        (real(4), real(4), real(4), 1, 1e-5),
        (real(0, 4), real(4), real(4), 1, 1e-5),
    ],
)


# -- over the batch ---------------------------------------------------------------------------------------


def dims_but_channels(ndim: int) -> tuple[int, ...]:
    """All dimensions but the channels', which is dimension 1."""
    return (0, *range(2, ndim))


def reshape_channels(c: Any, ndim: int) -> Any:
    """A number for each channel, (C,), in the shape in which it broadcasts: (C, 1, 1) beside (N, C, H, W)."""
    return c if c is None else reshape(c, (len(c),) + (1,) * (ndim - 2))


def _batch_norm(x: Any, weight: Any, bias: Any, eps: float) -> Any:
    _check_dtypes("batch_norm", x, weight, bias)
    y, _ = normalise(x, dims_but_channels(x.ndim), eps)
    if weight is not None:
        y *= reshape_channels(weight, x.ndim)
    if bias is not None:
        y += reshape_channels(bias, x.ndim)
    return y


batch_statistics_norm = op(
    _batch_norm,
    vjp=dict(
        x=lambda g, x, weight, eps: _normalised_slope(
            g, x, reshape_channels(weight, x.ndim), dims_but_channels(x.ndim), eps
        ),
        weight=lambda g, x, weight_shape, eps: reshape(
            sum_to(g * normalise(x, dims_but_channels(x.ndim), eps)[0], weight_shape + (1,) * (x.ndim - 2)),
            weight_shape,
        ),
        bias=lambda g, bias_shape: reshape(sum_to(g, bias_shape + (1,) * (g.ndim - 2)), bias_shape),
    ),
    cases=lambda: [
        (real(5, 3), real(3), real(3), 1e-5),
        (real(4, 2), None, None, 1e-2),
        (real(3, 2, 2, 2), real(2), real(2), 1e-2),
        (real(2, 2, 3), real(2), None, 1e-5),
    ],
)
