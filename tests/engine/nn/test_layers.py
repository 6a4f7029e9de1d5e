"""Layers, losses, initialisation and gradient clipping."""

from __future__ import annotations

import math

import numpy as np
import pytest

import minigrad as mg
import minigrad.nn as nn
import minigrad.nn.functional as F
from minigrad.gradcheck import gradcheck, gradgradcheck
from minigrad.ops.normalization import layer_norm

RNG = np.random.default_rng(0)


def values(tensor):
    return tensor.detach().numpy().copy()


# -- layers -----------------------------------------------------------------------------------------------------


def test_linear_on_any_leading_dimensions():
    layer = nn.Linear(3, 2)
    w, b = values(layer.weight), values(layer.bias)
    for shape in ((3,), (5, 3), (2, 4, 3), (0, 3)):
        x = RNG.standard_normal(shape).astype(np.float32)
        np.testing.assert_allclose(values(layer(mg.tensor(x))), x @ w.T + b, rtol=1e-5, atol=1e-6)
    assert nn.Linear(3, 2, bias=False).bias is None
    assert nn.Linear(3, 2, dtype=mg.float64).weight.dtype == mg.float64


def test_linear_starts_uniform_within_one_over_the_root_of_its_inputs():
    mg.manual_seed(0)
    layer = nn.Linear(64, 500)
    for p in (layer.weight, layer.bias):
        assert np.abs(values(p)).max() <= 1 / 8
        assert np.abs(values(p)).max() > 0.95 / 8
        assert abs(values(p).std() - 1 / 8 / math.sqrt(3)) < 0.01
    mg.manual_seed(0)
    np.testing.assert_array_equal(values(nn.Linear(64, 500).weight), values(layer.weight))


def test_flatten():
    x = mg.randn(2, 3, 4, 5)
    assert nn.Flatten()(x).shape == (2, 60)
    assert nn.Flatten(0)(x).shape == (120,)
    assert nn.Flatten(1, 2)(x).shape == (2, 12, 5)
    assert nn.Flatten()(mg.randn(0, 3, 4)).shape == (0, 12)


def test_identity_takes_and_ignores_arguments():
    x = mg.ones(2)
    assert nn.Identity(54, unused=True)(x) is x


@pytest.mark.parametrize(
    ("module", "function"),
    [
        (nn.ReLU(), F.relu),
        (nn.LeakyReLU(0.2), lambda x: F.leaky_relu(x, 0.2)),
        (nn.ELU(0.5), lambda x: F.elu(x, 0.5)),
        (nn.Softplus(2.0), lambda x: F.softplus(x, 2.0)),
        (nn.Tanh(), mg.tanh),
        (nn.Sigmoid(), mg.sigmoid),
        (nn.Softmax(dim=0), lambda x: F.softmax(x, dim=0)),
        (nn.LogSoftmax(dim=-1), lambda x: F.log_softmax(x, dim=-1)),
    ],
    ids=lambda x: type(x).__name__ if isinstance(x, nn.Module) else "",
)
def test_activations_are_their_functions(module, function):
    x = mg.randn(4, 3)
    np.testing.assert_array_equal(values(module(x)), values(function(x)))


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_losses_are_their_functions(reduction):
    x, y = mg.randn(4, 3) * 2, mg.rand(4, 3)
    classes, weight = mg.tensor([0, 2, 1, 2]), mg.tensor([0.5, 1.0, 2.0])
    pairs = [
        (nn.MSELoss(reduction=reduction)(x, y), F.mse_loss(x, y, reduction=reduction)),
        (nn.L1Loss(reduction=reduction)(x, y), F.l1_loss(x, y, reduction=reduction)),
        (nn.SmoothL1Loss(reduction, beta=0.5)(x, y), F.smooth_l1_loss(x, y, reduction=reduction, beta=0.5)),
        (nn.HuberLoss(reduction, delta=0.5)(x, y), F.huber_loss(x, y, reduction=reduction, delta=0.5)),
        (
            nn.CrossEntropyLoss(weight, reduction=reduction)(x, classes),
            F.cross_entropy(x, classes, weight=weight, reduction=reduction),
        ),
        (
            nn.NLLLoss(weight, ignore_index=1, reduction=reduction)(x, classes),
            F.nll_loss(x, classes, weight=weight, ignore_index=1, reduction=reduction),
        ),
        (
            nn.BCEWithLogitsLoss(reduction=reduction, pos_weight=weight)(x, y),
            F.binary_cross_entropy_with_logits(x, y, reduction=reduction, pos_weight=weight),
        ),
    ]
    for given, expected in pairs:
        np.testing.assert_array_equal(values(given), values(expected))
    assert len({given.sum().item() for given, _ in pairs}) == len(pairs)  # and no two of them are one function


