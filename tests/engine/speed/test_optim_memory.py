"""Who else looks at a parameter's memory sees every step; the expected values are PyTorch's."""

from __future__ import annotations

import copy
import gc
import multiprocessing
import pickle
from multiprocessing import shared_memory

import numpy as np
import pytest
from small_training import leaves, network, set_gradients, train, values

import minigrad as mg
import minigrad.nn as nn
import minigrad.optim as optim
from minigrad.speed import flat


@pytest.fixture(autouse=True)
def _laid_out(monkeypatch):
    """What these tests are about, whether the shortcuts are on or off."""
    monkeypatch.setattr(flat, "layout_allowed", True)


# -- looked at before the optimizer was made --------------------------------------------------------------------------


def descend(optimizer, *parameters):
    """A step down a slope of 1."""
    for p in parameters:
        p.grad = mg.ones_like(p).detach()
    optimizer.step()


def test_parameters_tied_by_data_move_together():
    a, b = nn.Linear(1, 1), nn.Linear(1, 1)
    b.weight.data = a.weight.data
    start = a.weight.item()
    optimizer = optim.SGD(a.parameters(), lr=0.5)
    a(mg.ones(1, 1)).sum().backward()
    optimizer.step()
    assert b.weight.item() == a.weight.item() == pytest.approx(start - 0.5)


def test_an_array_that_a_parameter_was_made_from_sees_the_steps():
    buffer = np.zeros(2, np.float32)
    p = nn.Parameter(mg.from_numpy(buffer))
    q = nn.Parameter(mg.zeros(3))
    descend(optim.SGD([q, p], 1.0), p, q)
    assert buffer.tolist() == [-1, -1]
    assert q.tolist() == [-1, -1, -1]


def test_a_state_dict_taken_before_sees_the_steps():
    net = nn.Linear(1, 1, bias=False)
    state, start = net.state_dict(), net.weight.item()
    optimizer = optim.SGD(net.parameters(), 0.5)
    net(mg.ones(1, 1)).sum().backward()
    optimizer.step()
    assert state["weight"].item() == pytest.approx(start - 0.5)


LOOKS = {
    "detach": lambda p: p.detach(),
    "data": lambda p: p.data,
    "an array": lambda p: p.detach().numpy(),
    "a view of the array": lambda p: p.detach().numpy()[:2],
    "a view of a view": lambda p: p.detach().numpy()[:3].T[1:],
    "a tensor's view": lambda p: p.detach()[1:],
    "a recorded view": lambda p: p[1:],
    "a buffer": lambda p: memoryview(p.detach().numpy()),
    "a tensor with the memory": lambda p: nn.Parameter(p.detach()),
    "a closure": lambda p: p.detach().numpy().sum,
    "reinterpreted": lambda p: p.detach().numpy().view(np.int32),
}


@pytest.mark.parametrize("kind", LOOKS)
@pytest.mark.parametrize("moment", ["before the optimizer", "after it", "after a step"])
def test_whoever_looks_at_a_parameter_sees_the_steps(kind, moment):
    parameters = leaves((3,), (4, 2), (2,))
    memory, look = [], None
    optimizer = None
    for now in ("before the optimizer", "after it", "after a step"):
        if now == "after it":
            optimizer = optim.Adam(parameters, lr=0.5)
        elif now == "after a step":
            set_gradients(parameters)
            optimizer.step()
        if now == moment:
            look = LOOKS[kind](parameters[1])
            memory.append(parameters[1].detach().numpy())
            reference = memory[0].__array_interface__["data"][0]
    for _ in range(3):
        set_gradients(parameters)
        optimizer.step()
    assert parameters[1].array.__array_interface__["data"][0] == reference
    del look


@pytest.mark.parametrize("order", ["C", "F", "gaps", "transposed", "backwards"])
def test_memory_in_any_order_is_stepped_in_place(order):
    memory = {
        "C": np.zeros((3, 2), np.float32),
        "F": np.zeros((3, 2), np.float32, "F"),
        "gaps": np.zeros((6, 4), np.float32)[::2, ::2],
        "transposed": np.zeros((2, 3), np.float32).T,
        "backwards": np.zeros((3, 2), np.float32)[::-1],
    }[order]
    p, (q, r) = nn.Parameter(mg.from_numpy(memory)), leaves((2,), (2,))
    optimizer = optim.SGD([q, p, r], lr=1.0, momentum=0.5)
    slope = np.arange(6, dtype=np.float32).reshape(3, 2)
    for factor in (1, 2.5):  # 1, then 1 + 1.5
        set_gradients([q, r])
        p.grad = mg.tensor(slope)
        optimizer.step()
        np.testing.assert_array_equal(memory, -factor * slope)
        np.testing.assert_array_equal(values(p), -factor * slope)


