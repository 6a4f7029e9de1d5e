"""PyTorch's words for switching recording: no_grad, enable_grad, set_grad_enabled, inference_mode."""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator
from typing import Any

from ..core.modes import Block, get_ident, paused, switch
from ..core.tensor import new

DO_NOT_RECORD = False, ..., ...
_IS_GENERATOR = 0x20  # of a function's code flags, as in `inspect`, which takes long to import


def is_grad_enabled() -> bool:
    """Whether this thread records operations at present."""
    return get_ident() not in paused


class GradMode(Block):
    """A block in which this thread records, or does not. Also a decorator of functions and generator functions."""

    __slots__ = ()

    def __call__(self, function: Callable) -> Callable:
        recording = self._modes[0]
        if is_generator_function(function):
            return decorate_generator(function, recording)

        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            with GradMode(recording=recording):
                return function(*args, **kwargs)

        return wrapper


def is_generator_function(function: Callable) -> bool:
    """Whether a call makes a generator, also if some arguments are given already by functools.partial."""
    while isinstance(function, functools.partial):
        function = function.func
    code = getattr(function, "__code__", None)
    return code is not None and bool(code.co_flags & _IS_GENERATOR)


def decorate_generator(function: Callable, recording: bool) -> Callable:
    """The generator function, with the mode while its own code runs. At each `yield` the caller's mode is back."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Generator:
        with GradMode(recording=recording):
            generator = function(*args, **kwargs)
        resume: Callable[[], Any] = functools.partial(next, generator)
        while True:
            try:
                with GradMode(recording=recording):
                    item = resume()
            except StopIteration as stop:
                return stop.value
            try:
                sent = yield item
            except GeneratorExit:
                with GradMode(recording=recording):
                    generator.close()
                raise
            except BaseException as error:
                resume = functools.partial(generator.throw, error)
            else:
                resume = functools.partial(generator.send, sent)

    return wrapper


def no_grad(function: Callable | None = None) -> Any:
    """Record nothing inside: `with no_grad():`, `@no_grad()` or `@no_grad`.

    Who calls `__enter__` without a `with` has to keep the object: what it has switched ends with it.
    """
    mode = new(GradMode)  # GradMode(False), without a call of __init__: agents ask for one at every action
    mode._entered, mode._modes = [], DO_NOT_RECORD
    return mode if function is None else mode(function)


def enable_grad(function: Callable | None = None) -> Any:
    """Record inside, even within no_grad: `with enable_grad():`, `@enable_grad()` or `@enable_grad`."""
    mode = GradMode(True)
    return mode if function is None else mode(function)


def inference_mode(mode: Any = True) -> Any:
    """PyTorch's stricter no_grad; here it is the same."""
    return no_grad(mode) if callable(mode) else GradMode(not mode)


class set_grad_enabled(GradMode):
    """Switch recording on or off, at once; as a context manager for the block, as a decorator for the function."""

    def __init__(self, mode: bool) -> None:
        super().__init__(bool(mode))
        self._before = is_grad_enabled()
        switch(get_ident(), bool(mode))

    def __enter__(self) -> None:
        switch(get_ident(), self._before)  # what the block will put back
        super().__enter__()

    def __call__(self, function: Callable) -> Callable:
        switch(get_ident(), self._before)  # as a decorator it is about the function alone
        return super().__call__(function)
