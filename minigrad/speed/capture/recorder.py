"""The observer that writes down what a call does, while it runs eagerly.

It knows an array by its identity: an argument of the call, or what a line has made. Every other array is from outside.
If it is the same object in the next recording, it is read anew at each replay; if it is not, nobody knows where its
numbers come from, and the two recordings do not agree.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from os.path import dirname
from typing import Any

import numpy as np

from ... import errors
from ...core import backward
from ...core.hooks import Observer
from ...core.modes import get_ident, observers
from ...core.operation import TABLE, Node, Operation, argument_names
from ...core.tensor import LEAF, Tensor, fits, wrap
from ...errors import CaptureError
from ...ops.lists import ListOperation
from .numbers import make_plain, map_nested
from .recording import Leaf, Line, Recording, Shape, Value

PACKAGE = dirname(dirname(dirname(__file__)))


class Recorder(Observer):
    """Writes one call into `recording`."""

    takes_shortcuts = True  # what is recorded is what eager does when nobody looks

    def __init__(self, recording: Recording, inputs: Sequence[Any]) -> None:
        self.recording = recording
        self.values: dict[int, Value] = {}  # by the array's id
        self.alive: list[Any] = []  # so that no id is given out twice
        self.leaves: dict[int, tuple[Leaf, Tensor]] = {}  # by the tensor's id: whose gradients this has to do with
        self.inputs = {id(x): i for i, x in enumerate(inputs) if isinstance(x, Tensor)}
        self.owners: dict[int, Tensor] = {}  # by a tensor's id: the one that it was taken from by .data or .detach()
        self.versions: dict[int, Any] = {}  # by the id of a counter of changes: the tensor from outside that has it
        self.modules: set[int] = set()
        for i, x in enumerate(inputs):
            if not isinstance(x, float):
                self.know(getattr(x, "array", x), Value("input", i, Shape.of(getattr(x, "array", x))))
            if isinstance(x, Tensor):
                self.versions[id(x._version)] = Leaf(i, None)

    # -- arrays

    def know(self, array: Any, value: Value) -> Value:
        self.alive.append(array)
        return self.values.setdefault(id(array), value)

    def value_of(self, array: Any, tensor: Any = None) -> Value:
        """The Value of an array that is used."""
        value = self.values.get(id(array))
        if value is None:
            value = self.find_gradient(array) or self.find_view(array, tensor)
        if value is None:
            value = Value("outside", len(self.recording.outside), array, tensor)
            self.know(array, value)
            self.recording.outside[id(array)] = value
            if tensor is not None:
                if tensor._node is not None and tensor._node is not LEAF:
                    refuse("a tensor that was computed outside, and requires a gradient, is used; .detach() it")
                tensor = value.tensor = self.owners.get(id(tensor), tensor)
                self.versions.setdefault(id(tensor._version), Leaf(None, tensor))
        elif tensor is not None and value.kind == "outside" and value.tensor is None:
            value.tensor = self.owners.get(id(tensor), tensor)
        return value

    def find_gradient(self, array: Any) -> Value | None:
        """An array that is the gradient of a leaf now, though no line has made it, is read from there."""
        for leaf, tensor in self.leaves.values():
            held = tensor._grad
            if held is not None and held.array is array:
                return self.write_line("gradient", read_gradient, read_gradient, (leaf,), array)
        return None

    def find_view(self, array: Any, tensor: Tensor | None) -> Value | None:
        """A view of memory that is known is taken anew. (But a tensor from outside is read from there.)"""
        if type(array) is not np.ndarray or array.base is None or not array.size:
            return None
        owner = array.base
        start, stop = np.lib.array_utils.byte_bounds(array)
        found = []
        for known in reversed(self.alive):
            if type(known) is not np.ndarray or not known.flags.c_contiguous or known.dtype != array.dtype:
                continue
            if known is owner or known.base is owner:
                first, last = np.lib.array_utils.byte_bounds(known)
                if first <= start and stop <= last and (tensor is None or self.values[id(known)].kind != "outside"):
                    found.append((known, start - first))
        if not found:  # of memory from outside, say of a tensor that only its index is asked of
            if (
                tensor is not None
                or type(owner) is not np.ndarray
                or not owner.flags.c_contiguous
                or owner.dtype != array.dtype
            ):
                return None
            self.value_of(owner)
            found.append((owner, start - np.lib.array_utils.byte_bounds(owner)[0]))
        known, offset = found[0]
        if array.strides and min(array.strides) < 0:
            offset += find_address(array) - start
        look = (self.values[id(known)], array.shape, offset, array.strides)
        return self.write_line("look", look_at, look_at, look, array)

    def refer(self, x: Any) -> Any:
        """An argument with every array replaced by its Value."""
        if isinstance(x, Tensor):
            place = self.inputs.get(id(x))
            if place is None and x._node is not None and x._node is not LEAF:
                refuse("a tensor that was computed here is given to something that keeps it")
            return Leaf(place, x if place is None else None)
        if isinstance(x, np.ndarray) or id(x) in self.values:
            return self.value_of(x)
        if type(x) in (tuple, list, dict) or hasattr(x, "_fields"):
            return map_nested(self.refer, x)
        return x

    # -- lines

    def write_line(
        self, name: str, key: Any, function: Callable, arguments: tuple, result: Any, is_pure: bool = False
    ) -> Value:
        """Add a line, whose result is already there."""
        given = tuple(self.refer(x) for x in arguments)
        line = Line(name, key, function, given, is_pure, find_line())
        value = Value("made", len(self.recording.lines), Shape.of(result))
        if result is not None:  # an array, a number of NumPy's, or several
            line.out = self.values[id(result)] = value
            line.is_scalar = isinstance(result, np.ndarray) and not result.ndim
            self.alive.append(result)
        self.recording.lines.append(line)
        return value

    def run(self, name: str, key: Any, function: Callable, *arguments: Any) -> Any:
        """Compute something that changes nothing, or an array of its own, and write it down."""
        given = tuple(self.refer(x) for x in arguments)
        result = function(*make_plain(arguments))
        if id(result) not in self.values or result is None:
            self.write_line(name, key, function, given, result, is_pure=result is not None and owns_memory(result))
        return result

    # -- what the core tells

    def called(self, operation: Operation, inputs: Sequence, parameters: Sequence, out: Any) -> None:
        values = [self.value_of(x.array, x) if isinstance(x, Tensor) else self.refer(x) for x in inputs]
        if self.picks_by_mask(operation, parameters):
            refuse(f"'{operation.name}' with a mask makes a result whose shape depends on values: use where()")
        arguments = ([*values], *parameters) if isinstance(operation, ListOperation) else (*values, *parameters)
        if id(out.array) in self.values:  # the row has returned what it was given
            return
        name, key, is_pure = operation.name, (id(operation), None), owns_memory(out.array)
        self.write_line(name, key, operation.forward, arguments, out.array, is_pure)

    def picks_by_mask(self, operation: Operation, parameters: Sequence) -> bool:
        """Whether a mask that is computed here picks elements: how many, only its values say."""
        if operation.name not in ("index", "index_add"):
            return False
        parts = [part for p in parameters for part in (p if isinstance(p, tuple) else (p,))]
        masks = [part for part in parts if isinstance(part, np.ndarray) and part.dtype == bool]
        return any(self.value_of(mask).kind not in ("outside", "constant") for mask in masks)

    def ran(self, node: Node, input: int | None, g: Any, dx: Any) -> None:
        """Only of the rule that others share: the others come through `send`."""
        if isinstance(g, Tensor) or isinstance(dx, Tensor):
            refuse("backward with create_graph=True")
        if input is None and id(dx) not in self.values:
            named = self.name_rule(node, "y")
            self.write_line(*named, (g, *choose_kept(node, named[-1], node.kept)), dx, owns_memory(dx))

    def name_rule(self, node: Node, name: str) -> tuple[str, Any, Callable]:
        """The rule of this name, for a line: its name in the text, its key, itself."""
        operation = node.plan.operation
        return f"{operation.name}_{name}", (id(operation), name), operation.vjp[name]

    def send(self, node: Node, i: int, rule: Callable, g: Any, kept: Any, cotangents: dict, owned: set) -> None:
        """What the core's `send` does, and speed/walk.py's: each step written down."""
        operation, parent = node.plan.operation, node.edges[i]
        if node._hooks or parent._hooks:
            refuse("a hook of a tensor")
        if isinstance(g, Tensor):
            refuse("backward with create_graph=True")
        held = cotangents.get(parent)
        into = getattr(node.plan, "into", None)
        if into is not None and held is not None and held.ndim:
            if parent not in owned:
                held = cotangents[parent] = self.run("copy", np.copy, np.copy, held)
                owned.add(parent)
            self.run(f"{operation.name}_into", (id(operation), "into"), operation.into, held, g, *kept)
            return
        if isinstance(operation, ListOperation):
            dx = self.run(f"{operation.name}_tensor", (id(operation), i), operation.rule, g, i, *kept)
        else:
            named = self.name_rule(node, operation.inputs[i])
            dx = self.run(*named, g, *choose_kept(node, named[-1], kept))
        if node.shapes and getattr(dx, "shape", node.shapes[i]) != node.shapes[i]:
            dx = self.run("sum_to", "sum_to", TABLE["sum_to"].forward, dx, node.shapes[i])
        if not hasattr(dx, "shape") or (isinstance(parent, Tensor) and not fits(dx, parent.array)):
            raise errors.rule_does_not_fit(operation.name, parent, dx)
        if dx is g and isinstance(parent, Tensor):
            dx = self.run("copy", np.copy, np.copy, dx)
        if held is None:
            cotangents[parent] = dx
        elif parent in owned:
            self.run("add_into", add_into, add_into, held, dx)
        else:
            cotangents[parent] = held = self.run("add", np.add, np.add, held, dx)
            if type(held) is np.ndarray:
                owned.add(parent)

    def begin_walk(self, cotangents: dict, create_graph: bool) -> None:
        """Backward begins. Ones that it starts with are constants."""
        if create_graph:
            refuse("backward with create_graph=True")
        for g in cotangents.values():
            if id(g) not in self.values and isinstance(g, np.ndarray) and (g == 1).all():
                self.note_created(g)

    def note_gradient(self, leaf: Tensor, g: Any) -> None:
        """A gradient arrives at a leaf."""
        if leaf._hooks:
            refuse("a hook of a tensor")
        (reference,) = self.touch([leaf])
        self.write_line("accumulate", accumulate, accumulate, (reference, g), None)

    # -- what else is told (see events.py)

    def did(self, what: str, *details: Any) -> None:
        getattr(self, f"note_{what}")(*details)

    def note_created(self, array: Any) -> None:
        if id(array) in self.values or not isinstance(array, np.ndarray):
            return
        value = self.know(array, Value("constant", len(self.recording.constants), array))
        if value.kind == "constant":
            self.recording.constants[id(array)] = value
            value.array = array.copy()  # as it was made

    def note_computed(self, function: Callable, arguments: tuple, result: Any) -> None:
        array = getattr(result, "array", result)
        if array is None or id(array) not in self.values:
            self.write_line(function.__name__.strip("_<>"), function, function, arguments, array)

    def note_wrote(self, x: Tensor, key: Any, values: Any) -> None:
        place = self.value_of(x.array, x)
        self.write_line("write", write_values, write_values, (place, key, values), None)
        self.count_change(x)

    def count_change(self, x: Tensor) -> None:
        """The counter of a tensor from outside goes on at a replay, too."""
        owner = self.versions.get(id(x._version))
        if owner is not None:
            self.write_line("count_change", count_change, count_change, (owner,), None)

    def note_changed(self, x: Tensor, name: str, change: Callable, arguments: tuple) -> None:
        """speed/changes.py has changed x: change(array, *arguments)."""
        given = [y.array if isinstance(y, Tensor) else y for y in arguments]
        self.value_of(x.array, x)
        self.write_line(name, change, change, (x.array, *given), None)
        self.count_change(x)

    def note_aliased(self, tensor: Tensor, other: Tensor) -> None:
        self.alive.append(other)
        self.owners[id(other)] = self.owners.get(id(tensor), tensor)

    def note_touched(self, leaves: Any) -> None:
        self.touch(leaves)

    def touch(self, leaves: Any) -> list[Leaf]:
        found = []
        for x in leaves:
            if id(x) not in self.leaves:
                self.alive.append(x)
                if id(x) not in self.inputs:
                    self.value_of(x.array, x)
                place = self.inputs.get(id(x))
                self.leaves[id(x)] = Leaf(place, x if place is None else None), x
            found.append(self.leaves[id(x)][0])
        return found

    def note_entered(self, module: Any) -> None:
        if id(module) not in self.modules:
            for part in module.modules():  # some modules run their parts without calling them
                self.modules.add(id(part))
                self.recording.modules.append((part, part.training, list_parts(part)))

    def note_read(self, what: str) -> None:
        refuse(
            f"{what} reads a value, which would be the same at every replay; return the tensor and read it outside, or "
            "compute with tensors: where() in the place of `if`"
        )

    def note_refused(self, what: str) -> None:
        refuse(what)


def refuse(what: str) -> None:
    """Raise CaptureError, with the user's line."""
    where = find_line()
    raise CaptureError(
        f"capture: {what}{f' (at {where})' if where else ''}. Without capture the function works as it is: see .eager"
    )


