"""The law: a shortcut may only say it faster. Whatever a shortcut leaves behind, `call` leaves behind, too."""

from __future__ import annotations

import inspect
import traceback

import numpy as np
import pytest
from rows import Case, cases, leaf, new_row

import minigrad as mg
from minigrad.core.call import NEVER, call
from minigrad.core.hooks import Observer
from minigrad.core.modes import Block
from minigrad.core.operation import TABLE, Operation, Plan
from minigrad.core.tensor import Tensor, wrap
from minigrad.gradcheck import gradcheck, gradgradcheck
from minigrad.ops.lists import ListOperation, ListPlan
from minigrad.speed import ENABLED
from minigrad.speed.shortcuts import write_source

every_row = pytest.mark.parametrize("name", sorted(TABLE))
with_shortcuts = pytest.mark.skipif(not ENABLED, reason="the shortcuts are off")


def cube(name: str) -> Operation:
    return new_row(name, lambda x: x * x * x, dict(x=lambda g, x: 3 * x * x * g))


# -- for every case of the table --------------------------------------------------------------------------


def as_tensors(case: Case, dtype: type, recorded: bool) -> list:
    """The case's arguments, arrays made Tensors: leaves that require gradients, or constants."""

    def convert(x):
        if isinstance(x, list):
            return [convert(item) for item in x]
        if not isinstance(x, np.ndarray):
            return x
        x = x.astype(dtype) if x.dtype.kind == "f" else x
        return leaf(x) if recorded else wrap(x)

    row = case.operation
    count = 1 if isinstance(row, ListOperation) else len(row.inputs)
    return [convert(x) for x in case.arguments[:count]] + case.arguments[count:]


def describe(x, inputs: list) -> object:
    """What a node holds, so that two can be compared: arrays by their bytes, tensors by which input they are."""
    if isinstance(x, Tensor):
        return f"input {next(i for i, y in enumerate(inputs) if y is x)}"
    if isinstance(x, np.ndarray | np.generic):
        return (str(x.dtype), x.shape, x.strides if isinstance(x, np.ndarray) else (), x.tobytes())
    if isinstance(x, tuple | list):
        return [describe(item, inputs) for item in x]
    return x


def assert_same_call(quick: Tensor, plain: Tensor, quick_inputs: list, plain_inputs: list) -> None:
    """The outputs, nodes, kept arrays and versions are the same."""
    assert describe(quick.array, []) == describe(plain.array, [])
    assert quick._version == plain._version
    assert (quick._base is None) == (plain._base is None)
    if quick._base is not None:
        assert quick._base[1] == plain._base[1]
        assert any(quick._version is x._version for x in quick_inputs if isinstance(x, Tensor))
        assert any(plain._version is x._version for x in plain_inputs if isinstance(x, Tensor))
    assert (quick._node is None) == (plain._node is None)
    if quick._node is None:
        return
    a, b = quick._node, plain._node
    assert a.plan.operation is b.plan.operation
    if not isinstance(a.plan, ListPlan):
        assert a.plan is b.plan
    assert describe(a.edges, quick_inputs) == describe(b.edges, plain_inputs)
    assert describe(a.kept, quick_inputs) == describe(b.kept, plain_inputs)
    assert [v[1:] for v in a.versions] == [v[1:] for v in b.versions]
    counters = [x._version for x in [*quick_inputs, quick] if isinstance(x, Tensor)]
    assert all(any(counter is c for c in [*counters, NEVER]) for counter, _, _ in a.versions)
    assert a.shapes == b.shapes
    assert a._hooks is b._hooks is None


@with_shortcuts
@every_row
@pytest.mark.parametrize("recorded", [True, False])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_shortcut_and_the_core_leave_the_same(name, dtype, recorded):
    for case in cases(name):
        quick, plain = as_tensors(case, dtype, recorded), as_tensors(case, dtype, recorded)
        flat = [[*x[0], *x[1:]] if isinstance(x[0], list) else x for x in (quick, plain)]
        if not any(isinstance(x, Tensor) for x in flat[0]):
            continue
        row = case.operation
        assert_same_call(row.apply(*quick), call(row, *plain), *flat)
        with mg.no_grad():
            assert_same_call(row.apply(*quick), call(row, *plain), *flat)


@with_shortcuts
@every_row
def test_a_compiled_plan_keeps_what_a_plain_one_keeps(name):
    row = TABLE[name]
    if isinstance(row, ListOperation):
        return
    for case in cases(name):
        for i in case.places:
            compiled, plain = row.plan(1 << i), Plan(row, 1 << i)
            y, values = row.forward(*case.arguments), case.arguments
            assert type(compiled) is not Plan
            assert describe(compiled.keep(y, *values), []) == describe(plain.keep(y, *values), [])
            counters = [[n, 0] for n in range(len(row.inputs) + 1)]
            assert compiled.watch(*counters) == plain.watch(*counters)
            kept, g = plain.keep(y, *values), np.ones_like(y)
            g = g if plain.shared is None else plain.shared(g, kept)
            ((_, quick),), ((_, slow),) = compiled.rules, plain.rules
            assert describe(np.asarray(quick(g, kept)), []) == describe(np.asarray(slow(g, kept)), [])