@pytest.mark.parametrize(("shape", "over"), [((5, 4), 4), ((2, 3, 4), (3, 4)), ((4,), (4,))])
def test_layer_norm_forward_and_both_orders_of_derivative(shape, over):
    layer = nn.LayerNorm(over, eps=1e-3, dtype=mg.float64)
    with mg.no_grad():
        layer.weight.copy_(mg.rand(*layer.weight.shape) + 0.5)
        layer.bias.copy_(mg.randn(*layer.bias.shape))
    x = RNG.standard_normal(shape)
    axes = tuple(range(-len(layer.normalized_shape), 0))
    centred = x - x.mean(axes, keepdims=True)
    expected = centred / np.sqrt((centred**2).mean(axes, keepdims=True) + 1e-3)
    expected = expected * values(layer.weight) + values(layer.bias)
    np.testing.assert_allclose(values(layer(mg.tensor(x))), expected, rtol=1e-10)

    def function(x, weight, bias):
        return layer_norm(x, weight, bias, len(layer.normalized_shape), layer.eps)

    inputs = (mg.tensor(x, requires_grad=True), layer.weight, layer.bias)
    assert gradcheck(function, inputs)
    assert gradgradcheck(function, inputs)


def test_layer_norm_without_parameters():
    assert list(nn.LayerNorm(3, elementwise_affine=False).parameters()) == []
    assert len(list(nn.LayerNorm(3, bias=False).parameters())) == 1
    y = values(nn.LayerNorm(3, elementwise_affine=False)(mg.randn(6, 3)))
    np.testing.assert_allclose(y.mean(1), 0, atol=1e-6)
    np.testing.assert_allclose(y.var(1), 1, atol=1e-3)


# -- initialisation ---------------------------------------------------------------------------------------------


def test_init_distributions():
    mg.manual_seed(1)
    w = mg.empty(400, 100)
    checks = [
        (lambda: nn.init.uniform_(w, -1, 3), 1.0, 4 / math.sqrt(12)),
        (lambda: nn.init.normal_(w, 2.0, 0.5), 2.0, 0.5),
        (lambda: nn.init.xavier_uniform_(w, gain=2.0), 0.0, 2 * math.sqrt(2 / 500)),
        (lambda: nn.init.xavier_normal_(w), 0.0, math.sqrt(2 / 500)),
        (lambda: nn.init.kaiming_uniform_(w, nonlinearity="relu"), 0.0, math.sqrt(2 / 100)),
        (lambda: nn.init.kaiming_normal_(w, mode="fan_out", nonlinearity="relu"), 0.0, math.sqrt(2 / 400)),
        (lambda: nn.init.kaiming_uniform_(w, a=math.sqrt(5)), 0.0, 1 / math.sqrt(300)),
    ]
    for fill, mean, std in checks:
        assert fill() is w
        assert abs(values(w).mean() - mean) < 4 * std / math.sqrt(w.numel())
        assert abs(values(w).std() / std - 1) < 0.02


def test_a_truncated_normal_is_drawn_again_and_not_clipped():
    """Clipping would put 31 % and 16 % of the numbers onto the bounds. The mean is (φ(a) - φ(b)) / (Φ(b) - Φ(a))."""
    mg.manual_seed(1)
    w = nn.init.trunc_normal_(mg.empty(400, 100, dtype=mg.float64), std=1.0, a=-0.5, b=1.0)
    assert -0.5 < values(w).min() < -0.49
    assert 0.99 < values(w).max() < 1.0
    density = [math.exp(-0.5 * x * x) / math.sqrt(2 * math.pi) for x in (-0.5, 1.0)]
    between = 0.5 * (math.erf(1 / math.sqrt(2)) + math.erf(0.5 / math.sqrt(2)))
    assert abs(values(w).mean() - (density[0] - density[1]) / between) < 4 * 0.42 / 200
    shifted = nn.init.trunc_normal_(mg.empty(1000), mean=2.0, std=0.5, a=1.0, b=2.0)
    assert 1 <= values(shifted).min() <= values(shifted).max() <= 2


