"""Captured functions beside eager ones, compared to the bit."""

from __future__ import annotations

from typing import Any

import numpy as np

import minigrad as mg
from minigrad.core.tensor import Tensor, wrap
from minigrad.errors import CaptureError


def bits(x: Any) -> Any:
    """Everything that can be told apart about a result."""
    if isinstance(x, Tensor):
        return x.array.shape, str(x.array.dtype), x.array.tobytes()
    if isinstance(x, tuple | list):
        return [bits(part) for part in x]
    if isinstance(x, dict):
        return {name: bits(part) for name, part in x.items()}
    return repr(x)


def outcome(function: Any, inputs: list[Tensor]) -> Any:
    """What a function of tensors returns, and what it leaves behind in them; or the error that it raises."""
    try:
        result = function(*inputs)
    except CaptureError:
        raise
    except Exception as error:
        return type(error).__name__
    return bits(result), [bits(x) for x in inputs], [bits(x._grad) for x in inputs]


def copies(inputs: list[Tensor]) -> list[Tensor]:
    return [wrap(x.array.copy(), x._node) for x in inputs]


def vary(x: Tensor, seed: int) -> Tensor:
    """Other numbers in the place of those of x."""
    rng, a = np.random.default_rng(seed), x.array
    if a.dtype.kind == "f":
        other = a * (1 + 0.3 * rng.standard_normal(a.shape)) + 0.2 * rng.standard_normal(a.shape)
    else:
        other = rng.random(a.shape) < 0.5 if a.dtype.kind == "b" else a.reshape(-1)[::-1].reshape(a.shape)
    return wrap(np.asarray(other).astype(a.dtype), x._node)


def follow(function: Any, sets: list[list[Tensor]]) -> Any:
    """Calls a captured function and eager with each set of inputs. Returns the captured function."""
    captured = mg.capture(function)
    for i, inputs in enumerate(sets):
        expected = outcome(function, copies(inputs))
        found = outcome(captured, copies(inputs))
        assert found == expected, f"call {i} differs; the program is\n{captured.source}"
    return captured


def replays(captured: Any) -> int:
    return sum(program.runs for several in captured.programs.values() for program in several)


def call_often(step: Any, *arguments: Any, times: int = 4) -> Any:
    for _ in range(times):
        result = step(*arguments)
    return result
