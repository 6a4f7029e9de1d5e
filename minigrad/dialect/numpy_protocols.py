"""NumPy's functions on Tensors: `np.tanh(tensor)` asks the tensor (NEP 13 for ufuncs, NEP 18 for the other functions).

That is what lets one derivative rule serve arrays and Tensors alike.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.modes import get_ident, rules_see_tensors
from ..core.operation import TABLE
from ..core.rules import matmul
from ..core.tensor import Tensor
from ..errors import GradientError
from ..events import report
from ..ops import arithmetic as a
from ..ops import reductions
from . import functions as f

UFUNCS: dict[Any, Any] = {
    operation.forward: operation.apply for operation in TABLE.values() if isinstance(operation.forward, np.ufunc)
}
UFUNCS |= {
    np.power: a.power,
    np.matmul: matmul,
    np.float_power: a.power,
    np.subtract: a.subtract,
}
FUNCTIONS: dict[Any, Any] = {
    np.dot: matmul,
    np.where: a.where,
    np.sum: lambda x, axis=None, keepdims=False: reductions.sum_(x, axis, keepdims),
    np.mean: lambda x, axis=None, keepdims=False: reductions.mean(x, axis, keepdims),
    np.concatenate: lambda arrays, axis=0: f.cat(arrays, axis),
    np.stack: lambda arrays, axis=0: f.stack(arrays, axis),
    np.reshape: lambda x, shape: f.reshape(x, shape),
    np.expand_dims: lambda x, axis: f.unsqueeze(x, axis),
    np.swapaxes: lambda x, axis1, axis2: f.transpose(x, axis1, axis2),
}


def unwrap_values(x: Any, function: Any) -> Any:
    """Nested arguments with each Tensor replaced by its array, which must be allowed to leave the engine."""
    if isinstance(x, Tensor):
        if x._node is not None or get_ident() in rules_see_tensors:
            raise GradientError(
                f"numpy.{getattr(function, '__name__', function)} has no derivative here, so a tensor that requires a "
                "gradient cannot go through it; use a minigrad function, or .detach() first"
            )
        return x.array
    if isinstance(x, tuple | list):
        return type(x)(unwrap_values(v, function) for v in x)
    return x


def _array_ufunc(self: Tensor, ufunc: Any, method: str, *inputs: Any, out: Any = None, **kwargs: Any) -> Any:
    if out is None and not kwargs and method == "__call__" and ufunc in UFUNCS:
        return UFUNCS[ufunc](*inputs)
    if method == "reduce" and ufunc is np.add and out is None:
        return reductions.sum_(inputs[0], *inputs[1:2] or (kwargs.get("axis", 0),), kwargs.get("keepdims", False))
    changed = inputs[:1] if method == "at" else ()
    if out is not None:
        kwargs["out"], changed = unwrap_values(out, ufunc), out
    result = getattr(ufunc, method)(*unwrap_values(inputs, ufunc), **kwargs)
    count_change(changed)
    return result


def _array_function(self: Tensor, function: Any, types: Any, args: tuple, kwargs: dict) -> Any:
    if function in FUNCTIONS:
        return FUNCTIONS[function](*args, **kwargs)
    result = function(*unwrap_values(args, function), **{k: unwrap_values(v, function) for k, v in kwargs.items()})
    count_change([kwargs.get("out"), args[0] if function in WRITERS else None])
    return result


WRITERS = {np.copyto, np.place, np.put, np.put_along_axis, np.putmask, np.fill_diagonal}
"""NumPy's functions that write into their first argument."""


def count_change(tensors: Any) -> None:
    """Take note that NumPy has written into these tensors."""
    for x in tensors:
        if isinstance(x, Tensor):
            report("refused", "NumPy writes into a tensor")
            x._version[0] += 1


def bind_protocols() -> None:
    """Let NumPy's functions find the engine's operations."""
    Tensor.__array_ufunc__ = _array_ufunc
    Tensor.__array_function__ = _array_function
