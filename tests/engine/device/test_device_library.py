"""The library on a GPU, without one: tensors, networks, optimizers and files on the double, with the CPU's numbers."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import double
import numpy as np
import pytest
from on_device import assert_same, moved, staying

import minigrad as mg
import minigrad.nn.functional as F
from minigrad import distributions, nn, optim
from minigrad.core.tensor import Tensor
from minigrad.gradcheck import GradcheckError

T = mg.tensor
here, there = mg.device("cpu"), mg.device("cuda", 0)
on_double = pytest.mark.usefixtures("cupy")


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    """Standard normal numbers, float32."""
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def same_on_both(compute: Any, *inputs: Any, what: str = "") -> None:
    """`compute(*inputs)` and the gradients of its floating results, on the CPU and on the double."""
    results = []
    for place in (lambda x: x, moved):
        arguments = [
            x if not isinstance(x, np.ndarray) else place(T(x)).requires_grad_(x.dtype.kind == "f") for x in inputs
        ]
        before = len(double.crossings)
        y = compute(*arguments)
        outputs = [v for v in (y if isinstance(y, list | tuple) else [y]) if isinstance(v, Tensor)]
        for v in outputs:
            if v.requires_grad:
                v.backward(mg.ones_like(v), retain_graph=True)
        assert double.crossings[before:] == [], f"{what}: arrays crossed between host and device"
        results.append((y, [x.grad for x in arguments if isinstance(x, Tensor) and x.grad is not None]))
    (expected, gradients), (actual, actual_gradients) = results
    assert_same(actual, expected, what)
    assert_same(actual_gradients, gradients, f"{what}, gradients")


# -- without a GPU ----------------------------------------------------------------------------------------


def test_without_cupy_asking_for_a_gpu_says_what_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    for ask in (lambda: mg.zeros(3, device="cuda"), lambda: T(1.0).to("cuda:0"), T(1.0).cuda, mg.cuda.synchronize):
        with pytest.raises(RuntimeError) as raised:
            ask()
        for told in ("cupy", "cupy-cuda12x", "cupy-cuda13x", "minigrad[cuda12]", "minigrad[cuda13]", "device='cpu'"):
            assert told in str(raised.value)
    assert not mg.cuda.is_available()
    assert mg.cuda.device_count() == 0
    assert T([1.0]).to("cpu").tolist() == [1.0]


def test_without_a_gpu_the_error_gives_the_drivers_answer():
    with double.installed(available=False):
        with pytest.raises(RuntimeError, match=r"cudaErrorInsufficientDriver.*nvidia-smi.*CUDA_VISIBLE_DEVICES"):
            mg.zeros(3, device="cuda")
        assert not mg.cuda.is_available()
        assert mg.cuda.device_count() == 0


def test_nothing_imports_cupy():
    program = """
import sys
import minigrad as mg, minigrad.nn as nn, minigrad.optim as optim, minigrad.distributions, minigrad.gradcheck
net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
loss = nn.functional.mse_loss(net(mg.randn(5, 3)).gather(1, mg.zeros(5, 1, dtype=mg.int64)), mg.zeros(5, 1))
loss.backward()
optim.Adam(net.parameters()).step()
net.to("cpu"), str(loss), loss.item(), mg.device("cuda"), mg.device("cuda:0")
assert "cupy" not in sys.modules and "cupyx" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)


# -- devices ----------------------------------------------------------------------------------------------


def test_a_device_is_a_value():
    assert mg.device("cuda:0") == mg.device("cuda", 0) == mg.device(mg.device("cuda:0"))
    assert mg.device("cuda") != mg.device("cpu")
    assert (str(mg.device("cuda:1")), str(mg.device("cpu"))) == ("cuda:1", "cpu")
    assert (mg.device("cuda:1").type, mg.device("cuda:1").index) == ("cuda", 1)
    for bad in ("tpu", "cuda:x", "cuda:"):
        with pytest.raises(RuntimeError, match="expected 'cpu'"):
            mg.device(bad)