def test_weights_tied_by_transposition_take_both_steps():
    """A tied autoencoder: both parameters are trained, and look at one memory."""
    encoder, decoder = nn.Linear(2, 3, bias=False), nn.Linear(3, 2, bias=False)
    decoder.weight.data = encoder.weight.data.t()
    start = values(encoder.weight)
    optimizer = optim.SGD([encoder.weight, decoder.weight], lr=1.0)
    encoder.weight.grad, decoder.weight.grad = mg.ones(3, 2), mg.full((2, 3), 10.0)
    optimizer.step()
    np.testing.assert_allclose(values(encoder.weight), start - 11, rtol=1e-6)
    np.testing.assert_array_equal(values(decoder.weight), values(encoder.weight).T)


def test_weights_tied_by_data_in_one_optimizer_take_one_step_after_the_other():
    p, q = leaves((2,), (2,))
    q.data = p.data
    with mg.no_grad():
        p.fill_(1.0)
    descend(optim.SGD([p, q], lr=0.5, weight_decay=1.0), p, q)  # 1 - 0.5 (1 + 1) = 0, 0 - 0.5 (1 + 0) = -0.5
    assert p.tolist() == q.tolist() == [-0.5, -0.5]


def test_parameters_that_overlap_in_memory_that_only_they_look_at_keep_overlapping():
    memory = np.zeros(6, np.float32)
    p, q = nn.Parameter(mg.from_numpy(memory[:4])), nn.Parameter(mg.from_numpy(memory[2:]))
    del memory
    descend(optim.SGD([p, q], lr=1.0), p, q)
    assert p.tolist() == [-1, -1, -2, -2]
    assert q.tolist() == [-2, -2, -1, -1]


def test_parameters_with_gaps_that_overlap_keep_overlapping():
    memory = np.zeros(6, np.float32)
    p, q = nn.Parameter(mg.from_numpy(memory[::2])), nn.Parameter(mg.from_numpy(memory[3:]))
    del memory
    descend(optim.SGD([p, q], lr=1.0), p, q)
    assert p.tolist() == [-1, -1, -2]
    assert q.tolist() == [-1, -2, -1]


def two_owners():
    raw = multiprocessing.RawArray("f", 4)
    return np.frombuffer(raw, np.float32), [np.frombuffer(raw, np.float32, 2, offset)[:] for offset in (0, 8)]


def an_owner_that_is_no_array():
    memory = bytearray(16)
    return np.frombuffer(memory, np.float32), [np.ndarray(2, np.float32, memory, offset) for offset in (0, 8)]


def an_owner_of_bytes():
    memory = np.zeros(16, np.uint8)
    return memory.view(np.float32), [memory[:8].view(np.float32), memory[8:].view(np.float32)]


def columns():
    memory = np.zeros((2, 2), np.float32, "F")
    return memory.T.reshape(-1), [memory[:, 0], memory[:, 1]]


def a_matrix():
    memory = np.zeros((2, 2), np.float32)
    return memory.reshape(-1), [memory[0], memory[1]]


def an_owner_that_was_locked_later():
    memory = np.zeros(4, np.float32)
    halves = [memory[:2], memory[2:]]
    memory.flags.writeable = False
    return memory, halves


OWNERS = [two_owners, an_owner_that_is_no_array, an_owner_of_bytes, columns, a_matrix, an_owner_that_was_locked_later]


@pytest.mark.parametrize("make", OWNERS)
def test_neighbours_in_any_memory_are_stepped_in_place(make):
    vector, halves = make()
    parameters = [nn.Parameter(mg.from_numpy(half)) for half in halves]
    optimizer = optim.SGD(parameters, lr=1.0)
    for expected in (-1, -2):
        descend(optimizer, *parameters)
        assert vector.tolist() == [expected] * 4


def test_one_vector_behind_several_weights_is_stepped_in_place_and_in_one_piece():
    vector = np.zeros(9, np.float32)
    parts = [nn.Parameter(mg.from_numpy(vector[a:b])) for a, b in ((0, 4), (4, 7), (7, 9))]
    optimizer = optim.SGD(parts, lr=1.0)
    descend(optimizer, *parts)
    assert vector.tolist() == [-1] * 9
    assert len(optimizer._flats[0][0]._pieces) == 1
    apart = optim.SGD([parts[0], parts[2]], lr=1.0)
    descend(apart, parts[0], parts[2])
    assert vector.tolist() == [-2] * 4 + [-1] * 3 + [-2] * 2


