"""Shortcuts of calls: for each row, the text of a function that does what core/call.py does, for usual inputs.

    unwrap the tensors → compute with NumPy → wrap the result → leave a Node, if an input requires a gradient

It is written out for each row, without loops over the inputs. Whatever is unusual it hands to the core's `call`: inputs
that have to be promoted, a view taken before its base was changed, a thread with an observer, an error of NumPy's. The
text becomes the code of the row's public function at the first call. `inspect.getsource(minigrad.tanh)` then shows it.

The function keeps its globals, so the names in the text are those of core/call.py; `operation` is the row. Of input i,
xi is what was given, ai its array, ni its node (or LEAF, or None), vi its counter of changes. Parameters are pi.
"""

from __future__ import annotations

import linecache
from collections.abc import Callable, Sequence
from textwrap import indent
from typing import Any

from ..core.call import call, ndarray
from ..core.modes import get_ident, observers, paused
from ..core.operation import Node, Operation, Plan, argument_names
from ..core.tensor import LEAF, Tensor, wrap
from ..ops.lists import ListOperation


def exchange_code(operation: Operation) -> None:
    """Exchange the code of a row's public function. Every name that it is known by then has the shortcut.

    The text is written at the first call: all of them at once would double the time of the import.
    """
    public: Any = operation.apply
    if isinstance(operation, ListOperation):
        public.__code__ = bind_list(operation).__code__  # type: ignore[attr-defined]
        return
    operation.plan_class = QuickPlan
    operation.write_shortcut, operation.public = write_shortcut, public  # type: ignore[attr-defined]
    public.__code__ = STUB


def write_shortcut(operation: Operation) -> None:
    """Give the row's public function its shortcut, in place of the stub."""
    operation.public.__code__ = compile_shortcut(operation)  # type: ignore[attr-defined]


def bind_stub(operation: Any) -> Callable:
    """What a row's public function does at its first call. One code serves all rows."""

    def apply(*arguments: Any) -> Any:
        operation.write_shortcut(operation)
        return operation.public(*arguments)

    return apply


STUB = bind_stub(None).__code__  # type: ignore[attr-defined]


def compile_shortcut(operation: Operation) -> Any:
    """The code of the shortcut. Its source is kept where tracebacks and `inspect` look for it."""
    source, file = write_source(operation), f"<operation {operation.name}>"
    lines = source.splitlines(keepends=True)
    if file in linecache.cache and linecache.getlines(file) != lines:
        file = f"<operation {operation.name} at {id(operation):#x}>"
    linecache.cache[file] = len(source), None, lines, file
    made: dict[str, Callable] = {}
    exec(compile(source, file, "exec"), made)
    code = made["bind"](operation).__code__
    return code.replace(co_name=operation.name, co_qualname=operation.name)


SHARE_MEMORY = """
if y.size and isinstance(x0, Tensor):
    if y.base is a0 or y.base is a0.base is not None:
        out._version, out._base = v0, (x0 if x0._base is None else x0._base[0], v0[1])
    elif y.base is not None:
        share_memory(out, x0)
"""


def write_source(operation: Operation) -> str:
    """The source of a function `bind(operation)`, which returns the shortcut."""
    places = range(len(operation.inputs))
    inputs, arrays, counters = (", ".join(f"{letter}{i}" for i in places) for letter in "xav")
    parameters = "".join(f", p{i}" for i in range(len(operation.parameters)))
    edges = ", ".join(f"x{i} if n{i} is LEAF else n{i}" for i in places)
    body = f"""
if observers and get_ident() in observers:
    return call(operation, {inputs}{parameters})
needed = 0  # a bit for each input that requires a gradient
found, plain = False, True  # found a Tensor; nothing to promote, no view that is out of date
{"".join(unwrap_input(operation, i) for i in places)}
if not found:
    return operation.forward({arrays}{parameters})  # a rule at work on arrays
if not plain:
    return call(operation, {inputs}{parameters})
forward = operation.forward
try:
    y = forward({arrays}{parameters})
except (AttributeError, TypeError, ValueError):
    return call(operation, {inputs}{parameters})  # which says why
if type(y) is not ndarray:
    if not isinstance(y, np.generic):  # an array of a GPU
        hooks.before_call(operation, [{inputs}{parameters}])
        return wrap_result(operation, [{inputs}], [{parameters[2:]}], [{arrays}], y)
    y = np.asarray(y)
out = new(Tensor)
out.array = y
out._grad = out._hooks = out._base = out._node = None
out._version = [0, 0]
{SHARE_MEMORY if operation.view else ""}
{write_node(operation, arrays + parameters, edges, counters) if operation.differentiable else ""}
return out"""
    return f"""
def bind(operation):
    def apply({inputs}{parameters}):
{indent(body, " " * 8)}
    return apply
"""


