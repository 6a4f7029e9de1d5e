"""gymnasium's vector environments, and valid transitions out of them. The one module that knows their autoreset modes.

They reset themselves, in one of three ways:

- `NEXT_STEP`: the step after an end ignores its action and returns the reset observation with reward 0. That
  row is no transition, and is left out here: a step may yield fewer transitions than there are environments;
- `SAME_STEP`: the observation at an end is already the reset one; the final one is in `infos["final_obs"]`;
- `DISABLED`: nobody resets, so this module does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode

from .errors import UsageError
from .model import Model, model_of
from .snapshot import load_vector_state, vector_state
from .transitions import Environments, Transition


class VectorEnvironments(Environments):
    """One of gymnasium's vector environments, in any autoreset mode."""

    def __init__(self, name: str, env: gym.vector.VectorEnv, make: Callable | None) -> None:
        space = env.single_observation_space
        # Known by its name, because ale-py need not be installed.
        stacked = space.shape[0] if space.shape and type(env.unwrapped).__name__ == "AtariVectorEnv" else 1
        super().__init__(name, space, env.single_action_space, env.num_envs, make, stacked)
        # ale-py writes the mode into metadata that all vector environments share, where the next one overwrites it.
        mode = getattr(env.unwrapped, "autoreset_mode", env.metadata.get("autoreset_mode"))
        if mode is None:
            raise UsageError(
                f"{name}: metadata['autoreset_mode'] is missing; set it to one of "
                f"{', '.join(str(m) for m in AutoresetMode)}"
            )
        self._mode = AutoresetMode(mode)
        self._env = env
        self.infos: dict[str, Any] = {}  # of the last step
        self._ended = np.zeros(self.num_envs, np.bool_)

    def reset(self, seed: int) -> None:
        observation, self.infos = self._env.reset(seed=seed)
        self._env.action_space.seed(seed)
        self.observation = np.array(observation, self.observation_dtype)
        self._check(self.observation)
        self._ended = np.zeros(self.num_envs, np.bool_)
        self._total_reward, self._length = [0.0] * self.num_envs, [0] * self.num_envs

    def step(self, action: np.ndarray) -> Transition:
        self.finished = []
        before = self.observation
        observation, reward, terminated, truncated, self.infos = self._env.step(self.for_env(action))
        # Copied: a vector environment may hand out the same arrays at every step.
        after = np.array(observation, self.observation_dtype)
        reward = np.array(reward, np.float64)
        terminated, truncated = np.array(terminated, np.bool_), np.array(truncated, np.bool_)
        ended = terminated | truncated

        self.observation = after
        valid = self._all
        if self._mode is AutoresetMode.NEXT_STEP:
            valid = np.flatnonzero(~self._ended)
        elif ended.any():
            after = after.copy()
            if self._mode is AutoresetMode.SAME_STEP:
                for i in np.flatnonzero(ended):
                    after[i] = self.infos["final_obs"][i]
            else:
                first, _ = self._env.reset(options={"reset_mask": ended})
                self.observation = np.where(rowwise(ended, after), np.asarray(first, self.observation_dtype), after)
            self._check(self.observation)
        self._ended = ended

        self._check(after)
        for env_index in valid.tolist():
            self._count(env_index, float(reward[env_index]), bool(ended[env_index]))
        whole = Transition(before, action, reward, terminated, truncated, after, self._all)
        return whole if len(valid) == self.num_envs else Transition(*(field[valid] for field in whole))

    def model(self) -> Model:
        return model_of(getattr(self._env, "envs", [self._env])[0])  # gymnasium's SyncVectorEnv is a list of them

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "ended": self._ended, "env": vector_state(self._env)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self._ended = state["ended"]
        load_vector_state(self._env, state["env"])

    def close(self) -> None:
        self._env.close()


def rowwise(mask: np.ndarray, like: np.ndarray) -> np.ndarray:
    """`mask` (k,) shaped to select rows of `like` (k, ...)."""
    return mask.reshape(-1, *[1] * (like.ndim - 1))
