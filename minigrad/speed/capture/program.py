"""A recording as a program: straight-line Python, which calls the same functions on the same arrays, in the same order.

    def step(t0, t1):
        x0, x1 = t0.array, t1.array
        v0 = linear_relu(x0, p0, p1)  # (64, 128) float32
        v1 = linear(v0, p2, p3)  # (64, 2) float32
        ...

No nodes, no look-ups: what eager found out is in the text. Names that begin with x are arguments, with p arrays from
outside (parameters, mostly), with c constants, with v what was computed; t0 and w0 are the Tensors of x0 and p0.
"""

from __future__ import annotations

import keyword
import linecache
import re
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

import numpy as np

from ...core.tensor import LEAF, wrap
from ...events import layout
from .numbers import Number
from .recording import Leaf, Line, Recording, Result, Value, iterate_values

serial = count(1)


class Program:
    """`run(*inputs)` replays a recording. source: its text. runs: how often it ran.

    before, recording: two recordings that agree. A float argument that differed between them may have any value,
    another only the one that it had.
    """

    def __init__(self, name: str, before: Recording, recording: Recording) -> None:
        self.recording, self.runs = recording, 0
        self.pinned = [(i, repr(x)) for i, x in recording.floats.items() if repr(x) == repr(before.floats[i])]
        writer = Writer(name, recording)
        self.source, self.run, self.lines = writer.source, writer.compile(), writer.lines
        self.tensors = [
            (value.tensor, value.array, value.tensor._node is LEAF)
            for value in recording.outside.values()
            if value.tensor is not None
        ]
        self.layout = layout[0]

    def fits(self, inputs: Sequence[Any]) -> bool:
        """Whether it may be replayed now: nothing from outside was exchanged, and no number that it is for changed."""
        for i, value in self.pinned:
            if repr(inputs[i]) != value:
                return False
        for tensor, array, is_leaf in self.tensors:
            if tensor.array is not array or (tensor._node is LEAF) is not is_leaf:
                return False
        return self.layout == layout[0] or self.finds_modules_as_they_were()

    def finds_modules_as_they_were(self) -> bool:
        """Whether the modules that were called are in the same mode, and hold the same."""
        now = layout[0]
        for module, training, parts in self.recording.modules:
            held = module.__dict__
            if module.training is not training or any(held.get(name) is not x for name, x in parts):
                return False
        self.layout = now
        return True

    def explain(self, error: BaseException) -> None:
        """Add to an error inside the program which line of it was running."""
        trace = error.__traceback__
        while trace is not None:
            if trace.tb_frame.f_code is self.run.__code__:
                line = self.lines.get(trace.tb_lineno)
                text = self.source.splitlines()[trace.tb_lineno - 1].strip()
                where = f", recorded at {line.where}" if line is not None and line.where else ""
                error.add_note(f"In line {trace.tb_lineno} of the captured step's source: {text}{where}")
                return
            trace = trace.tb_next