def unwrap_input(operation: Operation, i: int) -> str:
    """Look at input i. It is usual if it need not be promoted, and is no view whose base has changed."""
    promoted = i in operation.promoted
    text = f"""
if isinstance(x{i}, Tensor):
    found, a{i} = True, x{i}.array
    n{i}, v{i} = x{i}._node, x{i}._version
    if n{i} is not None:
        needed |= {1 << i}
    if {f"a{i}.dtype is not dtypes.float32 or " if promoted else ""}x{i}._base is not None and x{i}._base[1] != v{i}[1]:
        plain = False
else:
    a{i}, n{i}, v{i} = x{i}, None, NEVER"""
    if promoted:
        text += f"""
    if type(x{i}) is not float and type(x{i}) is not int:
        plain = False"""
    return text


def write_node(operation: Operation, values: str, edges: str, counters: str) -> str:
    """Leave a Node."""
    places = range(len(operation.inputs))
    shapes = "node.shapes = None"
    if operation.elementwise and len(places) > 1:
        differs = " or ".join(f"(type(a{i}) is ndarray and a{i}.shape != shape)" for i in places)
        shapes = f"""shape = y.shape
    node.shapes = [{", ".join(f"np.shape(a{i})" for i in places)}] if {differs} else None"""
    return f"""
if needed and (not paused or get_ident() not in paused):
    out._node = node = new(Node)
    node.plan = plan = operation.plans.get(needed) or operation.plan(needed)
    node.edges = [{edges}]
    keep, watch = plan.keep, plan.watch  # to call them as attributes takes longer
    node.kept = keep(y, {values})
    node.versions = watch({counters}, out._version)
    {shapes}
    node._hooks = None"""


def bind_list(operation: ListOperation) -> Callable:
    """The shortcut of a row on a list: for tensors of one dtype."""

    def apply(tensors: Any, *parameters: Any) -> Any:
        inputs = [*tensors]
        arrays: list[Any] = []
        needed = 0
        if observers and get_ident() in observers:
            return call(operation, inputs, *parameters)
        for i, x in enumerate(inputs):
            if not isinstance(x, Tensor) or (x._base is not None and x._base[1] != x._version[1]):
                return call(operation, inputs, *parameters)
            a = x.array
            if type(a) is not ndarray or (i and a.dtype is not arrays[0].dtype):
                return call(operation, inputs, *parameters)
            arrays.append(a)
            if x._node is not None:
                needed |= 1 << i
        if not arrays:
            return call(operation, inputs, *parameters)
        out = wrap(operation.forward(arrays, *parameters))
        if needed and (not paused or get_ident() not in paused):
            edges = [x if x._node is LEAF else x._node for x in inputs]
            plan = operation.plan(needed)
            out._node = Node(plan, edges, plan.keep(out.array, *arrays, *parameters), (), None)
        return out

    return apply


class QuickPlan(Plan):
    """A Plan whose functions are a little source text, compiled once: without loops over what is wanted."""

    def __init__(self, operation: Operation, needed: int) -> None:
        super().__init__(operation, needed)
        items = "".join(f"{w}, " if w in self.known else f"{w.removesuffix('_shape')}.shape, " for w in self.wanted)
        counters = [f"v{i}" for i in range(len(operation.inputs))] + ["v"]
        kept = [role for role in self.roles if role is not None]
        watched = "".join(f"({counters[role]}, {counters[role]}[0], {role}), " for role in kept)
        self.keep = eval(f"lambda {', '.join(self.known)}: ({items})")  # type: ignore[method-assign]
        self.watch = eval(f"lambda {', '.join(counters)}: ({watched})")  # type: ignore[method-assign]

        self.into = None if operation.into is None else self.bind_rule(operation.into, self.wanted)

    def bind_rule(self, rule: Callable, names: Sequence[str] | None = None) -> Callable:
        """`rule`, to be called with the tuple of what was kept in place of the arguments `names`: all but g."""
        arguments = argument_names(rule)
        names = arguments[1:] if names is None else names
        given = arguments[: len(arguments) - len(names)]
        kept = [f"kept[{self.wanted.index(name)}]" for name in names]
        return eval(f"lambda {', '.join(given)}, kept: rule({', '.join([*given, *kept])})", {"rule": rule})
