"""Softmax, and the losses, each with its mean or sum in the same node.

A loss compares element with element: shapes that would broadcast are refused, because `(64,)` against `(64, 1)`
would silently compare every prediction with every target. (PyTorch warns; the usual result is a policy that does not
learn.)
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import GradientError
from .arithmetic import sigmoid, where
from .indexing import _along, scatter_add_zeros
from .reductions import row_sums, sum_
from .shapes import spread_sum
from .table import constant, integers, op, real, within

# -- softmax ----------------------------------------------------------------------------------------------


_NEAR = 8  # log Σ exp is within 8 of 0 then: no less exact than the numbers themselves


def find_highest(x: Any, dim: int) -> Any:
    """The maximum along `dim`, without which exp would overflow. Where all numbers are near one another it is the
    maximum of them all, which serves as well and is found faster."""
    if type(x) is np.ndarray:
        highest = np.maximum.reduce(x, axis=None)
        if highest - np.minimum.reduce(x, axis=None) < _NEAR:
            return highest
    return x.max(axis=dim, keepdims=True)


def add_along(e: Any, dim: int) -> Any:
    return row_sums(e) if dim in (-1, e.ndim - 1) else np.add.reduce(e, axis=dim, keepdims=True)


def _softmax(x: Any, dim: int) -> Any:
    if not x.size:
        return x.copy()
    e = np.exp(x - find_highest(x, dim))
    e /= add_along(e, dim)
    return e


softmax = op(
    _softmax,
    vjp=lambda g, y, dim: y * (g - sum_(g * y, dim, True)),
    fractional=True,
    cases=lambda: [(real(3, 4), 1), (real(3, 4), 0), (real(2, 3, 4), -2), (real(5), 0), (real(0, 3), 1)],
)


def _log_softmax(x: Any, dim: int) -> Any:
    if not x.size:
        return x.copy()
    z = x - find_highest(x, dim)
    z -= np.log(add_along(np.exp(z), dim))
    return z


log_softmax = op(
    _log_softmax,
    vjp=lambda g, y, dim: g - np.exp(y) * sum_(g, dim, True),
    fractional=True,
    cases=lambda: [(real(3, 4), 1), (real(3, 4), 0), (real(2, 3, 4), -2), (real(5), 0), (real(0, 3), 1)],
)

# -- losses -----------------------------------------------------------------------------------------------


def check_shapes(name: str, x: Any, target: Any) -> None:
    """Refuse to compare arrays of different shapes."""
    if x.shape != target.shape:
        raise GradientError(
            f"{name}: input has shape {tuple(x.shape)} but target has shape {tuple(target.shape)}; reshape one of them "
            "(.unsqueeze(1) or .squeeze(1)), because broadcasting would compare every prediction with every target"
        )


def check_reduction(reduction: str) -> None:
    """Refuse anything but 'mean', 'sum' and 'none'."""
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"a loss was given reduction={reduction!r}; expected 'mean', 'sum' or 'none'")


def _reduce(losses: Any, reduction: str) -> Any:
    if reduction == "mean":
        return np.add.reduce(losses, axis=None) / losses.dtype.type(losses.size)
    if reduction == "sum":
        return np.add.reduce(losses, axis=None)
    check_reduction(reduction)
    return losses


def _spread(g: Any, shape: tuple[int, ...], reduction: str) -> Any:
    """The cotangent of each element's loss; a scalar where broadcasting will do the rest."""
    if reduction != "mean":
        return g
    n = 1
    for m in shape:
        n *= m
    return g / n


def _elementwise_cases(*parameters: Any) -> list[tuple]:
    return [
        (real(4, 3), real(4, 3), *parameters, "mean"),
        (real(5), real(5), *parameters, "sum"),
        (real(2, 3), real(2, 3), *parameters, "none"),
        (real(), real(), *parameters, "mean"),
    ]


def _mse(x: Any, target: Any, reduction: str) -> Any:
    check_shapes("mse_loss", x, target)
    d = x - target
    if reduction == "mean":
        d = d.ravel()
        return d.dot(d) / d.dtype.type(d.size)
    return _reduce(d * d, reduction)