@on_double
def test_one_gpu_a_process():
    with pytest.raises(RuntimeError, match="CUDA_VISIBLE_DEVICES=1"):
        mg.zeros(3, device="cuda:1")
    assert mg.cuda.is_available()
    assert mg.cuda.device_count() == 1
    assert mg.cuda.current_device() == 0
    assert "double" in mg.cuda.get_device_name()
    mg.cuda.synchronize()
    mg.cuda.empty_cache()


@on_double
def test_to_and_back():
    x = T([[1.0, 2.0]], requires_grad=True)
    y = x.to("cuda")
    assert (x.device, y.device, y.is_leaf) == (here, there, False)
    (y * 3).sum().backward()
    assert x.grad.device == here
    assert x.grad.tolist() == [[3.0, 3.0]]
    assert y.to("cuda") is y is y.cuda() is y.to(y)
    assert x.to("cpu") is x is x.cpu()
    z = x.detach().to("cuda", mg.float64)
    assert (z.device, z.dtype) == (there, mg.float64)
    assert x.detach().to(z).dtype == x.type_as(z).dtype == mg.float64
    assert x.detach().to(z).device == x.type_as(z).device == there
    assert x.cuda(0).device == x.to(device=there).device == there
    x.detach().to("cuda").cpu().add_(1)
    assert x.tolist() == [[1.0, 2.0]]
    assert z.to("cuda", copy=True) is not z


@on_double
def test_a_tensor_of_the_gpu_is_read_explicitly():
    x = T([[1.0, 2.5]], device="cuda")
    assert repr(x) == "tensor([[1.0000, 2.5000]], device='cuda:0')"
    assert x.tolist() == [[1.0, 2.5]]
    assert x.sum().item() == 3.5
    assert float(x[0, 1]) == 2.5
    assert (int(x[0, 0]), bool(x[0, 0]), f"{x[0, 1]:.2f}", len(x)) == (1, True, "2.50", 1)
    assert [row.tolist() for row in x] == [[1.0, 2.5]]
    assert x.cpu().numpy().tolist() == [[1.0, 2.5]]
    for refuse in (x.numpy, lambda: np.asarray(x), lambda: x.detach().requires_grad_().grad_fn or np.array(x)):
        with pytest.raises(TypeError, match=r"\.cpu\(\)"):
            refuse()


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


# -- networks ---------------------------------------------------------------------------------------------


def same_network(make: Any, *inputs: np.ndarray, loss: Any = lambda y: (y * y).mean()) -> None:
    """A network's output, the gradients of its parameters and its buffers, on both devices."""
    mg.manual_seed(7)
    ours = make()
    mg.manual_seed(7)
    theirs = make().to("cuda")
    assert all(p.device == there for p in [*theirs.parameters(), *theirs.buffers()])
    x = [T(a) for a in inputs]
    on_gpu = [moved(a) for a in x]
    expected = ours(*x)
    with staying(repr(theirs)):
        y = theirs(*on_gpu)
        if y.requires_grad:
            loss(y).backward()
    if expected.requires_grad:
        loss(expected).backward()
    assert_same(y, expected, repr(theirs))
    for (name, p), q in zip(theirs.named_parameters(), ours.parameters(), strict=True):
        assert_same(p.grad, q.grad, name)
    for (name, p), q in zip(theirs.named_buffers(), ours.buffers(), strict=True):
        assert_same(p, q, name)
    theirs.eval(), ours.eval()
    assert_same(theirs(*on_gpu), ours(*x), f"{theirs!r} in evaluation")


