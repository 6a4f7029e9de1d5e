"""Modes: whether operations are recorded, and whether each result is checked for NaN and infinity."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from . import recording


def is_grad_enabled() -> bool:
    """Whether operations are recorded at present."""
    return recording.enabled


class _Mode:
    """A switch of recording that works as a context manager and as a decorator."""

    __slots__ = ("_before", "_wanted")

    def __init__(self, wanted: bool) -> None:
        self._wanted = wanted

    def __enter__(self) -> None:
        self._before = recording.enabled
        recording.enabled = self._wanted

    def __exit__(self, *error: object) -> None:
        recording.enabled = self._before

    def __call__(self, function: Callable) -> Callable:
        wanted = self._wanted

        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            with _Mode(wanted):
                return function(*args, **kwargs)

        return wrapper


def no_grad(function: Callable | None = None) -> Any:
    """Record nothing inside: `with no_grad():`, `@no_grad()` or `@no_grad`."""
    mode = _Mode(False)
    return mode if function is None else mode(function)


def enable_grad(function: Callable | None = None) -> Any:
    """Record inside, even within no_grad: `with enable_grad():`, `@enable_grad()` or `@enable_grad`."""
    mode = _Mode(True)
    return mode if function is None else mode(function)


def inference_mode(mode: Any = True) -> Any:
    """PyTorch's stricter no_grad; here it is the same."""
    return no_grad(mode) if callable(mode) else _Mode(not mode)


class set_grad_enabled(_Mode):
    """Switch recording on or off, at once; as a context manager for the block, as a decorator for the function."""

    __slots__ = ()

    def __init__(self, mode: bool) -> None:
        super().__init__(bool(mode))
        self._before = recording.enabled
        recording.enabled = bool(mode)

    def __enter__(self) -> None:
        recording.enabled = self._wanted

    def __call__(self, function: Callable) -> Callable:
        recording.enabled = self._before  # as a decorator it is about the function alone
        return super().__call__(function)


class detect_anomaly:
    """Name the line of the forward pass that made the first NaN or infinity, forwards or backwards.

    `with minigrad.autograd.detect_anomaly(): ...`. Slow, because every call remembers its stack: for debugging only.
    """

    def __init__(self, check_nan: bool = True) -> None:
        self._wanted = check_nan

    def __enter__(self) -> None:
        self._before = recording.anomaly
        recording.anomaly = self._wanted

    def __exit__(self, *error: object) -> None:
        recording.anomaly = self._before


def set_detect_anomaly(mode: bool) -> None:
    """Switch anomaly detection on or off until further notice."""
    recording.anomaly = bool(mode)
