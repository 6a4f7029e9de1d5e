"""Recording what was computed, and running it backwards.

Reverse-mode differentiation in one paragraph. Every operation y = f(a, b, ...) on tensors that require a
gradient leaves a Node behind. For a scalar L at the end of the computation write ḡ(y) = ∂L/∂y, y's *cotangent*.
The chain rule says

    ḡ(a) = Σ over the uses y of a   ḡ(y) · ∂y/∂a ,

and each term of the sum is a vector-Jacobian product (vjp), which the operation's rule computes without ever
building the Jacobian. `backward` starts with ḡ(L) = 1, visits every node after all of its uses, and hands
cotangents down until they arrive at the leaves, where they become `.grad`.
(Griewank & Walther, "Evaluating Derivatives", 2008, chapter 3.)

The file has three parts: an Operation and what calling it records; backward and grad; the modes (no_grad,
anomaly detection).
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from . import dtypes
from .errors import GradientError
from .tensor import LEAF, Tensor, wrap

TABLE: dict[str, Operation] = {}
"""Every operation by its name: the derivative book (see ops/)."""

_recording = True  # False inside no_grad
_anomaly = False  # True inside detect_anomaly
_recorded_backward = False  # True while a backward with create_graph runs

_new = object.__new__
_FLOAT32 = dtypes.float32


# -- 1. Operations and what calling one records -----------------------------------------------------------


class Operation:
    """One row of the table: a function of arrays, and one vector-Jacobian product per differentiable input.

    forward: computes the output array from the input arrays and the parameters, all positional.
    vjp: input name -> rule. A rule's signature says what backward must keep, by name: `g` is the cotangent of the
        output and comes first, `y` the output, an input's name the input, `NAME_shape` its shape only, and a
        parameter's name the parameter. Rules see arrays in an ordinary backward and Tensors in a recorded one
        (create_graph), so they are written with operators, NumPy functions and the engine's own operations.
    elementwise: the inputs broadcast against each other and are promoted to one dtype. The engine undoes the
        broadcasting of the cotangents.
    fractional: integer inputs become the default float first.
    view: the output may look at the input's memory.
    """

    __slots__ = (
        "apply",
        "cases",
        "differentiable",
        "elementwise",
        "forward",
        "fractional",
        "inputs",
        "kinks",
        "mutants_equal",
        "name",
        "parameters",
        "plans",
        "promoted",
        "second_order",
        "ufunc",
        "view",
        "vjp",
    )

    def __init__(
        self,
        name: str,
        forward: Callable,
        vjp: dict[str, Callable],
        *,
        elementwise: bool = False,
        fractional: bool = False,
        view: bool = False,
        cases: Sequence = (),
        kinks: Sequence[float] = (),
        second_order: str | bool = True,
        mutants_equal: dict[str, str] | None = None,
    ) -> None:
        self.name = name
        self.forward = forward
        self.ufunc = forward if isinstance(forward, np.ufunc) else None
        if self.ufunc is not None:
            names: tuple[str, ...] = ("x",) if self.ufunc.nin == 1 else ("a", "b")
        else:
            names = _parameters(forward)
        unknown = [n for n in vjp if n not in names]
        if unknown:
            raise TypeError(f"operation '{name}': rules for {unknown}, but its inputs are {list(names)}")
        self.differentiable = bool(vjp)
        # The tensor inputs come first: all that have a rule, and any that stand before one that has.
        last = max((names.index(n) for n in vjp), default=len(names) - 1 if self.ufunc else 0)
        self.inputs = names[: last + 1]
        self.parameters = names[last + 1 :]
        self.vjp = vjp
        # A condition (`where`) has no rule and keeps its dtype; a comparison has no rules and promotes all inputs.
        self.promoted = [i for i, n in enumerate(self.inputs) if n in vjp or not vjp]
        self.elementwise, self.fractional, self.view = elementwise, fractional, view
        self.cases, self.kinks, self.second_order = cases, tuple(kinks), second_order
        self.mutants_equal = mutants_equal or {}
        self.plans: dict[int, Plan] = {}
        self.apply = _applier(self)

    def plan(self, needed: int) -> Plan:
        """What to keep and which rules to run when the inputs in the bit set `needed` require a gradient."""
        plan = self.plans.get(needed)
        if plan is None:
            plan = self.plans[needed] = Plan(self, needed)
        return plan

    def __repr__(self) -> str:
        return f"<operation {self.name}({', '.join(self.inputs + self.parameters)})>"


def _parameters(function: Callable) -> tuple[str, ...]:
    code = function.__code__  # type: ignore[attr-defined]
    return code.co_varnames[: code.co_argcount]


class Plan:
    """For one operation and one set of inputs that require a gradient: what to keep, and which rules to run.

    keep(y, inputs and parameters...) -> the tuple that backward will need.
    rules: (input position, rule, arguments) with arguments(kept) -> the rule's arguments after g, or None if these
        are just what was kept.
    """

    __slots__ = ("keep", "keeps_arrays", "keeps_inputs", "keeps_output", "operation", "roles", "rules")

    def __init__(self, operation: Operation, needed: int) -> None:
        self.operation = operation
        names = ("y", *operation.inputs, *operation.parameters)
        wanted: list[str] = []
        rules: list[tuple[int, Callable, tuple[str, ...]]] = []
        for i, name in enumerate(operation.inputs):
            if needed >> i & 1:
                rule = operation.vjp.get(name)
                if rule is None:
                    raise GradientError(f"{operation.name}: cannot be differentiated with respect to '{name}'")
                arguments = _parameters(rule)[1:]  # all but g
                rules.append((i, rule, arguments))
                wanted += [a for a in arguments if a not in wanted]
        for argument in wanted:
            if argument not in names and argument.removesuffix("_shape") not in operation.inputs:
                raise TypeError(f"operation '{operation.name}': a rule asks for '{argument}', known are {names}")
        # Like namedtuple, a little source text compiled once: a third of the time of a loop over `wanted`.
        items = "".join(
            f"{w.removesuffix('_shape')}.shape, " if w not in names else f"{w}, " for w in wanted
        )
        self.keep = eval(f"lambda {', '.join(names)}: ({items})")
        self.rules = tuple(
            (i, rule, None if list(asked) == wanted else _picker([wanted.index(a) for a in asked]))
            for i, rule, asked in rules
        )
        self.keeps_inputs = tuple(i for i, name in enumerate(operation.inputs) if name in wanted)
        self.keeps_output = "y" in wanted
        self.keeps_arrays = self.keeps_output or bool(self.keeps_inputs)
        # For a recorded backward: -1 marks the output, i an input, None what is no array of the graph.
        self.roles = tuple(
            -1 if w == "y" else operation.inputs.index(w) if w in operation.inputs else None for w in wanted
        )


def _picker(positions: list[int]) -> Callable[[tuple], tuple]:
    """A function that picks these positions from what was kept."""
    return eval(f"lambda kept: ({''.join(f'kept[{p}], ' for p in positions)})")


class Node:
    """The memory of one recorded call: where its inputs came from and what its rules need.

    Nothing here points to the output tensor, so a graph has no reference cycles and is freed with its last tensor.
    """

    __slots__ = ("__weakref__", "_hooks", "edges", "kept", "plan", "shapes", "trace", "versions")

    plan: Plan
    edges: list  # per input: the Node that made it, the leaf Tensor itself, or None
    kept: tuple | None  # what plan.keep chose; None once backward has freed it
    versions: list  # of the arrays kept: (version list, its value when recorded)
    shapes: list | None  # per input, if broadcasting changed any shape
    trace: list | None  # the forward call stack, in anomaly mode
    _hooks: dict | None

    @property
    def operation(self) -> Operation:
        """The row of the table."""
        return self.plan.operation

    @property
    def name(self) -> str:
        """The operation's name."""
        return self.plan.operation.name

    @property
    def next_functions(self) -> tuple:
        """The nodes and leaves that the inputs came from."""
        return tuple(self.edges)

    def retain(self, tensor: weakref.ref) -> None:
        """Have backward store this node's cotangent in the tensor's `.grad`."""
        if self._hooks is None:
            self._hooks = {}
        self._hooks.setdefault(-1, _Retain(tensor))

    def retains(self, tensor: Tensor) -> bool:
        """Whether `retain` was called for this tensor."""
        return self._hooks is not None and -1 in self._hooks and self._hooks[-1].tensor() is tensor

    def __repr__(self) -> str:
        return f"<{''.join(part.capitalize() for part in self.name.split('_'))}Backward>"


