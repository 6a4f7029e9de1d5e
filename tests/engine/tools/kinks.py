"""What the slope is where there is none: the conventions at kinks, ties and edges, which are PyTorch's.

Finite differences can't judge there, so each point is a known answer: an operation's arguments, a cotangent, and the
gradients expected of backward. `test_oracle.py` asks PyTorch for the same.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.core.operation import TABLE, Operation
from minigrad.core.tensor import wrap

INF, NAN = np.inf, np.nan


def known(*arguments: Any, cotangent: Any, gradients: list) -> tuple[list, np.ndarray, list]:
    """A point: lists become arrays, float64 unless they hold ints; everything else is a parameter."""

    def array(x: Any) -> Any:
        return np.array(x) if isinstance(x, list) else x

    return [array(a) for a in arguments], np.array(cotangent), [np.array(g) for g in gradients]


KINKS: dict[str, list[tuple[list, np.ndarray, list]]] = {
    "abs": [known([-1.0, 0.0, -0.0, 2.0], cotangent=[3.0, 3.0, 3.0, 3.0], gradients=[[-3.0, 0.0, 0.0, 3.0]])],
    "relu": [known([-1.0, 0.0, -0.0, 2.0], cotangent=[3.0, 3.0, 3.0, 3.0], gradients=[[0.0, 0.0, 0.0, 3.0]])],
    "leaky_relu": [known([-1.0, 0.0, 2.0], 0.1, cotangent=[3.0, 3.0, 3.0], gradients=[[0.3, 0.3, 3.0]])],
    "elu": [known([0.0, 2.0], 0.5, cotangent=[3.0, 3.0], gradients=[[1.5, 3.0]])],
    "softplus": [
        known([1.0, 1.5, 0.0], 1.0, 1.0, cotangent=[2.0, 2.0, 2.0], gradients=[[2 / (1 + np.exp(-1.0)), 2.0, 1.0]]),
        known([800.0, -800.0], 1.0, 20.0, cotangent=[2.0, 2.0], gradients=[[2.0, 0.0]]),
    ],
    "sigmoid": [known([800.0, -800.0, 0.0], cotangent=[2.0, 2.0, 2.0], gradients=[[0.0, 0.0, 0.5]])],
    "tanh": [known([400.0, -400.0, 0.0], cotangent=[2.0, 2.0, 2.0], gradients=[[0.0, 0.0, 2.0]])],
    "sqrt": [known([0.0, 4.0], cotangent=[3.0, 2.0], gradients=[[INF, 0.5]])],
    "log": [known([0.0, 4.0], cotangent=[3.0, 2.0], gradients=[[INF, 0.5]])],
    "divide": [known([1.0, 1.0], [0.0, 2.0], cotangent=[3.0, 2.0], gradients=[[INF, 1.0], [-INF, -0.5]])],
    "pow": [
        known([0.0, 0.0, 2.0, -3.0], 0, cotangent=[3.0, 1.0, 2.0, 1.0], gradients=[[0.0, 0.0, 0.0, 0.0]]),
        known([0.0, -3.0], 1, cotangent=[3.0, 2.0], gradients=[[3.0, 2.0]]),
        known([0.0, -3.0], 2, cotangent=[3.0, 2.0], gradients=[[0.0, -12.0]]),
        known([0.0, 4.0], 0.5, cotangent=[3.0, 2.0], gradients=[[INF, 0.5]]),
        known(0.0, [0.0, 1.0, -1.0], cotangent=[5.0, 3.0, 2.0], gradients=[[0.0, 0.0, -INF]]),
        known(-2.0, [2.0, 3.0], cotangent=[5.0, 3.0], gradients=[[NAN, NAN]]),
        known([NAN, INF], 0, cotangent=[3.0, 2.0], gradients=[[0.0, 0.0]]),
        known([NAN, INF], [0.0, 0.0], cotangent=[3.0, 2.0], gradients=[[0.0, 0.0], [NAN, INF]]),
        known(
            [0.0, 0.0, 0.0, 2.0, 0.0],
            [0.0, 1.0, 3.0, 0.0, -1.0],
            cotangent=[5.0, 3.0, 2.0, 2.0, 1.0],
            gradients=[[0.0, 3.0, 0.0, 0.0, -INF], [0.0, 0.0, 0.0, 2 * np.log(2.0), -INF]],
        ),
    ],
    "maximum": [
        known([1.0, 2.0, 5.0], [1.0, 3.0, 4.0], cotangent=[4.0, 3.0, 3.0], gradients=[[2.0, 0.0, 3.0], [2.0, 3.0, 0.0]])
    ],
    "minimum": [
        known([1.0, 2.0, 5.0], [1.0, 3.0, 4.0], cotangent=[4.0, 3.0, 3.0], gradients=[[2.0, 3.0, 0.0], [2.0, 0.0, 3.0]])
    ],
    "clamp": [
        known([-1.0, -0.5, 0.0, 0.5, 1.0], -0.5, 0.5, cotangent=[3.0] * 5, gradients=[[0.0, 3.0, 3.0, 3.0, 0.0]]),
    ],
    "where": [
        # What comes back to the branch not chosen is 0 even where that branch is not finite.
        known([True, False], [1.0, INF], [NAN, 2.0], cotangent=[3.0, 4.0], gradients=[[3.0, 0.0], [0.0, 4.0]]),
    ],
    "amax": [
        known(
            [[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]], 1, False, cotangent=[4.0, 6.0], gradients=[[[0, 2.0, 2.0], [2.0] * 3]]
        ),
        known([[1.0, 3.0], [3.0, 2.0]], None, False, cotangent=4.0, gradients=[[[0.0, 2.0], [2.0, 0.0]]]),
    ],
    "amin": [
        known(
            [[5.0, 3.0, 3.0], [2.0, 2.0, 2.0]], 1, False, cotangent=[4.0, 6.0], gradients=[[[0, 2.0, 2.0], [2.0] * 3]]
        ),
        known([[1.0, 3.0], [3.0, 1.0]], None, False, cotangent=4.0, gradients=[[[2.0, 0.0], [0.0, 2.0]]]),
    ],
    "prod": [
        known([2.0, 0.0, 3.0], 0, False, cotangent=2.0, gradients=[[0.0, 12.0, 0.0]]),
        known([2.0, 0.0, 0.0], 0, False, cotangent=2.0, gradients=[[0.0, 0.0, 0.0]]),
    ],
    "atan2": [known([0.0, 0.0], [0.0, 2.0], cotangent=[3.0, 4.0], gradients=[[0.0, 2.0], [0.0, 0.0]])],
    "norm_of_order": [
        known([[0.0, 0.0], [0.0, -2.0]], 3, 1, False, cotangent=[2.0, 5.0], gradients=[[[0.0, 0.0], [0.0, -5.0]]]),
        known([[0.0, 0.0], [0.0, 4.0]], 0.5, 1, False, cotangent=[2.0, 5.0], gradients=[[[0.0, 0.0], [0.0, 5.0]]]),
        known([0.0, 2.0], -1, 0, False, cotangent=5.0, gradients=[[0.0, 0.0]]),
    ],
    "norm": [known([[0.0, 0.0], [3.0, 4.0]], 1, False, cotangent=[2.0, 5.0], gradients=[[[0.0, 0.0], [3.0, 4.0]]])],
    "std": [
        known([[1.0, 1.0], [1.0, 3.0]], 1, False, 0, cotangent=[2.0, 5.0], gradients=[[[0.0, 0.0], [-2.5, 2.5]]]),
    ],
    "logsumexp": [
        known([[0.0, -INF], [1000.0, 1000.0]], 1, False, cotangent=[2.0, 4.0], gradients=[[[2.0, 0.0], [2.0, 2.0]]]),
    ],
    "softmax": [
        known([[0.0, -INF, 0.0]], 1, cotangent=[[4.0, 7.0, 0.0]], gradients=[[[1.0, 0.0, -1.0]]]),
        known([[2000.0, 2000.0]], 1, cotangent=[[4.0, 0.0]], gradients=[[[1.0, -1.0]]]),
    ],
    "log_softmax": [
        known([[0.0, -INF, 0.0]], 1, cotangent=[[4.0, 0.0, 0.0]], gradients=[[[2.0, 0.0, -2.0]]]),
        known([[2000.0, 0.0]], 1, cotangent=[[0.0, 4.0]], gradients=[[[-4.0, 4.0]]]),
    ],
    "l1": [
        known([1.0, 2.0, 0.0], [1.0, 1.0, 3.0], "sum", cotangent=4.0, gradients=[[0.0, 4.0, -4.0], [0.0, -4.0, 4.0]])
    ],
    "huber": [
        known([0.0, 1.0, 2.0], [0.0] * 3, 1.0, "sum", cotangent=4.0, gradients=[[0.0, 4.0, 4.0], [0.0, -4.0, -4.0]]),
    ],
    "hardtanh": [
        known([-1.0, -0.5, 0.0, 0.5, 1.0], -0.5, 0.5, cotangent=[3.0] * 5, gradients=[[0.0, 0.0, 3.0, 0.0, 0.0]]),
    ],
    "xlogy": [
        known(
            [0.0, 2.0, 0.0],
            [4.0, 1.0, -1.0],
            cotangent=[3.0, 2.0, 3.0],
            gradients=[[3 * np.log(4.0), 0.0, 0.0], [0.0, 4.0, 0.0]],
        ),
        known([0.0], 0.0, cotangent=[3.0], gradients=[[0.0]]),
    ],
    "bce": [
        known(
            [1.0, 0.0, 1e-60, 0.5],
            [1.0, 0.0, 1e-60, 1.0],
            None,
            "sum",
            cotangent=4.0,
            gradients=[[0.0, 0.0, 0.0, -8.0], [-INF, INF, -4 * np.log(1e-60), 0.0]],
        ),
    ],
    "bce_with_logits": [
        known(
            [0.0, 500.0, -500.0],
            [1.0, 1.0, 1.0],
            None,
            None,
            "sum",
            cotangent=4.0,
            gradients=[[-2.0, 0.0, -4.0], [0.0, -2000.0, 2000.0]],
        ),
    ],
    "entropy": [known([[0.0, -INF]], cotangent=[2.0], gradients=[[[-2.0, 0.0]]])],  # an impossible choice adds nothing
    # Every sample ignored: the mean of nothing is NaN, its gradient 0.
    "nll": [known([[-1.0, -2.0]], [1], None, 1, "mean", cotangent=4.0, gradients=[[[0.0, 0.0]]])],
    # Not kinks: what finite differences in float64 can't see.
    "cast": [
        known([1.5, 2.5], np.dtype(np.float32), np.dtype(np.float64), cotangent=[3.0, 4.0], gradients=[[3.0, 4.0]]),
    ],
}


def backward_at(operation: Operation, arguments: list, cotangent: np.ndarray) -> list[np.ndarray]:
    """The gradients that backward gives the differentiable inputs of a point."""
    from rows import leaf

    leaves = {}
    for i, name in enumerate(operation.inputs):
        if name in operation.vjp and isinstance(arguments[i], np.ndarray):
            leaves[i] = leaf(arguments[i].copy())
    y = operation.apply(*[leaves.get(i, a) for i, a in enumerate(arguments)])
    y.backward(wrap(cotangent.astype(y.dtype)))
    return [x.grad.array for x in leaves.values()]


def check_kinks(name: str, operation: Operation | None = None) -> None:
    """The points of a row. Raises AssertionError."""
    for arguments, cotangent, expected in KINKS.get(name, ()):
        with np.errstate(all="ignore"):
            gradients = backward_at(operation or TABLE[name], arguments, cotangent)
        for actual, wanted in zip(gradients, expected, strict=True):
            assert actual.dtype == np.float64, f"{name}{arguments}: the gradient is {actual.dtype}"
            assert actual.shape == wanted.shape, f"{name}{arguments}: the gradient has shape {actual.shape}"
            np.testing.assert_allclose(actual, wanted, rtol=1e-12, atol=1e-200, err_msg=f"{name}{arguments}")
