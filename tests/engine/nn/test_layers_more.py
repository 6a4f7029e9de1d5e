"""Dropout, embeddings, containers of parameters, hooks with keyword arguments, and every module beside PyTorch's."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minigrad as mg
import minigrad.nn as nn
import minigrad.nn.functional as F
from minigrad.gradcheck import gradcheck, gradgradcheck

RNG = np.random.default_rng(0)


def values(tensor):
    return tensor.detach().numpy().copy()


# -- activations and losses ---------------------------------------------------------------------------------------

ACTIVATIONS = {
    "GELU()": lambda x: F.gelu(x),
    "GELU(approximate='tanh')": lambda x: F.gelu(x, approximate="tanh"),
    "SiLU()": F.silu,
    "Mish()": F.mish,
    "SELU()": F.selu,
    "LogSigmoid()": F.logsigmoid,
    "Softsign()": F.softsign,
    "Tanhshrink()": F.tanhshrink,
    "Hardtanh(-0.5, 0.8)": lambda x: F.hardtanh(x, -0.5, 0.8),
    "Hardsigmoid()": F.hardsigmoid,
    "Hardswish()": F.hardswish,
    "ReLU6()": F.relu6,
    "Softmin(dim=1)": lambda x: F.softmin(x, 1),
}


@pytest.mark.parametrize("module", ACTIVATIONS)
def test_activations_are_their_functions(module):
    x = mg.randn(4, 3) * 2
    np.testing.assert_array_equal(values(eval(f"nn.{module}")(x)), values(ACTIVATIONS[module](x)))


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_losses_are_their_functions(reduction):
    p, t, weight = mg.rand(4, 3) * 0.9 + 0.05, mg.rand(4, 3), mg.rand(4, 3)
    np.testing.assert_array_equal(
        values(nn.BCELoss(weight, reduction)(p, t)), values(F.binary_cross_entropy(p, t, weight, reduction))
    )
    log_p, q = F.log_softmax(p, 1), F.softmax(t, 1)
    with pytest.warns(UserWarning, match="batchmean") if reduction == "mean" else np.errstate():
        loss = nn.KLDivLoss(reduction)(log_p, q)
        np.testing.assert_array_equal(values(loss), values(F.kl_div(log_p, q, reduction=reduction)))


def test_an_ignored_sample_counts_nothing_even_where_it_is_impossible():
    """Masked choices have log-probability -inf: 0 · inf must not spoil the sum. PyTorch's values."""
    log_p = mg.tensor([[-math.inf, 0.0], [-1.0, -2.0]], requires_grad=True)
    for reduction, expected in {"none": [0, 2], "sum": 2, "mean": 2}.items():
        np.testing.assert_array_equal(values(F.nll_loss(log_p, mg.tensor([-100, 1]), reduction=reduction)), expected)
    F.nll_loss(log_p, mg.tensor([-100, 1])).backward()
    np.testing.assert_array_equal(values(log_p.grad), [[0, 0], [0, -1]])
    logits = mg.tensor([[-math.inf, 0.0], [1.0, 1.0]])
    smooth = F.cross_entropy(logits, mg.tensor([-100, 1]), label_smoothing=0.5)
    np.testing.assert_allclose(values(smooth), math.log(2), rtol=1e-6)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
def test_cross_entropy_of_an_empty_batch_and_of_ignored_samples(smoothing):
    """A mean of nothing is NaN, a sum 0, as in PyTorch; the gradient is 0."""
    for rows, target in ((0, mg.zeros(0, dtype=mg.int64)), (2, mg.tensor([-100, -100]))):
        for reduction, expected in {"mean": math.nan, "sum": 0.0, "none": [0.0] * rows}.items():
            x = mg.zeros(rows, 3, requires_grad=True)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)  # NumPy's, of 0 / 0
                loss = F.cross_entropy(x, target, reduction=reduction, label_smoothing=smoothing)
            np.testing.assert_array_equal(values(loss), expected)
            loss.sum().backward()
            np.testing.assert_array_equal(values(x.grad), np.zeros((rows, 3)))


def test_class_weights_take_the_dtype_of_the_logits():
    weight = mg.tensor([1.0, 3.0], dtype=mg.float64)
    for target in (mg.tensor([0, 1]), mg.tensor([[1.0, 0.0], [0.0, 1.0]])):
        loss = F.cross_entropy(mg.zeros(2, 2), target, weight, reduction="sum")
        assert loss.dtype == mg.float32
        np.testing.assert_allclose(values(loss), 4 * math.log(2), rtol=1e-6)