class _Retain:
    """The hook behind retain_grad. It knows its tensor weakly, or node and tensor would keep each other alive."""

    def __init__(self, tensor: weakref.ref) -> None:
        self.tensor = tensor

    def __call__(self, grad: Tensor) -> None:
        tensor = self.tensor()
        if tensor is not None:
            tensor._grad = TABLE["clone"].apply(grad) if tensor._grad is None else tensor._grad + grad


def _applier(operation: Operation) -> Callable:
    """The function that calls `operation`: unwrap, compute, wrap, and record if an input requires a gradient.

    The hottest Python code of the engine, about 1 µs a call above NumPy: hence one flat function
    with everything in local names, and slots set one by one instead of constructors (0.4 µs cheaper).
    """
    forward = operation.forward
    elementwise, fractional = operation.elementwise, operation.fractional
    promotes, promoted = elementwise or fractional, operation.promoted
    differentiable, view = operation.differentiable, operation.view
    plans, count = operation.plans, len(operation.inputs)
    find_plan = operation.plan
    is_number, is_scalar = (float, int), np.generic

    def apply(*args: Any) -> Any:
        arrays = [*args]
        edges: list[Any] = [None] * count
        needed = 0
        plain = True  # nothing to promote: float32 tensors and Python numbers
        tensors = 0
        i = 0
        for x in args:
            if isinstance(x, Tensor):
                tensors += 1
                arrays[i] = array = x.array
                if array.dtype is not _FLOAT32 and i in promoted:
                    plain = False
                node = x._node
                if node is not None:
                    edges[i] = x if node is LEAF else node
                    needed |= 1 << i
                if x._base is not None and x._base[1] != x._version[1]:
                    raise GradientError(_STALE.format(operation.name, x.shape))
            elif promotes and type(x) not in is_number:
                plain = False
            i += 1
            if i == count:
                break
        if not tensors:
            return forward(*args)
        if promotes and not plain:
            args = _promoted(operation, args)
            for i in range(count):
                x = args[i]
                if isinstance(x, Tensor):
                    arrays[i] = x.array
                    edges[i] = x if x._node is LEAF else x._node
                else:
                    arrays[i] = x
        y = forward(*arrays)
        if isinstance(y, is_scalar):
            y = np.asarray(y)

        out = _new(Tensor)
        out.array = y
        out._grad = out._hooks = out._base = None
        if view:
            _share_memory(out, args[0])
        else:
            out._version = [0, 0]
        if not (needed and _recording and differentiable):
            out._node = None
            if _anomaly:
                _check_forward(operation, arrays, y, _call_stack())
            return out

        plan = plans.get(needed) or find_plan(needed)
        node = _new(Node)
        node.plan = plan
        node.edges = edges
        node.kept = plan.keep(y, *arrays)
        node.versions = versions = []
        for i in plan.keeps_inputs:
            x = args[i]
            if isinstance(x, Tensor):
                version = x._version
                versions.append((version, version[0]))
        if plan.keeps_output:
            version = out._version
            versions.append((version, version[0]))
        node.shapes = None
        if elementwise and count > 1:
            shape = y.shape
            for i in range(count):
                x = arrays[i]
                if type(x) not in is_number and x.shape != shape:
                    node.shapes = [getattr(x, "shape", ()) for x in arrays[:count]]
                    break
        node.trace = node._hooks = None
        out._node = node
        if _anomaly:
            node.trace = _call_stack()
            _check_forward(operation, arrays, y, node.trace)
        return out

    apply.__name__ = apply.__qualname__ = operation.name
    apply.__doc__ = forward.__doc__
    apply.operation = operation  # type: ignore[attr-defined]
    return apply