def test_memory_of_other_processes_is_stepped_in_place(tmp_path):
    raw = multiprocessing.RawArray("f", 4)
    block = shared_memory.SharedMemory(create=True, size=16)
    mapped = np.memmap(tmp_path / "weights", np.float32, "w+", shape=(4,))
    parameters = [
        nn.Parameter(mg.from_numpy(half))
        for memory in (np.frombuffer(raw, np.float32), np.ndarray(4, np.float32, block.buf), np.asarray(mapped))
        for half in (memory[:2], memory[2:])
    ]
    optimizer = optim.Adam(parameters, lr=0.5)  # whose first step is ±lr
    descend(optimizer, *parameters)
    expected = pytest.approx([-0.5] * 4)
    assert list(raw) == expected
    assert np.frombuffer(block.buf, np.float32).tolist() == expected
    mapped.flush()
    assert np.fromfile(tmp_path / "weights", np.float32).tolist() == expected
    del parameters, optimizer, mapped
    gc.collect()
    block.close()
    block.unlink()


def test_memory_that_cannot_be_written_to_is_left():
    frozen = np.zeros(2, np.float32)
    frozen.flags.writeable = False
    p = mg.from_numpy(frozen).requires_grad_()
    descend(optim.SGD([p], lr=1.0), p)
    assert p.tolist() == [-1, -1]
    assert frozen.tolist() == [0, 0]


# -- p.data = x -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("made", ["before", "after", "after a step"])
def test_assigned_data_is_the_parameters_memory(made):
    """Adam's steps down a steady slope are all of size lr, so its state is not lost either."""
    parameters = leaves((2,), (3, 2), (2,))
    x = mg.zeros(3, 2)
    optimizer = optim.Adam(parameters, lr=0.25) if made != "before" else None
    if made == "after a step":
        descend(optimizer, *parameters)
    old, held = values(parameters[1]), parameters[1].data
    parameters[1].data = x
    optimizer = optimizer or optim.Adam(parameters, lr=0.25)
    for steps in (1, 2):
        descend(optimizer, *parameters)
        np.testing.assert_allclose(x.numpy(), -0.25 * steps, rtol=1e-4)
        np.testing.assert_array_equal(values(parameters[1]), x.numpy())
    np.testing.assert_array_equal(held.numpy(), old)  # the memory that it left stays as it was
    x.fill_(7.0)
    assert set(parameters[1].ravel().tolist()) == {7.0}
    assert int(optimizer.state[parameters[1]]["step"]) == (3 if made == "after a step" else 2)


def test_data_assigned_at_every_step_is_what_the_next_step_starts_from():
    """Weights that are clipped by assigning, as in old scripts, train as fast as any: in one piece."""
    parameters = leaves((3,), (2, 2))
    optimizer = optim.SGD(parameters, lr=1.0, momentum=0.5)
    expected, velocity = [values(p) for p in parameters], 0.0
    for _ in range(4):
        descend(optimizer, *parameters)
        velocity = 0.5 * velocity + 1
        for i, p in enumerate(parameters):
            p.data = p.data.clamp(-1.5, 1.5)
            expected[i] = np.clip(expected[i] - np.float32(velocity), -1.5, 1.5)
            np.testing.assert_allclose(values(p), expected[i], rtol=1e-6)
    descend(optimizer, *parameters)
    assert len(optimizer._flats[0][0]._pieces) == 1


def test_assigned_data_may_have_another_shape_only_without_a_state():
    p, q = leaves((2,), (3,))
    optimizer = optim.SGD([p, q], lr=1.0)
    descend(optimizer, p, q)
    p.data = mg.zeros(4)
    p.grad = None
    descend(optimizer, p, q)
    assert p.tolist() == [-1, -1, -1, -1]


def test_data_of_another_shape_than_the_state_is_refused_at_every_step():
    p, q = leaves((2,), (3,))
    optimizer = optim.SGD([p, q], lr=1.0, momentum=0.5)
    descend(optimizer, p, q)
    p.data, before = mg.zeros(4), values(q)
    for _ in range(2):
        with pytest.raises(ValueError, match=r"'momentum_buffer'\] has shape \(2,\), expected .* \(4,\)"):
            optimizer.step()
    np.testing.assert_array_equal(values(q), before)
    p.data, p.grad = mg.zeros(2), mg.ones(2)
    optimizer.step()
    assert p.tolist() == [-1.5, -1.5]


def test_data_of_another_dtype_is_refused_where_a_gradient_is_required():
    (p,) = leaves((2,))
    with pytest.raises(RuntimeError, match="this tensor is float32, the one given float64"):
        p.data = mg.zeros(2, dtype=mg.float64)
    assert p.dtype == mg.float32


def test_a_copied_network_shares_nothing():
    net = network()
    optimizer = optim.SGD(net.parameters(), lr=0.1)
    twin = copy.deepcopy(net)
    before = [values(p) for p in twin.parameters()]
    other = optim.Adam(twin.parameters(), lr=0.1)
    train(net, optimizer, 2)
    for p, v in zip(twin.parameters(), before, strict=True):
        np.testing.assert_array_equal(values(p), v)
    train(twin, other, 1)
    assert len(other._flats[0][0]._pieces) == 1