def test_a_vector_put_into_parameters_is_seen_by_a_recorded_graph():
    layer = nn.Linear(2, 2)
    y = layer(layer(mg.ones(1, 2))).sum()
    nn.utils.vector_to_parameters(mg.zeros(6), layer.parameters())
    with pytest.raises(RuntimeError, match="changed in place"):
        y.backward()


def test_gains():
    """PyTorch's documentation of calculate_gain, and eq. 10 of He et al. 2015 for a slope a: √(2 / ((1 + a²) fan))."""
    gains = {"linear": 1, "conv2d": 1, "sigmoid": 1, "tanh": 5 / 3, "relu": math.sqrt(2), "selu": 3 / 4}
    for name, gain in gains.items():
        assert nn.init.calculate_gain(name) == pytest.approx(gain)
    assert nn.init.calculate_gain("leaky_relu") == pytest.approx(math.sqrt(2 / (1 + 0.01**2)))
    assert nn.init.calculate_gain("leaky_relu", 2.0) == pytest.approx(math.sqrt(2 / 5))
    mg.manual_seed(0)
    normal = nn.init.kaiming_normal_(mg.empty(200, 100), a=2.0)
    assert values(normal).std() == pytest.approx(math.sqrt(2 / 5 / 100), rel=0.02)
    uniform = nn.init.kaiming_uniform_(mg.empty(200, 100), a=2.0)
    assert values(uniform).max() == pytest.approx(math.sqrt(3) * math.sqrt(2 / 5 / 100), rel=0.001)


def test_clipping_leaves_a_little_less_than_the_limit():
    """The scale is limit / (norm + 1e-6), as in PyTorch, so that a norm of 0 divides nothing by 0."""
    p = nn.Parameter(mg.zeros(2, dtype=mg.float64))
    p.grad = mg.tensor([3e-6, 4e-6], dtype=mg.float64)
    assert nn.utils.clip_grad_norm_([p], 3e-6).item() == pytest.approx(5e-6)
    np.testing.assert_allclose(values(p.grad), [1.5e-6, 2e-6])


def test_init_counts_the_places_of_a_kernel():
    assert nn.init.count_fans("test", mg.empty(8, 3, 5, 5)) == (75, 200)


@pytest.mark.parametrize("shape", [(4, 9), (9, 4), (5, 5), (4, 3, 3)])
def test_orthogonal(shape):
    w = nn.init.orthogonal_(mg.empty(*shape, dtype=mg.float64), gain=2.0)
    m = values(w).reshape(shape[0], -1) / 2
    product = m @ m.T if m.shape[0] <= m.shape[1] else m.T @ m
    np.testing.assert_allclose(product, np.eye(min(m.shape)), atol=1e-12)


def test_orthogonal_matrices_have_no_preferred_sign():
    w = mg.empty(3, 3)
    positive = [values(nn.init.orthogonal_(w)).diagonal() > 0 for _ in range(400)]
    assert 0.4 < np.mean(positive) < 0.6  # plain QR gives 0 or 1 for some of them
    assert np.abs(np.mean(positive, 0) - 0.5).max() < 0.15


def test_init_fills_a_parameter_in_place_and_keeps_its_dtype():
    p = nn.Parameter(mg.zeros(2, 2))
    memory, version = p.array, p._version[0]
    nn.init.eye_(p)
    assert p.array is memory
    assert p._version[0] > version
    assert values(p).tolist() == [[1, 0], [0, 1]]
    assert p.dtype == mg.float32
    assert values(nn.init.ones_(p)).sum() == 4
    assert values(nn.init.zeros_(p)).sum() == 0
    assert values(nn.init.constant_(p, 0.5)).sum() == 2


def test_init_changes_are_seen_by_a_recorded_graph():
    layer = nn.Linear(2, 2)
    y = layer(layer(mg.ones(1, 2))).sum()
    nn.init.zeros_(layer.weight)
    with pytest.raises(RuntimeError, match="changed in place"):
        y.backward()


