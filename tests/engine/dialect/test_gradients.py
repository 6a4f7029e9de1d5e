"""What PyTorch says around backward: copies, retained gradients, grad, own operations. Values are PyTorch's."""

from __future__ import annotations

import copy
import gc
import warnings
import weakref

import numpy as np
import pytest
from rows import new_row

import minigrad as mg
import minigrad.nn as nn
from minigrad.core.hooks import Observer
from minigrad.core.modes import Block
from minigrad.errors import GradientError


def test_a_copied_network_starts_without_gradients():
    net, x = nn.Linear(1, 1), mg.ones(1, 1)
    net(x).sum().backward()
    fast = copy.deepcopy(net)
    assert fast.weight.grad is None
    assert net.weight.grad.tolist() == [[1.0]]
    (fast(x) * 2).sum().backward()
    assert fast.weight.grad.tolist() == [[2.0]]
    assert net.weight.grad.tolist() == [[1.0]]


def test_a_copied_tensor_keeps_its_gradient_on_memory_of_its_own():
    x = mg.ones(2, requires_grad=True)
    (x * 3).sum().backward()
    again = copy.deepcopy(x)
    assert again.grad.tolist() == [3, 3]
    again.grad.zero_()
    assert x.grad.tolist() == [3, 3]


def test_one_copy_serves_what_is_tied():
    layer = nn.Linear(2, 2)
    tied = nn.Sequential(layer, nn.Linear(2, 2))
    tied[1].weight = layer.weight
    again = copy.deepcopy(tied)
    assert again[0].weight is again[1].weight


@pytest.mark.parametrize("change", [lambda y: y.mul_(3), lambda y: y.__setitem__(slice(None), y * 3)])
def test_a_retained_gradient_is_that_of_the_value_after_a_change_in_place(change):
    x = mg.ones(3, requires_grad=True)
    y = x * 2
    y.retain_grad()
    change(y)
    assert y.retains_grad
    y.sum().backward()
    assert y.grad.tolist() == [1, 1, 1]
    assert x.grad.tolist() == [6, 6, 6]


def test_a_hook_from_before_a_change_in_place_sees_the_old_value():
    x = mg.ones(3, requires_grad=True)
    y, seen = x * 2, []
    y.register_hook(lambda g: seen.append(g.tolist()))
    y.mul_(3)
    y.sum().backward()
    assert seen == [[3, 3, 3]]


def test_retained_gradients_add_up():
    x = mg.ones(2, requires_grad=True)
    y = x * 2
    y.retain_grad()
    loss = y.sum()
    loss.backward(retain_graph=True)
    loss.backward()
    assert y.grad.tolist() == [2, 2]


@pytest.mark.parametrize("observed", [False, True])
@pytest.mark.parametrize(
    ("rule", "what"),
    [
        (lambda g, x: np.ones(4), r"shape \(4,\)"),
        (lambda g, x: np.ones((1, 3)), r"shape \(1, 3\)"),
        (lambda g, x: np.ones(3, np.float32), "float32"),
    ],
)
def test_a_gradient_that_does_not_fit_a_leaf_is_refused_by_the_name_of_its_operation(rule, what, observed):
    x = mg.ones(3, dtype=mg.float64, requires_grad=True)
    y = new_row("lopsided", lambda x: x * 1.0, dict(x=rule)).apply(x)
    with Block(observer=Observer() if observed else None), pytest.raises(GradientError, match=f"'lopsided'.*{what}"):
        y.sum().backward()
    assert x.grad is None
    for inputs in (x, [x]):
        y = new_row("lopsided", lambda x: x * 1.0, dict(x=rule)).apply(x)
        with pytest.raises(GradientError, match="'lopsided'"):
            mg.autograd.grad(y.sum(), inputs)


def test_grad_takes_pytorchs_arguments():
    x = mg.tensor([1.0, 2.0], requires_grad=True)
    (g,) = mg.autograd.grad((x * x).sum(), x, create_graph=True, only_inputs=True)
    assert g.tolist() == [2, 4]
    (second,) = mg.autograd.grad(g.sum(), [x], None, None, False, True, None, False, False)
    assert second.tolist() == [2, 2]
    for refused in (dict(only_inputs=False), dict(is_grads_batched=True)):
        with pytest.raises(NotImplementedError, match="grad"):
            mg.autograd.grad((x * x).sum(), x, **refused)


def test_a_recorded_backward_warns_of_the_cycle_that_it_makes():
    def train_once(differentiate):
        w = mg.tensor([1.0, 2.0], requires_grad=True)
        differentiate((w**3).sum(), w)
        return weakref.ref(w)

    gc.disable()
    try:
        with pytest.warns(UserWarning, match=r"create_graph=True .* each other.* autograd\.grad") as warned:
            assert train_once(lambda loss, w: loss.backward(create_graph=True))() is not None
        assert warned[0].filename == __file__
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert train_once(lambda loss, w: mg.autograd.grad(loss, w, create_graph=True))() is None
            assert train_once(lambda loss, w: loss.backward())() is None
    finally:
        gc.enable()


def test_backward_takes_pytorchs_arguments():
    x = mg.tensor([1.0, 2.0], requires_grad=True)
    mg.autograd.backward([x * 2, x * 3], grad_tensors=[mg.ones(2), mg.ones(2)])
    assert x.grad.tolist() == [5, 5]
    (x * 2).backward(gradient=mg.tensor([1.0, 10.0]))
    assert x.grad.tolist() == [7, 25]


