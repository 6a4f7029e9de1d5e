"""Stacked pictures are kept once, and shown as they were."""

from __future__ import annotations

import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.memory.replay import Replay, Uniform
from envs import Transition

STACK = 3
SPACE = spaces.Box(0, 255, (STACK, 2, 2), np.uint8)
ACTION = spaces.Discrete(256)


class Film:
    """Environments of which every picture shows its own number. An episode's first observation is one picture
    "repeated", or has pictures of its own ("new"), or is the one the last episode ended with ("same": a life lost)."""

    def __init__(self, num_envs: int, lengths: list[int], starts: str = "repeated") -> None:
        self.lengths, self.starts, self.episodes, self.shown = lengths, starts, 0, 0
        self.stacks = [self.start(np.arange(STACK)) for _ in range(num_envs)]

    def start(self, last: np.ndarray) -> tuple[np.ndarray, int]:
        self.episodes += 1
        first = {
            "repeated": lambda: np.full(STACK, self.new()),
            "new": lambda: np.array([self.new() for _ in range(STACK)]),
            "same": lambda: last,
        }[self.starts]()
        return first, self.lengths[self.episodes % len(self.lengths)]

    def new(self) -> int:
        self.shown += 1
        return self.shown % 256

    def step(self, truncated: bool = False) -> Transition:
        before = np.array([stack for stack, _ in self.stacks])
        after = np.array([[*stack[1:], self.new()] for stack, _ in self.stacks])
        ended = np.array([left == 1 for _, left in self.stacks])
        self.stacks = [
            self.start(stack) if ends else (stack, left - 1)
            for stack, (_, left), ends in zip(after, self.stacks, ended, strict=True)
        ]
        picture = lambda numbers: np.broadcast_to(numbers[:, :, None, None], (*numbers.shape, 2, 2)).astype(np.uint8)
        none = np.zeros_like(ended)
        return Transition(
            picture(before),
            after[:, -1],
            after[:, -1].astype(float),
            none if truncated else ended,
            ended if truncated else none,
            picture(after),
            np.arange(len(ended)),
        )


def replays(capacity: int, num_envs: int, n_step: int = 1) -> tuple[Replay, Replay]:
    """The same replay, with pictures kept once and with observations kept whole."""
    return tuple(
        Replay(capacity, SPACE, ACTION, 0.9, Uniform(np.random.default_rng(0)), n_step, num_envs, stacked)
        for stacked in (STACK, 1)
    )


@settings(max_examples=60, deadline=None)
@given(
    capacity=st.integers(5, 60),
    num_envs=st.integers(1, 8),
    n_step=st.integers(1, 3),
    lengths=st.lists(st.integers(1, 12), min_size=1, max_size=5),
    total=st.integers(1, 80),
    truncated=st.booleans(),
    starts=st.sampled_from(["repeated", "new", "same"]),
)
def test_it_shows_what_was_seen(capacity, num_envs, n_step, lengths, total, truncated, starts) -> None:
    """Byte for byte what a replay that keeps observations whole has in the same row; also where episodes are so short
    that the pictures run out before the rows do."""
    once, whole = replays(capacity, num_envs, n_step)
    film = Film(num_envs, lengths, starts)
    for _ in range(total):
        step = film.step(truncated)
        once.add(step)
        whole.add(step)
    if len(once) == 0:
        assert total * num_envs <= n_step * num_envs
        return
    batch = once.sample(64)
    for name in ("observation", "next_observation"):
        np.testing.assert_array_equal(getattr(batch, name), whole.ring.arrays[name][batch.rows], err_msg=name)
    np.testing.assert_array_equal(batch.reward, whole.ring.arrays["reward"][batch.rows])
    np.testing.assert_array_equal(batch.discount, whole.ring.arrays["discount"][batch.rows])


def test_long_episodes_lose_nothing() -> None:
    once, whole = replays(200, 2)
    film = Film(2, [150])
    for _ in range(500):
        step = film.step()
        once.add(step)
        whole.add(step)
    assert len(once) == len(whole) == 200


def test_a_lost_life_costs_no_pictures() -> None:
    """It ends an episode, and the game goes on with the pictures that are there."""
    once, _ = replays(200, 2)
    film = Film(2, [3], "same")
    for _ in range(500):
        once.add(film.step())
    assert len(once) == 200
    assert once.frames.ring.total == 1_000 + 2 * STACK  # one a step, and where the two began


def test_no_row_outlives_its_pictures_in_many_environments() -> None:
    """Where episodes start, a row's pictures may be much older than those of the oldest row."""
    once, whole = replays(400, 16)
    film = Film(16, [1, 2, 9, 3, 5], "new")
    for _ in range(150):
        step = film.step()
        once.add(step)
        whole.add(step)
        kept = np.arange(once.ring.oldest, once.ring.total) % once.ring.capacity
        seen = once.frames.stacks(once.ring.arrays["observation"][kept])
        np.testing.assert_array_equal(seen, whole.ring.arrays["observation"][kept])


def test_short_episodes_forget_the_oldest_rows() -> None:
    once, _ = replays(200, 1)
    film = Film(1, [1])  # every transition has two pictures of its own
    for _ in range(500):
        once.add(film.step())
    assert 80 < len(once) < 120
    newest = once.ring.arrays["reward"][(once.ring.total - 1) % 200]
    drawn = once.sample(5_000)
    assert newest in drawn.reward
    assert len(np.unique(drawn.rows)) == len(once)


def test_every_kept_row_is_drawn_equally_often() -> None:
    once, _ = replays(100, 1)
    film = Film(1, [1])
    for _ in range(170):
        once.add(film.step())
    drawn = np.bincount(once.sample(100_000).rows, minlength=100)
    assert (drawn > 0).sum() == len(once)
    np.testing.assert_allclose(drawn[drawn > 0] / (100_000 / len(once)), 1, atol=0.2)


def test_an_environment_that_starts_again_without_an_end() -> None:
    """As one does that can't be restored, when a run is resumed."""
    once, whole = replays(50, 1)
    for film in (Film(1, [100]), Film(1, [100])):
        film.shown = 100
        film.stacks = [film.start(np.arange(STACK))]
        for _ in range(10):
            step = film.step()
            once.add(step)
            whole.add(step)
    batch = once.sample(200)
    np.testing.assert_array_equal(batch.observation, whole.ring.arrays["observation"][batch.rows])


@pytest.mark.parametrize("n_step", [1, 3])
def test_a_million_atari_frames_fit(n_step: int) -> None:
    """In 7.5 GB. NumPy asks the system for zeroed pages, which it gives when they are touched: nothing is allocated
    here."""
    space = spaces.Box(0, 255, (4, 84, 84), np.uint8)
    memory = Replay(1_000_000, space, spaces.Discrete(18), 0.99, Uniform(np.random.default_rng(0)), n_step, 8, 4)
    arrays = [*memory.ring.arrays.values(), *memory.frames.ring.arrays.values()]
    assert sum(array.nbytes for array in arrays) <= 7.5e9
