"""Recording: what calling an operation leaves behind.

An Operation is one row of the table (ops/): a function of arrays and, next to it, its rules. Calling one computes with
NumPy and, if an input requires a gradient, leaves a Node: where the inputs came from, and what the rules will need.
Backward (autograd.py) walks over these nodes.
"""

from __future__ import annotations

import functools
import linecache
import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from .. import dtypes
from ..device import device_of, is_array, on_cpu
from ..errors import GradientError
from ..safety.anomaly import call_stack, check_forward  # noqa: F401, used in calling.py's text
from ..speed.calling import source_of_call
from .tensor import LEAF, Tensor, wrap

TABLE: dict[str, Operation] = {}
"""Every operation by its name: the derivative book (see ops/)."""

# The modes, set by modes.py and by a backward pass. Plain names of this module, because every call reads them.
enabled = True  # False inside no_grad
anomaly = False  # True inside detect_anomaly
in_recorded_backward = False  # True while a backward with create_graph runs

_new = object.__new__
_FLOAT32 = dtypes.float32
_NUMBERS = (float, int)
_HAVE_NO_SHAPE = (float, int, bool)
_NEVER = [0, 0]  # the version list of what is no Tensor, and so never changes


class Operation:
    """One row of the table: a function of arrays, and one vector-Jacobian product per differentiable input.

    forward: computes the output array from the input arrays and the parameters, all positional and without defaults.
    vjp: input name -> rule. A rule's signature says what backward must keep, by name: `g` is the cotangent of the
        output and comes first, `y` the output, an input's name the input, `NAME_shape` its shape only, and a
        parameter's name the parameter. Rules see arrays in an ordinary backward and Tensors in a recorded one
        (create_graph), so they are written with operators, NumPy functions and the engine's own operations.
        A rule under the name `y` comes before the others, which are given what it makes of the cotangent: what they
        have in common is computed once.
    elementwise: the inputs broadcast against each other and are promoted to one dtype. The engine undoes the
        broadcasting of the cotangents.
    fractional: integer inputs become the default float first.
    view: the output may look at the input's memory.
    into: into(total, g, *what the rule is given) adds the rule's result to `total` in place, at a cost that does not
        depend on the size of `total`: the n rows of a matrix, taken one by one, then cost n and not n².
    """

    __slots__ = (
        "apply",
        "cases",
        "differentiable",
        "elementwise",
        "forward",
        "fractional",
        "inputs",
        "into",
        "name",
        "parameters",
        "plans",
        "promoted",
        "ufunc",
        "view",
        "vjp",
        "written",
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
        into: Callable | None = None,
    ) -> None:
        self.name, self.into = name, into
        self.forward = forward
        self.ufunc = forward if isinstance(forward, np.ufunc) else None
        if self.ufunc is not None:
            names: tuple[str, ...] = ("x",) if self.ufunc.nin == 1 else ("a", "b")
        else:
            names = _parameters(forward)
        of_inputs = [n for n in vjp if n != "y"]
        unknown = [n for n in of_inputs if n not in names]
        if unknown:
            raise TypeError(f"operation '{name}': rules for {unknown}, but its inputs are {list(names)}")
        self.differentiable = bool(vjp)
        # The tensor inputs come first: all that have a rule, and any that stand before one that has.
        last = max((names.index(n) for n in of_inputs), default=len(names) - 1 if self.ufunc else 0)
        self.inputs = names[: last + 1]
        self.parameters = names[last + 1 :]
        self.vjp = vjp
        # A condition (`where`) has no rule and keeps its dtype; a comparison has no rules and promotes all inputs.
        self.promoted = [i for i, n in enumerate(self.inputs) if n in vjp or not vjp]
        self.elementwise, self.fractional, self.view = elementwise, fractional, view
        self.cases = cases
        self.plans: dict[int, Plan] = {}
        self.apply = self.written = _applier(self)

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
    watch(the version lists of the inputs and of the output) -> Node.versions, of the arrays kept.
    first: the rule that comes before the others, first(g, kept), or None.
    rules: (input position, rule), the rules to be called with the cotangent and what was kept: rule(g, kept).
    into: the operation's `into` in the same form, into(total, g, kept), or None.
    """

    __slots__ = (
        "first",
        "into",
        "keep",
        "keeps_arrays",
        "keeps_inputs",
        "keeps_output",
        "operation",
        "roles",
        "rules",
        "watch",
    )

    first: Callable | None
    into: Callable | None
    rules: tuple[tuple[int, Callable], ...]

    def __init__(self, operation: Operation, needed: int) -> None:
        self.operation, self.first, self.into = operation, None, None
        names = ("y", *operation.inputs, *operation.parameters)
        first = operation.vjp.get("y")
        asked_first = _parameters(first)[1:] if first is not None else ()  # all but g
        wanted = [*asked_first]
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
        self.rules = tuple((i, _given(rule, "g", [wanted.index(a) for a in asked])) for i, rule, asked in rules)
        if first is not None:
            self.first = _given(first, "g", list(range(len(asked_first))))
        if operation.into is not None:
            self.into = _given(operation.into, "total, g", list(range(len(wanted))))
        self.keeps_inputs = tuple(i for i, name in enumerate(operation.inputs) if name in wanted)
        self.keeps_output = "y" in wanted
        self.keeps_arrays = self.keeps_output or bool(self.keeps_inputs)
        lists = [f"v{i}" for i in range(len(operation.inputs))]
        watched = [(lists[i], i) for i in self.keeps_inputs] + [("v", -1)] * self.keeps_output
        items = "".join(f"({v}, {v}[0], {role}), " for v, role in watched)
        self.watch = eval(f"lambda {', '.join(lists)}, v: ({items})")
        # For a recorded backward: -1 marks the output, i an input, None what is no array of the graph.
        self.roles = tuple(
            -1 if w == "y" else operation.inputs.index(w) if w in operation.inputs else None for w in wanted
        )


def _given(function: Callable, first: str, positions: list[int]) -> Callable:
    """`function`, to be called with its first arguments and what was kept, from which it takes these positions."""
    given = ", ".join([first, *(f"kept[{p}]" for p in positions)])
    return eval(f"lambda {first}, kept: function({given})", {"function": function})


class Node:
    """The memory of one recorded call: where its inputs came from and what its rules need.

    Nothing here points to the output tensor, so a graph has no reference cycles and is freed with its last tensor.
    """

    __slots__ = ("__weakref__", "_hooks", "edges", "kept", "plan", "shapes", "trace", "versions")

    plan: Plan
    edges: list  # per input: the Node that made it, the leaf Tensor itself, or None
    kept: tuple | None  # what plan.keep chose; None once backward has freed it
    versions: Sequence  # of the arrays kept: (version list, its value when recorded, role as in Plan.roles)
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
    """The function that calls `operation` (calling.py)."""
    forward, plans, find_plan, ndarray = operation.forward, operation.plans, operation.plan, np.ndarray

    def apply(*args: Any) -> Any:
        # Written at the first call, with these around it: all of them at once would double the time of an import.
        source, file = source_of_call(operation), f"<operation {operation.name}>"
        lines = source.splitlines(keepends=True)
        if file in linecache.cache and linecache.getlines(file) != lines:
            file = f"<operation {operation.name} at {id(operation):#x}>"
        linecache.cache[file] = len(source), None, lines, file  # for inspect and tracebacks
        made: dict[str, Callable] = {}
        exec(compile(source, file, "exec"), globals(), made)
        code = made["define"](operation, forward, plans, find_plan, ndarray).__code__
        operation.written.__code__ = code.replace(co_name=operation.name, co_qualname=operation.name)
        return operation.written(*args)

    apply.__name__ = apply.__qualname__ = operation.name
    apply.__doc__ = forward.__doc__
    apply.operation = operation  # type: ignore[attr-defined]
    return apply


def _unwrapped(x: Any) -> tuple:
    """The array, the node or mark, and the version list of an operation's input."""
    return (x.array, x._node, x._version) if isinstance(x, Tensor) else (x, None, _NEVER)