MODULES: dict[str, tuple] = {
    "Linear": (lambda: nn.Linear(4, 3), numbers(5, 4)),
    "Linear without bias": (lambda: nn.Linear(4, 3, bias=False), numbers(2, 5, 4)),
    "LayerNorm": (lambda: nn.LayerNorm(4), numbers(5, 4)),
    "Flatten": (lambda: nn.Sequential(nn.Flatten(), nn.Linear(12, 2)), numbers(5, 3, 4)),
    "activations": (
        lambda: nn.Sequential(
            nn.Linear(4, 4), nn.ReLU(), nn.Tanh(), nn.Sigmoid(), nn.ELU(), nn.Softplus(), nn.LeakyReLU()
        ),
        numbers(5, 4),
    ),
    "Softmax": (lambda: nn.Sequential(nn.Softmax(1), nn.LogSoftmax(1)), numbers(5, 4)),
    "Conv2d": (lambda: nn.Conv2d(2, 3, 3, stride=2, padding=1), numbers(2, 2, 6, 6)),
    "Conv2d, dilated": (lambda: nn.Conv2d(2, 4, 2, dilation=2, groups=2), numbers(2, 2, 6, 6)),
    "Conv1d": (lambda: nn.Conv1d(2, 3, 3), numbers(2, 2, 6)),
    "ConvTranspose2d": (lambda: nn.ConvTranspose2d(2, 3, 3, stride=2), numbers(2, 2, 4, 4)),
    "MaxPool2d": (lambda: nn.Sequential(nn.Conv2d(2, 2, 3), nn.MaxPool2d(2)), numbers(2, 2, 6, 6)),
    "AvgPool2d": (lambda: nn.Sequential(nn.Conv2d(2, 2, 3), nn.AvgPool2d(2)), numbers(2, 2, 6, 6)),
    "MaxPool1d": (lambda: nn.MaxPool1d(2), numbers(2, 2, 6)),
    "AdaptiveAvgPool2d": (lambda: nn.AdaptiveAvgPool2d(2), numbers(2, 2, 6, 6)),
    "BatchNorm1d": (lambda: nn.BatchNorm1d(4), numbers(5, 4)),
    "BatchNorm2d": (lambda: nn.BatchNorm2d(2), numbers(3, 2, 4, 4)),
    "Embedding": (lambda: nn.Embedding(5, 3, padding_idx=1), np.array([[0, 4], [1, 1]])),
    "CosineSimilarity": (lambda: nn.CosineSimilarity(), numbers(5, 4), numbers(5, 4, seed=1)),
    "Identity": (lambda: nn.Sequential(nn.Identity(), nn.Linear(4, 2)), numbers(5, 4)),
    "Unflatten": (lambda: nn.Sequential(nn.Linear(4, 6), nn.Unflatten(1, (2, 3))), numbers(5, 4)),
}
for _name, _kind in vars(nn.activations).items():
    if _name in nn.__all__ and _name not in MODULES and _kind is not nn.Module:
        MODULES[_name] = (lambda kind=_kind: nn.Sequential(nn.Linear(4, 4), kind()), numbers(5, 4))
LOSSES: dict[str, Any] = {
    "MSELoss": lambda x, y: (x, y),
    "L1Loss": lambda x, y: (x, y),
    "HuberLoss": lambda x, y: (x, y),
    "SmoothL1Loss": lambda x, y: (x, y),
    "CrossEntropyLoss": lambda x, y: (x, y.argmax(1)),
    "NLLLoss": lambda x, y: (F.log_softmax(x, 1), y.argmax(1)),
    "BCEWithLogitsLoss": lambda x, y: (x, y.sigmoid()),
    "BCELoss": lambda x, y: (x.sigmoid(), y.sigmoid()),
    "KLDivLoss": lambda x, y: (F.log_softmax(x, 1), F.softmax(y, 1)),
}


@on_double
@pytest.mark.parametrize("name", LOSSES)
def test_losses(name):
    for reduction in ("mean", "sum", "none"):
        loss = getattr(nn, name)(reduction=reduction)
        same_on_both(lambda x, y, loss=loss: loss(*LOSSES[name](x, y)), numbers(3, 4), numbers(3, 4, seed=1), what=name)


def test_no_module_is_left_out():
    """A new layer has to be run on the double, too: add it to MODULES or LOSSES."""
    elsewhere = {"Module", "Parameter", "ModuleDict", "ModuleList", "ParameterList", "Sequential", "Dropout"}
    assert {n for n in nn.__all__ if isinstance(getattr(nn, n), type)} <= {*LOSSES, *MODULES} | elsewhere
    assert {n for n in optim.__all__ if isinstance(getattr(optim, n), type)} <= {*OPTIMIZERS, "Optimizer"}
    known = {*DISTRIBUTIONS, "Distribution", "ParameterError"}
    assert {n for n in distributions.__all__ if isinstance(getattr(distributions, n), type)} <= known


