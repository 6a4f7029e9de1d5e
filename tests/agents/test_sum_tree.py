"""The sum tree against the plain array: np.cumsum and np.searchsorted, which need no tree."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agents.memory import sum_tree
from agents.memory.sum_tree import LONGEST_TOP, WIDTH, SumTree
from envs import UsageError

# One level; two, the last block not full; three.
CAPACITIES = [1, 2, WIDTH, WIDTH + 1, LONGEST_TOP, LONGEST_TOP + 1, 10_000, LONGEST_TOP * WIDTH + 1]


def tree_of(numbers: np.ndarray) -> SumTree:
    tree = SumTree(len(numbers))
    tree.set(np.arange(len(numbers)), numbers)
    return tree


def numbers_like(capacity: int, kind: str, rng: np.random.Generator) -> np.ndarray:
    """Numbers that are hard on a running sum: mostly zeros, ratios up to 10¹², ..."""
    if kind == "one":
        return np.eye(1, capacity, rng.integers(capacity))[0] * 0.1
    if kind == "equal":
        return np.full(capacity, 0.1)
    numbers = 10.0 ** rng.uniform(-6, 6, capacity) if kind == "ratios" else rng.random(capacity)
    numbers[rng.random(capacity) < {"random": 0.0, "ratios": 0.3, "zeros": 0.97}[kind]] = 0
    numbers[rng.integers(capacity)] = 1e-6
    return numbers


@pytest.mark.parametrize("capacity", CAPACITIES)
@pytest.mark.parametrize("kind", ["random", "ratios", "zeros", "equal", "one"])
def test_it_finds_what_the_running_sum_finds(capacity: int, kind: str) -> None:
    rng = np.random.default_rng(capacity)
    numbers = numbers_like(capacity, kind, rng)
    tree, running = tree_of(numbers), np.cumsum(numbers)
    # The two sums round differently: a mass nearer to a border than that may fall on either side.
    rounding = capacity * np.finfo(float).eps * running[-1]
    assert abs(tree.total - running[-1]) <= rounding
    mass = rng.random(500) * running[-1]
    rows = tree.find(mass)
    low, high = (running.searchsorted(mass + d, "right").clip(0, capacity - 1) for d in (-rounding, rounding))
    assert ((low <= rows) & (rows <= high)).all()
    assert (numbers[rows] > 0).all()
    np.testing.assert_array_equal(tree.find(mass[:7]), rows[:7])  # a batch of another size
    if kind == "random":
        assert (low == high).mean() > 0.99  # that was a question with one answer


@pytest.mark.parametrize("capacity", CAPACITIES)
def test_borders_belong_to_the_row_behind_them(capacity: int) -> None:
    """Whole numbers add up without rounding, so every border is exact."""
    numbers = np.random.default_rng(0).integers(0, 4, capacity).astype(float)
    numbers[capacity // 2] = 1
    tree, ends = tree_of(numbers), np.cumsum(numbers)
    rows = np.flatnonzero(numbers)[:: max(1, capacity // 500)]
    starts = ends[rows] - numbers[rows]
    np.testing.assert_array_equal(tree.find(starts), rows)
    np.testing.assert_array_equal(tree.find(ends[rows] - 2**-20), rows)


@pytest.mark.parametrize("capacity", [100, LONGEST_TOP, 5 * WIDTH**2, 5 * WIDTH**3, 5 * WIDTH**3 + 1])
def test_a_mass_that_rounding_made_as_large_as_the_total_finds_the_last_row(capacity: int) -> None:
    """Whether or not the last block is full, on every level."""
    tree = tree_of(np.ones(capacity))
    np.testing.assert_array_equal(tree.find(np.array([capacity - 0.5, capacity, 2.0 * capacity])), capacity - 1)
    tree.set(np.arange(capacity - 60, capacity), 0.0)
    np.testing.assert_array_equal(tree.find(np.array([capacity, 2.0 * capacity])), capacity - 61)


@st.composite
def hard_numbers(draw: st.DrawFn) -> np.ndarray:
    capacity = draw(st.sampled_from([1, 3, WIDTH, 5 * WIDTH + 1, LONGEST_TOP + 7, 40_000]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    numbers = numbers_like(capacity, draw(st.sampled_from(["random", "ratios", "zeros", "equal", "one"])), rng)
    filled = draw(st.integers(1, capacity))
    numbers[filled:] = 0  # a replay that isn't full yet
    numbers[rng.integers(filled)] = draw(st.sampled_from([1e-6, 1.0, 1e6, 5e-324, 1e-300]))
    return numbers


@settings(max_examples=150, deadline=None)
@given(numbers=hard_numbers())
@example(numbers=np.array([5e-324]))
def test_a_row_with_number_zero_is_never_found(numbers: np.ndarray) -> None:
    """Not even at a border, where sums rounded in different orders disagree."""
    tree = tree_of(numbers)
    total = tree.total
    borders = np.unique(np.cumsum(numbers))
    borders = borders[np.linspace(0, len(borders) - 1, 50).astype(int)]
    mass = np.concatenate([borders, np.nextafter(borders, 0), np.nextafter(borders, np.inf), [0.0, total, 2 * total]])
    rows = tree.find(mass)
    assert (numbers[rows] > 0).all()
    nonzero = np.flatnonzero(numbers)
    assert rows[-3] == nonzero[0]
    # All of the last block can vanish beside the rest, which is 10¹² times as large.
    rest = np.cumsum(numbers[::-1])[::-1]
    assert rest[rows[-2:]].max() <= numbers[rows[-1]] + total * 1e-12
    assert tree.find(np.array([np.nextafter(total, 0)]))[0] in nonzero


@pytest.mark.parametrize("capacity", [60, 5_000])
def test_rows_are_found_as_often_as_their_numbers_say(capacity: int) -> None:
    """Pearson's χ² over the rows, each expected at least ten times."""
    rng = np.random.default_rng(1)
    numbers = rng.random(capacity) + 0.1
    numbers[::7] = 0
    tree = tree_of(numbers)
    count = capacity * 70
    seen = np.bincount(tree.find(rng.random(count) * tree.total), minlength=capacity)
    assert (seen[::7] == 0).all()
    expected = count * numbers / numbers.sum()
    drawn = expected > 0
    assert expected[drawn].min() > 10
    chi2 = ((seen - expected)[drawn] ** 2 / expected[drawn]).sum()
    freedom = drawn.sum() - 1
    assert abs(chi2 - freedom) < 4 * np.sqrt(2 * freedom)  # its mean and standard deviation


