"""Pictures kept once: an observation of four stacked frames shares three of them with the next one.

Stored whole, a transition on Atari holds eight pictures of 84 × 84 bytes; stored like this, one. A million of them
then take 7.2 GB, not 56 (Mnih et al., "Human-level control through deep reinforcement learning", Nature 518 (2015),
keep the last million frames).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from envs import Transition

from .ring import Ring


class Frames:
    """Numbers every picture that it is shown, and keeps the newest.

    capacity    transitions that the pictures must be there for
    shape       of an observation: (stack, height, width)
    slack       pictures by which transitions may be out of order
    """

    def __init__(
        self, capacity: int, shape: tuple[int, ...], dtype: np.dtype, num_envs: int, slack: int
    ) -> None:
        self.stack = shape[0]
        # A step brings one new picture, and an episode's start up to `stack`; one in fifty is for those.
        self.slack = slack
        self.ring = Ring(capacity + capacity // 50 + 2 * self.stack * num_envs + slack, frame=(shape[1:], dtype))
        # The numbers in each environment's current observation; -1 before the first.
        self._current = np.full((num_envs, self.stack), -1)

    @property
    def oldest(self) -> int:
        """Transitions with smaller numbers can't be shown any more."""
        return max(0, self.ring.total - self.ring.capacity + self.slack)

    def keep(self, transition: Transition) -> Transition:
        """The transition with numbers (k, stack) in place of its observations (k, stack, height, width)."""
        env = transition.env
        for i, number in enumerate(env.tolist()):
            if not self._is_current(number, transition.observation[i]):
                self._current[number] = self._number_all(transition.observation[i])
        before = self._current[env]
        newest = self.ring.total + np.arange(len(env))
        self.ring.append(len(env), frame=transition.next_observation[:, -1])
        after = np.concatenate([before[:, 1:], newest[:, None]], axis=1)
        self._current[env] = after
        return transition._replace(observation=before, next_observation=after)

    def _is_current(self, env: int, observation: np.ndarray) -> bool:
        """Whether the observation is the one that the last transition led to. Only the pictures can tell: a life lost
        ends an episode and the game goes on; a run that is resumed may begin a game without an end."""
        numbers = self._current[env]
        return numbers[0] >= 0 and np.array_equal(observation, self.stacks(numbers))

    def _number_all(self, observation: np.ndarray) -> list[int]:
        """The numbers of an episode's first pictures: often the same one, repeated, which is kept once."""
        numbers: list[int] = []
        for i, frame in enumerate(observation):
            if i == 0 or not np.array_equal(frame, observation[i - 1]):
                self.ring.append(1, frame=frame[None])
            numbers.append(self.ring.total - 1)
        return numbers

    def stacks(self, numbers: np.ndarray) -> np.ndarray:
        """(..., stack) numbers to (..., stack, height, width) pictures."""
        return self.ring.arrays["frame"].take(numbers % self.ring.capacity, 0)

    def state_dict(self) -> dict[str, Any]:
        return {"ring": self.ring, "current": self._current}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.ring, self._current = state["ring"], state["current"]
