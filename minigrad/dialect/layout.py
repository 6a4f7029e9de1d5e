"""What a tensor says about its memory: bytes, strides, offsets. methods.py binds these to Tensor."""

from __future__ import annotations

from typing import Any

from ..core.tensor import Tensor
from ..device import on_cpu
from ..ops.shapes import axis


def itemsize(self: Tensor) -> int:
    """Bytes per element."""
    return self.array.itemsize


def nbytes(self: Tensor) -> int:
    """Bytes of all elements."""
    return self.array.nbytes


def element_size(self: Tensor) -> int:
    """Bytes per element."""
    return self.array.itemsize


def numel(input: Tensor) -> int:
    """The number of elements."""
    return input.array.size


def stride(self: Tensor, dim: int | None = None) -> Any:
    """How many elements further in memory the next element of each dimension lies, or of dimension `dim`."""
    steps = tuple(n // self.array.itemsize for n in self.array.strides)
    return steps if dim is None else steps[axis(dim, self.ndim)]


def storage_offset(self: Tensor) -> int:
    """How many elements lie in memory before the first one of this view."""
    owner = self.array
    while owner.base is not None and hasattr(owner.base, "itemsize"):
        owner = owner.base
    return (data_ptr(self) - find_address(owner)) // self.array.itemsize


def data_ptr(self: Tensor) -> int:
    """The address of the first element: equal for two tensors that begin at the same memory."""
    return find_address(self.array)


def find_address(array: Any) -> int:
    return array.ctypes.data if on_cpu(array) else array.data.ptr


def is_cuda(self: Tensor) -> bool:
    """Whether the tensor is on a GPU."""
    return not on_cpu(self.array)


def is_cpu(self: Tensor) -> bool:
    """Whether the tensor is on the CPU."""
    return on_cpu(self.array)


def get_device(self: Tensor) -> int:
    """The number of the GPU that holds the tensor, -1 for the CPU."""
    return -1 if on_cpu(self.array) else 0


def is_floating_point(input: Tensor) -> bool:
    """Whether the dtype is a floating-point one (only those carry gradients)."""
    return input.array.dtype.kind == "f"


def is_nonzero(input: Tensor) -> bool:
    """Whether the single element is not 0."""
    return bool(input)


PROPERTIES = {"itemsize": itemsize, "nbytes": nbytes, "is_cuda": is_cuda, "is_cpu": is_cpu}
METHODS = {
    "element_size": element_size,
    "nelement": numel,
    "ndimension": lambda x: x.ndim,
    "stride": stride,
    "storage_offset": storage_offset,
    "data_ptr": data_ptr,
    "get_device": get_device,
    "is_nonzero": is_nonzero,
}