@pytest.mark.parametrize("capacity", [50, 7_000, 140_000])
def test_sums_never_drift(capacity: int) -> None:
    """After thousands of changes, large and tiny, every sum is what it would be if computed now, to the last bit; so
    a tree restored from the numbers is the same tree."""
    rng = np.random.default_rng(2)
    tree, numbers = SumTree(capacity), np.zeros(capacity)
    for change in range(3_000):
        count = 1 if change % 3 == 0 else rng.integers(2, 65)
        rows = rng.integers(capacity, size=count)
        values = 10.0 ** rng.uniform(-6, 6, count) * (rng.random(count) < 0.8)
        tree.set(rows, values)
        for row, value in zip(rows, values, strict=True):
            numbers[row] = value
    np.testing.assert_array_equal(tree.numbers, numbers)
    restored = SumTree(capacity)
    restored.numbers = tree.numbers
    for other in (restored, tree_of(numbers)):
        assert other.total == tree.total
        for level, same in zip(tree._levels, other._levels, strict=True):
            np.testing.assert_array_equal(level, same)
        mass = rng.random(1_000) * tree.total
        np.testing.assert_array_equal(tree.find(mass), other.find(mass))
    assert Fraction(tree.total) == pytest.approx(sum(map(Fraction, numbers)), rel=1e-14)


