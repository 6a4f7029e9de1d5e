"""What a Tensor is: its attributes, printing, conversions, shapes, reductions and products, by hand-computed values."""

import copy
import pickle

import double
import numpy as np
import pytest

import minigrad as mg
import minigrad.nn.functional as F

T = mg.tensor
A = np.arange(24.0).reshape(2, 3, 4)


# -- what it is -------------------------------------------------------------------------------------------


def test_attributes():
    x = mg.zeros(2, 3)
    assert (x.shape, x.size(), x.size(1), x.size(-1)) == ((2, 3), (2, 3), 3, 3)
    assert (x.ndim, x.dim(), x.numel(), x.element_size(), len(x)) == (2, 2, 6, 4, 2)
    assert x.is_floating_point()
    assert not x.long().is_floating_point()
    assert x.is_contiguous()
    assert not x.t().is_contiguous()
    assert x.device.type == "cpu"
    assert x.device == mg.device("cpu")
    assert mg.is_tensor(x)
    assert not mg.is_tensor(A)


def test_a_name_that_is_not_there_is_an_attribute_error():
    for name in ("sparse_resize_", "to_mkldnn", "cheeky"):
        assert not hasattr(mg.Tensor, name)
        with pytest.raises(AttributeError, match=name):
            getattr(mg.ones(1), name)
        with pytest.raises(AttributeError, match=name):
            getattr(mg, name)


def test_every_public_name_is_there_and_documented():
    for name in dir(mg.Tensor):
        if not name.startswith("_") and callable(getattr(mg.Tensor, name)):
            getattr(mg.ones(1), name)


def test_python_numbers():
    assert (T(2.5).item(), T([[3]]).item(), T(True).item()) == (2.5, 3, True)
    assert type(T(2.5).item()) is float
    assert (float(T([1.5])), int(T(3.9)), bool(T([0.0]))) == (1.5, 3, False)
    assert [10, 20, 30][T(1)] == 20
    assert list(range(T(3))) == [0, 1, 2]
    assert T([[1, 2], [3, 4]]).tolist() == [[1, 2], [3, 4]]
    assert T(5).tolist() == 5
    assert sum([T(1.0), T(2.0)]).item() == 3
    assert max(T([1.0, 3.0, 2.0])).item() == 3


def test_comparing_with_none_and_strings():
    x = T([1.0])
    assert (x == None) is False  # noqa: E711
    assert (x != None) is True  # noqa: E711
    assert (x == "a") is False
    assert x not in [None, "a"]
    assert (x == 1.0).tolist() == [True]


def test_tensors_are_hashed_by_identity():
    a, b = T([1.0]), T([1.0])
    assert len({a, b, a}) == 2
    assert {a: 1}[a] == 1


def test_numpy_shares_memory_and_comes_back():
    x = mg.zeros(3)
    x.numpy()[0] = 5
    assert x.tolist() == [5, 0, 0]
    assert np.asarray(x) is x.array
    assert np.array(x) is not x.array
    assert np.asarray(x, dtype=np.float64).dtype == np.float64
    assert (np.ones(3) * T([1.0, 2.0, 3.0])).tolist() == [1, 2, 3]
    assert isinstance(np.float32(2) * x, mg.Tensor)
    rng = np.random.default_rng(0)
    assert rng.choice(2, p=F.softmax(T([0.0, 800.0]), 0).numpy()) == 1


def test_to_numpy_takes_what_has_a_gradient_too():
    x = mg.tensor([1.0, 2.0], requires_grad=True)
    assert type(mg.to_numpy(x)) is np.ndarray
    assert mg.to_numpy(x).tolist() == [1, 2]
    assert mg.to_numpy(2 * x).tolist() == [2, 4]
    assert np.shares_memory(mg.to_numpy(x), x.detach().numpy())
    assert mg.to_numpy(A) is A
    with double.installed():
        assert type(mg.to_numpy(x.cuda())) is np.ndarray
        assert mg.to_numpy(x.cuda()).tolist() == [1, 2]


