"""The error for a mistake by whoever typed the command or wrote the script, and the checks that everybody needs."""

from __future__ import annotations

import difflib
import operator
from collections.abc import Iterable
from numbers import Real
from typing import Any

import numpy as np


class UsageError(ValueError):
    """What was given, what was expected, how to fix it. The command line prints its one line and exits with
    2."""


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """`"; did you mean CartPole-v1 or CartPole-v0?"`, or nothing when no known name is close."""
    # difflib compares letters exactly, so `cartpole` would match nothing.
    by_lower = {name.lower(): name for name in known}
    close = difflib.get_close_matches(given.lower(), list(by_lower), n=3, cutoff=0.6)
    return f"; did you mean {' or '.join(by_lower[name] for name in close)}?" if close else ""


def whole_number(name: str, value: Any, least: int | None = None) -> int:
    """`value` as Python's `int`, if it is a whole number: an `int`, NumPy's integers, whatever else has `__index__`.

    Raises `UsageError` of the parameter `name` for anything else (also for True and for 2.0), and below `least`.
    """
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, bool | np.bool_):
        raise UsageError(f"{name} must be a whole number, got {value!r}")
    if least is not None and number < least:
        raise UsageError(f"{name} must be at least {least}, got {number}")
    return number


def real_number(name: str, value: Any) -> float:
    """`value` as Python's `float`, if it is a real number: Python's, NumPy's, a fraction, an array of no dimensions.

    Raises `UsageError` of the parameter `name` for anything else, also for True.
    """
    is_scalar = isinstance(value, np.ndarray) and value.ndim == 0 and value.dtype.kind in "fiu"
    if isinstance(value, bool | np.bool_) or not (isinstance(value, Real) or is_scalar):
        raise UsageError(f"{name} must be a number, got {value!r}")
    return float(value)