def _mse_slope(g: Any, x: Any, target: Any, reduction: str) -> Any:
    """2 (x - target) ḡ, and ḡ / n for a mean."""
    return (2 * _spread(g, x.shape, reduction)) * (x - target)


mse = op(
    _mse,
    vjp=dict(
        x=_mse_slope,
        target=lambda g, x, target, reduction: _mse_slope(g, target, x, reduction),
    ),
    fractional=True,
    cases=_elementwise_cases,
)


def _l1(x: Any, target: Any, reduction: str) -> Any:
    check_shapes("l1_loss", x, target)
    return _reduce(np.abs(x - target), reduction)


l1 = op(
    _l1,
    vjp=dict(
        x=lambda g, x, target, reduction: _spread(g, x.shape, reduction) * np.sign(x - target),
        target=lambda g, x, target, reduction: _spread(g, x.shape, reduction) * np.sign(target - x),
    ),
    fractional=True,
    cases=_elementwise_cases,
)


def _huber(x: Any, target: Any, delta: float, reduction: str) -> Any:
    check_shapes("huber_loss", x, target)
    d = np.abs(x - target)
    clipped = np.minimum(d, delta)
    if reduction == "none" or not d.size:
        return _reduce(clipped * (d - 0.5 * clipped), reduction)
    c = clipped.ravel()  # the sum of c (d - ½ c) by two dot products
    check_reduction(reduction)
    total = c.dot(d.ravel()) - 0.5 * c.dot(c)
    return total / d.dtype.type(d.size) if reduction == "mean" else total


def _clip(d: Any, delta: float) -> Any:
    return np.minimum(np.maximum(d, -delta), delta)


huber = op(
    _huber,  # ½ d² for |d| ≤ δ, δ (|d| − ½ δ) beyond: the slope is d clipped to ±δ
    vjp=dict(
        x=lambda g, x, target, delta, reduction: _spread(g, x.shape, reduction) * _clip(x - target, delta),
        target=lambda g, x, target, delta, reduction: _spread(g, x.shape, reduction) * _clip(target - x, delta),
    ),
    fractional=True,
    cases=lambda: _elementwise_cases(1.0) + _elementwise_cases(0.4),
)


def _nll(log_p: Any, target: Any, weight: Any, ignore_index: int, reduction: str) -> Any:
    picked, w = _nll_terms(log_p, target, weight, ignore_index)
    losses = -picked * w
    if reduction == "mean":
        return np.add.reduce(losses, axis=None) / np.add.reduce(w, axis=None)
    return _reduce(losses, reduction)


def _nll_terms(log_p: Any, target: Any, weight: Any, ignore_index: int) -> tuple[Any, Any]:
    """log p of each sample's class, and each sample's weight; both 0 where ignored, because 0 · ∞ would be NaN."""
    kept = target != ignore_index
    safe = np.where(kept, target, 0)
    dim = min(1, log_p.ndim - 1)
    picked = (
        log_p[_along(log_p.shape, np.expand_dims(safe, dim), dim)].squeeze(dim)
        if log_p.size
        else safe.astype(log_p.dtype)
    )
    w = kept.astype(log_p.dtype) if weight is None else weight[safe] * kept
    return np.where(kept, picked, picked.dtype.type(0)), w


def _nll_slope(g: Any, shape: tuple, target: Any, weight: Any, ignore_index: int, reduction: str) -> Any:
    kept = target != ignore_index
    safe = np.where(kept, target, 0)
    dtype = g.dtype
    w = kept.astype(dtype) if weight is None else weight[safe] * kept
    if reduction == "mean":
        w = w / (np.add.reduce(w, axis=None) or 1)  # where all samples are ignored the slope is 0
    dim = min(1, len(shape) - 1)
    index = np.expand_dims(safe, dim)
    return scatter_add_zeros(spread_sum(-g * w, index.shape, dim, False), shape, dim, index)


