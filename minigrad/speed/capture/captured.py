"""What a user holds: a function that is recorded, and then replayed."""

from __future__ import annotations

import functools
import keyword
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ... import dtypes
from ...core.modes import Block, get_ident, observers, paused
from ...core.tensor import LEAF, Tensor
from ...errors import CaptureError
from .checking import check
from .numbers import Number, make_plain, map_nested
from .program import Program
from .recorder import Recorder, plug_in
from .recording import Leaf, Recording, Result, find_difference

MOST_RECORDINGS = 6  # of a signature, until it is given up
MOST_PROGRAMS = 8


def capture(function: Callable | None = None, *, check_every: int | None = None) -> Any:
    """A function that does what `function` does, and is replayed from its third call on. Also a decorator.

        @mg.capture
        def update(observation, action, target):
            loss = F.mse_loss(network(observation).gather(1, action), target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss

    Tensors and arrays are arguments: their shapes and dtypes are the signature. A float is an argument, too. Ints,
    bools, strings, None and other objects are a part of the signature. Of each signature two calls run eagerly and are
    recorded. If both did the same, later calls do it again: the same functions of NumPy on new arrays, without what
    finds out which. The results are equal to the bit.

    What it returns are new tensors, through which nothing flows back.

    check_every: at every n-th replay run the function eagerly, too, and compare. Raises CaptureError where they differ.

    Raises CaptureError for what a replay could not repeat, such as `.item()`. See docs/capture.md.
    """
    if function is None:
        return functools.partial(capture, check_every=check_every)
    if not callable(function):
        raise TypeError(f"capture: expected a function, got {type(function).__name__}")
    if check_every is not None and (type(check_every) is not int or check_every < 1):
        raise ValueError(f"capture: check_every={check_every!r}; expected an int of at least 1, or None")
    prepare()
    return Captured(function, check_every)


@functools.cache
def prepare() -> None:
    """Plug into backward, once."""
    plug_in()


class Captured:
    """A captured function. eager: the function itself. source: the program that ran last, as text."""

    def __init__(self, function: Callable, check_every: int | None = None) -> None:
        functools.update_wrapper(self, function)
        self.__name__ = name_function(function)
        self.eager, self.check_every = function, check_every
        self.programs: dict[Any, tuple[Program, ...]] = {}  # by signature
        self.recordings: dict[Any, list[Recording]] = {}  # those that no other has agreed with
        self.given_up: dict[Any, str] = {}  # signatures that run eagerly, and why
        self.last: Program | None = None
        self.lock = threading.RLock()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if observers and get_ident() in observers:
            return self.run_observed(args, kwargs)
        inputs: list[Any] = []
        signature = (
            sign(args, inputs),
            sign(kwargs, inputs),
            find_shared(inputs),
            bool(paused) and get_ident() in paused,
            dtypes.get_default_dtype(),
        )
        for program in self.programs.get(signature, ()):
            if program.fits(inputs):
                return self.replay(program, inputs, args, kwargs)
        return self.record(signature, inputs, args, kwargs)

    def __get__(self, owner: Any, kind: Any = None) -> Any:
        """As a method: the object is the first argument."""
        return self if owner is None else functools.partial(self, owner)

    def run_observed(self, args: tuple, kwargs: dict) -> Any:
        """Inside another captured function it is a part of that."""
        if not isinstance(observers[get_ident()], Recorder):
            raise CaptureError(
                f"capture: {self.__name__} was called in anomaly mode, which looks at every operation; "
                "call .eager there"
            )
        return self.eager(*args, **kwargs)

    def replay(self, program: Program, inputs: list, args: tuple, kwargs: dict) -> Any:
        self.last = program
        program.runs += 1
        if self.check_every is not None and program.runs % self.check_every == 0:
            return check(self, program, inputs, args, kwargs)
        try:
            return program.run(*inputs)
        except Exception as error:
            program.explain(error)
            raise

    def record(self, signature: Any, inputs: list, args: tuple, kwargs: dict) -> Any:
        """Run eagerly, and write it down. With an earlier recording that agrees it becomes a program."""
        if signature in self.given_up:
            return self.eager(*args, **kwargs)
        refuse_inputs(inputs)
        recording = Recording(inputs)
        recorder = Recorder(recording, inputs)
        replaced = iter([Number(x, f"x{i}") if isinstance(x, float) else x for i, x in enumerate(inputs)])
        with Block(observer=recorder):
            result = self.eager(*exchange_floats(args, replaced), **exchange_floats(kwargs, replaced))
        recording.result = describe_result(result, recorder, inputs)
        with self.lock:
            self.compare(signature, recording)
        return strip(result)

    def compare(self, signature: Any, recording: Recording) -> None:
        """Look for an earlier recording of this signature that agrees."""
        programs = self.programs.get(signature, ())
        earlier = [*self.recordings.setdefault(signature, []), *(program.recording for program in programs)]
        differences = []
        for other in reversed(earlier):
            difference = find_difference(other, recording)
            if not difference:
                program = Program(self.__name__, other, recording)
                self.recordings[signature] = [r for r in self.recordings[signature] if r is not other]
                self.programs[signature] = (program, *(p for p in programs if p.recording is not other))[:MOST_PROGRAMS]
                self.last = program
                return
            differences.append(difference)
        self.recordings[signature].append(recording)
        if len(self.recordings[signature]) >= MOST_RECORDINGS:
            self.given_up[signature] = differences[0]
            del self.recordings[signature]
            warnings.warn(
                f"capture: {self.__name__} runs eagerly from now on, because no two recordings did the same. In the "
                f"last, {differences[0]}",
                UserWarning,
                stacklevel=4,
            )

    @property
    def source(self) -> str:
        """The program that was recorded or replayed last, as text."""
        if self.last is None:
            return f"# {self.__name__} has not been recorded yet: each signature is recorded at its first two calls.\n"
        return self.last.source

    def __repr__(self) -> str:
        lines = [f"<captured {self.__name__}"]
        for (signature, *_), programs in self.programs.items():
            for program in programs:
                lines.append(
                    f"    {describe(signature)}: {len(program.recording.lines)} lines, replayed {program.runs} times"
                )
        for (signature, *_), why in self.given_up.items():
            lines.append(f"    {describe(signature)}: eager, because {why}")
        return "\n".join(lines) + ">"


