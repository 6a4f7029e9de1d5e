"""The error function and its kin against the C library's, which is right to the last digits."""

from __future__ import annotations

import math

import numpy as np
import pytest

import minigrad as mg

X = np.concatenate([np.linspace(-30, 30, 6001), np.linspace(-0.5, 0.5, 1001), [0.0, -0.0, np.inf, -np.inf, np.nan]])
EVERYWHERE = np.array([math.erf(x) for x in X])
TAIL = np.array([math.erfc(x) for x in X])


def test_erf_in_float64():
    np.testing.assert_allclose(mg.erf(mg.from_numpy(X)).numpy(), EVERYWHERE, rtol=4e-16, atol=4e-16)
    y = mg.erf(mg.tensor([0.0, -0.0], dtype=mg.float64)).numpy()
    assert np.signbit(y).tolist() == [False, True]


def test_erfc_keeps_its_relative_precision():
    ordinary = ~(TAIL < 1e-290)
    y = mg.erfc(mg.from_numpy(X)).numpy()
    np.testing.assert_allclose(y[ordinary], TAIL[ordinary], rtol=2e-15)
    assert (y[~ordinary] <= 1e-290).all()
    x32 = np.linspace(-9, 9, 501).astype(np.float32)
    expected = [math.erfc(x) for x in x32.tolist()]
    np.testing.assert_allclose(mg.erfc(mg.from_numpy(x32)).numpy(), expected, rtol=1e-7)


def test_erf_in_float32_stays_within_one():
    x = X.astype(np.float32)
    y = mg.erf(mg.from_numpy(x)).numpy()
    assert y.dtype == np.float32
    np.testing.assert_allclose(y, EVERYWHERE, rtol=0, atol=5e-7)
    assert np.nanmax(np.abs(y)) == 1


def test_erfinv_undoes_erf():
    p = np.concatenate([np.linspace(-1, 1, 2001), 10.0 ** -np.arange(1, 300, 3), 1 - 10.0 ** -np.arange(1, 16)])
    p = p[np.abs(p) < 1]
    x = mg.erfinv(mg.from_numpy(p)).numpy()
    np.testing.assert_allclose([math.erf(v) for v in x], p, rtol=5e-16)
    edges = mg.erfinv(mg.tensor([1.0, -1.0, 1.5, math.nan, 0.0])).numpy()
    np.testing.assert_array_equal(edges, [math.inf, -math.inf, math.nan, math.nan, 0.0])


@pytest.mark.parametrize("name", ["sin", "cos", "tan", "atan", "log2", "log10", "reciprocal", "rsqrt", "erf", "atanh"])
def test_functions_and_methods_agree_and_integers_become_float32(name):
    x = mg.tensor([0.25, 0.5])
    assert mg.equal(getattr(mg, name)(x), getattr(x, name)())
    ones = getattr(mg.tensor([2, 4]) if name != "atanh" else mg.tensor([0, 0]), name)()
    assert ones.dtype == mg.float32


def test_two_arguments():
    a, b = mg.tensor([1.0, -1.0]), mg.tensor([-1.0, 2.0])
    np.testing.assert_allclose(a.atan2(b).numpy(), np.arctan2([1, -1], [-1, 2]), rtol=1e-6)
    assert mg.logaddexp(mg.tensor(1000.0), mg.tensor(1000.0)).item() == pytest.approx(1000 + math.log(2))
    assert mg.logaddexp(mg.tensor(-math.inf), mg.tensor(3.0)).item() == 3
