"""Losses, activations and layers with options that are rarely used: values and gradients of PyTorch 2.13, written down."""

# ruff: noqa: E501

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
import minigrad.nn as nn  # noqa: F401, the expressions use it
import minigrad.nn.functional as F  # noqa: F401


def t(values):
    return mg.tensor(values, dtype=mg.float64)


def i(values):
    return mg.tensor(values)


X = t([[-2.0, 0.5, 1.5], [0.25, -0.75, 3.0]])

# fmt: off
VALUES = {
    "F.selu(X)": [[-1.52016647, 0.525350494, 1.57605148], [0.262675247, -0.927632016, 3.15210296]],
    "F.celu(X, 0.5)": [[-0.490842181, 0.5, 1.5], [0.25, -0.38843492, 3.0]],
    "F.gelu(X)": [[-0.0455002639, 0.345731231, 1.3997892], [0.149676581, -0.169970514, 2.99595031]],
    "F.gelu(X, approximate='tanh')": [[-0.0454023059, 0.34571401, 1.39957158], [0.149675351, -0.170039445, 2.99636261]],
    "F.silu(X)": [[-0.238405844, 0.311229666, 1.22636171], [0.140544125, -0.240615976, 2.85772238]],
    "F.mish(X)": [[-0.252501483, 0.375245211, 1.40337827], [0.16957241, -0.276494715, 2.986535]],
    "F.elu(X, 0.5)": [[-0.432332358, 0.5, 1.5], [0.25, -0.263816724, 3.0]],
    "F.leaky_relu(X, 0.2)": [[-0.4, 0.5, 1.5], [0.25, -0.15, 3.0]],
    "F.hardtanh(X, -0.5, 1.0)": [[-0.5, 0.5, 1.0], [0.25, -0.5, 1.0]],
    "F.relu6(4 * X)": [[0.0, 2.0, 6.0], [1.0, 0.0, 6.0]],
    "F.hardsigmoid(X)": [[0.166666667, 0.583333333, 0.75], [0.541666667, 0.375, 1.0]],
    "F.hardswish(X)": [[-0.333333333, 0.291666667, 1.125], [0.135416667, -0.28125, 3.0]],
    "F.softsign(X)": [[-0.666666667, 0.333333333, 0.6], [0.2, -0.428571429, 0.75]],
    "F.tanhshrink(X)": [[-1.03597242, 0.0378828427, 0.594851746], [0.0050813376, -0.114851048, 2.00494525]],
    "F.logsigmoid(40 * X)": [[-80.0, -2.06115362e-09, -8.75651076e-27], [-4.53988992e-05, -30.0, -7.66764807e-53]],
    "F.glu(t([1.0, 2.0, -1.0, 3.0]))": [0.268941421, 1.90514825],
    "F.glu(X[:, :2], 0)": [[-1.124353, 0.16041065]],
    "F.softplus(X, beta=2.0, threshold=2.0)": [[0.00907496396, 0.656630844, 1.5], [0.487038492, 0.100706639, 3.0]],
    "nn.Softplus(2.0, 2.0)(X)": [[0.00907496396, 0.656630844, 1.5], [0.487038492, 0.100706639, 3.0]],
    "nn.GELU('tanh')(X)": [[-0.0454023059, 0.34571401, 1.39957158], [0.149675351, -0.170039445, 2.99636261]],
    "nn.ELU(0.5)(X)": [[-0.432332358, 0.5, 1.5], [0.25, -0.263816724, 3.0]],
    "nn.LeakyReLU(0.2)(X)": [[-0.4, 0.5, 1.5], [0.25, -0.15, 3.0]],
    "F.softmax(X, 1)": [[0.0215992304, 0.263132494, 0.715268276], [0.0587871805, 0.0216265951, 0.919586224]],
    "F.softmin(X, 0)": [[0.904650535, 0.222700139, 0.817574476], [0.0953494649, 0.777299861, 0.182425524]],
    "F.log_softmax(X, 1)": [[-3.8350976, -1.3350976, -0.335097596], [-2.83383147, -3.83383147, -0.0838314662]],
    "F.softmax(X.unsqueeze(0))": [[[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]],
    "F.softmax(X)": [[0.0215992304, 0.263132494, 0.715268276], [0.0587871805, 0.0216265951, 0.919586224]],
    "F.softmax(X[0])": [0.0215992304, 0.263132494, 0.715268276],
    "F.normalize(X, 1.0)": [[-0.5, 0.125, 0.375], [0.0625, -0.1875, 0.75]],
    "F.normalize(X * 1e-13)": [[-0.2, 0.05, 0.15], [0.025, -0.075, 0.3]],
    "F.normalize(X, dim=0, eps=2.0)": [[-0.992277877, 0.25, 0.447213595], [0.124034735, -0.375, 0.894427191]],
    "F.smooth_l1_loss(X, 0 * X, beta=0.5, reduction='none')": [[1.75, 0.25, 1.25], [0.0625, 0.5, 2.75]],
    "F.smooth_l1_loss(X, 0 * X, beta=2.0, reduction='sum')": 3.78125,
    "F.smooth_l1_loss(X, 0 * X, beta=0.0, reduction='mean')": 1.33333333,
    "F.huber_loss(X, 0 * X, delta=0.5, reduction='none')": [[0.875, 0.125, 0.625], [0.03125, 0.25, 1.375]],
    "F.huber_loss(X, 0 * X, delta=2.0, reduction='sum')": 7.5625,
    "nn.SmoothL1Loss(beta=2.0)(X, 0 * X)": 0.630208333,
    "nn.HuberLoss(delta=0.5)(X, 0 * X)": 0.546875,
    "F.cross_entropy(X, i([2, 0]), reduction='none', label_smoothing=0.0, weight=None)": [0.335097596, 2.83383147],
    "F.cross_entropy(X, i([2, 0]), reduction='none', label_smoothing=0.0, weight=t([1.0, 2.0, 4.0]))": [1.34039038, 2.83383147],
    "F.cross_entropy(X, i([2, 0]), reduction='none', label_smoothing=0.3, weight=None)": [0.785097596, 2.65883147],
    "F.cross_entropy(X, i([2, 0]), reduction='none', label_smoothing=0.3, weight=t([1.0, 2.0, 4.0]))": [1.72284158, 3.06736405],
    "F.cross_entropy(X, i([2, 0]), reduction='sum', label_smoothing=0.0, weight=None)": 3.16892906,
    "F.cross_entropy(X, i([2, 0]), reduction='sum', label_smoothing=0.0, weight=t([1.0, 2.0, 4.0]))": 4.17422185,
    "F.cross_entropy(X, i([2, 0]), reduction='sum', label_smoothing=0.3, weight=None)": 3.44392906,
    "F.cross_entropy(X, i([2, 0]), reduction='sum', label_smoothing=0.3, weight=t([1.0, 2.0, 4.0]))": 4.79020564,
    "F.cross_entropy(X, i([2, 0]), reduction='mean', label_smoothing=0.0, weight=None)": 1.58446453,
    "F.cross_entropy(X, i([2, 0]), reduction='mean', label_smoothing=0.0, weight=t([1.0, 2.0, 4.0]))": 0.83484437,
    "F.cross_entropy(X, i([2, 0]), reduction='mean', label_smoothing=0.3, weight=None)": 1.72196453,
    "F.cross_entropy(X, i([2, 0]), reduction='mean', label_smoothing=0.3, weight=t([1.0, 2.0, 4.0]))": 0.958041127,
    "F.cross_entropy(X, t([[0.2, 0.3, 0.5], [1.0, 0.0, 0.0]]), reduction='none', label_smoothing=0.0, weight=None)": [1.3350976, 2.83383147],
    "F.cross_entropy(X, t([[0.2, 0.3, 0.5], [1.0, 0.0, 0.0]]), reduction='none', label_smoothing=0.0, weight=t([1.0, 2.0, 4.0]))": [2.23827327, 2.83383147],
    "F.cross_entropy(X, t([[0.2, 0.3, 0.5], [1.0, 0.0, 0.0]]), reduction='none', label_smoothing=0.3, weight=None)": [1.4850976, 2.65883147],
    "F.cross_entropy(X, t([[0.2, 0.3, 0.5], [1.0, 0.0, 0.0]]), reduction='none', label_smoothing=0.3, weight=t([1.0, 2.0, 4.0]))": [2.3513596, 3.06736405],
    "F.cross_entropy(X, t([[0.2, 0.3, 0.5], [1.0, 0.0, 0.0]]), reduction='mean', label_smoothing=0.0, weight=None)": 2.08446453,
    "F.cross_entropy(X, t([[0.2, 0.3, 0.5], [1.0, 0.0, 0.0]]), reduction='mean', label_smoothing=0.0, weight=t([1.0, 2.0, 4.0]))": 2.53605237,
    "F.cross_entropy(X, t([[0.2, 0.3, 0.5], [1.0, 0.0, 0.0]]), reduction='mean', label_smoothing=0.3, weight=None)": 2.07196453,
    "F.cross_entropy(X, t([[0.2, 0.3, 0.5], [1.0, 0.0, 0.0]]), reduction='mean', label_smoothing=0.3, weight=t([1.0, 2.0, 4.0]))": 2.70936183,
    "F.cross_entropy(X, i([-100, 0]), label_smoothing=0.3, weight=t([1.0, 2.0, 4.0]))": 3.06736405,
    "F.cross_entropy(X, i([1, 0]), ignore_index=1)": 2.83383147,
    "nn.CrossEntropyLoss(t([1.0, 2.0, 4.0]), ignore_index=1, reduction='sum', label_smoothing=0.3)(X, i([1, 2]))": 1.31841013,
    "F.cross_entropy(X.unsqueeze(2), i([[2], [0]]), label_smoothing=0.3)": 1.72196453,
    "F.cross_entropy(X[0], i(1), label_smoothing=0.3)": 1.4850976,
    "F.nll_loss(X, i([1, 2]), t([1.0, 2.0, 4.0]))": -2.16666667,
    "nn.NLLLoss(ignore_index=2)(X, i([1, 2]))": -0.5,
    "F.binary_cross_entropy_with_logits(X, t([[0.0, 0.3, 1.0]] * 2), weight=t([1.0, 2.0, 3.0]), pos_weight=t([2.0, 1.0, 0.5]), reduction='none')": [[0.126928011, 1.64815397, 0.302119917], [0.82593942, 1.22374201, 0.0728810274]],
    "nn.BCEWithLogitsLoss(pos_weight=t([2.0, 1.0, 0.5]))(X, t([[0.0, 0.3, 1.0]] * 2))": 0.418969289,
    "F.binary_cross_entropy(t([0.0, 1.0, 0.25]), t([1.0, 0.0, 0.5]), weight=t([1.0, 2.0, 3.0]), reduction='none')": [100.0, 200.0, 2.51096465],
    "nn.BCELoss(t([1.0, 2.0, 3.0]))(t([0.5, 0.75, 0.25]), t([1.0, 0.0, 0.5]))": 1.99223352,
    "F.kl_div(X, t([[0.2, 0.3, 0.5], [1.0, 0.0, 0.0]]), reduction='batchmean')": -0.889826507,
    "F.kl_div(X, X - 1, reduction='none', log_target=True)": [[-0.0497870684, -0.60653066, -1.64872127], [-0.472366553, -0.173773943, -7.3890561]],
    "nn.KLDivLoss(reduction='sum', log_target=True)(X, X - 1)": -10.3402356,
    "F.kl_div(X, t([[0.2, 0.3, 0.5], [1.0, 0.0, 0.0]]))": -0.296608836,
    "F.poisson_nll_loss(t([0.5, 1.0, 2.0, 0.0]), t([0.0, 1.0, 2.0, 4.0]), full=True, reduction='none')": [1.64872127, 1.71828183, 4.04086258, 4.15726316],
    "F.poisson_nll_loss(t([0.5, 0.0, 2.0]), t([0.0, 1.0, 3.0]), log_input=False, eps=1e-3, reduction='none')": [0.5, 6.90775528, -0.0809411668],
    "F.gaussian_nll_loss(t([[1.0, 2.0]]), t([[0.0, 0.0]]), t([[0.5]]), full=True, reduction='none')": [[1.57236494, 4.57236494]],
    "F.gaussian_nll_loss(t([1.0, 2.0]), t([0.0, 0.0]), t([0.01, 4.0]), eps=0.25, reduction='none')": [1.30685282, 1.19314718],
    "F.gaussian_nll_loss(t([1.0, 2.0]), t([0.0, 0.0]), 2.0)": 0.97157359,
    "F.layer_norm(X, (3,), t([1.0, 2.0, 3.0]), t([0.0, 1.0, 0.0]), 0.1)": [[-1.32842233, 1.66421116, 2.98895024], [-0.360805569, -0.958658805, 4.02040492]],
    "F.cosine_similarity(X, t([1.0, 2.0, 3.0]))": [0.366899693, 0.667632263],
    "F.cosine_similarity(t([[3e-5, 4e-5]]), t([[5e-5, 0.0]]))": [0.6],
    "F.pad(X, (1, 0), value=7.0)": [[7.0, -2.0, 0.5, 1.5], [7.0, 0.25, -0.75, 3.0]],
    "F.pad(X, (0, 1, 1, 0))": [[0.0, 0.0, 0.0, 0.0], [-2.0, 0.5, 1.5, 0.0], [0.25, -0.75, 3.0, 0.0]],
    "F.one_hot(i([2, 0]))": [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]],
    "F.embedding(i([1, 1, 0]), X)": [[0.25, -0.75, 3.0], [0.25, -0.75, 3.0], [-2.0, 0.5, 1.5]],
    "F.batch_norm(t([[1.0], [3.0]]), t([0.5]), t([4.0]), t([2.0]), t([1.0]), eps=0.25)": [[1.48507125], [3.42535625]],
    "F.batch_norm(t([[1.0], [3.0]]), None, None, t([2.0]), t([1.0]), True, eps=1.0)": [[-0.414213562], [2.41421356]],
    "F.avg_pool2d(t([[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 10.0]]]), 2, stride=2, padding=1, ceil_mode=True, count_include_pad=False)": [[[1.0, 2.5], [5.5, 7.25]]],
    "nn.AvgPool2d(2, 2, 1, True, False, None)(t([[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 10.0]]]))": [[[1.0, 2.5], [5.5, 7.25]]],
    "nn.AvgPool2d(2, 1, 0, False, True, 3)(t([[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 10.0]]]))": [[[4.0, 5.33333333], [8.0, 9.66666667]]],
    "nn.MaxPool2d(2, 2, ceil_mode=True)(t([[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 10.0]]]))": [[[5.0, 6.0], [8.0, 10.0]]],
    "nn.MaxPool1d(2, 1, dilation=2)(t([[1.0, 5.0, 3.0, 2.0]]))": [[3.0, 5.0]],
    "F.avg_pool1d(t([[1.0, 2.0, 4.0]]), 2, stride=2, padding=1, ceil_mode=True)": [[0.5, 3.0]],
    "F.adaptive_avg_pool2d(t([[[1.0, 2.0, 4.0, 8.0, 16.0]]]), (1, 3))": [[[1.5, 4.66666667, 12.0]]],
}
GRADIENTS = {
    ("F.gaussian_nll_loss(x, 0 * x, t([0.01, 4.0]), eps=0.25)", "[1.0, 2.0]"): [2.0, 0.25],
    ("F.gaussian_nll_loss(t([1.0, 2.0]), t([0.0, 0.0]), x, eps=0.25)", "[0.01, 4.0]"): [-3.0, 0.0],
    ("F.normalize(x, dim=0)", "[3.0, 4.0]"): [0.032, -0.024],
    ("F.normalize(x, dim=0, eps=10.0)", "[3.0, 4.0]"): [0.1, 0.1],
    ("F.celu(x, 0.5)", "[-1.0, 2.0]"): [0.135335283, 1.0],
    ("F.selu(x)", "[-1.0, 2.0]"): [0.646768603, 1.05070099],
    ("F.kl_div(t([-1.0, -2.0]), x, reduction='sum')", "[0.5, 0.25]"): [1.30685282, 1.61370564],
    ("F.smooth_l1_loss(x, 0 * x, beta=0.5)", "[0.25, 2.0]"): [0.25, 0.5],
    ("F.cross_entropy(x, i(1), label_smoothing=0.3)", "[1.0, 2.0, 0.0]"): [0.144728471, -0.134759044, -0.00996942683],
    ("F.poisson_nll_loss(t([0.5, 2.0]), x, full=True, reduction='sum')", "[0.5, 4.0]"): [-0.5, -0.488705639],
    ("F.pad(x, (1, 2), value=3.0) ** 2", "[1.0, 2.0]"): [2.0, 4.0],
}
# fmt: on


@pytest.mark.filterwarnings("ignore:kl_div", "ignore:softmax")
@pytest.mark.parametrize("expression", VALUES)
def test_values(expression):
    found = eval(expression)
    expected = np.array(VALUES[expression])
    assert found.shape == expected.shape
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize(("expression", "place"), GRADIENTS)
def test_gradients(expression, place):
    x = t(eval(place)).requires_grad_()
    eval(expression, globals() | {"x": x}).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), GRADIENTS[expression, place], rtol=1e-7, atol=1e-12)