def test_softmax_without_a_dimension_warns():
    for name in ("softmax", "log_softmax", "softmin"):
        with pytest.warns(UserWarning, match=f"{name}: without dim, dimension 1"):
            y = getattr(F, name)(mg.eye(2))
        np.testing.assert_array_equal(values(y), values(getattr(F, name)(mg.eye(2), 1)))
    with pytest.warns(UserWarning, match="dimension 0 of a 3-d"):
        F.softmax(mg.ones(2, 2, 2))


def test_the_divergence_of_a_batch():
    log_p, q = F.log_softmax(mg.randn(4, 3), 1), F.softmax(mg.randn(4, 3), 1)
    expected = (values(q) * (np.log(values(q)) - values(log_p))).sum() / 4
    assert nn.KLDivLoss("batchmean")(log_p, q).item() == pytest.approx(expected, rel=1e-5)
    assert nn.KLDivLoss("batchmean", log_target=True)(log_p, q.log()).item() == pytest.approx(expected, rel=1e-5)


def test_cosine_similarity_broadcasts_before_it_measures():
    x, y = mg.tensor([[3.0, 4.0]]), mg.tensor([[1.0, 0.0], [0.0, 2.0]])
    np.testing.assert_allclose(F.cosine_similarity(x, y, dim=0).numpy(), [3 / 18**0.5, 8 / 32**0.5 / 2], rtol=1e-6)
    np.testing.assert_allclose(F.cosine_similarity(x, y).numpy(), [0.6, 0.8], rtol=1e-6)
    np.testing.assert_allclose(F.cosine_similarity(mg.tensor(2.0), y, dim=1).numpy(), [0.5**0.5] * 2, rtol=1e-6)


def test_cosine_similarity():
    x, y = mg.randn(5, 3), mg.randn(5, 3)
    expected = (values(x) * values(y)).sum(1) / np.linalg.norm(values(x), axis=1) / np.linalg.norm(values(y), axis=1)
    np.testing.assert_allclose(values(nn.CosineSimilarity()(x, y)), expected, rtol=1e-5)


# -- shapes -------------------------------------------------------------------------------------------------------


def test_the_least_norm_of_cosine_similarity():
    x = mg.tensor([[3.0, 4.0]])
    assert nn.CosineSimilarity(eps=10.0)(x, x).item() == 0.25  # 25 / (10 · 10)
    assert F.cosine_similarity(x * 1e-4, x * 1e-4).item() == pytest.approx(1.0)  # a larger norm is not changed
    assert F.cosine_similarity(x, mg.zeros(1, 2)).item() == 0.0


def test_unflatten_undoes_flatten():
    x = mg.randn(2, 3, 4, 5)
    net = nn.Sequential(nn.Flatten(), nn.Unflatten(1, (3, 4, 5)))
    np.testing.assert_array_equal(values(net(x)), values(x))
    assert nn.Unflatten(-1, (5, -1))(mg.randn(2, 20)).shape == (2, 5, 4)


# -- dropout ------------------------------------------------------------------------------------------------------


def test_dropout_keeps_the_mean_and_is_off_after_eval():
    mg.manual_seed(0)
    layer, x = nn.Dropout(0.25), mg.ones(200, 200)
    y = values(layer(x))
    assert set(np.unique(y)) == {0.0, np.float32(1 / 0.75)}
    assert abs((y == 0).mean() - 0.25) < 0.01
    assert layer.eval()(x) is x
    assert nn.Dropout(0.0)(x) is x
    assert not values(nn.Dropout(1.0)(x)).any()


def test_dropout_is_reproducible_and_different_each_time():
    layer, x = nn.Dropout(), mg.ones(50)
    draws = []
    for _ in range(2):
        mg.manual_seed(1)
        draws.append([values(layer(x)), values(layer(x))])
    np.testing.assert_array_equal(draws[0], draws[1])
    assert not np.array_equal(*draws[0])


def test_the_gradient_passes_where_dropout_let_the_element_pass():
    x = mg.randn(100, requires_grad=True)
    y = nn.Dropout(0.5)(x)
    y.sum().backward()
    np.testing.assert_array_equal(values(x.grad) != 0, values(y) != 0)

    def function(x):
        mg.manual_seed(3)
        return F.dropout(x, 0.3)

    inputs = (mg.tensor(RNG.standard_normal((4, 3)), requires_grad=True),)
    assert gradcheck(function, inputs)
    assert gradgradcheck(function, inputs)


def test_dropout_in_place():
    x = mg.ones(50)
    assert nn.Dropout(0.5, inplace=True)(x) is x
    assert 0 < (values(x) == 0).sum() < 50


