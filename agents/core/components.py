"""Components: parts of an algorithm that can be exchanged. Each brings hyper-parameters of its own.

A seam is a place in an algorithm where one of several components stands. It is a table of them by name. A component
enters itself there, beside its own code, together with its settings:

    TARGET = Seam("target", ("start", "forward", "follow"))

    @dataclass(frozen=True)
    class AveragedSettings(Hyperparameters):
        target_last: Count = 5

    @TARGET.option("averaged", AveragedSettings)
    class Averaged: ...

From then on the algorithm's hyper-parameter `target` can be "averaged", and where it is, there is a `target_last`; on
the command line, `--target averaged --target-last 5`. Its value may also be an object of the user's own that has the
seam's methods.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, make_dataclass
from functools import cache
from operator import attrgetter
from typing import Any, ClassVar, Literal, NamedTuple, Self, TypeVar, get_type_hints

from envs.errors import UsageError

from .hyperparameters import Hyperparameters, check, names_of
from .names import qualified_name

C = TypeVar("C")


class Option(NamedTuple):
    component: Any
    settings: type[Hyperparameters]


class Seam:
    """A table of components by name.

    name         the hyper-parameter that chooses one; the names of their settings begin with it
    methods      what an object of the user's own must have to stand here; () if it is a function
    from_agent   whether what is in the table makes the component, of the agent; else it is the component, a function
    own          what a user may give where no methods are named, for the message of an error
    """

    def __init__(
        self, name: str, methods: tuple[str, ...] = (), from_agent: bool = True, own: str = "a function"
    ) -> None:
        self.name, self.methods, self.from_agent, self.own = name, methods, from_agent, own
        self.options: dict[str, Option] = {}

    def option(self, name: str, settings: type[Hyperparameters] = Hyperparameters) -> Callable[[C], C]:
        """Enters the class or function under it, by `name`, with its settings."""

        def enter(component: C) -> C:
            self.options[name] = Option(component, settings)
            return component

        return enter

    def make(self, agent: Any) -> Any:
        """The component that the agent's hyper-parameters choose. A class of the user's own is made of the agent."""
        chosen = getattr(agent.hyperparameters, self.name)
        if isinstance(chosen, type):
            made = chosen(agent)
            self.check(made)
            return made
        if not isinstance(chosen, str):
            return chosen
        component = self.options[chosen].component
        return component(agent) if self.from_agent else component

    def settings_of(self, chosen: Any) -> type[Hyperparameters]:
        """Those of an option; an object of the user's own has none."""
        return self.options[chosen].settings if isinstance(chosen, str) else Hyperparameters

    def check(self, chosen: Any) -> None:
        """Raises `UsageError` where `chosen` is neither an option's name nor an object that can stand here."""
        if isinstance(chosen, str):
            check(self.name, chosen, Literal[tuple(self.options)])
        elif isinstance(chosen, Mapping) and "own" in chosen:
            raise UsageError(
                f"this agent was trained with a {self.name} of its user's own, {chosen['own']}, and nothing is "
                f"imported because a file names it; load it from Python and give it again: load(path, {self.name}=...)"
            )
        elif not isinstance(chosen, type):  # what it makes is looked at once it is made
            missing = [f"{name}()" for name in self.methods if not callable(getattr(chosen, name, None))]
            if missing or not (self.methods or callable(chosen)):
                wanted = f"an object with {', '.join(self.methods)}" if self.methods else self.own
                raise UsageError(
                    f"{self.name} must be one of {', '.join(self.options)}, or {wanted}, got {chosen!r}"
                    + (f", which has no {', '.join(missing)}" if missing else "")
                )