class Writer:
    """Writes a recording as text, and compiles it.

    lines: which line of the text is which of the recording.
    """

    def __init__(self, name: str, recording: Recording) -> None:
        self.function_name, self.recording = name, recording
        self.names: dict[str, Any] = {"asarray": np.asarray, "wrap": wrap}  # what the text refers to
        self.known: dict[int, str] = {}  # by an object's id: its name in the text
        self.used: set[int] = set()  # inputs whose arrays are used
        held = self.find_held()
        self.renewed = [value for value in held if value.kind == "constant"]
        self.arrays = {value.place for value in held if value.kind == "made"}  # they have to be arrays, even if 0-d
        self.lines: dict[int, Line] = {}
        dead = self.find_last_uses()
        body: list[tuple[str, Line | None]] = []
        for i, line in enumerate(recording.lines):
            body.append((self.write_line(i, line), line))
            if i in dead:
                body.append((f"del {', '.join(f'v{place}' for place in sorted(dead[i]))}", None))
        body.append((f"return {self.write_result(recording.result)}", None))
        body[:0] = [(text, None) for text in self.write_beginning()]
        arguments = ", ".join(f"{kind}{i}" for i, kind in enumerate(recording.kinds))
        self.source = "\n    ".join([f"def {name}({arguments}):", *(text for text, _ in body)]) + "\n"
        self.lines = {number: line for number, (_, line) in enumerate(body, 2) if line is not None}

    def compile(self) -> Callable:
        """The function. Its source is kept where tracebacks and `inspect` look for it."""
        file = f"<captured {self.function_name}, program {next(serial)}>"
        linecache.cache[file] = len(self.source), None, self.source.splitlines(keepends=True), file
        exec(compile(self.source, file, "exec"), self.names)
        return self.names[self.function_name]

    def write_beginning(self) -> list[str]:
        """The arrays of the arguments that are Tensors, and fresh constants."""
        tensors = sorted(i for i in self.used if self.recording.kinds[i] == "t")
        arrays = f"{', '.join(f'x{i}' for i in tensors)} = {', '.join(f't{i}.array' for i in tensors)}"
        fresh = [f"c{value.place} = {self.name(f'c{value.place}_', value.array)}.copy()" for value in self.renewed]
        return [arrays, *fresh] if tensors else fresh

    def find_held(self) -> list[Value]:
        """What is returned, or what something changes, keeps or looks at. Of constants each replay needs a copy."""
        held = [x for line in self.recording.lines if not line.is_pure for x in iterate_values(line.arguments)]
        return [*dict.fromkeys([*held, *iterate_values(self.recording.result)])]

    def find_last_uses(self) -> dict[int, list[int]]:
        """For each line, the values that no later line needs."""
        last: dict[int, int] = {}
        for i, line in enumerate(self.recording.lines):
            if line.out is not None:
                last[i] = i
            for value in iterate_values(line.arguments):
                if value.kind == "made":
                    last[value.place] = i
        for value in iterate_values(self.recording.result):
            if value.kind == "made":
                last.pop(value.place, None)
        dead: dict[int, list[int]] = {}
        for place, i in last.items():
            dead.setdefault(i, []).append(place)
        return dead

    def write_line(self, i: int, line: Line) -> str:
        arguments = ", ".join(self.write(x) for x in line.arguments)
        call = f"{self.name(line.name, line.function)}({arguments})"
        if line.out is None:
            return call
        shape = f"  # {line.out.array.shape} {line.out.array.dtype}"
        return f"v{i} = asarray({call}){shape}" if line.is_scalar and i in self.arrays else f"v{i} = {call}{shape}"

    def write_result(self, x: Any) -> str:
        """What the function returns: Tensors around arrays, in the same tuples, lists and dicts."""
        if isinstance(x, Result):
            return f"wrap({self.write(x.value)})"
        if isinstance(x, Leaf):
            return self.write(x)
        if hasattr(x, "_fields"):  # a named tuple
            return f"{self.name(type(x).__name__, type(x))}({', '.join(self.write_result(part) for part in x)})"
        if type(x) is tuple:
            return write_tuple([self.write_result(part) for part in x])
        if isinstance(x, list):
            return f"[{', '.join(self.write_result(part) for part in x)}]"
        if isinstance(x, dict):
            return f"{{{', '.join(f'{self.write(key)}: {self.write_result(part)}' for key, part in x.items())}}}"
        return self.write(x)

    def name(self, wanted: str, thing: Any) -> str:
        """A name for something that the text refers to."""
        if id(thing) not in self.known:
            wanted = re.sub(r"\W", "_", wanted) or "thing"
            if keyword.iskeyword(wanted) or wanted in self.names or wanted == self.function_name:
                wanted = next(n for i in count(2) if (n := f"{wanted}_{i}") not in self.names)
            self.names[wanted], self.known[id(thing)] = thing, wanted
        return self.known[id(thing)]

    def write(self, x: Any) -> str:
        """An argument as text."""
        if isinstance(x, Value):
            if x.kind == "input":
                self.used.add(x.place)
                return f"x{x.place}"
            if x.kind == "made":
                return f"v{x.place}"
            if x.kind == "constant":
                return f"c{x.place}" if x in self.renewed else self.name(f"c{x.place}", x.array)
            return self.name(f"p{x.place}", x.array)
        if isinstance(x, Leaf):
            if x.place is not None:
                return f"t{x.place}"
            value = self.recording.outside.get(id(x.tensor.array))
            return self.name(f"w{value.place}" if value is not None else "w", x.tensor)
        if isinstance(x, Number):
            return x.text
        if type(x) is tuple:
            return write_tuple([self.write(part) for part in x])
        if type(x) is list:
            return f"[{', '.join(self.write(part) for part in x)}]"
        if type(x) is dict:
            return f"{{{', '.join(f'{self.write(name)}: {self.write(part)}' for name, part in x.items())}}}"
        if type(x) is slice:
            return f"slice({self.write(x.start)}, {self.write(x.stop)}, {self.write(x.step)})"
        if x is None or x is Ellipsis or type(x) in (bool, int, str) or (type(x) is float and np.isfinite(x)):
            return repr(x)
        return self.name(getattr(x, "__name__", None) or (x.name if isinstance(x, np.dtype) else type(x).__name__), x)


def write_tuple(parts: list[str]) -> str:
    return f"({parts[0]},)" if len(parts) == 1 else f"({', '.join(parts)})"
