"""How an operation is declared: one row of the table, its forward next to its rules.

    tanh = op(np.tanh, vjp=lambda g, y: g * (1 - y * y))

`op` returns the function that users call. It computes on Tensors (recording the call if need be) and on raw arrays
alike; on raw arrays it is just the forward. The row also says how to draw inputs for it (`cases`): the gradient
checks at first and second order, the mutation check, the comparison with PyTorch and the reference page are made from
the table, so an operation can't be added without being checked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core.recording import TABLE, ListOperation, Operation


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


def op(
    forward: Callable,
    vjp: Callable | dict[str, Callable] | None = None,
    *,
    name: str | None = None,
    elementwise: bool | None = None,
    fractional: bool = False,
    view: bool = False,
    cases: Sequence[tuple] | None = None,
    into: Callable | None = None,
) -> Callable[..., Any]:
    """Add an operation to the table and return the function that computes and records it.

    forward: a NumPy ufunc, or a function of arrays (the inputs) and then parameters, all positional.
    vjp: one rule for an operation of one input, or input name -> rule; None if nothing can be differentiated.
        See `minigrad.recording.Operation` for what a rule may ask for.
    name: the row's name; the forward's own by default.
    elementwise: inputs broadcast and are promoted (default: true for ufuncs).
    fractional: integers become the default float first, as in a division.
    view: the result may share the input's memory.
    into: adds the rule's result to a cotangent in place (see `minigrad.recording.Operation`); one input only.
    cases: argument tuples for the tests, with a Draw for each array (default for ufuncs: shapes and broadcasts).
    """
    ufunc = forward if isinstance(forward, np.ufunc) else None
    name = name or forward.__name__.strip("_")
    if name in TABLE:
        raise ValueError(f"operation '{name}' is in the table already; choose another name")
    if vjp is None:
        rules: dict[str, Callable] = {}
    elif isinstance(vjp, dict):
        rules = vjp
    else:
        first = "x" if ufunc else forward.__code__.co_varnames[0]  # type: ignore[attr-defined]
        rules = {first: vjp}
    if cases is None and ufunc:
        cases = unary() if ufunc.nin == 1 else binary()
    operation = Operation(
        name,
        forward,
        rules,
        elementwise=ufunc is not None if elementwise is None else elementwise,
        fractional=fractional,
        view=view,
        cases=cases or (),
        into=into,
    )
    TABLE[name] = operation
    return operation.apply


def op_of_list(
    forward: Callable,
    *,
    keep: Callable,
    vjp: Callable,
    name: str | None = None,
    cases: Sequence[tuple] = (),
) -> Callable[..., Any]:
    """Add an operation on a list of tensors, such as `cat`, to the table.

    forward: a function of a list of arrays and then parameters.
    keep: from the arrays' shapes and the parameters, the tuple that the rule needs.
    vjp: rule(g, i, *kept) gives the cotangent of the i-th tensor.
    The rest is as for `op`; in `cases` the first argument is a list of Draws.
    """
    name = name or forward.__name__.strip("_")
    if name in TABLE:
        raise ValueError(f"operation '{name}' is in the table already; choose another name")
    TABLE[name] = ListOperation(name, forward, keep, vjp, cases)
    return TABLE[name].apply
