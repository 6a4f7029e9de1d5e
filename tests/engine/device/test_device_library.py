"""Tensors and functions on a GPU, without one: on the double, with the CPU's numbers."""

from __future__ import annotations

import re
from pathlib import Path

import double
import numpy as np
import pytest
from on_device import assert_same, moved, numbers, on_double, same_on_both

import minigrad as mg
import minigrad.nn.functional as F
from minigrad.gradcheck import GradcheckError

T = mg.tensor
here, there = mg.device("cpu"), mg.device("cuda", 0)


# -- creation ---------------------------------------------------------------------------------------------

MAKERS = {
    "zeros": lambda **o: mg.zeros(2, 3, **o),
    "ones": lambda **o: mg.ones((2, 3), **o),
    "full": lambda **o: mg.full((2,), 7, **o),
    "eye": lambda **o: mg.eye(3, **o),
    "arange": lambda **o: mg.arange(1, 9, 2, **o),
    "linspace": lambda **o: mg.linspace(0, 1, 5, **o),
    "rand": lambda **o: mg.rand(3, 2, **o),
    "randn": lambda **o: mg.randn(3, 2, **o),
    "randint": lambda **o: mg.randint(0, 9, (5,), **o),
    "randperm": lambda **o: mg.randperm(7, **o),
    "tensor": lambda **o: T([[1, 2], [3, 4]], **o),
    "tensor of an array": lambda **o: T(np.arange(3.0), **o),
    "tensor of a tensor": lambda **o: T(T([1.0, 2.0]), **o),
    "as_tensor": lambda **o: mg.as_tensor([1.5, 2.5], **o),
    "zeros_like": lambda **o: mg.zeros_like(T([1.0]), **o),
    "full_like": lambda **o: mg.full_like(T([1.0]), 3, **o),
    "rand_like": lambda **o: mg.rand_like(T([1.0, 2.0]), **o),
}


@on_double
@pytest.mark.parametrize("name", MAKERS)
def test_making_tensors(name):
    mg.manual_seed(3)
    expected = MAKERS[name]()
    mg.manual_seed(3)
    made = MAKERS[name](device="cuda")
    assert made.device == there
    assert_same(made, expected, name)


@on_double
def test_like_follows_the_tensor():
    x = T([[1.0, 2.0]], device="cuda")
    for make in (mg.zeros_like, mg.ones_like, mg.empty_like, mg.rand_like, mg.randn_like, lambda x: mg.full_like(x, 2)):
        assert make(x).device == there
        assert make(x).shape == (1, 2)
    assert mg.zeros_like(x, device="cpu").device == here
    assert mg.tensor(x).device == mg.as_tensor(x).device == mg.Tensor(x).device == there
    assert mg.as_tensor(x, device="cpu").device == mg.as_tensor(x, mg.float64, "cpu").device == here
    assert mg.tensor([x.sum(), 2.0]).tolist() == [3.0, 2.0]
    assert mg.empty(2, 3, device="cuda").device == there
    assert mg.as_tensor(x.array).array is x.array


# -- two devices ------------------------------------------------------------------------------------------

MIXED = {  # an operation, perhaps with words on the case
    "add": lambda c, g: c + g,
    "multiply": lambda c, g: g * c,
    "matmul": lambda c, g: c @ g.T,
    "linear": lambda c, g: F.linear(g, c),
    "where": lambda c, g: mg.where(g > 0, c, g),
    "cat": lambda c, g: mg.cat([c, g]),
    "stack": lambda c, g: mg.stack([g, c]),
    "gather": lambda c, g: g.gather(1, mg.zeros(3, 1, dtype=mg.int64)),
    "index_select": lambda c, g: c.index_select(0, T([0], device="cuda")),
    "mse": lambda c, g: F.mse_loss(c, g),
    "nll": lambda c, g: F.nll_loss(g, T([0, 1, 2])),
    "maximum": lambda c, g: mg.maximum(c, g),
    "less": lambda c, g: c < g,
    "add, 0-d": lambda c, g: g + T(1.0),
    "index": lambda c, g: c[T([0], device="cuda")],
    "index, in a tuple": lambda c, g: c[:, T([0], device="cuda")],
    "add, an array": lambda c, g: g + np.ones((3, 4), np.float32),
    "add, an array first": lambda c, g: np.ones((3, 4), np.float32) + g,
    "linear, bias": lambda c, g: F.linear(g, mg.zeros(2, 4, device="cuda"), mg.zeros(2)),
}


