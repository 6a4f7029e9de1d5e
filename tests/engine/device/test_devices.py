"""What a device is, and what is said where there is none; moving tensors there and back, on the double."""

from __future__ import annotations

import subprocess
import sys

import double
import numpy as np
import pytest
from on_device import on_double

import minigrad as mg

T = mg.tensor
here, there = mg.device("cpu"), mg.device("cuda", 0)


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
