"""How a tensor is printed."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dtypes
from ..core.tensor import LEAF, Tensor
from ..device import to_numpy

PRINTING: dict[str, Any] = {"precision": 4}
"""How the values are written (see settings.set_printoptions)."""


def represent(self: Tensor) -> str:
    """tensor([1., 2.], requires_grad=True)."""
    values = np.array2string(to_numpy(self.array), separator=", ", prefix="tensor(", suppress_small=True, **PRINTING)
    notes = []
    if self.dtype not in (dtypes.float32, dtypes.int64, dtypes.bool):
        notes.append(f"dtype={self.dtype}")
    if self.device.type != "cpu":
        notes.append(f"device='{self.device}'")
    if self.grad_fn is not None:
        notes.append(f"grad_fn={self._node}")
    elif self._node is LEAF:
        notes.append("requires_grad=True")
    return f"tensor({', '.join([values, *notes])})"


def format_tensor(self: Tensor, spec: str) -> str:
    """f"{loss}", f"{loss:.3f}": the number of a 0-d tensor. Other tensors are printed whole."""
    return format(self.array.item() if self.array.ndim == 0 else str(self), spec)


METHODS = {"__repr__": represent, "__format__": format_tensor}
