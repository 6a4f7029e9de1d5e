"""The rows of the table as the tests see them: cases with inputs drawn, and the derivative by finite differences."""

from __future__ import annotations

import functools
import importlib
import itertools
import pkgutil
from collections.abc import Sequence
from typing import Any

import numpy as np

import minigrad.ops
import minigrad.speed.fused
from minigrad.core.call import bind
from minigrad.core.operation import TABLE, Operation
from minigrad.core.tensor import LEAF, Tensor, wrap
from minigrad.ops.lists import ListOperation
from minigrad.ops.table import Draw, cases_of

for _chapter in pkgutil.iter_modules(minigrad.ops.__path__):
    importlib.import_module(f"minigrad.ops.{_chapter.name}")  # some chapters are read only when they are needed

DIFFERENTIABLE = sorted(name for name, row in TABLE.items() if row.differentiable)
STEP = 1e-3  # of the four-point difference, whose error is STEP⁴: about 1e-12


def new_row(*arguments: Any, **named: Any) -> Operation:
    """An operation that is no row of the table, with its function."""
    row = Operation(*arguments, **named)
    bind(row, in_table=False)
    return row


def leaf(array: Any) -> Tensor:
    """A leaf that requires a gradient, around this very array."""
    x = wrap(array)
    if array.dtype.kind == "f":
        x._node = LEAF
    return x


class Case:
    """One case of a row, its inputs drawn from a fixed seed.

    leaves: the float arrays that are differentiated, in the order of the inputs.
    """

    def __init__(self, name: str, index: int, seed: int) -> None:
        self.name, self.index = name, index
        self.operation = TABLE[name]
        rng = np.random.default_rng([seed, index, *name.encode()])

        def draw(argument: Any) -> Any:
            if isinstance(argument, Draw):
                return argument.draw(rng)
            return [draw(a) for a in argument] if isinstance(argument, list) else argument

        self.arguments = [draw(a) for a in cases_of(self.operation)[index]]
        if isinstance(self.operation, ListOperation):
            self.places: list[int] = []
            self.leaves = self.arguments[0]
        else:
            names = self.operation.inputs
            self.places = [i for i, n in enumerate(names) if n in self.operation.vjp and _floating(self.arguments[i])]
            self.leaves = [self.arguments[i] for i in self.places]
        self.cotangent = np.asarray(rng.uniform(0.5, 1.5, self().shape))
        self.cotangent *= rng.choice([-1.0, 1.0], self.cotangent.shape)

    def __call__(
        self, leaves: Sequence[Any] | None = None, operation: Operation | None = None, dtype: Any = None
    ) -> Any:
        """The operation applied to `leaves` (arrays or Tensors; by default the arrays drawn)."""
        apply = (operation or self.operation).apply
        leaves = self.leaves if leaves is None else leaves
        if isinstance(self.operation, ListOperation):
            return apply(list(leaves), *self.arguments[1:])
        arguments = [a.astype(dtype) if dtype is not None and _floating(a) else a for a in self.arguments]
        for i, x in zip(self.places, leaves, strict=True):
            arguments[i] = x
        return apply(*arguments)

    def gradients(self, operation: Operation | None = None, dtype: Any = np.float64) -> list[np.ndarray | None]:
        """What backward makes of this case's cotangent, as the leaves' `.grad`."""
        tensors = [leaf(x.astype(dtype)) for x in self.leaves]
        y = self(tensors, operation, dtype)
        y.backward(wrap(self.cotangent.astype(y.dtype)))
        return [None if x.grad is None else x.grad.array for x in tensors]

    def _phi(self, leaf_number: int, x: np.ndarray) -> float:
        leaves = [*self.leaves]
        leaves[leaf_number] = x
        return float(np.sum(self.cotangent * self(leaves)))

    @functools.cached_property
    def numeric(self) -> list[np.ndarray]:
        """The gradients of ⟨cotangent, output⟩ by the four-point difference. NaN where there is a kink nearby."""
        result = []
        for i, x in enumerate(self.leaves):
            slopes = np.empty(x.shape)
            for place in np.ndindex(x.shape):
                moved = x.copy()
                phi = []
                for step in (-2, -1, 1, 2):
                    moved[place] = x[place] + step * STEP
                    phi.append(self._phi(i, moved))
                near, far = (phi[2] - phi[1]) / (2 * STEP), (phi[3] - phi[0]) / (4 * STEP)
                smooth = abs(near - far) < 1e-3 * (1 + abs(near))
                slopes[place] = (4 * near - far) / 3 if smooth else np.nan
            result.append(slopes)
        return result

    def __repr__(self) -> str:
        shapes = [getattr(a, "shape", a) for a in self.arguments]
        return f"case {self.index} of '{self.name}' {shapes}"


def _floating(x: Any) -> bool:
    return isinstance(x, np.ndarray) and x.dtype.kind == "f"


@functools.cache
def cases(name: str) -> list[Case]:
    """The cases of a row, drawn so that none has a kink within 2 * STEP of an input."""
    found = []
    for index in range(len(cases_of(TABLE[name]))):
        for seed in itertools.count():
            case = Case(name, index, seed)
            if not case.operation.differentiable or not any(np.isnan(n).any() for n in case.numeric):
                break
            assert seed < 50, f"{case}: every draw is next to a kink; draw its inputs from another domain"
        found.append(case)
    return found


def assert_close(actual: np.ndarray | None, expected: np.ndarray, what: str) -> None:
    """Equal to nine digits; a gradient that is small throughout is measured against its own size."""
    assert actual is not None, f"{what}: no gradient arrived"
    assert actual.shape == expected.shape, f"{what}: shape {actual.shape}, expected {expected.shape}"
    size = min(1.0, np.abs(expected).max(initial=0.0))
    np.testing.assert_allclose(actual, expected, rtol=1e-8, atol=1e-9 * size + 1e-12, err_msg=what)


def check(name: str, operation: Operation | None = None) -> None:
    """The fixed check of a row: every case against finite differences, and every kink against its convention.

    operation: a mutant to be checked in the row's stead.
    """
    from kinks import check_kinks

    for case in cases(name):
        if case.leaves:
            for i, (actual, expected) in enumerate(zip(case.gradients(operation), case.numeric, strict=True)):
                assert_close(actual, expected, f"{case}, gradient {i}")
            if name == "cast":
                continue  # its parameters name the dtypes
            for i, actual in enumerate(case.gradients(operation, np.float32)):
                assert getattr(actual, "dtype", None) == np.float32, f"{case} in float32, gradient {i}"
    check_kinks(name, operation or TABLE[name])
