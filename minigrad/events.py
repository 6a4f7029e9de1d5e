"""Events: what a program does beside calling rows and running rules, told to the observer of its thread.

    computed  function(*arguments) has made an array, or None. It is what no row does: the order that sorts, random
              numbers, a step of an optimizer
    created   an array of constants, such as zeros
    wrote     array[key] = values, into a Tensor
    touched   leaves whose gradients are about to be changed
    aliased   another Tensor on the same memory: .data, .detach()
    entered   a module is called
    read      a value has left the engine, as a Python number or as an array
    refused   something happens that no replay could repeat

Without an observer each costs one look. Capture (speed/capture/) is who wants to know.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import random
from .core.modes import Block, get_ident, observers, tell
from .core.tensor import Tensor, wrap
from .random import Generator

layout = [0]
"""Counts changes of modules: another part, another mode."""


def report(what: str, *details: Any) -> None:
    """Tell the observer of this thread, if there is one."""
    if observers:
        tell("did", what, *details)


def wants_every_row() -> bool:
    """Whether the observer of this thread is to see the rows one by one, in the place of what is faster."""
    observer = observers.get(get_ident())
    return observer is not None and not getattr(observer, "takes_shortcuts", False)


def compute(function: Callable, *arguments: Any) -> Any:
    """function(*arguments): an array, made of arrays and numbers. The function is the same object at every call."""
    result = function(*arguments)
    if observers:
        tell("did", "computed", function, arguments, result)
    return result


def draw(function: Callable, own: Generator | None, *arguments: Any) -> Any:
    """function(generator, *arguments): an array of random numbers, from `own` or the thread's current generator."""
    result = function(random.generator(own), *arguments)
    if observers:
        tell("did", "computed", draw, (function, own, *arguments), result)
    return result


def act(function: Callable, leaves: Any, *arguments: Any) -> Any:
    """function(*arguments), which changes the leaves, their gradients, or what it keeps. Inside nothing is reported."""
    if not observers:
        return function(*arguments)
    tell("did", "touched", leaves)
    with Block(observer=None):
        result = function(*arguments)
    tell("did", "computed", function, arguments, result)
    return result


def forget_gradients(leaves: list[Tensor], set_to_none: bool) -> None:
    """Set the gradients to None, or to zeros."""
    for x in leaves:
        x._grad = None if set_to_none or x._grad is None else wrap(np.zeros_like(x.array))
