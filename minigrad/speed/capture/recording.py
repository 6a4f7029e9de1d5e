"""What was written down of one call, and whether two recordings agree.

A recording is a list of lines. A line is a function and its arguments; the arrays among the arguments are Values: an
argument of the call, what a line before has made, or an array from outside. Two recordings agree if they have the same
functions, the same numbers and the same arrays from outside. Then the next call may follow them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from .numbers import Number


class Shape(NamedTuple):
    """What is remembered of an array that a replay makes anew."""

    shape: tuple[int, ...]
    dtype: Any

    @classmethod
    def of(cls, x: Any) -> Shape:
        return cls(getattr(x, "shape", ()), getattr(x, "dtype", type(x).__name__))


class Value:
    """An array (or another result of NumPy's) in a recording.

    kind: "input" (an argument of the call), "made" (by a line), "outside" (it was there before), "constant" (made in
        the call, of numbers that are in the program's text).
    place: which input or line. array: that from outside, or the constant; of others, which must not be kept alive, the
        Shape. tensor: of an outside one, whose array it is, if it is one's.
    """

    __slots__ = ("array", "kind", "place", "tensor")

    def __init__(self, kind: str, place: int, array: Any, tensor: Any = None) -> None:
        self.kind, self.place, self.array, self.tensor = kind, place, array, tensor


class Leaf:
    """A Tensor itself, whose gradient a line sets: argument `place` of the call, or else a tensor from outside."""

    __slots__ = ("place", "tensor")

    def __init__(self, place: int | None, tensor: Any) -> None:
        self.place, self.tensor = place, tensor


class Result:
    """A Tensor that the call returns: a new one around this array."""

    __slots__ = ("value",)

    def __init__(self, value: Value) -> None:
        self.value = value


class Line:
    """function(*arguments), called at `where` in the user's program. name: for the text. out: what it made, or None."""

    __slots__ = ("arguments", "function", "is_pure", "is_scalar", "key", "name", "out", "where")

    def __init__(self, name: str, key: Any, function: Callable, arguments: tuple, is_pure: bool, where: str) -> None:
        self.name, self.key, self.function, self.arguments, self.where = name, key, function, arguments, where
        self.is_pure = is_pure  # it neither keeps nor changes an argument, nor looks at its memory
        self.out: Value | None = None
        self.is_scalar = False  # a 0-d array, which NumPy's functions return as a number


class Recording:
    """One call: its lines, what it returned, and what it has seen."""

    def __init__(self, inputs: Sequence[Any]) -> None:
        self.kinds = ["x" if isinstance(x, float | np.ndarray) else "t" for x in inputs]  # t: a Tensor
        self.floats = {i: x for i, x in enumerate(inputs) if isinstance(x, float)}
        self.lines: list[Line] = []
        self.result: Any = None
        self.outside: dict[int, Value] = {}  # by the array's id
        self.constants: dict[int, Value] = {}
        self.modules: list[tuple[Any, bool, list]] = []  # those that were called: their mode, and what they hold


def iterate_values(x: Any) -> Iterator[Value]:
    """The Values in nested arguments."""
    if isinstance(x, Value):
        yield x
    elif isinstance(x, Result):
        yield x.value
    elif isinstance(x, tuple | list):
        for part in x:
            yield from iterate_values(part)
    elif isinstance(x, dict):
        yield from iterate_values([*x.values()])


def find_difference(a: Recording, b: Recording) -> str:
    """The first thing in which two recordings differ, in words; nothing if they agree."""
    for first, second in zip(a.lines, b.lines, strict=False):
        if first.key != second.key:
            return f"{second.name} was computed{at(second.where)}, and {first.name}{at(first.where)} the time before"
        problem = compare(first.arguments, second.arguments)
        if problem:
            return f"{second.name}{at(second.where)}: {problem}"
    if len(a.lines) != len(b.lines):
        longer = max(a.lines, b.lines, key=len)
        extra = longer[min(len(a.lines), len(b.lines))]
        return f"{extra.name}{at(extra.where)} was computed in one of them only"
    return compare(a.result, b.result)


def at(where: str) -> str:
    return f" at {where}" if where else ""


def compare(a: Any, b: Any) -> str:
    """What differs between two arguments."""
    if type(a) is not type(b):
        return f"{type(b).__name__} was {type(a).__name__} before"
    if isinstance(a, Value):
        return compare_values(a, b)
    if isinstance(a, Leaf):
        same = a.place == b.place and (a.place is not None or a.tensor is b.tensor)
        return "" if same else "it is about another tensor than before"
    if isinstance(a, Result):
        return compare_values(a.value, b.value)
    if isinstance(a, Number):
        return "" if a.text == b.text else f"the number {b.text} was {a.text} before"
    if isinstance(a, tuple | list):
        if len(a) != len(b):
            return f"{len(b)} items were {len(a)} before"
        return next(filter(None, (compare(x, y) for x, y in zip(a, b, strict=True))), "")
    if isinstance(a, dict):
        return compare([*a], [*b]) or compare([*a.values()], [*b.values()])
    if isinstance(a, slice):
        return compare((a.start, a.stop, a.step), (b.start, b.stop, b.step))
    if isinstance(a, float):
        same = repr(a) == repr(b)  # which tells 0.0 from -0.0, and not a NaN from itself
        return "" if same else f"the number {b!r} was {a!r} before; a number that changes has to be an argument"
    same = a is b or (isinstance(a, int | str | bool | bytes | np.dtype | np.generic | type) and a == b)
    same = same or (callable(a) and a == b)
    return "" if same else f"{b!r} was {a!r} before"


def compare_values(a: Value, b: Value) -> str:
    if a.kind == b.kind and a.kind in ("input", "made") and a.place == b.place:
        return ""
    if a.kind == b.kind == "outside" and a.array is b.array:
        return ""
    if a.kind == b.kind == "constant" and is_same_array(a.array, b.array):
        return ""
    shape = f"an array of shape {b.array.shape}"
    if b.kind == "outside":
        return (
            f"{shape} is neither an argument, nor made by what can be recorded, nor the array of the time before; make "
            "it outside once, pass it as an argument, or compute it with minigrad's functions"
        )
    return f"{shape} was another one before"


def is_same_array(a: Any, b: Any) -> bool:
    """Whether two arrays have the same numbers, to the bit."""
    return a.shape == b.shape and a.dtype == b.dtype and a.strides == b.strides and a.tobytes() == b.tobytes()