@dataclass(frozen=True)
class ComposedHyperparameters(Hyperparameters):
    """Hyper-parameters of an algorithm with seams: its own, a field for each seam, and the settings of what is chosen
    there. `of` makes them, of a class that has just these fields."""

    seams: ClassVar[tuple[Seam, ...]] = ()
    # Switches, true or false, that say something about what stands at a seam; `rename` knows what.
    switches: ClassVar[tuple[str, ...]] = ()
    # The class that this one was put together from.
    origin: ClassVar[type[ComposedHyperparameters] | None] = None

    def __post_init__(self) -> None:
        for seam in self.seams:
            seam.check(getattr(self, seam.name))
        hints = get_type_hints(type(self), include_extras=True)
        for name in {field.name for field in fields(self)} - {seam.name for seam in self.seams}:
            object.__setattr__(self, name, check(name, getattr(self, name), hints[name]))  # it is frozen

    @classmethod
    def of(cls, values: Mapping[str, Any], preset: Mapping[str, Any] | None = None) -> Self:
        """From plain values. What a preset says about a component that is not chosen is left out; what `values` say
        about one is an error that says how to choose it."""
        usual = cls.rename(preset or {}, {})
        given = cls.rename(values, usual)
        merged = {**usual, **given}
        chosen = {}
        for seam in cls.seams:
            chosen[seam.name] = merged.get(seam.name, getattr(cls, seam.name))
            seam.check(chosen[seam.name])
        kind = cls._compose(
            tuple(seam.settings_of(chosen[seam.name]) for seam in cls.seams),
            tuple(tuple(seam.options) for seam in cls.seams),
        )
        known = {field.name for field in fields(kind)}
        elsewhere = {name for option in cls.all_options() for name in names_of(option.settings)} - known
        for name in given:
            if why := cls.explain_missing(name, chosen):
                raise UsageError(why)
        return super(ComposedHyperparameters, kind).of({n: v for n, v in merged.items() if n not in elsewhere})

    @classmethod
    def rename(cls, values: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
        """`values` in the names of the fields. `before` is what was said by a preset."""
        renamed: dict[str, Any] = {}
        aliases = cls.all_aliases()
        for name, value in values.items():
            field = aliases.get(name, name)
            if field in renamed:
                raise UsageError(
                    f"{field} is given twice: {' and '.join(n for n in values if aliases.get(n, n) == field)}"
                )
            renamed[field] = value
        return renamed

    @classmethod
    def all_aliases(cls) -> dict[str, str]:
        """Other names of settings, of every component there is, and the fields that they stand for."""
        return {other: field for option in cls.all_options() for other, field in option.settings.aliases.items()}

    @classmethod
    def all_options(cls) -> Iterator[Option]:
        for seam in cls.seams:
            yield from seam.options.values()

    @classmethod
    def explain_missing(cls, name: str, chosen: Mapping[str, Any]) -> str | None:
        """Why there is no field `name`, where it is a setting of components that are not `chosen`; else None."""
        for seam in cls.seams:
            having = [option for option, (_, settings) in seam.options.items() if name in names_of(settings)]
            now = chosen[seam.name] if isinstance(chosen[seam.name], str) else "your own"
            if having and now not in having:
                those = f"{seam.name} {' or '.join(having)}"
                return (
                    f"{name} is a setting of the {those}, but the {seam.name} is {now}; choose the {those} or leave "
                    f"{name} out"
                )
        return None

    @classmethod
    @cache
    def _compose(cls, settings: tuple[type[Hyperparameters], ...], options: tuple[tuple[str, ...], ...]) -> type[Self]:
        """A class with the fields of this one and of all `settings`. A seam's field lists its options, for --help."""
        bases = *(kind for kind in reversed(settings) if names_of(kind)), cls  # a dataclass begins with its last base
        choices = [
            (seam.name, Literal[names], getattr(cls, seam.name)) for seam, names in zip(cls.seams, options, strict=True)
        ]
        aliases = {other: field for kind in settings for other, field in kind.aliases.items()}
        # Properties; a `__getattr__` would slow down every other name, too.
        named = {other: property(attrgetter(field)) for other, field in aliases.items()}
        namespace = {"__module__": cls.__module__, "__doc__": cls.__doc__, "origin": cls, **named}
        return make_dataclass(cls.__name__, choices, bases=bases, namespace=namespace, frozen=True)

    def __reduce__(self) -> tuple[Any, ...]:
        """pickle knows a class by its name. This one was put together, and is made again from the one with a name."""
        return remake, (self.origin or type(self), {field.name: getattr(self, field.name) for field in fields(self)})

    def plain(self) -> dict[str, Any]:
        own = {name for name, component in self.chosen().items() if not isinstance(component, str)}
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: {"own": qualified_name(value)} if name in own else value for name, value in values.items()}

    def chosen(self) -> dict[str, Any]:
        """What stands at each seam."""
        return {seam.name: getattr(self, seam.name) for seam in self.seams}


def remake(kind: type[ComposedHyperparameters], values: dict[str, Any]) -> ComposedHyperparameters:
    return kind.of(values)
