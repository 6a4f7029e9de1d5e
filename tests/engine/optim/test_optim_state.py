"""`optimizer.state`, and optimizers that users write: PyTorch's contract."""

from __future__ import annotations

import copy
import pickle
from collections import defaultdict

import numpy as np
import pytest
from optim_formulas import BY_THE_BOOK
from small_training import leaves, network, set_gradients, train, values

import minigrad as mg
import minigrad.nn as nn
import minigrad.optim as optim

# -- optimizers that users write --------------------------------------------------------------------------------------


class Plain(optim.Optimizer):
    def __init__(self, params):
        super().__init__(params, dict(lr=0.1))

    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                p.data.add_(p.grad, alpha=-group["lr"])


class Averaged(optim.Optimizer):
    """Remembers tensors, numbers and whatever else, per parameter and for all of them."""

    def __init__(self, params, lr=0.5, name="averaged"):
        super().__init__(params, {"lr": lr})
        self.name = name
        self.state["calls"] = 0

    @mg.no_grad()
    def step(self, closure=None):
        self.state["calls"] += 1
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if len(state) == 0:
                    state["step"] = 0
                    state["average"] = mg.zeros_like(p)
                    state["history"] = []
                state["step"] += 1
                state["history"].append(group["lr"])
                state["average"].mul_(0.5).add_(p.grad)
                p.add_(state["average"], alpha=-group["lr"])


def test_step_is_all_that_an_optimizer_must_write():
    p = nn.Parameter(mg.ones(1))
    optimizer = Plain([p])
    for expected in (0.9, 0.8):
        p.grad = mg.ones(1)
        optimizer.step()
        assert p.item() == pytest.approx(expected)
    optimizer.zero_grad()
    assert p.grad is None
    assert isinstance(optimizer.state, defaultdict)
    assert dict(optimizer.state) == {}
    optimizer.add_param_group({"params": [nn.Parameter(mg.ones(2))], "lr": 0.5})
    assert [group["lr"] for group in optimizer.param_groups] == [0.1, 0.5]
    schedule = optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
    schedule.step()
    assert [group["lr"] for group in optimizer.param_groups] == [0.05, 0.25]


def test_an_optimizer_without_a_step_says_what_to_write():
    class Empty(optim.Optimizer):
        pass

    optimizer = Empty([nn.Parameter(mg.ones(1))], {})
    with pytest.raises(NotImplementedError, match=r"Empty: define step\(self, closure=None\)"):
        optimizer.step()


def through_a_state_dict(net, optimizer):
    twin = copy.deepcopy(net)
    other = Averaged(twin.parameters(), lr=3.0)
    other.load_state_dict(optimizer.state_dict())
    return twin, other


COPIES = {
    "deepcopy": lambda net, optimizer: copy.deepcopy((net, optimizer)),
    "pickle": lambda net, optimizer: pickle.loads(pickle.dumps((net, optimizer))),
    "state_dict": through_a_state_dict,
}


@pytest.mark.parametrize("how", COPIES)
def test_a_users_optimizer_is_saved_and_copied_with_all_it_remembers(how):
    net = network()
    optimizer = Averaged(net.parameters(), name="mine")
    train(net, optimizer, 2)
    twin, other = COPIES[how](net, optimizer)
    assert how == "state_dict" or other.name == "mine"
    before = [values(p) for p in net.parameters()]
    history = optimizer.state[net[0].weight]["history"]
    train(twin, other, 2, seed=1)
    assert history == [0.5, 0.5]
    for p, v in zip(net.parameters(), before, strict=True):
        np.testing.assert_array_equal(values(p), v)
    train(net, optimizer, 2, seed=1)
    for p, q in zip(net.parameters(), twin.parameters(), strict=True):
        np.testing.assert_array_equal(values(p), values(q))
        assert other.state[q]["step"] == 4
        assert other.state[q]["history"] == [0.5] * 4
    assert other.state["calls"] == 4


