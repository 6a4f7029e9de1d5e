"""Optimizers: their numbers, the flat memory behind them, groups, and exact continuation."""

from __future__ import annotations

import copy
import itertools

import numpy as np
import pytest
from optim_formulas import BY_THE_BOOK, SETTINGS
from small_training import leaves, network, set_gradients, train, values

import minigrad as mg
import minigrad.optim as optim

# -- the numbers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "settings"), SETTINGS, ids=str)
@pytest.mark.parametrize("missing", [False, True], ids=["all gradients", "some gradients"])
def test_the_numbers_are_the_formulas(kind, settings, missing):
    parameters = leaves((4, 3), (3,), (), dtype=np.float64)
    starts, history = [values(p) for p in parameters], [[] for _ in parameters]
    optimizer = getattr(optim, kind)(parameters, **settings)
    for step in range(9):
        set_gradients(parameters, skip={(step * 7) % 4, (step * 3) % 5} if missing else ())
        for p, gradients in zip(parameters, history, strict=True):
            gradients.append(None if p.grad is None else values(p.grad))
        optimizer.step()
    for p, start, gradients in zip(parameters, starts, history, strict=True):
        expected = BY_THE_BOOK[kind](start, gradients, **settings)
        np.testing.assert_allclose(values(p), expected, rtol=1e-12, atol=1e-13)


@pytest.mark.oracle
@pytest.mark.parametrize(("kind", "settings"), SETTINGS, ids=str)
@pytest.mark.parametrize("missing", [False, True], ids=["all gradients", "some gradients"])
def test_the_numbers_are_pytorchs(kind, settings, missing):
    torch = pytest.importorskip("torch")
    ours = leaves((4, 3), (3,), (2, 2, 2), ())
    theirs = [torch.tensor(values(p), requires_grad=True) for p in ours]
    a, b = getattr(optim, kind)(ours, **settings), getattr(torch.optim, kind)(theirs, **settings)
    for step in range(12):
        if step == 8:  # a schedule
            a.param_groups[0]["lr"] *= 0.5
            b.param_groups[0]["lr"] *= 0.5
        skip = {(step * 7) % 5, (step * 3) % 4} if missing else ()
        set_gradients(ours, skip=skip)
        for p, q in zip(ours, theirs, strict=True):
            q.grad = None if p.grad is None else torch.tensor(values(p.grad))
        a.step()
        b.step()
        for p, q in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(values(p), q.detach().numpy(), rtol=2e-6, atol=1e-6)


# -- groups -----------------------------------------------------------------------------------------------------------


def test_groups_have_settings_of_their_own():
    a, b, c = leaves((2,), (2,), (2,))
    optimizer = optim.SGD([{"params": [a]}, {"params": b, "lr": 0.5}], lr=0.1)
    optimizer.add_param_group({"params": [c], "weight_decay": 1.0})
    assert [g["lr"] for g in optimizer.param_groups] == [0.1, 0.5, 0.1]
    before = [values(p) for p in (a, b, c)]
    for p in (a, b, c):
        p.grad = mg.ones(2)
    optimizer.step()
    expected = [before[0] - 0.1, before[1] - 0.5, before[2] - 0.1 * (1 + before[2])]
    for p, e in zip((a, b, c), expected, strict=True):
        np.testing.assert_allclose(values(p), e, rtol=1e-6)


def test_settings_may_change_between_steps():
    (p,) = leaves((2,))
    optimizer = optim.SGD([p], lr=0.1)
    group = optimizer.param_groups[0]
    for changes, expected in (({"lr": 1.0}, 1.0), ({"momentum": 0.5}, 1.0), ({}, 1.5), ({"momentum": 0}, 1.0)):
        group.update(changes)
        before = values(p)
        p.grad = mg.ones(2)
        optimizer.step()
        np.testing.assert_allclose(before - values(p), expected, rtol=1e-5)


