"""Running statistics against NumPy's over everything at once; nothing that is looked at changes them."""

from __future__ import annotations

import numpy as np
import pytest

from agents.networks.normalization import ObservationNormalizer, RewardNormalizer, RunningStatistics


def test_parts_are_as_the_whole() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(1e4, [1e-2, 5.0], (100, 2))  # a large mean, where a sum of squares would lose the variance
    statistics = RunningStatistics((2,))
    for part in np.split(rows, [1, 3, 3, 50]):
        statistics.add(part)
    np.testing.assert_allclose(statistics.mean, rows.mean(0), rtol=1e-12)
    np.testing.assert_allclose(statistics.variance, rows.var(0), rtol=1e-6)
    assert statistics.count == 100


def test_observations() -> None:
    normalizer, rng = ObservationNormalizer((3,)), np.random.default_rng(0)
    rows = rng.normal([1, -200, 0], [1, 30, 1e-3], (500, 3)).astype(np.float32)
    np.testing.assert_allclose(normalizer(rows), rows.clip(-10, 10), rtol=1e-6)
    normalizer.learn_from(rows)
    scaled = normalizer(rows)
    assert scaled.dtype == np.float32
    np.testing.assert_allclose(scaled.mean(0), 0, atol=1e-4)
    np.testing.assert_allclose(scaled.std(0), 1, atol=1e-2)
    assert normalizer(np.float32([[1e6, -1e6, 0]])).tolist()[0][:2] == [10, -10]
    again = ObservationNormalizer((3,))
    again.load_state_dict(normalizer.state_dict())
    np.testing.assert_array_equal(again(rows), scaled)


def test_rewards_by_hand() -> None:
    """The statistics are those of Σ γᵏ r_{t-k} within each episode; empty places count for nothing."""
    normalizer = RewardNormalizer(2, gamma=0.5)
    nothing = np.zeros((2, 2), bool)
    normalizer.learn_from(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[False, True], [False, False]]), ~nothing)
    seen = [1.0, 2.0, 3.5, 4.0]
    assert normalizer.statistics.variance == pytest.approx(np.var(seen))
    valid = np.array([[True, False], [True, True]])
    normalizer.learn_from(np.array([[1.0, 0.0], [3.0, 4.0]]), nothing, valid)
    seen += [2.75, 4.375, 4.0 + 0.25 * 4.0]
    assert normalizer.statistics.variance == pytest.approx(np.var(seen))
    np.testing.assert_allclose(normalizer(np.array([[2.0, -1e9]])), [[2 / np.std(seen), -10]], rtol=1e-5)
