"""The checks are checked: every rule is broken on purpose in many ways, and the fixed check must notice each."""

from __future__ import annotations

import inspect
import warnings

import mutants
import numpy as np
import pytest
from rows import DIFFERENTIABLE, check

from minigrad.recording import TABLE, ListOperation


def notices(name: str, mutant) -> bool:
    """Whether the fixed check of a row fails for a mutant. Raising, a wrong shape say, counts."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            check(name, mutant)
        except Exception:
            return True
    return False


def test_every_mutant_is_killed(record_property):
    killed: set[str] = set()
    survived: dict[str, str] = {}  # a mutant and where to list it if it is equivalent
    equal: dict[str, str] = {}
    for row_name in DIFFERENTIABLE:
        row = TABLE[row_name]
        shared = {h.__name__ for rule in mutants.rules(row).values() for h in [rule, *mutants.helpers(rule)]}
        for change, reason in row.mutants_equal.items():
            equal[change if change.split(":")[0] in shared else f"{row_name}: {change}"] = reason
        for change, mutant in mutants.mutants(row):
            key = change if change.split(":")[0] in shared else f"{row_name}: {change}"
            if key not in killed:
                if notices(row_name, mutant):
                    killed.add(key)
                    survived.pop(key, None)
                else:
                    survived.setdefault(key, row_name)

    unlisted = [f"  {key!r} (rules of '{row}')" for key, row in survived.items() if key not in equal]
    assert not unlisted, (
        "the checks did not notice these broken rules. Add a case to the row that shows the difference; if there is "
        "none, list the mutant and the reason in the row's mutants_equal:\n" + "\n".join(unlisted)
    )
    stale = [f"  {key!r}" for key in equal if key not in survived]
    assert not stale, "listed as equivalent in mutants_equal, but killed or no longer made:\n" + "\n".join(stale)
    assert all(reason.strip() for reason in equal.values())
    total = len(killed) + len(survived)
    assert total > 10 * len(DIFFERENTIABLE)  # the machinery makes mutants at all
    record_property("summary", f"{total} mutants, {len(killed)} killed, {len(survived)} equivalent")


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_the_machinery_changes_nothing_by_itself(name):
    row = TABLE[name]
    for input_name, rule in mutants.rules(row).items():
        rebuilt = mutants.untouched(rule)
        assert rebuilt is not rule
        assert list(inspect.signature(rebuilt).parameters) == list(inspect.signature(rule).parameters)
        check(name, mutants.with_rule(row, input_name, rebuilt))


def test_every_kind_of_mutant_is_made():
    made = [f"{name}: {change}" for name in DIFFERENTIABLE for change, _ in mutants.mutants(TABLE[name])]
    for change in (
        "tanh: sign:x",
        "tanh: double:x",
        "tanh: zero:x",
        "subtract: swap:a:b",
        "divide: exchange:b:y:b" if "y" in TABLE["divide"].inputs else "mse: exchange:x:x:target",
        "multiply: broadcast",
        "cat: swap:item:next",
        "multiply: a: g * b -> g",  # a factor
        "multiply: a: g * b -> b",
        "tanh: x: 1 - y * y -> 1",  # a term
        "tanh: x: 1 - y * y -> -(y * y)",
        "subtract: b: -g -> g",
        "matmul: _left: b.T -> b",
        "log_softmax: x: np.exp(y) -> y",
        "softplus: x: where(beta * x > threshold, g, g * sigmoid(beta * x)) -> g",
        "clamp: _clamp_slope: x >= low -> x > low",
        "clamp: _clamp_slope: if low is not None -> if False",
    ):
        assert change in made, change


def test_a_rule_that_lacks_a_case_is_noticed():
    """A survivor is reported: here the tie of `maximum`, which no finite difference can see."""
    from kinks import KINKS

    change = next(m for c, m in mutants.mutants(TABLE["maximum"]) if c.startswith("a: g * (a > b) + "))
    assert notices("maximum", change)
    points = KINKS.pop("maximum")
    try:
        assert not notices("maximum", change)
    finally:
        KINKS["maximum"] = points


def test_the_row_itself_passes():
    for name in DIFFERENTIABLE:
        assert not notices(name, TABLE[name]), name


def test_list_operations_are_mutated_too():
    assert {n for n in DIFFERENTIABLE if isinstance(TABLE[n], ListOperation)} == {"cat", "stack"}


def test_numbers_drawn_are_not_special():
    """Neither 0 nor 1 nor equal elements: under such inputs mutants would be equal that are not."""
    from rows import cases

    for name in ("multiply", "divide", "matmul", "mse"):
        for case in cases(name):
            values = np.concatenate([x.ravel() for x in [*case.leaves, case.cotangent]])
            assert len(np.unique(np.abs(values))) == len(values)
            assert not np.isin(values, [0.0, 1.0, -1.0]).any()
