"""x[key] and x[key] = value for every kind of key, with gradients known by hand."""

import numpy as np
import pytest

import minigrad as mg

X = np.arange(24.0).reshape(2, 3, 4)
T = mg.tensor

KEYS = {
    "an int": 1,
    "a negative int": -1,
    "ints": (1, -2, 3),
    "a slice": slice(None, None, 2),
    "a slice backwards": (slice(None), slice(None, None, -1)),
    "None": (None, slice(None), None),
    "an ellipsis": (..., 0),
    "a column": (slice(None), 1),
    "a list": [1, 0, 1],
    "a range": range(2),
    "an array": np.array([1, 0, 1]),
    "an int32 tensor": T(np.array([1, 0, 1], np.int32)),
    "a uint8 mask": T(np.array([1, 0], np.uint8)),
    "a bool list": [True, False],
    "a bool mask": T(X > 7),
    "a bool array": X > 7,
    "a mask of rows": T([False, True]),
    "array and tensor": (np.arange(2), T([2, 0])),
    "tensor and list": (T([1, 0]), [2, 2]),
    "broadcast arrays": (np.array([[0], [1]]), T([0, 2])),
    "an array and a slice": (T([1, 0, 0]), slice(1, None)),
    "a slice and an array": (slice(None), T([2, 0, 0])),
    "an ellipsis and an array": (..., T([3, 3])),
    "an array and None": (T([1, 0]), None, slice(0, 2)),
    "a mask and a list": (T([True, True]), [2, 0]),
    "an empty list": [],
    "an empty tensor": T(np.zeros(0, np.int64)),
    "a 0-d tensor": T(1),
    "a NumPy int": np.int64(1),
    "True": True,
}
"""Keys that NumPy means the same way, when tensors are replaced by their arrays."""


def raw(key):
    if isinstance(key, tuple):
        return tuple(raw(k) for k in key)
    key = list(key) if isinstance(key, range) else key
    key = key.numpy() if isinstance(key, mg.Tensor) else key
    return key.astype(bool) if isinstance(key, np.ndarray) and key.dtype == np.uint8 else key


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS.keys())
def test_reading(key):
    x = T(X, requires_grad=True)
    y = x[key]
    expected = X[np.array([], int)] if isinstance(key, list) and not key else X[raw(key)]
    np.testing.assert_array_equal(y.detach().numpy(), expected)
    weights = np.cos(np.arange(expected.size)).reshape(expected.shape)
    (y * T(weights)).sum().backward()
    gradient = np.zeros_like(X)
    np.add.at(gradient, np.array([], int) if isinstance(key, list) and not key else raw(key), weights)
    np.testing.assert_allclose(x.grad.numpy(), gradient, rtol=1e-15)


# Where a place is named twice it is undefined which value it keeps, as in PyTorch.
TWICE = (
    "a list",
    "an array",
    "an int32 tensor",
    "an array and a slice",
    "a slice and an array",
    "an ellipsis and an array",
)
ONCE = {name: key for name, key in KEYS.items() if name not in TWICE}


@pytest.mark.parametrize("key", ONCE.values(), ids=ONCE.keys())
def test_assigning(key):
    leaf, value = T(X, requires_grad=True), T(2.5, dtype=mg.float64).requires_grad_()
    x = leaf * 1
    x[key] = value
    place = np.array([], int) if isinstance(key, list) and not key else raw(key)
    expected, untouched = X.copy(), np.ones_like(X)
    expected[place], untouched[place] = 2.5, 0.0
    np.testing.assert_array_equal(x.detach().numpy(), expected)
    weights = np.cos(np.arange(X.size)).reshape(X.shape)
    (x * T(weights)).sum().backward()
    np.testing.assert_allclose(leaf.grad.numpy(), weights * untouched, rtol=1e-15)
    np.testing.assert_allclose(value.grad.item(), (weights * (1 - untouched)).sum(), rtol=1e-12)


