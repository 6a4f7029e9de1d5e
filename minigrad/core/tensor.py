"""Tensor: an array, its gradient, and the node that made it.

A Tensor that an operation made points to the Node that remembers how (see autograd.py). A leaf that
requires a gradient carries the mark LEAF instead. Everything that computes lives in ops/ and is bound to
the class as operators and methods in methods.py; this file is about what a Tensor *is*.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import dtypes
from ..device import device, device_of, host, namespace
from ..dialect.size import Size
from ..errors import GradientError

if TYPE_CHECKING:
    from .recording import Node


class _Leaf:
    """The mark of a leaf that requires a gradient: backward ends there, in the leaf's `.grad`."""

    def __repr__(self) -> str:
        return "LEAF"


LEAF = _Leaf()
_new = object.__new__

PRINTING: dict[str, Any] = {"precision": 4}
"""How `repr` writes the values (see settings.set_printoptions)."""


class Tensor:
    """A NumPy or CuPy array that remembers how it was computed.

    `Tensor(data)` makes a float32 copy of `data`; `Tensor(2, 3)` makes an uninitialised float32 tensor of that shape.
    `minigrad.tensor(data)` keeps the data's own type and is what most code wants.

    Attributes:
        array: the raw array, for the engine's own use. `.numpy()` is for users.
        grad: the accumulated gradient, a Tensor of the same shape and dtype, or None.
        requires_grad: whether operations on this tensor are recorded.
        is_leaf: whether it was made by the user rather than by a recorded operation.
        grad_fn: the Node that made it, or None.
    """

    # _node:    None (no gradient), LEAF, or the Node that made this tensor
    # _version: [changes in place, those of them that were recorded]; tensors that share memory share the list
    # _base:    for a view, (the tensor whose memory it looks at, the recorded changes when the view was taken)
    __slots__ = ("__weakref__", "_base", "_grad", "_hooks", "_node", "_version", "array")

    array: Any
    _grad: Tensor | None
    _hooks: dict[int, Callable[[Tensor], Tensor | None]] | None
    _node: Any
    _version: list[int]
    _base: tuple[Tensor, int] | None

    def __init__(self, *data: Any) -> None:
        if not data or all(type(d) is int for d in data):
            array = np.empty(data if data else (0,), dtypes.float32)
        elif len(data) > 1:
            raise TypeError(
                f"Tensor: takes one array-like or a shape of ints, got {len(data)} arguments; pass one (nested) list"
            )
        else:
            given = data[0].array if isinstance(data[0], Tensor) else data[0]
            array = namespace(given).array(given, dtypes.float32)
        self.array = array
        self._node = self._grad = self._hooks = self._base = None
        self._version = [0, 0]

    # -- what it is ---------------------------------------------------------------------------------------

    @property
    def shape(self) -> Size:
        """The sizes of the dimensions, a tuple of ints with `.numel()`."""
        return Size(self.array.shape)

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return self.array.ndim

    @property
    def dtype(self) -> np.dtype:
        """The element type, comparable with `minigrad.float32` and its kin."""
        return self.array.dtype

    @property
    def device(self) -> device:
        """Where the array lives: `device("cpu")` or `device("cuda", 0)`."""
        return device_of(self.array)

    def size(self, dim: int | None = None) -> Any:
        """The shape, or the size of dimension `dim`."""
        if dim is None:
            return Size(self.array.shape)
        try:
            return self.array.shape[dim]
        except IndexError:
            raise IndexError(
                f"size: dimension {dim} is out of range for a tensor of shape {self.shape}; see .ndim"
            ) from None

    def dim(self) -> int:
        """The number of dimensions."""
        return self.array.ndim

    def numel(self) -> int:
        """The number of elements."""
        return self.array.size

    def is_floating_point(self) -> bool:
        """Whether the dtype is a floating-point one (only those carry gradients)."""
        return self.array.dtype.kind == "f"

    def is_contiguous(self) -> bool:
        """Whether the elements lie in memory in row-major order without gaps."""
        return self.array.flags.c_contiguous

    # -- its place in the graph ---------------------------------------------------------------------------

    @property
    def requires_grad(self) -> bool:
        """Whether operations on this tensor are recorded. May be set on a leaf."""
        return self._node is not None

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.requires_grad_(value)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Start or stop recording what is computed from this leaf; returns the tensor itself.

        Raises RuntimeError for integer and bool tensors, and when switched off on a tensor that an operation made.
        """
        if requires_grad:
            if self.array.dtype.kind != "f":
                raise GradientError(
                    f"requires_grad: only floating-point tensors can require gradients, this one is {self.dtype}; "
                    "convert it first, with .float()"
                )
            if self._node is None:
                self._node = LEAF
        elif self._node is LEAF:
            self._node = None
        elif self._node is not None:
            raise GradientError(
                "requires_grad: can be switched off on leaves only, but this tensor was made by "
                f"'{self._node.name}'; use .detach() to get a tensor that does not require a gradient"
            )
        return self

    @property
    def is_leaf(self) -> bool:
        """True unless a recorded operation made this tensor."""
        return self._node is None or self._node is LEAF

    @property
    def grad_fn(self) -> Node | None:
        """The node that made this tensor, or None for a leaf."""
        return None if self._node is LEAF else self._node

    @property
    def grad(self) -> Tensor | None:
        """The gradient that `backward` accumulated here: a Tensor of this shape and dtype, or None."""
        return self._grad

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is not None:
            if not isinstance(value, Tensor):
                raise TypeError(f"grad: expected a Tensor or None, got {type(value).__name__}; wrap it with as_tensor")
            if value.shape != self.shape or value.dtype != self.dtype:
                raise GradientError(
                    f"grad: this tensor has shape {self.shape} and dtype {self.dtype}, the gradient given has shape "
                    f"{value.shape} and dtype {value.dtype}; they must be the same"
                )
            if value.device != self.device:
                raise GradientError(
                    f"grad: this tensor is on {self.device}, the gradient given on {value.device}; move it with .to()"
                )
        self._grad = value

    @property
    def data(self) -> Tensor:
        """A detached tensor on the same memory whose changes in place are not counted (see `detach`)."""
        return wrap(self.array)

    @data.setter
    def data(self, value: Tensor) -> None:
        if not isinstance(value, Tensor):
            raise TypeError(f"data: expected a Tensor, got {type(value).__name__}; wrap it with as_tensor")
        if value.dtype != self.dtype and self._node is not None:
            raise GradientError(f"data: this tensor is {self.dtype}, the one given {value.dtype}; convert it first")
        self.array = value.array

    def detach(self) -> Tensor:
        """A tensor on the same memory that requires no gradient: a constant to whatever is computed from it."""
        out = wrap(self.array)
        out._version = self._version
        return out

    def detach_(self) -> Tensor:
        """Forget how this tensor was made; it becomes a leaf without a gradient."""
        self._node = None
        return self

    def backward(
        self,
        gradient: Tensor | None = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: Sequence[Tensor] | Tensor | None = None,
    ) -> None:
        """Add the derivative of this tensor to the `.grad` of every leaf that it was computed from.

        gradient: the cotangent to start from, of this tensor's shape; needed unless the tensor has one element.
        retain_graph: keep the graph so that backward can pass through it again (default: only with create_graph).
        create_graph: record the backward pass itself, so that the gradients can be differentiated in turn.
        inputs: accumulate into these leaves only.
        """
        autograd.backward(self, gradient, retain_graph, create_graph, inputs)

    def retain_grad(self) -> None:
        """Keep the gradient of this tensor in `.grad` although it is not a leaf."""
        if self._node is None:
            raise GradientError("retain_grad: this tensor does not require a gradient; call requires_grad_() first")
        if self._node is not LEAF:
            self._node.retain(weakref.ref(self))

    @property
    def retains_grad(self) -> bool:
        """Whether `retain_grad` was called on this non-leaf."""
        return self.grad_fn is not None and self._node.retains(self)

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> autograd.RemovableHandle:
        """Call `hook(gradient)` whenever this tensor's gradient is computed; what it returns replaces the gradient."""
        if self._node is None:
            raise GradientError("register_hook: this tensor does not require a gradient; call requires_grad_() first")
        holder = self if self._node is LEAF else self._node
        if holder._hooks is None:
            holder._hooks = {}
        return autograd.RemovableHandle(holder._hooks, hook)

    @property
    def edges(self) -> tuple:
        """A leaf is where the graph ends: it comes from nothing."""
        return ()

    # -- leaving the engine -------------------------------------------------------------------------------

    def numpy(self) -> np.ndarray:
        """The values as a NumPy array on the same memory. Refused if the tensor requires a gradient or is on a GPU."""
        if self._node is not None:
            raise GradientError(
                "numpy: this tensor requires a gradient, which the array could not carry; use .detach().numpy()"
            )
        if self.device.type != "cpu":
            raise TypeError(f"numpy: this tensor is on {self.device}; copy it to the host first, with .cpu()")
        return self.array

    def item(self) -> Any:
        """The value of a one-element tensor as a Python number."""
        array = self.array
        if array.size != 1:
            raise RuntimeError(
                f"item: only one-element tensors have a single value, this one has shape {array.shape}; "
                "index it or reduce it first, or use .tolist()"
            )
        return array.item()

    def tolist(self) -> Any:
        """The values as (nested) lists of Python numbers."""
        return self.array.tolist()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if recording.in_recorded_backward:
            raise GradientError(
                "a derivative rule converted a Tensor to an array, which would detach the gradient silently; "
                "write the rule with operators and the engine's own operations"
            )
        array = self.numpy()
        if dtype is not None and array.dtype != dtype:
            return array.astype(dtype)
        return array.copy() if copy else array

    def __len__(self) -> int:
        if self.array.ndim == 0:
            raise TypeError("len() of a 0-d tensor; it holds a single value, see .item()")
        return self.array.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        if self.array.ndim == 0:
            raise TypeError("iteration over a 0-d tensor; it holds a single value, see .item()")
        return iter(self.unbind(0))

    def _single(self, what: str) -> Any:
        if self.array.size != 1:
            raise RuntimeError(
                f"{what} of a tensor of shape {self.shape} is ambiguous; only one-element tensors have one "
                "(use .any(), .all() or .tolist())"
            )
        return self.array.item()

    def __bool__(self) -> bool:
        return bool(self._single("the truth value"))

    def __float__(self) -> float:
        return float(self._single("the float value"))

    def __int__(self) -> int:
        return int(self._single("the int value"))

    def __index__(self) -> int:
        if self.array.dtype.kind not in "iub":
            raise TypeError(
                f"only an integer tensor of one element can be used as an index, this one is {self.dtype}; use int(x)"
            )
        return int(self._single("the index value"))

    def __format__(self, spec: str) -> str:
        return format(self.array.item(), spec) if self.array.ndim == 0 and spec else format(str(self), spec)

    def __repr__(self) -> str:
        values = np.array2string(self._host(), separator=", ", prefix="tensor(", suppress_small=True, **PRINTING)
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

    def _host(self) -> np.ndarray:
        """The values on the host, gradient or not: for printing and saving."""
        return host(self.array)

    __hash__ = object.__hash__  # by identity: `==` compares elements

    def __deepcopy__(self, memo: dict) -> Any:
        if not self.is_leaf:
            raise GradientError(
                f"deepcopy: this tensor was made by '{self._node.name}' and only leaves can be copied with their "
                "gradients; use .detach().clone()"
            )
        out = _new(type(self))
        memo[id(self)] = out
        out.array = self.array.copy()
        out._node = self._node
        out._hooks = out._base = None
        out._version = [0, 0]
        out._grad = None if self._grad is None else wrap(self._grad.array.copy())
        return out

    def __reduce_ex__(self, protocol: Any) -> Any:
        if not self.is_leaf:
            raise GradientError("pickle: only leaves can be sent to another process; use .detach() first")
        return (_rebuild, (type(self), self.array, self._node is LEAF))

    if TYPE_CHECKING:  # the operators and methods that methods.py binds

        def __getattr__(self, name: str) -> Any: ...
        def __getitem__(self, index: Any) -> Tensor: ...
        def __setitem__(self, index: Any, value: Any) -> None: ...
        def __call__(self, *args: Any) -> Any: ...
        def __neg__(self) -> Tensor: ...
        def __abs__(self) -> Tensor: ...
        def __invert__(self) -> Tensor: ...
        def __add__(self, other: Any) -> Tensor: ...
        def __radd__(self, other: Any) -> Tensor: ...
        def __sub__(self, other: Any) -> Tensor: ...
        def __rsub__(self, other: Any) -> Tensor: ...
        def __mul__(self, other: Any) -> Tensor: ...
        def __rmul__(self, other: Any) -> Tensor: ...
        def __truediv__(self, other: Any) -> Tensor: ...
        def __rtruediv__(self, other: Any) -> Tensor: ...
        def __pow__(self, other: Any) -> Tensor: ...
        def __rpow__(self, other: Any) -> Tensor: ...
        def __matmul__(self, other: Any) -> Tensor: ...
        def __rmatmul__(self, other: Any) -> Tensor: ...
        def __lt__(self, other: Any) -> Tensor: ...
        def __le__(self, other: Any) -> Tensor: ...
        def __gt__(self, other: Any) -> Tensor: ...
        def __ge__(self, other: Any) -> Tensor: ...
        def __eq__(self, other: object) -> Tensor: ...  # type: ignore[override]
        def __ne__(self, other: object) -> Tensor: ...  # type: ignore[override]
        def __and__(self, other: Any) -> Tensor: ...
        def __or__(self, other: Any) -> Tensor: ...
        def __xor__(self, other: Any) -> Tensor: ...


def wrap(array: Any, node: Any = None) -> Tensor:
    """A Tensor around `array`, without copying it."""
    out = _new(Tensor)
    out.array = array
    out._node = node
    out._grad = out._hooks = out._base = None
    out._version = [0, 0]
    return out


def _rebuild(cls: type, array: np.ndarray, requires_grad: bool) -> Tensor:
    out: Tensor = _new(cls)
    out.array = array
    out._node = LEAF if requires_grad else None
    out._grad = out._hooks = out._base = None
    out._version = [0, 0]
    return out


from . import autograd, recording
