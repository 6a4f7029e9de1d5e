"""PyTorch's rules for mixing dtypes: dimensions decide within a category, numbers and 0-d tensors do not."""

import numpy as np
import pytest

import minigrad as mg
import minigrad.nn.functional as F

FLOATS, INTEGERS = (mg.float32, mg.float64), (mg.uint8, mg.int32, mg.int64)


def vector(dtype):
    return mg.ones(3, dtype=dtype)


def scalar(dtype):
    return mg.ones((), dtype=dtype)


def test_targets_of_the_notes():
    done = mg.tensor(np.array([0, 1, 0]).astype(np.int32))
    reward = mg.tensor(np.array([1.0, 2.0, 3.0]).astype(np.float32))
    next_q = mg.ones(3)
    target = 0.98 * (1 - done) * next_q + reward
    assert (1 - done).dtype == mg.int32
    assert (0.98 * (1 - done)).dtype == mg.float32
    assert target.dtype == mg.float32
    np.testing.assert_allclose(target.numpy(), [1.98, 2.0, 3.98], rtol=1e-6)


@pytest.mark.parametrize("number", [2, 2.5, True, np.float64(2.5), np.float32(2.5), np.int64(2)], ids=repr)
@pytest.mark.parametrize("dtype", FLOATS)
def test_a_number_does_not_change_a_float(number, dtype):
    for x in (vector(dtype), scalar(dtype)):
        for y in (x + number, number + x, x * number, x - number, number - x, x / number, number / x, x**number):
            assert y.dtype == dtype


@pytest.mark.parametrize("dtype", INTEGERS)
def test_an_integer_stays_with_integers_and_becomes_the_default_float_with_fractions(dtype):
    x = vector(dtype)
    assert (x + 1).dtype == (1 + x).dtype == (x * True).dtype == (x // 2).dtype == (x % 2).dtype == dtype
    assert (x + 1.0).dtype == (x * 0.5).dtype == (x / 2).dtype == (2 / x).dtype == (x / x).dtype == mg.float32
    assert x.sqrt().dtype == x.exp().dtype == x.tanh().dtype == x.sigmoid().dtype == mg.float32
    assert (x + mg.ones(3)).dtype == mg.float32
    assert (x + mg.ones(3, dtype=mg.float64)).dtype == mg.float64
    assert x.sum().dtype == x.prod().dtype == x.cumsum(0).dtype == mg.int64
    assert x.max().dtype == x.abs().dtype == x.clamp(0, 1).dtype == dtype


def test_bools():
    mask = mg.tensor([True, False, True])
    assert (mask + mask).dtype == mg.bool
    assert (mask + 1).dtype == mg.int64
    assert (mask * 0.5).dtype == mg.float32
    assert (mask * vector(mg.int32)).dtype == mg.int32
    assert mask.sum().item() == 2
    assert (~mask).tolist() == [False, True, False]
    assert (mask & mg.tensor([True, True, False])).tolist() == [True, False, False]
    assert (mask | False).dtype == mg.bool


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (vector(mg.float32), scalar(mg.float64), mg.float32),
        (scalar(mg.float32), scalar(mg.float64), mg.float64),
        (vector(mg.float32), vector(mg.float64), mg.float64),
        (vector(mg.int64), scalar(mg.float64), mg.float64),
        (vector(mg.int32), scalar(mg.int64), mg.int32),
        (vector(mg.int32), vector(mg.int64), mg.int64),
        (vector(mg.uint8), vector(mg.int8), mg.int16),
        (vector(mg.bool), scalar(mg.uint8), mg.uint8),
        (vector(mg.int64), vector(mg.float32), mg.float32),
    ],
)
def test_tensors_with_dimensions_decide_within_a_category(a, b, expected):
    for f in (mg.add, mg.mul, mg.maximum):
        assert f(a, b).dtype == f(b, a).dtype == expected
    assert mg.where(mg.tensor(True), a, b).dtype == expected


def test_comparisons_are_bool_and_indices_int64():
    x = mg.tensor([[1.0, 3.0], [2.0, 0.0]])
    assert (x > 1).dtype == x.isnan().dtype == (x == x).dtype == x.all().dtype == mg.bool
    assert x.argmax().dtype == x.max(1).indices.dtype == F.one_hot(x.argmax(1), 2).dtype == mg.int64


def test_a_gradient_has_its_tensors_dtype():
    a = mg.ones(3, requires_grad=True)
    b = mg.ones(3, dtype=mg.float64, requires_grad=True)
    c = mg.ones((), dtype=mg.float64, requires_grad=True)
    (a * b * 3 + mg.tensor([1, 2, 3]) * a + 2**a + c * a).sum().backward()
    assert a.grad.dtype == mg.float32
    assert b.grad.dtype == c.grad.dtype == mg.float64


@pytest.mark.parametrize("dtype", FLOATS)
def test_a_losss_dtype_is_its_inputs(dtype):
    x = vector(dtype).requires_grad_()
    for loss in (F.mse_loss, F.l1_loss, F.huber_loss, F.smooth_l1_loss, F.binary_cross_entropy_with_logits):
        assert loss(x, mg.zeros(3, dtype=dtype)).dtype == dtype
        assert loss(x, mg.zeros(3, dtype=mg.int64)).dtype == dtype


def test_converting():
    x = mg.tensor([1.7, -1.7], requires_grad=True)
    assert x.long().tolist() == [1, -1]
    assert x.int().dtype == mg.int32
    assert x.bool().tolist() == [True, True]
    assert x.to(mg.float32) is x
    assert x.float() is x
    assert x.double().dtype == x.to(mg.zeros(1, dtype=mg.float64)).dtype == mg.float64
    assert x.type_as(mg.zeros(1, dtype=mg.float64)).dtype == mg.float64
    assert x.to("cpu", mg.float64).dtype == x.to(device="cpu", dtype="float64").dtype == mg.float64
    (x.double() ** 2).sum().backward()
    assert x.grad.dtype == mg.float32
    np.testing.assert_allclose(x.grad.numpy(), [3.4, -3.4], rtol=1e-6)
    assert not x.long().requires_grad
