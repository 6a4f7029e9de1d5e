"""Convolution, pooling and batch normalisation: against their definitions, against each other, and against PyTorch.

The rows of the table (test_table.py) have their derivatives checked by finite differences; here is what the rows don't
say: PyTorch's arguments, the layers, and how the work is cut up.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import minigrad as mg
import minigrad.nn as nn
import minigrad.nn.functional as F
from minigrad.gradcheck import gradcheck, gradgradcheck
from minigrad.ops import convolution as family
from minigrad.ops.windows import Window

RNG = np.random.default_rng(0)


def tensor(*shape, requires_grad=True):
    return mg.tensor(RNG.standard_normal(shape), dtype=mg.float64, requires_grad=requires_grad)


def by_definition(x, weight, bias, window, groups):
    """The sum of the equation, term by term."""
    (n, _, h, w), (o, c, kh, kw) = x.shape, weight.shape
    (sh, sw), (top, _, left, _), (dh, dw) = window.stride, window.padding, window.dilation
    y = np.zeros((n, o, *window.outputs(h, w)))
    for k, p, q, ci, i, j in itertools.product(*map(range, (o, *y.shape[2:], c, kh, kw))):
        row, column = sh * p + dh * i - top, sw * q + dw * j - left
        if 0 <= row < h and 0 <= column < w:
            y[:, k, p, q] += x[:, k // (o // groups) * c + ci, row, column] * weight[k, ci, i, j]
    return y + bias[:, None, None]


WINDOWS = [
    (Window((3, 2)), 1),
    (Window((2, 3), (2, 1), (1, 0, 2, 1)), 1),
    (Window((2, 2), (1, 2), (0, 1, 1, 1), (2, 3)), 2),
    (Window((3, 1), (2, 3), (2, 2, 0, 0), (1, 1)), 4),
    (Window((1, 1), (2, 2)), 1),
]


@pytest.mark.parametrize(("window", "groups"), WINDOWS)
def test_convolution_is_its_equation_and_its_derivatives_are_its_adjoints(window, groups):
    x, bias = RNG.standard_normal((3, 4, 6, 7)), RNG.standard_normal(4)
    weight = RNG.standard_normal((4, 4 // groups, *window.kernel))
    y = family.convolution(x, weight, None, window, groups)
    expected = by_definition(x, weight, bias, window, groups)
    np.testing.assert_allclose(y + bias[:, None, None], expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(family.convolution(x, weight, bias, window, groups), expected, rtol=1e-12, atol=1e-12)
    g = RNG.standard_normal(y.shape)
    whole = np.sum(g * y)
    by_x = family.convolution_input(g, weight, (6, 7), window, groups)
    by_weight = family.convolution_weight(g, x, window, groups)
    assert by_x.shape == x.shape
    assert by_weight.shape == weight.shape
    np.testing.assert_allclose([np.sum(by_x * x), np.sum(by_weight * weight)], [whole, whole], rtol=1e-12)


@pytest.mark.parametrize(("window", "groups"), WINDOWS)
@pytest.mark.parametrize("size", [1, 2500, 20000])  # one row of windows, some rows, some images
def test_how_many_images_are_taken_at_a_time_makes_no_difference(monkeypatch, window, groups, size):
    x, weight = RNG.standard_normal((5, 4, 6, 7)), RNG.standard_normal((4, 4 // groups, *window.kernel))
    y = family.convolution(x, weight, None, window, groups)
    g = RNG.standard_normal(y.shape)

    def all_three():
        return (
            family.convolution(x, weight, None, window, groups),
            family.convolution_input(g, weight, (6, 7), window, groups),
            family.convolution_weight(g, x, window, groups),
        )

    at_once = all_three()
    monkeypatch.setattr(family, "_CACHED", size)
    for a, b in zip(all_three(), at_once, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


def test_an_output_is_contiguous_so_that_view_works():
    """`x.view(x.size(0), -1)` after the convolutions stands in everybody's notes."""
    x = nn.Conv2d(4, 8, 3)(mg.rand(2, 4, 6, 6))
    assert x.is_contiguous()
    assert F.relu(x).view(x.size(0), -1).shape == (2, 128)


