"""Making tensors: from data, of constants, of random numbers; and their dtypes."""

import contextlib
import json
import sys
import threading

import numpy as np
import pytest

import minigrad as mg
import minigrad.nn as nn


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


def test_dtypes_of_lists_of_tensors_and_of_rare_arrays():
    one, half, double = mg.tensor(1), mg.tensor(0.5), mg.tensor(2.0, dtype=mg.float64)
    assert mg.tensor([one, half]).tolist() == [1.0, 0.5]
    assert mg.tensor([one, one]).dtype == mg.int64
    assert mg.tensor([half, double]).dtype == mg.tensor([double, double]).dtype == mg.float64
    assert mg.tensor([mg.tensor(1, dtype=mg.int8)] * 2).dtype == mg.int8
    assert mg.tensor(np.ones(2, np.uint16)).dtype == mg.int64
    floats = np.ones(2, np.float32)
    assert np.shares_memory(mg.as_tensor(floats, mg.float32).array, floats)
    for number in (-129, 128):
        with pytest.raises(OverflowError, match=f"{number} does not fit into int8"):
            mg.tensor([0, number], dtype=mg.int8)
    assert mg.tensor([-128, 127], dtype=mg.int8).tolist() == [-128, 127]


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


def test_the_numbers_of_a_seed_are_numpys():
    """A seed means the same in every version: the stream of `default_rng`."""
    numpys = np.random.default_rng(3).standard_normal(4, np.float32).tolist()
    mg.manual_seed(3)
    assert mg.randn(4).tolist() == numpys
    assert mg.randn(4, generator=mg.Generator().manual_seed(3)).tolist() == numpys


def test_the_state_of_the_random_numbers(tmp_path):
    mg.manual_seed(1)
    mg.randn(5)
    state, plain = mg.get_rng_state(), json.loads(json.dumps(mg.random.get_state()))
    assert (state.dtype, state.ndim) == (mg.uint8, 1)  # as PyTorch's
    mg.save({"rng": state}, tmp_path / "state")
    expected = mg.randn(4).tolist()
    for saved in (state, plain, mg.load(tmp_path / "state")["rng"].cpu()):
        mg.set_rng_state(saved)
        assert mg.randn(4).tolist() == expected
    own = mg.Generator().set_state(state)
    assert mg.randn(4, generator=own).tolist() == expected
    own.set_state(state.clone())
    assert own.get_state().zero_().max().item() == 0  # a tensor that may be changed, and changes nothing
    assert mg.equal(own.get_state(), state)


def test_seeds_that_nobody_gave():
    for drawing in (mg.Generator(), mg.random):
        first = drawing.seed()
        assert drawing.initial_seed() == first
        assert drawing.seed() != first  # once in 2 ** 64 they are equal
    given = mg.initial_seed()
    numbers = mg.randn(3).tolist()
    assert mg.manual_seed(given).initial_seed() == given
    assert mg.randn(3).tolist() == numbers
    mine = mg.Generator()
    drawn = mg.randn(3, generator=mine).tolist()
    assert mg.randn(3, generator=mg.Generator().manual_seed(mine.initial_seed())).tolist() == drawn
    assert mg.manual_seed(-1).initial_seed() == 2**64 - 1
    assert mg.Generator().initial_seed() != mg.Generator().initial_seed()


def test_a_fork_of_the_random_numbers():
    mg.manual_seed(4)
    expected = [mg.randn(2).tolist() for _ in range(2)]
    mg.manual_seed(4)
    assert mg.randn(2).tolist() == expected[0]
    with contextlib.suppress(KeyError), mg.random.fork_rng():
        mg.manual_seed(9)
        mg.randn(7)
        raise KeyError
    assert mg.initial_seed() == 4
    assert mg.randn(2).tolist() == expected[1]
    with mg.random.fork_rng(enabled=False):
        mg.manual_seed(4)
    assert mg.randn(2).tolist() == expected[0]


