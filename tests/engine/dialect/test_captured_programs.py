"""Capture of the programs of fuzz.py. A replay gives what eager gives, to the bit, or capture says that it can't."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from typing import Any

import fuzz
import pytest
from capturing import follow, replays, vary

import minigrad as mg
from minigrad.core.tensor import Tensor
from minigrad.errors import CaptureError

LITERAL = re.compile(r"^([a-w]) = T\.(tensor|zeros)\(.*\)$")


def follow_text(program: str) -> str:
    """Follows a program of fuzz.py from its leaves on. Returns what became of it in one word.

    The first two calls have the same numbers: whatever is taken from them for a constant shows in the others.
    """
    lines = program.split("\n")
    n = next((i for i, line in enumerate(lines) if not LITERAL.match(line)), len(lines))
    names, error = fuzz.run("\n".join(lines[:n]), mg)
    if error or n == len(lines):
        return "empty"
    keys = [line[0] for line in lines[:n]]
    code = compile("\n".join(lines[n:]), "<program>", "exec")

    def step(*inputs: Tensor) -> dict[str, Any]:
        space = {**fuzz.namespace(mg), **dict(zip(keys, inputs, strict=True))}
        exec(code, space)
        return {name: x for name, x in space.items() if name not in ("T", "F", "__builtins__", *keys)}

    inputs = [names[key] for key in keys]
    once, twice = [vary(x, i) for i, x in enumerate(inputs)], [vary(x, i + 50) for i, x in enumerate(inputs)]
    try:
        captured = follow(step, [once, once, twice, [vary(x, i + 90) for i, x in enumerate(inputs)], once])
    except CaptureError:
        return "refused"
    return "replayed" if replays(captured) else "eager"


@pytest.mark.parametrize("chunk", range(10))
def test_programs_do_captured_what_they_do_eagerly(chunk):
    """Or they are refused, or no program comes about. None is silently wrong."""
    became: Counter[str] = Counter()
    with fuzz.quiet(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for program, theirs in fuzz.read()[chunk::20]:
            if theirs["raised"] is None:
                became[follow_text(program)] += 1
    assert became["replayed"] > 0.7 * became.total(), became
