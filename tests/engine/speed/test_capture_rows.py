"""Capture of every case of the table: what a replay gives is what eager gives, to the bit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from capturing import follow, replays, vary
from rows import Case, cases, leaf

from minigrad.core.operation import TABLE
from minigrad.core.tensor import Tensor, wrap
from minigrad.ops.lists import ListOperation


def bind_case(case: Case, dtype: Any) -> Any:
    """The case as a function of its leaves. What else it is given is made once, outside."""
    if isinstance(case.operation, ListOperation):
        return lambda leaves: case.operation.apply([*leaves], *case.arguments[1:])
    given = [a.astype(dtype) if isinstance(a, np.ndarray) and a.dtype.kind == "f" else a for a in case.arguments]

    def apply(leaves: Sequence[Tensor]) -> Any:
        arguments = [*given]
        for i, x in zip(case.places, leaves, strict=True):
            arguments[i] = x
        return case.operation.apply(*arguments)

    return apply


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", sorted(TABLE))
def test_every_case_of_the_table(name, dtype):
    if name == "cast":
        dtype = np.float64  # its cases name both dtypes
    for case in cases(name):
        cotangent, apply = wrap(case.cotangent.astype(dtype)), bind_case(case, dtype)

        def step(*inputs: Tensor, apply: Any = apply, cotangent: Tensor = cotangent) -> Any:
            y = apply(inputs)
            if y.requires_grad:
                y.backward(cotangent)
            return y

        firsts = [leaf(x.astype(dtype) if x.dtype.kind == "f" else x) for x in case.leaves]
        with np.errstate(all="ignore"):
            sets = [firsts, firsts, [vary(x, 1) for x in firsts], [vary(x, 2) for x in firsts]]
            captured = follow(step, sets)
        if firsts:
            assert replays(captured) == 2, captured