class ListOperation(Operation):
    """An operation on a list of tensors (cat, stack), with one rule for all: rule(g, i, *kept)."""

    __slots__ = ("keep", "rule")

    def __init__(
        self,
        name: str,
        forward: Callable,
        keep: Callable,
        rule: Callable,
        cases: Sequence,
        second_order: str | bool,
        mutants_equal: dict[str, str] | None,
    ) -> None:
        super().__init__(name, forward, {}, cases=cases, second_order=second_order, mutants_equal=mutants_equal)
        self.keep, self.rule, self.differentiable = keep, rule, True
        self.apply = self._apply

    def _apply(self, tensors: Iterable[Any], *parameters: Any) -> Any:
        inputs = tuple(tensors)
        for i, x in enumerate(inputs):
            if not hasattr(x, "dtype"):
                raise TypeError(f"{self.name}: expected tensors, item {i} is a {type(x).__name__}")
        if not any(isinstance(x, Tensor) for x in inputs):
            return self.forward(inputs, *parameters)
        arrays = [x.array if isinstance(x, Tensor) else x for x in inputs]
        if any(a.dtype is not arrays[0].dtype for a in arrays):
            dtype = dtypes.result_type(*arrays)
            cast = TABLE["cast"].apply
            inputs = tuple(x if x.dtype == dtype else cast(x, dtype, x.dtype) for x in inputs)
            arrays = [x.array if isinstance(x, Tensor) else x for x in inputs]
        out = wrap(self.forward(arrays, *parameters))
        edges = [_edge(x) for x in inputs]
        if _recording and any(e is not None for e in edges):
            node = _new(Node)
            node.edges = edges
            node.plan = _ListPlan(self, [i for i, e in enumerate(edges) if e is not None])
            node.kept = self.keep([a.shape for a in arrays], *parameters)
            node.versions, node.shapes, node._hooks = [], None, None
            node.trace = _call_stack() if _anomaly else None
            out._node = node
        return out


