"""Hyper-parameters: frozen dataclasses whose fields state their own limits, and which are the command line's
options."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Annotated, Any, ClassVar, Literal, Self, get_args, get_origin, get_type_hints

import numpy as np

from envs.errors import UsageError, did_you_mean, real_number, whole_number


@dataclass(frozen=True)
class Limits:
    """Written into a field's type: `Annotated[float, Limits(0, 1)]`. `above` excludes its bound."""

    least: float = -math.inf
    most: float = math.inf
    above: float = -math.inf

    def allow(self, value: float) -> bool:
        return self.least <= value <= self.most and value > self.above and math.isfinite(value)

    def __str__(self) -> str:
        if self.above > -math.inf:
            return f"above {self.above:g}"
        if self.least == -math.inf:
            return "finite"
        return f"at least {self.least:g}" if self.most == math.inf else f"between {self.least:g} and {self.most:g}"


Positive = Annotated[float, Limits(above=0)]
NonNegative = Annotated[float, Limits(least=0)]
Fraction = Annotated[float, Limits(0, 1)]
Count = Annotated[int, Limits(least=1)]
Natural = Annotated[int, Limits(least=0)]
Sizes = tuple[Count, ...]


@dataclass(frozen=True)
class Hyperparameters:
    """What every algorithm's hyper-parameters can do: check themselves, and come from and go to plain
    values."""

    # Of a component's settings: other names for its fields (components.py).
    aliases: ClassVar[Mapping[str, str]] = {}

    def __post_init__(self) -> None:
        hints = get_type_hints(type(self), include_extras=True)
        for name in (field.name for field in fields(self)):
            # The way to set a field of a frozen dataclass.
            object.__setattr__(self, name, check(name, getattr(self, name), hints[name]))

    @classmethod
    def of(cls, values: Mapping[str, Any], preset: Mapping[str, Any] | None = None) -> Self:
        """From plain values (keywords, JSON), and a preset's for what they leave out; a name that doesn't exist is an
        error with the close ones."""
        values = {**(preset or {}), **values}
        known = names_of(cls)
        for name in values:
            if name not in known:
                raise UsageError(f"no hyper-parameter is called {name!r}{did_you_mean(name, known)}")
        # JSON has lists where a dataclass that never changes has tuples.
        return cls(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})

    def plain(self) -> dict[str, Any]:
        return asdict(self)

    def with_values(self, **values: Any) -> Self:
        return replace(self, **values)


def names_of(hyperparameters: type[Hyperparameters]) -> set[str]:
    return {field.name for field in fields(hyperparameters)}


def check(name: str, value: Any, hint: Any) -> Any:
    """Raises if `value` is not what the field's type `hint` says. Returns it with Python's numbers in place of NumPy's:
    config.json holds no others."""
    if hint is bool:
        if not isinstance(value, bool | np.bool_):
            raise UsageError(f"{name} must be True or False, got {value!r}")
        return bool(value)
    if hint is float:
        return check(name, value, Annotated[float, Limits()])
    if get_origin(hint) is Annotated:
        kind, limits = get_args(hint)
        if type(value) not in (int, float) or kind is int:
            value = real_number(name, value) if kind is float else whole_number(name, value)
        if not limits.allow(value):
            raise UsageError(f"{name} must be {limits}, got {value!r}")
    elif get_origin(hint) is Literal and value not in get_args(hint):
        raise UsageError(f"{name} must be one of {', '.join(map(str, get_args(hint)))}, got {value!r}")
    elif get_origin(hint) is tuple:
        if isinstance(value, np.ndarray) and value.ndim == 1:
            value = tuple(value)
        if not isinstance(value, tuple):
            raise UsageError(f"{name} must be a tuple, such as (64, 64), got {value!r}")
        checked = tuple(check(f"every number in {name}", item, get_args(hint)[0]) for item in value)
        return checked
    return value