def test_anomaly_mode_is_a_function_and_a_block():
    assert not mg.autograd.is_anomaly_enabled()
    with mg.autograd.set_detect_anomaly(True):
        assert mg.autograd.is_anomaly_enabled()
        with mg.autograd.set_detect_anomaly(False):
            assert not mg.autograd.is_anomaly_enabled()
        assert mg.autograd.is_anomaly_enabled()
    assert not mg.autograd.is_anomaly_enabled()
    mg.autograd.set_detect_anomaly(True)
    assert mg.autograd.is_anomaly_enabled()
    mg.autograd.set_detect_anomaly(False)
    x = mg.zeros(1, requires_grad=True)
    with np.errstate(all="ignore"), mg.autograd.set_detect_anomaly(True, check_nan=False):
        assert x.log().tolist() == [-np.inf]
    with np.errstate(all="ignore"), mg.autograd.set_detect_anomaly(True), pytest.raises(GradientError, match="'log'"):
        x.log()


def test_an_operation_of_ones_own_is_no_row_of_the_table():
    square = mg.operation(lambda x: x * x, vjp=lambda g, x: 2 * x * g, name="a square of my own")
    assert "a square of my own" not in mg.ops.table.TABLE
    x = mg.tensor([1.0, 3.0], dtype=mg.float64, requires_grad=True)
    assert mg.gradcheck(square, x)
    assert mg.gradgradcheck(square, x)
    (g,) = mg.autograd.grad(square(x).sum(), x)
    assert g.tolist() == [2, 6]
    assert square(np.array([2.0])).tolist() == [4]


def test_of_a_0d_tensor_a_format_is_that_of_its_number():
    loss = mg.tensor(0.5) * 3
    assert f"{loss}" == "1.5"
    assert f"{loss:.3f}" == "1.500"
    assert f"{mg.tensor(7)}" == "7"
    assert f"{mg.tensor([1.0, 2.0])}" == str(mg.tensor([1.0, 2.0]))


# -- what fresh eyes found; the values are PyTorch's ------------------------------------------------------


def test_a_view_that_is_out_of_date_is_not_changed_in_place():
    w = mg.tensor([1.0, 2.0, 3.0], requires_grad=True)
    base = mg.zeros(3)
    view = base[:2]
    base.add_(w)
    for change in (lambda: view.mul_(2), lambda: view.zero_(), lambda: view.__setitem__(0, 7.0)):
        with pytest.raises(GradientError, match="view"):
            change()
    base.sum().backward()
    assert w.grad.tolist() == [1, 1, 1]


def test_a_view_of_what_is_recorded_is_not_changed_behind_its_back():
    leaf = mg.ones(3, requires_grad=True)
    with mg.no_grad():
        of_a_leaf, of_a_result = leaf[:2], (leaf * 1)[:2]
    result = leaf * 1
    with mg.no_grad():
        of_a_result = result[:2]
    for view in (of_a_leaf, of_a_result):
        with pytest.raises(GradientError, match="view"):
            view.zero_()
    leaf.detach()[0] = 5.0  # a detached tensor may be written to
    assert leaf.tolist() == [5, 1, 1]


def test_a_hook_keeps_the_dtype():
    x = mg.ones(2, requires_grad=True)
    x.register_hook(lambda g: g.double())
    with pytest.raises(GradientError, match="float64"):
        (x * 2).sum().backward()


def test_a_hook_may_use_numpy_while_backward_is_recorded():
    x, seen = mg.ones(2, requires_grad=True), []
    x.register_hook(lambda g: seen.append(np.asarray(g.detach()).tolist()))
    (x * 2).sum().backward(create_graph=True)
    assert seen == [[2, 2]]


def test_a_retained_gradient_is_what_the_hooks_have_made_of_it():
    x = mg.ones(2, requires_grad=True)
    y = x * 2
    y.retain_grad()
    y.register_hook(lambda g: g * 10)
    y.sum().backward()
    assert y.grad.tolist() == [10, 10]


def test_backward_towards_inputs():
    x, y = mg.tensor(1.0, requires_grad=True), mg.tensor(2.0, requires_grad=True)
    mg.autograd.backward([x, y * 2], inputs=[y])
    assert x.grad is None
    assert y.grad.item() == 2
    middle = x * 3
    (middle * y).backward(inputs=[middle])
    assert middle.grad.item() == 2
    assert x.grad is None


@pytest.mark.parametrize(
    "write", [lambda t: np.add(t, 1, out=t), lambda t: np.add.at(t, 0, 1), lambda t: np.copyto(t, 5.0)]
)
def test_numpy_that_writes_into_a_tensor_counts_as_a_change(write):
    w, t = mg.ones(2, requires_grad=True), mg.tensor([3.0, 4.0])
    y = w * t
    write(t)
    with pytest.raises(GradientError, match="changed in place"):
        y.sum().backward()


def test_the_output_may_not_be_called_like_an_input():
    with pytest.raises(TypeError, match="never y"):
        mg.operation(lambda y: y * y, vjp=lambda g, y: 2 * g * y, name="square of y")


def test_a_gradient_can_be_deleted():
    x = mg.ones(1, requires_grad=True)
    x.sum().backward()
    del x.grad
    assert x.grad is None


def test_a_generator_that_entered_no_grad_in_a_thread_that_has_ended_can_be_closed():
    import threading

    def generate():
        with mg.no_grad():
            yield 1
            yield 2

    items = generate()
    thread = threading.Thread(target=lambda: next(items))
    thread.start()
    thread.join()
    assert list(items) == [2]
    assert mg.is_grad_enabled()