@pytest.mark.parametrize("looked", [False, True])
def test_momentum_that_is_switched_on_later_starts_from_the_gradient(looked):
    """The first step with momentum is not dampened, whatever steps there were without; the second is 0.9 + 0.25.

    While it is switched off, its buffer is kept, also in a state_dict.
    """
    p = mg.zeros(1, requires_grad=True)
    optimizer = optim.SGD([p], lr=1.0)
    steps = []
    for momentum in (0, 0, 0.9, 0.9, 0, 0.9):
        optimizer.param_groups[0].update(momentum=momentum, dampening=0.75)
        before, p.grad = p.item(), mg.ones(1)
        optimizer.step()
        steps.append(before - p.item())
        assert not looked or ("momentum_buffer" in optimizer.state[p]) == (len(steps) > 2)
        saved, optimizer = optimizer.state_dict(), optim.SGD([p]) if not looked else optimizer
        optimizer.load_state_dict(saved)
    assert steps == pytest.approx([1, 1, 1, 1.15, 1, 0.9 * 1.15 + 0.25])


def test_the_largest_average_is_kept_while_amsgrad_is_switched_off():
    """The step is g / √(v / (1 - 0.5ᵗ)); v is half of 2² after the first gradient, and halves; the largest is kept."""
    p = mg.zeros(1, requires_grad=True)
    optimizer = optim.Adam([p], lr=1.0, betas=(0.0, 0.5), eps=0.0, amsgrad=True)
    for gradient, amsgrad, v in ((2.0, True, 2.0), (1e-3, False, 1.0), (1e-3, True, 2.0)):
        optimizer.param_groups[0]["amsgrad"] = amsgrad
        before, p.grad = p.item(), mg.tensor([gradient])
        optimizer.step()
        step = int(optimizer.state_dict()["state"][0]["step"])
        assert before - p.item() == pytest.approx(gradient / (v / (1 - 0.5**step)) ** 0.5, rel=1e-3)


def test_zero_grad():
    parameters = leaves((2,), (3,))
    optimizer = optim.SGD(parameters)
    set_gradients(parameters, skip=(1,))
    optimizer.zero_grad(set_to_none=False)
    assert values(parameters[0].grad).tolist() == [0, 0]
    assert parameters[1].grad is None
    optimizer.zero_grad()
    assert parameters[0].grad is None


def test_a_closure_computes_the_loss_even_within_no_grad():
    (p,) = leaves((2,))
    optimizer = optim.SGD([p], lr=0.1)

    def closure():
        optimizer.zero_grad()
        loss = p.square().sum()
        loss.backward()
        return loss

    before = values(p)
    with mg.no_grad():
        loss = optimizer.step(closure)
    assert loss.item() == pytest.approx(float((before**2).sum()))
    np.testing.assert_allclose(values(p), 0.8 * before, rtol=1e-6)
    assert optim.SGD([p]).step() is None


# -- state on its way in and out --------------------------------------------------------------------------------------

KINDS = {
    "sgd": lambda p: optim.SGD(p, lr=0.1),
    "momentum": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, dampening=0.1),
    "adam": lambda p: optim.Adam(p, lr=0.01),
    "amsgrad": lambda p: optim.Adam(p, lr=0.01, amsgrad=True),
    "groups": lambda p: optim.Adam([{"params": q} for q in p], lr=0.01),
    "adamw": lambda p: optim.AdamW(p, lr=0.01, weight_decay=0.1),
    "radam": lambda p: optim.RAdam(p, lr=0.01),
    "rmsprop": lambda p: optim.RMSprop(p, lr=0.01, centered=True, momentum=0.5),
    "adagrad": lambda p: optim.Adagrad(p, lr=0.1, initial_accumulator_value=0.1),
}


@pytest.mark.parametrize("kind", KINDS)
def test_continuing_from_a_state_dict_is_the_uninterrupted_run(kind):
    straight = network()
    optimizer = KINDS[kind](straight.parameters())
    train(straight, optimizer, 5)
    weights = {k: v.clone() for k, v in straight.state_dict().items()}
    state = optimizer.state_dict()
    frozen = copy.deepcopy(state)
    train(straight, optimizer, 5, seed=1)

    resumed = network()
    resumed.load_state_dict(weights)
    again = KINDS[kind](resumed.parameters())
    again.load_state_dict(state)
    train(resumed, again, 5, seed=1)
    for p, q in zip(straight.parameters(), resumed.parameters(), strict=True):
        np.testing.assert_array_equal(values(p), values(q))
    for i, entry in state["state"].items():  # a state_dict is a copy, which neither run has changed
        for name, t in entry.items():
            np.testing.assert_array_equal(t.numpy(), frozen["state"][i][name].numpy())


