"""The table on a GPU, without one: rows and rules on arrays that refuse to leave the device give the CPU's numbers.

`double.py` says what these arrays refuse. What passes here has made no array on the host by accident, converted none,
and called nothing that CuPy lacks; that CuPy computes what NumPy does is for `test_gpu.py`, on a machine that has one.
"""

from __future__ import annotations

import copy
from typing import Any

import double
import numpy as np
import pytest
from on_device import assert_same, derivatives, on_device, staying
from rows import DIFFERENTIABLE, Case, cases, leaf, new_row

from minigrad.core.operation import TABLE, Operation
from minigrad.core.tensor import Tensor, wrap
from minigrad.ops import indexing

pytestmark = pytest.mark.usefixtures("cupy")


# -- the table --------------------------------------------------------------------------------------------


def check_on_device(case: Case, operation: Operation | None = None) -> None:
    """The operation and its rules, on the device, give the host's numbers without leaving it. Raises if not."""
    there = on_device(case)
    with staying(str(case)):
        raw = (operation or case.operation).apply(*there.arguments)
    assert_same(raw, np.asarray((operation or case.operation).apply(*case.arguments)), f"{case}, raw")
    if not case.leaves:
        return
    with staying(str(case)):
        made = derivatives(there, operation)
    for what, expected in derivatives(case, operation).items():
        assert_same(made[what], expected, f"{case}, {what}")


@pytest.mark.parametrize("name", sorted(TABLE))
def test_every_row_stays_on_the_device(name):
    for case in cases(name):
        check_on_device(case)


@pytest.mark.parametrize("name", [n for n in DIFFERENTIABLE if n not in ("cast", "to_device")])
def test_every_row_keeps_float32_on_the_device(name):
    for case in cases(name):
        for case_ in (case, on_device(case)):
            inputs = [leaf(x.astype(np.float32)) for x in case_.leaves]
            y = case_(inputs, dtype=np.float32) if case_ is case else _in_float32(case_, inputs)
            y.backward(wrap(case_.cotangent.astype(np.float32)))
            assert {y.dtype, *(x.grad.dtype for x in inputs)} == {np.dtype(np.float32)}, case


def _in_float32(case: Case, inputs: list) -> Tensor:
    there = copy.copy(case)
    there.arguments = [
        a.astype(np.float32) if isinstance(a, double.ndarray) and a.dtype.kind == "f" else a for a in case.arguments
    ]
    return there(inputs)


# -- the double can fail ----------------------------------------------------------------------------------


def _filled(x: Any) -> Any:
    out = np.zeros_like(x)
    out[...] = np.ones(x.shape)
    return out


LEAKS = {
    "converted": new_row("leak", lambda x: np.asarray(x) * 2, {"x": lambda g: g * 2}),
    "copied": new_row("leak", lambda x: np.array(x) * 2, {"x": lambda g: g * 2}),
    "a constant of the host": new_row("leak", lambda x: x * np.ones(4), {"x": lambda g: g}),
    "a mask of the host": new_row("leak", lambda x: np.where(np.eye(4, dtype=bool)[:3], x, 0), {"x": lambda g: g}),
    "an index of the host": new_row("leak", lambda x: x[np.arange(3)], {"x": lambda g: g}),
    "filled from the host": new_row("leak", _filled, {"x": lambda g: g}),
    "to the host and back": new_row("leak", lambda x: double.array(getattr(x, "get", x.copy)()), {"x": lambda g: g}),
    "made on the host": new_row("leak", lambda x: np.zeros(x.shape), {"x": lambda g: g}),
    "a rule's constant": new_row("leak", lambda x: x * 1, {"x": lambda g: g * np.ones(4)}),
    "a rule's conversion": new_row("leak", lambda x: x * 1, {"x": lambda g: np.ascontiguousarray(g)}),
    "what CuPy lacks": new_row("leak", lambda x: np.insert(x, 0, 0.0, 1)[:, 1:], {"x": lambda g: g}),
    "a reduction CuPy lacks": new_row("leak", lambda x: np.maximum.reduce(x, axis=0), {"x": lambda g: g}),
    "an argument CuPy lacks": new_row("leak", lambda x: x.max(axis=0, initial=0.0), {"x": lambda g: g}),
    "an attribute CuPy lacks": new_row("leak", lambda x: x * 1 if x.flags.writeable else x, {"x": lambda g: g}),
    "where=": new_row("leak", lambda x: np.add(x, 1, where=x > 0), {"x": lambda g: g}),
}


@pytest.mark.parametrize("leak", LEAKS)
def test_the_double_notices(leak):
    told = r"double|crossed|left the device|writeable|two devices"
    with pytest.raises((TypeError, AttributeError, NotImplementedError, RuntimeError, AssertionError), match=told):
        check_on_device(cases("clone")[0], LEAKS[leak])


@pytest.mark.parametrize("name", ["gather", "index", "select", "scatter_add_zeros", "one_hot", "nll"])
def test_rows_that_make_their_indices_on_the_host_are_noticed(name, monkeypatch):
    monkeypatch.setattr(indexing, "namespace", lambda array: np)
    with pytest.raises((TypeError, RuntimeError), match=r"double|two devices"):
        [check_on_device(case) for case in cases(name)]


def test_what_the_double_refuses(cupy):
    x, n = double.array(np.arange(12.0).reshape(3, 4)), np.ones((3, 4))
    refused = [
        lambda: np.asarray(x),
        lambda: np.array(x),
        lambda: n + x,
        lambda: x + n,
        lambda: n.dot(x.T),
        lambda: n.__setitem__(..., x),
        lambda: x.__setitem__(..., n),
        lambda: x[np.array([1])],
        lambda: n[double.array([1])],
        lambda: np.concatenate([x, n]),
        lambda: np.maximum.accumulate(x),
        lambda: np.block([x, x]),
        lambda: np.vecdot(x, x),
        lambda: np.sum(x, where=x > 0),
        lambda: np.copyto(n, x),
        lambda: memoryview(x),
        lambda: x.__array_interface__,
        lambda: x.__array_struct__,
        lambda: x.item(3),
        lambda: cupy.errstate,
        lambda: cupy.unstack,
        lambda: cupy.__array_interface__,
        lambda: hash(x),
    ]
    for i, refuse in enumerate(refused):
        with pytest.raises((TypeError, AttributeError, NotImplementedError, ValueError)):
            print(f"refused[{i}] gave", refuse())


def test_what_the_double_does_as_cupy_does():
    x = double.array(np.arange(12.0).reshape(3, 4))
    assert isinstance(x.max(), double.ndarray)
    assert x[0][1:].base is x
    assert x.reshape(12).base is x
    assert (x + 1).base is None
    np.testing.assert_array_equal(x[double.array([3, -1])].get(), np.arange(12.0).reshape(3, 4)[[0, 2]])  # wrapped
    x += 1
    assert float(x[0, 0]) == 1.0
