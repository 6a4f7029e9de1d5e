"""Where an environment is, saved and restored, so that a resumed run goes on exactly where it stopped.

Three ways, the first that applies:

1. `get_state()` and `set_state(state)` on the environment itself (all of this project's have them);
2. for a single environment: its random state at the last reset and the actions since. Restoring resets from
   that random state and takes those actions again. (`deepcopy` won't do: of LunarLander it silently makes a
   fresh one.)
3. for a vector environment: every attribute that is a number, an array or a random generator.

The second and third are guesses about somebody else's environment, so `why_not_resumable` tries them out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np

from .errors import UsageError

State = dict[str, Any]
# gymnasium's wrappers that give on what they get, and the one with a memory that is saved.
WITHOUT_MEMORY = ("OrderEnforcing", "PassiveEnvChecker", "TimeLimit")


# By their names: a state comes from a file, which may name anything.
BIT_GENERATORS: dict[str, Any] = {
    "PCG64": np.random.PCG64,
    "PCG64DXSM": np.random.PCG64DXSM,
    "MT19937": np.random.MT19937,
    "Philox": np.random.Philox,
    "SFC64": np.random.SFC64,
}


def generator_from_state(state: State) -> np.random.Generator:
    """A generator that goes on from `generator.bit_generator.state`. Raises `UsageError` for an unknown kind."""
    if state["bit_generator"] not in BIT_GENERATORS:
        raise UsageError(
            f"no random generator is called {state['bit_generator']!r}; known: {', '.join(BIT_GENERATORS)}"
        )
    bit_generator = BIT_GENERATORS[state["bit_generator"]]()
    bit_generator.state = state
    return np.random.Generator(bit_generator)


class StatefulEnv:
    """An environment that saves its own state."""

    def __init__(self, env: gym.Env) -> None:
        self.env = env
        self.reset, self.step = env.reset, env.step

    def state_dict(self) -> State:
        elapsed = [vars(layer)["_elapsed_steps"] for layer in self._time_limits()]
        return {"env": self.env.unwrapped.get_state(), "elapsed": elapsed}  # type: ignore[attr-defined]

    def load_state_dict(self, state: State) -> None:
        self.env.reset()  # wrappers refuse to step an environment that was never reset
        self.env.unwrapped.set_state(state["env"])  # type: ignore[attr-defined]
        saved = [elapsed for elapsed in state["elapsed"] if elapsed is not None]  # older ones have None for the others
        for layer, elapsed in zip(self._time_limits(), saved, strict=True):
            layer._elapsed_steps = elapsed  # type: ignore[attr-defined]

    def is_at(self, observation: np.ndarray) -> bool:
        """Whether loading a state led to `observation`: there is no doubt of it where no wrapper has a memory."""
        return all(type(layer).__name__ in WITHOUT_MEMORY for layer in layers(self.env))

    def _time_limits(self) -> list[gym.Env]:
        """The wrappers with a state: gymnasium's TimeLimit. Others, which check, may be there or not."""
        return [layer for layer in layers(self.env) if "_elapsed_steps" in vars(layer)]


class ReplayedEnv:
    """An environment that is restored by repeating the actions since its last reset."""

    def __init__(self, env: gym.Env) -> None:
        self.env = env
        self._random: State | None = None
        self._seed: int | None = None
        self._actions: list[Any] = []
        self._seen: Any = None  # the observation that loading a state led to

    def reset(self, *, seed: int | None = None) -> tuple[Any, dict[str, Any]]:
        # A seeded reset replaces the generator, so there the seed is what to remember.
        self._random = None if seed is not None else dict(self.env.unwrapped.np_random.bit_generator.state)
        self._seed = seed
        self._actions = []
        return self.env.reset(seed=seed)

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        self._actions.append(action)
        return self.env.step(action)

    def state_dict(self) -> State:
        return {"random": self._random, "seed": self._seed, "actions": np.array(self._actions)}

    def load_state_dict(self, state: State) -> None:
        if state["random"] is not None:
            self.env.unwrapped.np_random = generator_from_state(state["random"])
        self._seen = self.env.reset(seed=state["seed"])[0]
        self._random, self._seed = state["random"], state["seed"]
        # `tolist` gives the Python integers that discrete environments were stepped with.
        actions = state["actions"]
        self._actions = actions.tolist() if actions.ndim == 1 else list(actions)
        for action in self._actions:
            self._seen = self.env.step(action)[0]

    def is_at(self, observation: np.ndarray) -> bool:
        """Whether loading a state led to `observation`."""
        return np.array_equal(np.asarray(self._seen, observation.dtype), observation)


ResumableEnv = StatefulEnv | ReplayedEnv


def layers(env: gym.Env) -> list[gym.Env]:
    """An environment's wrappers, from the outside in, without the environment."""
    found: list[gym.Env] = []
    while isinstance(env, gym.Wrapper):
        found.append(env)
        env = env.env
    return found


def resumable(env: gym.Env) -> ResumableEnv:
    """`env` with `state_dict` and `load_state_dict`."""
    has_state = hasattr(env.unwrapped, "get_state") and hasattr(env.unwrapped, "set_state")
    return StatefulEnv(env) if has_state else ReplayedEnv(env)


def vector_state(env: gym.vector.VectorEnv) -> State:
    """What a vector environment's future depends on: its own word for it, or its attributes."""
    core = env.unwrapped
    if hasattr(core, "get_state"):
        return {"own": core.get_state()}
    state: State = {}
    for name, value in vars(core).items():
        if isinstance(value, np.random.Generator):
            state[name] = {"generator": value.bit_generator.state}
        elif isinstance(value, np.ndarray) and value.dtype != object:
            state[name] = {"value": value.copy()}
        elif value is None or isinstance(value, bool | int | float | str):
            state[name] = {"value": value}
    return {"attributes": state}


def load_vector_state(env: gym.vector.VectorEnv, state: State) -> None:
    core: Any = env.unwrapped
    if "own" in state:
        core.set_state(state["own"])
        return
    for name, saved in state["attributes"].items():
        setattr(core, name, generator_from_state(saved["generator"]) if "generator" in saved else saved["value"])


def why_not_resumable(make: Callable[[], Any], steps: int = 200, steps_after: int = 50) -> str | None:
    """Tries to resume: `None` if a restored copy goes on exactly as the original, else what differs.

    `make` gives a fresh `envs.vector.Environments` each time. `steps` random actions are taken, long enough
    to pass a reset in most environments; then the original and the restored copy take the same `steps_after`
    more.
    """
    made: list[Any] = []
    try:
        for _ in range(2):
            made.append(make())
        original, copy = made
        rng = np.random.default_rng(0)
        original.reset(seed=0)
        for _ in range(steps):
            original.step(original.sample_actions(rng))
        copy.reset(seed=1)
        copy.load_state_dict(original.state_dict())
        for step in range(steps_after):
            actions = original.sample_actions(rng)
            for name, a, b in zip(original.TRANSITION_FIELDS, original.step(actions), copy.step(actions), strict=True):
                if not np.array_equal(a, b):
                    return f"{name} differs {step + 1} steps after resuming"
        return None
    except Exception as problem:  # somebody else's environment: whatever it raises, it is the answer
        return str(problem) if isinstance(problem, UsageError) else f"{type(problem).__name__}: {problem}"
    finally:
        for environments in made:
            environments.close()
