"""What an environment gives, compared with what gymnasium asks for and with what its spaces say.

Each mistake is one `UsageError`: it names the environment, what it gave, what was expected, and the mend.
"""

from __future__ import annotations

import math
from typing import Any, NoReturn

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from .errors import UsageError

STEP = "(observation, reward, terminated, truncated, info)"
# Bounds are compared with this much room, times the bound where that is larger: an environment computes in float64,
# and rounds to float32.
ROOM = 1e-4


def check_spaces(name: str, env: gym.Env) -> None:
    """Raises if `env` doesn't say what is observed and what can be done."""
    for attribute in ("observation_space", "action_space"):
        space = getattr(env, attribute, None)
        if not isinstance(space, gym.Space):
            raise UsageError(
                f"{name}: {attribute} is {space!r}; set it in __init__ to one of gymnasium.spaces, such as "
                f"Box(-1, 1, (3,)) or Discrete(2)"
            )


def first_observation(name: str, given: Any) -> Any:
    """The observation in what `reset` returned."""
    if isinstance(given, tuple) and len(given) == 2 and isinstance(given[1], dict):
        return given[0]
    if isinstance(given, tuple) and len(given) == 2:
        what = f"a pair whose second value is {kind_of(given[1])}"
    else:
        what = f"{kind_of(given)} alone"
    raise UsageError(f"{name}: reset returned {what}; return (observation, info), where info is a dict: `{{}}` will do")


def check_step(name: str, given: Any) -> None:
    """Raises if what `step` returned isn't (observation, reward, terminated, truncated, info)."""
    if not isinstance(given, tuple | list):
        raise UsageError(f"{name}: step returned {kind_of(given)}; return {STEP}")
    if len(given) != 5:
        old = "; gym's old `done` is terminated (the end was reached) or truncated (a time limit)"
        raise UsageError(f"{name}: step returned {len(given)} values; return {STEP}{old if len(given) == 4 else ''}")
    _, reward, terminated, truncated, info = given
    if isinstance(reward, np.ndarray) and reward.ndim:
        raise UsageError(
            f"{name}: step returned a reward of shape {reward.shape}; a reward is one number: float(reward[0]), or "
            f"their sum"
        )
    if isinstance(reward, str) or not is_number(reward):
        raise UsageError(
            f"{name}: step returned the reward {reward!r}; a reward is one number (0.0 where there is none)"
        )
    for flag, value in (("terminated", terminated), ("truncated", truncated)):
        if np.ndim(value) or not (is_number(value) and value in (False, True)):
            raise UsageError(
                f"{name}: step returned {flag}={value!r}; it is True or False, the third and fourth of {STEP}"
            )
    if not isinstance(info, dict):
        raise UsageError(f"{name}: step returned {kind_of(info)} for info; it is a dict, and the last of {STEP}")


def is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def kind_of(value: Any) -> str:
    """A few words for a value that may be large."""
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    if isinstance(value, tuple | list):
        return f"a {type(value).__name__} of {len(value)}"
    if value is None or isinstance(value, bool | int | float | np.generic):
        return repr(value)
    return f"a {type(value).__name__}"