def test_numpy_functions_with_a_derivative_record():
    x = T([1.0, 2.0], requires_grad=True)
    np.sum(np.exp(x) * np.where(x > 1, x, 0.0)).backward()
    np.testing.assert_allclose(x.grad.numpy(), [0, np.e**2 * 3], rtol=1e-6)
    stacked = np.stack([x, x])
    assert isinstance(stacked, mg.Tensor)
    assert stacked.requires_grad


def test_copies():
    x = T([1.0, 2.0], requires_grad=True)
    (x * x).sum().backward()
    deep = copy.deepcopy(x)
    assert (deep.tolist(), deep.grad.tolist(), deep.requires_grad) == ([1, 2], [2, 4], True)
    with mg.no_grad():
        deep += 1
    deep.grad.zero_()
    assert x.tolist() == [1, 2]
    assert x.grad.tolist() == [2, 4]
    sent = pickle.loads(pickle.dumps(x))
    assert sent.tolist() == [1, 2]
    assert sent.requires_grad
    clone = x.clone()
    assert clone.requires_grad
    assert not clone.is_leaf
    assert not np.shares_memory(clone.array, x.array)


def test_switching_requires_grad():
    x = mg.ones(2)
    assert not (x * 2).requires_grad
    assert x.requires_grad_() is x
    assert (x * 2).requires_grad
    x.requires_grad = False
    assert not (x * 2).requires_grad
    y = (x.requires_grad_() * 2).detach().requires_grad_()
    assert y.is_leaf


# -- shapes -----------------------------------------------------------------------------------------------

SHAPES = {
    "reshape": (lambda x: x.reshape(4, -1), lambda a: a.reshape(4, 6)),
    "reshape of a tuple": (lambda x: x.reshape((6, 4)), lambda a: a.reshape(6, 4)),
    "view": (lambda x: x.view(-1, 1), lambda a: a.reshape(-1, 1)),
    "flatten": (lambda x: x.flatten(1), lambda a: a.reshape(2, 12)),
    "flatten the first two": (lambda x: x.flatten(0, 1), lambda a: a.reshape(6, 4)),
    "unsqueeze": (lambda x: x.unsqueeze(-1), lambda a: a[..., None]),
    "squeeze": (lambda x: x[:1].unsqueeze(-1).squeeze(), lambda a: a[0]),
    "squeeze one": (lambda x: x[:1, :1].squeeze(1), lambda a: a[:1, 0]),
    "transpose": (lambda x: x.transpose(0, -1), lambda a: a.swapaxes(0, 2)),
    "permute": (lambda x: x.permute(2, 0, 1), lambda a: a.transpose(2, 0, 1)),
    "T": (lambda x: x.T, lambda a: a.T),
    "mT": (lambda x: x.mT, lambda a: a.swapaxes(1, 2)),
    "t": (lambda x: x[0].t(), lambda a: a[0].T),
    "expand": (lambda x: x[:, :1].expand(-1, 5, -1), lambda a: np.broadcast_to(a[:, :1], (2, 5, 4))),
    "expand in front": (lambda x: x.expand(3, 2, 3, 4), lambda a: np.broadcast_to(a, (3, 2, 3, 4))),
    "repeat": (lambda x: x.repeat(2, 1, 3), lambda a: np.tile(a, (2, 1, 3))),
    "flip": (lambda x: x.flip(0, 2), lambda a: a[::-1, :, ::-1]),
    "roll": (lambda x: x.roll((1, -1), (1, 2)), lambda a: np.roll(a, (1, -1), (1, 2))),
    "roll of everything": (lambda x: x.roll(5), lambda a: np.roll(a, 5)),
    "narrow": (lambda x: x.narrow(2, 1, 2), lambda a: a[:, :, 1:3]),
    "split": (lambda x: x.split([1, 2], 1)[1], lambda a: a[:, 1:]),
    "split evenly": (lambda x: x.split(3, 2)[1], lambda a: a[:, :, 3:]),
    "chunk": (lambda x: x.chunk(2, -1)[1], lambda a: a[..., 2:]),
    "unbind": (lambda x: x.unbind(1)[2], lambda a: a[:, 2]),
    "cat": (lambda x: mg.cat([x, 2 * x], 1), lambda a: np.concatenate([a, 2 * a], 1)),
    "stack": (lambda x: mg.stack([x, 3 * x], -1), lambda a: np.stack([a, 3 * a], -1)),
    "index_select": (lambda x: x.index_select(2, T([3, 0, 0])), lambda a: a[:, :, [3, 0, 0]]),
    "masked_select": (lambda x: x.masked_select(x > 7), lambda a: a[a > 7]),
    "contiguous": (lambda x: x.t().contiguous() if x.ndim == 2 else x.contiguous(), lambda a: a),
}