IN_PLACE = ["ReLU", "ReLU6", "LeakyReLU", "ELU", "SELU", "SiLU", "Mish", "Hardtanh", "Hardsigmoid", "Hardswish"]


@pytest.mark.parametrize("name", IN_PLACE)
def test_activations_in_place_are_their_functions_in_place(name):
    function = getattr(F, {"LeakyReLU": "leaky_relu"}.get(name, name.lower()))
    x = mg.tensor([-2.0, -0.5, 0.5, 7.0])
    expected = values(function(x))
    assert not np.array_equal(expected, values(x))
    for activate in (getattr(nn, name)(inplace=True), lambda x: function(x, inplace=True)):
        y = x.clone()
        assert activate(y) is y
        np.testing.assert_array_equal(values(y), expected)
    plain, changed = mg.ones(3, requires_grad=True), mg.ones(3, requires_grad=True)
    getattr(nn, name)()(plain * 0.3).sum().backward()
    getattr(nn, name)(inplace=True)(changed * 0.3).sum().backward()
    np.testing.assert_array_equal(values(changed.grad), values(plain.grad))


def test_relu_in_place_inside_a_network():
    """The numbers and gradients are those of a ReLU that is not in place; the input of the network stays."""
    mg.manual_seed(0)
    x = mg.randn(5, 4)
    before = values(x).copy()
    nets = [nn.Sequential(nn.Linear(4, 3), nn.ReLU(inplace), nn.Linear(3, 1)) for inplace in (False, True)]
    nets[1].load_state_dict(nets[0].state_dict())
    for net in nets:
        net(x).sum().backward()
    np.testing.assert_array_equal(values(x), before)
    for p, q in zip(*(net.parameters() for net in nets), strict=True):
        np.testing.assert_array_equal(values(p.grad), values(q.grad))
    assert repr(nets[1][1]) == "ReLU(inplace=True)"


def test_a_draw_of_gumbel_softmax_is_a_choice():
    """The largest element is k with probability softmax(logits)[k]; a small tau makes the draw nearly one-hot."""
    mg.manual_seed(0)
    logits = mg.tensor([0.0, 1.0, 2.0]).expand(4000, 3)
    drawn = F.gumbel_softmax(logits, tau=0.5)
    np.testing.assert_allclose(values(drawn).sum(1), 1, rtol=1e-5)
    chosen = np.bincount(values(drawn).argmax(1), minlength=3) / 4000
    np.testing.assert_allclose(chosen, values(F.softmax(logits[0], 0)), atol=4 * 0.5 / math.sqrt(4000))
    spread = [values(F.gumbel_softmax(logits, tau=tau)).max(1).mean() for tau in (0.1, 1.0, 10.0)]
    assert spread[0] > 0.9 > spread[1] > 0.5 > spread[2]
    x, y = (logits[:2].clone().double().requires_grad_() for _ in range(2))
    cotangent = mg.tensor([[1.0, 2.0, 4.0]] * 2, dtype=mg.float64)
    mg.manual_seed(1)
    hard = F.gumbel_softmax(x, tau=0.7, hard=True)
    mg.manual_seed(1)
    soft = F.gumbel_softmax(y, tau=0.7)
    np.testing.assert_allclose(np.sort(values(hard), 1), [[0, 0, 1]] * 2, atol=1e-12)
    np.testing.assert_array_equal(values(hard).argmax(1), values(soft).argmax(1))
    hard.backward(cotangent)
    soft.backward(cotangent)
    np.testing.assert_allclose(values(x.grad), values(y.grad))


# -- borders ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("borders", "mode", "expected"),  # PyTorch's
    [
        ((-1, 1), "reflect", [1, 2, 3, 4, 3]),
        ((4, -4), "reflect", [4, 3, 2, 1, 0]),
        ((-5, 4), "reflect", [3, 2, 1, 0]),
        ((-1, 2), "replicate", [1, 2, 3, 4, 4, 4]),
        ((4, -5), "replicate", [0, 0, 0, 0]),
        ((-1, -1), "replicate", [1, 2, 3]),
        ((-1, 1), "circular", [1, 2, 3, 4, 1]),
        ((1, -1), "circular", [3, 0, 1, 2, 3]),
        ((-2, 2), "circular", [2, 3, 4, 2, 3]),
        ((2, -2), "circular", [1, 2, 0, 1, 2]),
        ((-3, -1), "circular", [3]),
        ((-1, 2), "constant", [1, 2, 3, 4, 0, 0]),
    ],
)
def test_negative_borders_cut_off(borders, mode, expected):
    x = mg.arange(5.0).reshape(1, 5).requires_grad_()
    y = F.pad(x, borders, mode)
    np.testing.assert_array_equal(values(y)[0], expected)
    assert gradcheck(lambda x: F.pad(x, borders, mode), (x.detach().double().requires_grad_(),))