class Observations:
    """What the observations of `space` must be, and how they are kept.

    shape, dtype    of the array that an observation becomes
    """

    def __init__(self, name: str, space: gym.Space) -> None:
        self.name = name
        self.space = space = as_one_array(name, space)
        self.shape: tuple[int, ...] = space.shape or ()
        self.dtype = array_dtype(name, space)
        self.is_float = self.dtype.kind == "f"
        # A table or a one-hot vector is indexed with them, and Python counts a negative index from the end.
        self.states = range(0)
        if isinstance(space, spaces.Discrete):
            self.states = range(int(space.start), int(space.start + space.n))
        self._bounds = bounds_of(space)

    def convert(self, given: Any) -> Any:
        """One observation as an array of the shape and with values of the dtype, or as a state."""
        if self.states:
            return self.state(given)
        return self.read(given, self.shape)

    def state(self, given: Any) -> int:
        # An array of one number is no state: a table would answer with a row of rows.
        is_whole = isinstance(given, int | np.integer) or (
            isinstance(given, np.ndarray) and given.shape == () and given.dtype.kind in "biu"
        )
        if is_whole and int(given) in self.states:
            return int(given)
        self.refuse(
            f"the observation {given!r}" if not isinstance(given, np.ndarray) or given.size < 9 else kind_of(given)
        )

    def read(self, given: Any, shape: tuple[int, ...]) -> np.ndarray:
        """An observation, or several where `shape` has one more dimension, as an array."""
        try:
            array = np.asarray(given)
        except ValueError:  # lists of unequal length
            self.refuse(f"the observation {kind_of(given)}, whose parts don't make one array")
        if array.shape != shape:
            self.refuse(f"an observation of shape {array.shape}")
        if array.dtype.kind not in "biuf":
            self.refuse(f"an observation of {array.dtype}")
        if self.is_float or array.dtype == self.dtype:
            return array
        # What is kept as a whole number must be one: pictures between 0 and 1 would become black ones.
        with np.errstate(invalid="ignore"):
            kept = array.astype(self.dtype)
        changed = kept != array
        if changed.any():
            self.refuse(
                f"an observation of {array.dtype} with {array[changed][0]} in it, which {self.dtype} can't keep"
            )
        return kept

    def as_given(self, given: Any) -> np.ndarray:
        """One or several observations of somebody's own as an array of the dtype; their shape is not looked at."""
        try:
            array = np.asarray(given)
        except ValueError:  # lists of unequal length
            self.refuse(f"{kind_of(given)}, and its parts don't make one array", by_user=True)
        if array.dtype.kind not in "biuf":
            self.refuse(f"{kind_of(given)}, not numbers", by_user=True)
        with np.errstate(invalid="ignore"):
            kept = array.astype(self.dtype, copy=False)
        changed = kept != array
        if not self.is_float and changed.any():  # 2.7 is no state
            self.refuse(f"an observation with {array[changed][0]} in it, which {self.dtype} can't keep", by_user=True)
        return kept

    def check_states(self, states: np.ndarray, by_user: bool = False) -> None:
        """Raises if one of several states isn't in the space. `by_user`: whether they are somebody's own, and not from
        the environment."""
        if states.size and not (states.min() >= self.states.start and states.max() < self.states.stop):
            outside = (states < self.states.start) | (states >= self.states.stop)
            self.refuse(f"the observation {states[outside][0]}", by_user)

    def check_finite(self, observation: np.ndarray) -> None:
        """Raises if a number is NaN or infinite: it would spread to every weight."""
        # The sum of squares is finite unless a number isn't (or it overflows, so look again); it costs a third of
        # isfinite.
        if self.is_float and not (math.isfinite(np.vdot(observation, observation)) or np.isfinite(observation).all()):
            bad = observation[~np.isfinite(observation)][0]
            raise UsageError(
                f"{self.name}: the environment returned an observation with {bad} in it; observations must be finite"
            )

    def check_bounds(self, observation: np.ndarray, by_user: bool = False) -> None:
        """Raises if a number of (..., *shape) observations is outside of the space's bounds."""
        if self._bounds is None:
            return
        low, high = self._bounds
        inside = (observation >= low) & (observation <= high)
        if not inside.all():
            self.refuse(f"an observation with {observation[~inside][0]} in it", by_user)

    def refuse(self, what: str, by_user: bool = False) -> NoReturn:
        space = f"its observation_space is {shown(self.space)}"
        if by_user:
            raise UsageError(f"{self.name}: this is {what}, and {space}; give an observation of that space")
        raise UsageError(f"{self.name}: the environment returned {what}, and {space}; mend one of them")


def bounds_of(space: gym.Space) -> tuple[np.ndarray, np.ndarray] | None:
    """What lies between the bounds; `None` if there are none to compare with."""
    if isinstance(space, spaces.MultiDiscrete):
        return space.start, space.start + space.nvec - 1
    if isinstance(space, spaces.MultiBinary):
        return np.zeros(space.shape, np.int8), np.ones(space.shape, np.int8)
    if not isinstance(space, spaces.Box) or not (space.bounded_below | space.bounded_above).any():
        return None
    low, high = space.low, space.high
    if low.dtype.kind == "f":
        with np.errstate(over="ignore"):
            low = (low.astype(np.float64) - ROOM * np.maximum(1, np.abs(low))).astype(np.float32)
            high = (high.astype(np.float64) + ROOM * np.maximum(1, np.abs(high))).astype(np.float32)
        return low, high
    if low.dtype.kind == "b":
        return None
    limits = np.iinfo(low.dtype)
    return None if (low == limits.min).all() and (high == limits.max).all() else (low, high)


def array_dtype(name: str, space: gym.Space) -> np.dtype:
    """The dtype that observations are kept in: float32 for any float, else the space's own (uint8 for pictures)."""
    dtype = np.dtype(as_one_array(name, space).dtype)
    return np.dtype(np.float32) if dtype.kind == "f" else dtype


def as_one_array(name: str, space: gym.Space) -> gym.Space:
    """`space`, or the MultiDiscrete of a Tuple of Discretes: what an agent sees is one array. `UsageError` if it
    can't be one."""
    if isinstance(space, spaces.Box | spaces.Discrete | spaces.MultiDiscrete | spaces.MultiBinary):
        return space
    if isinstance(space, spaces.Tuple) and all(isinstance(part, spaces.Discrete) for part in space.spaces):
        parts: Any = space.spaces
        return spaces.MultiDiscrete([int(part.n) for part in parts], start=[int(part.start) for part in parts])
    if isinstance(space, spaces.Dict) and all(isinstance(part, spaces.Discrete) for part in space.values()):
        raise UsageError(
            f"{name}: observations are a Dict of whole numbers, and agents take one array; make the space a "
            f"MultiDiscrete of them, or a Tuple"
        )
    raise UsageError(
        f"{name}: observations are a {type(space).__name__}, and agents take one array; wrap the environment in "
        f"gymnasium.wrappers.FlattenObservation: give a function that makes it, such as "
        f'lambda: FlattenObservation(gym.make("{name}"))'
    )


def shown(space: gym.Space) -> str:
    """A space on one line."""
    return " ".join(str(space).split())
