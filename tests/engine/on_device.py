"""Comparing the same work on the CPU and on the double of a GPU (see double.py)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import double
import numpy as np

from minigrad.device import CPU, GPU, host
from minigrad.tensor import Tensor


def moved(x: Any) -> Any:
    """Arrays, Tensors, and whatever holds them, on the device."""
    if isinstance(x, np.ndarray):
        return double.array(x)
    if isinstance(x, Tensor):
        return x.detach().to("cuda").requires_grad_(x.requires_grad)
    if type(x) in (list, tuple):
        return type(x)(map(moved, x))
    return GPU if x is CPU else x


def assert_same(there: Any, here: Any, what: str) -> None:
    """What the device made: the host's numbers, and still on the device."""
    if isinstance(here, list | tuple):
        assert len(there) == len(here), what
        for t, h in zip(there, here, strict=True):
            assert_same(t, h, what)
        return
    if isinstance(here, Tensor):
        assert isinstance(there, Tensor), what
        there, here = there.array, here.array
    if not isinstance(here, np.ndarray | np.generic):
        assert there == here or (there != there and here != here), what
        return
    assert isinstance(there, double.ndarray), f"{what}: left the device, it is a {type(there).__name__}"
    assert (there.shape, there.dtype) == (here.shape, here.dtype), what
    rtol, atol = (1e-5, 1e-6) if here.dtype == np.float32 else (1e-12, 1e-14)
    np.testing.assert_allclose(host(there), here, rtol=rtol, atol=atol, err_msg=what)


@contextlib.contextmanager
def staying(what: str) -> Iterator[None]:
    """Inside, no whole array may cross between host and device."""
    before = len(double.crossings)
    yield
    assert double.crossings[before:] == [], f"{what}: arrays crossed between host and device"
