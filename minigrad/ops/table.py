"""What a row's file needs: how the row is declared, and recipes for the inputs that tests draw for it.

    tanh = op(np.tanh, vjp=lambda g, y: g * (1 - y * y))

A row says how to draw inputs for it: `cases` is a function that returns lists of arguments (a list will do, too). An
import would pay for the recipes of every row, and only tests read them. From the table alone the tests are made:
gradient checks at first and second order, the mutation check, the comparison with PyTorch, and the reference page. So
an operation can't be added without being checked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core.operation import TABLE, Operation
from ..core.rules import op
from .lists import ListOperation, op_of_list

__all__ = [
    "TABLE",
    "Draw",
    "ListOperation",
    "binary",
    "booleans",
    "cases_of",
    "constant",
    "distinct",
    "integers",
    "op",
    "op_of_list",
    "positive",
    "real",
    "unary",
    "within",
]


class Draw:
    """A recipe for a test input: a shape and a distribution. `draw(rng)` makes a float64 (or integer) array."""

    def __init__(self, shape: tuple[int, ...], sampler: Callable[[np.random.Generator, tuple], np.ndarray]) -> None:
        self.shape, self._sampler = shape, sampler

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """A fresh array from the recipe."""
        return np.asarray(self._sampler(rng, self.shape))


def real(*shape: int) -> Draw:
    """Standard normal numbers, at least 0.1 away from 0, so that no finite difference straddles a kink there."""
    return Draw(shape, lambda rng, s: _away_from_zero(rng.standard_normal(s)))


def positive(*shape: int) -> Draw:
    """Numbers in [0.3, 2.3)."""
    return Draw(shape, lambda rng, s: 0.3 + 2 * rng.random(s))


def within(low: float, high: float, *shape: int) -> Draw:
    """Uniform numbers in [low, high)."""
    return Draw(shape, lambda rng, s: rng.uniform(low, high, s))


def distinct(*shape: int) -> Draw:
    """A shuffled grid of step 0.3: no two elements are close, so no finite difference changes who is the largest."""

    def sampler(rng: np.random.Generator, s: tuple) -> np.ndarray:
        n = int(np.prod(s))
        return (rng.permutation(n).reshape(s) - n / 2 + 0.37) * 0.3

    return Draw(shape, sampler)


def integers(low: int, high: int, *shape: int) -> Draw:
    """Integers in [low, high), int64: an index, never differentiated."""
    return Draw(shape, lambda rng, s: rng.integers(low, high, s))


def booleans(*shape: int) -> Draw:
    """A random mask, never differentiated."""
    return Draw(shape, lambda rng, s: rng.random(s) < 0.5)


def constant(values: Any) -> Draw:
    """The same values each time: a fixed index or mask, never differentiated unless floating."""
    array = np.asarray(values)
    return Draw(array.shape, lambda rng, s: array.copy())


def _away_from_zero(x: np.ndarray) -> np.ndarray:
    return x + 0.1 * np.where(x < 0, -1.0, 1.0)


_UNARY_SHAPES = ((3, 4), (), (5,), (0, 3), (2, 1, 3))
_BINARY_SHAPES = (
    ((3, 4), (3, 4)),
    ((3, 4), (4,)),
    ((3, 1), (1, 4)),
    ((), (2, 3)),
    ((2, 3), ()),
    ((), ()),
    ((2, 1, 3), (4, 1)),
    ((0, 3), (3,)),
)


def unary(domain: Callable[..., Draw] = real, *parameters: Any) -> list[tuple]:
    """Cases for an elementwise operation of one input: its shapes, drawn from `domain`, and its parameters."""
    return [(domain(*shape), *parameters) for shape in _UNARY_SHAPES]


def binary(a: Callable[..., Draw] = real, b: Callable[..., Draw] = real) -> list[tuple]:
    """Cases for an elementwise operation of two inputs: every kind of broadcasting."""
    return [(a(*left), b(*right)) for left, right in _BINARY_SHAPES]


def cases_of(operation: Operation) -> Sequence[tuple]:
    """The arguments to test a row with. A ufunc of NumPy's that says nothing gets every shape, or every broadcast."""
    cases = operation.cases() if callable(operation.cases) else operation.cases
    if cases or not isinstance(operation.forward, np.ufunc):
        return cases
    return unary() if operation.forward.nin == 1 else binary()
