"""Backward: running a recorded computation in reverse. This is the chain rule.

Every operation y = f(a, b, ...) on tensors that require a gradient has left a Node (call.py). For a scalar L at the
end of the computation write ḡ(y) = ∂L/∂y, the *cotangent* of y. The chain rule says

    ḡ(a) = Σ over the uses y of a   ḡ(y) · ∂y/∂a ,

and each term of the sum is a vector-Jacobian product, which a rule computes without ever building the Jacobian.
`walk` starts with ḡ(L) = 1, visits every node after all of its uses, and hands cotangents down until they arrive at
the leaves. There they become `.grad` (Griewank & Walther, "Evaluating Derivatives", 2008, chapter 3).
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from .. import errors
from ..device import as_array
from . import hooks
from .modes import Block, tell
from .operation import Node
from .rules import cast, clone, undo_broadcasting
from .tensor import Tensor, fits, wrap


def backward(
    tensors: Any, gradient: Any = None, retain_graph: bool | None = None, create_graph: bool = False, inputs: Any = None
) -> None:
    """Add the derivatives of `tensors` to the `.grad` of every leaf that they were computed from.

    gradient: the cotangents to start from, one for each tensor. None stands for 1, for tensors of one element.
    retain_graph: keep what the rules need, so that backward can pass again. Default: create_graph.
    create_graph: record the backward pass itself, so that the gradients can be differentiated in turn.
    inputs: accumulate into these leaves only.
    """
    retain = create_graph if retain_graph is None else bool(retain_graph)
    if inputs is None and not create_graph and hooks.walk_usual_graph(tensors, gradient, retain):
        return
    if create_graph:
        errors.warn_of_cycle()
    cotangents = start_cotangents("backward", tensors, gradient)
    targets = None if inputs is None else [inputs] if isinstance(inputs, Tensor) else list(inputs)
    if targets == []:
        raise errors.no_inputs()
    found = walk(cotangents, retain, create_graph, targets)
    for x in found if targets is None else targets:
        if x.place in found:
            accumulate(x, found[x.place])


def grad(
    outputs: Any, inputs: Sequence[Tensor], gradient: Any = None, retain_graph: Any = None, create_graph: bool = False
) -> list[Tensor | None]:
    """The derivatives of `outputs` by each of `inputs`; None for one they do not depend on. No `.grad` is touched."""
    cotangents = start_cotangents("grad", outputs, gradient)
    held = [getattr(g, "array", g) for g in cotangents.values()]  # memory that the user can see already
    for i, x in enumerate(inputs):
        if x.place is None:
            raise errors.input_without_gradient(i, x)
    found = walk(cotangents, create_graph if retain_graph is None else bool(retain_graph), create_graph, inputs)
    results: list[Tensor | None] = []
    for x in inputs:
        g = found.get(x.place)
        if g is not None:
            g = g if isinstance(g, Tensor) else wrap(own_memory(g))
            g = clone(g) if any(g.array is array for array in held) else g
            held.append(g.array)
        results.append(g)
    return results


def start_cotangents(who: str, tensors: Any, cotangents: Any) -> dict:
    """Where to start: the places of `tensors`, each with its cotangent, an array or a Tensor."""
    tensors = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    cotangents = [cotangents] * len(tensors) if cotangents is None else cotangents
    cotangents = [cotangents] if isinstance(cotangents, Tensor) else list(cotangents)
    if len(cotangents) != len(tensors):
        raise errors.as_many_gradients(who, len(tensors), len(cotangents))
    starts: dict[Any, Any] = {}
    for x, g in zip(tensors, cotangents, strict=True):
        if x.place is None:
            raise errors.no_graph(who, x)
        if g is None and x.array.size != 1:
            raise errors.no_scalar(who, x)
        if isinstance(g, Tensor) and (x.is_leaf or g.array.dtype != x.array.dtype):
            g = cast(g, x.array.dtype, g.array.dtype)  # which copies: a leaf keeps its gradient
        if g is not None and not (isinstance(g, Tensor) and fits(g.array, x.array)):
            raise errors.start_does_not_fit(who, x, g)
        g = np.ones_like(x.array) if g is None else g if g.requires_grad else g.array
        starts[x.place] = starts[x.place] + g if x.place in starts else g
    return starts


def walk(cotangents: dict, retain_graph: bool, create_graph: bool, targets: Sequence[Tensor] | None) -> dict:
    """Hand `cotangents` down through the graph. Returns those that arrive at the targets, or at all leaves.

    Iterative and linear in the graph, so neither its depth nor its width is limited.
    """
    users = find_users(cotangents)
    wanted = users.keys() if targets is None else find_paths(users, targets)
    ends, found = {x.place for x in targets or ()}, {}
    pending = {place: len(nodes) for place, nodes in users.items()}
    owned: set = set()  # the places whose cotangent is a sum of our own, to be added to in place
    ready = [place for place in cotangents if isinstance(place, Node) and not pending[place]]
    with Block(recording=create_graph, recorded_rules=create_graph):
        while ready:
            node = ready.pop()
            if node in cotangents:
                g = run_hooks(node, cotangents.pop(node), create_graph)
                if node in ends:
                    found[node] = g
                if any(parent in wanted for parent in node.edges):
                    run_rules(node, g, create_graph, wanted, cotangents, owned)
                    node.kept = node.kept if retain_graph or not node.versions else None
            for parent in node.edges:
                if isinstance(parent, Node):
                    pending[parent] -= 1
                    if not pending[parent]:
                        ready.append(parent)
        found |= {x: run_hooks(x, g, create_graph) for x, g in cotangents.items() if targets is None or x in ends}
    return found


def find_users(places: Iterable) -> dict[Any, list[Node]]:
    """For every place that can be reached from `places`, the nodes that will send it a cotangent."""
    users: dict[Any, list[Node]] = {place: [] for place in places}
    stack = [*users]
    while stack:
        node = stack.pop()
        for parent in node.edges if isinstance(node, Node) else ():
            if parent not in users:
                users[parent] = []
                stack.append(parent)
            users[parent].append(node)
    return users


def find_paths(users: dict[Any, list[Node]], targets: Sequence[Tensor]) -> set:
    """The places from which one of `targets` is reached. The rules of the others need not run."""
    stack = [x.place for x in targets]
    wanted = set(stack)
    while stack:
        new = [user for user in users.get(stack.pop(), ()) if user not in wanted]
        wanted.update(new)
        stack += new
    return wanted


def run_rules(node: Node, g: Any, create_graph: bool, wanted: Any, cotangents: dict, owned: set) -> None:
    """Send the cotangent of a node's output on to its inputs."""
    if node.kept is None:
        raise errors.graph_is_gone(node.plan.operation.name)
    if any(counter[0] != count for counter, count, _ in node.versions):
        hooks.changed(node)
    kept = connect_kept(node, node.kept) if create_graph else node.kept
    if node.plan.shared is not None:
        arrived, g = g, node.plan.shared(g, kept)
        if not hasattr(g, "shape") and not isinstance(g, tuple):  # of several arrays, for all rules of the row
            raise errors.rule_does_not_fit(node.plan.operation.name, node, g)
        tell("ran", node, None, arrived, g)
    for i, rule in node.plan.rules:
        if node.edges[i] in wanted:
            send(node, i, rule, g, kept, cotangents, owned)


