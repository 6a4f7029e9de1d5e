"""The same work on the CPU and on a GPU, or on its double (double.py), and what it takes to compare them."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator
from typing import Any

import double
import numpy as np
import pytest
from rows import Case, leaf

from minigrad import autograd, ones_like, tensor
from minigrad.core.operation import Operation
from minigrad.core.tensor import Tensor, wrap
from minigrad.device import CPU, GPU, device_of, put, to_numpy
from minigrad.ops.lists import ListOperation

on_double = pytest.mark.usefixtures("cupy")  # the test runs with the double in the place of CuPy


def moved(x: Any) -> Any:
    """Arrays, Tensors, and whatever holds them, on the device."""
    if isinstance(x, np.ndarray):
        return put(x, GPU)
    if isinstance(x, Tensor):
        return x.detach().to("cuda").requires_grad_(x.requires_grad)
    if type(x) in (list, tuple):
        return type(x)(map(moved, x))
    return GPU if x is CPU else x


def assert_same(there: Any, here: Any, what: str, rtol: float = 1e-12) -> None:
    """What the device made: the host's numbers, and still on the device."""
    if isinstance(here, list | tuple):
        assert len(there) == len(here), what
        for t, h in zip(there, here, strict=True):
            assert_same(t, h, what, rtol)
        return
    if isinstance(here, Tensor):
        assert isinstance(there, Tensor), what
        there, here = there.array, here.array
    if not isinstance(here, np.ndarray | np.generic):
        assert there == here or (there != there and here != here), what
        return
    assert device_of(there) is GPU, f"{what}: left the device, it is a {type(there).__name__}"
    assert (there.shape, there.dtype) == (here.shape, here.dtype), what
    rtol = max(rtol, 1e-5) if here.dtype == np.float32 else rtol
    np.testing.assert_allclose(to_numpy(there), here, rtol=rtol, atol=rtol / 10, err_msg=what)


@contextlib.contextmanager
def staying(what: str) -> Iterator[None]:
    """Inside, no whole array may cross between host and double."""
    before = len(double.crossings)
    yield
    assert double.crossings[before:] == [], f"{what}: arrays crossed between host and device"


def on_device(case: Case) -> Case:
    """The same case with all its arrays on the device."""
    there = copy.copy(case)
    there.arguments, there.cotangent = moved(case.arguments), moved(case.cotangent)
    is_list = isinstance(case.operation, ListOperation)
    there.leaves = there.arguments[0] if is_list else [there.arguments[i] for i in case.places]
    return there


def derivatives(case: Case, operation: Operation | None = None) -> dict[str, Any]:
    """What a case makes: the output, its first derivatives, the recorded ones, and second derivatives."""
    inputs = [leaf(x) for x in case.leaves]
    y = case(inputs, operation)
    found: dict[str, Any] = {"the output": y}
    y.backward(wrap(case.cotangent), retain_graph=True)
    found["the gradients"] = [x.grad for x in inputs]
    found["the recorded gradients"] = recorded = autograd.grad(y, inputs, wrap(case.cotangent), create_graph=True)
    ends = [g for g in recorded if g.requires_grad]
    if ends:
        seconds = autograd.grad(ends, inputs, [g.detach() for g in ends], allow_unused=True)
        found["the second derivatives"] = [g for g in seconds if g is not None]
    return found


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    """Standard normal numbers, float32."""
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def same_on_both(compute: Any, *inputs: Any, what: str = "") -> None:
    """`compute(*inputs)` and the gradients of its floating results, on the CPU and on the double."""
    results = []
    for place in (lambda x: x, moved):
        arguments = [
            x if not isinstance(x, np.ndarray) else place(tensor(x)).requires_grad_(x.dtype.kind == "f") for x in inputs
        ]
        before = len(double.crossings)
        y = compute(*arguments)
        outputs = [v for v in (y if isinstance(y, list | tuple) else [y]) if isinstance(v, Tensor)]
        for v in outputs:
            if v.requires_grad:
                v.backward(ones_like(v), retain_graph=True)
        assert double.crossings[before:] == [], f"{what}: arrays crossed between host and device"
        results.append((y, [x.grad for x in arguments if isinstance(x, Tensor) and x.grad is not None]))
    (expected, gradients), (actual, actual_gradients) = results
    assert_same(actual, expected, what)
    assert_same(actual_gradients, gradients, f"{what}, gradients")
