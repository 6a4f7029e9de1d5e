"""The flat memory behind an optimizer: parameters as views, missing gradients, and others who change the memory."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from small_training import leaves, network, set_gradients, train, values

import minigrad as mg
import minigrad.optim as optim

# -- the flat memory ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [optim.SGD, optim.Adam])
def test_parameters_become_views_of_one_array_and_keep_their_values(kind):
    parameters = leaves((4, 3), (3,), ())
    before = [values(p) for p in parameters]
    kind(parameters)
    base = parameters[0].array.base
    assert all(p.array.base is base for p in parameters)
    for p, v in zip(parameters, before, strict=True):
        np.testing.assert_array_equal(values(p), v)
        assert p.array.shape == v.shape


def test_a_step_is_a_change_in_place_that_backward_notices():
    w = mg.ones(2, requires_grad=True)
    optimizer = optim.SGD([w], lr=0.1)
    loss = (w * w).sum()
    loss.backward(retain_graph=True)
    optimizer.step()
    with pytest.raises(RuntimeError, match="changed in place"):
        loss.backward()


def test_the_gradient_itself_is_not_changed_by_a_step():
    parameters = leaves((4, 3), (3,))
    for optimizer in (optim.Adam(parameters, weight_decay=0.1), optim.SGD(parameters, momentum=0.9, maximize=True)):
        set_gradients(parameters)
        before = [values(p.grad) for p in parameters]
        optimizer.step()
        for p, g in zip(parameters, before, strict=True):
            np.testing.assert_array_equal(values(p.grad), g)
            assert not np.shares_memory(p.grad.array, p.array)


def test_a_gradient_in_any_memory_order_is_read_by_its_indices():
    (p,) = leaves((3, 4))
    (q,) = leaves((3, 4))
    with mg.no_grad():
        q.copy_(p)
    g = np.random.default_rng(1).standard_normal((4, 3)).astype(np.float32)
    optimizers = [optim.SGD([p], lr=0.1), optim.SGD([q], lr=0.1)]
    p.grad, q.grad = mg.tensor(g.T.copy()), mg.from_numpy(g.T)
    assert not q.grad.array.flags.c_contiguous
    for optimizer in optimizers:
        optimizer.step()
    np.testing.assert_array_equal(values(p), values(q))


@pytest.mark.parametrize("kind", [optim.SGD, optim.Adam])
def test_a_parameter_without_a_gradient_is_left_alone(kind):
    parameters = leaves((2,), (3,), (4,), (5,))
    optimizer = kind(parameters, weight_decay=0.1)
    for skip in ((1,), (0, 3), (), (0, 1, 2, 3)):
        set_gradients(parameters, skip=skip)
        before, versions = [values(p) for p in parameters], [p._version[0] for p in parameters]
        optimizer.step()
        for i, p in enumerate(parameters):
            assert (i in skip) == np.array_equal(values(p), before[i])
            assert (i in skip) == (p._version[0] == versions[i])


def test_bias_correction_counts_each_parameters_own_steps():
    together, apart = leaves((2,), (3,)), leaves((2,), (3,))
    with mg.no_grad():
        for p, q in zip(together, apart, strict=True):
            q.copy_(p)
    one = optim.Adam(together, lr=0.1)
    two = [optim.Adam([p], lr=0.1) for p in apart]
    for skip in ((1,), (1,), (), (0,), (), ()):
        set_gradients(together, skip=skip)
        for i, (p, q) in enumerate(zip(together, apart, strict=True)):
            q.grad = p.grad
            if i not in skip:
                two[i].step()
        one.step()
    for p, q in zip(together, apart, strict=True):
        np.testing.assert_array_equal(values(p), values(q))
    assert [int(one.state[p]["step"]) for p in together] == [5, 4]


def test_float64_and_float32_parameters_in_one_group():
    parameters = [*leaves((2, 2)), *leaves((3,), dtype=np.float64)]
    optimizer = optim.Adam(parameters)
    set_gradients(parameters)
    before = [values(p) for p in parameters]
    optimizer.step()
    for p, v in zip(parameters, before, strict=True):
        assert p.dtype == v.dtype
        np.testing.assert_allclose(np.abs(values(p) - v), 1e-3, rtol=1e-3)  # Adam's first step is ±lr


def test_a_float64_parameter_beside_float32_ones_keeps_its_digits():
    p, q = mg.zeros(1, requires_grad=True), mg.zeros(1, dtype=mg.float64, requires_grad=True)
    optimizer = optim.SGD([p, q], lr=1.0, momentum=0.5)
    p.grad, q.grad = mg.ones(1), mg.tensor([1 + 2.0**-40], dtype=mg.float64)
    optimizer.step()
    assert q.item() == -1 - 2.0**-40
    assert optimizer.state[q]["momentum_buffer"].item() == 1 + 2.0**-40


# -- parameters whose memory is changed by others ---------------------------------------------------------------------


def test_two_optimizers_on_the_same_parameters_share_the_memory():
    parameters = leaves((3,), (2, 2))
    first = optim.SGD(parameters, lr=1.0)
    memory = [p.array for p in parameters]
    second = optim.Adam(parameters[1:], lr=0.1)
    assert parameters[0].array is memory[0]
    assert np.shares_memory(parameters[1].array, memory[1])
    for optimizer in (first, second, first):
        before = [values(p) for p in parameters]
        set_gradients(parameters)
        optimizer.step()
        changed = [not np.array_equal(values(p), v) for p, v in zip(parameters, before, strict=True)]
        assert changed == [optimizer is first, True]


def test_two_optimizers_that_lay_the_parameters_out_differently_both_work():
    ours, theirs = leaves((3,), (2, 2), (4,)), leaves((3,), (2, 2), (4,))
    with mg.no_grad():
        for p, q in zip(ours, theirs, strict=True):
            q.copy_(p)
    overlapping = [optim.SGD(ours, lr=0.1, momentum=0.9), optim.SGD([ours[0], ours[2]], lr=0.1, momentum=0.9)]
    separate = [[optim.SGD([p], lr=0.1, momentum=0.9) for p in theirs] for _ in range(2)]
    for k in (0, 1, 0, 1, 1, 0):
        set_gradients(ours)
        overlapping[k].step()
        for i in (0, 1, 2) if k == 0 else (0, 2):
            theirs[i].grad = ours[i].grad
            separate[k][i].step()
        for p, q in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(values(p), values(q))


def test_loading_weights_and_assigning_data_reach_the_optimizer():
    net = network()
    optimizer = optim.SGD(net.parameters(), lr=0.5)
    net.load_state_dict({name: t * 0 for name, t in net.state_dict().items()})
    net[0].bias.data = mg.ones(8)
    for p in net.parameters():
        p.grad = mg.ones(*p.shape)
    optimizer.step()
    assert set(values(net[0].weight).ravel()) == {-0.5}
    assert set(values(net[0].bias)) == {0.5}


def test_converting_the_module_keeps_the_optimizer_and_its_state():
    net, reference = network(), network().double()
    optimizer, other = optim.Adam(net.parameters()), optim.Adam(reference.parameters())
    train_in = lambda n, o, dtype: [
        (o.zero_grad(), n(mg.ones(3, 4, dtype=dtype)).square().sum().backward(), o.step()) for _ in range(3)
    ]
    train_in(net, optimizer, mg.float32)
    train_in(reference, other, mg.float64)
    net.double()
    train_in(net, optimizer, mg.float64)
    train_in(reference, other, mg.float64)
    for p, q in zip(net.parameters(), reference.parameters(), strict=True):
        assert p.dtype == mg.float64
        np.testing.assert_allclose(values(p), values(q), atol=1e-6)
        assert int(optimizer.state[p]["step"]) == 6


@pytest.mark.parametrize("how", [copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))])
def test_a_copied_optimizer_trains_the_copied_network(how):
    net = network()
    optimizer = optim.Adam(net.parameters(), lr=0.01)
    train(net, optimizer, 3)
    twin, twin_optimizer = how((net, optimizer))
    before = [values(p) for p in net.parameters()]
    train(twin, twin_optimizer, 3, seed=1)
    for p, v in zip(net.parameters(), before, strict=True):
        np.testing.assert_array_equal(values(p), v)
    train(net, optimizer, 3, seed=1)
    for p, q in zip(net.parameters(), twin.parameters(), strict=True):
        np.testing.assert_array_equal(values(p), values(q))


# -- memory of the caller's


def test_optimizers_that_remember_in_the_same_arrays_are_one():
    """Stepping in turn, as one does alone; what is in the arrays counts, not what was remembered before."""
    alone = leaves((4, 3), (3,))
    shared = [mg.tensor(values(p), requires_grad=True) for p in alone]
    single = optim.RMSprop(alone, lr=0.1, momentum=0.5)
    pair = [optim.RMSprop(shared, lr=0.1, momentum=0.5) for _ in range(2)]
    memory = {name: np.zeros(15, np.float32) for name in ("momentum_buffer", "square_avg")}
    for optimizer in pair:
        optimizer.remember_in(**memory)
    for turn in range(6):
        set_gradients(alone)
        for p, q in zip(alone, shared, strict=True):
            q.grad = p.grad
        single.step()
        pair[turn % 2].step()
        for p, q in zip(alone, shared, strict=True):
            np.testing.assert_array_equal(values(q), values(p))
    state = single.state_dict()["state"]
    for name, array in memory.items():
        np.testing.assert_array_equal(array, np.concatenate([values(state[i][name]).ravel() for i in range(2)]))
    for array in memory.values():
        array[:] = 7
    for optimizer in pair:
        assert (optimizer.state[shared[0]]["square_avg"].numpy() == 7).all()
    pair[0].load_state_dict(single.state_dict())
    np.testing.assert_array_equal(memory["square_avg"][:12], values(state[0]["square_avg"]).ravel())
    assert pair[1].state[shared[1]]["momentum_buffer"].tolist() == state[1]["momentum_buffer"].tolist()


def test_steps_are_counted_on_in_other_memory():
    (p,) = leaves((2,))
    optimizer = optim.Adam([p])
    for _ in range(3):
        set_gradients([p])
        optimizer.step()
    optimizer.remember_in(exp_avg=np.ones(2, np.float32), exp_avg_sq=np.ones(2, np.float32))
    assert optimizer.state_dict()["state"][0]["step"].item() == 3
    set_gradients([p])
    optimizer.step()
    assert optimizer.state[p]["step"].item() == 4


def test_memory_of_the_callers_is_kept_when_the_parameters_are_laid_out_anew():
    p, q = leaves((2,), (3,))
    memory = np.zeros(5, np.float32)
    optimizer = optim.SGD([p, q], lr=1.0, momentum=0.5)
    optimizer.remember_in(momentum_buffer=memory)
    for expected in (1.0, 1.5, 1.75):
        p.data = mg.zeros(2)
        p.grad, q.grad = mg.ones(2), mg.ones(3)
        optimizer.step()
        assert memory.tolist() == [expected] * 5
        assert p.tolist() == [-expected] * 2


def test_memory_that_does_not_fit_is_refused():
    optimizer = optim.RMSprop(leaves((4, 3), (3,)), lr=0.1)
    for memory, message in (
        ({}, r"expected an array for each of \['square_avg'\], got \[\]"),
        ({"exp_avg": np.zeros(15, np.float32)}, r"got \['exp_avg'\]"),
        ({"square_avg": np.zeros(14, np.float32)}, r"shape \(14,\) and dtype float32, expected \(15,\) and float32"),
        ({"square_avg": np.zeros(15)}, r"dtype float64, expected \(15,\) and float32"),
    ):
        with pytest.raises(ValueError, match=message):
            optimizer.remember_in(**memory)
    two = optim.SGD([{"params": leaves((2,))}, {"params": leaves((3,))}], lr=0.1, momentum=0.9)
    with pytest.raises(ValueError, match="there are 2 groups"):
        two.remember_in(momentum_buffer=np.zeros(5, np.float32))