# -- embedding ----------------------------------------------------------------------------------------------------


@given(data=st.data())
@settings(max_examples=50, deadline=None)
def test_an_embedding_is_a_one_hot_product(data):
    """In value and gradient, whatever rows are named, and however often."""
    rows = data.draw(st.integers(1, 6))
    shape = data.draw(st.sampled_from([(), (3,), (2, 3), (0,)]))
    names = np.array([data.draw(st.integers(0, rows - 1)) for _ in range(int(np.prod(shape)))], np.int64).reshape(shape)
    padding = data.draw(st.none() | st.integers(-rows, rows - 1))
    layer = nn.Embedding(rows, 4, padding_idx=padding, dtype=mg.float64)
    one_hot = np.eye(rows)[names]
    cotangent = RNG.standard_normal((*shape, 4))
    y = layer(mg.tensor(names))
    np.testing.assert_allclose(values(y), one_hot @ values(layer.weight))
    y.backward(mg.tensor(cotangent))
    expected = one_hot.reshape(-1, rows).T @ cotangent.reshape(-1, 4)
    if padding is not None:
        expected[padding] = 0
        assert not values(layer.weight)[padding].any()
    np.testing.assert_allclose(values(layer.weight.grad), expected, atol=1e-12)


@pytest.mark.parametrize("padding", [None, 1])
def test_embedding_passes_the_checks(padding):
    names = mg.tensor([[0, 2], [2, 3]])
    weight = (mg.tensor(RNG.standard_normal((5, 3)), requires_grad=True),)
    assert gradcheck(lambda w: F.embedding(names, w, padding), weight)
    assert gradgradcheck(lambda w: F.embedding(names, w, padding).square(), weight)


def test_embedding_from_given_rows():
    rows = mg.randn(3, 2)
    layer = nn.Embedding.from_pretrained(rows)
    assert not layer.weight.requires_grad
    np.testing.assert_array_equal(values(layer(mg.tensor([2]))), values(rows)[[2]])
    assert nn.Embedding.from_pretrained(rows, freeze=False).weight.requires_grad


# -- parameters in lists ------------------------------------------------------------------------------------------


def test_the_places_where_pytorch_keeps_things():
    from minigrad.nn.modules.activation import ReLU
    from minigrad.nn.modules.batchnorm import BatchNorm1d
    from minigrad.nn.modules.container import Sequential
    from minigrad.nn.modules.conv import Conv2d
    from minigrad.nn.modules.distance import CosineSimilarity
    from minigrad.nn.modules.dropout import Dropout
    from minigrad.nn.modules.flatten import Flatten
    from minigrad.nn.modules.linear import Linear
    from minigrad.nn.modules.loss import MSELoss
    from minigrad.nn.modules.module import Module
    from minigrad.nn.modules.normalization import LayerNorm
    from minigrad.nn.modules.pooling import MaxPool2d
    from minigrad.nn.modules.sparse import Embedding
    from minigrad.nn.utils.clip_grad import clip_grad_norm_, clip_grad_value_
    from minigrad.nn.utils.convert_parameters import parameters_to_vector, vector_to_parameters

    for thing in (ReLU, BatchNorm1d, Sequential, Conv2d, CosineSimilarity, Dropout, Flatten, Linear, MSELoss, Module,
                  LayerNorm, MaxPool2d, Embedding):  # fmt: skip
        assert getattr(nn, thing.__name__) is thing
        assert thing is Module or getattr(nn.modules, thing.__name__) is thing
    for function in (clip_grad_norm_, clip_grad_value_, parameters_to_vector, vector_to_parameters):
        assert getattr(nn.utils, function.__name__) is function
    layers = {name for name in nn.__all__ if isinstance(getattr(nn, name), type)}
    assert layers - {"Parameter"} <= set(dir(nn.modules))


def test_a_padding_row_of_given_rows_gets_no_gradient():
    layer = nn.Embedding.from_pretrained(mg.ones(3, 2), freeze=False, padding_idx=-1)
    assert layer.padding_idx == 2
    layer(mg.tensor([0, 2, 2])).sum().backward()
    np.testing.assert_array_equal(values(layer.weight.grad), [[1, 1], [0, 0], [0, 0]])


