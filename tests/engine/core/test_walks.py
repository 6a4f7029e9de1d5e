"""There are two walks, the core's and speed's flat one. What backward promises, it promises on every way to them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, example, given
from test_random_graphs import draw_inputs, examples, leaves, programs, run, seeds, shapes_of_inputs

import minigrad as mg
from minigrad import autograd
from minigrad.core.hooks import Observer
from minigrad.core.modes import Block

# -- the ways: each returns the gradient of x, as a list ----------------------------------------------------


def by_backward(y: Any, x: mg.Tensor, gradient: Any = None, **options: Any) -> list:
    x.grad = None
    autograd.backward(y, gradient, **options)
    return x.grad.tolist()


def by_backward_to_inputs(y: Any, x: mg.Tensor, gradient: Any = None, **options: Any) -> list:
    return by_backward(y, x, gradient, inputs=[x], **options)


def by_grad(y: Any, x: mg.Tensor, gradient: Any = None, **options: Any) -> list:
    x.grad = None
    (g,) = autograd.grad(y, x, gradient, **options)
    assert x.grad is None
    return g.tolist()


def record(way: Callable) -> Callable:
    """The way with create_graph."""

    def by_recording(*arguments: Any, retain_graph: bool = False, **options: Any) -> list:
        return way(*arguments, retain_graph=retain_graph, create_graph=True, **options)

    return by_recording


def observe(way: Callable) -> Callable:
    """The way with an observer, who sends `backward` to the core's walk."""

    def by_observing(*arguments: Any, **options: Any) -> list:
        with Block(observer=Observer()):
            return way(*arguments, **options)

    return by_observing


SIMPLE = {"backward": by_backward, "backward(inputs=)": by_backward_to_inputs, "grad": by_grad}
RECORDED = {f"{name}, create_graph": record(way) for name, way in SIMPLE.items()}
WAYS = SIMPLE | RECORDED | {f"{name}, observed": observe(way) for name, way in (SIMPLE | RECORDED).items()}
every_way = pytest.mark.parametrize("differentiate", WAYS.values(), ids=WAYS.keys())


@pytest.fixture
def x() -> mg.Tensor:
    return mg.tensor([1.0, 2.0], requires_grad=True)


# -- hooks ------------------------------------------------------------------------------------------------


@every_way
def test_hooks_of_a_leaf_run_in_their_order(differentiate, x):
    x.register_hook(lambda g: g + 1)
    x.register_hook(lambda g: g * 2)
    assert differentiate((3 * x).sum(), x) == [8, 8]  # (3 + 1) · 2


@every_way
def test_hooks_of_a_result_run_in_their_order(differentiate, x):
    y = 3 * x
    y.register_hook(lambda g: g + 1)
    y.register_hook(lambda g: g * 2)
    assert differentiate(y.sum(), x) == [12, 12]  # 3 · (1 + 1) · 2


@every_way
def test_hooks_of_the_tensor_that_is_differentiated_run(differentiate, x):
    y = (x * x).sum()
    y.register_hook(lambda g: g * 5)
    assert differentiate(y, x) == [10, 20]


@every_way
def test_a_hook_sees_the_sum_of_all_uses_once(differentiate, x):
    seen: list = []
    y = x * 2
    y.register_hook(lambda g: seen.append(g.tolist()))
    x.register_hook(lambda g: seen.append(g.tolist()))
    assert differentiate((y * 3 + y * 4 + x).sum(), x) == [15, 15]
    assert seen == [[7, 7], [15, 15]]


@every_way
def test_a_hook_that_was_removed_does_not_run(differentiate, x):
    x.register_hook(lambda g: g * 10).remove()
    x.register_hook(lambda g: g + 1)
    assert differentiate((3 * x).sum(), x) == [4, 4]


@every_way
def test_a_hook_must_return_a_gradient_of_the_same_shape(differentiate, x):
    x.register_hook(lambda g: g.sum())
    with pytest.raises(mg.GradientError, match="hook"):
        differentiate((3 * x).sum(), x)


@every_way
def test_what_a_hook_returns_stays_the_hooks_own(differentiate, x):
    kept = mg.tensor([5.0, 6.0])
    x.register_hook(lambda g: kept)
    y = (3 * x).sum()
    for _ in range(2):
        assert differentiate(y, x, retain_graph=True) == [5, 6]
    (y * 1).backward()
    assert kept.tolist() == [5, 6]


# -- retain_grad ------------------------------------------------------------------------------------------


@every_way
def test_retain_grad_adds_up_over_two_passes(differentiate, x):
    y = x * 2
    y.retain_grad()
    z = (y * y).sum()
    differentiate(z, x, retain_graph=True)
    assert y.grad.tolist() == [4, 8]
    differentiate(z, x, retain_graph=True)
    assert y.grad.tolist() == [8, 16]


# -- where backward starts -----------------------------------------------------------------------------------


@every_way
def test_a_tensor_given_twice_counts_twice(differentiate, x):
    y = x * 3
    assert differentiate([y, y], x, [mg.tensor([1.0, 10.0]), mg.tensor([2.0, 20.0])]) == [9, 90]


