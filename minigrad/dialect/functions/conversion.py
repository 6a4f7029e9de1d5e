"""The same values with another dtype, on another device, or on memory of their own."""

from __future__ import annotations

from typing import Any

from ... import dtypes
from ...core.tensor import Tensor, wrap
from ...device import as_device, device_of
from ...device import device as device_type
from ...ops import arithmetic


def to(input: Tensor, *args: Any, dtype: Any = None, device: Any = None, copy: bool = False, **_: Any) -> Tensor:
    """The tensor with another dtype or on another device; itself if nothing changes. `to(other)` takes both from it."""
    for arg in args:
        if isinstance(arg, Tensor):
            dtype, device = arg.dtype, arg.device
        elif isinstance(arg, device_type) or (isinstance(arg, str) and arg.split(":")[0] in ("cpu", "cuda")):
            device = arg
        elif isinstance(arg, bool):  # non_blocking
            continue
        elif isinstance(arg, str) and arg not in dtypes.NAMES:
            raise TypeError(
                f"to: {arg!r} is neither a dtype nor a device; expected one like minigrad.float32, or 'cpu'"
            )
        else:
            dtype = arg
    out = input
    if dtype is not None:
        wanted = dtypes.as_dtype(dtype)
        if out.array.dtype != wanted:
            if wanted.kind == "f":
                out = arithmetic.cast(out, wanted, out.array.dtype)
            else:
                out = wrap(out.array.astype(wanted))
    if device is not None:
        there, here = as_device(device), device_of(out.array)
        if there is not here:
            out = arithmetic.to_device(out, there, here)
    return clone(out) if copy and out is input else out


def clone(input: Tensor) -> Tensor:
    """A copy on memory of its own; gradients flow through."""
    return arithmetic.clone(input)


def contiguous(input: Tensor) -> Tensor:
    """The tensor itself if its memory is in row-major order, a copy that is otherwise."""
    return input if input.array.flags.c_contiguous else arithmetic.clone(input)
