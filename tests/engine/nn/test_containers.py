"""Modules that hold modules: sequences, lists, dicts, and lists of parameters."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import minigrad as mg
import minigrad.nn as nn
from minigrad.core.operation import Node
from minigrad.speed import ENABLED


def test_sequential_is_a_list():
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    assert len(net) == 3
    assert net[-1] is list(net)[2]
    assert net[:2](mg.ones(1, 2)).shape == (1, 3)
    net[1] = nn.Tanh()
    assert isinstance(net[1], nn.Tanh)
    x = mg.randn(4, 2)
    np.testing.assert_array_equal(net(x).detach(), net[2](mg.tanh(net[0](x))).detach())
    del net[1]
    assert [name for name, _ in net.named_children()] == ["0", "1"]
    np.testing.assert_array_equal(net(x).detach(), net[1](net[0](x)).detach())
    net.append(nn.Sigmoid()).extend([nn.ReLU()])
    assert len(net) == 4


def linear_and_relu():
    mg.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 5), nn.ReLU(), nn.ReLU(), nn.Linear(5, 2))


@pytest.mark.skipif(not ENABLED, reason="the shortcuts are off")
def test_sequential_puts_linear_and_relu_into_one_node_and_nothing_changes():
    net, x = linear_and_relu(), mg.randn(6, 3).requires_grad_()
    y = net(x)
    names, node = [], y.grad_fn
    while isinstance(node, Node):
        names.append(node.name)
        node = node.edges[0]
    assert names == ["linear", "relu", "linear_relu", "linear_relu"]
    y.sum().backward()
    fused = [p.grad.array.copy() for p in (x, *net.parameters())]
    net.zero_grad()
    x.grad = None
    h = x
    for layer in net:
        h = layer(h)
    np.testing.assert_array_equal(h.array, y.array)
    h.sum().backward()
    for a, b in zip(fused, (x, *net.parameters()), strict=True):
        np.testing.assert_array_equal(a, b.grad.array)


@pytest.mark.parametrize("place", [0, 1, 2, 3])
@pytest.mark.parametrize("kind", ["register_forward_hook", "register_forward_pre_hook"])
def test_a_hook_on_either_of_linear_and_relu_is_called(place, kind):
    net, x, seen = linear_and_relu(), mg.randn(6, 3), []
    plain = net(x).array
    handle = getattr(net[place], kind)(lambda module, *values: seen.append(module))
    np.testing.assert_array_equal(net(x).array, plain)
    assert seen == [net[place]]
    handle.remove()
    net(x)
    assert len(seen) == 1


def test_only_linear_and_relu_themselves_go_into_one_node():
    class Doubled(nn.Linear):
        def forward(self, input):
            return 2 * super().forward(input)

    class Leaky(nn.ReLU):
        def forward(self, input):
            return nn.functional.leaky_relu(input)

    x = mg.randn(6, 3)
    for net in (nn.Sequential(Doubled(3, 4), nn.ReLU()), nn.Sequential(nn.Linear(3, 4), Leaky())):
        np.testing.assert_array_equal(net(x).array, net[1](net[0](x)).array)
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU())
    net[1] = nn.Tanh()
    np.testing.assert_array_equal(net(x).array, net[0](x).tanh().array)
    net.append(nn.ReLU())
    del net[1]
    np.testing.assert_array_equal(net(x).array, net[0](x).relu().array)


def test_another_forward_of_linear_or_relu_is_the_one_that_counts(monkeypatch):
    x = mg.randn(6, 3)
    for place in (0, 1):
        net = linear_and_relu()
        monkeypatch.setattr(net[place], "forward", lambda input: mg.zeros(6, 4))
        np.testing.assert_array_equal(net(x).array, net[2:](mg.zeros(6, 4)).array)
    calls = []
    for kind in (nn.Linear, nn.ReLU):
        before = kind.forward
        with monkeypatch.context() as patch:
            patch.setattr(kind, "forward", lambda self, input, before=before: calls.append(self) or before(self, input))
            net = linear_and_relu()
            net(x)
    assert len(calls) == 6


def shift(input):
    """Another forward."""
    return input[:, :1] + mg.arange(4.0)


class Shift(nn.Module):
    def forward(self, input):
        return shift(input)


def become(module, kind):
    module.__class__ = type(kind.__name__, (kind,), {"forward": lambda self, input: shift(input)})


CHANGES = {
    "an attribute": lambda net, i: setattr(net[i], "forward", shift),
    "past the module": lambda net, i: object.__setattr__(net[i], "forward", shift),
    "an entry of the dict": lambda net, i: net[i].__dict__.update(forward=shift),
    "another dict": lambda net, i: setattr(net[i], "__dict__", {**net[i].__dict__, "forward": shift}),
    "another class": lambda net, i: become(net[i], type(net[i])),
    "another module": lambda net, i: net.__setitem__(i, Shift()),
    "a hook": lambda net, i: net[i].register_forward_hook(lambda module, args, output: shift(output)),
    "a hook before": lambda net, i: net[i].register_forward_pre_hook(lambda module, args: shift(args[0])[:, : 3 + i]),
}


@pytest.mark.parametrize("copied", [False, True])
@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("change", CHANGES)
def test_a_change_after_the_first_call_counts(change, place, copied):
    net, x = linear_and_relu(), mg.randn(6, 3)
    before = net(x).array
    CHANGES[change](net, place)
    net = copy.deepcopy(net) if copied else net
    expected = x
    for layer in net:
        expected = layer(expected)
    assert not np.array_equal(expected.array, before)
    np.testing.assert_array_equal(net(x).array, expected.array)
    np.testing.assert_array_equal(net[:2](x).array, net[1](net[0](x)).array)


def test_anomaly_mode_sees_what_relu_would_hide():
    net = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    with mg.no_grad():
        net[0].weight.fill_(-3e38)
    x = mg.full((1, 2), 3e38, requires_grad=True)
    expected = pytest.raises(RuntimeError, match=r"'linear' at .*test_containers\.py")
    with np.errstate(all="ignore"), mg.autograd.detect_anomaly(), expected:
        net(x)


def test_a_sequential_pickled_without_its_steps_has_them_when_it_is_back():
    net, x = linear_and_relu(), mg.randn(6, 3)
    state = {name: value for name, value in net.__dict__.items() if name != "_steps"}
    back = nn.Sequential.__new__(nn.Sequential)
    back.__setstate__(state)
    np.testing.assert_array_equal(back(x).array, net(x).array)


def test_sequential_of_a_dict_and_attributes_set_later():
    net = nn.Sequential({"body": nn.Linear(2, 3), "act": nn.ReLU()})
    assert list(net.state_dict()) == ["body.weight", "body.bias"]
    net.body = nn.Linear(2, 5)
    assert net(mg.ones(1, 2)).shape == (1, 5)


def test_module_list_and_dict():
    class Heads(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.ModuleList(nn.Linear(2, 2) for _ in range(3))
            self.heads = nn.ModuleDict({"value": nn.Linear(2, 1), "policy": nn.Linear(2, 4)})

        def forward(self, x):
            for layer in self.layers:
                x = layer(x)
            return self.heads["value"](x), self.heads["policy"](x)

    net = Heads()
    assert len(list(net.parameters())) == 10
    assert [t.shape for t in net(mg.ones(1, 2))] == [(1, 1), (1, 4)]
    assert len(net.layers[1:]) == 2
    assert "value" in net.heads
    assert list(net.heads) == ["value", "policy"]
    assert len(list(net.heads.items())) == len(net.heads) == 2