@on_double
@pytest.mark.parametrize("name", MIXED)
def test_tensors_on_two_devices_are_refused_by_name(name):
    c = T(numbers(3, 4), requires_grad=True)
    operation = name.split(",")[0]
    with pytest.raises(
        RuntimeError, match=rf"^{operation}: .*two devices, (cpu and cuda:0|cuda:0 and cpu);.*\.to\(device\)"
    ):
        MIXED[name](c, c.detach().to("cuda"))


@on_double
def test_gradients_stay_beside_their_tensors():
    x = T([1.0, 2.0], device="cuda", requires_grad=True)
    with pytest.raises(RuntimeError, match=r"gradient is on cpu.*cuda:0"):
        (x * 2).backward(T([1.0, 1.0]))
    with pytest.raises(RuntimeError, match=r"cuda:0.*cpu"):
        x.grad = T([1.0, 1.0])
    x.grad = T([1.0, 1.0], device="cuda")
    (x * 2).sum().backward()
    (x * 2).sum().backward(create_graph=True)
    assert x.grad.tolist() == [5.0, 5.0]
    x.data = T([7.0, 8.0])
    assert x.device == here


# -- reading and writing elements -------------------------------------------------------------------------

KEYS = {
    "int": 1,
    "ints": (1, -2),
    "slice": (slice(None, None, 2), None, slice(1, 3)),
    "a slice backwards": (slice(None), slice(None, None, -1)),
    "ellipsis": (..., -1),
    "list": [0, 2, -1],
    "empty list": [],
    "bools": [True, False, True],
    "an array": np.array([1, 0, 1]),
    "a mask": numbers(3, 4) > 0,
    "a mask of columns": (slice(None), np.array([True, False, True, True])),
    "a tensor of the CPU": T([2, 0]),
    "two tensors": (T([2, 0]), T([1, 3])),
    "two masks": (T([True, False, True]), T([True, False, False, True])),
    "a mask and a list": (T([True, False, True]), [2, 0]),
    "an int and a list": (0, [2, 0]),
    "an int, a slice and a list": (slice(None), 1, None),
    "a list after None": (0, None, [2, 0]),
    "range": range(2),
    "0-d": T(1),
}


@on_double
@pytest.mark.parametrize("name", KEYS)
def test_elements(name):
    key, x = KEYS[name], numbers(3, 4)
    c, g = T(x, requires_grad=True), T(x, device="cuda", requires_grad=True)
    for k in (key, moved(key) if not isinstance(key, np.ndarray) else T(key, device="cuda")):
        assert_same(g[k], c[key], name)
        (g[k] * g[k]).sum().backward()
        (c[key] * c[key]).sum().backward()
        assert_same(g.grad, c.grad, name)
        for value in (2.5, T(2.5)):
            before_c, before_g = c * 1, g * 1
            before_c[key], before_g[k] = value, value
            assert_same(before_g, before_c, name)
            with mg.no_grad():
                plain_c, plain_g = c.clone(), g.clone()
                plain_c[key], plain_g[k] = value, value
            assert_same(plain_g, plain_c, name)


@on_double
@pytest.mark.parametrize(
    "pick",
    [
        lambda x: x[[0, 3]],
        lambda x: x[T([0, -4])],
        lambda x: x[T([0, 3], device="cuda")],
        lambda x: x[:, T([4], device="cuda")],
        lambda x: x[..., np.array([0, 4])],
        lambda x: x[None, [3]],
        lambda x: x[3],
        lambda x: x.__setitem__([3], 1.0),
        lambda x: x.__setitem__((slice(None), T([4], device="cuda")), 1.0),
        lambda x: x.gather(1, T([[4], [0], [0]], device="cuda")),
        lambda x: x.gather(1, T([[-1], [0], [0]], device="cuda")),
        lambda x: x.index_select(0, T([3], device="cuda")),
        lambda x: x.scatter_add(1, T([[4]], device="cuda"), mg.ones(1, 1, device="cuda")),
        lambda x: F.nll_loss(x, T([0, 4, 1], device="cuda")),
        lambda x: F.cross_entropy(x, T([0, -1, 1], device="cuda")),
        lambda x: F.one_hot(T([0, 3], device="cuda"), 3),
    ],
)
def test_an_index_out_of_range_is_an_error_though_cupy_would_wrap_it(pick):
    with pytest.raises(IndexError, match=r"out of (range|bounds)"):
        pick(T(numbers(3, 4), device="cuda"))


