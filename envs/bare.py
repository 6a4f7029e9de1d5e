"""Single environments, stepped in a loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np

from .checking import check_spaces, check_step, first_observation
from .errors import UsageError
from .model import Model, model_of
from .seeding import spawn_seeds
from .snapshot import ResumableEnv, layers, resumable
from .transitions import Environments, Transition


class BareEnvironments(Environments):
    """A list of single environments, stepped in a loop and reset here as soon as an episode ends.

    For one environment this costs a fraction of what SyncVectorEnv does.
    """

    def __init__(self, name: str, envs: list[gym.Env], make: Callable[[], Environments] | None) -> None:
        first = envs[0]
        check_spaces(name, first)
        stacked = frames_stacked_by(first)
        super().__init__(name, first.observation_space, first.action_space, len(envs), make, stacked)
        self._envs = [resumable(env) for env in envs]
        self._was_stepped = False  # what nearly never changes is looked at in the first step alone

    def reset(self, seed: int) -> None:
        seeds = spawn_seeds(seed, self.num_envs)
        first = [self._start(env, seed=own) for env, own in zip(self._envs, seeds, strict=True)]
        for env, own in zip(self._envs, seeds, strict=True):
            env.env.action_space.seed(own)
        self.observation = np.array(first, self.observation_dtype)
        self.observations.check_finite(self.observation)
        self.observations.check_bounds(self.observation)
        self._total_reward, self._length = [0.0] * self.num_envs, [0] * self.num_envs

    def step(self, action: np.ndarray) -> Transition:
        self.finished = []
        before = self.observation
        after = np.empty(before.shape, before.dtype)
        reward = np.empty(self.num_envs)
        terminated = np.zeros(self.num_envs, np.bool_)
        truncated = np.zeros(self.num_envs, np.bool_)
        actions = self.for_env(action)
        if self._is_discrete:
            actions = actions.tolist()  # an environment compares and indexes with Python's integers faster
        shape, dtype = self.observations.shape, self.observation_dtype
        ended = []
        for i, env in enumerate(self._envs):
            given = env.step(actions[i])
            if not self._was_stepped:
                check_step(self.name, given)
            try:
                observation, gained, terminates, truncates, _ = given
                reward[i] = gained = float(gained)  # an array would take None for NaN
                ends = bool(terminates or truncates)
                if ends:
                    terminated[i], truncated[i] = terminates, truncates
            except (TypeError, ValueError):
                check_step(self.name, given)
                raise
            if not (type(observation) is np.ndarray and observation.shape == shape and observation.dtype is dtype):
                observation = self.observations.convert(observation)
            after[i] = observation  # a copy: an environment may return the same array at every step
            self._count(i, gained, ends)
            if ends:
                ended.append(i)
        self.observations.check_finite(after)
        if not self._was_stepped:
            self.observations.check_bounds(after)
            self._was_stepped = True

        self.observation = after
        if ended:
            self.observation = after.copy()
            for i in ended:
                self.observation[i] = self._start(self._envs[i])
                self.observations.check_bounds(self.observation[i])
            self.observations.check_finite(self.observation)
        return Transition(before, action, reward, terminated, truncated, after, self._all)

    def _start(self, env: ResumableEnv, **seed: Any) -> Any:
        """The first observation of an episode."""
        try:
            given = env.reset(**seed)
        except TypeError as problem:
            if seed and "unexpected keyword argument 'seed'" in str(problem):
                raise UsageError(
                    f"{self.name}: reset takes no seed; write it as reset(self, *, seed=None, options=None), and begin "
                    f"it with super().reset(seed=seed)"
                ) from problem
            raise
        return self.observations.convert(first_observation(self.name, given))

    def model(self) -> Model:
        return model_of(self._envs[0].env)

    def instances(self) -> list[Any]:
        return [env.env.unwrapped for env in self._envs]

    def layers(self) -> list[Any]:
        return list(layers(self._envs[0].env))

    def go_back(self, state: dict[str, Any]) -> bool:
        self.load_state_dict(state)
        return all(env.is_at(seen) for env, seen in zip(self._envs, self.observation, strict=True))

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "envs": [env.state_dict() for env in self._envs]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        for env, saved in zip(self._envs, state["envs"], strict=True):
            env.load_state_dict(saved)

    def close(self) -> None:
        for env in self._envs:
            env.env.close()


def frames_stacked_by(env: gym.Env) -> int:
    """How many frames a `FrameStackObservation` puts into an observation; 1 if there is none, or if another wrapper
    changes what comes out of it."""
    for layer in layers(env):
        if layer.observation_space is not env.observation_space:
            break
        if isinstance(layer, gym.wrappers.FrameStackObservation):
            return layer.stack_size
    return 1
