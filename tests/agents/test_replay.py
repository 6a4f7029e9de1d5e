"""Replay keeps the newest transitions, whole, and draws them evenly."""

from __future__ import annotations

import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.memory.replay import Replay, Uniform
from agents.memory.ring import Ring
from envs import Transition

OBSERVATION = spaces.Box(-1, 1, (2,), np.float32)
ACTION = spaces.Discrete(5)


def transitions(first: int, count: int, terminated: bool = False, truncated: bool = False) -> Transition:
    """`count` transitions that can be told apart: number n has n in every field."""
    number = np.arange(first, first + count)
    observation = np.stack([number, number], axis=1).astype(np.float32)
    flags = np.ones(count, np.bool_)
    return Transition(
        observation,
        number % 5,
        number.astype(float),
        flags & terminated,
        flags & truncated,
        observation + 0.5,
        np.arange(count),
    )


def replay(capacity: int = 10, gamma: float = 0.9, seed: int = 0) -> Replay:
    return Replay(capacity, OBSERVATION, ACTION, gamma, Uniform(np.random.default_rng(seed)))


@settings(max_examples=100, deadline=None)
@given(capacity=st.integers(1, 12), counts=st.lists(st.integers(1, 8), min_size=1, max_size=12))
def test_it_holds_the_newest_transitions(capacity: int, counts: list[int]) -> None:
    memory, total = replay(capacity), 0
    for count in counts:
        memory.add(transitions(total, count))
        total += count
    assert len(memory) == min(total, capacity)
    batch = memory.sample(200)
    kept = set(range(max(0, total - capacity), total))
    assert set(batch.reward.astype(int)) <= kept
    np.testing.assert_array_equal(batch.observation[:, 0], batch.reward)
    np.testing.assert_array_equal(batch.next_observation[:, 1], batch.reward + 0.5)
    np.testing.assert_array_equal(batch.action, batch.reward % 5)


def test_every_transition_is_drawn_equally_often() -> None:
    memory = replay(10)
    memory.add(transitions(0, 7))
    memory.add(transitions(7, 7))
    drawn = np.bincount(memory.sample(50_000).reward.astype(int), minlength=14)
    assert (drawn[:4] == 0).all()
    np.testing.assert_allclose(drawn[4:] / 5_000, 1.0, atol=0.08)


def test_rows_that_were_forgotten_are_not_drawn() -> None:
    """Six rows, the first three forgotten, as when their pictures are gone; the fourth is the oldest."""
    memory = replay(10)
    memory.add(transitions(0, 6))
    memory.ring.first = 3
    drawn = memory.sample(3_000).reward.astype(int)
    np.testing.assert_allclose(np.bincount(drawn, minlength=6) / 1_000, [0, 0, 0, 1, 1, 1], atol=0.1)


@pytest.mark.parametrize(
    ("terminated", "truncated", "discount"),
    [(False, False, 0.9), (True, False, 0.0), (False, True, 0.9), (True, True, 0.0)],
)
def test_only_termination_stops_the_value(terminated: bool, truncated: bool, discount: float) -> None:
    """Truncated alone goes on; when both are set, terminated wins."""
    memory = replay()
    memory.add(transitions(0, 3, terminated, truncated))
    assert memory.sample(4).discount == pytest.approx(discount)


@pytest.mark.parametrize("field", ["reward", "terminated", "action", "observation"])
def test_a_column_for_a_row_is_refused(field: str) -> None:
    """(64, 1) would broadcast into (64,) without a word."""
    step = transitions(0, 8)
    wrong = step._replace(**{field: getattr(step, field)[..., None]})
    name = "discount" if field == "terminated" else field
    with pytest.raises(ValueError, match=rf"{name} has shape \(8, .*1\) but \(8,.*was expected"):
        replay().add(wrong)
    with pytest.raises(ValueError, match="was expected"):
        replay().add(transitions(0, 1)._replace(**{field: getattr(step, field)}))


def test_images_stay_bytes() -> None:
    images = spaces.Box(0, 255, (4, 8, 8), np.uint8)
    memory = Replay(100, images, ACTION, 0.9, Uniform(np.random.default_rng(0)))
    assert memory.ring.arrays["observation"].dtype == np.uint8
    assert memory.ring.arrays["next_observation"].nbytes == 100 * 4 * 8 * 8


@settings(max_examples=50, deadline=None)
@given(total=st.integers(0, 40), split=st.integers(0, 40))
def test_a_rings_rows_can_be_put_back(total: int, split: int) -> None:
    ring, copy = (Ring(16, value=((), np.int64)) for _ in range(2))
    for i in range(total):
        ring.append(1, value=np.array([i]))
    oldest = total - len(ring)
    split = min(max(split, oldest), total)
    copy.total = total
    copy.put_rows(oldest, ring.rows(oldest, split))
    copy.put_rows(split, ring.rows(split, total))
    np.testing.assert_array_equal(ring.arrays["value"], copy.arrays["value"])