@pytest.mark.parametrize(("ours", "numpys"), SHAPES.values(), ids=SHAPES.keys())
def test_shapes(ours, numpys):
    x = T(A, requires_grad=True)
    y = ours(x)
    expected = numpys(A)
    np.testing.assert_array_equal(y.detach().numpy(), expected)
    # A linear map: its gradient is the adjoint, which the pairing <w, f(e)> = <f*(w), e> determines.
    weights = np.cos(np.arange(expected.size)).reshape(expected.shape)
    (y * T(weights)).sum().backward()
    e = np.sin(np.arange(24.0)).reshape(A.shape)
    np.testing.assert_allclose((x.grad.numpy() * A).sum(), (weights * expected).sum(), rtol=1e-12)
    if "masked" not in ours.__code__.co_names[-1]:
        np.testing.assert_allclose((x.grad.numpy() * e).sum(), (weights * numpys(e)).sum(), rtol=1e-11, atol=1e-12)


def test_views_share_memory():
    x = T(A)
    for y in (x.view(-1), x.t() if x.ndim == 2 else x.T, x[0], x.unsqueeze(0), x.narrow(0, 1, 1), x.expand(3, 2, 3, 4)):
        assert np.shares_memory(x.array, y.array)
    assert not np.shares_memory(x.array, x.repeat(1, 1, 1).array)
    assert x.contiguous() is x


# -- reductions -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dim", [None, 0, -1, (0, 2), [1]])
@pytest.mark.parametrize("keepdim", [False, True])
def test_reductions(dim, keepdim):
    x, axis = T(A), tuple(dim) if isinstance(dim, list) else dim
    for name, numpys in (
        ("sum", np.sum),
        ("mean", np.mean),
        ("amax", np.max),
        ("amin", np.min),
        ("all", np.all),
        ("any", np.any),
    ):
        expected = numpys(A, axis=axis, keepdims=keepdim)
        for y in (
            getattr(x, name)(dim=dim, keepdim=keepdim),
            getattr(x, name)(axis=dim, keepdims=keepdim),
            getattr(mg, name)(x, dim, keepdim),
        ):
            np.testing.assert_array_equal(y.numpy(), expected)
    for correction in (0, 1):
        expected = np.var(A, axis=axis, keepdims=keepdim, ddof=correction)
        np.testing.assert_allclose(x.var(dim, correction=correction, keepdim=keepdim).numpy(), expected, rtol=1e-12)
        np.testing.assert_allclose(x.std(dim, bool(correction), keepdim).numpy(), np.sqrt(expected), rtol=1e-12)


def test_max_along_a_dimension_returns_values_and_indices():
    x = T([[1.0, 5.0, 2.0], [7.0, 0.0, 7.0]])
    for result in (x.max(1), x.max(dim=1), x.max(axis=1), mg.max(x, -1)):
        assert result[0].tolist() == result.values.tolist() == [5, 7]
        assert result[1].tolist() == result.indices.tolist() == [1, 0]
    values, indices = x.min(0, keepdim=True)
    assert values.tolist() == [[1, 0, 2]]
    assert indices.tolist() == [[0, 1, 0]]
    assert x.max().item() == 7
    assert x.max(1)[0].view(-1, 1).tolist() == [[5], [7]]
    assert mg.max(x, T(2.0)).tolist() == [[2, 5, 2], [7, 2, 7]]
    assert (x.argmax().item(), x.argmin().item(), x.argmax(1).tolist()) == (3, 4, [1, 0])


def test_norms():
    x = T([[3.0, -4.0], [0.0, 5.0]], dtype=mg.float64)
    assert x.norm().item() == pytest.approx(50**0.5)
    assert x.norm(dim=1).tolist() == [5, 5]
    assert x.norm(1).item() == 12
    assert x.norm(float("inf")).item() == 5
    assert x.norm(-float("inf")).item() == 0
    assert x.norm(0).item() == 3
    assert x.norm(3, 1).tolist() == pytest.approx([(27 + 64) ** (1 / 3), 5])


