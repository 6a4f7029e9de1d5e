"""Making tensors: from data, of constants, of random numbers; and their dtypes."""

import numpy as np
import pytest

import minigrad as mg


@pytest.mark.parametrize(
    ("data", "dtype", "shape"),
    [
        (1, mg.int64, ()),
        (1.5, mg.float32, ()),
        (True, mg.bool, ()),
        ([1, 2], mg.int64, (2,)),
        ([1, 2.5], mg.float32, (2,)),
        ([True, 2], mg.int64, (2,)),
        (((1, 2), (3, 4)), mg.int64, (2, 2)),
        ([], mg.float32, (0,)),
        ([[], []], mg.float32, (2, 0)),
        (range(3), mg.int64, (3,)),
        (np.float64(1.5), mg.float64, ()),
        (np.zeros((2, 3), np.float32), mg.float32, (2, 3)),
        (np.arange(3, dtype=np.int32), mg.int32, (3,)),
        (np.array([1.0], np.float16), mg.float32, (1,)),
        ([np.zeros(2, np.float32), np.ones(2, np.float32)], mg.float32, (2, 2)),
        ([mg.tensor(1.5), 2], mg.float32, (2,)),
        ([mg.tensor(1.0, dtype=mg.float64), mg.tensor([2.0], dtype=mg.float64)], mg.float64, (2,)),
        ([mg.tensor(3, dtype=mg.uint8)], mg.uint8, (1,)),
    ],
)
def test_tensor_keeps_the_type_of_its_data(data, dtype, shape):
    x = mg.tensor(data)
    assert (x.dtype, x.shape) == (dtype, shape)


def test_tensor_copies_and_as_tensor_shares():
    array = np.zeros(3, np.float32)
    copied, shared, also = mg.tensor(array), mg.as_tensor(array), mg.from_numpy(array)
    array[0] = 7
    assert (copied[0].item(), shared[0].item(), also[0].item()) == (0, 7, 7)
    assert mg.as_tensor(shared) is shared
    assert mg.as_tensor(array, dtype=mg.float64).dtype == mg.float64


def test_a_tensor_of_a_tensor_is_a_detached_copy():
    x = mg.ones(2, requires_grad=True)
    y = mg.tensor(x * 2)
    assert y.is_leaf
    assert not y.requires_grad
    assert y.tolist() == [2, 2]


@pytest.mark.parametrize(
    ("name", "dtype"),
    [("float32", float), ("float64", float), ("int64", int), ("int32", int), ("uint8", int), ("bool", bool)],
)
def test_an_asked_for_dtype_is_given(name, dtype):
    wanted = getattr(mg, name)
    for make in (lambda **k: mg.zeros(2, **k), lambda **k: mg.ones((2,), **k), lambda **k: mg.full((2,), 1, **k)):
        assert make(dtype=wanted).dtype == wanted
        assert make(dtype=name).dtype == wanted
    assert type(mg.ones(1, dtype=wanted).item()) is dtype
    assert mg.zeros_like(mg.ones(2, 3), dtype=wanted).dtype == wanted


def test_pythons_types_are_dtypes():
    assert mg.zeros(1, dtype=float).dtype == mg.float64  # as in PyTorch, where Python's float is a double
    assert mg.zeros(1, dtype=int).dtype == mg.int64
    assert mg.zeros(1, dtype=bool).dtype == mg.bool


def test_constants():
    assert mg.zeros(2, 3).tolist() == [[0.0] * 3] * 2
    assert mg.ones([2]).tolist() == [1.0, 1.0]
    assert mg.full((2,), 3).tolist() == [3, 3]
    assert mg.full((), 1.5).item() == 1.5
    assert mg.eye(2, 3).tolist() == [[1, 0, 0], [0, 1, 0]]
    assert mg.arange(4).tolist() == mg.arange(0, 4).tolist() == mg.arange(end=4).tolist() == [0, 1, 2, 3]
    assert mg.arange(5, 0, -2).tolist() == [5, 3, 1]
    assert mg.arange(0, 1, 0.25).tolist() == [0, 0.25, 0.5, 0.75]
    assert mg.linspace(0, 1, 5).tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert mg.empty(2, 0).shape == (2, 0)
    assert mg.Tensor([1, 2]).dtype == mg.float32
    assert mg.Tensor(2, 3).shape == (2, 3)