def test_a_block_that_draws_from_a_generator_of_its_own():
    mg.manual_seed(0)
    outside = [mg.randn(2).tolist() for _ in range(2)]
    mg.manual_seed(0)
    own, inner = mg.Generator().manual_seed(5), mg.Generator().manual_seed(6)
    expected = mg.randn(4, generator=mg.Generator().manual_seed(5)).tolist()
    assert mg.randn(2).tolist() == outside[0]
    with mg.random.using(own) as given:
        assert given is own
        assert mg.randn(2).tolist() == expected[:2]
        with contextlib.suppress(KeyError), mg.random.using(inner):
            mg.manual_seed(7)  # seeds the block's
            raise KeyError
        assert mg.randn(2).tolist() == expected[2:]
    assert inner.initial_seed() == 7
    assert mg.randn(2).tolist() == outside[1]


def test_two_threads_draw_from_generators_of_their_own():
    """What each gets at the same time is what it gets alone; the process's stream goes on as if neither had been."""

    def draw(seed, found):
        with mg.random.using(mg.Generator().manual_seed(seed)):
            for _ in range(300):
                found.append((mg.randn(2).tolist(), nn.functional.dropout(mg.ones(3)).tolist()))
                found.append(nn.Linear(1, 1).weight.item())

    mg.manual_seed(0)
    alone: list = [[], []]
    for seed in range(2):
        draw(seed, alone[seed])
    together: list = [[], []]
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threads = [threading.Thread(target=draw, args=(seed, together[seed])) for seed in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    assert together == alone
    assert alone[0] != alone[1]
    after = mg.randn(3).tolist()
    mg.manual_seed(0)
    assert mg.randn(3).tolist() == after


@pytest.mark.parametrize(
    "draw",
    [
        "mg.rand(5, generator=g)",
        "mg.randn(5, generator=g)",
        "mg.randint(1000, (5,), generator=g)",
        "mg.randperm(9, generator=g)",
        "mg.normal(0.0, 1.0, (5,), generator=g)",
        "mg.bernoulli(mg.full((50,), 0.5), generator=g)",
        "mg.multinomial(mg.ones(50), 5, generator=g)",
        "mg.zeros(5).uniform_(generator=g)",
        "mg.zeros(5).normal_(generator=g)",
        "mg.zeros(5).exponential_(generator=g)",
        "mg.zeros(50).bernoulli_(generator=g)",
        "mg.zeros(5).random_(generator=g)",
        "nn.init.trunc_normal_(mg.zeros(5), generator=g)",
        "nn.init.orthogonal_(mg.zeros(2, 2), generator=g)",
    ],
)
def test_whatever_draws_can_draw_from_a_generator_of_its_own(draw):
    mg.manual_seed(0)
    before = mg.get_rng_state()
    seeds = (1, 1, 2)
    drawn = [eval(draw, {"mg": mg, "nn": nn, "g": mg.Generator().manual_seed(seed)}).tolist() for seed in seeds]
    assert drawn[0] == drawn[1] != drawn[2]
    assert mg.equal(mg.get_rng_state(), before)


def test_moments_of_what_is_filled_in_place():
    mg.manual_seed(0)
    assert abs(mg.zeros(20_000).exponential_(4.0).mean().item() - 0.25) < 5 * 0.25 / 20_000**0.5
    normal = mg.zeros(20_000).normal_(3.0, 0.5)
    assert abs(normal.mean().item() - 3) < 5 * 0.5 / 20_000**0.5
    assert abs(normal.std().item() - 0.5) < 0.02
    uniform = mg.zeros(20_000).uniform_(-1, 3)
    assert abs(uniform.mean().item() - 1) < 5 * 4 / 12**0.5 / 20_000**0.5
    assert abs(mg.zeros(20_000).bernoulli_(0.2).mean().item() - 0.2) < 5 * 0.4 / 20_000**0.5
    assert mg.zeros(100, dtype=mg.int64).random_().max().item() > 2**32
    assert mg.zeros(2000, dtype=mg.int8).random_().max().item() > 100


def test_integers_are_counted_and_cut_off_as_pytorch_does():
    cases = [
        (mg.arange(3.1, dtype=mg.int64), [0, 1, 2]),
        (mg.arange(0.5, 3.9, dtype=mg.int64), [0, 1, 2]),
        (mg.arange(-2.5, 2.5, dtype=mg.int64), [-2, -1, 0, 1]),
        (mg.arange(0, 3, 1.5, dtype=mg.int64), [0, 1, 2]),
        (mg.arange(3, 0, -1.5, dtype=mg.int64), [3, 2, 1]),
        (mg.arange(-2.5, 2.5, dtype=mg.int32), [-2, -1, 0, 1, 2]),
        (mg.arange(mg.tensor(3)), [0, 1, 2]),
        (mg.linspace(-2, 2, 4, dtype=mg.int64), [-2, 0, 0, 2]),
        (mg.linspace(-7, -2, 5, dtype=mg.int64), [-7, -5, -4, -3, -2]),
        (mg.linspace(0, 1, 1, dtype=mg.int8), [0]),
    ]
    for made, expected in cases:
        assert made.tolist() == expected
    assert mg.arange(mg.tensor(3)).dtype == mg.int64
    assert mg.linspace(mg.tensor(0.0), 1, 3).tolist() == [0, 0.5, 1]


def test_the_old_way_to_say_a_dtype():
    x = mg.ones(2)
    shared = mg.FloatTensor(x)
    shared.add_(1.0)
    assert x.tolist() == [2, 2]
    assert (mg.LongTensor(3).shape, mg.LongTensor(3).dtype) == ((3,), mg.int64)
    assert mg.DoubleTensor([1, 2]).dtype == mg.float64
    assert isinstance(x, mg.FloatTensor)
    assert not isinstance(x, mg.LongTensor)


def test_what_a_float32_can_hold():
    """IEEE 754."""
    limits = mg.finfo(mg.float32)
    assert (limits.bits, limits.eps, limits.max, limits.tiny) == (32, 2**-23, (2 - 2**-23) * 2.0**127, 2.0**-126)
    assert (limits.resolution, limits.min, mg.finfo().bits) == (1e-6, -limits.max, 32)
    assert (mg.iinfo(mg.int8).min, mg.iinfo(mg.int8).max, mg.iinfo(mg.uint8).max) == (-128, 127, 255)


def test_integers_at_the_bounds_of_a_dtype():
    mg.manual_seed(0)
    drawn = mg.randint(0, 256, (5000,), dtype=mg.uint8)
    assert (drawn.min().item(), drawn.max().item()) == (0, 255)
    assert set(mg.zeros(100, dtype=mg.bool).random_().tolist()) == {False, True}
    assert set(mg.zeros(100).random_(-1, 2).tolist()) == {-1.0, 0.0, 1.0}
    assert set(mg.zeros(100, dtype=mg.int64).random_(2).tolist()) == {0, 1}
    assert mg.zeros(100).random_().max().item() < 2**24
    assert sorted(mg.randperm(256, dtype=mg.uint8).tolist()) == list(range(256))
    assert mg.randint(3, (2,), dtype=mg.float32, requires_grad=True).requires_grad
    with pytest.raises(OverflowError, match="299 does not fit into uint8"):
        mg.randperm(300, dtype=mg.uint8)
    with pytest.raises(TypeError, match="sizes must be ints, got True"):
        mg.zeros(True)
    assert mg.full((2,), 255, dtype=mg.uint8).tolist() == [255, 255]
    assert mg.full_like(mg.zeros(2, dtype=mg.int8), -128).tolist() == [-128, -128]


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
        for made in (mg.Tensor([1.0]), mg.Tensor([1]), mg.Tensor(2), mg.Tensor(), mg.linspace(0, 1, 2), mg.arange(1.0)):
            assert made.dtype == mg.float64
        assert (mg.tensor([1]) * 1.5).dtype == mg.float64
        assert mg.finfo().bits == 64
        for module in (nn.Linear(1, 1), nn.Embedding(1, 1), nn.LayerNorm(1), nn.Conv1d(1, 1, 1), nn.BatchNorm1d(1)):
            assert {t.dtype for t in module.state_dict().values()} <= {mg.float64, mg.int64}
    finally:
        mg.set_default_dtype(mg.float32)
    assert mg.tensor(1.0).dtype == mg.float32
