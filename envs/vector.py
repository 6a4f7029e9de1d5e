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
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv

from .errors import UsageError
from .model import Model, model_of
from .seeding import spawn_seeds
from .snapshot import layers, load_vector_state, vector_state
from .transitions import Environments, Transition


class VectorEnvironments(Environments):
    """One of gymnasium's vector environments, in any autoreset mode."""

    def __init__(self, name: str, env: gym.vector.VectorEnv, make: Callable[[], Environments] | None) -> None:
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
        self._was_stepped = False

    def reset(self, seed: int) -> None:
        seeds = spawn_seeds(seed, self.num_envs)
        # Others take one seed for all, and make of it what they will.
        own = self._env.unwrapped
        one_each = isinstance(own, SyncVectorEnv | AsyncVectorEnv) or getattr(own, "takes_a_seed_each", False)
        observation, self.infos = self._run(self._env.reset, seed=seeds if one_each else seeds[0])
        self._env.action_space.seed(seeds[0])
        self.observation = self._read(observation)
        self.observations.check_bounds(self.observation)
        self._ended = np.zeros(self.num_envs, np.bool_)
        self._total_reward, self._length = [0.0] * self.num_envs, [0] * self.num_envs

    def step(self, action: np.ndarray) -> Transition:
        self.finished = []
        before = self.observation
        given = self._run(self._env.step, self.for_env(action))
        observation, reward, terminated, truncated, self.infos = given
        after = self._read(observation)
        reward = np.array(reward, np.float64)
        terminated, truncated = np.array(terminated, np.bool_), np.array(truncated, np.bool_)
        ended = terminated | truncated

        self.observation = after
        valid = self._all
        if self._mode is AutoresetMode.NEXT_STEP:
            valid = np.flatnonzero(~self._ended)
            if self._ended.any():
                self.observations.check_bounds(after[self._ended])
        elif ended.any():
            after = after.copy()
            if self._mode is AutoresetMode.SAME_STEP:
                for i in np.flatnonzero(ended):
                    after[i] = self.observations.convert(self.infos["final_obs"][i])
                self.observations.check_finite(after)
            else:
                first, _ = self._run(self._env.reset, options={"reset_mask": ended})
                self.observation = np.where(rowwise(ended, after), self._read(first), after)
            self.observations.check_bounds(self.observation[ended])
        self._ended = ended
        if not self._was_stepped:
            self.observations.check_bounds(after)
            self._was_stepped = True

        for env_index in valid.tolist():
            self._count(env_index, float(reward[env_index]), bool(ended[env_index]))
        whole = Transition(before, action, reward, terminated, truncated, after, self._all)
        return whole if len(valid) == self.num_envs else Transition(*(field[valid] for field in whole))

    def _read(self, observation: Any) -> np.ndarray:
        """What the environments observe, checked, in an array of our own: a vector environment may hand out the same
        one at every step."""
        if isinstance(observation, tuple):  # an array for each part of a Tuple
            observation = np.stack(observation, -1)
        observation = self.observations.read(observation, (self.num_envs, *self.observations.shape))
        if self.observations.states:
            self.observations.check_states(observation)
        observation = np.array(observation, self.observation_dtype)
        self.observations.check_finite(observation)
        return observation

    def _run(self, function: Callable, *arguments: Any, **keywords: Any) -> Any:
        """What `function` of the environment returns, also where it is answered by other processes."""
        try:
            return function(*arguments, **keywords)
        except (BrokenPipeError, ConnectionResetError, EOFError) as problem:
            raise UsageError(
                f"{self.name}: a process of the {type(self._env.unwrapped).__name__} is gone; it was killed, or the "
                f"memory ran out. Start again with fewer environments, or without processes: num_envs={self.num_envs} "
                f"and a function that makes one environment"
            ) from problem

    def model(self) -> Model:
        return model_of(getattr(self._env, "envs", [self._env])[0])  # gymnasium's SyncVectorEnv is a list of them

    def instances(self) -> list[Any]:
        return [self._env.unwrapped]

    def layers(self) -> list[Any]:
        found: list[Any] = []
        env: Any = self._env
        while isinstance(env, gym.vector.VectorWrapper):
            found.append(env)
            env = env.env
        return [*found, *(layers(env.envs[0]) if isinstance(env, gym.vector.SyncVectorEnv) else [])]

    def go_back(self, state: dict[str, Any]) -> bool:
        self.load_state_dict(state)
        return "own" in state["env"]  # the attributes of one that is made of others don't say where those are

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
