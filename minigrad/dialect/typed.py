"""`FloatTensor`, `LongTensor` and their kin: PyTorch's older way to say a dtype, which many scripts still use.

FloatTensor([1, 2])                  # a float32 tensor of these numbers
FloatTensor(2, 3)                    # uninitialised, of this shape
isinstance(x, LongTensor)            # whether x is a tensor of int64
x.type(), x.type(FloatTensor)        # "minigrad.FloatTensor"; x converted
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dtypes
from ..core.tensor import Tensor
from ..errors import GradientError
from .creation import empty, tensor
from .functions import to


class _Typed(type):
    """What makes isinstance(x, FloatTensor) look at the dtype: there is one class of tensors only."""

    dtype: np.dtype

    def __instancecheck__(cls, x: Any) -> bool:
        return isinstance(x, Tensor) and x.array.dtype == cls.dtype

    def __call__(cls, *data: Any) -> Tensor:
        if not data:
            return empty(0, dtype=cls.dtype)
        if isinstance(data[0], int) or len(data) > 1:
            return empty(*data, dtype=cls.dtype)
        if isinstance(data[0], Tensor):
            if data[0].dtype != cls.dtype:
                raise GradientError(
                    f"{cls.__name__}: the tensor given is {data[0].dtype}; convert it with .to({cls.dtype}) or "
                    f".type({cls.__name__})"
                )
            return data[0].detach()
        return tensor(np.asarray(data[0]) if isinstance(data[0], np.generic) else data[0], dtype=cls.dtype)


def make_type(name: str, dtype: np.dtype) -> Any:
    return _Typed(name, (), {"dtype": dtype, "__doc__": f"A tensor of {dtype}.", "__module__": __name__})


FloatTensor, DoubleTensor = make_type("FloatTensor", dtypes.float32), make_type("DoubleTensor", dtypes.float64)
LongTensor, IntTensor = make_type("LongTensor", dtypes.int64), make_type("IntTensor", dtypes.int32)
ShortTensor, CharTensor = make_type("ShortTensor", dtypes.int16), make_type("CharTensor", dtypes.int8)
ByteTensor, BoolTensor = make_type("ByteTensor", dtypes.uint8), make_type("BoolTensor", dtypes.bool)

_ALL = (FloatTensor, DoubleTensor, LongTensor, IntTensor, ShortTensor, CharTensor, ByteTensor, BoolTensor)
_NAMES = {cls.dtype: cls.__name__ for cls in _ALL}


def type_(input: Tensor, dtype: Any = None, non_blocking: bool = False) -> Any:
    """The name of the tensor's type; or, given a dtype (or a typed tensor class, or its name), the tensor converted."""
    if dtype is None:
        return f"minigrad.{_NAMES[input.dtype]}"
    if isinstance(dtype, str):
        named = dtype.rpartition(".")[2]
        dtype = next((cls.dtype for cls in _ALL if cls.__name__ == named), dtype)
    return to(input, dtype.dtype if isinstance(dtype, _Typed) else dtypes.as_dtype(dtype))
