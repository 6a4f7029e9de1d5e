"""Capture of random graphs: what a replay gives is what eager gives, to the bit."""

from __future__ import annotations

from typing import Any

from capturing import follow, replays, vary
from hypothesis import assume, given
from test_random_graphs import draw_inputs, examples, leaves, programs, run, seeds, shapes_of_inputs

import minigrad as mg
from minigrad.core.tensor import Tensor


@examples(60)
@given(shapes_of_inputs, programs(), seeds)
def test_random_graphs(shapes, program, seed):
    inputs = leaves(draw_inputs(shapes, seed))
    assume(run(mg, program, inputs))

    def step(*xs: Tensor) -> Any:
        outputs = run(mg, program, xs)
        sum((i + 1) * (y * y).sum() for i, y in enumerate(outputs)).backward()
        return outputs

    captured = follow(step, [inputs, inputs, [vary(x, 1) for x in inputs], [vary(x, 2) for x in inputs]])
    assert replays(captured) == 2