class _ListPlan(Plan):
    """The plan of one call of a ListOperation."""

    __slots__ = ()

    def __init__(self, operation: ListOperation, needed: list[int]) -> None:
        self.operation = operation
        self.rules = tuple((i, operation.rule, functools.partial(_with_position, i)) for i in needed)
        self.keeps_output, self.keeps_inputs, self.keeps_arrays, self.roles = False, (), False, ()


def _with_position(i: int, kept: tuple) -> tuple:
    return (i, *kept)


def _edge(x: Any) -> Any:
    """Where a cotangent of `x` is to go: its node, itself if it is a leaf, or nowhere."""
    if not isinstance(x, Tensor):
        return None
    return x if x._node is LEAF else x._node


def _promoted(operation: Operation, args: tuple) -> tuple:
    """The arguments with every tensor or array cast to the dtype that PyTorch would compute in."""
    count = len(operation.inputs)
    inputs = [x.item() if isinstance(x, np.generic) else x for x in args[:count]]
    raw = [inputs[i].array if isinstance(inputs[i], Tensor) else inputs[i] for i in operation.promoted]
    dtype = dtypes.result_type(*raw, fractional=operation.fractional)
    cast = TABLE["cast"].apply
    for i in operation.promoted:
        x = inputs[i]
        if isinstance(x, Tensor):
            if x.array.dtype != dtype:
                inputs[i] = cast(x, dtype, x.array.dtype)
        elif isinstance(x, np.ndarray):
            inputs[i] = x.astype(dtype, copy=False)
    return (*inputs, *args[count:])


def _share_memory(out: Tensor, source: Any) -> None:
    """Make `out` a view of `source` if their memory is one: they share the version list from now on."""
    if isinstance(source, Tensor) and out.array.base is not None and _root(out.array) is _root(source.array):
        out._version = version = source._version
        out._base = (source if source._base is None else source._base[0], version[1])
    else:
        out._version = [0, 0]


def _root(array: Any) -> Any:
    """The array that owns the memory `array` looks at."""
    while getattr(array, "base", None) is not None:
        array = array.base
    return array


# -- 2. Running it backwards ------------------------------------------------------------------------------


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
    roots, cotangents = _roots(tensors, grad_tensors, "backward")
    targets = None
    if inputs is not None:
        targets = [inputs] if isinstance(inputs, Tensor) else list(inputs)
        if not targets:
            raise GradientError("backward: inputs is empty; leave it out to reach every leaf")
    _run(roots, cotangents, retain_graph, create_graph, targets, accumulate=True)


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
    roots, cotangents = _roots(outputs, grad_outputs, "grad")
    targets = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    for i, x in enumerate(targets):
        if x._node is None:
            raise GradientError(
                f"grad: input {i} (shape {x.shape}) does not require a gradient; "
                "call requires_grad_() on it before it is used"
            )
    found = _run(roots, cotangents, retain_graph, create_graph, targets, accumulate=False)
    results: list[Tensor | None] = []
    held = [getattr(g, "array", g) for g in cotangents]  # memory that the user can see already
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


