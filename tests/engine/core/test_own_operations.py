"""An operation of one's own, made wrongly: one error that names it and says what was expected."""

from __future__ import annotations

import functools
import math

import numpy as np
import pytest

import minigrad as mg
from minigrad.core.hooks import Observer
from minigrad.core.modes import Block
from minigrad.errors import RuleError


class Doubler:
    def __call__(self, x):
        return x * 2

    def double(self, x):
        return x * 2


UNREADABLE = {
    "a partial": functools.partial(lambda x, k: x * k, k=2),
    "a method": Doubler().double,
    "an object": Doubler(),
    "a built-in function": math.sin,
    "NumPy's function": np.sort,
    "any arguments": lambda *arguments: arguments[0],
    "no arguments": lambda: 1.0,
    "a default": lambda x, k=2: x * k,
    "None": None,
}


@pytest.mark.parametrize("function", UNREADABLE.values(), ids=UNREADABLE)
def test_a_function_without_named_arguments_is_refused(function):
    message = "named arguments and no defaults, got .*; write a lambda"
    with pytest.raises(TypeError, match=message):
        mg.operation(function, vjp=lambda g: g, name="own")
    x = mg.ones(2, requires_grad=True)
    with pytest.raises(TypeError, match=message):
        mg.operation(lambda x: x * 2, vjp=dict(x=function), name="own")(x).sum().backward()


@pytest.mark.parametrize(
    ("returned", "words"),
    [
        (2.0, "the float 2.0"),
        (True, "the bool True"),
        (None, "None"),
        ([1.0, 2.0], "a list"),
        ((np.ones(2), np.ones(2)), "a tuple"),
        (mg.ones(2), "a Tensor"),
    ],
)
@pytest.mark.parametrize("recording", [True, False])
def test_a_forward_that_returns_no_array_is_refused(returned, words, recording):
    own = mg.operation(lambda x: returned, vjp=lambda g: g, name="own")
    with pytest.raises(TypeError, match=rf"^own: the forward has returned {words}; expected an array.*np\.asarray"):
        own(mg.ones(2, requires_grad=recording))


def test_a_forward_may_return_a_number_of_numpys():
    total = mg.operation(lambda x: x.sum(), vjp=lambda g, x_shape: mg.core.rules.broadcast_to(g, x_shape), name="total")
    x = mg.ones(3, requires_grad=True)
    total(x).backward()
    assert x.grad.tolist() == [1, 1, 1]


def use_at_a_leaf(own, x):
    return own(x, mg.ones(2))


def use_at_a_node(own, x):
    return own(x * 1, mg.ones(2)) * 1


def use_twice(own, x):
    y = x * 1
    return own(y, mg.ones(2)) + y * 3


def use_after_broadcasting(own, x):
    return own(x, mg.ones(3, 2))


@pytest.mark.parametrize("use", [use_at_a_leaf, use_at_a_node, use_twice, use_after_broadcasting])
@pytest.mark.parametrize(("returned", "words"), [(2.0, "the float 2.0"), (None, "None"), ([2.0, 2.0], "a list")])
@pytest.mark.parametrize("walk", ["usual", "observed", "create_graph", "grad"])
@pytest.mark.filterwarnings("ignore:backward. with create_graph")
def test_a_rule_that_returns_no_array_is_refused_by_the_name_of_its_operation(use, returned, words, walk):
    rules = dict(a=lambda g: returned, b=lambda g, a: g * a)
    own = mg.operation(lambda a, b: a * b, vjp=rules, name="own", elementwise=True)
    x = mg.ones(2, requires_grad=True)
    with Block(observer=Observer() if walk == "observed" else None):
        loss = use(own, x).sum()
        differentiate = {
            "grad": lambda: mg.autograd.grad(loss, x),
            "create_graph": lambda: loss.backward(create_graph=True),
        }.get(walk, loss.backward)
        with pytest.raises(RuleError, match=rf"the rule of 'own' has returned {words}; expected an array .* g \* 2$"):
            differentiate()
    assert x.grad is None


@pytest.mark.parametrize(("returned", "words"), [(2.0, "the float 2.0"), (None, "None")])
def test_a_rule_for_the_output_that_returns_no_array_is_refused(returned, words):
    rules = dict(y=lambda g: returned, a=lambda g: g * 2)
    own = mg.operation(lambda a: a * 2, vjp=rules, name="own")
    with pytest.raises(RuleError, match=rf"the rule of 'own' has returned {words};"):
        own(mg.ones(2, requires_grad=True)).sum().backward()


@pytest.mark.parametrize("walk", ["backward", "grad", "create_graph", "observed"])
def test_a_rule_for_the_output_may_return_several_arrays(walk):
    """All rules of the row get them: of a·b with s = g·2, they are s·b/2 and s·a/2."""
    rules = dict(y=lambda g: (g * 2, g * 0), a=lambda g, b: g[0] * b / 2 + g[1], b=lambda g, a: g[0] * a / 2 + g[1])
    own = mg.operation(lambda a, b: a * b, vjp=rules, name="own")
    a, b = mg.tensor([2.0, 3.0], requires_grad=True), mg.tensor([5.0, 7.0], requires_grad=True)
    with Block(observer=Observer() if walk == "observed" else None):
        loss = own(a, b).sum()
        if walk == "grad":
            slopes = mg.autograd.grad(loss, (a, b))
        else:
            loss.backward(create_graph=walk == "create_graph")
            slopes = a.grad, b.grad
    assert [slope.tolist() for slope in slopes] == [[5.0, 7.0], [2.0, 3.0]]


def test_an_error_inside_a_rule_comes_as_it_is():
    def rule(g):
        raise TypeError("what the rule itself says")

    own = mg.operation(lambda a: a * 2, vjp=rule, name="own")
    x = mg.ones(2, requires_grad=True)
    with pytest.raises(TypeError, match=r"^what the rule itself says$"):
        (own(x * 1) + x).sum().backward()
