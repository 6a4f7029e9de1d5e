"""What a captured function may not do, and the sentences that say so."""

from __future__ import annotations

import numpy as np
import pytest
from capturing import call_often

import minigrad as mg
import minigrad.nn as nn
from minigrad import autograd
from minigrad.core.modes import observers
from minigrad.errors import CaptureError

REFUSED = {
    "item()": lambda x: x.sum().item(),
    "the truth value": lambda x: x if x.sum() > 0 else -x,
    "the float value": lambda x: x * float(x.sum()),
    "the int value": lambda x: x * int(x.sum()),
    "numpy()": lambda x: x.numpy() * 2,
    "tolist()": lambda x: x.tolist(),
    "printing": lambda x: str(x),
    "the index value": lambda x: [1, 2, 3][(x.sum() * 0).long()],
    "an index that is a tensor of one number": lambda x: x[x.argmax()],
    "with a mask makes a result whose shape": lambda x: x[x > 0],
    "nonzero()": lambda x: x.nonzero(),
    "unique()": lambda x: x.unique(),
    "equal()": lambda x: x.equal(x),
    "allclose()": lambda x: x.allclose(x),
    "a list with a tensor in it": lambda x: mg.tensor([x[0], x[1]]),
    "NumPy writes into a tensor": lambda x: np.add(x, 1, out=x),
}


@pytest.mark.parametrize("what", REFUSED)
def test_reading_values_is_refused(what):
    x = mg.tensor([1.0, 2.0, 3.0])
    REFUSED[what](x.clone())
    captured = mg.capture(REFUSED[what])
    with pytest.raises(CaptureError) as caught:
        captured(x)
    assert what in str(caught.value)
    assert f"{__file__}:" in str(caught.value)
    assert ".eager" in str(caught.value)
    assert not observers


def test_hooks_are_refused():
    net = nn.Linear(2, 1)
    x = mg.ones(3, 2)
    handle = net.register_forward_hook(lambda *args: None)
    with pytest.raises(CaptureError, match="a hook of a module"):
        mg.capture(lambda x: net(x))(x)
    handle.remove()
    handle = net.weight.register_hook(lambda g: g * 2)
    with pytest.raises(CaptureError, match="a hook of a tensor"):
        mg.capture(lambda x: net(x).sum().backward())(x)
    handle.remove()
    with pytest.raises(CaptureError, match="a hook of a tensor"):
        mg.capture(lambda x: net(x).register_hook(lambda g: None))(x)
    call_often(mg.capture(lambda x: net(x).sum().backward()), x)


def test_create_graph_is_refused():
    w = mg.ones(2, requires_grad=True)
    with pytest.raises(CaptureError, match="create_graph"):
        mg.capture(lambda x: (w * x).square().sum().backward(create_graph=True))(mg.ones(2))
    with pytest.raises(CaptureError, match="create_graph"):
        mg.capture(lambda x: autograd.grad((w * x).square().sum(), [w], create_graph=True))(mg.ones(2))


def test_anomaly_mode_is_refused():
    f = mg.capture(lambda x: x * 2)
    with autograd.detect_anomaly(), pytest.raises(CaptureError, match="anomaly mode"):
        f(mg.ones(2))


def test_a_gpu_is_refused(cupy):
    with pytest.raises(CaptureError, match="on a GPU"):
        mg.capture(lambda x: x * 2)(mg.ones(2, device="cuda"))


def test_graphs_do_not_cross():
    w = mg.ones(2, requires_grad=True)
    y = w * 2
    with pytest.raises(CaptureError, match="argument 0 was computed from tensors that require a gradient"):
        mg.capture(lambda x: x * 2)(y)
    with pytest.raises(CaptureError, match="computed outside"):
        mg.capture(lambda x: x * y)(mg.ones(2))
    result = call_often(mg.capture(lambda x: (w * x).sum()), mg.ones(2))
    assert not result.requires_grad


def test_errors_in_the_arguments_of_capture():
    with pytest.raises(TypeError, match="expected a function, got int"):
        mg.capture(3)
    for wrong in (0, 2.5, True):
        with pytest.raises(ValueError, match="check_every"):
            mg.capture(lambda x: x, check_every=wrong)
