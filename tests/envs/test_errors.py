"""What counts as a number, whoever made it."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from envs import UsageError
from envs.errors import real_number, whole_number


class Seven:
    def __index__(self) -> int:
        return 7


@pytest.mark.parametrize("seven", [7, np.int8(7), np.uint64(7), np.array(7), Seven()], ids=lambda x: type(x).__name__)
def test_whatever_can_be_an_index_is_a_whole_number(seven) -> None:
    number = whole_number("steps", seven, 7)
    assert number == 7
    assert type(number) is int


@pytest.mark.parametrize("given", [True, np.True_, 2.0, np.float64(2), "2", None, np.array([2, 3]), [2]])
def test_what_is_no_whole_number_is_refused(given) -> None:
    with pytest.raises(UsageError, match="^steps must be a whole number, got "):
        whole_number("steps", given)


def test_the_least_is_allowed_and_what_is_below_is_not() -> None:
    assert whole_number("seed", -3) == -3
    assert whole_number("seed", np.int64(0), 0) == 0
    with pytest.raises(UsageError, match="^seed must be at least 0, got -1$"):
        whole_number("seed", np.int64(-1), 0)


@pytest.mark.parametrize("half", [0.5, np.float32(0.5), np.array(0.5), Fraction(1, 2)], ids=lambda x: type(x).__name__)
def test_whatever_is_real_is_a_number(half) -> None:
    number = real_number("gamma", half)
    assert number == 0.5
    assert type(number) is float


@pytest.mark.parametrize("given", [True, np.True_, "0.5", None, 1j, np.array([0.5]), np.array("0.5")])
def test_what_is_not_real_is_refused(given) -> None:
    with pytest.raises(UsageError, match="^gamma must be a number, got "):
        real_number("gamma", given)
