"""Devices: "cpu" is NumPy. The only module that knows where arrays live.

The CuPy backend ("cuda") is not built yet: asking for it is an error that says so.
"""

from __future__ import annotations

from typing import Any

import numpy as np


class device:  # noqa: N801  (PyTorch's name)
    """Where a tensor's memory lives. `device("cpu")`; comparable with strings by `.type`."""

    __slots__ = ("index", "type")

    type: str
    index: int | None

    def __init__(self, type: Any, index: int | None = None) -> None:
        if isinstance(type, device):
            type, index = type.type, type.index
        name, _, number = str(type).partition(":")
        if name not in ("cpu", "cuda"):
            raise RuntimeError(f"device: unknown device {type!r}; expected 'cpu' or 'cuda'")
        if number and not number.isdigit():
            raise RuntimeError(f"device: {type!r} has a bad index; expected 'cpu' or 'cuda:0'")
        self.type, self.index = name, int(number) if number else index

    def __eq__(self, other: object) -> bool:
        return isinstance(other, device) and (self.type, self.index) == (other.type, other.index)

    def __hash__(self) -> int:
        return hash((self.type, self.index))

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __repr__(self) -> str:
        return f"device(type='{self.type}'" + (f", index={self.index})" if self.index is not None else ")")


CPU = device("cpu")


def device_of(array: Any) -> device:
    """The device that holds `array`."""
    return CPU


def as_device(where: Any) -> device:
    """`where` (None, a string or a device) as a device that is available."""
    found = CPU if where is None else device(where)
    if found.type != "cpu":
        raise RuntimeError(
            f"device {str(found)!r} is not available: this version computes on the CPU only; use device='cpu'"
        )
    return found


def put(array: Any, where: Any) -> np.ndarray:
    """`array` on device `where`, copied only if it is elsewhere."""
    as_device(where)
    return array
