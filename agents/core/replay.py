"""Experience replay: past transitions, kept to learn from more than once (Lin 1992; Mnih et al. 2015).

`Ring` is the storage: parallel arrays allocated once, the oldest row overwritten when they are full.
`UniformReplay` says what a row is and draws rows at random; other replays (prioritised, n-step) are other
choices at this seam.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np

from envs import Transition
from envs.vector import array_dtype


class Batch(NamedTuple):
    """Transitions to learn from.

    `discount` is what a unit of value at the next observation is worth now: γ, or 0 if the episode terminated
    there. Truncation leaves it at γ: the episode was cut off, the value goes on. (n-step replays put γᵏ.)
    """

    observation: np.ndarray  # (batch, ...)
    action: np.ndarray  # (batch,) or (batch, ...)
    reward: np.ndarray  # (batch,)
    next_observation: np.ndarray  # (batch, ...)
    discount: np.ndarray  # (batch,)
    rows: np.ndarray  # (batch,) where in the replay they lie
    weight: np.ndarray | None = None  # (batch,) of each loss; None is 1


class Ring:
    """The last `capacity` rows of several arrays. `total` rows were ever added; row number r lies at r %
    capacity."""

    def __init__(self, capacity: int, **fields: tuple[tuple[int, ...], Any]) -> None:
        self.capacity = capacity
        self.total = 0
        # zeros, not empty: the system hands out zeroed pages when they are first touched, so this allocates
        # nothing.
        self.arrays = {name: np.zeros((capacity, *shape), dtype) for name, (shape, dtype) in fields.items()}

    def __len__(self) -> int:
        return min(self.total, self.capacity)

    def append(self, count: int, **values: np.ndarray) -> None:
        """Adds `count` rows; every value has `count` rows of its field's shape."""
        start = self.total % self.capacity
        stop = start + count
        rows: Any = slice(start, stop) if stop <= self.capacity else np.arange(start, stop) % self.capacity
        for name, value in values.items():
            array = self.arrays[name]
            # (64, 1) into (64,) would broadcast into nonsense without a word.
            fits = len(value) == count and value.ndim == array.ndim
            if not fits or (array.ndim > 1 and value.shape[1:] != array.shape[1:]):
                raise ValueError(
                    f"replay: {name} has shape {value.shape} but {(count, *array.shape[1:])} was expected "
                    f"for {count} transition(s); reshape it before adding it"
                )
            array[rows] = value
        self.total += count

    def rows(self, start: int, stop: int) -> dict[str, np.ndarray]:
        """A copy of rows number `start` to `stop`, for a checkpoint."""
        at = np.arange(start, stop) % self.capacity
        return {name: array[at] for name, array in self.arrays.items()}

    def put_rows(self, start: int, values: dict[str, np.ndarray]) -> None:
        """Puts rows from number `start` back where they were."""
        for name, array in self.arrays.items():
            array[np.arange(start, start + len(values[name])) % self.capacity] = values[name]


class UniformReplay:
    """Draws every kept transition with the same probability, with replacement."""

    def __init__(
        self,
        capacity: int,
        observation_space: gym.Space,
        action_space: gym.Space,
        gamma: float,
        rng: np.random.Generator,
    ) -> None:
        observation = (observation_space.shape or (), array_dtype("replay", observation_space))
        action = (action_space.shape or (), action_space.dtype)
        self.ring = Ring(
            capacity,
            observation=observation,
            action=action,
            reward=((), np.float32),
            next_observation=observation,
            discount=((), np.float32),
        )
        self.gamma = gamma
        self._rng = rng

    def __len__(self) -> int:
        return len(self.ring)

    def add(self, transition: Transition) -> None:
        self.ring.append(
            len(transition.env),
            observation=transition.observation,
            action=transition.action,
            reward=transition.reward,
            next_observation=transition.next_observation,
            discount=self.gamma * ~transition.terminated,
        )

    def sample(self, batch_size: int) -> Batch:
        # Half the cost of `integers`, which matters in every update.
        rows = (self._rng.random(batch_size) * len(self.ring)).astype(np.int64)
        arrays = self.ring.arrays
        # `take` costs a fifth of indexing at a batch of 64.
        return Batch(
            arrays["observation"].take(rows, 0),
            arrays["action"].take(rows, 0),
            arrays["reward"].take(rows),
            arrays["next_observation"].take(rows, 0),
            arrays["discount"].take(rows),
            rows,
        )

    wants_errors = False

    def feedback(self, rows: np.ndarray, error: np.ndarray) -> None:
        """Tells the replay how wrong the agent was about those rows, if `wants_errors`. Uniform replay doesn't care."""

    def state_dict(self) -> dict[str, Any]:
        return {"ring": self.ring}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.ring = state["ring"]
