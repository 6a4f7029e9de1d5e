"""Matrix products.

For Y = X W with cotangent Ḡ:   X̄ = Ḡ Wᵀ,   W̄ = Xᵀ Ḡ   (Giles 2008, "Collected matrix derivative results").
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.rules import matmul, sum_to
from ..errors import GradientError, product_needs_one_dtype
from .reductions import ones
from .shapes import reshape
from .table import TABLE, op, real

__all__ = ["linear", "matmul"]  # matmul's row is in core/rules.py


TABLE["matmul"].cases = lambda: [
    (real(3, 4), real(4, 2)),
    (real(4), real(4)),
    (real(3, 4), real(4)),
    (real(4), real(4, 2)),
    (real(2, 3, 4), real(2, 4, 2)),
    (real(2, 3, 4), real(4, 2)),
    (real(3, 4), real(2, 4, 2)),
    (real(2, 1, 3, 4), real(3, 4, 2)),
    (real(2, 3, 4), real(4)),
    (real(4), real(2, 4, 3)),
    (real(0, 4), real(4, 2)),
]


def add_product(x: Any, weight: Any, bias: Any) -> Any:
    dtype = x.dtype
    if dtype is not weight.dtype and dtype != weight.dtype:
        raise product_needs_one_dtype("linear", x, weight)
    if weight.ndim != 2 or not x.ndim:  # `dot` would take them
        raise explain_misfit(x, weight)
    try:
        y = x.dot(weight.T)  # quicker than `@`
    except ValueError:
        raise explain_misfit(x, weight) from None
    if bias is not None:
        if bias.dtype is not dtype and bias.dtype != dtype:
            raise GradientError(
                f"linear: input and weight are {y.dtype}, the bias is {bias.dtype}; convert it, bias.to(weight.dtype)"
            )
        try:
            y += bias
        except ValueError:
            raise GradientError(
                f"linear: bias has shape {bias.shape}, but the weight {weight.shape} gives {weight.shape[0]} features; "
                f"expected ({weight.shape[0]},)"
            ) from None
    return y


def explain_misfit(x: Any, weight: Any) -> GradientError:
    if weight.ndim != 2:
        return GradientError(
            f"linear: weight has shape {weight.shape}; expected (out_features, in_features): "
            "unsqueeze(0) it for one output"
        )
    return GradientError(
        f"linear: the input has shape {x.shape}, but the weight {weight.shape} takes {weight.shape[-1]} features; "
        "the input's last dimension must be the number of features: reshape it, or build the layer with in_features="
        f"{x.shape[-1] if x.ndim else 1}"
    )


def _weight_slope(g: Any, x: Any) -> Any:
    if len(x.shape) != 2:
        g, x = reshape(g, (-1, g.shape[-1])), reshape(x, (-1, x.shape[-1]))
    return np.dot(g.T, x)


def _sum_rows(g: Any, bias_shape: tuple[int, ...]) -> Any:
    """Σ over all dimensions but the last. As a product with a row of ones: BLAS takes a third of a reduction's time."""
    return ones(len(g), g.dtype).dot(g) if type(g) is np.ndarray and g.ndim == 2 else sum_to(g, bias_shape)


linear = op(
    add_product,  # x Wᵀ + b in one node: the bias costs no broadcasting and no node of its own
    vjp=dict(
        x=lambda g, weight: np.dot(g, weight),  # for matrices the same as `@`, and quicker
        weight=_weight_slope,
        bias=_sum_rows,
    ),
    name="linear",
    cases=lambda: [
        (real(5, 3), real(2, 3), real(2)),
        (real(5, 3), real(2, 3), None),
        (real(3), real(2, 3), real(2)),
        (real(2, 4, 3), real(2, 3), real(2)),
        (real(0, 3), real(2, 3), real(2)),
    ],
)
