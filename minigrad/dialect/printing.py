"""How a tensor is printed: the numbers in columns, then what there is to know about them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import dtypes
from ..core.tensor import LEAF, Tensor
from ..device import to_numpy
from ..events import report

PRINTING: dict[str, Any] = {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80, "sci_mode": None}
"""How the values are written (see settings.set_printoptions)."""


def represent(self: Tensor) -> str:
    """tensor([1., 2.], requires_grad=True)."""
    report("read", "printing")
    text = "tensor(" + (write_values(to_numpy(self.array)) if self.array.size else "[]")
    for note in list_notes(self):
        last = text[text.rfind("\n") + 1 :]
        fits = len(last) + len(note) + 4 <= PRINTING["linewidth"]  # a comma, a space, and two to spare
        text += (", " if fits else ",\n" + " " * 7) + note
    return text + ")"


def list_notes(x: Tensor) -> list[str]:
    """What the numbers do not show: the device, the dtype, where the tensor comes from."""
    notes = []
    if x.device.type != "cpu":
        notes.append(f"device='{x.device}'")
    if not x.array.size and x.array.ndim != 1:
        notes.append(f"size={tuple(x.array.shape)}")
    seen = (dtypes.int64, dtypes.bool) if x.array.size else ()  # numbers show these two: 1 and True
    if x.dtype not in (dtypes.get_default_dtype(), *seen):
        notes.append(f"dtype={x.dtype}")
    if x.grad_fn is not None:
        notes.append(f"grad_fn={x._node}")
    elif x._node is LEAF:
        notes.append("requires_grad=True")
    return notes


def write_values(array: np.ndarray) -> str:
    """The numbers of an array, in nested brackets. Of many numbers only those at the edges."""
    shortened = array.size > PRINTING["threshold"]
    edge = PRINTING["edgeitems"]
    columns = array  # the numbers that are shown: they alone decide how wide the columns are
    if shortened:
        for d, n in enumerate(array.shape):
            if n > 2 * edge:
                columns = np.delete(columns, slice(edge, n - edge), axis=d)
    write = choose_format(columns)
    wide = columns[np.isfinite(columns) & (columns != 0)] if columns.dtype.kind == "f" else columns
    width = max((len(write(value)) for value in wide.reshape(-1).tolist()), default=1)  # which NaN may exceed
    return write_brackets(array, lambda value: write(value).rjust(width), width, 7, shortened)


def write_brackets(array: np.ndarray, write: Callable[[Any], str], width: int, indent: int, shortened: bool) -> str:
    """One pair of brackets and what is in it. `indent`: how far from the left the bracket stands."""
    if not array.ndim:
        return write(array.item())
    n, edge = len(array), PRINTING["edgeitems"]
    gap = shortened and n > 2 * edge
    places = [*range(edge), *range(n - edge, n)] if gap else range(n)
    if array.ndim > 1:
        items = [write_brackets(array[i], write, width, indent + 1, shortened) for i in places]
        dots, between = "...", ",\n" + "\n" * (array.ndim - 2) + " " * (indent + 1)
    else:
        items = [write(array[i].item()) for i in places]
        dots, between = " ...", ", "
    if gap:
        items.insert(edge, dots)
    if array.ndim == 1:
        n = max(1, (PRINTING["linewidth"] - indent) // (width + 2))  # so many numbers fit in a line
        items = [between.join(items[i : i + n]) for i in range(0, len(items), n)]
        between = ",\n" + " " * (indent + 1)
    return f"[{between.join(items)}]"


def choose_format(array: np.ndarray) -> Callable[[Any], str]:
    """The function that writes one number of this array. All have as many decimals, so that the points align."""
    if array.dtype.kind != "f":
        return str
    sizes = np.abs(array[np.isfinite(array) & (array != 0)].astype(np.float64))
    whole = bool((sizes == np.ceil(sizes)).all())
    scientific = PRINTING["sci_mode"]
    if scientific is None:
        scientific = bool(sizes.size) and (sizes.max() > 1e8 or sizes.min() < 1e-4 or sizes.max() > 1000 * sizes.min())
    if scientific and sizes.size:
        return lambda value: f"{value:.{PRINTING['precision']}e}"
    if whole:
        return lambda value: f"{value:.0f}." if math.isfinite(value) else f"{value}"
    return lambda value: f"{value:.{PRINTING['precision']}f}"


def format_tensor(self: Tensor, spec: str) -> str:
    """f"{loss}", f"{loss:.3f}": the number of a 0-d tensor. Other tensors are printed whole."""
    report("read", "printing")
    return format(self.array.item() if self.array.ndim == 0 else str(self), spec)


METHODS = {"__repr__": represent, "__format__": format_tensor}