def test_same_and_valid_and_one_dimension_and_no_batch():
    x, w, b = tensor(2, 3, 5, 6), tensor(4, 3, 2, 4), tensor(4)
    same = F.conv2d(x, w, b, padding="same", dilation=(1, 2))
    assert same.shape == (2, 4, 5, 6)
    padded = mg.zeros(2, 3, 6, 12, dtype=mg.float64)
    padded[:, :, :5, 3:9] = x.detach()  # of an odd total, more at the end
    np.testing.assert_allclose(same.detach().numpy(), F.conv2d(padded, w, b, dilation=(1, 2)).detach().numpy())
    assert F.conv2d(x, w, padding="valid").shape == (2, 4, 4, 3)
    np.testing.assert_array_equal(F.conv2d(x[1], w, b).detach().numpy(), F.conv2d(x, w, b)[1].detach().numpy())

    line, kernel = tensor(2, 3, 7), tensor(4, 3, 2)
    y = F.conv1d(line, kernel, b, stride=2, padding=1)
    expected = F.conv2d(line.unsqueeze(2), kernel.unsqueeze(2), b, stride=2, padding=(0, 1)).squeeze(2)
    np.testing.assert_array_equal(y.detach().numpy(), expected.detach().numpy())
    assert F.conv1d(line[0], kernel).shape == (4, 6)
    assert gradcheck(lambda *t: F.conv1d(*t, stride=2, padding=1), [line, kernel, b])


def test_an_output_padding_that_makes_room_for_another_window():
    """Values of PyTorch 2.13. The rows it adds hold zeros, or what the padding had cut off; no pixel more is made."""
    x = mg.ones(1, 1, 4, 4, dtype=mg.float64, requires_grad=True)
    w = mg.ones(1, 1, 2, 2, dtype=mg.float64, requires_grad=True)
    y = F.conv_transpose2d(x, w, stride=2, dilation=4, output_padding=3)
    assert y.shape == (1, 1, 14, 14)
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), np.full((1, 1, 4, 4), 4.0))
    np.testing.assert_array_equal(w.grad.numpy(), np.full((1, 1, 2, 2), 16.0))
    settings = dict(stride=2, dilation=4, output_padding=3, padding=1)
    assert gradcheck(lambda x, w: F.conv_transpose2d(x, w, **settings), [tensor(1, 1, 2, 2), tensor(1, 1, 2, 2)])
    assert gradgradcheck(lambda x, w: F.conv_transpose2d(x, w, **settings), [tensor(1, 1, 2, 2), tensor(1, 1, 2, 2)])
    x, w = mg.tensor([[[[1.0, 2.0], [3.0, 4.0]]]]), mg.tensor([[[[1.0, 10.0], [100.0, 1000.0]]]])
    y = F.conv_transpose2d(x, w, stride=1, dilation=3, output_padding=2, padding=1)
    expected = [[4, 0, 30, 40, 0], [0] * 5, [200, 0, 1000, 2000, 0], [400, 0, 3000, 4000, 0], [0] * 5]
    np.testing.assert_array_equal(y.numpy()[0, 0], expected)


def test_the_arguments_of_a_transposed_convolution():
    x, w = mg.tensor([[[[1.0, 2.0]]]]), mg.ones(1, 2, 1, 2)
    y = F.conv_transpose2d(x, w, mg.tensor([10.0, 20.0]), stride=[1, 2])
    np.testing.assert_array_equal(y.numpy(), [[[[11, 11, 12, 12]], [[21, 21, 22, 22]]]])
    assert F.conv_transpose2d(x, w, stride=2, output_padding=1).shape == (1, 2, 2, 5)
    with pytest.raises(RuntimeError, match="output_padding=2 must be less than"):
        F.conv_transpose2d(x, w, stride=2, output_padding=2)
    with pytest.raises(RuntimeError, match=r"would be of size \(1, 0\)"):
        F.conv_transpose2d(x[..., :1], mg.ones(1, 1, 1, 2), padding=(0, 1))


def test_a_small_convolutional_network_to_second_order():
    net = nn.Sequential(
        nn.Conv2d(1, 2, 3, stride=2, padding=1),
        nn.Tanh(),
        nn.BatchNorm2d(2),
        nn.MaxPool2d(2, stride=1),
        nn.ConvTranspose2d(2, 1, 2),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(1, 1),
    ).double()
    for p in net.parameters():
        p.requires_grad_(False)
    x = tensor(2, 1, 5, 6)
    assert gradcheck(net, [x])
    assert gradgradcheck(net, [x], fast_mode=True)


