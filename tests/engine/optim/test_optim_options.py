"""What recent PyTorch lets an optimizer be given: named parameters, and switches for ways to compute; frozen parts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_training import leaves, network, set_gradients, train, values

import minigrad as mg
import minigrad.nn as nn
import minigrad.optim as optim

KINDS = ("SGD", "Adam", "AdamW", "RAdam", "RMSprop", "Adagrad")

# -- named parameters ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_named_parameters_are_parameters_with_names(kind):
    plain, named = network(), network()
    a, b = getattr(optim, kind)(plain.parameters()), getattr(optim, kind)(named.named_parameters())
    train(plain, a, 3)
    train(named, b, 3)
    for p, q in zip(plain.parameters(), named.parameters(), strict=True):
        np.testing.assert_array_equal(values(p), values(q))
    names = ["0.weight", "0.bias", "2.weight", "2.bias"]
    assert b.param_groups[0]["param_names"] == names
    assert b.state_dict()["param_groups"][0]["param_names"] == names
    assert "param_names" not in a.state_dict()["param_groups"][0]
    assert repr(a) == repr(b)
    a.load_state_dict(b.state_dict())
    train(plain, a, 2, seed=1)
    train(named, b, 2, seed=1)
    for p, q in zip(plain.parameters(), named.parameters(), strict=True):
        np.testing.assert_array_equal(values(p), values(q))


def test_named_parameters_in_groups():
    a, b = nn.Linear(2, 2), nn.Linear(2, 1)
    optimizer = optim.SGD([{"params": a.named_parameters(), "lr": 0.5}, {"params": list(b.named_parameters())}], lr=0.1)
    assert [g["param_names"] for g in optimizer.param_groups] == [["weight", "bias"]] * 2
    assert [g["lr"] for g in optimizer.param_groups] == [0.5, 0.1]


@pytest.mark.oracle
def test_named_state_dicts_are_pytorchs():
    torch = pytest.importorskip("torch")
    found = []
    for lib in (mg, torch):
        state = lib.optim.SGD(lib.nn.Linear(2, 2).named_parameters(), lr=0.1).state_dict()
        found.append([state["param_groups"][0][name] for name in ("params", "param_names", "lr")])
    assert found[0] == found[1]


# -- switches -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["SGD", "Adam", "AdamW", "Adagrad"])
def test_ways_to_compute_the_same_change_nothing(kind):
    results = []
    for switches in ({}, {"foreach": True}, {"fused": True}, {"foreach": False, "fused": None}):
        net = network()
        train(net, getattr(optim, kind)(net.parameters(), differentiable=False, **switches), 3)
        results.append(np.concatenate([values(p).ravel() for p in net.parameters()]))
    for other in results[1:]:
        np.testing.assert_array_equal(results[0], other)


@pytest.mark.oracle
@pytest.mark.parametrize("kind", KINDS)
def test_signatures_are_pytorchs(kind):
    """Every argument that PyTorch takes, in its order, with its default."""
    torch = pytest.importorskip("torch")
    import inspect

    theirs = inspect.signature(getattr(torch.optim, kind)).parameters
    ours = inspect.signature(getattr(optim, kind)).parameters
    positional = [p.name for p in theirs.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert [p.name for p in ours.values() if p.kind is p.POSITIONAL_OR_KEYWORD][: len(positional)] == positional
    for name, p in theirs.items():
        assert name in ours or "options" in ours
        if name in ours and p.default is not p.empty:
            assert ours[name].default == p.default


AT_LEAST_0 = {
    "SGD": ("lr", "momentum", "weight_decay"),
    "Adam": ("lr", "eps", "weight_decay"),
    "AdamW": ("lr", "eps", "weight_decay"),
    "RAdam": ("lr", "eps", "weight_decay"),
    "RMSprop": ("lr", "eps", "weight_decay", "momentum"),
    "Adagrad": ("lr", "lr_decay", "weight_decay", "initial_accumulator_value", "eps"),
}
DEFAULTS = {  # PyTorch's
    "SGD": {"lr": 1e-3, "momentum": 0, "dampening": 0, "weight_decay": 0, "nesterov": False, "maximize": False},
    "Adam": {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0, "amsgrad": False, "maximize": False},
    "AdamW": {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 1e-2, "amsgrad": False},
    "RAdam": {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0, "decoupled_weight_decay": False},
    "RMSprop": {"lr": 1e-2, "alpha": 0.99, "eps": 1e-8, "weight_decay": 0, "momentum": 0, "centered": False},
    "Adagrad": {"lr": 1e-2, "lr_decay": 0, "weight_decay": 0, "initial_accumulator_value": 0, "eps": 1e-10},
}


@pytest.mark.parametrize("kind", KINDS)
def test_settings_have_pytorchs_defaults_and_are_checked(kind):
    make = lambda **settings: getattr(optim, kind)(leaves((2,)), **settings)
    group = make().param_groups[0]
    assert {name: group[name] for name in DEFAULTS[kind]} == DEFAULTS[kind]
    for name in AT_LEAST_0[kind]:
        make(**{name: 0.0})
        with pytest.raises(ValueError, match=rf"{kind}: {name}=-0.5; expected a number of at least 0"):
            make(**{name: -0.5})
    optimizer = make()
    with pytest.raises(ValueError, match="lr=-1"):
        optimizer.add_param_group({"params": leaves((2,)), "lr": -1})
    assert len(optimizer.param_groups) == 1


# -- what was there before the first step ---------------------------------------------------------------------------


def test_adagrads_sum_is_there_from_the_start():
    (p,) = leaves((2, 2))
    optimizer = optim.Adagrad([p], initial_accumulator_value=0.5)
    state = optimizer.state_dict()["state"][0]
    assert state["step"].item() == 0
    assert values(state["sum"]).tolist() == [[0.5, 0.5], [0.5, 0.5]]
    again = optim.Adagrad([p])
    again.load_state_dict(optimizer.state_dict())
    assert values(again.state[p]["sum"]).tolist() == [[0.5, 0.5], [0.5, 0.5]]


def test_adamw_stays_adamw_whatever_is_loaded():
    net = network()
    adam, adamw = optim.Adam(net.parameters()), optim.AdamW(net.parameters())
    adamw.load_state_dict(adam.state_dict())
    assert adamw.param_groups[0]["decoupled_weight_decay"] is True


# -- pieces ---------------------------------------------------------------------------------------------------------


@given(
    patterns=st.lists(st.sets(st.integers(0, 4)), min_size=1, max_size=12),
    repeats=st.integers(1, 3),
    kind=st.sampled_from(KINDS),
    interrupt=st.booleans(),
)
@settings(max_examples=80, deadline=None)
def test_whatever_gradients_are_missing_each_parameter_goes_its_own_way(patterns, repeats, kind, interrupt):
    """One optimizer of five parameters is five optimizers of one, however the missing gradients come and go."""
    together = leaves((2,), (3, 2), (), (4,), (1,))
    apart = [p.detach().clone().requires_grad_() for p in together]
    one = getattr(optim, kind)(together, lr=0.1)
    several = [getattr(optim, kind)([q], lr=0.1) for q in apart]
    for pattern in [p for p in patterns for _ in range(repeats)]:
        set_gradients(together, skip=pattern)
        for i, (p, q) in enumerate(zip(together, apart, strict=True)):
            q.grad = p.grad
            if i not in pattern:
                several[i].step()
        one.step()
        if interrupt:
            one.load_state_dict(one.state_dict())
    for p, q in zip(together, apart, strict=True):
        np.testing.assert_array_equal(values(p), values(q))


def test_the_pieces_of_a_partly_frozen_network_are_kept(monkeypatch):
    monkeypatch.setattr("minigrad.speed.flat.layout_allowed", True)
    net = network()
    optimizer = optim.Adam(net.parameters())
    set_gradients(list(net.parameters()), skip=(0, 1))
    optimizer.step()
    (flat,) = optimizer._flats[0]
    pieces = flat._pieces
    assert len(pieces) == 1
    optimizer.step()
    assert flat._pieces is pieces
    set_gradients(list(net.parameters()))
    optimizer.step()
    assert [piece.steps for piece in flat._pieces] == [1, 3]
