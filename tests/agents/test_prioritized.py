"""Which rows a replay draws: the paper's equations, worked out again by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from agents.memory.prioritized import Prioritized
from agents.memory.replay import Uniform
from agents.memory.ring import Ring
from agents.runs.checkpoint import Checkpoints
from envs import UsageError

CAPACITY = 8
RING = Ring(1)  # what is in it doesn't matter here: priorities say what can be drawn


def prioritized(capacity: int = CAPACITY, seed: int = 0, **options: float) -> Prioritized:
    return Prioritized(capacity, np.random.default_rng(seed), **options)


def with_errors(errors: list[float], **options: float) -> Prioritized:
    """Rows 0, 1, ... with these errors, in a replay with room for more."""
    replay = prioritized(len(errors) + 3, **options)
    rows = np.arange(len(errors))
    replay.added(rows)
    replay.feedback(rows, np.array(errors))
    return replay


def frequencies(replay: Prioritized, count: int, draws: int = 2_000, batch_size: int = 10) -> np.ndarray:
    drawn = [replay.draw(batch_size, RING, 0.0)[0] for _ in range(draws)]
    return np.bincount(np.concatenate(drawn), minlength=count) / (draws * batch_size)


@pytest.mark.parametrize("alpha", [0.0, 0.5, 0.6, 1.0])
def test_rows_are_drawn_in_proportion_to_their_priorities(alpha: float) -> None:
    errors = [0.1, 2.0, 0.0, 5.0, 1.0]
    p = (np.array(errors) + 0.01) ** alpha
    seen = frequencies(with_errors(errors, alpha=alpha, epsilon=0.01), len(errors))
    np.testing.assert_allclose(seen, p / p.sum(), atol=0.01)


def test_the_sign_of_an_error_does_not_matter() -> None:
    np.testing.assert_allclose(frequencies(with_errors([-3.0, 3.0]), 2), 0.5, atol=0.01)


def test_a_row_without_error_can_still_be_drawn() -> None:
    """Without the ε it would be lost for good."""
    replay = with_errors([0.0, 0.0, 0.0])
    assert (frequencies(replay, 3, draws=50) > 0.2).all()
    seen = frequencies(with_errors([0.0, 1.0], alpha=1.0, epsilon=0.25), 2)
    np.testing.assert_allclose(seen, [0.25 / 1.5, 1.25 / 1.5], atol=0.01)


def test_new_rows_get_the_highest_priority_so_far() -> None:
    """1 at first; then the highest ever, even when no row has it any more."""
    replay = prioritized(alpha=1.0, epsilon=1e-9)
    replay.added(np.array([0, 1]))
    np.testing.assert_allclose(frequencies(replay, 2, 200), 0.5, atol=0.02)
    replay.feedback(np.array([0, 1]), np.array([6.0, 0.5]))
    replay.feedback(np.array([0]), np.array([1.5]))
    replay.added(np.array([2]))
    np.testing.assert_allclose(frequencies(replay, 3), np.array([1.5, 0.5, 6.0]) / 8, atol=0.01)


def test_new_rows_get_1_while_all_errors_are_smaller() -> None:
    replay = with_errors([0.25, 0.25], alpha=1.0, epsilon=1e-9)
    replay.added(np.array([2]))
    np.testing.assert_allclose(frequencies(replay, 3), np.array([0.25, 0.25, 1.0]) / 1.5, atol=0.01)


def test_a_priority_is_the_error_and_nothing_else() -> None:
    """Weights belong to the loss: an error is neither weighted nor averaged with the one before."""
    errors = np.array([0.1, 2.0, 0.7, 5.0])
    replay = with_errors([9.0, 1.0, 0.0, 4.0], alpha=0.6, epsilon=0.01)
    for _ in range(2):
        rows, weight = replay.draw(50, RING, 0.3)
        assert weight.min() < 0.5
        replay.feedback(rows, errors[rows])
    np.testing.assert_allclose(replay.state_dict()["numbers"][:4], (errors + 0.01) ** 0.6, rtol=1e-12)


@pytest.mark.parametrize(("progress", "beta"), [(0.0, 0.4), (0.5, 0.7), (1.0, 1.0)])
def test_weights_are_the_papers(progress: float, beta: float) -> None:
    """(1/N · 1/P(i))^β over the largest in the batch, with β on its way from 0.4 to 1."""
    errors = [0.1, 2.0, 0.3, 5.0, 1.0]
    replay = with_errors(errors, alpha=0.6, beta=0.4, epsilon=0.01)
    p = (np.array(errors) + 0.01) ** 0.6
    rows, weight = replay.draw(4, RING, progress)
    w = (1 / (len(errors) * p[rows] / p.sum())) ** beta
    assert len(set(rows)) > 1
    np.testing.assert_allclose(weight, w / w.max(), rtol=1e-6)
    assert weight.dtype == np.float32
    assert weight.max() == 1


def test_beta_stays_1_after_the_end() -> None:
    replay = with_errors([0.1, 2.0, 5.0])
    rows, weight = replay.draw(30, RING, 1.5)
    p = replay.state_dict()["numbers"][rows]
    np.testing.assert_allclose(weight, p.min() / p, rtol=1e-6)


def test_whole_weights_undo_the_bias() -> None:
    """At β = 1 the weighted mean over draws is the plain mean over the replay."""
    errors, value = [0.1, 2.0, 0.3, 5.0, 1.0], np.array([1.0, -2.0, 4.0, 0.5, 3.0])
    rows, weight = with_errors(errors).draw(100_000, RING, 1.0)
    assert np.average(value[rows], weights=weight) == pytest.approx(value.mean(), abs=0.05)
    assert abs(value[rows].mean() - value.mean()) > 0.2


def test_each_of_the_equal_ranges_of_the_total_gives_one_row() -> None:
    """Stratified: with k equal numbers and a batch of k, every row is drawn once; drawn independently, never so."""
    replay = prioritized(64)
    replay.added(np.arange(64))
    for _ in range(20):
        np.testing.assert_array_equal(replay.draw(64, RING, 0.0)[0], np.arange(64))
    halves = replay.draw(32, RING, 0.0)[0]
    np.testing.assert_array_equal(halves // 2, np.arange(32))
    assert len(set(halves % 2)) == 2


def test_removed_and_missing_rows_are_not_drawn() -> None:
    replay = prioritized(1_000)
    replay.added(np.arange(100))
    replay.removed(np.arange(20, 90))
    rows = replay.draw(5_000, RING, 0.0)[0]
    assert set(rows) == {*range(20), *range(90, 100)}
    replay.added(np.array([50]))
    assert 50 in replay.draw(5_000, RING, 0.0)[0]
    replay.removed(np.arange(100))
    with pytest.raises(UsageError, match="nothing can be drawn"):
        replay.draw(5, RING, 0.0)


def test_it_goes_on_from_its_state_as_if_nothing_had_happened(tmp_path: Path) -> None:
    """Through a checkpoint on disk, to the last bit."""
    capacity, error_rng = 6_000, np.random.default_rng(3)

    def train(replay: Prioritized, steps: range) -> list[np.ndarray]:
        drawn = []
        for step in steps:
            replay.added(np.array([step % capacity]))
            rows, weight = replay.draw(32, RING, step / 1_000)
            replay.feedback(rows, error_rng.exponential(size=32))
            drawn += [rows, weight]
        return drawn

    replay = prioritized(capacity)
    replay.added(np.arange(5_900))
    train(replay, range(5_900, 6_300))
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(1, replay.state_dict())
    _, state, _ = checkpoints.load_newest()
    resumed = prioritized(capacity)
    resumed.load_state_dict(state)
    resumed._rng.bit_generator.state = replay._rng.bit_generator.state
    errors = error_rng.bit_generator.state
    expected = train(replay, range(6_300, 6_700))
    error_rng.bit_generator.state = errors
    for a, b in zip(expected, train(resumed, range(6_300, 6_700)), strict=True):
        np.testing.assert_array_equal(a, b)
    for key, value in replay.state_dict().items():
        np.testing.assert_array_equal(value, resumed.state_dict()[key])


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_an_error_that_is_no_number_is_refused(wrong: float) -> None:
    replay = with_errors([1.0, 2.0, 3.0])
    before = replay.state_dict()
    with pytest.raises(UsageError, match=rf"an error of {wrong} can't be a priority; .*diverged"):
        replay.feedback(np.array([0, 1]), np.array([1.0, wrong]))
    np.testing.assert_array_equal(before["numbers"], replay.state_dict()["numbers"])
    assert replay.state_dict()["highest"] == before["highest"]


def test_a_column_of_errors_is_refused() -> None:
    replay = with_errors([1.0, 2.0, 3.0])
    with pytest.raises(UsageError, match=r"\(3, 1\) numbers can't be put at \(3,\) rows"):
        replay.feedback(np.arange(3), np.full((3, 1), 99.0))
    assert replay.state_dict()["highest"] < 3


@pytest.mark.parametrize(
    "options", [{"alpha": -0.1}, {"alpha": np.nan}, {"beta": 1.1}, {"beta": -0.1}, {"epsilon": 0.0}]
)
def test_options_outside_their_ranges_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="alpha must be at least 0, beta from 0 to 1 and epsilon above 0"):
        prioritized(**options)


def test_uniform_draws_every_filled_row_equally_often() -> None:
    uniform = Uniform(np.random.default_rng(0))
    ring = Ring(10, value=((), np.int64))
    uniform.added(ring.append(7, value=np.arange(7)))
    rows, weight = uniform.draw(70_000, ring, 0.5)
    assert weight is None
    assert not uniform.wants_errors
    seen = np.bincount(rows, minlength=7)
    assert len(seen) == 7
    np.testing.assert_allclose(seen / 10_000, 1.0, atol=0.05)
    uniform.feedback(rows, np.ones(70_000))
    uniform.load_state_dict(uniform.state_dict())