def _roots(tensors: Any, cotangents: Any, who: str) -> tuple[list, list]:
    """Where to start: the nodes (or leaves) of `tensors`, and their cotangents as arrays or Tensors."""
    if cotangents is None and isinstance(tensors, Tensor) and tensors._node is not None and not tensors.array.ndim:
        root = tensors if tensors._node is LEAF else tensors._node  # a loss: the usual case, without the loop
        return [root], [tensors.array.dtype.type(1)]
    tensors = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    if cotangents is None or isinstance(cotangents, Tensor):
        cotangents = [cotangents] * len(tensors) if cotangents is None else [cotangents]
    if len(cotangents) != len(tensors):
        raise GradientError(f"{who}: {len(tensors)} tensors but {len(cotangents)} gradients; give one for each")
    roots, starts = [], []
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
            g = t.array.dtype.type(1) if t.array.ndim == 0 else np.ones_like(t.array)
        else:
            if not isinstance(g, Tensor):
                raise TypeError(f"{who}: gradient must be a Tensor, got {type(g).__name__}; wrap it with as_tensor")
            if g.shape != t.shape:
                raise GradientError(f"{who}: gradient has shape {g.shape}, the tensor {t.shape}; they must be the same")
            if g.dtype != t.dtype:
                g = TABLE["cast"].apply(g, t.dtype, g.dtype)
            if g._node is None:
                g = g.array.copy() if t._node is LEAF else g.array  # a leaf keeps its gradient
        roots.append(t if t._node is LEAF else t._node)
        starts.append(g)
    return roots, starts


def _run(
    roots: list,
    starts: list,
    retain_graph: bool | None,
    create_graph: bool,
    targets: list[Tensor] | None,
    accumulate: bool,
) -> dict:
    """Propagate cotangents from `roots`; a node is visited when all of its uses have sent theirs.

    Linear in the graph and iterative, so neither depth nor width is limited. Returns the cotangents
    of `targets` unless they are accumulated.
    """
    global _recording, _recorded_backward
    retain_graph = create_graph if retain_graph is None else retain_graph

    # Count, for every node that can be reached, how many uses will send it a cotangent.
    pending: dict[Any, int] = {}
    for root in roots:
        pending[root] = 0
    stack = [*pending]
    while stack:
        for parent in stack.pop().edges:
            if type(parent) is Node:
                uses = pending.get(parent)
                if uses is None:
                    pending[parent] = 1
                    stack.append(parent)
                else:
                    pending[parent] = uses + 1

    wanted, ends = None, _NOTHING
    if targets is not None:
        wanted = _towards(pending, targets)
        ends = frozenset(t if t._node is LEAF else t._node for t in targets)
    found: dict[Any, Any] = {}
    cotangents: dict[Any, Any] = {}
    owned: set = set()  # nodes whose cotangent is a sum of our own, to be added to in place
    for root, g in zip(roots, starts, strict=True):
        held = cotangents.get(root)
        cotangents[root] = g if held is None else held + g
    ready = [root for root in cotangents if type(root) is Node and not pending[root]]

    recording_before, recorded_before = _recording, _recorded_backward
    _recording, _recorded_backward = create_graph, create_graph
    try:
        while ready:
            node = ready.pop()
            g = cotangents.pop(node, None)
            if g is None:  # every use was skipped: nothing to send, but the parents wait for word
                _skip(node, pending, ready)
                continue
            if create_graph and not isinstance(g, Tensor):
                g = wrap(np.asarray(g))
            if node._hooks:
                g = _run_hooks(node._hooks, g)
            if node in ends:
                found[node] = g
            if wanted is not None and not any(e in wanted for e in node.edges):
                _skip(node, pending, ready)  # nothing beyond it was asked for: its part of the graph stays whole
                continue

            kept = node.kept
            if kept is None:
                raise GradientError(_FREED.format(name=node.operation.name))
            plan = node.plan
            for version, then in node.versions:
                if version[0] != then:
                    raise GradientError(_changed(node))
            if create_graph:
                kept = _as_tensors(node, kept)
            edges, shapes = node.edges, node.shapes
            for i, rule, arguments in plan.rules:
                parent = edges[i]
                if wanted is None or parent in wanted:
                    dx = rule(g, *kept) if arguments is None else rule(g, *arguments(kept))
                    if shapes is not None and dx.shape != shapes[i]:
                        dx = TABLE["sum_to"].apply(dx, shapes[i])
                    if _anomaly:
                        _check_backward(node, g, dx)
                    held = cotangents.get(parent)
                    if held is None:
                        if dx is g and type(parent) is not Node:
                            # a leaf keeps its gradient, so it may not share it
                            dx = dx.copy() if type(dx) is np.ndarray else TABLE["clone"].apply(dx)
                        cotangents[parent] = dx  # borrowed: others may hold the same array
                    elif parent in owned:
                        np.add(held, dx, out=held)
                    else:
                        held = held + dx  # allocated: from now on it is ours
                        cotangents[parent] = held
                        if type(held) is np.ndarray:
                            owned.add(parent)
                if type(parent) is Node:
                    uses = pending[parent] = pending[parent] - 1
                    if not uses:
                        ready.append(parent)
            if plan.keeps_arrays and not retain_graph:
                node.kept = None

        # What is left are the leaves.
        for leaf, g in cotangents.items():
            if create_graph and not isinstance(g, Tensor):
                g = wrap(np.asarray(g))
            if leaf._hooks:
                g = _run_hooks(leaf._hooks, g)
            if not accumulate:
                found[leaf] = g
            elif wanted is None or leaf in ends:
                if leaf._grad is None and type(g) is np.ndarray and g.base is None:
                    leaf._grad = wrap(g)  # the usual case: nobody else holds it
                else:
                    _accumulate(leaf, g)
    finally:
        _recording, _recorded_backward = recording_before, recorded_before
    return found