def test_a_convolutional_network_learns():
    mg.manual_seed(0)
    rng = np.random.default_rng(0)  # its own: the loss must not depend on which tests ran before
    frames = mg.zeros(64, 1, 8, 8, dtype=mg.uint8)
    labels = mg.tensor(rng.integers(0, 2, 64))
    for i in range(64):  # a bar, standing or lying
        place = int(rng.integers(8))
        frames[(i, 0, slice(None), place) if labels[i] else (i, 0, place)] = 255
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 2))
    optimizer = mg.optim.Adam(net.parameters(), lr=1e-2)
    for _ in range(60):
        loss = F.cross_entropy(net(frames / 255), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.1


def test_parameters_start_as_they_should():
    mg.manual_seed(0)
    layer = nn.Conv2d(4, 200, (3, 5), groups=2)
    for p in (layer.weight, layer.bias):
        assert p.abs().max().item() <= 30**-0.5
        assert p.abs().max().item() > 0.95 * 30**-0.5
    assert layer.weight.shape == (200, 2, 3, 5)
    assert nn.Conv1d(2, 3, 4, bias=False).bias is None
    assert nn.ConvTranspose2d(4, 6, 3, groups=2).weight.shape == (4, 3, 3, 3)


# -- pooling ----------------------------------------------------------------------------------------------


def test_max_pooling_chooses_the_first_of_equals():
    x = mg.tensor([[[[1.0, 2.0, 2.0], [2.0, 0.0, 2.0], [1.0, 2.0, 1.0]]]], requires_grad=True)
    y, places = F.max_pool2d(x, 2, stride=1, return_indices=True)
    np.testing.assert_array_equal(places.numpy(), [[[[1, 1], [3, 5]]]])
    y.backward(mg.tensor([[[[1.0, 10.0], [100.0, 1000.0]]]]))
    np.testing.assert_array_equal(x.grad.numpy(), [[[[0, 11, 0], [100, 0, 1000], [0, 0, 0]]]])


def test_max_pooling_of_what_is_not_finite():
    nan, inf = float("nan"), float("inf")
    x = mg.tensor([[[1.0, nan, 2.0], [-inf, -inf, -inf]]])
    y, places = F.max_pool1d(x, 3, padding=1, stride=2, return_indices=True)
    np.testing.assert_array_equal(places.numpy(), [[[1, 1], [0, 1]]])  # the padding is never chosen
    np.testing.assert_array_equal(y.numpy(), [[[nan, nan], [-inf, -inf]]])


def test_a_pooling_window_that_steps_over_the_image():
    """PyTorch gives -inf, the index of no pixel, and writes the gradient there."""
    with pytest.raises(RuntimeError, match="nothing but padding"):
        F.max_pool1d(mg.ones(1, 1, 2), 2, stride=1, padding=1, dilation=3)
    y, places = F.max_pool1d(mg.arange(6.0).reshape(1, 1, 6), 2, padding=1, dilation=2, return_indices=True)
    np.testing.assert_array_equal(y.numpy(), [[[1, 3, 5]]])
    np.testing.assert_array_equal(places.numpy(), [[[1, 3, 5]]])


def test_a_window_that_would_start_in_the_padding_behind_the_image_is_left_out():
    x = mg.arange(4.0).reshape(1, 1, 4)
    np.testing.assert_array_equal(F.max_pool1d(x, 2, 3, 1, ceil_mode=True).numpy(), [[[0, 3]]])
    np.testing.assert_array_equal(F.avg_pool1d(x, 2, 3, 1, ceil_mode=True).numpy(), [[[0, 2.5]]])


def test_windows_that_overlap_in_one_direction_only():
    for shape, kernel in (((1, 1, 1, 3), (1, 2)), ((1, 1, 3, 1), (2, 1))):
        x = mg.tensor([1.0, 2.0, 1.0]).reshape(*shape).requires_grad_()
        F.max_pool2d(x, kernel, stride=1).sum().backward()
        assert x.grad.flatten().tolist() == [0, 2, 0]


def test_pooling_windows_that_overlap_and_that_stick_out():
    x = mg.arange(25, dtype=mg.float64).reshape(1, 1, 5, 5).requires_grad_()
    for stride in (None, (), [], 2, [2, 2]):
        assert F.max_pool2d(x, 2, stride).shape == (1, 1, 2, 2)
    assert F.max_pool2d(x, 2, ceil_mode=True).shape == (1, 1, 3, 3)
    y = F.avg_pool2d(x, 2, ceil_mode=True)
    assert y[0, 0, 2, 2].item() == 24
    assert F.avg_pool2d(x, 3, padding=1, stride=2)[0, 0, 0, 0].item() == (0 + 1 + 5 + 6) / 9
    assert F.avg_pool2d(x, 3, padding=1, stride=2, count_include_pad=False)[0, 0, 0, 0].item() == 3
    assert F.avg_pool2d(x, 2, divisor_override=1)[0, 0, 0, 0].item() == 12
    F.max_pool2d(x, 3, stride=1).sum().backward()
    assert x.grad[0, 0, 2, 2].item() == 1
    assert x.grad[0, 0, 4, 4].item() == 1
    assert x.grad.sum().item() == 9


def test_adaptive_pooling():
    x = tensor(2, 3, 5, 4)
    np.testing.assert_allclose(F.adaptive_avg_pool2d(x, 1)[..., 0, 0].detach(), x.mean((2, 3)).detach())
    y = F.adaptive_avg_pool2d(x, (2, None))
    np.testing.assert_allclose(y[:, :, 1].detach(), x[:, :, 2:].mean(2).detach())
    assert gradcheck(lambda t: F.adaptive_avg_pool2d(t, (3, 2)), [x])


# -- batch normalisation ----------------------------------------------------------------------------------


def test_batch_norm_normalises_and_remembers():
    layer = nn.BatchNorm1d(3, momentum=0.2).double()
    x = tensor(8, 3, 2) * 3 + 5
    y = layer(x).detach().numpy()
    np.testing.assert_allclose(y.mean((0, 2)), 0, atol=1e-12)
    np.testing.assert_allclose(y.var((0, 2)), 1, rtol=1e-4)
    raw = x.detach().numpy()
    np.testing.assert_allclose(layer.running_mean.numpy(), 0.2 * raw.mean((0, 2)))
    np.testing.assert_allclose(layer.running_var.numpy(), 0.8 + 0.2 * raw.var((0, 2), ddof=1))
    assert layer.num_batches_tracked.item() == 1
    layer.eval()
    mean, var = layer.running_mean.numpy(), layer.running_var.numpy()
    expected = (raw - mean[:, None]) / np.sqrt(var[:, None] + 1e-5)
    np.testing.assert_allclose(layer(x).detach().numpy(), expected)
    assert layer.num_batches_tracked.item() == 1


@pytest.mark.parametrize("shape", [(0, 2), (0, 2, 3), (4, 2, 0), (0, 2, 3, 3)])
def test_an_empty_batch_spoils_nothing(shape):
    layer = (nn.BatchNorm2d if len(shape) == 4 else nn.BatchNorm1d)(2)
    x = mg.zeros(*shape, requires_grad=True)
    layer(x).sum().backward()
    assert x.grad.shape == shape
    for name, expected in {"running_mean": [0, 0], "running_var": [1, 1], "num_batches_tracked": 1}.items():
        np.testing.assert_array_equal(layer.state_dict()[name].numpy(), expected)  # as in PyTorch, it is counted
    np.testing.assert_array_equal(layer.weight.grad.numpy(), [0, 0])
    assert layer.eval()(x).shape == shape


def test_layers_pass_all_their_settings_on():
    x, line = tensor(1, 2, 5, 6, requires_grad=False), tensor(1, 2, 9, requires_grad=False)
    layer = nn.ConvTranspose2d(2, 4, 2, stride=2, padding=1, output_padding=1, groups=2, dilation=2, dtype=mg.float64)
    expected = F.conv_transpose2d(x, layer.weight, layer.bias, 2, 1, 1, 2, 2)
    assert expected.shape == (1, 4, 10, 12)
    np.testing.assert_array_equal(layer(x).detach().numpy(), expected.detach().numpy())
    layer = nn.Conv1d(2, 4, 2, stride=2, padding=1, dilation=3, groups=2, dtype=mg.float64)
    expected = F.conv1d(line, layer.weight, layer.bias, 2, 1, 3, 2)
    np.testing.assert_array_equal(layer(line).detach().numpy(), expected.detach().numpy())
    layer = nn.Conv2d(2, 4, 2, stride=2, padding=1, dilation=3, groups=2, dtype=mg.float64)
    expected = F.conv2d(x, layer.weight, layer.bias, 2, 1, 3, 2)
    np.testing.assert_array_equal(layer(x).detach().numpy(), expected.detach().numpy())


def test_batch_norm_begins_anew():
    layer = nn.BatchNorm1d(2, bias=False)
    assert list(dict(layer.named_parameters())) == ["weight"]
    layer(mg.tensor([[1.0, 2.0], [3.0, 6.0]]))
    assert layer.running_mean.tolist() == pytest.approx([0.2, 0.4])
    layer.weight.data.fill_(3.0)
    layer.reset_parameters()
    found = {name: t.tolist() for name, t in layer.state_dict().items()}
    assert found == {"weight": [1, 1], "running_mean": [0, 0], "running_var": [1, 1], "num_batches_tracked": 0}


def test_the_eps_of_batch_norm():
    x = mg.tensor([[1.0], [3.0]])
    y = F.batch_norm(x, mg.ones(1), mg.full((1,), 4.0), eps=0.0)  # in evaluation only a negative one is refused
    np.testing.assert_array_equal(y.numpy(), [[0], [1]])


def test_batch_norm_with_the_average_of_all_batches():
    layer = nn.BatchNorm2d(2, momentum=None, affine=False).double()
    batches = [tensor(4, 2, 3, 3) for _ in range(3)]
    for x in batches:
        layer(x)
    means = [x.detach().numpy().mean((0, 2, 3)) for x in batches]
    np.testing.assert_allclose(layer.running_mean.numpy(), np.mean(means, 0))
    assert list(layer.state_dict()) == ["running_mean", "running_var", "num_batches_tracked"]
    alone = nn.BatchNorm2d(2, track_running_stats=False).eval()
    assert list(alone.state_dict()) == ["weight", "bias"]
    x = mg.rand(4, 2, 3, 3)
    np.testing.assert_allclose(alone(x).detach().numpy().mean((0, 2, 3)), 0, atol=1e-6)


def test_batch_norm_in_evaluation_is_differentiable_too():
    mean, var = tensor(2, requires_grad=False), tensor(2, requires_grad=False).exp()
    inputs = [tensor(3, 2, 4), tensor(2), tensor(2)]
    assert gradcheck(lambda x, w, b: F.batch_norm(x, mean, var, w, b), inputs)
    assert gradgradcheck(lambda x, w, b: F.batch_norm(x, mean, var, w, b), inputs, fast_mode=True)


# -- PyTorch ----------------------------------------------------------------------------------------------


def compare(ours, theirs, arrays):
    """Values, and the gradients for one cotangent."""
    torch = pytest.importorskip("torch")
    a = [mg.tensor(x, dtype=mg.float64, requires_grad=True) for x in arrays]
    b = [torch.tensor(x, requires_grad=True) for x in arrays]
    y, expected = ours(*a), theirs(*b)
    assert y.shape == tuple(expected.shape)
    np.testing.assert_allclose(y.detach().numpy(), expected.detach().numpy(), rtol=1e-10, atol=1e-10)
    g = RNG.standard_normal(y.shape)
    y.backward(mg.tensor(g, dtype=mg.float64))
    expected.backward(torch.tensor(g))
    for x, e in zip(a, b, strict=True):
        np.testing.assert_allclose(x.grad.numpy(), e.grad.numpy(), rtol=1e-9, atol=1e-10)


GRID = list(itertools.product([(1, 1), (2, 3)], [0, (2, 1)], [1, (2, 1)], [1, 2], [(1, 1), (3, 2), (2, 4)], [0, 3]))


@pytest.mark.oracle
@pytest.mark.parametrize(("stride", "padding", "dilation", "groups", "kernel", "n"), GRID)
def test_convolutions_are_pytorchs(stride, padding, dilation, groups, kernel, n):
    torch = pytest.importorskip("torch")
    x, b = RNG.standard_normal((n, 4, 7, 8)), RNG.standard_normal(6)
    w = RNG.standard_normal((6, 4 // groups, *kernel))
    settings = dict(stride=stride, padding=padding, dilation=dilation, groups=groups)
    compare(lambda *t: F.conv2d(*t, **settings), lambda *t: torch.nn.functional.conv2d(*t, **settings), [x, w, b])
    w = RNG.standard_normal((4, 6 // groups, *kernel))
    settings["output_padding"] = (0, max(stride) - 1)
    theirs = torch.nn.functional.conv_transpose2d
    compare(lambda *t: F.conv_transpose2d(*t, **settings), lambda *t: theirs(*t, **settings), [x, w, b])
    one = {k: v[-1] if isinstance(v, tuple) else v for k, v in settings.items() if k != "output_padding"}
    arrays = [x[:, :, 0], RNG.standard_normal((6, 4 // groups, kernel[1])), b]
    compare(lambda *t: F.conv1d(*t, **one), lambda *t: torch.nn.functional.conv1d(*t, **one), arrays)


@pytest.mark.oracle
@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("stride", [None, 1, (3, 2)])
@pytest.mark.parametrize("kernel", [2, (3, 2), (2, 5)])
def test_pooling_is_pytorchs(kernel, stride, padding, ceil_mode):
    torch = pytest.importorskip("torch")
    theirs = torch.nn.functional
    settings = dict(stride=stride, padding=padding, ceil_mode=ceil_mode)
    x = RNG.integers(-2, 2, (2, 2, 7, 9)).astype(float)  # with ties
    for dilation in (1, 2):
        s = dict(settings, dilation=dilation)
        compare(lambda t, s=s: F.max_pool2d(t, kernel, **s), lambda t, s=s: theirs.max_pool2d(t, kernel, **s), [x])
    for more in ({}, {"count_include_pad": False}, {"divisor_override": 3}):
        s = dict(settings, **more)
        compare(lambda t, s=s: F.avg_pool2d(t, kernel, **s), lambda t, s=s: theirs.avg_pool2d(t, kernel, **s), [x])
    for size in (1, 3, (2, 5), (None, 4)):
        ours, other = F.adaptive_avg_pool2d, theirs.adaptive_avg_pool2d
        compare(lambda t, n=size, f=ours: f(t, n), lambda t, n=size, f=other: f(t, n), [x])


@pytest.mark.oracle
@pytest.mark.parametrize("shape", [(5, 3), (4, 3, 2), (2, 3, 4, 5)])
@pytest.mark.parametrize("momentum", [0.1, None])
def test_batch_norm_is_pytorchs(shape, momentum):
    torch = pytest.importorskip("torch")
    ours = (nn.BatchNorm2d if len(shape) == 4 else nn.BatchNorm1d)(3, momentum=momentum).double()
    theirs = (torch.nn.BatchNorm2d if len(shape) == 4 else torch.nn.BatchNorm1d)(3, momentum=momentum).double()
    for training in (True, True, False):
        ours.train(training)
        theirs.train(training)
        compare(ours, theirs, [RNG.standard_normal(shape)])
        for name, value in theirs.state_dict().items():
            np.testing.assert_allclose(ours.state_dict()[name].numpy(), value.numpy(), rtol=1e-12)


@pytest.mark.oracle
def test_layers_print_as_pytorchs():
    torch = pytest.importorskip("torch")
    for build in (
        lambda nn: nn.Conv2d(4, 8, 3, stride=2, padding=1, bias=False),
        lambda nn: nn.Conv2d(4, 8, (3, 2), dilation=2, groups=2, padding="same"),
        lambda nn: nn.Conv1d(4, 8, 3),
        lambda nn: nn.ConvTranspose2d(4, 8, 3, stride=2, output_padding=1),
        lambda nn: nn.MaxPool2d(2),
        lambda nn: nn.AvgPool2d(3, stride=1),
        lambda nn: nn.BatchNorm2d(7),
        lambda nn: nn.AdaptiveAvgPool2d((1, 1)),
    ):
        assert repr(build(nn)) == repr(build(torch.nn))
