"""Environments with one thing wrong, or one thing given by hand. `Odd()` itself is right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

BOX = spaces.Box(-1, 1, (3,), np.float32)


class Odd(gym.Env):
    """Episodes of `length` steps. `observe(env)` gives the observations, `answer(env, observation)` what `step` returns,
    `open(env, observation)` what `reset` returns; `env.t` counts the steps of the episode."""

    def __init__(
        self,
        space: gym.Space = BOX,
        actions: gym.Space | None = None,
        observe: Callable[[Any], Any] | None = None,
        answer: Callable[[Any, Any], Any] | None = None,
        open: Callable[[Any, Any], Any] | None = None,
        length: int = 5,
    ) -> None:
        self.observation_space, self.action_space = space, actions or spaces.Discrete(2)
        self.observe = observe or (lambda env: np.zeros(env.observation_space.shape, env.observation_space.dtype))
        self.answer = answer or (lambda env, seen: (seen, 0.0, env.t >= env.length, False, {}))
        self.open = open or (lambda env, seen: (seen, {}))
        self.length, self.t = length, 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self.t = 0
        return self.open(self, self.observe(self))

    def step(self, action: Any) -> Any:
        self.t += 1
        return self.answer(self, self.observe(self))


class Half(gym.ObservationWrapper):
    """As every tutorial has one: nothing says how it was made."""

    def observation(self, observation: Any) -> Any:
        return (observation * 0.5).astype(np.float32)
