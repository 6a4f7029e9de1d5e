"""The checks are checked: every rule is broken on purpose in many ways, and the fixed check must notice each."""

from __future__ import annotations

import inspect
import warnings

import mutants
import numpy as np
import pytest
from equivalent_mutants import EQUIVALENT
from rows import DIFFERENTIABLE, cases, check, leaf

from minigrad.core.operation import TABLE
from minigrad.core.tensor import wrap
from minigrad.gradcheck import gradgradcheck
from minigrad.ops.lists import ListOperation


def notices(name: str, mutant) -> str:
    """How the fixed check of a row fails for a mutant: "compared", or "raised" if it can't run; "" if it passes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            check(name, mutant)
        except AssertionError:
            return "compared"
        except Exception:
            return "raised"
    return ""


def test_every_mutant_is_killed(record_property):
    killed: dict[str, str] = {}
    survived: dict[str, str] = {}  # a mutant and where to list it if it is equivalent
    equal: dict[str, str] = {}
    for row_name in DIFFERENTIABLE:
        row = TABLE[row_name]
        shared = {h.__name__ for rule in mutants.rules(row).values() for h in [rule, *mutants.helpers(rule)]}
        for change, reason in EQUIVALENT.get(row_name, {}).items():
            equal[change if change.split(":")[0] in shared else f"{row_name}: {change}"] = reason
        for change, mutant in mutants.mutants(row):
            key = change if change.split(":")[0] in shared else f"{row_name}: {change}"
            if key not in killed:
                how = notices(row_name, mutant)
                if how:
                    killed[key] = how
                    survived.pop(key, None)
                else:
                    survived.setdefault(key, row_name)

    unlisted = [f"  {key!r} (rules of '{row}')" for key, row in survived.items() if key not in equal]
    assert not unlisted, (
        "the checks did not notice these broken rules. Add a case to the row that shows the difference; if there is "
        "none, list the mutant and the reason in equivalent_mutants.py:\n" + "\n".join(unlisted)
    )
    stale = [f"  {key!r}" for key in equal if key not in survived]
    assert not stale, "listed as equivalent, but killed or no longer made:\n" + "\n".join(stale)
    assert all(reason.strip() for reason in equal.values())
    total = len(killed) + len(survived)
    assert total > 10 * len(DIFFERENTIABLE)  # the machinery makes mutants at all
    # A mutant that only scales the gradient must be found wrong, not fail for a reason of its own.
    scaled = [key for key in killed if key.split(": ")[-1].startswith(("sign:", "double:", "zero:"))]
    assert len(scaled) >= 3 * len(DIFFERENTIABLE)
    assert [key for key in scaled if killed[key] != "compared"] == []
    raised = sum(how == "raised" for how in killed.values())
    record_property(
        "summary",
        f"{total} mutants, {len(killed)} killed ({raised} of them can't even run), {len(survived)} equivalent",
    )


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_the_machinery_changes_nothing_by_itself(name):
    row = TABLE[name]
    for input_name, rule in mutants.rules(row).items():
        rebuilt = mutants.untouched(rule)
        assert rebuilt is not rule
        assert list(inspect.signature(rebuilt).parameters) == list(inspect.signature(rule).parameters)
        check(name, mutants.with_rule(row, input_name, rebuilt))
        check(name, mutants.with_rule(row, input_name, mutants.wrapped(rule, lambda dx: dx)))


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_a_detached_argument_is_noticed_at_second_order(name):
    """A rule that forgets where one of its arguments came from is right at first order; gradgradcheck must tell."""
    row = TABLE[name]
    if isinstance(row, ListOperation):
        return  # their rules take nothing but the cotangent
    for input_name, rule in mutants.rules(row).items():
        for position, argument in enumerate(inspect.signature(rule).parameters):
            if position and argument != "y" and argument not in row.inputs:
                continue
            verdicts = []
            for case in cases(name):
                names = [row.inputs[i] for i in case.places]
                if input_name not in names or not depends(case, rule, position):
                    continue
                mutant = mutants.with_rule(row, input_name, mutants.detached(rule, position))
                leaves = [leaf(x.copy()) for x in case.leaves]
                verdicts.append(
                    gradgradcheck(
                        lambda *xs, case=case, mutant=mutant: case(xs, mutant),
                        leaves,
                        raise_exception=False,
                        fast_mode=True,
                    )
                )
            assert not any(verdicts), f"'{name}': {argument} detached in the rule for {input_name} was not noticed"


def depends(case, rule, position: int) -> bool:
    """Whether what a rule gives changes with one of its arguments, nearly everywhere and not only at kinks."""
    row, output = case.operation, case()
    known = dict(zip((*row.inputs, *row.parameters), case.arguments, strict=True)) | {"y": output}
    known |= {f"{n}_shape": getattr(known[n], "shape", ()) for n in row.inputs}
    arguments = [case.cotangent, *(known[n] for n in list(inspect.signature(rule).parameters)[1:])]
    x = arguments[position]
    if not isinstance(x, np.ndarray) or x.dtype.kind != "f" or not x.size:
        return False
    if position:
        i = list(inspect.signature(rule).parameters)[position]
        if i != "y" and row.inputs.index(i) not in case.places:
            return False
    values = {"g", "y", *(row.inputs[i] for i in case.places)}
    for k, n in enumerate(["g", *list(inspect.signature(rule).parameters)[1:]]):
        if n in values and isinstance(arguments[k], np.ndarray):
            arguments[k] = wrap(arguments[k])  # a rule may have a quicker way for arrays
    before = rule(*arguments).array
    arguments[position] = wrap(x * (1 + 1e-4 * np.random.default_rng(0).uniform(0.5, 1.0, x.shape)))
    with np.errstate(all="ignore"):
        after = rule(*arguments).array
    # Where a comparison for equality fails on the way, as among the ties of amax, the rule has a kink, not a slope.
    return bool(np.isfinite(after).all()) and not np.allclose(before, after, rtol=1e-9, atol=1e-12)


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
        "matmul: differentiate_left: b.T -> b",
        "log_softmax: x: np.exp(y) -> y",
        "softplus: x: where(beta * x > threshold, g, g * sigmoid(beta * x)) -> g",
        "clamp: _clamp_slope: x >= low -> x > low",
        "clamp: _clamp_slope: if low is not None -> if False",
    ):
        assert change in made, change


def test_a_rule_that_lacks_a_case_is_noticed():
    """A survivor is reported: here the tie of `maximum`, which no finite difference can see."""
    from kinks import KINKS

    change = next(m for c, m in mutants.mutants(TABLE["maximum"]) if c.startswith("a: g * ~(a < b) - "))
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
