"""Faster forwards of rows: the same array by a shorter way."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.operation import TABLE


def broadcast_number(x: Any, shape: tuple[int, ...]) -> Any:
    """`np.broadcast_to`. One number, the cotangent of every loss, becomes the same view without NumPy's checks."""
    if x.ndim or not isinstance(x, np.ndarray | np.generic):
        return np.broadcast_to(x, shape)
    y = np.ndarray(shape, x.dtype, x, 0, (0,) * len(shape))
    y.flags.writeable = False
    return y


def exchange_forwards() -> None:
    """Give the rows their faster forwards."""
    TABLE["broadcast_to"].forward = broadcast_number
