"""Matrix products.

For Y = X W with cotangent Ḡ:   X̄ = Ḡ Wᵀ,   W̄ = Xᵀ Ḡ   (Giles 2008, "Collected matrix derivative results").
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.recording import TABLE
from ..errors import GradientError
from .arithmetic import rectified
from .reductions import ones
from .shapes import reshape, sum_to, transpose
from .table import op, real


def _check(name: str, a: Any, b: Any) -> None:
    raise GradientError(
        f"{name}: one operand is {a.dtype} with shape {a.shape}, the other {b.dtype} with shape {b.shape}; "
        "a matrix product needs one dtype: convert one of them with .float() or .double()"
    )


def _matmul(a: Any, b: Any) -> Any:
    if a.dtype is not b.dtype and a.dtype != b.dtype:
        _check("matmul", a, b)
    if not a.ndim or not b.ndim or a.shape[-1] != b.shape[max(b.ndim - 2, 0)]:
        raise GradientError(
            f"matmul: cannot multiply shapes {a.shape} and {b.shape}: the last dimension of the first must be the "
            "last but one of the second (or its only one); transpose or reshape one of them"
        )
    return np.matmul(a, b)


def _matrices(g: Any, a_shape: tuple, b_shape: tuple) -> Any:
    """The cotangent with the dimensions that a vector operand lost."""
    if len(a_shape) == 1:
        g = reshape(g, (*g.shape[:-1], 1, *g.shape[-1:]) if len(b_shape) > 1 else (1, 1))
        return g
    return reshape(g, (*g.shape, 1)) if len(b_shape) == 1 else g


def _left(g: Any, b: Any, a_shape: tuple) -> Any:
    if len(b.shape) == 2:
        return g @ b.T
    bt = reshape(b, (1, *b.shape)) if len(b.shape) == 1 else transpose(b, -1, -2)
    return sum_to(_matrices(g, a_shape, b.shape) @ bt, a_shape)


def _right(g: Any, a: Any, b_shape: tuple) -> Any:
    if len(a.shape) == 2:
        return a.T @ g
    at = reshape(a, (*a.shape, 1)) if len(a.shape) == 1 else transpose(a, -1, -2)
    db = at @ _matrices(g, a.shape, b_shape)
    full = (*b_shape, 1) if len(b_shape) == 1 else b_shape
    return reshape(sum_to(db, full), b_shape)


matmul = op(
    _matmul,
    vjp=dict(a=_left, b=_right),
    cases=[
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
    ],
)


def _linear(x: Any, weight: Any, bias: Any) -> Any:
    if x.dtype is not weight.dtype and x.dtype != weight.dtype:
        _check("linear", x, weight)
    if weight.ndim != 2 or not x.ndim or x.shape[-1] != weight.shape[1]:
        raise _misfit(x, weight)
    y = x.dot(weight.T)  # 0.3 µs below `@`
    if bias is not None:
        if bias.dtype is not y.dtype and bias.dtype != y.dtype:
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


def _misfit(x: Any, weight: Any) -> GradientError:
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
    _linear,  # x Wᵀ + b in one node: the bias costs no broadcasting and no node of its own
    vjp=dict(
        x=lambda g, weight: np.dot(g, weight),  # for matrices the same as `@`, and 0.4 µs below it
        weight=_weight_slope,
        bias=_sum_rows,
    ),
    cases=[
        (real(5, 3), real(2, 3), real(2)),
        (real(5, 3), real(2, 3), None),
        (real(3), real(2, 3), real(2)),
        (real(2, 4, 3), real(2, 3), real(2)),
        (real(0, 3), real(2, 3), real(2)),
    ],
)
linear_relu = op(
    lambda x, weight, bias: rectified(_linear(x, weight, bias)),  # what Sequential makes of a Linear and a ReLU
    vjp=dict(y=lambda g, y: g * (y > 0), **TABLE["linear"].vjp),
    name="linear_relu",
    cases=[
        (real(5, 3), real(4, 3), real(4)),
        (real(5, 3), real(4, 3), None),
        (real(3), real(9, 3), real(9)),
        (real(2, 4, 3), real(4, 3), real(4)),
        (real(0, 3), real(4, 3), real(4)),
    ],
)
