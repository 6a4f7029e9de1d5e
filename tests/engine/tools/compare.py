"""What tests of functions compare: values, shapes and dtypes, and the gradients of a sum."""

from __future__ import annotations

import numpy as np

import minigrad as mg


def same(actual: mg.Tensor, expected: object, dtype: object = None) -> None:
    """Equal element by element, NaN to NaN, with the same shape and, if given, of this dtype."""
    np.testing.assert_allclose(actual.detach().numpy(), np.asarray(expected), rtol=1e-6, atol=1e-30)
    assert actual.shape == np.shape(expected)
    assert dtype is None or actual.dtype == dtype


def slope(function, *values: object) -> list[mg.Tensor]:
    """The gradients of the sum of function(*values)."""
    leaves = [mg.tensor(v, requires_grad=True) for v in values]
    function(*leaves).sum().backward()
    return [x.grad for x in leaves]
