"""What an agent has to keep across a crash, where no object with a `state_dict` of its own holds it."""

from __future__ import annotations

import copyreg
from types import SimpleNamespace
from typing import Any

import numpy as np


class State(SimpleNamespace):
    """Attributes that must survive a crash: arrays, plain values and lists of them."""

    def __reduce__(self) -> tuple[Any, ...]:
        """For pickle: without a call of `__init__`, which takes other arguments in a class derived from this one."""
        return copyreg.__newobj__, (type(self),), vars(self)  # type: ignore[attr-defined]  # typeshed lacks it

    def state_dict(self) -> dict[str, Any]:
        return dict(vars(self))

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Raises where an attribute is missing, or is of another kind or shape: a table without its estimates would
        begin anew."""
        for name, own in vars(self).items():
            given = state[name]
            if type(given) is not type(own):
                raise TypeError(f"{name} must be of type {type(own).__name__}, got {type(given).__name__}")
            if isinstance(own, np.ndarray) and (given.shape, given.dtype) != (own.shape, own.dtype):
                raise ValueError(
                    f"{name} must be {own.dtype} of shape {own.shape}, got {given.dtype} of shape {given.shape}"
                )
        vars(self).update(state)
