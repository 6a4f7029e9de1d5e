"""What every set of environments yields, whatever it is made of: valid transitions.

A step yields a `Transition`: what was observed, what was done, the reward, and the *true* next observation. At the end
of an episode that is the final one, never the first of the next episode.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from .checking import Observations, shown
from .errors import UsageError
from .model import Model
from .snapshot import why_not_resumable


class Transition(NamedTuple):
    """One step of `k` environments, `k` at most their number; every field has `k` rows."""

    observation: np.ndarray  # (k, ...)
    action: np.ndarray  # (k,) or (k, ...)
    reward: np.ndarray  # (k,) float64
    terminated: np.ndarray  # (k,) bool: the episode reached its end; nothing follows
    truncated: np.ndarray  # (k,) bool: the episode was cut off; something would have followed
    next_observation: np.ndarray  # (k, ...), at the end of an episode the final one
    env: np.ndarray  # (k,) which environment each row comes from


class Episode(NamedTuple):
    """A finished episode: the environment it was in, the sum of its rewards and its number of steps."""

    env: int
    total_reward: float
    length: int


class Environments:
    """`num_envs` environments that are stepped together.

    observation        (num_envs, ...) what to act on now
    finished           the episodes that the last step ended
    observation_space, action_space    of one environment
    stacked_frames     how many frames lie along an observation's first axis, the newest last; 1 if it is no stack

    `make` makes the like of them once more. It is `None` if nobody knows how; if it has an attribute `is_certain` that
    is true, it need not be tried.
    """

    TRANSITION_FIELDS: ClassVar[tuple[str, ...]] = Transition._fields

    def __init__(
        self,
        name: str,
        observation_space: gym.Space,
        action_space: gym.Space,
        num_envs: int,
        make: Callable[[], Environments] | None,
        stacked_frames: int = 1,
    ) -> None:
        self.name = name
        self.stacked_frames = stacked_frames
        self.num_envs = num_envs
        self.observations = Observations(name, observation_space)
        self.observation_space, self.action_space = self.observations.space, action_space
        self.observation_dtype = self.observations.dtype
        self.observation: np.ndarray = np.empty(0)
        self.finished: list[Episode] = []
        self._make = make
        self._is_discrete = isinstance(action_space, spaces.Discrete)
        self._first_action = int(action_space.start) if isinstance(action_space, spaces.Discrete) else 0
        self._all = np.arange(num_envs)
        self._total_reward = [0.0] * num_envs
        self._length = [0] * num_envs

    def reset(self, seed: int) -> None:
        """Starts every environment, each with a seed of its own (seeding.py). Once in a run: episodes after the first
        go on from the environment's own generator, or every episode would be the same one."""
        raise NotImplementedError

    def step(self, action: np.ndarray) -> Transition:
        """Takes one action, (num_envs,) or (num_envs, ...), in every environment."""
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError

    def sample_actions(self, rng: np.random.Generator) -> np.ndarray:
        """Random actions, (num_envs,) or (num_envs, ...)."""
        space = self.action_space
        if isinstance(space, spaces.Discrete):
            return rng.integers(space.n, size=self.num_envs)
        if isinstance(space, spaces.Box) and space.is_bounded():
            return rng.uniform(space.low, space.high, (self.num_envs, *space.shape)).astype(space.dtype)
        space.seed(int(rng.integers(2**31)))
        return np.stack([space.sample() for _ in range(self.num_envs)])

    @property
    def can_be_made_again(self) -> bool:
        return self.why_not_again is None

    @cached_property
    def why_not_again(self) -> str | None:
        """`None` if `another` can make the like of these, else the reason. What can't be known is tried, once: a spec
        may lack a wrapper or its arguments, and a function may return the same environment each time."""
        if self._make is None:
            return "it is an instance, and nothing says how it was made"
        if getattr(self._make, "is_certain", False):
            return None
        try:
            second = self._make()
        except Exception as problem:  # somebody else's code: whatever it raises, it is the answer
            return " ".join(f"{type(problem).__name__}: {problem}".split())
        if any(env is own for env in second.instances() for own in self.instances()):
            return "the function that makes it returns the same environment each time"
        second.close()
        for what in ("observation_space", "action_space"):
            mine, other = getattr(self, what), getattr(second, what)
            if mine != other:
                return f"when it is made again, its {what} is {shown(other)}, and not {shown(mine)}"
        return None

    def another(self) -> Environments:
        """New environments of the same kind; raises if there is no way to make them."""
        if self._make is None or not self.can_be_made_again:
            raise UsageError(
                f"{self.name} can't be made a second time ({self.why_not_again}); give an id, a class, or a function "
                f"that makes it"
            )
        return self._make()

    def instances(self) -> list[Any]:
        """gymnasium's environments that these are made of, without wrappers."""
        return []

    def layers(self) -> list[Any]:
        """gymnasium's wrappers around the first of them, from the outside in."""
        return []

    @property
    def env_spaces(self) -> tuple[gym.Space, gym.Space]:
        """Observations and actions as the environments themselves have them, however an agent sees them."""
        return self.observation_space, self.action_space

    def from_env(self, observation: Any) -> Any:
        """Observations as agents see them, from one or more that the environment itself gave."""
        if isinstance(observation, tuple) and len(observation) == 2 and isinstance(observation[1], dict):
            raise UsageError(
                f"{self.name}: this is (observation, info), as reset returns it; give the observation alone, "
                f"`observation, info = env.reset()`"
            )
        array = self.observations.as_given(observation)
        if self.observations.states:
            self.observations.check_states(array, by_user=True)
        return array

    def model(self) -> Model:
        """P(s' | s, a) and r(s, a) of one environment (model.py); raises `UsageError` if they aren't known."""
        raise UsageError(f"{self.name} has no model: its states can't be counted")

    def why_not_resumable(self) -> str | None:
        """`None` if these environments can be resumed exactly, else the reason. Takes a few hundred steps in
        copies."""
        return why_not_resumable(self.another)

    def state_dict(self) -> dict[str, Any]:
        return {
            "observation": self.observation,
            "total_reward": list(self._total_reward),
            "length": list(self._length),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.observation = state["observation"]
        self._total_reward = list(state["total_reward"])
        self._length = list(state["length"])
        self.finished = []

    def go_back(self, state: dict[str, Any]) -> bool:
        """Loads the state of these same environments, and says whether they are there: of somebody else's it is a guess
        (snapshot.py)."""
        self.load_state_dict(state)
        return True

    def for_env(self, action: Any) -> Any:
        """Actions as the environment itself takes them: agents count them from 0."""
        return action + self._first_action if self._first_action else action

    @property
    def bottom(self) -> Environments:
        """These environments without what an agent has put around them."""
        return self

    def for_agent(self, action: np.ndarray) -> np.ndarray:
        """Actions (k, ...) of the environment as agents see them: what `for_env` undoes."""
        return action - self._first_action if self._first_action else action

    def _count(self, i: int, reward: float, ended: bool) -> None:
        """Adds a step to environment `i`'s episode."""
        # NaN spreads from one bad reward to every weight; refused here, it still has a name.
        if not math.isfinite(reward):
            raise UsageError(
                f"{self.name}: the environment returned the reward {reward} (environment {i}, step "
                f"{self._length[i] + 1} of its episode); rewards must be finite"
            )
        self._total_reward[i] += reward
        self._length[i] += 1
        if ended:
            self.finished.append(Episode(i, self._total_reward[i], self._length[i]))
            self._total_reward[i], self._length[i] = 0.0, 0