def test_the_last_of_repeated_rows_stays() -> None:
    tree = SumTree(LONGEST_TOP * 2)
    tree.set(np.array([7, 5_000, 7, 7]), np.array([3.0, 1.0, 9.0, 2.0]))
    np.testing.assert_array_equal(tree[np.array([7, 5_000, 8])], [2.0, 1.0, 0.0])
    assert tree.total == 3.0


def test_one_number_for_all_rows_and_none_for_no_rows() -> None:
    tree = SumTree(10)
    tree.set(np.array([1, 4]), 0.5)
    tree.set(np.array([], np.int64), np.array([]))
    np.testing.assert_array_equal(tree.numbers, np.eye(10)[1] * 0.5 + np.eye(10)[4] * 0.5)
    tree.set(np.array([1]), -0.0)
    assert tree.total == 0.5


def test_the_numbers_given_out_are_a_copy() -> None:
    tree = tree_of(np.ones(5))
    tree.numbers[:] = 7
    tree[np.arange(5)][:] = 7
    assert tree.total == 5


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf, -1.0, -5e-324])
@pytest.mark.parametrize("count", [1, 4])
def test_what_is_no_number_is_refused(wrong: float, count: int) -> None:
    tree = tree_of(np.ones(8))
    values = np.ones(count)
    values[-1] = wrong
    with pytest.raises(UsageError, match=rf"{wrong} at row {count}, but a number must be finite and not negative"):
        tree.set(np.arange(count) + 1, values)
    with pytest.raises(UsageError, match="must be finite"):
        tree.set(np.arange(count), wrong)
    with pytest.raises(UsageError, match="must be finite"):
        tree.numbers = np.full(8, wrong)
    np.testing.assert_array_equal(tree.numbers, np.ones(8))


@pytest.mark.parametrize("wrong", [-1, 8, 2**40])
def test_a_row_outside_is_refused(wrong: int) -> None:
    tree = tree_of(np.ones(8))
    for rows in ([wrong], [0, wrong, 1]):
        with pytest.raises(UsageError, match=rf"row {wrong} is not one of the rows 0 to 7"):
            tree.set(np.array(rows), 1.0)
    assert tree.total == 8


def test_shapes_that_do_not_fit_are_refused() -> None:
    tree = SumTree(8)
    for values in (np.ones((4, 1)), np.ones(3), np.ones((1, 4))):
        with pytest.raises(UsageError, match="can't be put at"):
            tree.set(np.arange(4), values)
    with pytest.raises(UsageError, match="capacity 8"):
        tree.numbers = np.ones(9)
    with pytest.raises(UsageError, match="at least 1"):
        SumTree(0)


def test_nothing_to_draw_is_an_error() -> None:
    tree = SumTree(5_000)
    with pytest.raises(UsageError, match=r"total is 0\.0, so nothing can be drawn"):
        tree.find(np.zeros(3))
    tree.set(np.array([3, 4_999]), 5e307)
    np.testing.assert_array_equal(tree.find(np.array([0.0, 6e307])), [3, 4_999])
    tree.set(np.array([3]), 0.0)
    tree.set(np.array([4_999]), 0.0)
    with pytest.raises(UsageError, match="nothing can be drawn"):
        tree.find(np.zeros(3))
    tree.set(np.array([3]), 1.0)
    with pytest.raises(UsageError, match="negative"):
        tree.find(np.array([-0.5]))


@pytest.mark.parametrize("capacity", [3, 5_000])
def test_a_total_that_is_too_large_is_an_error(capacity: int) -> None:
    tree = SumTree(capacity)
    with np.errstate(over="ignore", invalid="ignore"):
        tree.set(np.arange(3), 1.7e308)
        with pytest.raises(UsageError, match="set smaller numbers"):
            tree.find(np.zeros(1))


def test_the_levels_are_what_the_timings_chose() -> None:
    assert [level.size for level in SumTree(10**6)._levels] == [1_015_808, 31_744, 992]
    assert len(SumTree(131_072)._levels) == 2
    assert sum_tree.WIDTH == 32
