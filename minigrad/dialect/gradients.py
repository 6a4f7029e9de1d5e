"""What PyTorch says around backward: `autograd.backward` and `autograd.grad`, hooks, gradients of non-leaves."""

from __future__ import annotations

import itertools
import sys
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import errors
from ..core import backward as core
from ..core.operation import Node
from ..core.rules import clone, op
from ..core.tensor import LEAF, Tensor, wrap
from ..errors import GradientError
from ..events import report


def backward(
    tensors: Tensor | Sequence[Tensor],
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Sequence[Tensor] | Tensor | None = None,
) -> None:
    """Add the derivatives of `tensors` to the `.grad` of the leaves they were computed from.

    grad_tensors: the cotangents to start from; None stands for 1 and is enough for one-element tensors.
    retain_graph: keep what the rules need, so that backward can pass again. Default: create_graph.
    create_graph: record the backward pass, so that the gradients can be differentiated.
    inputs: accumulate into these leaves only.
    """
    core.backward(tensors, grad_tensors, retain_graph, create_graph, inputs)


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Tensor | None, ...]:
    """The derivatives of `outputs` with respect to `inputs`, as a tuple; no `.grad` is touched.

    allow_unused: give None for an input that the outputs do not depend on, instead of raising.
    materialize_grads: give zeros instead of None. The other arguments are those of `backward`.
    only_inputs, is_grads_batched: PyTorch's; only their defaults are supported.
    """
    if not only_inputs or is_grads_batched:
        raise NotImplementedError(
            "grad: only_inputs=False and is_grads_batched=True are not supported; call backward() to reach every leaf, "
            "and grad() once for each cotangent"
        )
    targets = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    found = core.grad(outputs, targets, grad_outputs, retain_graph, create_graph)
    for i, (x, g) in enumerate(zip(targets, found, strict=True)):
        if g is None and materialize_grads:
            found[i] = zeros = wrap(np.zeros_like(x.array))
            report("created", zeros.array)
        elif g is None and not allow_unused:
            raise errors.unused_input(i, x)
    return tuple(found)


def operation(forward: Callable, vjp: Any = None, *, name: str | None = None, **properties: Any) -> Callable[..., Any]:
    """An operation of your own, with its rules: what PyTorch's `autograd.Function` is for. Returns a function.

    square = mg.operation(lambda x: x * x, vjp=lambda g, x: 2 * x * g, name="square")

    forward: a function of arrays (the inputs) and then parameters, all positional. vjp: a rule, or input name -> rule;
    a rule's arguments say what it needs: g (the cotangent), y (the output), inputs, NAME_shape, parameters. It works on
    arrays, and on Tensors under create_graph. properties: elementwise, fractional, view: see docs/add-an-operation.md.
    name: for messages, and for pickle: give the function the name of the variable, as above, if it is to be pickled.
    """
    function = op(forward, vjp, name=name, in_table=False, **properties)
    function.__module__ = sys._getframe(1).f_globals.get("__name__", __name__)
    return function


class RemovableHandle:
    """Removes a hook: `handle.remove()`."""

    _numbers = itertools.count(1)  # each is given out once, whatever thread asks

    def __init__(self, hooks: dict, hook: Any) -> None:
        self._hooks, self._id = hooks, next(RemovableHandle._numbers)
        hooks[self._id] = hook

    def remove(self) -> None:
        """Take the hook away; calling it twice does no harm."""
        self._hooks.pop(self._id, None)


def register_hook(self: Tensor, hook: Callable[[Tensor], Tensor | None]) -> RemovableHandle:
    """Call `hook(gradient)` whenever this tensor's gradient is computed; what it returns replaces the gradient."""
    if self._node is None:
        raise GradientError("register_hook: this tensor does not require a gradient; call requires_grad_() first")
    report("refused", "a hook of a tensor")
    if self.place._hooks is None:
        self.place._hooks = {}
    hooks, retaining = self.place._hooks, find_retaining_hook(self)
    handle = RemovableHandle(hooks, hook)
    if retaining is not None:  # which sees what the others have made of the gradient
        hooks[retaining] = hooks.pop(retaining)
    return handle


class RetainGrad:
    """The hook behind retain_grad. It knows its tensor weakly, or node and tensor would keep each other alive."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = weakref.ref(tensor)

    def __call__(self, grad: Tensor) -> None:
        tensor = self.tensor()
        if tensor is not None:
            tensor._grad = clone(grad) if tensor._grad is None else tensor._grad + grad


def retain_grad(self: Tensor) -> None:
    """Keep the gradient of this tensor in `.grad` although it is not a leaf."""
    if self._node is None:
        raise GradientError("retain_grad: this tensor does not require a gradient; call requires_grad_() first")
    if self._node is not LEAF and not retains_grad(self):
        register_hook(self, RetainGrad(self))


def retains_grad(self: Tensor) -> bool:
    """Whether `retain_grad` was called on this non-leaf."""
    return find_retaining_hook(self) is not None


def find_retaining_hook(x: Tensor) -> int | None:
    """The key of the hook by which `x` retains its gradient."""
    if not isinstance(x._node, Node):
        return None
    hooks = (x._node._hooks or {}).items()
    return next((key for key, hook in hooks if isinstance(hook, RetainGrad) and hook.tensor() is x), None)


def move_to_node(x: Tensor, node: Any) -> None:
    """Make `x` the result of another node. Its retained gradient is that of the new value."""
    key = find_retaining_hook(x)
    if key is not None:
        del x._node._hooks[key]
    x._node = node
    if key is not None:
        retain_grad(x)


def next_functions(self: Node) -> tuple:
    """The nodes and leaves that the inputs came from."""
    return tuple(self.edges)


def describe_node(self: Node) -> str:
    """<TanhBackward>, as PyTorch shows it behind a tensor."""
    return f"<{''.join(part.capitalize() for part in self.plan.operation.name.split('_'))}Backward>"


def set_grad(self: Tensor, value: Tensor | None) -> None:
    """Exchange the gradient for another, or forget it."""
    report("touched", [self])
    set_grad_of_core(self, value)
    report("computed", assign_gradient, (self, None if value is None else value.array), None)


def assign_gradient(x: Tensor, array: Any) -> None:
    x._grad = None if array is None else wrap(array)


set_grad_of_core: Any = Tensor.grad.fset  # type: ignore[attr-defined]

METHODS = {"register_hook": register_hook, "retain_grad": retain_grad}
PROPERTIES = {"retains_grad": retains_grad}


def bind_to_node() -> None:
    """Give Node PyTorch's words."""
    Node.operation = property(lambda self: self.plan.operation)  # type: ignore[attr-defined]
    Node.name = property(lambda self: self.plan.operation.name)  # type: ignore[attr-defined]
    Node.next_functions = property(next_functions)  # type: ignore[attr-defined]
    Node.__repr__ = describe_node  # type: ignore[assignment]
