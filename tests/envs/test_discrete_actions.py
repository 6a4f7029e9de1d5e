"""A box of actions as a choice among a few: the mapping by hand, and the same environment behind it."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

from envs import UsageError, make_environments
from envs.discrete_actions import DiscreteActions, grid


def test_one_dimension_by_hand() -> None:
    actions = grid("it", spaces.Box(-2, 2, (1,), np.float32), 5)
    assert actions.dtype == np.float32
    assert actions.tolist() == [[-2.0], [-1.0], [0.0], [1.0], [2.0]]


def test_two_dimensions_by_hand() -> None:
    space = spaces.Box(np.array([0, 10]), np.array([1, 30]), dtype=np.float64)
    expected = [[0, 10], [0, 20], [0, 30], [0.5, 10], [0.5, 20], [0.5, 30], [1, 10], [1, 20], [1, 30]]
    assert grid("it", space, 3).tolist() == expected


@pytest.mark.parametrize(
    ("low", "high", "n", "expected"),
    [
        (0, 4, 11, [0, 1, 2, 3, 4]),
        (-1, 1, 3, [-1, 0, 1]),
        (0, 100, 11, list(range(0, 101, 10))),
        (0, 10, 4, [0, 3, 7, 10]),
        (0, 3, 3, [0, 2, 3]),
        (5, 5, 11, [5]),
        (0, 255, 256, list(range(256))),
    ],
)
def test_an_integer_box_is_divided_into_integers(low: int, high: int, n: int, expected: list[int]) -> None:
    """Cutting off towards 0 would give 0 0 0 1 1 2 2 2 3 3 4 in the first."""
    for dtype in (np.int64, np.int16, np.uint8) if low >= 0 else (np.int64, np.int16, np.int8):
        actions = grid("it", spaces.Box(low, high, (1,), dtype), n)
        assert actions.dtype == dtype
        assert actions.ravel().tolist() == expected


def test_the_widest_integer_box_has_its_ends() -> None:
    limits = np.iinfo(np.int64)
    actions = grid("it", spaces.Box(limits.min + 2, limits.max - 2, (1,), np.int64), 3)
    assert actions.ravel().tolist() == [limits.min + 2, 0, limits.max - 2]


def test_every_action_is_in_the_box() -> None:
    space = spaces.Box(np.float32([[-0.1, 0.3]]), np.float32([[0.7, 1 / 3]]))  # of shape (1, 2)
    actions = grid("it", space, 7)
    assert actions.shape == (49, 1, 2)
    assert all(space.contains(action) for action in actions)
    assert (actions.min(0) == space.low).all()
    assert (actions.max(0) == space.high).all()


def test_what_cannot_be_divided() -> None:
    with pytest.raises(UsageError, match=r"11 actions in each of 17 dimensions are .* combinations, and 1,000 are the"):
        grid("it", spaces.Box(-1, 1, (17,)), 11)
    with pytest.raises(UsageError, match="actions without bounds can't be divided evenly"):
        grid("it", spaces.Box(-np.inf, 1, (1,)), 11)
    with pytest.raises(UsageError, match="at least 2, got 1"):
        grid("it", spaces.Box(-1, 1, (1,)), 1)


@pytest.mark.parametrize(
    "make",
    [
        lambda: make_environments(lambda: gym.make("Pendulum-v1", max_episode_steps=8), 2),
        lambda: make_environments(
            lambda: gym.make_vec("Pendulum-v1", 2, "sync", wrappers=[lambda env: gym.wrappers.TimeLimit(env, 8)])
        ),
    ],
    ids=["bare", "next-step"],
)
def test_the_same_transitions_as_with_the_actions_themselves(make) -> None:
    """Also where a step yields fewer transitions than there are environments."""
    continuous, discrete = make(), DiscreteActions(make(), 3)
    assert discrete.action_space == spaces.Discrete(3)
    rng = np.random.default_rng(0)
    for environments in (continuous, discrete):
        environments.reset(4)
    for _ in range(30):
        choice = rng.integers(3, size=2)
        theirs, ours = continuous.step((choice[:, None] * 2 - 2).astype(np.float32)), discrete.step(choice)
        for name in set(theirs._fields) - {"action"}:
            np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))
        np.testing.assert_array_equal(ours.action * 2 - 2, theirs.action[:, 0])
        np.testing.assert_array_equal(discrete.observation, continuous.observation)
        assert discrete.finished == continuous.finished
    assert discrete.why_not_resumable() == continuous.why_not_resumable()


def test_resumes() -> None:
    assert DiscreteActions(make_environments("Pendulum-v1", 2), 5).why_not_resumable() is None


def test_what_the_environment_takes() -> None:
    discrete = DiscreteActions(make_environments("Pendulum-v1"), 5)
    one = discrete.for_env(np.int64(1))
    one += 100  # it is the caller's own
    assert discrete.for_env(np.int64(1)).tolist() == [-1.0]
    assert discrete.for_env(np.array([[4, 0]])).tolist() == [[[2.0], [-2.0]]]


def test_there_is_no_model_of_what_cannot_be_counted() -> None:
    with pytest.raises(UsageError, match="Pendulum-v1 has no model"):
        DiscreteActions(make_environments("Pendulum-v1"), 3).model()