def test_init_is_reproducible_and_takes_a_generator():
    fills = []
    for _ in range(2):
        g = mg.Generator().manual_seed(3)
        fills.append([values(f(mg.empty(3, 3), generator=g)) for f in (nn.init.normal_, nn.init.orthogonal_)])
    np.testing.assert_array_equal(fills[0], fills[1])
    assert not np.array_equal(fills[0][0], values(nn.init.normal_(mg.empty(3, 3))))


# -- clipping and vectors -----------------------------------------------------------------------------------------


def with_gradients(*gradients):
    parameters = []
    for g in gradients:
        p = nn.Parameter(mg.zeros(*np.shape(g)))
        p.grad = mg.tensor(g)
        parameters.append(p)
    return parameters


def test_clip_grad_norm():
    parameters = [*with_gradients([3.0, 0.0], [[4.0]]), nn.Parameter(mg.zeros(2))]  # the last has no gradient
    gradient = parameters[0].grad
    total = nn.utils.clip_grad_norm_((p for p in parameters), 10.0)
    assert total.item() == 5
    assert values(gradient).tolist() == [3, 0]  # small enough: unchanged
    assert nn.utils.clip_grad_norm_(parameters, 1.0).item() == 5
    assert parameters[0].grad is gradient  # in place
    np.testing.assert_allclose(values(gradient), [0.6, 0], rtol=1e-5)
    np.testing.assert_allclose(values(parameters[1].grad), [[0.8]], rtol=1e-5)
    assert gradient._version[0] > 0


@pytest.mark.parametrize(("kind", "total"), [(1, 7), (math.inf, 4), ("inf", 4), (3, 91 ** (1 / 3))])
def test_clip_grad_norm_of_other_kinds(kind, total):
    parameters = with_gradients([3.0], [-4.0])
    assert abs(nn.utils.clip_grad_norm_(parameters, 1.0, norm_type=kind).item() - total) < 1e-5
    np.testing.assert_allclose(values(parameters[1].grad), [-4 / total], rtol=1e-5)


def test_clip_grad_norm_of_nothing_and_of_one_tensor():
    assert nn.utils.clip_grad_norm_([], 1.0).item() == 0
    (p,) = with_gradients([3.0, 4.0])
    assert nn.utils.clip_grad_norm_(p, 1.0).item() == 5


def test_clip_grad_norm_can_refuse_what_is_not_finite():
    with pytest.raises(RuntimeError, match="detect_anomaly"):
        nn.utils.clip_grad_norm_(with_gradients([math.nan]), 1.0, error_if_nonfinite=True)
    parameters = with_gradients([math.nan, 1.0])
    assert math.isnan(nn.utils.clip_grad_norm_(parameters, 1.0).item())
    assert np.isnan(values(parameters[0].grad)).all()  # as in PyTorch: the trouble shows everywhere


def test_clip_grad_norm_divides_by_a_little_more_than_the_norm():
    """PyTorch's max_norm / (norm + 1e-6)."""
    (p,) = with_gradients([1e-6, 0.0])
    nn.utils.clip_grad_norm_([p], 1e-6)
    np.testing.assert_allclose(values(p.grad), [5e-7, 0], rtol=1e-5)


def test_clip_grad_norm_has_the_gradients_dtype_and_bears_empty_ones():
    p = nn.Parameter(mg.zeros(2, dtype=mg.float64))
    p.grad = mg.tensor([3.0, -4.0], dtype=mg.float64)
    empty = nn.Parameter(mg.zeros(0, dtype=mg.float64))
    empty.grad = mg.zeros(0, dtype=mg.float64)
    for kind, total in ((2.0, 5.0), (math.inf, 4.0), (1.0, 7.0)):
        norm = nn.utils.clip_grad_norm_([empty, p], 100.0, norm_type=kind)
        assert (norm.item(), norm.dtype) == (total, mg.float64)
    assert nn.utils.clip_grad_norm_(with_gradients([3.0, 4.0]), 100.0).dtype == mg.float32


def test_clip_grad_norm_refuses_what_makes_no_sense():
    for norm_type in (0, -1.0, math.nan):
        with pytest.raises(ValueError, match=r"norm_type=.* expected a positive number or inf"):
            nn.utils.clip_grad_norm_(with_gradients([3.0]), 1.0, norm_type=norm_type)
    with pytest.raises(ValueError, match="limit must be a number of at least 0, got nan"):
        nn.utils.clip_grad_norm_(with_gradients([3.0]), math.nan)
    for g in (math.inf, -math.inf):
        parameters = with_gradients([g])
        with pytest.raises(RuntimeError, match="the norm of the gradients is inf"):
            nn.utils.clip_grad_norm_(parameters, 1.0, error_if_nonfinite=True)
        assert values(parameters[0].grad).tolist() == [g]