@on_double
@pytest.mark.parametrize("name", MODULES)
def test_modules(name):
    make, *inputs = MODULES[name]
    same_network(make, *inputs)


@on_double
def test_moving_a_network_keeps_the_optimizer():
    net = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3))
    optimizer = optim.Adam(net.parameters(), lr=0.1)
    net.cuda()
    x = T(numbers(5, 4), device="cuda")
    for _ in range(2):
        optimizer.zero_grad()
        (net(x) ** 3).mean().backward()
        before = net[0].weight.tolist()
        optimizer.step()
        assert net[0].weight.tolist() != before
    assert {p.device for p in net.parameters()} == {there}
    net.cpu()
    assert (
        {p.device for p in [*net.parameters(), *net.buffers()]} == {p.grad.device for p in net.parameters()} == {here}
    )
    assert nn.Linear(2, 2, device="cuda").weight.device == there
    assert net.to(there).double()[0].weight.device == there


@on_double
def test_initialisation_draws_the_same_numbers_anywhere():
    for name in dir(nn.init):
        fill = getattr(nn.init, name)
        if not name.endswith("_") or name.startswith("_"):
            continue
        arguments = (2.0,) if name == "constant_" else ()
        mg.manual_seed(2)
        expected = fill(mg.empty(4, 3), *arguments)
        mg.manual_seed(2)
        assert_same(fill(mg.empty(4, 3, device="cuda"), *arguments), expected, name)


@on_double
def test_clipping_and_vectors():
    p = [T(numbers(3, 4), device="cuda", requires_grad=True), T(numbers(2), device="cuda", requires_grad=True)]
    q = [x.detach().cpu().requires_grad_() for x in p]
    for norm_type in (2.0, mg.inf, 1.0):
        for tensors in (p, q):
            for x in tensors:
                x.grad = x.detach() * 9
        assert_same(nn.utils.clip_grad_norm_(p, 0.5, norm_type), nn.utils.clip_grad_norm_(q, 0.5, norm_type), "norm")
        for a, b in zip(p, q, strict=True):
            assert_same(a.grad, b.grad, "clipped")
    nn.utils.clip_grad_value_(p, 0.01)
    vector = nn.utils.parameters_to_vector(p)
    assert_same(vector, nn.utils.parameters_to_vector(q), "vector")
    nn.utils.vector_to_parameters(vector.detach().cpu() * 2, p)
    assert_same(p[0], q[0] * 2, "from a vector")


# -- optimizers and files ---------------------------------------------------------------------------------

OPTIMIZERS: dict[str, Any] = {
    "SGD": lambda p: optim.SGD(p, lr=0.1),
    "SGD, momentum": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.1),
    "Adam": lambda p: optim.Adam(p, lr=0.1),
    "Adam, amsgrad": lambda p: optim.Adam(p, lr=0.1, amsgrad=True, weight_decay=0.1, maximize=True),
    "AdamW": lambda p: optim.AdamW(p, lr=0.1),
    "RMSprop": lambda p: optim.RMSprop(p, lr=0.1, centered=True, momentum=0.5),
    "Adagrad": lambda p: optim.Adagrad(p, lr=0.1),
    "RAdam": lambda p: optim.RAdam(p, lr=0.1),
}


def training(device: str, make: Any, steps: int = 8) -> tuple[nn.Module, Any]:
    """A small network after some steps, one of which leaves a parameter without a gradient."""
    mg.manual_seed(4)
    net = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 2)).to(device)
    optimizer = make(net.parameters())
    x, y = T(numbers(6, 4), device=device), T(numbers(6, 2, seed=1), device=device)
    with staying("training"):
        for step in range(steps):
            optimizer.zero_grad(set_to_none=step % 2 == 0)
            F.mse_loss(net(x), y).backward()
            if step == 3:
                net[0].bias.grad = None
            optimizer.step()
    return net, optimizer


