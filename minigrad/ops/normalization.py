"""Layer normalisation (Ba, Kiros & Hinton 2016)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import GradientError
from .reductions import mean
from .shapes import sum_to
from .table import op, real


def _last(n: int) -> tuple[int, ...]:
    return tuple(range(-n, 0))


def _normalised(x: Any, n: int, eps: float) -> tuple[Any, Any]:
    """x̂ = (x - mean) / s and s = √(variance + eps), over the last n dimensions."""
    centred = x - mean(x, _last(n), True)
    s = np.sqrt(mean(centred * centred, _last(n), True) + eps)
    return centred / s, s


def _forward(x: Any, weight: Any, bias: Any, n: int, eps: float) -> Any:
    if weight is not None and weight.dtype != x.dtype:
        raise GradientError(
            f"layer_norm: the input is {x.dtype}, the weight {weight.dtype}; "
            "convert one of them with .float() or .double()"
        )
    y, _ = _normalised(x, n, eps)
    if weight is not None:
        y = y * weight
    return y if bias is None else y + bias


def _input_slope(g: Any, x: Any, weight: Any, n: int, eps: float) -> Any:
    # ḡ(x̂) loses its mean and its component along x̂, because mean and variance of x̂ are fixed: the projection
    # (I - 11ᵀ/m - x̂x̂ᵀ/m) ḡ / s.
    normalised, s = _normalised(x, n, eps)
    if weight is not None:
        g = g * weight
    along = mean(g * normalised, _last(n), True)
    return (g - mean(g, _last(n), True) - normalised * along) / s


layer_norm = op(
    _forward,
    vjp=dict(
        x=_input_slope,
        weight=lambda g, x, weight_shape, n, eps: sum_to(g * _normalised(x, n, eps)[0], weight_shape),
        bias=lambda g, bias_shape: sum_to(g, bias_shape),
    ),
    name="layer_norm",
    cases=[
        (real(5, 4), real(4), real(4), 1, 1e-5),
        (real(5, 4), None, None, 1, 1e-5),
        (real(2, 3, 4), real(3, 4), real(3, 4), 2, 1e-2),
        (real(2, 3, 4), real(4), None, 1, 1e-5),
        (real(4), real(4), real(4), 1, 1e-5),
    ],
)
