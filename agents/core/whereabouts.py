"""The user's own environment between two trainings. Whoever plays in it leaves it elsewhere than the agent's last
observation says, and the next step would join two episodes."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from envs import Environments


class Whereabouts:
    """Where `environments` are now, to go back there."""

    def __init__(self, environments: Environments) -> None:
        self.environments = environments
        self.state, self.marks = environments.state_dict(), read_marks(environments)

    def go_back(self, seed: int) -> None:
        """Undoes what somebody has played since. Where that is impossible, new episodes begin, from `seed`, with a
        warning. Does nothing where nobody has played."""
        if read_marks(self.environments) == self.marks or self.environments.go_back(self.state):
            return
        warnings.warn(
            f"{self.environments.name} was used since the agent trained in it, and could not be put back: training "
            f"goes on with a new episode, and a return over several steps may join the two; play in another one",
            stacklevel=3,
        )
        self.environments.reset(seed)


def read_marks(environments: Environments) -> list[dict[str, Any]]:
    """What a step or a reset changes in them, as far as it can be compared: numbers, arrays, generators."""
    objects = [*environments.instances(), *environments.layers()]
    return [
        {name: mark for name, value in vars(each).items() if (mark := mark_of(value)) is not None} for each in objects
    ]


def mark_of(value: Any) -> Any:
    if isinstance(value, np.random.Generator):
        return str(value.bit_generator.state)
    if isinstance(value, np.ndarray) and value.dtype != object:
        return value.tobytes()
    if isinstance(value, bool | int | float | str | np.generic):
        return repr(value)
    if isinstance(value, tuple | list):
        return [mark_of(item) for item in value]
    return None
