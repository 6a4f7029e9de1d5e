"""Environments side by side, and valid transitions out of them. The one module that knows gymnasium's
autoreset modes.

Whatever the environments are made of, a step yields a `Transition`: what was observed, what was done, the
reward, and the *true* next observation, which at the end of an episode is the final one, never the first of
the next episode.

gymnasium's vector environments reset themselves, in one of three ways:

- `NEXT_STEP`: the step after an end ignores its action and returns the reset observation with reward 0. That
  row is no transition, and is left out here: a step may yield fewer transitions than there are environments;
- `SAME_STEP`: the observation at an end is already the reset one; the final one is in `infos["final_obs"]`;
- `DISABLED`: nobody resets, so this module does.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any, ClassVar, NamedTuple

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode

from .errors import UsageError, did_you_mean
from .model import Model, model_of
from .snapshot import layers, load_vector_state, resumable, vector_state, why_not_resumable


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
    """

    TRANSITION_FIELDS: ClassVar[tuple[str, ...]] = Transition._fields

    def __init__(
        self,
        name: str,
        observation_space: gym.Space,
        action_space: gym.Space,
        num_envs: int,
        make: Callable | None,
        stacked_frames: int = 1,
    ) -> None:
        self.name = name
        self.stacked_frames = stacked_frames
        self.num_envs = num_envs
        self.observation_space, self.action_space = observation_space, action_space
        self.observation_dtype = array_dtype(name, observation_space)
        self.observation: np.ndarray = np.empty(0)
        self.finished: list[Episode] = []
        self._make = make
        self._is_discrete = isinstance(action_space, spaces.Discrete)
        self._first_action = int(action_space.start) if isinstance(action_space, spaces.Discrete) else 0
        self._all = np.arange(num_envs)
        self._total_reward = [0.0] * num_envs
        self._length = [0] * num_envs
        self._checks_observations = self.observation_dtype.kind == "f"

    def reset(self, seed: int) -> None:
        """Starts every environment, environment `i` with `seed + i`. Once in a run: episodes after the first
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
        return self._make is not None

    def another(self) -> Environments:
        """New environments of the same kind; raises if there is no way to make them."""
        if self._make is None:
            raise UsageError(
                f"{self.name} can't be made a second time; give an id or a function that makes it"
            )
        return self._make()

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

    def for_env(self, action: Any) -> Any:
        """Actions as the environment itself takes them: agents count them from 0."""
        return action + self._first_action if self._first_action else action

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

    def _check(self, observation: np.ndarray) -> None:
        # The sum of squares is finite unless a number isn't (or it overflows, so look again); it costs a third of
        # isfinite.
        if self._checks_observations and not (
            math.isfinite(np.vdot(observation, observation)) or np.isfinite(observation).all()
        ):
            bad = observation[~np.isfinite(observation)][0]
            raise UsageError(
                f"{self.name}: the environment returned an observation with {bad} in it; "
                f"observations must be finite"
            )


class BareEnvironments(Environments):
    """A list of single environments, stepped in a loop and reset here as soon as an episode ends.

    For one environment this costs about 4 µs a step above the environment's own, where SyncVectorEnv costs
    30.
    """

    def __init__(self, name: str, envs: list[gym.Env], make: Callable | None) -> None:
        first = envs[0]
        stacked = frames_stacked_by(first)
        super().__init__(name, first.observation_space, first.action_space, len(envs), make, stacked)
        self._envs = [resumable(env) for env in envs]

    def reset(self, seed: int) -> None:
        first = [env.reset(seed=seed + i)[0] for i, env in enumerate(self._envs)]
        for i, env in enumerate(self._envs):
            env.env.action_space.seed(seed + i)
        self.observation = np.array(first, self.observation_dtype)
        self._check(self.observation)
        self._total_reward, self._length = [0.0] * self.num_envs, [0] * self.num_envs

    def step(self, action: np.ndarray) -> Transition:
        self.finished = []
        before = self.observation
        after = np.empty(before.shape, before.dtype)
        reward = np.empty(self.num_envs)
        terminated = np.empty(self.num_envs, np.bool_)
        truncated = np.empty(self.num_envs, np.bool_)
        actions = self.for_env(action)
        if self._is_discrete:
            actions = actions.tolist()  # an environment compares and indexes with Python's integers faster
        ended = []
        for i, env in enumerate(self._envs):
            observation, gained, terminates, truncates, _ = env.step(actions[i])
            # Copied on assignment: an environment may return the same array at every step.
            after[i], reward[i], terminated[i], truncated[i] = observation, gained, terminates, truncates
            ends = bool(terminates or truncates)
            self._count(i, float(gained), ends)
            if ends:
                ended.append(i)
        self._check(after)

        self.observation = after
        if ended:
            self.observation = after.copy()
            for i in ended:
                self.observation[i] = self._envs[i].reset()[0]
            self._check(self.observation)
        return Transition(before, action, reward, terminated, truncated, after, self._all)

    def model(self) -> Model:
        return model_of(self._envs[0].env)

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "envs": [env.state_dict() for env in self._envs]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        for env, saved in zip(self._envs, state["envs"], strict=True):
            env.load_state_dict(saved)

    def close(self) -> None:
        for env in self._envs:
            env.env.close()


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
                self.observation = np.where(
                    rowwise(ended, after), np.asarray(first, self.observation_dtype), after
                )
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


def make_environments(env: Any, num_envs: int = 1) -> Environments:
    """Environments from whatever describes them.

    `env` is an id ("CartPole-v1"), a function that makes an environment, a `gym.Env` (`num_envs` 1), or a
    vector environment (or a function that makes one), which brings its own number.
    """
    if isinstance(num_envs, bool) or not isinstance(num_envs, int):
        raise UsageError(f"num_envs must be a whole number, got {num_envs!r}")
    if num_envs < 1:
        raise UsageError(f"num_envs must be at least 1, got {num_envs}")
    if isinstance(env, Environments):
        return env
    if isinstance(env, str):
        for_training = getattr(module_of(env), "for_training", None)
        return for_training(env, num_envs) if for_training else from_factory(lambda: make_by_id(env), num_envs)
    if isinstance(env, gym.Env | gym.vector.VectorEnv):
        return from_instance(env, num_envs)
    if callable(env):
        return from_factory(env, num_envs)
    raise UsageError(
        f"env must be an id, an environment or a function that makes one, got {type(env).__name__}"
    )


# Packages whose environments a module of this folder makes, by the namespace of their ids. The extra that installs
# the package has the module's name.
MODULES = {"MinAtar": "minatar", "ALE": "atari"}
# gymnasium's own that need more than gymnasium: where they are, and the extra.
EXTRAS = {"gymnasium.envs.box2d": "box2d", "gymnasium.envs.mujoco": "mujoco"}


def module_of(env_id: str) -> Any:
    """The module that makes `env_id`, `None` if gymnasium does. It has `make(env_id, **options)`, and may have
    `for_training(env_id, num_envs)`, for an environment that agents learn from differently than they are judged by."""
    name = MODULES.get(env_id.partition("/")[0])
    if name is None:
        return None
    try:
        return import_module(f".{name}", __package__)
    except ModuleNotFoundError as problem:
        raise lacks_extra(env_id, name) from problem


def lacks_extra(env_id: str, extra: str) -> UsageError:
    return UsageError(f'{env_id} needs a package: pip install "minigrad[{extra}]"')


def make_by_id(env_id: str, **options: Any) -> Any:
    """`gym.make`, with errors for the person who mistyped the id or lacks a package. Of Atari's games it makes a vector
    environment."""
    module = module_of(env_id)
    make = partial(gym.make, disable_env_checker=True) if module is None else module.make
    try:
        return make(env_id, **options)
    except gym.error.DependencyNotInstalled as problem:
        for where, extra in EXTRAS.items():
            if str(gym.spec(env_id).entry_point).startswith(where):
                raise lacks_extra(env_id, extra) from problem
        raise UsageError(f"{env_id} needs a package that is not installed: {problem}") from problem
    except (gym.error.Error, ModuleNotFoundError) as problem:
        if env_id in gym.registry:
            raise UsageError(f"{env_id} can't be made: {problem}") from problem
        suggestion = did_you_mean(env_id, gym.registry) or "; `minigrad list` shows the known ones"
        raise UsageError(f"unknown environment {env_id!r}{suggestion}") from problem


def from_factory(make: Callable[[], Any], num_envs: int) -> Environments:
    def again() -> Environments:
        first = make()
        if isinstance(first, gym.vector.VectorEnv):
            check_number(num_envs, first)
            return VectorEnvironments(name_of(first), first, again)
        if not isinstance(first, gym.Env):
            raise UsageError(f"env must be a function that makes an environment, but it returned {first!r}")
        return BareEnvironments(name_of(first), [first, *(make() for _ in range(num_envs - 1))], again)

    return again()


def from_instance(env: gym.Env | gym.vector.VectorEnv, num_envs: int) -> Environments:
    """`env` itself (and copies of it, if more are wanted); its spec is what a copy can be made from."""
    spec = env.spec
    name = name_of(env)
    again: Callable[[], Environments] | None = None
    if isinstance(env, gym.vector.VectorEnv):
        check_number(num_envs, env)
        if spec is not None:
            again = lambda: from_factory(lambda: gym.make_vec(spec), 1)
        return VectorEnvironments(name, env, again)
    if spec is None:
        if num_envs > 1:
            raise UsageError(f"one {name} can't be made into {num_envs}; give a function that makes it")
        return BareEnvironments(name, [env], None)
    again = lambda: from_factory(lambda: gym.make(spec), num_envs)
    return BareEnvironments(name, [env, *(gym.make(spec) for _ in range(num_envs - 1))], again)


def check_number(num_envs: int, env: gym.vector.VectorEnv) -> None:
    if num_envs not in (1, env.num_envs):
        raise UsageError(f"num_envs is {num_envs} but {name_of(env)} brings its own {env.num_envs}; leave it out")


def name_of(env: gym.Env | gym.vector.VectorEnv) -> str:
    return env.spec.id if env.spec is not None else type(env.unwrapped).__name__


def frames_stacked_by(env: gym.Env) -> int:
    """How many frames a `FrameStackObservation` puts into an observation; 1 if there is none, or if another wrapper
    changes what comes out of it."""
    for layer in layers(env):
        if layer.observation_space is not env.observation_space:
            break
        if isinstance(layer, gym.wrappers.FrameStackObservation):
            return layer.stack_size
    return 1


def array_dtype(name: str, space: gym.Space) -> np.dtype:
    """The dtype observations are kept in: float32 for any float, else the space's own (uint8 for images)."""
    if not isinstance(space, spaces.Box | spaces.Discrete | spaces.MultiDiscrete | spaces.MultiBinary):
        raise UsageError(
            f"{name}: observations are a {type(space).__name__}, and agents take one array; "
            f"wrap the environment in gymnasium.wrappers.FlattenObservation"
        )
    dtype = np.dtype(space.dtype)
    return np.dtype(np.float32) if dtype.kind == "f" else dtype


def rowwise(mask: np.ndarray, like: np.ndarray) -> np.ndarray:
    """`mask` (k,) shaped to select rows of `like` (k, ...)."""
    return mask.reshape(-1, *[1] * (like.ndim - 1))
