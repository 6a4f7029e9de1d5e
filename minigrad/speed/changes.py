"""Changes in place that code makes to many tensors at every step, such as a target network that follows softly.

Usual ones are done on the arrays at once. Whatever is unusual goes to dialect/inplace.py's method.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core import modes
from ..core.modes import observers
from ..core.tensor import Tensor
from ..events import report, wants_every_row


def interpolate(x: Any, end: Any, weight: Any) -> None:
    """x ← x + weight (end - x)."""
    step = end - x
    step *= weight
    np.add(x, step, out=x)


CHANGES: dict[str, Callable[..., Any]] = {
    "add_": lambda x, y: np.add(x, y, out=x),
    "sub_": lambda x, y: np.subtract(x, y, out=x),
    "mul_": lambda x, y: np.multiply(x, y, out=x),
    "div_": lambda x, y: np.divide(x, y, out=x),
    "lerp_": interpolate,
}


def quicken_changes() -> None:
    """Exchange these methods of Tensor."""
    for name, change in CHANGES.items():
        setattr(Tensor, name, quicken(getattr(Tensor, name), change))


def quicken(general: Callable[..., Tensor], change: Callable[..., Any]) -> Callable[..., Tensor]:
    """A method that makes usual changes at once, and hands the others to `general`."""

    def method(self: Tensor, *arguments: Any, **named: Any) -> Tensor:
        if named or not is_unrecorded(self, arguments) or not change_array(self, change, arguments):
            return general(self, *arguments, **named)
        if observers:
            report("changed", self, general.__name__, change, arguments)
        return self

    method.__name__, method.__qualname__, method.__doc__ = general.__name__, general.__qualname__, general.__doc__
    return method


def is_unrecorded(x: Tensor, arguments: tuple) -> bool:
    """Whether nobody records or observes the change, and x is no view that is out of date."""
    if x._base is not None and x._base[1] != x._version[1]:
        return False
    if observers and wants_every_row():
        return False
    if modes.paused and modes.get_ident() in modes.paused:
        return True
    return x._node is None and all(not isinstance(y, Tensor) or y._node is None for y in arguments)


def change_array(x: Tensor, change: Callable[..., Any], arguments: tuple) -> bool:
    """Change `x` at once, if all are floats of one kind (or numbers), so that there is nothing to convert."""
    array = x.array
    dtype = array.dtype
    if dtype.kind != "f":
        return False
    raw = []
    for y in arguments:
        if isinstance(y, Tensor):
            y = y.array
            if y.dtype is not dtype or type(y) is not type(array):
                return False
        elif type(y) is not float and type(y) is not int:
            return False
        raw.append(y)
    try:
        change(array, *raw)
    except (ValueError, TypeError):  # before anything was changed: the general way explains it
        return False
    x._version[0] += 1
    return True
