"""Exploration of a policy that has no randomness of its own: noise, a seam of DDPG and TD3.

What stands there has

    explore(actor, observation, rng)    actions to learn from, an array (num_envs, *shape)
    observe(transition)                 what came of them
    state_dict(), load_state_dict(state)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

import minigrad as mg
from envs import Transition

from ...core.components import Seam
from ...core.hyperparameters import Hyperparameters, NonNegative

NOISE = Seam("noise", ("explore", "observe", "state_dict", "load_state_dict"))


@dataclass(frozen=True)
class NoiseSettings(Hyperparameters):
    noise_std: NonNegative = 0.1
    """Standard deviation of what is added to an action between -1 and 1."""


@NOISE.option("gaussian", NoiseSettings)
class Gaussian:
    """a = μ(s) + σ ε, ε ~ N(0, 1): new at every step. Fujimoto et al. (2018), section 6.1: as good as correlated noise,
    and simpler."""

    def __init__(self, agent: Any) -> None:
        self._std = agent.hyperparameters.noise_std
        self._space, self._tensor = agent.action_space, agent.tensor

    def explore(self, actor: Any, observation: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        with mg.no_grad():
            action = mg.to_numpy(actor(self._tensor(observation)))
        noise = self._std * rng.standard_normal(action.shape, np.float32)
        return (action + noise).clip(self._space.low, self._space.high)

    def observe(self, transition: Transition) -> None:
        pass

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        pass