def test_a_parameter_list_is_a_list_whose_parameters_are_found():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.scales = nn.ParameterList([nn.Parameter(mg.ones(2)), mg.zeros(3)])

    net = Net()
    net.scales.append(nn.Parameter(mg.ones(1), requires_grad=False)).extend([mg.ones(4)])
    assert [name for name, _ in net.named_parameters()] == [f"scales.{i}" for i in range(4)]
    assert [p.shape for p in net.scales] == [(2,), (3,), (1,), (4,)]
    assert [p.requires_grad for p in net.scales] == [True, True, False, True]
    assert len(net.scales) == 4
    assert net.scales[-1].shape == (4,)
    assert [p.shape for p in net.scales[1:3]] == [(3,), (1,)]
    net.scales[0] = mg.ones(5)
    assert isinstance(net.scales[0], nn.Parameter)
    assert net.state_dict()["scales.0"].shape == (5,)
    assert "(3): Parameter of float32 and shape (4,)" in repr(net)


# -- hooks --------------------------------------------------------------------------------------------------------


def test_hooks_may_see_and_change_keyword_arguments():
    class Scaled(nn.Module):
        def forward(self, x, scale=1.0):
            return x * scale

    module, seen = Scaled(), []
    module.register_forward_pre_hook(lambda m, a, k: (a, {**k, "scale": k["scale"] + 1}), with_kwargs=True)
    module.register_forward_hook(lambda m, a, k, y: seen.append((len(a), k, y.item())), with_kwargs=True)
    assert module(mg.tensor(2.0), scale=2.0).item() == 6
    assert seen == [(1, {"scale": 3.0}, 6.0)]


def test_hooks_run_in_order_unless_one_asks_to_be_first():
    module, order = nn.Identity(), []
    for name, prepend in (("a", False), ("b", False), ("c", True)):
        module.register_forward_hook(lambda m, a, y, name=name: order.append(name), prepend=prepend)
        module.register_forward_pre_hook(lambda m, a, name=name: order.append(name.upper()), prepend=prepend)
    handle = module.register_forward_hook(lambda m, a, y: order.append("d"), prepend=True)
    module(mg.ones(1))
    handle.remove()
    assert order == ["C", "A", "B", "d", "c", "a", "b"]
    module(mg.ones(1))
    assert "d" not in order[7:]


# -- against PyTorch ----------------------------------------------------------------------------------------------


@pytest.mark.oracle
@pytest.mark.parametrize("module", [*ACTIVATIONS, "Unflatten(1, (3, -1))", "Dropout(0.3).eval()", "Softsign()"])
def test_modules_are_pytorchs(module):
    torch = pytest.importorskip("torch")
    ours, theirs = eval(f"nn.{module}"), eval(f"torch.nn.{module}", {"torch": torch})
    assert repr(ours) == repr(theirs)
    x = (RNG.standard_normal((4, 6)) * 3).astype(np.float32)
    a, b = mg.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    y, z = ours(a), theirs(b)
    np.testing.assert_allclose(values(y), z.detach().numpy(), rtol=1e-5, atol=1e-6)
    (y * y).sum().backward()
    (z * z).sum().backward()
    np.testing.assert_allclose(values(a.grad), b.grad.numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.oracle
@pytest.mark.parametrize("padding", [None, 0, -1])
def test_embedding_is_pytorchs(padding):
    torch = pytest.importorskip("torch")
    ours = nn.Embedding(5, 3, padding)
    theirs = torch.nn.Embedding(5, 3, padding)
    assert repr(ours) == repr(theirs)
    theirs.load_state_dict({"weight": torch.tensor(values(ours.weight))})
    names = RNG.integers(0, 5, (4, 2))
    ours(mg.tensor(names)).square().sum().backward()
    theirs(torch.tensor(names)).square().sum().backward()
    np.testing.assert_allclose(values(ours.weight.grad), theirs.weight.grad.numpy(), rtol=1e-6)


@pytest.mark.oracle
@pytest.mark.parametrize("reduction", ["mean", "sum", "none", "batchmean"])
@pytest.mark.filterwarnings("ignore")
def test_losses_are_pytorchs(reduction):
    torch = pytest.importorskip("torch")
    p, t = (RNG.uniform(0.05, 0.95, (4, 3)).astype(np.float32) for _ in range(2))
    results = []
    for lib in (mg, torch):
        x, y = lib.tensor(p), lib.tensor(t)
        pairs = [lib.nn.KLDivLoss(reduction=reduction)(x.log(), y)]
        pairs.append(lib.nn.KLDivLoss(reduction=reduction, log_target=True)(x, y.log()))
        if reduction != "batchmean":
            pairs += [lib.nn.BCELoss(reduction=reduction)(x, y), lib.nn.BCELoss(y, reduction=reduction)(x, y)]
        results.append(pairs)
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-5, atol=1e-6)
