"""Attributes that a user sets on a tensor, what copies take along, and what can be pickled. Values are PyTorch's."""

from __future__ import annotations

import copy
import importlib
import pickle
import subprocess
import sys

import pytest

import minigrad as mg
import minigrad.nn as nn
from minigrad.errors import GradientError


@pytest.mark.parametrize(
    "x", [mg.ones(2), mg.ones(2, requires_grad=True), mg.ones(2, requires_grad=True) * 2, nn.Parameter(mg.ones(2))]
)
def test_a_tensor_takes_attributes(x):
    with pytest.raises(AttributeError, match="importance"):
        _ = x.importance
    x.importance = [1, 2]
    assert x.importance == [1, 2]
    assert not hasattr(x * 1, "importance")
    assert not hasattr(x.detach(), "importance")
    del x.importance
    assert not hasattr(x, "importance")


def test_what_the_engine_says_of_a_tensor_cannot_be_overwritten():
    with pytest.raises(AttributeError, match="has no setter"):
        mg.ones(2).shape = (1, 2)


def test_a_network_keeps_what_was_set_on_its_parameters():
    net = nn.Linear(2, 2)
    net.weight.importance = 3.0
    net.double()
    assert [p.importance for p in net.parameters() if hasattr(p, "importance")] == [3.0]


def test_a_deep_copy_takes_attributes_along_but_not_those_of_a_parameter():
    x, p = mg.ones(2), nn.Parameter(mg.ones(2))
    x.names, p.names = ["a"], ["a"]
    again = copy.deepcopy(x)
    again.names.append("b")
    assert (again.names, x.names) == (["a", "b"], ["a"])
    assert not hasattr(copy.deepcopy(p), "names")


def test_a_deep_copy_of_a_tensor_that_knows_itself_ends():
    x = mg.ones(2)
    x.partner = x
    again = copy.deepcopy(x)
    assert again.partner is again


@pytest.mark.parametrize("x", [mg.ones(2), nn.Parameter(mg.ones(2))])
def test_what_is_pickled_takes_attributes_along(x):
    x.names = ["a"]
    again = pickle.loads(pickle.dumps(x))
    assert type(again) is type(x)
    assert again.names == ["a"]


@pytest.mark.parametrize("x", [mg.ones(2), mg.ones(2, requires_grad=True), nn.Parameter(mg.ones(2))])
def test_a_shallow_copy_is_another_leaf_on_the_same_memory(x):
    x.names = ["a"]
    again = copy.copy(x)
    assert again is not x
    assert (type(again), again.requires_grad, again.is_leaf) == (type(x), x.requires_grad, True)
    assert again.names is x.names
    with mg.no_grad():
        again.add_(1)
    assert x.tolist() == [2, 2]


def test_a_change_through_a_shallow_copy_is_noticed():
    x, w = mg.ones(2), mg.ones(2, requires_grad=True)
    y = (w * x).sum()
    copy.copy(x).add_(1)
    with pytest.raises(GradientError, match="changed in place"):
        y.backward()


@pytest.mark.parametrize(
    ("who", "make_copy"), [("copy", copy.copy), ("deepcopy", copy.deepcopy), ("pickle", pickle.dumps)]
)
def test_only_leaves_are_copied(who, make_copy):
    y = mg.ones(2, requires_grad=True) * 2
    with pytest.raises(GradientError, match=rf"^{who}: this tensor was made by 'multiply' and .*\.detach\(\)"):
        make_copy(y)
    assert make_copy(y.detach()) is not None


@pytest.mark.parametrize("base", [mg.ones(3, requires_grad=True), mg.ones(3, requires_grad=True) * 2])
def test_a_recorded_view_is_not_detached_in_place(base):
    view = base[1:]
    with pytest.raises(RuntimeError, match=r"detach_: .* view .*use \.detach\(\)"):
        view.detach_()
    assert view.requires_grad
    assert not view.detach().requires_grad


# -- functions that a module holds ------------------------------------------------------------------------


def list_public_functions():
    """(where, name) of every function and class that users call by a public name."""
    for path in ("minigrad", "minigrad.nn", "minigrad.nn.functional", "minigrad.linalg", "minigrad.optim"):
        module = importlib.import_module(path)
        for name in dir(module):
            if not name.startswith("_") and callable(getattr(module, name)):
                yield path, name


@pytest.mark.parametrize("path", sorted({path for path, _ in list_public_functions()}))
def test_every_public_function_can_be_pickled(path):
    for where, name in list_public_functions():
        function = getattr(importlib.import_module(where), name)
        if where == path:
            assert pickle.loads(pickle.dumps(function)) is function, name


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.activation, self.bound = nn.Linear(2, 2), mg.tanh, mg.clamp

    def forward(self, x):
        return self.bound(self.activation(self.body(x)), 0)


triple = mg.operation(lambda x: x * 3, vjp=lambda g: g * 3, name="triple")


@pytest.mark.parametrize("make_copy", [copy.copy, copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_a_module_that_holds_functions_is_copied_and_sent(make_copy):
    net, x = Net(), mg.randn(3, 2)
    assert make_copy(net)(x).tolist() == net(x).tolist()
    net.activation = triple
    assert make_copy(net)(x).tolist() == net(x).tolist()


def test_a_function_is_found_by_another_process():
    program = "import pickle, sys; print(pickle.load(sys.stdin.buffer).__name__)"
    found = subprocess.run(
        [sys.executable, "-c", program], input=pickle.dumps(mg.tanh), capture_output=True, check=True
    )
    assert found.stdout.split() == [b"tanh"]