def name_function(function: Callable) -> str:
    """Its name, as a name in the program's text."""
    name = getattr(function, "__name__", "")
    return name if name.isidentifier() and not keyword.iskeyword(name) else "step"


# -- arguments and results


def sign(x: Any, inputs: list) -> Any:
    """The signature of nested arguments. Collects the Tensors, arrays and floats in `inputs`."""
    kind = type(x)
    if kind is tuple or kind is list:
        return (kind, *[sign(part, inputs) for part in x])
    if kind is float:
        inputs.append(x)
        return kind
    if isinstance(x, Tensor):
        array = x.array
        inputs.append(x)
        strides = None if array.flags.c_contiguous else array.strides
        return ("tensor", array.shape, array.dtype.char, x._node is not None, strides)
    if kind is np.ndarray:
        inputs.append(x)
        return ("array", x.shape, x.dtype.char, None if x.flags.c_contiguous else x.strides)
    if kind is dict:
        return (kind, *[(name, sign(part, inputs)) for name, part in x.items()])
    if hasattr(x, "_fields"):  # a named tuple
        return (kind, *[sign(part, inputs) for part in x])
    if kind in (int, bool, str, type(None), bytes):
        return (kind, x)
    return Same(x)


class Same:
    """An object that is a part of the signature by its identity."""

    __slots__ = ("x",)

    def __init__(self, x: Any) -> None:
        self.x = x

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and self.x is other.x

    def __hash__(self) -> int:
        return id(self.x)


def find_shared(inputs: list) -> tuple[int, ...]:
    """Which inputs are the same array, if any are: a program knows it by one of their names. () if none are."""
    arrays = [id(getattr(x, "array", x)) for x in inputs if type(x) is not float]
    return () if len(set(arrays)) == len(arrays) else tuple(map(arrays.index, arrays))


def refuse_inputs(inputs: list) -> None:
    for i, x in enumerate(inputs):
        if isinstance(x, Tensor) and x._node is not None and x._node is not LEAF:
            raise CaptureError(
                f"capture: argument {i} was computed from tensors that require a gradient, and nothing can flow back "
                "out of a captured function; pass x.detach(), or capture the computation, too"
            )
        if not isinstance(x, float) and type(getattr(x, "array", x)) is not np.ndarray:
            raise CaptureError(f"capture: argument {i} is on a GPU, where there is no capture yet; call .eager")


def exchange_floats(x: Any, replaced: Iterator[Any]) -> Any:
    """The arguments with the next of `replaced` in the place of each Tensor, array and float, as `sign` finds them."""
    is_input = lambda part: type(part) is float or isinstance(part, Tensor) or type(part) is np.ndarray
    return map_nested(lambda part: next(replaced) if is_input(part) else part, x)


def describe_result(x: Any, recorder: Recorder, inputs: list) -> Any:
    """What the call has returned, with a Result for each Tensor."""

    def describe_part(part: Any) -> Any:
        if isinstance(part, np.ndarray):
            return recorder.value_of(part)
        if not isinstance(part, Tensor):
            return part
        for i, given in enumerate(inputs):
            if given is part:
                return Leaf(i, None)
        value = recorder.value_of(part.array, part if part.is_leaf else None)
        return Leaf(None, part) if value.kind == "outside" and value.tensor is part else Result(value)

    return map_nested(describe_part, x)


def strip(x: Any) -> Any:
    """The result of a recorded call as a replay gives it: no Numbers, and tensors through which nothing flows."""
    detach = lambda part: part.detach() if isinstance(part, Tensor) and not part.is_leaf else part
    return map_nested(detach, make_plain(x))


def describe(signature: Any) -> str:
    """A signature in words."""
    if isinstance(signature, Same):
        return type(signature.x).__name__
    if not isinstance(signature, tuple):
        return getattr(signature, "__name__", str(signature))
    kind = signature[0]
    if kind in ("tensor", "array"):
        return f"{kind} {signature[1]} {np.dtype(signature[2])}"
    if kind in (tuple, list, dict) or (isinstance(kind, type) and issubclass(kind, tuple)):
        parts = (part[1] if kind is dict else part for part in signature[1:])
        return f"({', '.join(map(describe, parts))})"
    return repr(signature[1])