@on_double
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers(name):
    make = OPTIMIZERS[name]
    (net, optimizer), (expected, reference) = training("cuda", make), training("cpu", make)
    for (what, p), q in zip(net.named_parameters(), expected.parameters(), strict=True):
        assert_same(p, q, what)
    saved = optimizer.state_dict()
    for i, state in reference.state_dict()["state"].items():
        for what, value in state.items():
            actual = saved["state"][i][what]
            assert actual.device == (here if what == "step" else there), what
            np.testing.assert_allclose(actual.cpu().numpy(), value.numpy(), rtol=1e-5, atol=1e-7, err_msg=what)
    # A state of either device continues on the other.
    for source, target in ((saved, training("cpu", make)), (reference.state_dict(), training("cuda", make))):
        target[1].load_state_dict(source)
        target[1].step()


@on_double
def test_parameters_on_a_gpu_are_one_piece_except_where_somebody_looks(monkeypatch):
    monkeypatch.setattr("minigrad.speed.flat.layout_allowed", True)
    net, watched = [nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 2)).cuda() for _ in range(2)]
    held, before = watched[0].bias.data, watched[0].bias.tolist()
    for module, pieces in ((net, 1), (net, 1), (net[2], 1), (watched, 3)):
        optimizer = optim.SGD(module.parameters(), lr=0.5)
        for p in module.parameters():
            p.grad = mg.ones_like(p).detach()
        optimizer.step()
        assert len(optimizer._flats[0][0]._pieces) == pieces
    np.testing.assert_allclose(held.tolist(), np.array(before) - 0.5, rtol=1e-6)
    assert watched[0].bias.tolist() == held.tolist()


@on_double
def test_one_optimizer_of_parameters_on_both_devices():
    p, q = mg.zeros(2, requires_grad=True), mg.zeros(3, device="cuda", requires_grad=True)
    optimizer = optim.SGD([p, q], lr=1.0, momentum=0.5)
    for expected in (-1, -2.5):
        p.grad, q.grad = mg.ones(2), mg.ones(3, device="cuda")
        optimizer.step()
        assert p.tolist() == [expected] * 2
        assert q.tolist() == [expected] * 3
    assert optimizer.state[q]["momentum_buffer"].device == there


@on_double
def test_weights_files(tmp_path):
    net, optimizer = training("cuda", OPTIMIZERS["Adam"])
    path = tmp_path / "state.safetensors"
    mg.save({"net": net.state_dict(), "optimizer": optimizer.state_dict()}, path)
    loaded = mg.load(path)
    assert {t.device for t in loaded["net"].values()} == {here}
    assert {t.device for t in mg.load(path, map_location="cuda")["net"].values()} == {there}
    for device in ("cuda", "cpu"):
        fresh, fresh_optimizer = training(device, OPTIMIZERS["Adam"], steps=1)
        fresh.load_state_dict(loaded["net"])
        fresh_optimizer.load_state_dict(loaded["optimizer"])
        for p, q in zip(fresh.parameters(), net.parameters(), strict=True):
            np.testing.assert_array_equal(p.detach().cpu().numpy(), q.detach().cpu().numpy())
    fresh.load_state_dict(net.state_dict())  # straight from the device
    net.load_state_dict(fresh.state_dict())


@on_double
def test_copies_and_other_processes():
    import copy
    import pickle

    net, optimizer = training("cuda", OPTIMIZERS["Adam"])
    twin = copy.deepcopy(net)
    assert twin[0].weight.device == there
    assert twin[0].weight.array is not net[0].weight.array
    x = pickle.loads(pickle.dumps(T([1.0, 2.0], device="cuda")))
    assert (x.device, x.tolist()) == (there, [1.0, 2.0])
    copy.deepcopy(optimizer)


# -- distributions ----------------------------------------------------------------------------------------

