"""Tensor: an array, its gradient, and the node that made it.

A Tensor that an operation has made points to the Node that remembers how. A leaf that requires a gradient carries the
mark LEAF instead: there backward ends, in the leaf's `.grad`. Other files bind operators and methods to the class.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .. import errors

LEAF = "a leaf that requires a gradient"  # the mark of one
new = object.__new__


class Tensor(Any if TYPE_CHECKING else object):  # type: ignore[misc]  # other files bind methods to it
    """A NumPy or CuPy array that remembers how it was computed.

    array: the raw array. grad: its gradient. is_leaf: made by the user, and not by an operation that was recorded.
    """

    if TYPE_CHECKING:
        __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = NotImplemented
        __pow__ = __rpow__ = __matmul__ = __rmatmul__ = __mod__ = __floordiv__ = __neg__ = __invert__ = NotImplemented
        __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __and__ = __or__ = __xor__ = NotImplemented
    __slots__ = ("__dict__", "__weakref__", "_base", "_grad", "_hooks", "_node", "_version", "array")

    array: Any
    _grad: Tensor | None
    _node: Any  # None (no gradient), LEAF, or the Node that has made this tensor
    _version: list[int]  # [changes in place, those of them that were recorded]: one list for all who share the memory
    _base: tuple[Tensor, int] | None  # of a view: (the tensor whose memory it looks at, the recorded changes then)
    _hooks: dict | None  # what sees a leaf's gradient; the hooks of another tensor are its node's

    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes of the dimensions."""
        return self.array.shape

    @property
    def requires_grad(self) -> bool:
        """Whether operations on this tensor are recorded. May be set on a leaf of floating-point numbers."""
        return self._node is not None

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if value and self.array.dtype.kind != "f":
            raise errors.only_floats_require_gradients(self.array.dtype)
        if not value and not self.is_leaf:
            raise errors.only_leaves_stop_recording(self._node.plan.operation.name)
        if self.is_leaf:
            self._node = LEAF if value else None

    @property
    def is_leaf(self) -> bool:
        """True unless a recorded operation has made this tensor."""
        return self._node is None or self._node is LEAF

    @property
    def place(self) -> Any:
        """Where cotangents of this tensor go: its Node, itself if it is a leaf that requires a gradient, or None."""
        return self if self._node is LEAF else self._node

    @property
    def grad(self) -> Tensor | None:
        """The gradient that `backward` has accumulated here: a Tensor of this shape and dtype, or None."""
        return self._grad

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is not None and not (isinstance(value, Tensor) and fits(value.array, self.array)):
            raise errors.gradient_does_not_fit(self.array, value)
        self._grad = value


def wrap(array: Any, node: Any = None) -> Tensor:
    """A Tensor around `array`, without copying it."""
    out = new(Tensor)
    out.array, out._node = array, node
    out._grad = out._hooks = out._base = None
    out._version = [0, 0]
    return out


def fits(g: Any, array: Any) -> bool:
    """Whether g can be the gradient of `array`: it has the same shape and dtype, and is on the same device."""
    on_cpu = [isinstance(x, np.ndarray | np.generic) for x in (g, array)]
    return g.shape == array.shape and g.dtype == array.dtype and on_cpu[0] == on_cpu[1]