def _explained(operation: Operation, arrays: list, error: Exception) -> Exception | None:
    """NumPy's complaint about the inputs of an elementwise operation, in terms of tensors; None for any other."""
    _refuse_two_devices(operation.name, arrays)
    inputs = arrays[: len(operation.inputs)]
    if not operation.elementwise:
        return None
    if "broadcast" in str(error):
        shapes = " and ".join(str(getattr(x, "shape", ())) for x in inputs)
        return GradientError(
            f"{operation.name}: shapes {shapes} cannot be broadcast together; counted from the last dimension, sizes "
            "must be equal or 1: reshape, unsqueeze or transpose one of them"
        )
    if "negative integer powers" in str(error):
        return GradientError(
            f"{operation.name}: integers cannot be raised to a negative power, because the results would be fractions; "
            "convert the base with .float()"
        )
    if isinstance(error, TypeError):
        kinds = " and ".join(str(getattr(x, "dtype", type(x).__name__)) for x in inputs)
        return GradientError(
            f"{operation.name}: not defined for {kinds}; expected numbers of a dtype that it takes: "
            "convert with .float()"
        )
    return None


def _on_one_device(operation: Operation, y: Any, arrays: list) -> Any:
    """What a forward made on a GPU, from arrays of the GPU alone (CuPy takes some of the host's without a word)."""
    if not on_cpu(y) and operation.name != "to_device":
        _refuse_two_devices(operation.name, arrays)
    return y