def test_like_another():
    x = mg.ones(2, 3, dtype=mg.float64).t()
    for make in (mg.zeros_like, mg.ones_like, mg.empty_like, mg.rand_like, mg.randn_like):
        y = make(x)
        assert (y.shape, y.dtype, y.is_contiguous()) == ((3, 2), mg.float64, True)
    assert mg.full_like(x, 2).sum().item() == 12


def test_a_new_leaf_requires_a_gradient_when_asked():
    for x in (mg.zeros(2, requires_grad=True), mg.tensor([1.0], requires_grad=True), mg.randn(2, requires_grad=True)):
        assert x.requires_grad
        assert x.is_leaf
        assert x.grad_fn is None


def test_random_numbers_repeat_with_the_seed_and_have_the_right_moments():
    def draw():
        mg.manual_seed(3)
        return [mg.rand(20_000), mg.randn(20_000), mg.randint(2, 5, (20_000,)).float(), mg.randperm(50).float()]

    first, second = draw(), draw()
    for a, b in zip(first, second, strict=True):
        assert a.tolist() == b.tolist()
    uniform, normal, integer, permutation = first
    # five standard errors of each mean and variance
    assert abs(uniform.mean().item() - 1 / 2) < 5 * (1 / 12 / 20_000) ** 0.5
    assert abs(normal.mean().item()) < 5 / 20_000**0.5
    assert abs(normal.var().item() - 1) < 5 * (2 / 20_000) ** 0.5
    assert abs(integer.mean().item() - 3) < 5 * (2 / 3 / 20_000) ** 0.5
    assert sorted(set(integer.tolist())) == [2, 3, 4]
    assert sorted(permutation.tolist()) == list(range(50))


def test_a_generator_of_ones_own_leaves_the_common_one_alone():
    mg.manual_seed(0)
    expected = mg.randn(3).tolist()
    mg.manual_seed(0)
    own = mg.Generator().manual_seed(5)
    mine = mg.randn(3, generator=own).tolist()
    assert mg.randn(3).tolist() == expected
    assert mg.randn(3, generator=own.manual_seed(5)).tolist() == mine


def test_the_generators_state_goes_through_json():
    import json

    mg.manual_seed(1)
    mg.randn(5)
    state = json.loads(json.dumps(mg.get_rng_state()))
    expected = mg.randn(4).tolist()
    mg.set_rng_state(state)
    assert mg.randn(4).tolist() == expected


def test_choices():
    mg.manual_seed(0)
    weights = mg.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 3.0]])
    drawn = mg.multinomial(weights, 4000, replacement=True)
    assert (drawn.shape, drawn.dtype) == ((2, 4000), mg.int64)
    assert set(drawn[0].tolist()) == {1}
    assert abs((drawn[1] == 2).float().mean().item() - 0.75) < 5 * (0.75 * 0.25 / 4000) ** 0.5
    assert sorted(mg.multinomial(mg.ones(4), 4).tolist()) == [0, 1, 2, 3]
    coins = mg.bernoulli(mg.full((4000,), 0.3))
    assert set(coins.tolist()) == {0.0, 1.0}
    assert abs(coins.mean().item() - 0.3) < 5 * (0.3 * 0.7 / 4000) ** 0.5


def test_the_default_dtype_can_be_changed():
    try:
        mg.set_default_dtype(mg.float64)
        assert mg.tensor(1.0).dtype == mg.zeros(1).dtype == (mg.tensor([1]) / 2).dtype == mg.float64
    finally:
        mg.set_default_dtype(mg.float32)
    assert mg.tensor(1.0).dtype == mg.float32