@pytest.mark.parametrize(
    "key",
    [(0, slice(None), [0, 1]), ([0, 1], slice(None), 0), (0, [0, 1]), (slice(None), 0, T([1, 1])), (0, None, [2, 0])],
)
def test_ints_pick_before_arrays(key):
    """x[0, :, [0, 1]] is x[0][:, [0, 1]], as in PyTorch; NumPy would move the array's dimension to the front."""
    ints = tuple(k if isinstance(k, int) or k is None else slice(None) for k in key)
    rest = tuple(slice(None) if k is None else raw(k) for k in key if not isinstance(k, int))
    x = T(X, requires_grad=True)
    expected = X[ints][rest]
    np.testing.assert_array_equal(x[key].detach().numpy(), expected)
    y = mg.zeros(2, 3, 4, dtype=mg.float64)
    y[key] = T(expected)
    np.testing.assert_array_equal(y[key].numpy(), expected)
    (x[key] ** 2).sum().backward()
    picked = T(X, requires_grad=True)
    (picked[ints][rest] ** 2).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), picked.grad.numpy())


def test_the_q_values_of_actions_taken():
    q = mg.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], requires_grad=True)
    action = T(np.array([1, 0, 1], np.int32))
    assert q[np.arange(len(action)), action].tolist() == [2, 3, 6]
    assert q.gather(1, action.long().unsqueeze(1)).squeeze(1).tolist() == [2, 3, 6]
    assert q[:, 1].tolist() == [2, 4, 6]
    assert q[0, action[0]].item() == 2
    q[np.arange(3), action].sum().backward()
    assert q.grad.tolist() == [[0, 1], [1, 0], [0, 1]]


def test_a_place_picked_twice_adds_up():
    x = mg.tensor([1.0, 2.0], requires_grad=True)
    (x[[0, 0, 1, 0]] * mg.tensor([1.0, 10.0, 100.0, 1000.0])).sum().backward()
    assert x.grad.tolist() == [1011.0, 100.0]


def test_slices_are_views_and_picks_are_copies():
    x = mg.zeros(3)
    view, copy = x[:2], x[[0, 1]]
    x[0] = 5
    assert view.tolist() == [5, 0]
    assert copy.tolist() == [0, 0]
    view.add_(1)
    assert x.tolist() == [6, 1, 0]
    x[1:] += 1
    assert x.tolist() == [6, 2, 1]


def test_the_value_is_broadcast_and_its_gradient_summed():
    x = mg.zeros(2, 3)
    row = mg.tensor([1.0, 2.0, 3.0], requires_grad=True)
    x[:] = row
    (x * mg.tensor([[1.0], [10.0]])).sum().backward()
    assert row.grad.tolist() == [11, 11, 11]


def test_assigning_lists_arrays_and_numbers():
    x = mg.zeros(2, 2)
    x[0] = [1, 2]
    x[1] = np.array([3, 4])
    x[1, 1] = np.float64(5)
    x[x == 2] = -1.0
    assert x.tolist() == [[1, -1], [3, 5]]
    n = mg.zeros(2, dtype=mg.int64)
    n[0] = 2.9
    assert n.tolist() == [2, 0]


def test_iteration_and_unpacking():
    x = mg.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    a, b = x
    (a * b).sum().backward()
    assert x.grad.tolist() == [[3, 4], [1, 2]]
    assert [row.tolist() for row in x] == [[1, 2], [3, 4]]
    assert len(x) == 2


def test_gather_and_scatter_add_are_each_others_adjoints():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((4, 5)), rng.standard_normal((4, 3))
    index = rng.integers(0, 5, (4, 3))
    gathered = T(x).gather(1, T(index)).numpy()
    scattered = mg.zeros(4, 5, dtype=mg.float64).scatter_add(1, T(index), T(y)).numpy()
    np.testing.assert_allclose((gathered * y).sum(), (x * scattered).sum(), rtol=1e-12)


def test_where_gives_the_places_of_a_condition():
    rows, columns = mg.where(mg.tensor([[True, False], [False, True]]))
    assert (rows.tolist(), columns.tolist()) == ([0, 1], [0, 1])