def test_state_dict_has_pytorchs_format():
    net = network()
    optimizer = optim.Adam(net.parameters())
    assert optimizer.state_dict()["state"] == {}
    train(net, optimizer, 2)
    state = optimizer.state_dict()
    assert list(state["state"]) == [0, 1, 2, 3]
    assert {k: t.shape for k, t in state["state"][0].items()} == {"step": (), "exp_avg": (8, 4), "exp_avg_sq": (8, 4)}
    assert state["state"][0]["step"].item() == 2
    assert state["param_groups"][0]["params"] == [0, 1, 2, 3]
    assert state["param_groups"][0]["betas"] == (0.9, 0.999)


def test_sgds_state_is_its_momentum_alone():
    net = network()
    plain, heavy = optim.SGD(net.parameters()), optim.SGD(net.parameters(), momentum=0.9)
    for optimizer in (plain, heavy):
        train(net, optimizer, 2)
    assert plain.state_dict()["state"] == {}
    assert {tuple(entry) for entry in heavy.state_dict()["state"].values()} == {("momentum_buffer",)}


def test_loading_restores_the_settings():
    net = network()
    state = optim.SGD(net.parameters(), lr=0.5, momentum=0.9).state_dict()
    optimizer = optim.SGD(net.parameters())
    optimizer.load_state_dict(state)
    assert optimizer.param_groups[0]["lr"] == 0.5
    assert optimizer.param_groups[0]["momentum"] == 0.9
    assert optimizer.param_groups[0]["params"] == list(net.parameters())


def test_a_state_that_went_through_json_is_loaded():
    """There, numbers that are keys become strings, and tuples lists."""
    net = network()
    optimizer = optim.Adam(net.parameters(), betas=(0.5, 0.75))
    train(net, optimizer, 2)
    saved = optimizer.state_dict()
    saved["state"] = {str(i): entry for i, entry in saved["state"].items()}
    saved["param_groups"][0]["betas"] = [0.5, 0.75]
    again = optim.Adam(network().parameters())
    again.load_state_dict(saved)
    assert again.param_groups[0]["betas"] == (0.5, 0.75)
    state = again.state[again.param_groups[0]["params"][1]]
    assert state["step"].item() == 2
    np.testing.assert_array_equal(values(state["exp_avg"]), values(optimizer.state[net[0].bias]["exp_avg"]))


def test_loaded_settings_bring_their_state_along():
    net = network()
    optimizer = optim.Adam(net.parameters(), amsgrad=True)
    train(net, optimizer, 2)
    again = optim.Adam(network().parameters())
    train(network(), again, 1)
    again.load_state_dict(optimizer.state_dict())
    for i, entry in optimizer.state_dict()["state"].items():
        loaded = again.state_dict()["state"][i]
        assert list(loaded) == ["step", "exp_avg", "exp_avg_sq", "max_exp_avg_sq"]
        np.testing.assert_array_equal(values(loaded["max_exp_avg_sq"]), values(entry["max_exp_avg_sq"]))


def test_what_pytorch_saves_of_parameters_without_steps_is_loaded():
    """A buffer that is None, and no entry at all: both are as before the first step."""
    for entry in ({"momentum_buffer": None}, {}):
        (p,) = leaves((1,))
        optimizer = optim.SGD([p], lr=1.0, momentum=0.5, dampening=0.75)
        optimizer.load_state_dict({"state": {0: entry}, "param_groups": optimizer.state_dict()["param_groups"]})
        before, p.grad = values(p), mg.ones(1)
        optimizer.step()
        np.testing.assert_allclose(values(p), before - 1, rtol=1e-6)
    adagrad = optim.Adagrad(leaves((2,)), initial_accumulator_value=0.5)
    adagrad.load_state_dict({"state": {}, "param_groups": adagrad.state_dict()["param_groups"]})
    assert adagrad.state_dict()["state"][0]["sum"].tolist() == [0.5, 0.5]


