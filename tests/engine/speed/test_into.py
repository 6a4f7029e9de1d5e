"""Rows that add their cotangent in place (`into`): the rule's gradient, and nobody else's memory changed."""

import numpy as np
import pytest

import minigrad as mg
from minigrad.core.operation import TABLE
from minigrad.ops.table import cases_of

INTO = [name for name, row in TABLE.items() if row.into is not None]


def cases():
    return [pytest.param(name, case, id=f"{name}-{i}") for name in INTO for i, case in enumerate(cases_of(TABLE[name]))]


@pytest.mark.parametrize(("name", "case"), cases())
def test_several_uses_add_up_as_by_the_rule(name, case):
    row = TABLE[name]
    rng = np.random.default_rng(0)
    array, *parameters = (a.draw(rng) if hasattr(a, "draw") else a for a in case)
    x = mg.tensor(array, requires_grad=True)
    # The first arrival at x is a cotangent that `total` hands on unchanged: it must not be added to in place.
    total = x * 1.0
    uses = [row.apply(total, *parameters) for _ in range(3)]
    cotangents = [mg.tensor(rng.standard_normal(y.shape)) for y in uses]
    outer = mg.tensor(rng.standard_normal(x.shape))
    kept = [c.array.copy() for c in [*cotangents, outer]]
    mg.autograd.backward([total, *uses], [outer, *cotangents])

    (rule,) = row.vjp.values()
    names = rule.__code__.co_varnames[1 : rule.__code__.co_argcount]
    known = dict(zip([*row.inputs, *row.parameters], [array, *parameters], strict=True))
    arguments = [array.shape if n == "x_shape" else known[n] for n in names]
    expected = outer.array + sum(rule(c.array, *arguments) for c in cotangents)
    np.testing.assert_allclose(x.grad.array, expected, rtol=1e-13, atol=1e-13)
    for c, before in zip([*cotangents, outer], kept, strict=True):
        np.testing.assert_array_equal(c.array, before)


def test_the_rows_of_a_matrix_cost_as_much_as_there_are():
    """Quadratic work would write 4,000 x 4,000 x 500 numbers: minutes. Linear work is a few milliseconds."""
    x = mg.ones(4_000, 500, requires_grad=True)
    mg.stack([x[i].sum() for i in range(4_000)]).sum().backward()
    np.testing.assert_array_equal(x.grad.array, 1)