_NOTHING: frozenset = frozenset()


def _skip(node: Any, pending: dict, ready: list) -> None:
    for parent in node.edges:
        if type(parent) is Node:
            pending[parent] -= 1
            if not pending[parent]:
                ready.append(parent)


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
        leaf._grad = held + wrap(np.asarray(g))


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
        replaced = hook(g if isinstance(g, Tensor) else wrap(np.asarray(g)))
        if replaced is not None:
            if not isinstance(replaced, Tensor) or replaced.shape != g.shape:
                raise GradientError(
                    f"a gradient hook must return None or a Tensor of shape {g.shape}, "
                    f"it returned {getattr(replaced, 'shape', type(replaced).__name__)}"
                )
            g = replaced if isinstance(g, Tensor) else replaced.array.copy()  # the hook may keep what it returned
    return g


_STALE = (
    "{}: an input of shape {} is a view taken before its base was changed in place by a recorded operation, "
    "so its gradient would be wrong; take the view again after the change"
)
_FREED = (
    "backward: the graph was freed by an earlier backward at '{name}'; pass retain_graph=True to the earlier call, "
    "or compute the loss anew (adding the losses and calling backward once does both in one pass)"
)


def _changed(node: Node) -> str:
    names = ["output" if r == -1 else f"input '{node.operation.inputs[r]}'" for r in node.plan.roles if r is not None]
    arrays = [v for v, r in zip(node.kept or (), node.plan.roles, strict=False) if r is not None]
    changed = [
        f"{name} of shape {array.shape}"
        for name, array, (version, then) in zip(names, arrays, node.versions, strict=False)
        if version[0] != then
    ]
    return (
        f"backward: '{node.operation.name}' needs its {' and '.join(changed) or 'inputs'} as it was in the forward pass, "
        "but it was changed in place since (by an optimizer step, or a method that ends in '_'); "
        "call backward before the change, or compute from a .clone()"
    )


class RemovableHandle:
    """Removes a hook: `handle.remove()`."""

    _next = 0

    def __init__(self, hooks: dict, hook: Callable) -> None:
        RemovableHandle._next += 1
        self._hooks, self._id = hooks, RemovableHandle._next
        hooks[self._id] = hook

    def remove(self) -> None:
        """Take the hook away; calling it twice does no harm."""
        self._hooks.pop(self._id, None)


# -- 3. Modes ---------------------------------------------------------------------------------------------


def is_grad_enabled() -> bool:
    """Whether operations are recorded at present."""
    return _recording


def inside_recorded_backward() -> bool:
    """Whether a backward pass with create_graph is running."""
    return _recorded_backward


class _Mode:
    """A switch of recording that works as a context manager and as a decorator."""

    def __init__(self, recording: bool) -> None:
        self._wanted = recording
        self._before: list[bool] = []

    def __enter__(self) -> None:
        global _recording
        self._before.append(_recording)
        _recording = self._wanted

    def __exit__(self, *error: object) -> None:
        global _recording
        _recording = self._before.pop()

    def __call__(self, function: Callable) -> Callable:
        wanted = self._wanted

        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            with _Mode(wanted):
                return function(*args, **kwargs)

        return wrapper