@on_double
def test_values_of_the_host_can_be_written():
    x = mg.zeros(2, 3, device="cuda")
    x[0] = np.array([1.0, 2.0, 3.0])
    x[1] = [4.0, 5.0, 6.0]
    x[:, 0] = T([7.0, 8.0])
    x.data[1, 1] = 9
    assert x.tolist() == [[7.0, 2.0, 3.0], [8.0, 9.0, 6.0]]
    y = mg.zeros(2, 3)
    y.copy_(x)
    assert (y.device, y.tolist()) == (here, x.tolist())
    x.copy_(y * 2)
    assert (x.device, x[1].tolist()) == (there, [16.0, 18.0, 12.0])
    with pytest.raises(RuntimeError, match=r"shape \(2,\)"):
        x[0] = [1.0, 2.0]


# -- methods and functions --------------------------------------------------------------------------------

CALLS = {
    "arithmetic": lambda x, y: [x + y, x - 2, 3 * x, x / y, x // y, x % 2, -x, abs(x), x**2, 2**x, 1 - x, 1 / y],
    "comparisons": lambda x, y: [x < y, x <= 1, x == y, x != y, x > 0, (x > 0) & (y > 0), ~(x > 0), (x > 0) | (y > 0)],
    "in place": lambda x, y: [(x * 1).add_(y).mul_(2).sub_(1).div_(y).clamp_(-1, 1).neg_(), (x * 1).zero_().fill_(3.0)],
    "fills": lambda x, y: [(x * 1).masked_fill_(x > 0, 2.0), x.masked_fill(x > 0, -mg.inf)],
    "sums": lambda x, y: [x.sum(), x.sum(1), x.sum((0, 1), keepdim=True), x.mean(), x.mean(0), x.var(), x.std(1)],
    "extremes": lambda x, y: [x.max(), x.min(), *x.max(1), *x.min(0, keepdim=True), x.amax(1), x.amin((0, 1))],
    "arguments": lambda x, y: [
        x.argmax(),
        x.argmin(),
        x.argmax(1),
        x.argmin(0, keepdim=True),
        mg.max(x, y),
        mg.min(x, y),
    ],
    "more reductions": lambda x, y: [
        x.prod(1),
        x.prod(),
        x.logsumexp(1),
        x.norm(),
        x.norm(dim=1),
        x.norm(1),
        x.cumsum(0),
    ],
    "norms": lambda x, y: [x.norm(mg.inf), x.norm(3), x.norm(0)],
    "truth": lambda x, y: [(x > 0).all(), (x > 0).any(1), bool((x > -99).all()), x.isnan().any().item()],
    "shapes": lambda x, y: [x.T, x.reshape(-1), x.view(4, 3), x.unsqueeze(0).squeeze(), x.permute(1, 0), x.flatten()],
    "more shapes": lambda x, y: [x.flip(0), x.roll(1, 0), x.repeat(2, 1), x[:1].expand(3, 4), x.t(), x.transpose(0, 1)],
    "pieces": lambda x, y: [
        *x.split(2),
        *x.chunk(2, 1),
        *x.unbind(),
        x.narrow(1, 1, 2),
        mg.cat([x, y]),
        mg.stack([x, y], 1),
    ],
    "matrices": lambda x, y: [x @ y.T, mg.matmul(x, y[0]), x[0] @ y[0]],
    "choices": lambda x, y: [
        mg.where(x > 0, x, y),
        mg.where(x > 0, 1.0, y),
        mg.where(x > 0, 1.0, 0.0),
        *mg.where(x > 0),
    ],
    "picking": lambda x, y: [x.masked_select(x > 0), x.gather(1, x.argmax(1, keepdim=True)), x[x > 0]],
    "scattering": lambda x, y: [
        x.scatter_add(1, y.argmax(1, keepdim=True).repeat(1, 2), y),
        x.index_select(1, y.argmax(1)),
    ],
    "functions": lambda x, y: [
        x.exp(),
        y.log(),
        x.tanh(),
        x.sigmoid(),
        x.relu(),
        y.sqrt(),
        x.square(),
        x.round(),
        x.sign(),
    ],
    "clamps": lambda x, y: [x.clamp(-1, 1), x.clamp(min=0), x.clamp(max=y), x.lerp(y, 0.3), x.floor(), x.ceil()],
    "conversions": lambda x, y: [
        x.double(),
        x.long(),
        (x > 0).float(),
        x.int(),
        x.bool(),
        x.to(mg.float64),
        x.contiguous(),
    ],
    "divisions": lambda x, y: [mg.div(x, y, rounding_mode="trunc"), mg.div(x, y, rounding_mode="floor")],
    "integers": lambda x, y: [x.long() + 1, x.long() / 2, x.long() // 2, mg.div(x.long(), 2, rounding_mode="trunc")],
    "activations": lambda x, y: [F.softmax(x, 1), F.log_softmax(x, -1), F.softplus(x), F.elu(x), F.leaky_relu(x)],
    "more activations": lambda x, y: [F.logsigmoid(x), x.softmax(0), x.log_softmax(1)],
    "agreement": lambda x, y: [mg.equal(x, x), mg.equal(x, y), mg.allclose(x, x), mg.isclose(x, y)],
    "losses": lambda x, y: [F.mse_loss(x, y), F.l1_loss(x, y), F.huber_loss(x, y), F.smooth_l1_loss(x, y, beta=0.5)],
    "classes": lambda x, y: [
        F.cross_entropy(x, y.argmax(1)),
        F.nll_loss(F.log_softmax(x, 1), y.argmax(1), y[0].detach()),
    ],
    "soft classes": lambda x, y: [
        F.cross_entropy(x, F.softmax(y, 1)),
        F.cross_entropy(x, y.argmax(1), label_smoothing=0.1),
        F.cross_entropy(x, y.argmax(1), y[0].detach(), label_smoothing=0.1),
        F.cross_entropy(x, y.argmax(1), ignore_index=1, reduction="none"),
    ],
    "yes or no": lambda x, y: [
        F.binary_cross_entropy_with_logits(x, y.sigmoid().detach()),
        F.binary_cross_entropy_with_logits(x, (y > 1).float(), pos_weight=y[0].detach(), weight=y.detach()),
    ],
    "one_hot": lambda x, y: [F.one_hot(x.argmax(1), 4), F.one_hot(x.argmax(1))],
    "sorting": lambda x, y: [*mg.sort(x), *mg.topk(x, 2), mg.argsort(y, 0), *mg.kthvalue(x, 2), *mg.median(x, 1)],
    "more sorting": lambda x, y: [
        *mg.sort(x, 0, descending=True),
        mg.unique(x.sign()),
        mg.median(x),
        mg.nonzero(x > 0),
    ],
    "counting": lambda x, y: [mg.bincount(x.argmax(1)), mg.count_nonzero(x > 0), mg.searchsorted(y[0].sort()[0], x)],
    "products": lambda x, y: [mg.mm(x, y.T), mg.dot(x[0], y[0]), mg.mv(x, y[0]), mg.outer(x[0], y[0]), mg.trace(x)],
    "more products": lambda x, y: [
        mg.einsum("ij,kj->ik", x, y),
        mg.einsum("ij->j", x),
        mg.einsum("ii", x @ y.T),
        mg.einsum("bij,bjk->bik", x.reshape(2, 2, 3), y.reshape(2, 3, 2)),
        mg.bmm(x.reshape(2, 2, 3), y.reshape(2, 3, 2)),
        mg.addmm(x[:, :3], x, y.T),
    ],
    "diagonals": lambda x, y: [
        mg.diag(x),
        mg.diag(y[0]),
        mg.diagonal(x, 1),
        mg.diag_embed(x),
        mg.tril(x),
        mg.triu(x, 1),
    ],
    "placing": lambda x, y: [
        mg.scatter(x, 1, x.argmax(1, keepdim=True), y),
        mg.scatter(x, 1, x.argmax(1, keepdim=True), 2.0),
        mg.scatter(x, 1, x.argmax(1, keepdim=True).repeat(1, 2), y, reduce="multiply"),
        mg.index_add(x, 0, y.argmax(1) % 3, y),
        mg.index_copy(x, 0, y.argmax(1)[:1] % 3, y[:1]),
        mg.index_fill(x, 0, y.argmax(1)[:1] % 3, 2.0),
        mg.masked_scatter(x, x > 0, y),
    ],
    "taking": lambda x, y: [
        mg.take(x, x.argmax(1)),
        mg.take_along_dim(x, x.argmax(1, keepdim=True), 1),
        mg.repeat_interleave(x, 2, 0),
        mg.select(x, 1, 2),
    ],
    "stacks": lambda x, y: [
        mg.hstack([x, y]),
        mg.vstack([x, y]),
        *mg.meshgrid(x[0], y[0], indexing="ij"),
        mg.tile(x, (2, 1)),
    ],
    "moments": lambda x, y: [*mg.std_mean(x, 1), *mg.var_mean(x), mg.cumprod(x, 1), mg.nan_to_num(x), mg.frac(x)],
    "combinations": lambda x, y: [mg.addcmul(x, x, y), mg.addcdiv(x, x, y), mg.clamp_min(x, 0.1), mg.clamp_max(x, y)],
    "special functions": lambda x, y: [
        mg.erf(x),
        mg.erfc(x),
        mg.erfinv(x.tanh()),
        mg.sin(x),
        mg.cos(x),
        mg.atan2(x, y),
    ],
    "logarithms": lambda x, y: [mg.log2(y), mg.log10(y), mg.log1p(y), mg.expm1(x), mg.logaddexp(x, y), mg.rsqrt(y)],
    "NumPy's functions": lambda x, y: [np.tanh(x), np.exp(x), np.maximum(x, y), np.where(x > 0, x, y), np.sum(x)],
    "hooks": lambda x, y: [x.register_hook(lambda g: g * 2) and x * y],
    "version": lambda x, y: [x.detach() * 2, x.data * 2, x.clone()],
}


@on_double
@pytest.mark.parametrize("name", CALLS)
def test_methods_and_functions(name):
    same_on_both(CALLS[name], numbers(3, 4), np.abs(numbers(3, 4, seed=1)) + 0.5, what=name)


@on_double
def test_random_choices_are_the_hosts():
    p = np.array([[0.2, 0.3, 0.5], [0.0, 0.9, 0.1]], np.float32)
    draws = {
        "bernoulli": lambda p: p.bernoulli(),
        "multinomial": lambda p: p.multinomial(5, replacement=True),
        "multinomial without": lambda p: p.multinomial(2),
        "dropout": lambda p: F.dropout(p, 0.5),
        "normal": lambda p: mg.normal(p, p),
        "bernoulli_": lambda p: mg.zeros_like(p).bernoulli_(0.5),
        "uniform_": lambda p: mg.zeros_like(p).uniform_(-1, 1),
        "normal_": lambda p: mg.zeros_like(p).normal_(1, 2),
    }
    for name, draw in draws.items():
        mg.manual_seed(5)
        expected = draw(T(p))
        mg.manual_seed(5)
        assert_same(draw(T(p, device="cuda")), expected, name)
    with pytest.raises(RuntimeError, match="probabilities"):
        T([1.5], device="cuda").bernoulli()


@on_double
def test_gradcheck_on_the_device():
    x = T(numbers(3, 4).astype(np.float64), device="cuda", requires_grad=True)
    assert mg.gradcheck(lambda x: (x.tanh() @ x.T).softmax(1), x)
    assert mg.gradcheck(lambda x: x.exp(), x, fast_mode=True)
    assert mg.gradgradcheck(lambda x: x.sigmoid() * x, x)
    with pytest.raises(GradcheckError, match="wrong"):
        mg.gradcheck(lambda x: x * x.detach(), x)


@on_double
def test_anomalies_are_found_on_the_device():
    x = T([1.0, 0.0], device="cuda", requires_grad=True)
    with np.errstate(divide="ignore"), mg.autograd.detect_anomaly(), pytest.raises(RuntimeError, match="'log'"):
        x.log()


# -- the page ---------------------------------------------------------------------------------------------


@on_double
def test_the_listings_of_the_page_run():
    page = (Path(__file__).parents[3] / "docs" / "gpu.md").read_text()
    listings = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len(listings) == 2
    names = {"x": double.array(numbers(3)), "n": 3}
    for listing in listings:
        exec(listing, names)
    assert names["device"].type == "cuda"
    assert names["net"][0].weight.grad.device == names["states"].device == there
    assert_same(names["positions"], np.arange(3), "positions")