def find_line() -> str:
    """The user's line that is running: file:number."""
    frame: Any = sys._getframe(1)
    while frame is not None:
        file = frame.f_code.co_filename
        if not file.startswith((PACKAGE, "<operation ", "<string>", "<captured")):
            return f"{file}:{frame.f_lineno}"
        frame = frame.f_back
    return ""


def choose_kept(node: Node, rule: Callable, kept: Any) -> list[Any]:
    """What a rule asks for besides g, of what the node has kept."""
    return [kept[node.plan.wanted.index(argument)] for argument in argument_names(rule)[1:]]


def list_parts(module: Any) -> list:
    """The tensors and modules that are attributes of a module, with their names."""
    return [(name, x) for name, x in module.__dict__.items() if isinstance(x, Tensor) or hasattr(x, "training")]


# -- what the lines call


def read_gradient(leaf: Tensor) -> Any:
    return leaf._grad.array  # type: ignore[union-attr]


def look_at(array: Any, shape: tuple, offset: int, strides: tuple) -> Any:
    """A view of memory."""
    return np.ndarray(shape, array.dtype, array, offset, strides)


def add_into(total: Any, x: Any) -> None:
    np.add(total, x, out=total)


def write_values(array: Any, key: Any, values: Any) -> None:
    array[key] = values