class no_grad(_Mode):  # noqa: N801  (PyTorch's name)
    """Record nothing inside: `with no_grad():` or `@no_grad()`."""

    def __new__(cls, function: Callable | None = None) -> Any:
        self = object.__new__(cls)
        if function is None:
            return self
        self.__init__()  # type: ignore[misc]
        return self(function)  # @no_grad without parentheses

    def __init__(self) -> None:
        super().__init__(False)


class enable_grad(no_grad):  # noqa: N801
    """Record inside, even within no_grad."""

    def __init__(self) -> None:
        _Mode.__init__(self, True)


class inference_mode(_Mode):  # noqa: N801
    """PyTorch's stricter no_grad; here it is the same."""

    def __init__(self, mode: bool = True) -> None:
        super().__init__(not mode)


class set_grad_enabled(_Mode):  # noqa: N801
    """Switch recording on or off, at once; as a context manager, until the end of the block."""

    def __init__(self, mode: bool) -> None:
        global _recording
        super().__init__(bool(mode))
        self._at_call = _recording
        _recording = bool(mode)

    def __enter__(self) -> None:
        self._before.append(self._at_call)


class detect_anomaly:  # noqa: N801
    """Name the line of the forward pass that made the first NaN or infinity, forwards or backwards.

    `with minigrad.autograd.detect_anomaly(): ...`. Slow, because every call remembers its stack: for debugging only.
    """

    def __init__(self, check_nan: bool = True) -> None:
        self._wanted = check_nan

    def __enter__(self) -> None:
        global _anomaly
        self._before = _anomaly
        _anomaly = self._wanted

    def __exit__(self, *error: object) -> None:
        global _anomaly
        _anomaly = self._before


def set_detect_anomaly(mode: bool) -> None:
    """Switch anomaly detection on or off until further notice."""
    global _anomaly
    _anomaly = bool(mode)


_SAFE_IDIOMS = {
    "log": "keep its input above zero, e.g. x.clamp(min=1e-8).log(), or use log_softmax / log1p / logsigmoid",
    "sqrt": "its slope at 0 is infinite: use (x + 1e-12).sqrt()",
    "norm": "its slope at 0 is undefined: use (x.square().sum() + 1e-12).sqrt()",
    "divide": "keep the divisor away from zero, e.g. x / y.clamp(min=1e-8)",
    "exp": "bound its input, e.g. x.clamp(max=20).exp(), or use logsumexp / softmax",
    "pow": "the power's slope at 0 may be infinite; bound the base with clamp",
    "where": "a NaN or infinity in the branch not chosen still meets the gradient as 0 * inf: make that branch finite "
    "first, where(mask, f(where(mask, x, 1)), 0)",
}


def _finite(arrays: Iterable[Any]) -> bool:
    for x in arrays:
        x = x.array if isinstance(x, Tensor) else x
        if isinstance(x, float) and not np.isfinite(x):
            return False
        if getattr(x, "dtype", None) is not None and x.dtype.kind == "f" and not np.isfinite(x).all():
            return False
    return True


def _call_stack() -> Any:
    import traceback  # 3 ms, and only anomaly mode needs it

    return traceback.extract_stack()[:-2]


def _where(trace: Any) -> str:
    """The user's line: the last frame outside this package."""
    package = __file__.rsplit("/", 1)[0]
    outside = [f for f in trace or () if not f.filename.startswith(package)]
    if not outside:
        return "an unknown line (it was recorded outside detect_anomaly)"
    frame = outside[-1]
    return f'{frame.filename}:{frame.lineno}: "{frame.line}"'


def _check_forward(operation: Operation, arrays: list, y: Any, trace: Any) -> None:
    if not _finite([y]) and _finite(arrays):
        raise GradientError(_report(operation, "its output has a NaN or infinity although its inputs are finite", trace))


def _check_backward(node: Node, g: Any, dx: Any) -> None:
    if not _finite([dx]) and _finite([g]):
        what = "its derivative gave a NaN or infinity from a finite cotangent"
        raise GradientError(_report(node.operation, what, node.trace))


def _report(operation: Operation, what: str, trace: Any) -> str:
    idiom = _SAFE_IDIOMS.get(operation.name, "look at the values that go into it")
    return f"anomaly: '{operation.name}' at {_where(trace)}: {what}; {idiom}"
