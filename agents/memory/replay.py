"""Experience replay: past transitions, kept to learn from more than once (Lin 1992; Mnih et al. 2015).

The storage is a ring (ring.py). What a row of it is, and which are drawn, is put together from three choices:

    the order    which rows are drawn: `Uniform`, below, or `Prioritized` (prioritized.py). It is a component
    n steps      how many steps of reward a row holds (n_step.py)
    frames       whether an observation is kept whole or as the pictures it is stacked from (frames.py)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import gymnasium as gym
import numpy as np

from envs import Transition
from envs.checking import array_dtype

from ..core.components import Seam
from .frames import Frames
from .n_step import NStep
from .ring import Ring


class Batch(NamedTuple):
    """Transitions to learn from.

    `discount` is what a unit of value at the next observation is worth now: γ, or 0 if the episode terminated
    there. Truncation leaves it at γ: the episode was cut off, the value goes on. (n-step replays put γᵏ.)
    """

    observation: Any  # (batch, ...)
    action: Any  # (batch,) or (batch, ...)
    reward: Any  # (batch,)
    next_observation: Any  # (batch, ...)
    discount: Any  # (batch,)
    rows: Any  # (batch,) where in the replay they lie
    weight: Any = None  # (batch,) of each loss; None is 1

    def map(self, function: Callable[[np.ndarray], Any]) -> Batch:
        """function(field) in the place of every field that is there: the batch as tensors."""
        return Batch(*[field if field is None else function(field) for field in self])


class Order(Protocol):
    """Which rows are drawn. What stands at the seam REPLAY has these methods."""

    wants_errors: bool

    def added(self, rows: np.ndarray) -> None:
        """Rows that were just written, and can be drawn from now on."""

    def removed(self, rows: np.ndarray) -> None:
        """Rows that are not to be drawn any more."""

    def draw(self, batch_size: int, ring: Ring, progress: float) -> tuple[np.ndarray, np.ndarray | None]:
        """Where in the ring `batch_size` rows lie, and the weight of each one's loss, `None` if all are 1."""
        ...

    def feedback(self, rows: np.ndarray, error: np.ndarray) -> None:
        """How wrong the agent was about those rows, if `wants_errors`."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any]) -> None: ...


REPLAY = Seam("replay", ("draw", "added", "removed", "feedback", "state_dict", "load_state_dict"))


class Uniform:
    """Every row with the same probability, with replacement."""

    wants_errors = False

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng

    def draw(self, batch_size: int, ring: Ring, progress: float) -> tuple[np.ndarray, None]:
        # Half the cost of `integers`, which matters in every update.
        rows = (self._rng.random(batch_size) * len(ring)).astype(np.int64)
        return (rows + ring.first) % ring.capacity if ring.first else rows, None

    def added(self, rows: np.ndarray) -> None:
        pass

    removed = added

    def feedback(self, rows: np.ndarray, error: np.ndarray) -> None:
        pass

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        pass


@REPLAY.option("uniform")
def uniform(agent: Any) -> Uniform:
    return Uniform(agent.random["replay"])


class Replay:
    """The last `capacity` transitions, to be drawn in batches.

    order             which rows are drawn
    n_step            steps of reward in a row
    num_envs          environments that transitions come from
    stacked_frames    how many pictures an observation is stacked from, along its first axis; above 1, each is
                      kept once
    """

    def __init__(
        self,
        capacity: int,
        observation_space: gym.Space,
        action_space: gym.Space,
        gamma: float,
        order: Order,
        n_step: int = 1,
        num_envs: int = 1,
        stacked_frames: int = 1,
    ) -> None:
        observation = (observation_space.shape or (), array_dtype("replay", observation_space))
        self.frames: Frames | None = None
        if stacked_frames > 1:
            # A row's first picture is at most n_step + stacked_frames steps old when the row is added, and a step in
            # which an episode starts brings a whole stack and one more.
            slack = num_envs * (n_step + stacked_frames) * (stacked_frames + 1)
            self.frames = Frames(capacity, *observation, num_envs, slack)
            observation = ((stacked_frames,), np.dtype(np.int64))  # the frames' numbers
        self.ring = Ring(
            capacity,
            observation=observation,
            action=(action_space.shape or (), action_space.dtype),
            reward=((), np.float32),
            next_observation=observation,
            discount=((), np.float32),
        )
        self.gamma = gamma
        self.order = order
        self.n_step = NStep(n_step, gamma, num_envs) if n_step > 1 else None

    def __len__(self) -> int:
        return len(self.ring)

    def add(self, transition: Transition) -> None:
        if self.frames is not None:
            transition = self.frames.keep(transition)
        discount = self.gamma * ~transition.terminated
        if self.n_step is not None:
            transition, discount = self.n_step.add(transition)
        count = len(transition.env)
        if count:
            rows = self.ring.append(
                count,
                observation=transition.observation,
                action=transition.action,
                reward=transition.reward,
                next_observation=transition.next_observation,
                discount=discount,
            )
            self.order.added(rows)
        if self.frames is not None:
            self._forget_rows_without_frames(self.frames)

    def _forget_rows_without_frames(self, frames: Frames) -> None:
        """Many short episodes bring so many first pictures that a row may outlive its own."""
        ring = self.ring
        while len(ring) and ring.arrays["observation"][ring.oldest % ring.capacity, 0] < frames.oldest:
            self.order.removed(np.array([ring.oldest % ring.capacity]))
            ring.first = ring.oldest + 1

    def sample(self, batch_size: int, progress: float = 0.0) -> Batch:
        """`progress` is how much of the training is done, from 0 to 1."""
        rows, weight = self.order.draw(batch_size, self.ring, progress)
        arrays = self.ring.arrays
        # `take` costs a fifth of indexing at a batch of 64.
        observation = arrays["observation"].take(rows, 0)
        next_observation = arrays["next_observation"].take(rows, 0)
        if self.frames is not None:
            observation, next_observation = self.frames.stacks(observation), self.frames.stacks(next_observation)
        return Batch(
            observation,
            arrays["action"].take(rows, 0),
            arrays["reward"].take(rows),
            next_observation,
            arrays["discount"].take(rows),
            rows,
            weight,
        )

    @property
    def wants_errors(self) -> bool:
        return self.order.wants_errors

    def feedback(self, rows: np.ndarray, error: np.ndarray) -> None:
        """Tells how wrong the agent was about rows it drew, (batch,), if `wants_errors`."""
        self.order.feedback(rows, error)

    def state_dict(self) -> dict[str, Any]:
        return {
            "ring": self.ring,
            "order": self.order.state_dict(),
            "n_step": None if self.n_step is None else self.n_step.state_dict(),
            "frames": None if self.frames is None else self.frames.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.ring = state["ring"]
        self.order.load_state_dict(state["order"])
        if self.n_step is not None:
            self.n_step.load_state_dict(state["n_step"])
        if self.frames is not None:
            self.frames.load_state_dict(state["frames"])
