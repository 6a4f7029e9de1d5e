"""PyTorch's words for what a tensor is, and for leaving the engine: data, detach, item, numpy, len, bool, copies."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .. import dtypes
from ..core.modes import get_ident, rules_see_tensors
from ..core.tensor import LEAF, Tensor, wrap
from ..device import device, device_of, namespace
from ..errors import GradientError
from ..events import report
from .size import Size

_new = object.__new__


def construct(self: Tensor, *data: Any) -> None:
    """`Tensor(data)` makes a float copy of `data`; `Tensor(2, 3)` makes an uninitialised tensor of that shape.

    `minigrad.tensor(data)` keeps the data's own type and is what most code wants.
    """
    if not data or all(type(d) is int for d in data):
        array = np.empty(data if data else (0,), dtypes.get_default_dtype())
    elif len(data) > 1:
        raise TypeError(
            f"Tensor: takes one array-like or a shape of ints, got {len(data)} arguments; pass one (nested) list"
        )
    else:
        given = data[0].array if isinstance(data[0], Tensor) else data[0]
        array = namespace(given).array(given, dtypes.get_default_dtype())
    self.array = array
    self._node = self._grad = self._hooks = self._base = None
    self._version = [0, 0]


# -- what it is -------------------------------------------------------------------------------------------


def shape(self: Tensor) -> Size:
    """The sizes of the dimensions, a tuple of ints with `.numel()`."""
    return Size(self.array.shape)


def find_device(self: Tensor) -> device:
    """Where the array lives: `device("cpu")` or `device("cuda", 0)`."""
    return device_of(self.array)


def size(self: Tensor, dim: int | None = None) -> Any:
    """The shape, or the size of dimension `dim`."""
    if dim is None:
        return Size(self.array.shape)
    try:
        return self.array.shape[dim]
    except IndexError:
        raise IndexError(
            f"size: dimension {dim} is out of range for a tensor of shape {self.shape}; see .ndim"
        ) from None


def requires_grad_(self: Tensor, requires_grad: bool = True) -> Tensor:
    """Start or stop recording what is computed from this leaf; returns the tensor itself.

    Raises RuntimeError for integer and bool tensors, and when switched off on a tensor that an operation made.
    """
    self.requires_grad = requires_grad
    return self


def data(self: Tensor) -> Tensor:
    """A detached tensor on the same memory whose changes in place are not counted (see `detach`)."""
    out = wrap(self.array)
    report("aliased", self, out)
    return out


def set_data(self: Tensor, value: Tensor) -> None:
    """Use the memory of `value` from now on."""
    if not isinstance(value, Tensor):
        raise TypeError(f"data: expected a Tensor, got {type(value).__name__}; wrap it with as_tensor")
    if value.dtype != self.dtype and self._node is not None:
        raise GradientError(f"data: this tensor is {self.dtype}, the one given {value.dtype}; convert it first")
    self.array = value.array


def detach(self: Tensor) -> Tensor:
    """A tensor on the same memory that requires no gradient: a constant to whatever is computed from it."""
    out = wrap(self.array)
    out._version = self._version
    report("aliased", self, out)
    return out


def detach_(self: Tensor) -> Tensor:
    """Forget how this tensor was made; it becomes a leaf without a gradient.

    Raises RuntimeError for a recorded view: a recorded change of its base would connect it to the graph again.
    """
    if self._node is not None and self._base is not None:
        raise GradientError("detach_: this tensor is a view of another, which stays recorded; use .detach()")
    self._node = None
    return self


# -- leaving the engine -----------------------------------------------------------------------------------


def numpy(self: Tensor) -> np.ndarray:
    """The values as a NumPy array on the same memory. Refused if the tensor requires a gradient or is on a GPU."""
    if self._node is not None:
        raise GradientError(
            "numpy: this tensor requires a gradient, which the array could not carry; use .detach().numpy()"
        )
    if self.device.type != "cpu":
        raise TypeError(f"numpy: this tensor is on {self.device}; copy it to the host first, with .cpu()")
    report("read", "numpy()")
    return self.array


def count_changes(x: Tensor) -> int:
    """How often the values of `x` have been changed in place, also through another tensor on the same memory.

    While the count stays the same, what was computed from `x` is not out of date. Methods that end in `_`, `x[...] = y`
    and optimizers count. A change of `x.data` or of the NumPy array does not. PyTorch has it as `x._version`.
    """
    return x._version[0]


def item(self: Tensor) -> Any:
    """The value of a one-element tensor as a Python number."""
    array = self.array
    if array.size != 1:
        raise RuntimeError(
            f"item: only one-element tensors have a single value, this one has shape {array.shape}; "
            "index it or reduce it first, or use .tolist()"
        )
    report("read", "item()")
    return array.item()


def tolist(self: Tensor) -> Any:
    """The values as (nested) lists of Python numbers."""
    report("read", "tolist()")
    return self.array.tolist()


def convert_to_array(self: Tensor, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
    """What NumPy asks for."""
    if get_ident() in rules_see_tensors:
        raise GradientError(
            "a derivative rule converted a Tensor to an array, which would detach the gradient silently; "
            "write the rule with operators and the engine's own operations"
        )
    array = numpy(self)
    if dtype is not None and array.dtype != dtype:
        return array.astype(dtype)
    return array.copy() if copy else array


def count_items(self: Tensor) -> int:
    """The size of the first dimension."""
    if self.array.ndim == 0:
        raise TypeError("len() of a 0-d tensor; it holds a single value, see .item()")
    return self.array.shape[0]


def iterate(self: Tensor) -> Iterator[Tensor]:
    """The slices along the first dimension."""
    if self.array.ndim == 0:
        raise TypeError("iteration over a 0-d tensor; it holds a single value, see .item()")
    return iter(self.unbind(0))


def take_only_value(self: Tensor, what: str) -> Any:
    """The value of a one-element tensor. `what` says what is wanted of it."""
    if self.array.size != 1:
        raise RuntimeError(
            f"{what} of a tensor of shape {self.shape} is ambiguous; only one-element tensors have one "
            "(use .any(), .all() or .tolist())"
        )
    report("read", what)
    return self.array.item()


def convert_to_index(self: Tensor) -> int:
    """The value of a one-element integer tensor, as an index."""
    if self.array.dtype.kind not in "iub":
        raise TypeError(
            f"only an integer tensor of one element can be used as an index, this one is {self.dtype}; use int(x)"
        )
    return int(take_only_value(self, "the index value"))


# -- copies -----------------------------------------------------------------------------------------------


def copy_deeply(self: Tensor, memo: dict) -> Any:
    """A copy of a leaf, with its gradient and its own attributes. A Parameter's copy has neither, as in PyTorch."""
    refuse_non_leaf("deepcopy", self, "only leaves can be copied with their gradients; use .detach().clone()")
    out = rebuild(type(self), self.array.copy(), self._node is LEAF)
    memo[id(self)] = out
    if type(self) is Tensor:
        if self._grad is not None:
            out._grad = wrap(self._grad.array.copy())
        if self.__dict__:
            from copy import deepcopy  # is imported already: it has called this method

            out.__dict__.update(deepcopy(self.__dict__, memo))
    return out