# -- the usual case is one piece ------------------------------------------------------------------------------------


def pieces(optimizer):
    return [len(f._pieces) for flats in optimizer._flats for f in flats]


def test_a_network_that_nobody_looks_at_is_one_piece():
    net = network()
    net(mg.ones(3, 4)).sum().backward()
    net.load_state_dict(copy.deepcopy(net).state_dict())
    optimizer = optim.Adam(net.parameters())
    train(net, optimizer, 1)
    assert pieces(optimizer) == [1]
    held = net.state_dict()
    net.load_state_dict({k: v * 2 for k, v in held.items()})
    train(net, optimizer, 1)
    assert pieces(optimizer) == [1]
    del held
    net.double()
    set_gradients(list(net.parameters()))
    optimizer.step()
    assert pieces(optimizer) == [1]


def test_optimizers_of_the_same_parameters_are_one_piece_each():
    net = network()
    optimizers = [optim.SGD(net.parameters(), lr=0.1), optim.Adam(net.parameters()), optim.SGD(net[2].parameters())]
    for optimizer in optimizers:
        train(net, optimizer, 1)
    assert [pieces(o) for o in optimizers] == [[1], [1], [1]]
    assert not any(flat_.copied for o in optimizers for flats in o._flats for flat_ in flats)


@pytest.mark.parametrize("how", [copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))])
def test_a_copied_optimizer_is_one_piece(how):
    net = network()
    twin, optimizer = how((net, optim.Adam(net.parameters())))
    train(twin, optimizer, 1)
    assert pieces(optimizer) == [1]


def test_with_the_layout_switched_off_neighbours_in_memory_are_pieces_of_their_own(monkeypatch):
    monkeypatch.setattr(flat, "layout_allowed", False)
    vector = np.zeros(4, np.float32)
    parts = [nn.Parameter(mg.from_numpy(vector[a : a + 2])) for a in (0, 2)]
    optimizer = optim.SGD(parts, lr=1.0)
    descend(optimizer, *parts)
    assert vector.tolist() == [-1] * 4
    assert pieces(optimizer) == [2]


def test_memory_that_somebody_else_allocated_is_left_where_it_is(monkeypatch):
    """CuPy's arrays may have such memory although they have no base."""
    parameters = leaves((2,), (2,), (2,))
    address = flat.find_address(parameters[1].array)
    foreign = lambda array: "theirs" if flat.find_address(array) == address else None
    monkeypatch.setattr(flat, "find_memory", foreign)
    descend(optim.SGD(parameters, lr=1.0), *parameters)
    assert flat.find_address(parameters[1].array) == address
    assert parameters[2].array.base is parameters[0].array.base is not None


def test_a_parameter_that_gets_new_memory_joins_the_others_again():
    net = network()
    optimizer = optim.Adam(net.parameters())
    train(net, optimizer, 1)
    net[0].bias.data = net[0].bias.data * 2
    train(net, optimizer, 1)
    assert pieces(optimizer) == [1]


def test_parameters_come_together_again_when_nobody_looks_any_more():
    net = network()
    held = net.state_dict()
    optimizer = optim.Adam(net.parameters())
    train(net, optimizer, 1)
    assert pieces(optimizer) == [4]
    del held
    net[0].bias.data = net[0].bias.data * 2  # the reason for a new layout
    train(net, optimizer, 1)
    assert pieces(optimizer) == [1]


KINDS = ("SGD", "Adam", "AdamW", "RAdam", "RMSprop", "Adagrad")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", ["switched off", "no counts", "counts that do not rise"])
def test_parameters_that_stay_give_the_same_bits(kind, how, monkeypatch):
    together, apart = network(), network()
    optimizer = getattr(optim, kind)(together.parameters(), lr=0.1)
    if how == "switched off":
        monkeypatch.setattr(flat, "layout_allowed", False)
    elif how == "no counts":
        monkeypatch.delattr(flat.sys, "getrefcount")
    else:
        monkeypatch.setattr(flat, "count_references", lambda tensor: (1, 1))
    addresses = [flat.find_address(p.array) for p in apart.parameters()]
    other = getattr(optim, kind)(apart.parameters(), lr=0.1)
    assert [flat.find_address(p.array) for p in apart.parameters()] == addresses
    train(together, optimizer, 4)
    train(apart, other, 4)
    assert pieces(optimizer) == [1]
    assert pieces(other) == [4]
    for p, q in zip(together.parameters(), apart.parameters(), strict=True):
        np.testing.assert_array_equal(values(p), values(q))