def test_products_sums_and_logsumexp():
    x = T([1.0, 2.0, 3.0])
    assert x.prod().item() == 6
    assert x.cumsum(0).tolist() == [1, 3, 6]
    assert T([1000.0, 1000.0]).logsumexp(0).item() == pytest.approx(1000 + np.log(2))
    assert T([-np.inf, -np.inf]).logsumexp(0).item() == -np.inf
    assert mg.zeros(0).sum().item() == 0
    assert mg.zeros(0).prod().item() == 1
    assert mg.zeros(0).logsumexp(0).item() == -np.inf


# -- products of matrices ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ((3,), (3,)),
        ((2, 3), (3,)),
        ((3,), (3, 4)),
        ((2, 3), (3, 4)),
        ((5, 2, 3), (3, 4)),
        ((2, 3), (5, 3, 4)),
        ((5, 1, 2, 3), (6, 3, 4)),
    ],
)
def test_matmul_in_all_its_shapes(a, b):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal(a), rng.standard_normal(b)
    for z in (T(x) @ T(y), mg.matmul(T(x), T(y)), T(x).matmul(T(y))):
        np.testing.assert_allclose(z.numpy(), x @ y, rtol=1e-12)


def test_linear_is_x_times_w_transposed_plus_b():
    rng = np.random.default_rng(0)
    x, w, b = rng.standard_normal((5, 3)), rng.standard_normal((2, 3)), rng.standard_normal(2)
    np.testing.assert_allclose(F.linear(T(x), T(w), T(b)).numpy(), x @ w.T + b, rtol=1e-12)
    np.testing.assert_allclose(F.linear(T(x), T(w)).numpy(), x @ w.T, rtol=1e-12)


# -- losses -----------------------------------------------------------------------------------------------


def test_losses_by_hand():
    x, y = T([0.0, 2.0, -3.0]), T([0.5, 0.0, 0.0])
    assert F.mse_loss(x, y).item() == pytest.approx((0.25 + 4 + 9) / 3)
    assert F.l1_loss(x, y, reduction="sum").item() == 5.5
    assert F.smooth_l1_loss(x, y, reduction="none").tolist() == [0.125, 1.5, 2.5]
    assert F.huber_loss(x, y, "none", 2.0).tolist() == [0.125, 2, 4]
    assert F.smooth_l1_loss(x, y, "none", 2.0).tolist() == [0.0625, 1, 2]
    p = 1 / (1 + np.exp([0.0, -2.0, 3.0]))
    expected = -(y.numpy() * np.log(p) + (1 - y.numpy()) * np.log(1 - p))
    np.testing.assert_allclose(F.binary_cross_entropy_with_logits(x, y, reduction="none").numpy(), expected, rtol=1e-5)
    assert F.binary_cross_entropy_with_logits(T([900.0, -900.0]), T([1.0, 0.0])).item() == 0


def test_cross_entropy_ignores_a_class_and_takes_probabilities():
    logits = T([[0.0, np.log(3.0)], [0.0, 0.0], [5.0, -5.0]])
    each = F.cross_entropy(logits, T([1, 0, 0]), reduction="none")
    np.testing.assert_allclose(each.numpy(), [np.log(4 / 3), np.log(2), np.log1p(np.exp(-10))], rtol=1e-6, atol=1e-6)
    ignored = F.cross_entropy(logits, T([1, 0, -100]))
    assert ignored.item() == pytest.approx((np.log(4 / 3) + np.log(2)) / 2, rel=1e-6)
    soft = F.cross_entropy(logits[:1], T([[0.5, 0.5]]))
    assert soft.item() == pytest.approx(0.5 * np.log(4) + 0.5 * np.log(4 / 3), rel=1e-6)


def test_one_hot():
    assert F.one_hot(T([2, 0]), 3).tolist() == [[0, 0, 1], [1, 0, 0]]
    assert F.one_hot(T([[1], [0]])).shape == (2, 1, 2)
