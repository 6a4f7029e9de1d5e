"""Random programs against PyTorch, without PyTorch: its outcomes are recorded in fuzz_cases.json.gz (record_fuzz.py).

Values, dtypes, shapes, gradients, changes in place and which line raises must be PyTorch's, for every program. Where
PyTorch is installed, programs of other seeds are run by both libraries as well.
"""

from __future__ import annotations

import functools

import fuzz
import pytest

import minigrad

CHUNKS = 40
CASES = 3000  # at least so many


@functools.cache
def cases() -> list:
    return fuzz.read()


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_recorded_programs_do_what_they_do_in_pytorch(chunk):
    found = []
    for program, theirs in cases()[chunk::CHUNKS]:
        ours = fuzz.outcome(program, minigrad)
        if what := fuzz.difference(ours, theirs):
            found.append(report(program, what, ours, theirs))
    assert not found, f"{len(found)} programs differ\n\n" + "\n\n".join(found[:5])


def report(program: str, what: str, ours: dict, theirs: dict) -> str:
    return f"{program}\n  {what}\n  PyTorch:\n{fuzz.described(theirs)}\n  minigrad:\n{fuzz.described(ours)}"


def test_the_recorded_programs_are_many_and_varied():
    assert len(cases()) >= CASES
    raised = sum(o["raised"] is not None for _, o in cases())
    gradients = sum(any(g[0] == "tensor" for g in o["grads"].values()) for _, o in cases())
    assert raised > 0.05 * len(cases())
    assert gradients > 0.4 * len(cases())
    assert all(o["raised"] is None or o["raised"][0] == p.count("\n") for p, o in cases())  # the last line, if any


def test_a_difference_is_found():
    """The comparison sees a value, a dtype, a gradient, a missing error and a missing change in place."""
    program = "a = T.tensor([1.0, 2.0], requires_grad=True)\nb = a * 2\nc = b.detach()\nb.sum().backward()"
    expected = fuzz.outcome(program, minigrad)
    for changed in (
        program.replace("a * 2", "a * 2.001"),
        program.replace("a * 2", "a.double() * 2"),
        program.replace("a * 2", "a.detach() * a"),
        program.replace("detach()", "view(3)"),
        program.replace("c = b.detach()", "c = b.detach().mul_(2)"),
    ):
        assert fuzz.difference(fuzz.outcome(changed, minigrad), expected)
    assert not fuzz.difference(fuzz.outcome(program, minigrad), expected)


def test_a_seed_makes_one_program_always():
    assert [fuzz.program(seed) for seed in range(5)] == [fuzz.program(seed) for seed in range(5)]
    assert len({fuzz.program(seed) for seed in range(50)}) == 50


@pytest.mark.oracle
@pytest.mark.parametrize("first", range(1_000_000, 1_002_000, 100))
def test_programs_of_other_seeds(first):
    torch = pytest.importorskip("torch")
    found = []
    for seed in range(first, first + 100):
        program = fuzz.program(seed)
        ours, theirs = fuzz.outcome(program, minigrad), fuzz.outcome(program, torch)
        what = fuzz.difference(ours, theirs)
        if what and not fuzz.culprit(program, torch)[1] and fuzz.stable(program, theirs, torch):
            found.append(f"seed {seed}\n" + report(program, what, ours, theirs))
    assert not found, f"{len(found)} programs differ\n\n" + "\n\n".join(found[:5])
