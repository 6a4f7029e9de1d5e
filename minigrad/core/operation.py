"""Operation: a row of the table. Node: what one call of it remembers. Neither knows what a Tensor is.

    tanh = op(np.tanh, vjp=lambda g, y: g * (1 - y * y))

A row holds a function of arrays, and beside it a rule for each input that it can be differentiated by. A rule is a
vector-Jacobian product: from g = ∂L/∂y, the *cotangent* of the output y, it computes g · ∂y/∂x, the cotangent of an
input x. The names of a rule's arguments say what it needs. Only that is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import FunctionType
from typing import Any

import numpy as np

from .. import errors

TABLE: dict[str, Operation] = {}  # every operation by its name: the derivative book


class Operation:
    """One row of the table: a function of arrays, and one vector-Jacobian product for each differentiable input.

    forward: computes the output array from the input arrays and the parameters, all positional and without defaults.
    vjp: input name -> rule. The rule's arguments are named after what it needs: `g` is the cotangent of the output and
        comes first, `y` is the output, an input's name is the input, `NAME_shape` is its shape alone, a parameter's
        name is the parameter. In an ordinary backward these are arrays, in a recorded one (create_graph) Tensors. So a
        rule is written with operators, NumPy functions and the engine's own operations.
        A rule named `y` runs before the others. They get its result for g: what they share is computed once.
    elementwise: the inputs broadcast against each other and are promoted to one dtype; backward undoes it.
    fractional: integer inputs become the default float first. view: the output may look at the first input's memory.
    into: the rule's result added in place, for speed/walk.py. cases: arguments for the tests (see ops/table.py).
    """

    apply: Callable[..., Any]  # the public function (see call.py)

    def __init__(
        self, name: str, forward: Any, vjp, *, elementwise=False, fractional=False, view=False, into=None, cases=()
    ) -> None:
        self.name, self.forward, self.vjp, self.into, self.cases = name, forward, vjp, into, cases
        self.elementwise, self.fractional, self.view = elementwise, fractional, view
        names = argument_names(forward)
        with_rule = [x for x in vjp if x != "y"]
        if not set(with_rule) <= set(names) or "y" in names:  # y is the output
            raise TypeError(f"operation '{name}': rules for {with_rule}, but its inputs are {list(names)}, never y")
        # The tensor inputs come first: all that have a rule, and any that stand before one that has.
        n = max((names.index(x) + 1 for x in with_rule), default=len(names) if isinstance(forward, np.ufunc) else 1)
        self.inputs, self.parameters = names[:n], names[n:]
        # A condition (`where`) has no rule and keeps its dtype. A comparison has no rules and promotes all inputs.
        self.promoted = [i for i, x in enumerate(self.inputs) if (elementwise or fractional) and (x in vjp or not vjp)]
        self.differentiable = bool(vjp)
        self.plans: dict[int, Plan] = {}
        self.plan_class: Callable[..., Plan] = Plan

    def split(self, arguments: Sequence) -> tuple[list, Sequence]:
        """The inputs and the parameters among the arguments of a call."""
        n, expected = len(self.inputs), len(self.inputs) + len(self.parameters)
        if len(arguments) != expected:
            raise errors.wrong_number_of_arguments(self.name, expected, len(arguments))
        return list(arguments[:n]), arguments[n:]

    def compute(self, values: Sequence, parameters: Sequence) -> Any:
        """The output array."""
        return self.forward(*values, *parameters)

    def plan(self, needed: int) -> Plan:
        """What to keep and which rules to run, if the inputs in the bit set `needed` require a gradient."""
        if needed not in self.plans:
            self.plans[needed] = self.plan_class(self, needed)
        return self.plans[needed]


def argument_names(function: Callable) -> tuple[str, ...]:
    """The names of a function's positional arguments. A ufunc of NumPy's has x, or a and b."""
    if isinstance(function, np.ufunc):
        return ("x",) if function.nin == 1 else ("a", "b")
    if type(function) is not FunctionType or not function.__code__.co_argcount or function.__defaults__:
        raise errors.needs_named_arguments(function)
    return function.__code__.co_varnames[: function.__code__.co_argcount]


class Plan:
    """For one operation and one set of inputs that require a gradient: what to keep, and which rules to run.

    shared: the rule that runs before the others, shared(g, kept), or None.
    rules: (input position, rule) pairs. A rule is called with the cotangent and what was kept: rule(g, kept).
    roles: what each kept thing is: i for input i, -1 for the output, None for a shape or a parameter.
    """

    def __init__(self, operation: Operation, needed: int) -> None:
        self.operation, inputs, vjp = operation, operation.inputs, operation.vjp
        positions = [i for i in range(len(inputs)) if needed >> i & 1]
        for i in positions:
            if inputs[i] not in vjp:
                raise errors.not_differentiable(operation.name, inputs[i])
        rules = [vjp[name] for name in ("y", *(inputs[i] for i in positions)) if name in vjp]
        # What the rules ask for, each once: their arguments after g.
        self.wanted = list(dict.fromkeys(name for rule in rules for name in argument_names(rule)[1:]))
        self.known = ("y", *inputs, *operation.parameters)
        for name in self.wanted:
            if name not in self.known and name.removesuffix("_shape") not in inputs:
                raise TypeError(f"operation '{operation.name}': a rule asks for '{name}', known are {self.known}")
        self.roles = tuple(-1 if w == "y" else inputs.index(w) if w in inputs else None for w in self.wanted)
        self.shared = self.bind_rule(vjp["y"]) if "y" in vjp else None
        self.rules = [(i, self.bind_rule(vjp[inputs[i]])) for i in positions]

    def bind_rule(self, rule: Callable) -> Callable:
        """`rule`, to be called with the cotangent and the tuple of what was kept."""
        positions = [self.wanted.index(name) for name in argument_names(rule)[1:]]
        return lambda g, kept: rule(g, *(kept[p] for p in positions))

    def keep(self, y: Any, *values: Any) -> tuple:
        """Of the output, the inputs and the parameters, what the rules have asked for."""
        given = dict(zip(self.known, (y, *values), strict=True))
        return tuple(given[w] if w in given else given[w.removesuffix("_shape")].shape for w in self.wanted)

    def watch(self, *counters: list) -> tuple:
        """(counter, its count now, role) for each array that is kept. `counters`: the inputs' and then the output's."""
        return tuple((counters[role], counters[role][0], role) for role in self.roles if role is not None)


class Node:
    """The memory of one recorded call: where its inputs came from, and what its rules need.

    Nothing here points to the output. So a graph has no cycles, and is freed with its last tensor.

    edges: for each input the Node that made it, the Tensor itself if it is a leaf, or None.
    kept: what the plan chose to keep; None once backward has freed it.
    versions: of each kept array (its counter of changes, the count when it was kept, its role in the plan).
    shapes: the inputs' shapes if broadcasting has changed one of them, else None.
    """

    __slots__ = ("__weakref__", "_hooks", "edges", "kept", "plan", "shapes", "versions")

    def __init__(self, plan: Plan, edges: list, kept: tuple, versions: Sequence, shapes: list | None) -> None:
        self.plan, self.edges, self.versions, self.shapes = plan, edges, versions, shapes
        self.kept: tuple | None = kept
        self._hooks: dict[int, Callable] | None = None
