"""The flat walk: what core/backward.py does for `loss.backward()`, written out flat for usual graphs.

Every training step passes through it. The function calls that the core's walk makes for each node cost more than what
they do. What is unusual is done by the core's functions: a second arrival, broadcasting, hooks, an observed thread.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy import ndarray

from .. import errors
from ..core import hooks, modes
from ..core.backward import accumulate, find_users, run_hooks, send, start_cotangents
from ..core.operation import Node
from ..core.tensor import LEAF, Tensor, fits, wrap


def walk_usual_graph(tensors: Any, gradient: Any, retain_graph: bool) -> bool:
    """Add the derivatives of `tensors` to the `.grad` of the leaves. False if an observer wants to see it."""
    if modes.observers and modes.get_ident() in modes.observers:
        return False
    node_type = Node
    if gradient is None and isinstance(tensors, Tensor) and tensors._node is not None and not tensors.array.ndim:
        array = tensors.array  # a loss
        root = tensors if tensors._node is LEAF else tensors._node
        cotangents = {root: array.dtype.type(1) if type(array) is ndarray else np.ones_like(array)}
        starts = [root] if type(root) is node_type else []
    else:
        cotangents = start_cotangents("backward", tensors, gradient)
        starts = [place for place in cotangents if type(place) is node_type]
    pending = count_uses(starts)
    owned: set = set()
    ready = [*starts] if len(starts) == 1 else [node for node in starts if not pending[node]]
    pop, push = ready.pop, ready.append
    node_of_g = None  # of the last rule that others share
    try:
        while ready:
            node = pop()
            g = cotangents.pop(node)
            if node._hooks is not None:
                g = run_hooks_unrecorded(node, g)
            kept, plan, edges = node.kept, node.plan, node.edges
            if kept is None:
                raise errors.graph_is_gone(plan.operation.name)
            for counter, count, _ in node.versions:
                if counter[0] != count:
                    hooks.changed(node)
            if plan.shared is not None:
                g, node_of_g = plan.shared(g, kept), node
            for i, rule in plan.rules:
                parent = edges[i]
                if parent in cotangents or node.shapes is not None:
                    send_in_place(node, i, rule, g, kept, cotangents, owned)
                else:  # the usual case of `send`
                    cotangents[parent] = dx = rule(g, kept)
                    if type(parent) is not node_type:
                        array = parent.array
                        if dx is g:
                            cotangents[parent] = dx.copy()
                        if (dx.dtype is not array.dtype or dx.shape != array.shape) and not fits(dx, array):
                            raise errors.rule_does_not_fit(plan.operation.name, parent, dx)
                        continue
                if type(parent) is node_type:
                    uses = pending[parent] - 1
                    if uses:
                        pending[parent] = uses
                    else:
                        push(parent)
            if node.versions and not retain_graph:
                node.kept = None
    except (AttributeError, TypeError):
        refuse_no_array(node, g, [node_of_g] if node_of_g is node else find_users(starts)[node], cotangents)
        raise
    for leaf, g in cotangents.items():  # what is left has arrived
        if leaf._hooks is not None:
            g = run_hooks_unrecorded(leaf, g)
        if leaf._grad is None and type(g) is ndarray and g.base is None:
            leaf._grad = wrap(g)  # the usual case of `accumulate`
        else:
            accumulate(leaf, g)
    return True


def refuse_no_array(node: Node, g: Any, makers_of_g: list[Node], cotangents: dict) -> None:
    """The walk has failed at `node`, with g. Name the rule, if one has returned something that is no array.

    To look at what each rule returns would take time.
    """
    if not hasattr(g, "shape") and not isinstance(g, tuple):  # several arrays, if they are for all rules of the row
        names = sorted({maker.plan.operation.name for maker in makers_of_g})
        raise errors.rule_does_not_fit("' or '".join(names), node, g) from None
    for parent in node.edges:
        if parent in cotangents and not hasattr(cotangents[parent], "shape"):
            raise errors.rule_does_not_fit(node.plan.operation.name, parent, cotangents[parent]) from None


def send_in_place(node: Node, i: int, rule: Callable, g: Any, kept: tuple, cotangents: dict, owned: set) -> None:
    """What core/backward.py's `send` does. A second arrival is added in place, if the row says how (`Operation.into`).

    into(total, g, *what the rule is given) adds the rule's result to the array `total` at a cost that does not depend
    on the size of `total`. To take the n rows of a matrix one by one then costs n, not n².
    """
    parent = node.edges[i]
    held: Any = cotangents.get(parent)
    into: Any = getattr(node.plan, "into", None)
    unusual = into is None or held is None or isinstance(held, Tensor) or not held.ndim
    if unusual or (modes.observers and modes.get_ident() in modes.observers):
        return send(node, i, rule, g, kept, cotangents, owned)
    if parent not in owned:
        held = cotangents[parent] = held.copy()
        owned.add(parent)
    into(held, g, kept)


def run_hooks_unrecorded(place: Any, g: Any) -> Any:
    """Run the hooks of a node or a leaf. What they compute is not recorded."""
    with modes.Block(recording=False):
        return run_hooks(place, g, False)


def count_uses(nodes: list[Node]) -> dict[Any, int]:
    """For every node that can be reached from `nodes`, how many uses will send it a cotangent."""
    node_type = Node
    pending: dict[Any, int] = dict.fromkeys(nodes, 0)
    stack = [*nodes]
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
