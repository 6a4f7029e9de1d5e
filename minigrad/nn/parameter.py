"""Parameter: a Tensor that belongs to a Module and is trained."""

from __future__ import annotations

from typing import Any

from ..core.tensor import Tensor


class Parameter(Tensor):
    """A leaf that a Module finds when it is an attribute: `self.weight = Parameter(tensor)`.

    data: a Tensor, whose memory it shares.
    requires_grad: False makes a frozen parameter, which is saved but not trained.

    Raises TypeError unless `data` is a Tensor, RuntimeError if an integer tensor should require a gradient.
    """

    __slots__ = ()

    def __init__(self, data: Tensor | None = None, requires_grad: bool = True) -> None:
        if data is None:
            super().__init__()
        elif isinstance(data, Tensor):
            self.array: Any = data.array
            self._node = self._grad = self._hooks = self._base = None
            self._version = data._version
        else:
            raise TypeError(
                f"Parameter: expected a Tensor, got {type(data).__name__}; wrap it first, "
                "Parameter(minigrad.tensor(data))"
            )
        self.requires_grad_(requires_grad)

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()