def _refuse_two_devices(name: str, arrays: Iterable[Any]) -> None:
    parts = [x for a in arrays for x in (a if type(a) is tuple else (a,))]  # an index may be a tuple
    devices = list(dict.fromkeys(str(device_of(x)) for x in parts if is_array(x)))
    if len(devices) > 1:
        raise GradientError(
            f"{name}: the tensors are on two devices, {' and '.join(devices)}; an operation computes on one: "
            "move all of them there with .to(device)"
        )


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
    ) -> None:
        super().__init__(name, forward, {}, cases=cases)
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
        if len({type(a) for a in arrays}) > 1:
            _refuse_two_devices(self.name, arrays)
        out = wrap(self.forward(arrays, *parameters))
        edges = [_edge(x) for x in inputs]
        if enabled and any(e is not None for e in edges):
            node = _new(Node)
            node.edges = edges
            node.plan = _ListPlan(self, [i for i, e in enumerate(edges) if e is not None])
            node.kept = self.keep([a.shape for a in arrays], *parameters)
            node.versions, node.shapes, node._hooks = (), None, None
            node.trace = call_stack() if anomaly else None
            out._node = node
        return out


class _ListPlan(Plan):
    """The plan of one call of a ListOperation."""

    __slots__ = ()

    def __init__(self, operation: ListOperation, needed: list[int]) -> None:
        self.operation, self.first, self.into = operation, None, None
        self.rules = tuple((i, functools.partial(_of_list, operation.rule, i)) for i in needed)
        self.keeps_output, self.keeps_inputs, self.keeps_arrays, self.roles = False, (), False, ()


def _of_list(rule: Callable, i: int, g: Any, kept: tuple) -> Any:
    return rule(g, i, *kept)


def _edge(x: Any) -> Any:
    """Where a cotangent of `x` is to go: its node, itself if it is a leaf, or nowhere."""
    if not isinstance(x, Tensor):
        return None
    return x if x._node is LEAF else x._node


def _promoted(operation: Operation, inputs: list) -> list:
    """The inputs with every tensor or array cast to the dtype that PyTorch would compute in."""
    inputs = [x.item() if isinstance(x, np.generic) else x for x in inputs]
    raw = [inputs[i].array if isinstance(inputs[i], Tensor) else inputs[i] for i in operation.promoted]
    dtype = dtypes.result_type(*raw, fractional=operation.fractional)
    cast = TABLE["cast"].apply
    for i in operation.promoted:
        x = inputs[i]
        if isinstance(x, Tensor):
            if x.array.dtype != dtype:
                inputs[i] = cast(x, dtype, x.array.dtype)
        elif is_array(x):
            inputs[i] = x.astype(dtype, copy=False)
        elif type(x) is int and dtype.kind in "iu":
            inputs[i] = dtypes.fit(operation.name, x, dtype)
    return inputs


def _share_memory(out: Tensor, source: Any) -> None:
    """Make `out` a view of `source` if their memory is one: they share the version list from now on."""
    base, given = out.array.base, getattr(source, "array", None)
    if base is not None and (base is given or (given is not None and _root(base) is _root(given))):
        out._version = version = source._version
        out._base = (source if source._base is None else source._base[0], version[1])
    else:
        out._version = [0, 0]


def _root(array: Any) -> Any:
    """The array that owns the memory `array` looks at."""
    while getattr(array, "base", None) is not None:
        array = array.base
    return array


_STALE = (
    "{}: an input of shape {} is a view taken before its base was changed in place by a recorded operation, "
    "so its gradient would be wrong; take the view again after the change"
)
