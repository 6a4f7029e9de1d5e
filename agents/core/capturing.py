"""Captured updates: what an agent computes with tensors in an update, recorded once and replayed (docs/capture.md).

Every update of an agent does the same on other numbers, so it can be captured: a replay is equal to the bit and takes
less time. Whoever changes an agent must not have to think of that. So with `capture="auto"` only what this project has
defined itself is captured. A class, a network, a loss of a user's own may count, print or branch, and runs eagerly.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from types import FunctionType
from typing import Any

import minigrad as mg
import minigrad.nn as nn
from envs import UsageError

CHECK_EVERY = 1_000  # updates, where a user's own piece is captured
OURS = {"agents", "minigrad", "envs", "gymnasium", "numpy", "builtins", "typing", "abc", "collections", "functools"}
# What an update doesn't call: where steps come from, and what belongs to a training.
NOT_PARTS = ("env", "environments", "data", "preset", "metrics", "random", "observation_space", "action_space")
said: set[str] = set()  # what a warning was given of already


def check_capture(value: Any) -> bool | str:
    """`value`, if it says whether to capture."""
    if value not in (True, False, "auto"):
        raise UsageError(f"capture is True, False or 'auto', got {value!r}")
    return value


class Update:
    """`function`, a method of tensors of an agent or of a part of it, captured where that is safe."""

    def __init__(self, agent: Any, function: Callable) -> None:
        self.agent, self.function, self.owner = agent, function, function.__self__  # type: ignore[attr-defined]
        self.run: Callable | None = None
        self.parts: list[tuple[str, Any]] = []  # what an update may call, by name
        self.size = 0  # how many attributes there are

    def __getstate__(self) -> dict[str, Any]:
        """A copy begins anew."""
        return {**self.__dict__, "run": None}

    def __call__(self, *arguments: Any) -> Any:
        held = self.owner.__dict__
        for name, part in self.parts:
            if held.get(name) is not part:
                self.run = None  # somebody has put another in its place
        if len(held) != self.size:  # or a function in the place of a method
            self.run = None
        if self.run is None:
            self.choose()
        return self.run(*arguments)  # type: ignore[misc]

    def choose(self) -> None:
        """Captured or not, with the parts that are there now."""
        held = self.owner.__dict__
        self.parts = [(name, x) for name, x in held.items() if name not in NOT_PARTS and is_part(x)]
        self.size = len(held)
        agent, chosen = self.agent, self.agent.capture
        foreign = None if chosen is False else find_foreign(agent, self.owner)
        if chosen is False or agent.device.type != "cpu" or (chosen == "auto" and foreign):
            self.run = self.function
            if chosen == "auto" and foreign and foreign not in said:
                said.add(foreign)
                warnings.warn(
                    f"{agent.name}: its updates run as they are written, because {foreign} is your own. capture=True "
                    f"(--capture) records them once and replays them, and compares every {CHECK_EVERY:,} updates",
                    UserWarning,
                    stacklevel=2,
                )
        else:
            self.run = mg.capture(self.function, check_every=CHECK_EVERY if foreign else None)


def is_part(x: Any) -> bool:
    """A function, or an object of this project's or a user's: no number, no array."""
    return hasattr(x, "__dict__") and not isinstance(x, type)


def find_foreign(agent: Any, owner: Any) -> str | None:
    """Something that runs in an update and is not of this project, in words; None if there is nothing."""
    kinds = [*type(agent).__mro__, *type(owner).__mro__]
    for thing in (*kinds, *iterate_parts(agent, 2), *iterate_parts(owner, 2)):
        kind = thing if isinstance(thing, type | FunctionType) else type(thing)
        if (kind.__module__ or "").partition(".")[0] not in OURS:
            return f"{kind.__module__ or '?'}.{kind.__qualname__}"
    return None


def iterate_parts(x: Any, depth: int) -> Iterator[Any]:
    """The objects and functions that something holds, and those that they hold."""
    values = [part for name, part in getattr(x, "__dict__", {}).items() if name not in NOT_PARTS]
    for part in values:
        for inner in part if isinstance(part, list | tuple) else part.values() if isinstance(part, dict) else [part]:
            if isinstance(inner, nn.Module):
                yield from inner.modules()
            elif not isinstance(inner, type):
                yield inner
                if depth > 1:
                    yield from iterate_parts(inner, depth - 1)
