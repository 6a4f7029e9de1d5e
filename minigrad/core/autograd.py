"""Running a recorded computation backwards.

Reverse-mode differentiation in one paragraph. Every operation y = f(a, b, ...) on tensors that require a
gradient leaves a Node behind (recording.py). For a scalar L at the end of the computation write ḡ(y) = ∂L/∂y, y's
*cotangent*. The chain rule says

    ḡ(a) = Σ over the uses y of a   ḡ(y) · ∂y/∂a ,

and each term of the sum is a vector-Jacobian product (vjp), which the operation's rule computes without ever
building the Jacobian. `backward` starts with ḡ(L) = 1, visits every node after all of its uses, and hands
cotangents down until they arrive at the leaves, where they become `.grad`.
(Griewank & Walther, "Evaluating Derivatives", 2008, chapter 3.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from ..device import as_array, namespace
from ..errors import GradientError
from ..safety import anomaly
from . import recording
from .modes import (
    detect_anomaly,
    enable_grad,
    inference_mode,
    is_grad_enabled,
    no_grad,
    set_detect_anomaly,
    set_grad_enabled,
)
from .recording import TABLE, Node
from .tensor import LEAF, Tensor, wrap

__all__ = [
    "RemovableHandle",
    "backward",
    "detect_anomaly",
    "enable_grad",
    "grad",
    "inference_mode",
    "is_grad_enabled",
    "no_grad",
    "set_detect_anomaly",
    "set_grad_enabled",
]


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
    starts = _starts(tensors, grad_tensors, "backward")
    if inputs is None and not create_graph and not recording.anomaly:
        _propagate(starts, bool(retain_graph))
        return
    targets = None
    if inputs is not None:
        targets = [inputs] if isinstance(inputs, Tensor) else list(inputs)
        if not targets:
            raise GradientError("backward: inputs is empty; leave it out to reach every leaf")
    _propagate_with_options(starts, retain_graph, create_graph, targets, accumulate=True)


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool | None = None,
    materialize_grads: bool = False,
) -> tuple[Tensor | None, ...]:
    """The derivatives of `outputs` with respect to `inputs`, as a tuple; no `.grad` is touched.

    allow_unused: give None for an input that the outputs do not depend on, instead of raising.
    materialize_grads: give zeros instead of None. The other arguments are those of `backward`.
    """
    starts = _starts(outputs, grad_outputs, "grad")
    held = [getattr(g, "array", g) for g in starts.values()]  # memory that the user can see already
    targets = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    for i, x in enumerate(targets):
        if x._node is None:
            raise GradientError(
                f"grad: input {i} (shape {x.shape}) does not require a gradient; "
                "call requires_grad_() on it before it is used"
            )
    found = _propagate_with_options(starts, retain_graph, create_graph, targets, accumulate=False)
    results: list[Tensor | None] = []
    for i, x in enumerate(targets):
        g = found.get(x if x._node is LEAF else x._node)
        if g is None and materialize_grads:
            g = np.zeros_like(x.array)
        if g is None:
            if not allow_unused:
                raise GradientError(
                    f"grad: the outputs do not depend on input {i} (shape {x.shape}); "
                    "pass allow_unused=True to get None for it, if that is meant"
                )
            results.append(None)
        else:
            g = g if isinstance(g, Tensor) else wrap(_private(g))
            if any(g.array is h for h in held):
                g = TABLE["clone"].apply(g)
            held.append(g.array)
            results.append(g)
    return tuple(results)


def _starts(tensors: Any, cotangents: Any, who: str) -> dict:
    """Where to start: the nodes (or leaves) of `tensors`, with their cotangents as arrays or Tensors."""
    if cotangents is None and isinstance(tensors, Tensor) and tensors._node is not None and not tensors.array.ndim:
        root = tensors if tensors._node is LEAF else tensors._node  # a loss: the usual case, without the loop
        array = tensors.array
        return {root: array.dtype.type(1) if type(array) is np.ndarray else _one(array)}
    tensors = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    if cotangents is None or isinstance(cotangents, Tensor):
        cotangents = [cotangents] * len(tensors) if cotangents is None else [cotangents]
    if len(cotangents) != len(tensors):
        raise GradientError(f"{who}: {len(tensors)} tensors but {len(cotangents)} gradients; give one for each")
    starts: dict[Any, Any] = {}
    for t, g in zip(tensors, cotangents, strict=True):
        if t._node is None:
            raise GradientError(
                f"{who}: the tensor (shape {t.shape}) does not require a gradient: nothing it was computed from does, "
                "or it was made under no_grad or by detach(); call requires_grad_() on the leaves you want gradients of"
            )
        if g is None:
            if t.array.size != 1:
                raise GradientError(
                    f"{who}: a gradient can be started implicitly only from a tensor of one element, this one has "
                    f"shape {t.shape}; reduce it first (.sum() or .mean()) or pass gradient="
                )
            g = _one(t.array)
        else:
            if not isinstance(g, Tensor):
                raise TypeError(f"{who}: gradient must be a Tensor, got {type(g).__name__}; wrap it with as_tensor")
            if namespace(g) is not namespace(t):
                raise GradientError(
                    f"{who}: the gradient is on {g.device}, the tensor on {t.device}; move it with .to('{t.device}')"
                )
            if g.shape != t.shape:
                raise GradientError(f"{who}: gradient has shape {g.shape}, the tensor {t.shape}; they must be the same")
            if g.dtype != t.dtype:
                g = TABLE["cast"].apply(g, t.dtype, g.dtype)
            if g._node is None:
                g = g.array.copy() if t._node is LEAF else g.array  # a leaf keeps its gradient
        root = t if t._node is LEAF else t._node
        starts[root] = starts[root] + g if root in starts else g
    return starts


def _one(array: Any) -> Any:
    """The cotangent that a computation starts from, on the device of its result."""
    return array.dtype.type(1) if type(array) is np.ndarray and not array.ndim else np.ones_like(array)


def _propagate(starts: dict, retain_graph: bool) -> None:
    """`loss.backward()`: hand the cotangents of `starts` down to the leaves, visiting a node after all of its uses.

    Linear in the graph and iterative, so neither depth nor width is limited. `_propagate_with_options` is the same
    algorithm with every option; this one is written out flat, because every training step passes through it (it
    takes 5 % off a small one).
    """
    node_type = Node
    pending = _count_uses(starts)
    cotangents = starts
    owned: set = set()  # nodes whose cotangent is a sum of our own, to be added to in place
    ready = [root for root in starts if type(root) is Node and not pending[root]]
    pop, push = ready.pop, ready.append
    before = recording.enabled
    recording.enabled = False
    try:
        while ready:
            node = pop()
            g = cotangents.pop(node)
            if node._hooks is not None:
                g = _run_hooks(node._hooks, g)
            kept, plan, edges = node.kept, node.plan, node.edges
            if kept is None:
                raise GradientError(_FREED.format(name=node.operation.name))
            for version, then, _ in node.versions:
                if version[0] != then:
                    raise GradientError(_changed(node))
            if plan.first is not None:
                g = plan.first(g, kept)
            for i, rule in plan.rules:
                parent = edges[i]
                if parent in cotangents or node.shapes is not None:
                    _send(node, i, rule, g, kept, cotangents, owned)
                else:  # the usual case of `_send`
                    dx = rule(g, kept)
                    cotangents[parent] = dx.copy() if dx is g and type(parent) is not node_type else dx
                if type(parent) is node_type:
                    uses = pending[parent] - 1
                    if uses:
                        pending[parent] = uses
                    else:
                        push(parent)
            if plan.keeps_arrays and not retain_graph:
                node.kept = None
        for leaf, g in cotangents.items():  # what is left are the leaves
            if leaf._hooks is not None:
                g = _run_hooks(leaf._hooks, g)
            if leaf._grad is None and type(g) is np.ndarray and g.base is None:
                leaf._grad = wrap(g)  # the usual case of `_accumulate`
            else:
                _accumulate(leaf, g)
    finally:
        recording.enabled = before


def _propagate_with_options(
    starts: dict,
    retain_graph: bool | None,
    create_graph: bool,
    targets: list[Tensor] | None,
    accumulate: bool,
) -> dict:
    """`_propagate` towards `targets` only, recorded (create_graph), or watched for NaN (anomaly mode).

    Returns the cotangents of `targets` unless they are accumulated in `.grad`.
    """
    retain_graph = create_graph if retain_graph is None else retain_graph
    pending = _count_uses(starts)
    wanted = None if targets is None else _towards(pending, targets)
    ends = frozenset(t if t._node is LEAF else t._node for t in targets or ())
    found: dict[Any, Any] = {}
    cotangents = starts
    owned: set = set()
    ready = [root for root in starts if type(root) is Node and not pending[root]]
    before = recording.enabled, recording.in_recorded_backward
    recording.enabled = recording.in_recorded_backward = create_graph

    def arrived(place: Any, g: Any) -> Any:
        g = wrap(as_array(g)) if create_graph and not isinstance(g, Tensor) else g
        return g if place._hooks is None else _run_hooks(place._hooks, g)

    try:
        while ready:
            node = ready.pop()
            g = cotangents.pop(node, None)
            if g is not None:
                g = arrived(node, g)
                if node in ends:
                    found[node] = g
            # If nothing beyond it was asked for, its part of the graph stays whole.
            if g is not None and (wanted is None or any(e in wanted for e in node.edges)):
                if node.kept is None:
                    raise GradientError(_FREED.format(name=node.operation.name))
                if any(version[0] != then for version, then, _ in node.versions):
                    raise GradientError(_changed(node))
                kept = _as_tensors(node, node.kept) if create_graph else node.kept
                if node.plan.first is not None:
                    arrived_here, g = g, node.plan.first(g, kept)
                    if recording.anomaly:
                        anomaly.check_backward(node, arrived_here, g)
                for i, rule in node.plan.rules:
                    if wanted is None or node.edges[i] in wanted:
                        _send(node, i, rule, g, kept, cotangents, owned)
                if node.plan.keeps_arrays and not retain_graph:
                    node.kept = None
            for parent in node.edges:
                if type(parent) is Node:
                    pending[parent] -= 1
                    if not pending[parent]:
                        ready.append(parent)
        for leaf, g in cotangents.items():
            g = arrived(leaf, g)
            if not accumulate:
                found[leaf] = g
            elif wanted is None or leaf in ends:
                _accumulate(leaf, g)
    finally:
        recording.enabled, recording.in_recorded_backward = before
    return found


def _count_uses(roots: Iterable) -> dict[Any, int]:
    """For every node that can be reached from `roots`, how many uses will send it a cotangent."""
    node_type = Node
    pending: dict[Any, int] = dict.fromkeys(roots, 0)
    stack = [*pending]
    pop, push = stack.pop, stack.append
    while stack:
        for parent in pop().edges:
            if type(parent) is node_type:
                if parent in pending:
                    pending[parent] += 1
                else:
                    pending[parent] = 1
                    push(parent)
    return pending


def _send(node: Node, i: int, rule: Callable, g: Any, kept: tuple, cotangents: dict, owned: set) -> None:
    """Compute the cotangent of input i by its rule, and add it to what has arrived there before.

    A cotangent is borrowed at its first arrival (others may hold the same array), allocated at the second, and
    added to in place after that.
    """
    parent, into = node.edges[i], node.plan.into
    held = cotangents.get(parent)
    if held is not None and into is not None and not recording.in_recorded_backward and held.ndim:
        if parent not in owned:
            held = cotangents[parent] = held.copy()
            owned.add(parent)
        into(held, g, kept)
        return
    dx = rule(g, kept)
    if node.shapes is not None and dx.shape != node.shapes[i]:
        dx = TABLE["sum_to"].apply(dx, node.shapes[i])
    if recording.anomaly:
        anomaly.check_backward(node, g, dx)
    if held is None:
        if dx is g and type(parent) is not Node:
            # a leaf keeps its gradient, so it may not share it
            dx = TABLE["clone"].apply(dx) if isinstance(dx, Tensor) else dx.copy()
        cotangents[parent] = dx
    elif parent in owned:
        np.add(held, dx, out=held)
    else:
        cotangents[parent] = held = held + dx
        if type(held) is np.ndarray:
            owned.add(parent)


def _towards(reached: dict, targets: list[Tensor]) -> set:
    """The nodes of the graph through which one of `targets` is reached: the others need not be computed."""
    users: dict[Any, list] = {}
    for node in reached:
        for parent in node.edges:
            if parent is not None:
                users.setdefault(parent, []).append(node)
    stack = [t if t._node is LEAF else t._node for t in targets]
    wanted = set(stack)
    while stack:
        for user in users.get(stack.pop(), ()):
            if user not in wanted:
                wanted.add(user)
                stack.append(user)
    return wanted


def _accumulate(leaf: Tensor, g: Any) -> None:
    """Add a cotangent that arrived at a leaf to its `.grad`."""
    held = leaf._grad
    if isinstance(g, Tensor):  # a recorded backward
        leaf._grad = g if held is None else held + g
    elif held is None:
        leaf._grad = wrap(_private(g))
    elif held._node is None:
        np.add(held.array, g, out=held.array)
        held._version[0] += 1
    else:
        leaf._grad = held + wrap(as_array(g))


def _private(g: Any) -> Any:
    """`g` as an array of its own: copied if it is a view of other memory (or a NumPy scalar)."""
    if isinstance(g, np.generic):
        return np.asarray(g)
    return g if g.base is None else g.copy()


def _as_tensors(node: Node, kept: tuple) -> tuple:
    """What a node kept, as Tensors connected to the graph, so that the rules record what they do with it."""
    values = list(kept)
    for k, role in enumerate(node.plan.roles):
        if role == -1:
            values[k] = wrap(values[k], node)
        elif role is not None and node.edges[role] is not None:
            edge = node.edges[role]
            if isinstance(edge, Tensor):
                values[k] = edge
            else:
                values[k] = wrap(values[k], edge)
    return tuple(values)


def _run_hooks(hooks: dict, g: Any) -> Any:
    for hook in list(hooks.values()):
        replaced = hook(g if isinstance(g, Tensor) else wrap(as_array(g)))
        if replaced is not None:
            if not isinstance(replaced, Tensor) or replaced.shape != g.shape:
                raise GradientError(
                    f"a gradient hook must return None or a Tensor of shape {g.shape}, "
                    f"it returned {getattr(replaced, 'shape', type(replaced).__name__)}"
                )
            g = replaced if isinstance(g, Tensor) else replaced.array.copy()  # the hook may keep what it returned
    return g


_FREED = (
    "backward: the graph was freed by an earlier backward at '{name}'; pass retain_graph=True to the earlier call, "
    "or compute the loss anew (adding the losses and calling backward once does both in one pass)"
)


def _changed(node: Node) -> str:
    changed = []
    for version, then, role in node.versions:
        if version[0] != then:
            name = "output" if role == -1 else f"input '{node.operation.inputs[role]}'"
            kept = node.kept or ()
            changed.append(f"{name} of shape {kept[node.plan.roles.index(role)].shape}")
    return (
        f"backward: '{node.operation.name}' needs its {' and '.join(changed)} as it was in the forward pass, "
        "but it was changed in place since (by an optimizer step, or a method that ends in '_'); "
        "call backward before the change, or compute from a .clone()"
    )


class RemovableHandle:
    """Removes a hook: `handle.remove()`."""

    _next = 0

    def __init__(self, hooks: dict, hook: Any) -> None:
        RemovableHandle._next += 1
        self._hooks, self._id = hooks, RemovableHandle._next
        hooks[self._id] = hook

    def remove(self) -> None:
        """Take the hook away; calling it twice does no harm."""
        self._hooks.pop(self._id, None)