def test_clip_grad_value():
    parameters = with_gradients([3.0, -0.5], [-4.0])
    nn.utils.clip_grad_value_(parameters, 1.0)
    assert [values(p.grad).tolist() for p in parameters] == [[1.0, -0.5], [-1.0]]


def test_parameters_to_vector_and_back():
    net = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    vector = nn.utils.parameters_to_vector(net.parameters())
    assert vector.shape == (13,)
    (vector * mg.arange(13).float()).sum().backward()
    assert values(net[0].weight.grad).tolist() == [[0, 1], [2, 3], [4, 5]]
    nn.utils.vector_to_parameters(mg.arange(13).float(), net.parameters())
    assert values(net[1].weight).tolist() == [[9, 10, 11]]
    assert values(net[1].bias).tolist() == [12]
    for wrong in (12, 14):
        with pytest.raises(ValueError, match=rf"\({wrong},\), the parameters have 13 elements"):
            nn.utils.vector_to_parameters(mg.zeros(wrong), net.parameters())


def test_vector_to_parameters_is_a_change_in_place_that_backward_notices():
    p = nn.Parameter(mg.ones(2))
    loss = (p * p).sum()
    nn.utils.vector_to_parameters(mg.zeros(2), [p])
    with pytest.raises(RuntimeError, match="changed in place"):
        loss.backward()


# -- against PyTorch ------------------------------------------------------------------------------------------------


@pytest.mark.oracle
def test_modules_agree_with_pytorch():
    torch = pytest.importorskip("torch")

    def build(nn):
        return nn.Sequential(
            nn.Linear(4, 8), nn.LayerNorm(8), nn.Tanh(), nn.Linear(8, 8), nn.ELU(), nn.Flatten(), nn.Linear(8, 3)
        )

    ours, theirs = build(nn), build(torch.nn)
    assert repr(ours) == repr(theirs)
    assert [n for n, _ in ours.named_parameters()] == [n for n, _ in theirs.named_parameters()]
    assert list(ours.state_dict()) == list(theirs.state_dict())
    theirs.load_state_dict({k: torch.tensor(values(v)) for k, v in ours.state_dict().items()})
    x, y = RNG.standard_normal((6, 4)).astype(np.float32), RNG.standard_normal((6, 3)).astype(np.float32)
    a = nn.HuberLoss()(ours(mg.tensor(x)), mg.tensor(y))
    b = torch.nn.HuberLoss()(theirs(torch.tensor(x)), torch.tensor(y))
    a.backward()
    b.backward()
    assert abs(a.item() - b.item()) < 1e-6
    norm = nn.utils.clip_grad_norm_(ours.parameters(), 0.01).item()
    assert abs(norm - torch.nn.utils.clip_grad_norm_(theirs.parameters(), 0.01).item()) < 1e-6
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(values(p.grad), q.grad.numpy(), atol=1e-7)


@pytest.mark.oracle
def test_gains_agree_with_pytorch():
    torch = pytest.importorskip("torch")
    for name in ("linear", "sigmoid", "tanh", "relu", "leaky_relu", "selu"):
        assert nn.init.calculate_gain(name) == pytest.approx(torch.nn.init.calculate_gain(name))
    assert nn.init.calculate_gain("leaky_relu", 0.3) == pytest.approx(torch.nn.init.calculate_gain("leaky_relu", 0.3))


@pytest.mark.oracle
@pytest.mark.parametrize("module", ["ReLU()", "Softmax(dim=1)", "LogSoftmax()", "Softplus()", "Flatten(0, 1)",
                                    "ELU(0.5)", "Identity()", "MSELoss()", "Linear(2, 3, bias=False)", "Sigmoid()",
                                    "LayerNorm((2, 3))", "ModuleList([])"])  # fmt: skip
def test_reprs_agree_with_pytorch(module):
    torch = pytest.importorskip("torch")
    assert repr(eval(f"nn.{module}")) == repr(eval(f"torch.nn.{module}", {"torch": torch}))