DISTRIBUTIONS: dict[str, Any] = {
    "Categorical": lambda x: distributions.Categorical(logits=x),
    "Categorical of probs": lambda x: distributions.Categorical(probs=F.softmax(x, 1)),
    "Bernoulli": lambda x: distributions.Bernoulli(logits=x),
    "Bernoulli of probs": lambda x: distributions.Bernoulli(probs=x.sigmoid()),
    "Normal": lambda x: distributions.Normal(x, x.exp()),
    "Normal, one scale": lambda x: distributions.Normal(x, 0.5),
    "Independent": lambda x: distributions.Independent(distributions.Normal(x, x.exp()), 1),
    "DiagonalNormal": lambda x: distributions.DiagonalNormal(x, x.exp()),
    "SquashedNormal": lambda x: distributions.SquashedNormal(x, x.exp()),
    "SquashedNormal, bounded": lambda x: distributions.SquashedNormal(x, x.exp(), -2.0, 3.0),
    "SquashedNormal, bounded by a tensor": lambda x: distributions.SquashedNormal(x, x.exp(), -2.0, mg.ones_like(x[0])),
}


def about(make: Any, logits: Tensor) -> list[Any]:
    """What a policy asks of a distribution."""
    mg.manual_seed(1)
    dist, other = make(logits), make(logits * 0.5)
    found = [dist.sample(), dist.sample((2,)), dist.log_prob(dist.sample()), dist.log_prob(dist.sample((3,)))]
    found += [dist.entropy(), dist.mode, dist.mean, dist.variance, distributions.kl_divergence(dist, other)]
    if dist.has_rsample:
        found += [dist.rsample(), dist.log_prob(dist.rsample()), *dist.rsample_and_log_prob()]
    if isinstance(dist, distributions.Normal):
        found += [dist.cdf(logits.detach()), dist.icdf(logits.detach().sigmoid())]
    return found


@on_double
@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_distributions(name):
    make, x = DISTRIBUTIONS[name], numbers(3, 4)
    c, g = T(x, requires_grad=True), T(x, device="cuda", requires_grad=True)
    expected, actual = about(make, c), about(make, g)
    for i, (e, a) in enumerate(zip(expected, actual, strict=True)):
        assert_same(a, e, f"{name}, {i}")
    sum(e.sum() for e in expected if e.requires_grad).backward()
    sum(a.sum() for a in actual if a.requires_grad).backward()
    assert_same(g.grad, c.grad, f"{name}, gradient")
    dist, value = make(g), actual[0].detach()
    with staying(name):  # to draw crosses, because the random numbers are the host's; to judge does not
        dist.log_prob(value)


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


# -- one update of DQN ------------------------------------------------------------------------------------


def dqn_update(device: str) -> list[Tensor]:
    """L = huber(Q(s, a), r + γ max Q⁻(s', ·)) on a batch, three times, with clipping, Adam and a target network."""
    mg.manual_seed(0)
    rng = np.random.default_rng(0)

    def network() -> nn.Module:
        return nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2)).to(device)

    net, target_net = network(), network().requires_grad_(False)
    target_net.load_state_dict(net.state_dict())
    optimizer = optim.Adam(net.parameters(), lr=1e-2)
    losses = []
    for _ in range(3):
        states, next_states = (mg.from_numpy(numbers(8, 4, seed=i)).to(device) for i in (1, 2))
        actions = T(rng.integers(0, 2, (8, 1)), device=device)
        rewards = T(rng.standard_normal((8, 1)), dtype=mg.float32, device=device)
        done = T(rng.random((8, 1)) < 0.3, device=device)
        with staying("an update"):
            with mg.no_grad():
                best = target_net(next_states).max(dim=1, keepdim=True)[0]
                target = rewards + 0.99 * (1 - done.float()) * best
            loss = F.smooth_l1_loss(net(states).gather(1, actions), target)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
        losses.append(loss)
        greedy = net(states[:1]).argmax(1).item()
        assert greedy in (0, 1)
    target_net.load_state_dict(net.state_dict())
    return [*losses, *net.parameters(), *target_net.parameters()]


@on_double
def test_an_update_of_dqn():
    assert_same(dqn_update("cuda"), dqn_update("cpu"), "DQN")