def test_loaded_state_gets_the_parameters_dtype():
    (p,) = leaves((2,), dtype=np.float64)
    optimizer = Averaged([p])
    optimizer.load_state_dict({
        "state": {0: {"step": mg.tensor(3), "average": mg.tensor([1, 2])}},
        "param_groups": [{"lr": 0.5, "params": [0]}],
    })  # fmt: skip
    assert optimizer.state[p]["average"].dtype == mg.float64
    assert optimizer.state[p]["step"].item() == 3
    assert optimizer.state[p]["step"].dtype == mg.int64


# -- state that a user fills ------------------------------------------------------------------------------------------


class SharedAdam(optim.Adam):
    """As in public A3C scripts, without the call of share_memory_."""

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.99), eps=1e-8, weight_decay=0):
        super().__init__(params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)
        for group in self.param_groups:
            for p in group["params"]:
                state = self.state[p]
                state["step"] = mg.zeros(1)
                state["exp_avg"] = mg.zeros_like(p.data)
                state["exp_avg_sq"] = mg.zeros_like(p.data)


def moments(gradients, betas):
    m = v = 0.0
    for g in gradients:
        m, v = betas[0] * m + (1 - betas[0]) * g, betas[1] * v + (1 - betas[1]) * g * g
    return m, v


@pytest.mark.parametrize("held", [False, True], ids=["the optimizer's alone", "held by others"])
def test_state_filled_before_the_first_step_is_what_the_steps_use(held):
    parameters = leaves((3,), (2, 2), dtype=np.float64)
    starts, history = [values(p) for p in parameters], [[], []]
    optimizer = SharedAdam(parameters, lr=0.1)
    entries = [optimizer.state[p] for p in parameters]
    given = [dict(entry) for entry in entries]
    arrays = [{name: t.numpy() for name, t in entry.items()} for entry in entries] if held else []
    for step in range(1, 4):
        set_gradients(parameters)
        for p, gradients in zip(parameters, history, strict=True):
            gradients.append(values(p.grad))
        optimizer.step()
        for i, p in enumerate(parameters):
            expected = BY_THE_BOOK["Adam"](starts[i], history[i], lr=0.1, betas=(0.9, 0.99))
            np.testing.assert_allclose(values(p), expected, rtol=1e-6)
            assert optimizer.state[p] is entries[i]
            m, v = moments(history[i], (0.9, 0.99))
            for entry in (entries[i], given[i]):
                assert entry["step"].tolist() == [step]
                np.testing.assert_allclose(entry["exp_avg"].numpy(), m, rtol=1e-6)
                np.testing.assert_allclose(entry["exp_avg_sq"].numpy(), v, rtol=1e-6)
            if held:
                np.testing.assert_allclose(arrays[i]["exp_avg"], m, rtol=1e-6)
                np.testing.assert_allclose(arrays[i]["exp_avg_sq"], v, rtol=1e-6)
                assert arrays[i]["step"].tolist() == [step]


def test_two_optimizers_on_the_same_state_are_one():
    """As in A3C: the workers' optimizers share step, exp_avg and exp_avg_sq."""
    alone = leaves((3,), (2,))
    shared = [p.detach().clone().requires_grad_() for p in alone]
    single, pair = optim.Adam(alone, lr=0.1), [optim.Adam(shared, lr=0.1) for _ in range(2)]
    for p in shared:
        pair[0].state[p].update(step=mg.tensor(0.0), exp_avg=mg.zeros_like(p), exp_avg_sq=mg.zeros_like(p))
        pair[1].state[p] = pair[0].state[p]
    for turn in (0, 1, 1, 0, 1):
        set_gradients(alone)
        for p, q in zip(alone, shared, strict=True):
            q.grad = p.grad
        single.step()
        pair[turn].step()
    for p, q in zip(alone, shared, strict=True):
        np.testing.assert_array_equal(values(p), values(q))
        assert pair[0].state[q]["step"].item() == 5


