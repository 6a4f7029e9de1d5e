"""The same values with another dtype, on another device, or on memory of their own."""

from __future__ import annotations

import math
from typing import Any

from ... import dtypes
from ...core.tensor import Tensor, wrap
from ...device import as_device, device_of
from ...device import device as device_type
from ...errors import GradientError
from ...events import compute
from ...ops import arithmetic
from ..creation import convert


def to(
    input: Tensor,
    *args: Any,
    dtype: Any = None,
    device: Any = None,
    non_blocking: bool = False,
    copy: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """The tensor with another dtype or on another device; itself if nothing changes, or a copy with copy=True.

    By position: to(dtype), to(device, dtype) or to(other), which gives both; then non_blocking and copy.
    non_blocking, memory_format: accepted; transfers wait, and memory is in the order that NumPy gives it.
    """
    flags = [arg for arg in args if isinstance(arg, bool)]  # non_blocking, copy
    copy = copy or flags[1:2] == [True]
    for arg in args:
        if isinstance(arg, Tensor):
            dtype, device = arg.dtype, arg.device
        elif isinstance(arg, device_type) or (isinstance(arg, str) and arg.split(":")[0] in ("cpu", "cuda")):
            device = arg
        elif isinstance(arg, bool):
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
                out = wrap(compute(convert, out.array, wanted))
    if device is not None:
        there, here = as_device(device), device_of(out.array)
        if there is not here:
            out = arithmetic.to_device(out, there, here)
    return clone(out) if copy and out is input else out


def check_tensors(name: str, **arguments: Any) -> None:
    """Raise TypeError unless all of these arguments are Tensors."""
    for argument, x in arguments.items():
        if not isinstance(x, Tensor):
            raise TypeError(f"{name}: {argument} must be a Tensor, got {type(x).__name__}; wrap it with as_tensor")


def as_element(name: str, input: Tensor, value: Any) -> Any:
    """A number or a 0-d tensor as an element of `input`: a number or a 0-d tensor of its dtype."""
    if isinstance(value, Tensor):
        if value.ndim:
            raise GradientError(f"{name}: value must be a number or a 0-d tensor, this one has shape {value.shape}")
        return to(value, input.dtype)
    dtype = input.array.dtype
    if dtype.kind in "iu":
        if not math.isfinite(value):
            raise GradientError(f"{name}: {dtype} cannot hold {value}; convert the tensor first, with .float()")
        value = dtypes.fit(name, int(value), dtype)
    return dtype.type(value)


def clone(input: Tensor) -> Tensor:
    """A copy on memory of its own; gradients flow through."""
    return arithmetic.clone(input)


def contiguous(input: Tensor) -> Tensor:
    """The tensor itself if its memory is in row-major order, a copy that is otherwise."""
    return input if input.array.flags.c_contiguous else arithmetic.clone(input)
