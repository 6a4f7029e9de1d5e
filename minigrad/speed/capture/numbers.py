"""A float argument while it is recorded: a number that remembers how it was computed.

Its value is that of the call. What + - * / and ** make of it remembers, too, so that a replay computes it anew. To ask
whether it is greater than something would let one value decide the program, and is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...errors import CaptureError


class Number(float):
    """A float, and the text of the expression that gives it. To NumPy it is a plain float."""

    text: str

    def __new__(cls, value: float, text: str) -> Number:
        number = super().__new__(cls, value)
        number.text = text
        return number

    def __neg__(self) -> Number:
        return Number(float.__neg__(self), f"(-{self.text})")

    def __pos__(self) -> Number:
        return self

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **named: Any) -> Any:
        return getattr(ufunc, method)(*make_plain(inputs), **make_plain(named))

    def __array_function__(self, function: Any, types: Any, arguments: tuple, named: dict) -> Any:
        return function(*make_plain(arguments), **make_plain(named))

    __hash__ = float.__hash__


def map_nested(function: Callable[[Any], Any], x: Any) -> Any:
    """function(part) in the place of every part of nested tuples, lists, dicts and named tuples."""
    if hasattr(x, "_fields"):
        return type(x)(*(map_nested(function, part) for part in x))
    if type(x) in (tuple, list):
        return type(x)(map_nested(function, part) for part in x)
    if type(x) is dict:
        return {name: map_nested(function, part) for name, part in x.items()}
    return function(x)


def make_plain(x: Any) -> Any:
    """Nested arguments with every Number replaced by its value."""
    return map_nested(lambda part: float.__mul__(part, 1.0) if isinstance(part, Number) else part, x)


def write(x: float) -> str:
    return x.text if isinstance(x, Number) else repr(x)


def define(name: str, symbol: str, reflected: bool) -> Callable:
    compute = getattr(float, name)

    def operator(self: Number, other: Any) -> Any:
        if not isinstance(other, int | float):
            return NotImplemented
        value = compute(self, make_plain(other))
        left, right = (other, self) if reflected else (self, other)
        return Number(value, f"({write(left)} {symbol} {write(right)})")

    return operator


def refuse(what: str) -> Callable:
    def method(self: Number, *others: Any) -> Any:
        raise CaptureError(
            f"capture: {what} of the float argument {self.text} was asked for, which would let one value decide the "
            "program; decide it outside and pass what was decided, as a bool or an int"
        )

    return method


for _name, _symbol in (("add", "+"), ("sub", "-"), ("mul", "*"), ("truediv", "/"), ("pow", "**")):
    setattr(Number, f"__{_name}__", define(f"__{_name}__", _symbol, False))
    setattr(Number, f"__r{_name}__", define(f"__r{_name}__", _symbol, True))
for _name in ("lt", "le", "gt", "ge", "eq", "ne"):
    setattr(Number, f"__{_name}__", refuse("a comparison"))
_ROUNDING = ("round", "trunc", "floor", "ceil", "abs", "mod", "rmod", "floordiv", "rfloordiv", "divmod", "rdivmod")
for _name in ("bool", "int", "float", "format", "str", "repr", *_ROUNDING):
    setattr(Number, f"__{_name}__", refuse("the value"))
