"""Recorded steps: what somebody did in an environment, in one file, to learn from.

The file is .safetensors: the fields of the transition contract (envs/transitions.py), one row a step, whole episodes
one after the other; bytes stay bytes. Its metadata say where the steps are from. Actions are those that the environment
takes, so an agent that scales them or divides them reads them, too.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import safetensors
import safetensors.numpy
from gymnasium import spaces

from envs import Environments, Transition, UsageError
from envs.checking import shown

FORMAT = "minigrad steps 1"
FIELDS = ("observation", "action", "reward", "terminated", "truncated", "next_observation")


@dataclass(frozen=True)
class RecordedSteps:
    """N steps in their order. `about` is what the file says of them."""

    observation: np.ndarray  # (N, ...)
    action: np.ndarray  # (N,) or (N, ...), as the environment takes them
    reward: np.ndarray  # (N,) float64
    terminated: np.ndarray  # (N,) bool: the episode reached its end
    truncated: np.ndarray  # (N,) bool: it was cut off
    next_observation: np.ndarray  # (N, ...)
    about: dict[str, Any]

    @classmethod
    def of(cls, transitions: list[Transition], about: dict[str, Any]) -> Self:
        """The steps of one environment."""
        fields = {name: np.concatenate([getattr(step, name) for step in transitions]) for name in FIELDS}
        return cls(**fields, about=about)

    def __len__(self) -> int:
        return len(self.reward)

    def for_agent(self, environments: Environments) -> Self:
        """With the actions as the agent sees them that acts in `environments`. Raises `UsageError` where the steps are
        from an environment with other spaces."""
        recorded, own = self.about["spaces"], [shown(space) for space in environments.env_spaces]
        if recorded != own:
            raise UsageError(
                f"the steps were recorded in {self.about['env']} with observations of {recorded[0]} and actions of "
                f"{recorded[1]}, but {environments.name} has {own[0]} and {own[1]}; record steps there"
            )
        check_actions(self.action, environments.env_spaces[1])
        return replace(self, action=environments.for_agent(self.action))

    def transitions(self) -> Iterator[Transition]:
        """One by one, as of environment 0."""
        env = np.zeros(1, np.int64)
        for i in range(len(self)):
            row = slice(i, i + 1)
            yield Transition(**{name: getattr(self, name)[row] for name in FIELDS}, env=env)


def check_actions(actions: np.ndarray, space: Any) -> None:
    """Raises `UsageError` unless all of the actions, (N, ...), are in `space`: else an index would be out of range, or
    from the other end."""
    expected = (len(actions), *space.shape)
    if actions.shape != expected:
        raise UsageError(f"the recorded actions must have shape {expected}, got {actions.shape}")
    if isinstance(space, spaces.Discrete):
        inside = (actions >= space.start) & (actions < space.start + space.n) & (actions.dtype.kind in "iu")
    elif isinstance(space, spaces.Box):
        inside = ((actions >= space.low) & (actions <= space.high)).reshape(len(actions), -1).all(1)
    else:
        inside = np.array([space.contains(action) for action in actions])
    if not inside.all():
        raise UsageError(f"the recorded action {actions[~inside][0]} is not in {shown(space)}")


def write_steps(path: str | Path, steps: RecordedSteps) -> None:
    from ..runs.files import write_atomically

    arrays = {name: np.ascontiguousarray(getattr(steps, name)) for name in FIELDS}
    about = {"format": FORMAT, "about": json.dumps(steps.about)}
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, safetensors.numpy.save(arrays, about))


def read_steps(path: str | Path) -> RecordedSteps:
    """The steps in a file that `write_steps` wrote. Raises `UsageError` for any other."""
    path = Path(path)
    if not path.is_file():
        raise UsageError(f"{path}: there is no such file of recorded steps; `minigrad collect RUN` writes one")
    try:
        with safetensors.safe_open(path, "numpy") as file:
            said = file.metadata() or {}
            if said.get("format") != FORMAT:
                raise ValueError(f"its format is {said.get('format', 'not given')}, and not {FORMAT!r}")
            about = json.loads(said["about"])
            arrays = {name: file.get_tensor(name) for name in FIELDS}
        counts = {len(array) for array in arrays.values()}
        ended = arrays["terminated"] | arrays["truncated"]
        if len(counts) != 1 or not counts.pop():
            raise ValueError("its fields must have the same number of rows, at least one")
        if arrays["observation"].shape != arrays["next_observation"].shape or not ended[-1]:
            raise ValueError("its episodes are not whole")
        if not all(isinstance(about[name], kind) for name, kind in (("env", str), ("spaces", list))):
            raise ValueError("its metadata don't say where the steps are from")
    except (KeyError, TypeError, ValueError, safetensors.SafetensorError) as problem:
        raise UsageError(f"{path} does not hold recorded steps: {' '.join(str(problem).split())}") from problem
    return RecordedSteps(**arrays, about=about)


class DataFile:
    """A file of recorded steps that an agent learns from, and its checksum: a run goes on with the same steps."""

    def __init__(self, given: str | Path | dict[str, str]) -> None:
        self.is_new = not isinstance(given, dict)
        if isinstance(given, dict):  # a config's: who only acts needs no file
            self.path, self.sha256 = Path(given["file"]), given["sha256"]
        else:
            self.path = Path(given).absolute()
            if not self.path.is_file():
                read_steps(self.path)  # says what is missing
            self.sha256 = checksum(self.path)

    def config(self) -> dict[str, str]:
        return {"file": str(self.path), "sha256": self.sha256}

    def read(self) -> RecordedSteps:
        """Raises `UsageError` where the file is another one by now."""
        steps = read_steps(self.path)
        if checksum(self.path) != self.sha256:
            raise UsageError(
                f"{self.path} was changed since the training began (its SHA-256 differs); put it back, or train anew"
            )
        return steps


def checksum(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