nll = op(
    _nll,
    vjp=lambda g, log_p_shape, target, weight, ignore_index, reduction: _nll_slope(
        g, log_p_shape, target, weight, ignore_index, reduction
    ),
    cases=lambda: [
        (real(4, 3), integers(0, 3, 4), None, -100, "mean"),
        (real(4, 3), integers(0, 3, 4), constant([0.5, 1.0, 2.0]), -100, "mean"),
        (real(4, 3), constant([0, 1, 2, 1]), constant([0.5, 1.0, 2.0]), 1, "sum"),
        (real(4, 3), integers(0, 3, 4), None, -100, "none"),
        (real(2, 3, 5), integers(0, 3, 2, 5), None, -100, "mean"),
        (real(3), integers(0, 3), None, -100, "mean"),
    ],
)


def _bce_with_logits(x: Any, target: Any, weight: Any, pos_weight: Any, reduction: str) -> Any:
    check_shapes("binary_cross_entropy_with_logits", x, target)
    softplus_minus = np.maximum(-x, 0) + np.log1p(np.exp(-np.abs(x)))  # softplus(-x) = -log sigmoid(x)
    scale = 1 if pos_weight is None else 1 + (pos_weight - 1) * target
    losses = (1 - target) * x + scale * softplus_minus
    return _reduce(losses if weight is None else losses * weight, reduction)


def _bce_slope(g: Any, x: Any, target: Any, weight: Any, pos_weight: Any, reduction: str) -> Any:
    scale = 1 if pos_weight is None else 1 + (pos_weight - 1) * target
    slope = (1 - target) - scale * sigmoid(-x)
    return _spread(g, x.shape, reduction) * (slope if weight is None else slope * weight)


def _bce_target_slope(g: Any, x: Any, target: Any, weight: Any, pos_weight: Any, reduction: str) -> Any:
    slope = -x if pos_weight is None else -x + (pos_weight - 1) * (where(x > 0, 0.0, -x) + np.log1p(np.exp(-np.abs(x))))
    return _spread(g, x.shape, reduction) * (slope if weight is None else slope * weight)


bce_with_logits = op(
    _bce_with_logits,
    vjp=dict(x=_bce_slope, target=_bce_target_slope),
    cases=lambda: [
        (real(4, 3), within(0, 1, 4, 3), None, None, "mean"),
        (real(5), within(0, 1, 5), None, None, "sum"),
        (real(2, 3), within(0, 1, 2, 3), constant([[0.5, 1.0, 2.0]] * 2), constant([1.0, 3.0, 0.5]), "none"),
    ],
)


def _log(p: Any) -> Any:
    """log p, at least -100: a sure and wrong answer costs 100, not ∞."""
    possible = p > 0
    return np.maximum(where(possible, np.log(where(possible, p, 1.0)), -100.0), -100.0)


def _bce(p: Any, target: Any, weight: Any, reduction: str) -> Any:
    check_shapes("binary_cross_entropy", p, target)
    losses = -(target * _log(p) + (1 - target) * _log(1 - p))
    return _reduce(losses if weight is None else losses * weight, reduction)


def spread_and_weigh(g: Any, shape: tuple[int, ...], weight: Any, reduction: str) -> Any:
    g = _spread(g, shape, reduction)
    return g if weight is None else g * weight


bce = op(
    _bce,
    vjp=dict(
        p=lambda g, p, target, weight, reduction: (
            spread_and_weigh(g, p.shape, weight, reduction) * ((p - target) / np.maximum(p * (1 - p), 1e-12))
        ),
        target=lambda g, p, weight, reduction: (
            spread_and_weigh(g, p.shape, weight, reduction) * (np.log(1 - p) - np.log(p))
        ),
    ),
    cases=lambda: [
        (within(0.1, 0.9, 4, 3), within(0, 1, 4, 3), None, "mean"),
        (within(0.1, 0.9, 5), within(0, 1, 5), None, "sum"),
        (within(0.1, 0.9, 2, 3), within(0, 1, 2, 3), constant([[0.5, 1.0, 2.0]] * 2), "none"),
    ],
)