def copy_shallowly(self: Tensor) -> Any:
    """Another leaf on the same memory, without the gradient."""
    refuse_non_leaf("copy", self, "only leaves can be copied; use .detach(), or .clone() to stay in the graph")
    out = rebuild(type(self), self.array, self._node is LEAF)
    out._version = self._version
    out.__dict__.update(self.__dict__)
    return out


def reduce(self: Tensor, protocol: Any) -> Any:
    """How a leaf is pickled, to be sent to another process."""
    refuse_non_leaf("pickle", self, "only leaves can be sent to another process; use .detach() first")
    return rebuild, (type(self), self.array, self._node is LEAF), self.__dict__ or None


def refuse_non_leaf(who: str, x: Tensor, hint: str) -> None:
    """Raise unless `x` is a leaf: a copy of another tensor would lose its place in the graph."""
    if not x.is_leaf:
        raise GradientError(f"{who}: this tensor was made by '{x._node.plan.operation.name}' and {hint}")


def rebuild(cls: type, array: np.ndarray, requires_grad: bool) -> Tensor:
    """A leaf around `array`."""
    out: Tensor = _new(cls)
    out.array, out._node = array, LEAF if requires_grad else None
    out._grad = out._hooks = out._base = None
    out._version = [0, 0]
    return out


METHODS = {
    "__init__": construct,
    "size": size,
    "dim": lambda self: self.array.ndim,
    "numel": lambda self: self.array.size,
    "is_floating_point": lambda self: self.array.dtype.kind == "f",
    "is_contiguous": lambda self: self.array.flags.c_contiguous,
    "requires_grad_": requires_grad_,
    "detach": detach,
    "detach_": detach_,
    "numpy": numpy,
    "item": item,
    "tolist": tolist,
    "__array__": convert_to_array,
    "__len__": count_items,
    "__iter__": iterate,
    "__bool__": lambda self: bool(take_only_value(self, "the truth value")),
    "__float__": lambda self: float(take_only_value(self, "the float value")),
    "__int__": lambda self: int(take_only_value(self, "the int value")),
    "__index__": convert_to_index,
    "__hash__": object.__hash__,  # by identity: `==` compares elements
    "__copy__": copy_shallowly,
    "__deepcopy__": copy_deeply,
    "__reduce_ex__": reduce,
}
PROPERTIES = {
    "shape": shape,
    "ndim": lambda self: self.array.ndim,
    "dtype": lambda self: self.array.dtype,
    "device": find_device,
    "grad_fn": lambda self: None if self._node is LEAF else self._node,
}
