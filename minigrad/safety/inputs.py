"""Before a call: refuse inputs that NumPy would take, and should not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from .. import dtypes
from ..core.operation import Operation
from ..core.tensor import Tensor
from ..device import device_of, is_array
from ..errors import GradientError


def check_inputs(operation: Operation, inputs: Sequence) -> None:
    """The hook `before_call`."""
    for x in inputs:
        if isinstance(x, Tensor):
            if x._base is not None and x._base[1] != x._version[1]:
                raise GradientError(
                    f"{operation.name}: an input of shape {x.shape} is a view taken before its base was changed in "
                    "place by a recorded operation, so its gradient would be wrong; take the view again after the "
                    "change"
                )
            if type(x.array) is not np.ndarray:
                refuse_two_devices(operation, inputs)
    if operation.name == "subtract" and any(getattr(x, "dtype", None) == dtypes.bool for x in inputs):
        raise GradientError(
            "subtract: '-' is not defined for bool tensors; for 1 - mask use ~mask or logical_not(mask), "
            "or convert the mask with .float()"
        )


def refuse_two_devices(operation: Operation, inputs: Iterable[Any]) -> None:
    """Refuse tensors and arrays that do not lie on one device. (CuPy takes some of the host's silently.)"""
    if operation.name == "to_device":
        return
    parts = [y for x in inputs for y in (x if isinstance(x, tuple | list) else (x,))]  # an index may be a tuple
    arrays = [getattr(x, "array", x) for x in parts]
    devices = list(dict.fromkeys(str(device_of(a)) for a in arrays if is_array(a)))
    if len(devices) > 1:
        raise GradientError(
            f"{operation.name}: the tensors are on two devices, {' and '.join(devices)}; an operation computes on "
            "one: move all of them there with .to(device)"
        )