@every_way
def test_a_leaf_given_twice_counts_twice(differentiate, x):
    assert differentiate([x, x], x, [mg.tensor([1.0, 10.0]), mg.tensor([2.0, 20.0])]) == [3, 30]


@every_way
def test_a_start_may_lie_on_the_way_of_another(differentiate, x):
    y = x * 3
    z = (y * y).sum()  # dz/dx = 18 x
    assert differentiate([z, y], x, [None, mg.tensor([1.0, 1.0])]) == [21, 39]
    y = x * 3
    z = (y * y).sum()
    assert differentiate([y, z], x, [mg.tensor([1.0, 1.0]), None]) == [21, 39]


@every_way
def test_the_given_cotangent_is_not_changed_and_not_shared(differentiate, x):
    gradient = mg.tensor([1.0, 10.0])
    assert differentiate(x, x, gradient) == [1, 10]
    if x.grad is not None:
        with mg.no_grad():
            x.grad.mul_(2)
    y = x * 1
    assert differentiate([y + 0, y + 0], x, [gradient, gradient]) == [2, 20]
    assert gradient.tolist() == [1, 10]


# -- what was kept -------------------------------------------------------------------------------------------


@every_way
@pytest.mark.parametrize(
    "compute",
    [
        lambda x: x.exp(),  # keeps its output
        lambda x: (x * 1).tanh().sigmoid(),
        lambda x: mg.relu(x),
    ],
)
def test_one_change_in_place_of_an_output_is_noticed(differentiate, x, compute):
    y = compute(x)
    z = y.sum()
    with mg.no_grad():
        y.mul_(2)
    with pytest.raises(mg.GradientError, match="in place"):
        differentiate(z, x)


@every_way
def test_one_change_in_place_of_an_input_is_noticed(differentiate, x):
    factor = mg.tensor([3.0, 4.0])
    y = (x * factor).sum()
    factor.add_(1)
    with pytest.raises(mg.GradientError, match="in place"):
        differentiate(y, x)


@every_way
def test_a_change_in_place_through_a_view_is_noticed(differentiate, x):
    y = x.exp()
    z = y.sum()
    with mg.no_grad():
        y[:1].zero_()
    with pytest.raises(mg.GradientError, match="in place"):
        differentiate(z, x)


@every_way
def test_a_change_in_place_that_no_rule_needs_is_allowed(differentiate, x):
    y = x + 1
    z = (y * 2).sum()
    with mg.no_grad():
        y.mul_(2)
    assert differentiate(z, x) == [2, 2]


@every_way
def test_a_graph_is_gone_after_one_pass_unless_it_is_retained(differentiate, x):
    y = (x * x).sum()
    assert differentiate(y, x, retain_graph=True) == [2, 4]
    assert differentiate(y, x, retain_graph=False) == [2, 4]
    with pytest.raises(mg.GradientError, match="retain_graph=True"):
        differentiate(y, x)


# -- accumulation -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", [name for name in WAYS if name.startswith("backward")])
def test_backward_adds_to_what_is_there(way, x):
    y = (x * x).sum()
    WAYS[way](y, x, retain_graph=True)
    first = x.grad
    with Block(observer=Observer() if "observed" in way else None):
        y.backward(create_graph="create_graph" in way, retain_graph=True, inputs=[x] if "inputs" in way else None)
    assert x.grad.tolist() == [4, 8]
    if "create_graph" not in way:
        assert x.grad is first  # in place, as in PyTorch


@every_way
def test_gradients_of_two_leaves_do_not_share_memory(differentiate, x):
    other = mg.tensor([5.0, 6.0], requires_grad=True)
    other.grad = mg.tensor([1.0, 1.0])
    assert differentiate((x + other).sum(), x) == [1, 1]
    assert x.grad is None or not np.shares_memory(x.grad.array, other.grad.array)


# -- random graphs ----------------------------------------------------------------------------------------


@examples(200)
@given(shapes_of_inputs, programs(), seeds)
@example([(2, 3)], [("tanh", 0, 0, 0), ("multiply", 0, 1, 0), ("subtract", 0, 1, 0), ("multiply", 1, 2, 0)], 0)
@example([(3, 3)], [("first", 0, 0, 0), ("fancy", 1, 1, 0), ("slice", 2, 0, 1), ("stack", 0, 1, 0)], 0)
def test_both_walks_give_the_same_bits(shapes, program, seed):
    """For the same graph, in float64 and in float32."""
    for dtype in (np.float64, np.float32):
        inputs = leaves([array.astype(dtype) for array in draw_inputs(shapes, seed)])
        outputs = run(mg, program, inputs)
        assume(outputs)
        total = sum((i + 1) * (y * y).sum() for i, y in enumerate(outputs))
        total.backward(retain_graph=True)
        flat = [x.grad for x in inputs]
        for x in inputs:
            x.grad = None
        with Block(observer=Observer()):
            total.backward()
        for by_flat_walk, x in zip(flat, inputs, strict=True):
            assert (by_flat_walk is None) == (x.grad is None)
            if x.grad is not None:
                assert x.grad.dtype == x.dtype
                assert by_flat_walk.array.tobytes() == x.grad.array.tobytes()