@with_shortcuts
def test_a_faster_forward_makes_the_same_view():
    for x, shape in [(np.float32(2.5), (3, 4)), (np.array(1.5), ()), (np.ones(3), (2, 3)), (np.array(2.0), (0, 2))]:
        quick, plain = TABLE["broadcast_to"].forward(x, shape), np.broadcast_to(x, shape)
        assert describe(quick, []) == describe(plain, [])
        assert not quick.flags.writeable


# -- what is unusual goes to the core ---------------------------------------------------------------------


class Recorder(Observer):
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.rules: list[tuple] = []

    def called(self, operation, inputs, parameters, out):
        self.calls.append(operation.name)
        assert isinstance(out, Tensor)

    def ran(self, node, input, g, dx):
        self.rules.append((node.name, input))


def test_an_observer_sees_every_call_and_every_rule():
    x = mg.tensor([[1.0, -2.0], [3.0, 4.0]], requires_grad=True)
    net = mg.nn.Sequential(mg.nn.Linear(2, 2), mg.nn.ReLU())
    recorder = Recorder()
    with Block(observer=recorder):
        y = mg.stack([net(x)[0], (x * x)[0]]).sum()
        y.backward()
    assert recorder.calls == ["linear", "relu", "index", "multiply", "index", "stack", "sum"]
    assert recorder.rules[:3] == [("sum", 0), ("stack", 0), ("stack", 1)]
    assert sorted({name for name, _ in recorder.rules}) == sorted(set(recorder.calls))
    before = len(recorder.calls)
    (x * x).sum().backward()
    assert len(recorder.calls) == before


def test_an_observer_belongs_to_one_thread():
    import threading

    recorder = Recorder()

    def work():
        (mg.ones(3) * 2).sum()

    with Block(observer=recorder):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert recorder.calls == []


@with_shortcuts
@pytest.mark.parametrize("name", sorted(name for name, row in TABLE.items() if not isinstance(row, ListOperation)))
def test_the_text_is_straight(name):
    """No loop over the inputs is left in a shortcut, and it compiles."""
    text = write_source(TABLE[name])
    compile(text, name, "exec")
    assert not any(line.split()[:1] in (["for"], ["while"]) for line in text.splitlines())


@with_shortcuts
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


@with_shortcuts
def test_two_operations_of_one_name_show_their_own_text():
    elementwise = new_row("cube", np.multiply, dict(a=lambda g, b: g * b, b=lambda g, a: g * a), elementwise=True)
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
        with pytest.raises(RuntimeError, match=r"'cast' at .*test_shortcuts.py"):
            x * mg.tensor(1e300, dtype=mg.float64)
        assert (x * large).dtype == mg.float64


def test_anomaly_mode_sees_what_a_rule_for_y_makes():
    rules = dict(y=lambda g, x: g / (x - x), x=lambda g, w: g * w, w=lambda g, x: g * x)
    broken = new_row("broken", lambda x, w: x * w, rules)
    x, w = mg.ones(2, requires_grad=True), mg.ones(2)
    with np.errstate(all="ignore"), mg.autograd.detect_anomaly():
        y = broken.apply(x, w).sum()
        with pytest.raises(RuntimeError, match="'broken'"):
            y.backward()


def test_a_traceback_leads_into_the_forward():
    def refuse(x):
        raise KeyError("no")

    with pytest.raises(KeyError) as caught:
        new_row("refusing", refuse, dict(x=lambda g: g)).apply(mg.ones(2))
    assert "refuse" in [frame.name for frame in traceback.extract_tb(caught.tb)]


def test_too_many_or_too_few_arguments_are_refused_by_name():
    for arguments in ((mg.ones(2), 1), ()):
        for function in (cube("cube").apply, lambda *a: call(cube("cube"), *a)):
            with pytest.raises(TypeError, match=r"cube\(\) .*argument"):
                function(*arguments)


def test_the_modes_are_looked_up_at_every_call():
    operation = cube("cube")
    x = mg.ones(2, requires_grad=True)
    operation.apply(x)
    with mg.no_grad():
        assert operation.apply(x).grad_fn is None
    assert operation.apply(x).grad_fn is not None
    recorder = Recorder()
    with Block(observer=recorder):
        operation.apply(x)
    assert recorder.calls == ["cube"]


def test_a_rule_for_y_comes_first_and_is_computed_once():
    """f(a, b) = (a b)²: both rules start from 2 a b g."""
    calls = []

    def twice_the_root(g, a, b):
        calls.append(g)
        return 2 * g * a * b

    row = new_row(
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
