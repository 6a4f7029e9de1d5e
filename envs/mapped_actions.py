"""Environments whose actions an agent sees otherwise than the environment does: what such wrappers share."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np

from .transitions import Environments, Transition
from .wrapped import WrappedEnvironments


class MappedActions(WrappedEnvironments):
    """`environments` with the actions `action_space`; `for_env` says what each is to the environment. Transitions hold
    the agent's own actions."""

    def __init__(self, environments: Environments, action_space: gym.Space) -> None:
        super().__init__(environments, environments.observation_space, action_space)

    def for_env(self, action: Any) -> Any:
        raise NotImplementedError

    def for_agent(self, action: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def step(self, action: np.ndarray) -> Transition:
        transition = super().step(self.for_env(action))
        return transition._replace(action=action[transition.env])

    def from_env(self, observation: Any) -> Any:
        return self._inner.from_env(observation)