def test_a_step_set_before_the_first_is_where_counting_begins():
    """Adam's first step is lr · sign(g) whatever g is; as step 10, lr · 0.1/(1 - 0.9¹⁰) / √(0.001/(1 - 0.999¹⁰))."""
    for start, kind in ((0, int), (9, int), (9, float), (9, mg.tensor)):
        p = nn.Parameter(mg.zeros(1))
        optimizer = optim.Adam([p], lr=1.0)
        optimizer.state[p]["step"] = kind(start)
        p.grad = mg.tensor([5.0])
        optimizer.step()
        t = start + 1
        assert p.item() == pytest.approx(-0.1 / (1 - 0.9**t) / (0.001 / (1 - 0.999**t)) ** 0.5, rel=1e-5)
        assert int(optimizer.state[p]["step"]) == t
        assert isinstance(optimizer.state[p]["step"], mg.Tensor if kind is mg.tensor else int)
        assert optimizer.state[p]["exp_avg"].item() == pytest.approx(0.5)


def test_an_entry_begun_by_the_user_is_saved_complete():
    p, q = leaves((2,), (3,))
    optimizer = optim.Adam([p, q])
    optimizer.state[p]["step"] = 4
    saved = optimizer.state_dict()
    assert saved["state"][0]["exp_avg"].tolist() == [0, 0]
    again = optim.Adam(leaves((2,), (3,)))
    again.load_state_dict(saved)
    assert [int(again.state[p]["step"]) for p in again.param_groups[0]["params"] if p in again.state] == [4]


def test_state_changed_between_steps_counts():
    """Every kind of change; momentum 0.5 and gradients of 1 make the steps 1, 1.5, 1.75, ..."""
    p, q = nn.Parameter(mg.zeros(1)), nn.Parameter(mg.zeros(2))
    optimizer = optim.SGD([p, q], lr=1.0, momentum=0.5)
    held = mg.tensor([8.0])

    def step():
        before = p.item(), q[0].item()
        p.grad, q.grad = mg.ones(1), mg.ones(2)
        optimizer.step()
        return before[0] - p.item(), before[1] - q[0].item()

    assert step() == (1.0, 1.0)
    optimizer.state[p]["momentum_buffer"].fill_(4.0)  # in place
    assert step() == (3.0, 1.5)
    optimizer.state[p]["momentum_buffer"] = held  # another tensor
    assert step() == (5.0, 1.75)
    assert held.item() == 5.0
    held.data = mg.tensor([2.0])  # other memory
    assert step() == (2.0, 1.875)
    optimizer.state[p] = {}  # nothing
    assert step() == (1.0, 1.9375)
    assert held.item() == 2.0
    del optimizer.state[p]
    assert step() == (1.0, 1.96875)
    optimizer.state = defaultdict(dict)  # nothing about any of them
    assert step() == (1.0, 1.0)
    assert step() == (1.5, 1.5)
    optimizer.state[p]["momentum_buffer"] = None
    assert step() == (1.0, 1.75)
    assert optimizer.state[p]["momentum_buffer"].item() == 1.0
    optimizer.state[p]["momentum_buffer"] = None
    optimizer.param_groups[0]["dampening"] = 0.75
    assert step()[0] == 1.0  # a first step, which is not dampened
    assert step()[0] == 0.75


def test_sgd_without_momentum_has_no_state():
    (p,) = leaves((2,))
    optimizer = optim.SGD([p])
    for _ in range(2):
        set_gradients([p])
        optimizer.step()
        assert dict(optimizer.state) == {}


def test_an_entry_is_up_to_date_after_every_step():
    p, q = leaves((2,), (3,))
    optimizer = optim.Adam([p, q])
    assert dict(optimizer.state) == {}
    assert optimizer.state[p] == {}
    entry = optimizer.state[p]
    for count in (1, 2, 3):
        set_gradients([p, q], skip=(1,) if count < 3 else ())
        optimizer.step()
        assert entry["step"].item() == count
        assert entry["step"].dtype == mg.float32
        assert (q in optimizer.state) == (count == 3)
    assert optimizer.state[q]["step"].item() == 1


def test_what_a_user_keeps_in_the_state_is_saved_with_it():
    net = network()
    optimizer = optim.Adam(net.parameters())
    train(net, optimizer, 2)
    optimizer.state[net[0].weight]["age"] = 7
    optimizer.state[net[0].bias]["mask"] = mg.ones(8)
    again = optim.Adam(network().parameters())
    again.load_state_dict(optimizer.state_dict())
    a, b, *_ = again.param_groups[0]["params"]
    assert again.state[a]["age"] == 7
    assert again.state[b]["mask"].tolist() == [1.0] * 8
    assert again.state[a]["step"].item() == 2
    np.testing.assert_array_equal(values(again.state[a]["exp_avg"]), values(optimizer.state[net[0].weight]["exp_avg"]))