def test_going_back_to_an_earlier_state_goes_back_in_steps():
    net = network()
    optimizer = optim.Adam(net.parameters())
    train(net, optimizer, 1)
    saved = optimizer.state_dict()
    train(net, optimizer, 3)
    optimizer.load_state_dict(saved)
    train(net, optimizer, 1)
    assert optimizer.state_dict()["state"][0]["step"].item() == 2


def test_groups_of_other_sizes_are_refused():
    a, b, c = leaves((2,), (2,), (2,))
    saved = optim.Adam([{"params": [a, b]}, {"params": [c]}]).state_dict()
    with pytest.raises(ValueError, match=r"groups of \[1, 2\] parameters, the state_dict of \[2, 1\]"):
        optim.Adam([{"params": [a]}, {"params": [b, c]}]).load_state_dict(saved)


def test_a_state_that_does_not_fit_changes_nothing():
    net = network()
    optimizer = optim.Adam(net.parameters(), lr=0.01)
    train(net, optimizer, 2)
    good = optimizer.state_dict()
    for i, wrong in itertools.product((0, 3), ("exp_avg", "exp_avg_sq")):
        bad = copy.deepcopy(good)
        bad["param_groups"][0]["lr"] = 7.0
        bad["state"][i][wrong] = mg.zeros(7)
        with pytest.raises(ValueError, match=wrong):
            optimizer.load_state_dict(bad)
    assert optimizer.param_groups[0]["lr"] == 0.01
    for i, entry in optimizer.state_dict()["state"].items():
        for name, t in entry.items():
            np.testing.assert_array_equal(t.numpy(), good["state"][i][name].numpy())


@pytest.mark.oracle
@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("SGD", {"momentum": 0.9}),
        ("Adam", {"amsgrad": True}),
        ("AdamW", {"weight_decay": 0.1}),
        ("RAdam", {"betas": (0.5, 0.9)}),
        ("RMSprop", {"momentum": 0.9, "centered": True}),
        ("Adagrad", {"lr_decay": 0.1, "initial_accumulator_value": 0.5}),
    ],
)
def test_state_dicts_are_exchanged_with_pytorch(kind, settings):
    torch = pytest.importorskip("torch")
    settings = {"lr": 0.05, **settings}
    ours = leaves((4, 3), (3,))
    theirs = [torch.tensor(values(p), requires_grad=True) for p in ours]

    def step(a, b, n):
        for _ in range(n):
            set_gradients(ours)
            for p, q in zip(ours, theirs, strict=True):
                q.grad = torch.tensor(values(p.grad))
            a.step()
            b.step()
        for p, q in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(values(p), q.detach().numpy(), rtol=1e-5, atol=1e-6)

    def converted(state, to):
        return {
            "state": {i: {k: to(v) for k, v in e.items()} for i, e in state["state"].items()},
            "param_groups": state["param_groups"],
        }

    a, b = getattr(optim, kind)(ours, **settings), getattr(torch.optim, kind)(theirs, **settings)
    fresh_a, fresh_b = a.state_dict()["state"], b.state_dict()["state"]
    assert {i: list(e) for i, e in fresh_a.items()} == {i: list(e) for i, e in fresh_b.items()}
    step(a, b, 3)
    given_a, given_b = a.state_dict(), copy.deepcopy(b.state_dict())
    assert list(given_a["state"][0]) == list(given_b["state"][0])
    a, b = getattr(optim, kind)(ours), getattr(torch.optim, kind)(theirs)
    a.load_state_dict(converted(given_b, lambda t: mg.tensor(t.numpy())))
    b.load_state_dict(converted(given_a, lambda t: torch.tensor(t.numpy())))
    step(a, b, 3)


# -- as a whole -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_training_learns(kind):
    net = network()
    optimizer = KINDS[kind](net.parameters())
    start = train(net, optimizer, 1)
    assert train(net, optimizer, 500) < 0.2 * start


def test_repr_shows_the_settings():
    text = repr(optim.Adam(leaves((2,)), lr=0.01))
    assert text.startswith("Adam (\nParameter Group 0\n    amsgrad: False\n")
    assert "lr: 0.01" in text