def send(node: Node, i: int, rule: Callable, g: Any, kept: tuple, cotangents: dict, owned: set) -> None:
    """Compute the cotangent of input i by its rule, and add it to what has arrived there before.

    A cotangent is borrowed at its first arrival (others may hold the same array), allocated at the second, and added
    to in place after that."""
    parent = node.edges[i]
    dx = undo_broadcasting(rule(g, kept), node.shapes[i]) if node.shapes else rule(g, kept)
    tell("ran", node, i, g, dx)
    if not hasattr(dx, "shape") or (isinstance(parent, Tensor) and not fits(getattr(dx, "array", dx), parent.array)):
        raise errors.rule_does_not_fit(node.plan.operation.name, parent, dx)
    if dx is g and isinstance(parent, Tensor):
        dx = clone(dx)  # a leaf keeps its gradient, so it may not share it
    held = cotangents.get(parent)
    if held is None:
        cotangents[parent] = dx
    elif parent in owned:
        np.add(held, dx, out=held)
    else:
        cotangents[parent] = held = held + dx
        if type(held) is np.ndarray:
            owned.add(parent)


def connect_kept(node: Node, kept: tuple) -> tuple:
    """What a node has kept, as Tensors connected to the graph. So the rules record what they do with them."""
    values = list(kept)
    for k, role in enumerate(node.plan.roles):
        edge = None if role is None else node if role == -1 else node.edges[role]
        if edge is not None:
            values[k] = edge if isinstance(edge, Tensor) else wrap(values[k], edge)
    return tuple(values)


def run_hooks(place: Any, g: Any, create_graph: bool) -> Any:
    """Let the hooks of a node or a leaf see, and perhaps replace, the cotangent that has arrived there."""
    g = wrap(as_array(g)) if create_graph and not isinstance(g, Tensor) else g
    for hook in list((place._hooks or {}).values()):
        with Block(recorded_rules=False):
            replaced = hook(g if isinstance(g, Tensor) else wrap(as_array(g)))
        if replaced is not None:
            if not isinstance(replaced, Tensor) or not fits(replaced.array, getattr(g, "array", g)):
                raise errors.hook_must_return(g, replaced)
            g = clone(replaced) if create_graph else replaced.array.copy()  # the hook may keep it
    return g


def accumulate(leaf: Tensor, g: Any) -> None:
    """Add a cotangent that has arrived at a leaf to its `.grad`."""
    held, recorded = leaf._grad, isinstance(g, Tensor)
    g = g if recorded else wrap(own_memory(g))
    if held is None:
        leaf._grad = g
    elif recorded or held.requires_grad:
        leaf._grad = held + g
    else:
        np.add(held.array, g.array, out=held.array)
        held._version[0] += 1


def own_memory(g: Any) -> Any:
    """`g` as an array with memory of its own: copied if it is a view of other memory."""
    return as_array(g) if getattr(g, "base", None) is None else g.copy()


Tensor.backward = backward
