"""The functions against what PyTorch gave, recorded: test_dialect_oracle.py's comparison where PyTorch is not there.

functions_cases.json.gz holds, for each program of test_names_oracle.py and test_dialect_oracle.py on a few inputs,
PyTorch's result, its gradients and the inputs afterwards. What we do otherwise on purpose (DIFFERENCES there) is left
out. Written anew with `python tests/engine/dialect/test_functions_recorded.py`.
"""

from __future__ import annotations

import gzip
import json
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import test_dialect_oracle as dialect
import test_names_oracle as names
from test_dialect_oracle import Outcome, Sample, sample

import minigrad
import minigrad.nn.functional

FIXTURE = Path(__file__).parents[1] / "tools" / "functions_cases.json.gz"
INPUTS = {
    "one": [("float32", (2, 3)), ("int64", (4,)), ("float64", ()), ("bool", (2, 3))],
    "matrix": [("float64", (3, 3)), ("int64", (2, 3)), ("float32", (2, 3, 3))],
}


def programs() -> Iterator[tuple[str, dict[str, Sample]]]:
    """Every program with its inputs."""
    for kind, found in (("one", [*names.ONE_TENSOR, *dialect.UNARY]), ("matrix", names.OF_MATRICES)):
        for program in dict.fromkeys(found):
            for dtype, shape in INPUTS[kind]:
                yield program, {"x": sample(dtype, shape)}
    for program, shapes in names.OF_TWO.items():
        for a, b in shapes:
            yield program, {"x": sample("float64", a), "y": sample("float64", b, 1)}
    for program in names.INDEXED:
        for i in ([1, 0], [0, 1]):
            yield program, {"x": sample("float32", (2, 3)), "i": Sample(np.array(i), f"index{i}")}


def key_of(program: str, inputs: dict[str, Sample]) -> str:
    """A program and its inputs as one line."""
    return f"{program} | {', '.join(f'{n}={s.label}' for n, s in inputs.items())}"


def written(outcome: Outcome) -> Any:
    """An outcome as JSON: 'raises', or the result, the inputs afterwards and the gradients."""
    if outcome.error is not None:
        return "raises"
    if outcome.backward_error is not None:
        return "no gradient"
    return _lists([outcome.result, outcome.inputs, outcome.grads])


def _lists(x: Any) -> Any:
    if isinstance(x, np.ndarray):
        return {"values": x.tolist()}
    if isinstance(x, dict):
        return {k: _lists(v) for k, v in x.items()}
    return [_lists(v) for v in x] if isinstance(x, tuple | list) else x


def difference(ours: Any, theirs: Any, tolerance: float) -> str:
    """Where two outcomes differ first, or nothing."""
    if isinstance(ours, dict) and "values" in ours:
        same = np.allclose(ours["values"], theirs["values"], rtol=tolerance, atol=tolerance, equal_nan=True)
        return "" if same else f"values {ours['values']}, expected {theirs['values']}"
    if isinstance(ours, dict | list) and type(ours) is type(theirs) and len(ours) == len(theirs):
        places = ours if isinstance(ours, dict) else range(len(ours))
        return next(filter(None, (difference(ours[p], theirs[p], tolerance) for p in places)), "")
    if isinstance(ours, float) and isinstance(theirs, float):
        return "" if np.isclose(ours, theirs, rtol=1e-5, equal_nan=True) else f"{ours}, expected {theirs}"
    return "" if ours == theirs else f"{ours}, expected {theirs}"


def run(program: str, inputs: dict[str, Sample], T: Any, functional: Any) -> Any:
    """The outcome of a program, as JSON would give it back."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return json.loads(json.dumps(written(Outcome(T, functional, program, inputs))))


CASES: dict[str, Any] = json.loads(gzip.decompress(FIXTURE.read_bytes())) if FIXTURE.exists() else {}
BY_PROGRAM: dict[str, list[tuple[str, dict[str, Sample]]]] = {}
for _program, _inputs in programs():
    if key_of(_program, _inputs) in CASES:
        BY_PROGRAM.setdefault(_program, []).append((key_of(_program, _inputs), _inputs))


def test_the_cases_are_there():
    assert sum(map(len, BY_PROGRAM.values())) == len(CASES) > 1000


@pytest.mark.parametrize("program", BY_PROGRAM)
def test_a_program_gives_what_pytorch_gave(program):
    for key, inputs in BY_PROGRAM[program]:
        single = "float64" not in key or "float32" in key or "float()" in key
        tolerance = 2e-5 if single else 1e-9
        found = difference(run(program, inputs, minigrad, minigrad.nn.functional), CASES[key], tolerance)
        assert not found, f"{key}: {found}"


def main() -> None:
    """Record the cases."""
    import torch

    cases = {}
    for program, inputs in programs():
        key = key_of(program, inputs)
        what = dialect.compare(program, inputs)
        reasons = {**names.DIFFERENCES, **dialect.DIFFERENCES}
        if what and any(re.search(p, f"{key}: {what}", re.DOTALL) for p in reasons):
            continue
        theirs = run(program, inputs, torch, torch.nn.functional)
        ours = run(program, inputs, minigrad, minigrad.nn.functional)
        if not what and difference(ours, theirs, 2e-5):  # what only PyTorch raises (STRICTER_THERE)
            continue
        if what:
            print(f"{key}: {what}")
        cases[key] = theirs
    FIXTURE.write_bytes(gzip.compress(json.dumps(cases, sort_keys=True).encode(), mtime=0))
    print(f"{len(cases)} cases, {FIXTURE.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