def test_loading_leaves_what_somebody_holds_of_the_earlier_state():
    net = network()
    optimizer = optim.Adam(net.parameters())
    fresh = optimizer.state_dict()
    train(net, optimizer, 1)
    saved = optimizer.state_dict()
    held = optimizer.state[net[0].weight]["exp_avg"]
    before = values(held)
    train(net, optimizer, 1)
    after = values(held)
    assert not np.array_equal(after, before)
    optimizer.load_state_dict(saved)
    np.testing.assert_array_equal(values(held), after)
    np.testing.assert_array_equal(values(optimizer.state[net[0].weight]["exp_avg"]), before)
    train(net, optimizer, 1)
    np.testing.assert_array_equal(values(held), after)
    optimizer.load_state_dict(fresh)
    assert dict(optimizer.state) == {}


def test_a_step_is_a_change_in_place_of_the_state():
    p, q, w = *leaves((2,), (2,)), mg.ones(2, requires_grad=True)
    optimizer = optim.Adam([p, q])
    set_gradients([p, q])
    optimizer.step()
    losses = [(optimizer.state[x]["exp_avg"] * w).sum() for x in (p, q)]
    set_gradients([p, q], skip=(1,))
    optimizer.step()
    with pytest.raises(RuntimeError, match="changed in place"):
        losses[0].backward()
    losses[1].backward()
    np.testing.assert_array_equal(values(w.grad), values(optimizer.state[q]["exp_avg"]))


def test_state_of_a_wrong_shape_or_type_is_refused():
    (p,) = leaves((2,))
    for wrong, message in ((mg.zeros(3), r"'exp_avg'\] has shape \(3,\), expected .* \(2,\)"), (0.0, "type float")):
        optimizer = optim.Adam([p])
        optimizer.state[p]["exp_avg"] = wrong
        p.grad = mg.ones(2)
        with pytest.raises(ValueError, match=message):
            optimizer.step()


def test_reading_the_state_changes_no_number():
    watched, unwatched = network(), network()
    kinds = (lambda n: optim.Adam(n.parameters(), amsgrad=True), lambda n: optim.SGD(n.parameters(), momentum=0.9),
             lambda n: optim.RMSprop(n.parameters()), lambda n: optim.Adagrad(n.parameters()))  # fmt: skip
    for kind in kinds:
        one, other = kind(watched), kind(unwatched)
        assert len(one.state) == (4 if isinstance(one, optim.Adagrad) else 0)
        for skip in ((), (1,), (1, 2), ()):
            set_gradients(list(watched.parameters()), skip=skip)
            for p, q in zip(watched.parameters(), unwatched.parameters(), strict=True):
                q.grad = p.grad
            one.step()
            other.step()
        saved, expected = one.state_dict(), other.state_dict()
        assert list(saved["state"]) == list(expected["state"]) == [0, 1, 2, 3]
        for i, entry in expected["state"].items():
            assert list(saved["state"][i]) == list(entry)
            for name, t in entry.items():
                np.testing.assert_array_equal(values(saved["state"][i][name]), values(t))
        for p, q in zip(watched.parameters(), unwatched.parameters(), strict=True):
            np.testing.assert_array_equal(values(p), values(q))


def test_state_follows_a_converted_network():
    net = network()
    optimizer = optim.Adam(net.parameters())
    train(net, optimizer, 2)
    entry = optimizer.state[net[0].weight]
    moment = values(entry["exp_avg"])
    net.double()
    for p in net.parameters():
        p.grad = None
    net[2].bias.grad = mg.ones(2, dtype=mg.float64)
    optimizer.step()
    assert entry["exp_avg"].dtype == mg.float64
    np.testing.assert_array_equal(values(entry["exp_avg"]), moment.astype(np.float64))
