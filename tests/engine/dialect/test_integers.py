"""Integers: division by zero, numbers that do not fit into a dtype, bits. Values are PyTorch's (2.13), or by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from compare import same

import minigrad as mg
from minigrad.errors import DivisionByZeroError, GradientError

NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    "divide",
    [
        lambda x: x // 0,
        lambda x: x % 0,
        lambda x: x // mg.tensor([1, 0]),
        lambda x: 5 // (x - x),
        lambda x: 5 % (x - x),
        lambda x: mg.floor_divide(x, 0),
        lambda x: mg.remainder(x, 0),
        lambda x: mg.fmod(x, 0),
        lambda x: x.div(0, rounding_mode="floor"),
        lambda x: x.div(0, rounding_mode="trunc"),
        lambda x: x.floor_divide_(0),
        lambda x: x.remainder_(0),
        lambda x: x.fmod_(0),
        lambda x: x.div_(0, rounding_mode="trunc"),
        lambda x: x.__ifloordiv__(0),
        lambda x: x.__imod__(False),
        lambda x: x.to(mg.uint8) // 0,
        lambda x: x.bool() // mg.tensor([True, False]),
    ],
)
def test_an_integer_divided_by_zero_raises(divide):
    x = mg.tensor([5, 7])
    for kind in (ZeroDivisionError, RuntimeError, DivisionByZeroError):
        with pytest.raises(kind, match=r"divided by 0.*\.float\(\)"):
            divide(x)
    assert x.tolist() == [5, 7]


def test_other_divisions_by_zero_are_what_they_were():
    with np.errstate(all="ignore"):
        same(mg.tensor([5.0, -5.0, 0.0]) // 0, [INF, -INF, NAN])
        same(mg.tensor([5, 0]) / 0, [INF, NAN])
        same(mg.tensor([5, 0]) // 0.0, [INF, NAN])
        same(mg.tensor([5.0]) % 0, [NAN])
        same(mg.fmod(mg.tensor([5.0]), 0), [NAN])
    assert (mg.zeros(0, dtype=mg.int64) // 0).shape == (0,)
    assert (mg.tensor([7, -7]) // 2).tolist() == [3, -4]
    assert (mg.tensor([7, -7]) % 3).tolist() == [1, 2]
    assert mg.fmod(mg.tensor([7, -7]), 3).tolist() == [1, -1]
    assert mg.div(mg.tensor([7, -7]), 2, rounding_mode="trunc").tolist() == [3, -3]
    assert mg.div(mg.tensor([7, -7]), 2, rounding_mode="floor").tolist() == [3, -4]
    with pytest.raises(ValueError, match="rounding_mode='up'"):
        mg.div(mg.tensor([7]), 2, rounding_mode="up")


@pytest.mark.parametrize(
    ("compute", "expected"),
    [
        (lambda x: x * -1, [251, 56]),
        (lambda x: x + 300, [49, 244]),
        (lambda x: x - 300, [217, 156]),
        (lambda x: 300 - x, [39, 100]),
        (lambda x: -1 - x, [250, 55]),
        (lambda x: x & -1, [5, 200]),
        (lambda x: x | 256, [5, 200]),
        (lambda x: x ^ -1, [250, 55]),
        (lambda x: mg.add(x, x, alpha=-3), [246, 112]),
        (lambda x: mg.sub(x, x, alpha=-3), [20, 32]),
        (lambda x: mg.addcmul(x, x, x, value=-1), [236, 136]),
        (lambda x: x.clone().add_(300), [49, 244]),
        (lambda x: x.clone().mul_(-1), [251, 56]),
        (lambda x: x.index_add(0, mg.tensor([0]), x[:1], alpha=-1), [0, 200]),
        (lambda x: x[0] * -1, 251),
        (lambda x: x.to(mg.int8) + 200, [-51, -112]),
        (lambda x: x.int() + 2**40, [5, 200]),
        (lambda x: x.long() + 2**63, [5 - 2**63, 200 - 2**63]),
    ],
)
def test_a_number_that_does_not_fit_wraps_around(compute, expected):
    assert compute(mg.tensor([5, 200], dtype=mg.uint8)).tolist() == expected


@pytest.mark.parametrize(
    "compute",
    [
        lambda x: x // 300,
        lambda x: x % -1,
        lambda x: mg.fmod(x, 300),
        lambda x: x**300,
        lambda x: x**-1,
        lambda x: x.clamp(-1, 10),
        lambda x: x.clamp(max=300),
        lambda x: x.clamp_min(-1),
        lambda x: mg.maximum(x, 300),
        lambda x: mg.where(x > 9, x, 300),
        lambda x: x.masked_fill(x > 9, 300),
        lambda x: x.index_fill(0, mg.tensor([0]), -1),
        lambda x: x.scatter(0, mg.tensor([0]), 300),
        lambda x: x.fill_(300),
        lambda x: x.__setitem__(0, -1),
        lambda x: x << 300,
    ],
)
def test_elsewhere_a_number_that_does_not_fit_is_refused(compute):
    x = mg.tensor([5, 200], dtype=mg.uint8)
    with pytest.raises(GradientError, match=r"(300|-1) does not fit into uint8, which holds 0 to 255; .*\.float\(\)"):
        compute(x)
    assert x.tolist() == [5, 200]


def test_comparisons_take_any_integer_and_fractions_and_infinities_are_told_apart():
    x = mg.tensor([5, 200], dtype=mg.uint8)
    assert (x < -1).tolist() == [False, False]
    assert (x < 300).tolist() == [True, True]
    assert (x == 261).tolist() == [False, False]
    assert mg.tensor([5]).masked_fill(mg.tensor([True]), 2.7).tolist() == [2]
    for value in (INF, NAN):
        with pytest.raises(GradientError, match=r"int64 cannot hold (inf|nan)"):
            mg.tensor([5]).masked_fill(mg.tensor([True]), value)


def test_bit_shifts():
    x = mg.tensor([5, 200], dtype=mg.uint8)
    assert (x << 1).tolist() == mg.bitwise_left_shift(x, 1).tolist() == [10, 144]
    assert (x >> 2).tolist() == x.bitwise_right_shift(mg.tensor(2)).tolist() == [1, 50]
    assert (1 << mg.tensor([0, 3])).tolist() == [1, 8]
    assert (64 >> mg.tensor([0, 3])).tolist() == [64, 8]
