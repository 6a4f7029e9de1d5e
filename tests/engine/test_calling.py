"""The function that calls an operation: written at its first call, and no different from then on."""

from __future__ import annotations

import inspect
import re
import traceback

import numpy as np
import pytest

import minigrad as mg
from minigrad.core.operation import TABLE, Operation
from minigrad.gradcheck import gradcheck, gradgradcheck
from minigrad.ops.lists import ListOperation
from minigrad.speed import calling

WRITTEN = sorted(name for name, row in TABLE.items() if not isinstance(row, ListOperation))


def cube(name: str) -> Operation:
    return Operation(name, lambda x: x * x * x, dict(x=lambda g, x: 3 * x * x * g))


@pytest.mark.parametrize("name", WRITTEN)
def test_the_text_has_what_the_operation_needs_and_no_more(name):
    row = TABLE[name]
    text = calling.source_of_call(row)
    compile(text, name, "exec")
    assert not re.search(r"^ *(for|while) ", text, re.MULTILINE)
    assert f"x{len(row.inputs) - 1}" in text
    assert f"x{len(row.inputs)}" not in text
    assert ("_promoted" in text) == (row.elementwise or row.fractional)
    assert ("_share_memory" in text) == row.view
    assert ("node.shapes = [" in text) == (row.elementwise and len(row.inputs) > 1)


def test_it_is_written_at_the_first_call_and_every_holder_has_it():
    operation = cube("cube")
    held = operation.apply
    x = mg.tensor([1.0, 2.0], requires_grad=True)
    before = held.__code__
    with mg.no_grad():
        assert held(x).grad_fn is None
    assert held.__code__ is not before
    assert held is operation.apply
    assert held.__name__ == "cube"
    held(x).sum().backward()
    np.testing.assert_array_equal(x.grad.array, [3.0, 12.0])
    assert "y = forward(a0)" in inspect.getsource(held)


@pytest.mark.parametrize("name", ["forward", "class", "a cube"])
def test_any_name_will_do(name):
    x = mg.tensor([2.0], requires_grad=True)
    y = cube(name).apply(x)
    y.backward()
    assert (y.item(), x.grad.item()) == (8.0, 12.0)


def test_two_operations_of_one_name_show_their_own_text():
    elementwise = Operation("cube", np.multiply, dict(a=lambda g, b: g * b, b=lambda g, a: g * a), elementwise=True)
    rows = [cube("cube"), elementwise]
    rows[0].apply(mg.ones(2))
    rows[1].apply(mg.ones(2), mg.ones(2))
    assert "apply(x0):" in inspect.getsource(rows[0].apply)
    assert "apply(x0, x1):" in inspect.getsource(rows[1].apply)


def test_an_apply_wrapped_before_its_first_call_stays_wrapped():
    operation, calls = cube("cube"), []
    written = operation.apply
    operation.apply = lambda *args: calls.append(args) or written(*args)
    for _ in range(2):
        assert operation.apply(mg.tensor([2.0])).item() == 8.0
    assert len(calls) == 2


def test_anomaly_mode_names_the_users_line_of_a_promotion():
    x, large = mg.ones(2, requires_grad=True), mg.tensor([1e300], dtype=mg.float64)
    with np.errstate(all="ignore"), mg.autograd.detect_anomaly():
        with pytest.raises(RuntimeError, match=r"'cast' at .*test_calling.py"):
            x * mg.tensor(1e300, dtype=mg.float64)
        assert (x * large).dtype == mg.float64


def test_anomaly_mode_sees_what_a_rule_for_y_makes():
    broken = Operation("broken", lambda x, w: x * w, dict(y=lambda g, x: g / (x - x), x=lambda g, w: g * w))
    x, w = mg.ones(2, requires_grad=True), mg.ones(2)
    with np.errstate(all="ignore"), mg.autograd.detect_anomaly():
        y = broken.apply(x, w).sum()
        with pytest.raises(RuntimeError, match="'broken'"):
            y.backward()


def test_a_traceback_shows_the_line_and_names_the_operation():
    def refuse(x):
        raise KeyError("no")

    operation = Operation("refusing", refuse, dict(x=lambda g: g))
    with pytest.raises(KeyError) as caught:
        operation.apply(mg.ones(2))
    frames = traceback.extract_tb(caught.tb)
    assert ("refusing", "y = forward(a0)") in [(frame.name, frame.line) for frame in frames]


def test_too_many_or_too_few_arguments_are_refused_by_name():
    with pytest.raises(TypeError, match=r"cube\(\) takes 1 positional argument but 2 were given"):
        cube("cube").apply(mg.ones(2), 1)
    with pytest.raises(TypeError, match=r"cube\(\) missing 1 required positional argument"):
        cube("cube").apply()


def test_the_modes_are_looked_up_at_every_call():
    operation = cube("cube")
    x = mg.ones(2, requires_grad=True)
    operation.apply(x)
    recording.enabled = False
    try:
        assert operation.apply(x).grad_fn is None
    finally:
        recording.enabled = True
    assert operation.apply(x).grad_fn is not None
    with mg.autograd.detect_anomaly():
        assert operation.apply(x).grad_fn.trace is not None


def test_a_rule_for_y_comes_first_and_is_computed_once():
    """f(a, b) = (a b)²: both rules start from 2 a b g."""
    calls = []

    def twice_the_root(g, a, b):
        calls.append(g)
        return 2 * g * a * b

    row = Operation(
        "square_of_product",
        lambda a, b: (a * b) ** 2,
        dict(y=twice_the_root, a=lambda g, b: g * b, b=lambda g, a: g * a),
        elementwise=True,
    )
    assert row.inputs == ("a", "b")
    a, b = (mg.tensor(x, dtype=mg.float64, requires_grad=True) for x in ([1.0, 2.0], [3.0, -1.0]))
    row.apply(a, b).sum().backward()
    assert len(calls) == 1
    np.testing.assert_array_equal(a.grad.array, 2 * a.array * b.array**2)
    np.testing.assert_array_equal(b.grad.array, 2 * b.array * a.array**2)
    assert gradcheck(row.apply, [a, b])
    assert gradgradcheck(row.apply, [a, b])
    only_b = mg.autograd.grad(row.apply(a.detach(), b).sum(), [b])[0]
    np.testing.assert_array_equal(only_b.array, b.grad.array)
