"""Calling an operation: the forward pass.

    unwrap the tensors → compute with NumPy → wrap the result → leave a Node, if an input requires a gradient

`call` is what every operation's public function does. speed/shortcuts.py says the same faster, for usual inputs.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy import ndarray  # noqa: F401

from .. import dtypes, errors
from ..device import as_array, is_array
from . import hooks
from .modes import get_ident, observers, paused, tell  # noqa: F401
from .operation import TABLE, Node, Operation
from .tensor import LEAF, Tensor, new, wrap  # noqa: F401

NEVER = [0, 0]  # the counter of changes of what is no Tensor


def call(operation: Operation, *arguments: Any) -> Any:
    """y = forward(inputs, parameters): a Tensor if an input is one. Of arrays alone it is just the forward."""
    inputs, parameters = operation.split(arguments)
    if not any(isinstance(x, Tensor) for x in inputs):
        return operation.compute(inputs, parameters)  # a rule at work on arrays
    hooks.before_call(operation, inputs)
    if operation.promoted:
        inputs = promote_inputs(operation, inputs)
    values = [x.array if isinstance(x, Tensor) else x for x in inputs]
    try:
        y = as_array(operation.compute(values, parameters))
    except (AttributeError, TypeError, ValueError) as error:
        hooks.explain(operation, [*values, *parameters], error)  # which raises
    return wrap_result(operation, inputs, parameters, values, y)


def wrap_result(operation: Operation, inputs: list, parameters: Sequence, values: list, y: Any) -> Tensor:
    """The Tensor around y. It points to a Node if the call is to be recorded."""
    if not is_array(y):
        raise errors.forward_returns_no_array(operation.name, y)
    out = wrap(y)
    if operation.view:
        share_memory(out, inputs[0])
    needed = sum(1 << i for i, x in enumerate(inputs) if isinstance(x, Tensor) and x.requires_grad)
    if needed and operation.differentiable and get_ident() not in paused:
        plan = operation.plan(needed)
        edges = [x.place if isinstance(x, Tensor) else None for x in inputs]
        counters = [x._version if isinstance(x, Tensor) else NEVER for x in inputs]
        broadcast = operation.elementwise and any(np.shape(a) != y.shape for a in values if is_array(a))
        shapes = [np.shape(a) for a in values] if broadcast else None
        out._node = Node(plan, edges, plan.keep(y, *values, *parameters), plan.watch(*counters, out._version), shapes)
    tell("called", operation, inputs, parameters, out)
    return out


def promote_inputs(operation: Operation, inputs: list) -> list:
    """The inputs, cast to the dtype that PyTorch would compute in. The rule of a cast casts the cotangent back."""
    inputs = [x.item() if isinstance(x, np.generic) else x for x in inputs]
    values = {i: getattr(x, "array", x) for i, x in enumerate(inputs) if i in operation.promoted}
    dtype = dtypes.result_type(*values.values(), fractional=operation.fractional)
    for i, value in values.items():
        if is_array(value) and value.dtype != dtype:
            inputs[i] = TABLE["cast"].apply(inputs[i], dtype, value.dtype)
        elif type(value) is int and dtype.kind in "iu":
            inputs[i] = dtypes.fit(operation.name, value, dtype)
    return inputs


def share_memory(out: Tensor, source: Any) -> None:
    """Make `out` a view of `source` if their memory is one: they share the counter of changes from now on."""
    if isinstance(source, Tensor) and np.may_share_memory(out.array, source.array):
        out._version = source._version
        out._base = (source if source._base is None else source._base[0], source._version[1])


def bind(operation: Operation, in_table: bool = True) -> Callable[..., Any]:
    """The operation's public function: `call`, bound to the operation. Puts the operation into the table."""
    if in_table and TABLE.setdefault(operation.name, operation) is not operation:
        raise ValueError(f"operation '{operation.name}' is in the table already; choose another name")

    def apply(*arguments):  # without annotations, which an import would make anew for every row
        return call(operation, *arguments)

    apply.__name__ = apply.__qualname__ = operation.name
    apply.__doc__ = operation.forward.__doc__
    apply.operation = operation  # type: ignore[attr-defined]
    operation.apply = apply
    hooks.declared(operation)
    return apply
