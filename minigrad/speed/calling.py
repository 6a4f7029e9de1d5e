"""Calling an operation: the text of the function that does it, which recording.py compiles and runs.

    unwrap the tensors → compute with NumPy → wrap the result → leave a Node, if an input requires a gradient

This is the hottest Python code of the engine, so it is written out for each operation: without loops over the
inputs, and with promotion and broadcasting only where the operation has them. A call then takes 0.7 µs above NumPy; one
function for all operations took 1.2. `inspect.getsource(minigrad.tanh)` shows what comes out, once tanh has been
called.

The names in the text are those of recording.py, where it runs; `operation`, `forward`, `plans` and `find_plan` are
the operation and what belongs to it, `ndarray` is NumPy's. Of input i, xi is what was given, ai its array, ni its node
(or the mark LEAF, or None), vi its version list. Parameters are pi.
"""

from __future__ import annotations

from textwrap import indent
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..core.recording import Operation


def source_of_call(operation: Operation) -> str:
    """A function `define(...)` whose result calls the operation."""
    places = range(len(operation.inputs))
    inputs, arrays, versions = (", ".join(f"{letter}{i}" for i in places) for letter in "xav")
    parameters = "".join(f", p{i}" for i in range(len(operation.parameters)))
    values = arrays + parameters
    edges = ", ".join(f"x{i} if n{i} is LEAF else n{i}" for i in places)
    share = "_share_memory(out, x0)" if operation.view else "out._version = [0, 0]"
    recorded = "needed and enabled" if operation.differentiable else "False  # it has no rules"
    body = f"""
needed = 0  # a bit for each input that requires a gradient
found = False  # a Tensor
{"plain = True  # nothing to promote: only float32 tensors and Python numbers" if _promotes(operation) else ""}
{"".join(_unwrap(operation, i) for i in places)}
if not found:
    return forward({values})  # a rule at work on arrays
{_promote(operation)}
try:
    y = forward({values})
except (TypeError, ValueError) as error:
    explained = _explained(operation, [{values}], error)
    if explained is None:
        raise
    raise explained from None
if type(y) is not ndarray:
    y = np.asarray(y) if isinstance(y, np.generic) else _on_one_device(operation, y, [{values}])

out = _new(Tensor)  # slots set one by one: 0.4 µs below a constructor
out.array = y
out._grad = out._hooks = out._base = None
{share}
recorded = {recorded}
if not recorded:
    out._node = None
    if anomaly:
        check_forward(operation, [{values}], y, call_stack())
    return out

node = _new(Node)
node.plan = plan = plans.get(needed) or find_plan(needed)
node.edges = [{edges}]
node.kept = plan.keep(y, {values})
node.versions = plan.watch({versions}, out._version) if plan.keeps_arrays else ()
{_keep_shapes(operation)}
node.trace = node._hooks = None
out._node = node
if anomaly:
    node.trace = call_stack()
    check_forward(operation, [{values}], y, node.trace)
return out"""
    return f"""
def define(operation, forward, plans, find_plan, ndarray):
    def apply({inputs}{parameters}):
{indent(body, " " * 8)}
    return apply
"""


def _promotes(operation: Operation) -> bool:
    return operation.elementwise or operation.fractional


def _unwrap(operation: Operation, i: int) -> str:
    """Look at input i."""
    text = f"""
if isinstance(x{i}, Tensor):
    found, a{i}, n{i}, v{i} = True, x{i}.array, x{i}._node, x{i}._version
    if n{i} is not None:
        needed |= {1 << i}
    if x{i}._base is not None and x{i}._base[1] != v{i}[1]:
        raise GradientError(_STALE.format(operation.name, x{i}.shape))"""
    if _promotes(operation) and i in operation.promoted:
        text += f"""
    plain = plain and a{i}.dtype is _FLOAT32"""
    text += f"""
else:
    a{i}, n{i}, v{i} = x{i}, None, _NEVER"""
    if _promotes(operation):
        text += f"""
    plain = plain and type(x{i}) in _NUMBERS"""
    return text


def _promote(operation: Operation) -> str:
    """Bring the inputs to one dtype, and look at them again."""
    if not _promotes(operation):
        return ""
    places = range(len(operation.inputs))
    inputs = ", ".join(f"x{i}" for i in places)
    again = "".join(f"\n    a{i}, n{i}, v{i} = _unwrapped(x{i})" for i in places)
    return f"""
if not plain:
    [{inputs}] = _promoted(operation, [{inputs}]){again}"""


def _keep_shapes(operation: Operation) -> str:
    """Remember the inputs' shapes, if one of them was broadcast."""
    places = range(len(operation.inputs))
    if not operation.elementwise or len(places) == 1:
        return "node.shapes = None"
    differs = " or ".join(f"(type(a{i}) not in _HAVE_NO_SHAPE and a{i}.shape != shape)" for i in places)
    shapes = ", ".join(f'getattr(a{i}, "shape", ())' for i in places)
    return f"""
node.shapes, shape = None, y.shape
if {differs}:
    node.shapes = [{shapes}]"""