def count_change(x: Tensor) -> None:
    x._version[0] += 1


def accumulate(leaf: Tensor, g: Any) -> None:
    """Add a cotangent that has arrived at a leaf to its `.grad`."""
    if leaf._grad is None and type(g) is np.ndarray and g.base is None:
        leaf._grad = wrap(g)  # as mostly
    else:
        core_accumulate(leaf, g)


def owns_memory(x: Any) -> bool:
    """Whether an array looks at no other's memory."""
    return all(map(owns_memory, x)) if isinstance(x, tuple) else getattr(x, "base", None) is None


def find_address(array: Any) -> int:
    return array.__array_interface__["data"][0]


# -- where it plugs in


core_accumulate = backward.accumulate


def recorder_here() -> Recorder | None:
    """The Recorder of this thread, if it is recording."""
    observer = observers.get(get_ident())
    return observer if isinstance(observer, Recorder) else None


def plug_in() -> None:
    """Let backward's functions ask for a Recorder. Others run as before."""
    walk, send = backward.walk, backward.send

    def walk_or_record(cotangents: dict, retain_graph: bool, create_graph: bool, targets: Any) -> dict:
        recorder = recorder_here()
        if recorder is None:
            return walk(cotangents, retain_graph, create_graph, targets)
        recorder.begin_walk(cotangents, create_graph)
        found = walk(cotangents, retain_graph, create_graph, targets)
        if targets is not None:  # whoever asks keeps what is found: in memory of its own
            own = lambda g: g if g.base is None else recorder.run("copy", np.copy, np.copy, g)
            found = {place: own(g) if isinstance(g, np.ndarray) else g for place, g in found.items()}
        return found

    def send_or_record(node: Node, i: int, rule: Callable, g: Any, kept: Any, cotangents: dict, owned: set) -> None:
        recorder = recorder_here()
        (recorder.send if recorder is not None else send)(node, i, rule, g, kept, cotangents, owned)

    def accumulate_or_record(leaf: Tensor, g: Any) -> None:
        recorder = recorder_here()
        if recorder is not None:
            recorder.note_gradient(leaf, g)
        core_accumulate(leaf, g)

    backward.walk, backward.send, backward.accumulate = walk_or_record, send_or_record, accumulate_or_record
