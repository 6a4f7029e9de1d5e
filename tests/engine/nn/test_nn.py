"""Modules: what they find in themselves, their state and hooks."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import minigrad as mg
import minigrad.nn as nn


def values(tensor):
    return tensor.detach().numpy().copy()


class Branches(nn.Module):
    """A child before the own parameter, a shared module, a buffer of each kind."""

    def __init__(self):
        super().__init__()
        self.body = nn.Linear(3, 4)
        self.scale = nn.Parameter(mg.ones(4))
        self.head = nn.Sequential(nn.Tanh(), nn.Linear(4, 2, bias=False))
        self.tied = self.body
        self.register_buffer("mean", mg.zeros(3))
        self.register_buffer("noise", mg.zeros(2), persistent=False)

    def forward(self, x):
        return self.head(self.body(x - self.mean) * self.scale)


# -- finding parameters -------------------------------------------------------------------------------------


def test_own_parameters_come_first_then_the_childrens_in_definition_order_and_each_once():
    names = [name for name, _ in Branches().named_parameters()]
    assert names == ["scale", "body.weight", "body.bias", "head.1.weight"]
    assert len(list(Branches().parameters())) == 4


def test_duplicates_are_named_when_asked_for():
    names = [name for name, _ in Branches().named_parameters(remove_duplicate=False)]
    assert names == ["scale", "body.weight", "body.bias", "head.1.weight", "tied.weight", "tied.bias"]


def test_a_parameter_of_two_modules_is_named_once_but_saved_under_both_names():
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2, bias=False))
    net[1].weight = net[0].weight
    assert [name for name, _ in net.named_parameters()] == ["0.weight", "0.bias"]
    assert list(net.parameters()) == [net[0].weight, net[0].bias]
    assert list(net.state_dict()) == ["0.weight", "0.bias", "1.weight"]


def test_without_recursion_only_the_own_parameters():
    net = Branches()
    assert [name for name, _ in net.named_parameters(recurse=False)] == ["scale"]
    assert list(net.parameters(recurse=False)) == [net.scale]


def test_modules_and_children():
    net = Branches()
    assert [name for name, _ in net.named_modules()] == ["", "body", "head", "head.0", "head.1"]
    assert list(net.modules()) == [net, net.body, net.head, net.head[0], net.head[1]]
    assert [name for name, _ in net.named_children()] == ["body", "head"]


def test_a_parameter_is_a_plain_attribute():
    net = Branches()
    assert vars(net)["scale"] is net.scale  # which is what makes reading it fast


def test_replacing_a_parameter_keeps_its_place():
    net = Branches()
    net.body.weight = nn.Parameter(mg.zeros(4, 3))
    assert [name for name, _ in net.body.named_parameters()] == ["weight", "bias"]
    net.body.bias = None
    assert [name for name, _ in net.body.named_parameters()] == ["weight"]
    assert net(mg.ones(1, 3)).abs().sum().item() == 0


@pytest.mark.parametrize(
    ("assign", "what"),
    [
        (lambda net: setattr(net, "a", nn.Linear(2, 2)), "a Module"),
        (lambda net: setattr(net, "a", nn.Parameter(mg.ones(2))), "a Parameter"),
        (lambda net: net.register_parameter("a", nn.Parameter(mg.ones(2))), "a Parameter"),
        (lambda net: net.add_module("a", nn.Linear(2, 2)), "a Module"),
        (lambda net: net.register_buffer("a", mg.ones(2)), "a buffer"),
        (lambda net: net.register_buffer("a", None), "a buffer"),
    ],
)
def test_a_forgotten_super_init_is_named_as_in_pytorch(assign, what):
    class Bare(nn.Module):
        def __init__(self):
            self.size = 3  # which PyTorch allows, too
            assign(self)

    with pytest.raises(AttributeError, match=rf"^Bare\.a: cannot assign {what} before .*super\(\)\.__init__\(\)"):
        Bare()


def test_a_network_copied_or_sent_needs_no_init():
    for again in (copy.copy(net := nn.Linear(2, 2)), copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        again.scale = nn.Parameter(mg.ones(2))
        assert len(list(again.parameters())) == 3


def test_buffers_are_found_and_a_plain_tensor_is_none():
    net = Branches()
    net.constant = mg.ones(1)
    assert [name for name, _ in net.named_buffers()] == ["mean", "noise"]
    net.mean = mg.ones(3)  # assigning a Tensor keeps it a buffer
    assert next(iter(net.buffers())).sum().item() == 3
    del net.noise
    assert [name for name, _ in net.named_buffers()] == ["mean"]


def test_buffers_of_one_instance_do_not_leak_into_another():
    a, b = nn.Identity(), nn.Identity()
    a.register_buffer("x", mg.ones(1))
    assert list(b.buffers()) == []


def test_register_parameter_and_add_module():
    net = nn.Module()
    net.register_parameter("w", nn.Parameter(mg.ones(2)))
    net.register_parameter("none", None)
    net.add_module("0", nn.ReLU())
    assert [n for n, _ in net.named_parameters()] == ["w"]
    assert [n for n, _ in net.named_children()] == ["0"]


# -- state ----------------------------------------------------------------------------------------------------


def test_state_dict_holds_parameters_and_persistent_buffers_in_order():
    state = Branches().state_dict()
    assert list(state) == [
        "scale", "mean", "body.weight", "body.bias", "head.1.weight", "tied.weight", "tied.bias",
    ]  # fmt: skip
    assert not any(t.requires_grad for t in state.values())


def test_load_state_dict_copies_and_shares_nothing():
    a, b = Branches(), Branches()
    memory = b.scale.array
    version = b.scale._version[0]
    a.mean.fill_(3.0)
    assert b.load_state_dict(a.state_dict()) == ([], [])
    assert b.scale.array is memory  # in place: an optimizer may hold it
    assert b.scale._version[0] > version
    for (name, p), q in zip(a.state_dict().items(), b.state_dict().values(), strict=True):
        np.testing.assert_array_equal(p.numpy(), q.numpy(), err_msg=name)
        assert not np.shares_memory(p.array, q.array)


def test_load_state_dict_names_everything_at_once_and_changes_nothing():
    net = Branches()
    before = {name: values(t) for name, t in net.state_dict().items()}
    state = {name: t + 1 for name, t in net.state_dict().items() if name not in ("scale", "mean")}
    state.update({"extra": mg.ones(1), "other.bias": mg.ones(1), "body.bias": mg.ones(5), "body.weight": mg.ones(3, 4)})
    with pytest.raises(RuntimeError) as caught:
        net.load_state_dict(state)
    for part in ("scale, mean", "extra, other.bias", "body.bias: shape (4,)", "(5,)", "body.weight: shape (4, 3)"):
        assert part in str(caught.value)
    with pytest.raises(RuntimeError, match=r"body\.bias"):  # misshapen keys are refused in any case
        net.load_state_dict(state, strict=False)
    for name, t in net.state_dict().items():
        np.testing.assert_array_equal(values(t), before[name])


def test_load_state_dict_not_strict_returns_what_did_not_match():
    net = nn.Linear(2, 1)
    result = net.load_state_dict({"weight": mg.ones(1, 2), "extra": mg.ones(1)}, strict=False)
    assert (result.missing_keys, result.unexpected_keys) == (["bias"], ["extra"])
    assert values(net.weight).tolist() == [[1, 1]]


def test_layers_are_numbered_anew_when_one_is_taken_away_or_added():
    net = nn.Sequential(nn.Linear(1, 2), nn.Linear(2, 3), nn.Linear(3, 4))
    last = net[2]
    del net[-2]
    assert list(net.state_dict()) == ["0.weight", "0.bias", "1.weight", "1.bias"]
    assert net[1] is last
    net.append(nn.Linear(4, 5))
    assert list(net.state_dict())[-1] == "2.bias"
    assert net[2].out_features == 5
    named = nn.Sequential({"first": nn.Tanh(), "second": nn.ReLU()})
    del named[0]
    assert [(name, type(m)) for name, m in named.named_children()] == [("0", nn.ReLU)]  # as in PyTorch
    del net[1:]
    assert list(net.state_dict()) == ["0.weight", "0.bias"]
    with pytest.raises(IndexError):
        del net[1]


def test_the_names_of_a_state_dict_may_have_a_prefix():
    assert list(nn.Linear(1, 1).state_dict(prefix="net.")) == ["net.weight", "net.bias"]


def test_a_parameter_in_the_place_of_a_buffer_is_no_buffer_any_more():
    module = nn.Module()
    module.register_buffer("scale", mg.ones(1), persistent=False)
    module.register_buffer("nothing", None)
    assert list(module.state_dict()) == []
    module.scale = nn.Parameter(mg.ones(1))
    assert [name for name, _ in module.named_parameters()] == ["scale"]
    assert list(module.buffers()) == []
    assert list(module.state_dict()) == ["scale"]
    module.again = module.scale
    assert len(list(module.parameters(recurse=False))) == len(list(module.parameters())) == 1


def test_a_state_dict_is_ordered():
    state = nn.Linear(1, 1).state_dict()
    state.move_to_end("weight")
    assert list(state) == ["bias", "weight"]


def test_load_state_dict_can_hold_the_given_tensors_themselves():
    net = nn.Sequential(nn.Linear(2, 1), nn.BatchNorm1d(1))
    net[0].bias.requires_grad_(False)
    state = nn.Sequential(nn.Linear(2, 1), nn.BatchNorm1d(1)).double().state_dict()
    assert net.load_state_dict(state, assign=True) == ([], [])
    for name, held in net.state_dict().items():
        assert np.shares_memory(held.array, state[name].array)
    assert net[0].weight.dtype == mg.float64
    assert isinstance(net[0].weight, nn.Parameter)
    assert (net[0].weight.requires_grad, net[0].bias.requires_grad) == (True, False)
    assert net[1].running_mean is state["1.running_mean"]
    mine = nn.Parameter(mg.ones(1, 2))
    net[0].load_state_dict({"weight": mine}, strict=False, assign=True)
    assert net[0].weight is mine
    with pytest.raises(RuntimeError, match="shape"):
        net[0].load_state_dict({"weight": mg.ones(3)}, strict=False, assign=True)
    assert net[0].weight is mine


def test_load_state_dict_converts_the_dtype():
    net = nn.Linear(2, 1)
    net.load_state_dict({"weight": mg.ones(1, 2, dtype=mg.float64), "bias": mg.ones(1)})
    assert net.weight.dtype == mg.float32


def test_a_deep_copy_and_a_pickled_copy_share_no_memory():
    net = Branches()
    x = mg.randn(5, 3)
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert twin.tied is twin.body  # what was shared stays shared
        assert isinstance(twin.scale, nn.Parameter)
        np.testing.assert_array_equal(values(twin(x)), values(net(x)))
        before = values(net(x))
        with mg.no_grad():
            for p in twin.parameters():
                p.add_(1.0)
        np.testing.assert_array_equal(values(net(x)), before)
        assert not np.array_equal(values(twin(x)), before)


def test_a_deep_copied_sequential_runs_its_own_layers():
    net = nn.Sequential(nn.Linear(2, 2))
    twin = copy.deepcopy(net)
    assert twin[0] is not net[0]
    twin(mg.ones(1, 2)).sum().backward()
    assert net[0].weight.grad is None
    assert twin[0].weight.grad is not None


# -- changing the whole tree ------------------------------------------------------------------------------------


def test_train_and_eval_reach_everything():
    net = Branches()
    assert net.training
    assert net.eval() is net
    assert not any(m.training for m in net.modules())
    assert all(m.training for m in net.train().modules())


def test_apply_visits_children_first():
    visited = []
    net = nn.Sequential(nn.Linear(1, 1), nn.Sequential(nn.ReLU()))
    net.apply(lambda m: visited.append(type(m).__name__))
    assert visited == ["Linear", "ReLU", "Sequential", "Sequential"]


def test_zero_grad_and_requires_grad():
    net = nn.Linear(2, 1)
    net(mg.ones(1, 2)).sum().backward()
    net.zero_grad(set_to_none=False)
    assert values(net.weight.grad).tolist() == [[0, 0]]
    net.zero_grad()
    assert net.weight.grad is None
    net.requires_grad_(False)
    assert not net(mg.ones(1, 2)).requires_grad


def test_conversion_keeps_the_parameters_and_leaves_integers_alone():
    net = Branches()
    net.register_buffer("steps", mg.tensor(3))
    parameters = list(net.parameters())
    net(mg.ones(1, 3)).sum().backward()
    net.double()
    assert list(net.parameters()) == parameters
    assert {p.dtype for p in net.parameters()} == {p.grad.dtype for p in net.parameters()} == {mg.float64}
    assert net.mean.dtype == mg.float64
    assert net.steps.dtype == mg.int64
    assert net(mg.ones(1, 3, dtype=mg.float64)).dtype == mg.float64
    assert {p.dtype for p in net.to(mg.float32).parameters()} == {mg.float32}
    assert net.steps.dtype == mg.int64
    assert net.to("cpu") is net.cpu() is net.float()


def test_conversion_counts_as_a_change_in_place():
    net = nn.Linear(2, 2)
    version = net.weight._version[0]
    net.double()
    assert net.weight._version[0] > version


def test_parameter_keeps_the_memory_and_is_a_leaf():
    x = mg.ones(3)
    p = nn.Parameter(x)
    assert p.array is x.array
    assert (p.is_leaf, p.requires_grad, x.requires_grad) == (True, True, False)
    assert not nn.Parameter(x, requires_grad=False).requires_grad
    made = mg.ones(3, requires_grad=True) * 2
    assert nn.Parameter(made).is_leaf
    assert type(p * 1) is mg.Tensor
    assert repr(p) == "Parameter containing:\ntensor([1., 1., 1.], requires_grad=True)"


# -- hooks ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("inside", [False, True], ids=["called alone", "inside Sequential"])
def test_forward_hooks(inside):
    layer = nn.Linear(2, 2)
    net = nn.Sequential(layer) if inside else layer
    calls = []
    before = layer.register_forward_pre_hook(lambda module, args: (args[0] * 0,))
    after = layer.register_forward_hook(lambda module, args, output: calls.append((module, args, output)))
    out = net(mg.ones(1, 2))
    np.testing.assert_allclose(values(out)[0], values(layer.bias), rtol=1e-6)  # the input was replaced by zeros
    assert calls[0][0] is layer
    assert calls[0][1][0].sum().item() == 0
    assert calls[0][2] is out
    doubled = layer.register_forward_hook(lambda module, args, output: output * 2)
    np.testing.assert_allclose(values(net(mg.ones(1, 2))), 2 * values(out))
    for handle in (before, after, doubled):
        handle.remove()
    assert not np.array_equal(values(net(mg.ones(1, 2))), values(out))
    assert len(calls) == 2


# -- printing -------------------------------------------------------------------------------------------------


def test_repr():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Sequential(nn.Linear(4, 8), nn.LayerNorm(8), nn.LeakyReLU())
            self.out = nn.Softmax(dim=1)

    assert repr(Net()) == (
        "Net(\n"
        "  (body): Sequential(\n"
        "    (0): Linear(in_features=4, out_features=8, bias=True)\n"
        "    (1): LayerNorm((8,), eps=1e-05, elementwise_affine=True, bias=True)\n"
        "    (2): LeakyReLU(negative_slope=0.01)\n"
        "  )\n"
        "  (out): Softmax(dim=1)\n"
        ")"
    )
