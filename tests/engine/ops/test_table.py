"""Every row of the table, every case: derivatives of first and second order, and what backward must leave alone."""

from __future__ import annotations

import gc
import itertools
import weakref

import numpy as np
import pytest
from kinks import KINKS, check_kinks
from rows import DIFFERENTIABLE, Case, assert_close, cases, leaf

from minigrad import autograd
from minigrad.core.operation import TABLE
from minigrad.core.tensor import Tensor, wrap
from minigrad.errors import GradientError
from minigrad.gradcheck import gradcheck, gradgradcheck
from minigrad.ops.table import cases_of

every_row = pytest.mark.parametrize("name", sorted(TABLE))
every_rule = pytest.mark.parametrize("name", DIFFERENTIABLE)

# What NumPy continues into the complex plane as the same formula: there a complex step gives the derivative to the
# last digit. Not here: what looks at the size or sign of its input (abs, maximum, clamp, ...).
ANALYTIC = [
    *("add", "subtract", "multiply", "divide", "negative", "positive", "square", "sqrt"),
    *("exp", "log", "log1p", "expm1", "tanh", "sum", "mean", "var", "std", "prod", "norm", "cumsum"),
    *("matmul", "linear", "reshape", "permute", "transpose", "flip", "roll", "repeat", "narrow", "widen"),
    *("sum_to", "broadcast_to", "index", "assign", "gather", "select", "index_select", "cat", "stack", "clone"),
]


def differentiable(name: str) -> list[Case]:
    return [case for case in cases(name) if case.leaves]


def run(case: Case) -> tuple[list[Tensor], Tensor, Tensor]:
    """Fresh leaves, the output and the cotangent of a case, ready for backward."""
    inputs = [leaf(x.copy()) for x in case.leaves]
    return inputs, case(inputs), wrap(case.cotangent.copy())


# -- derivatives ------------------------------------------------------------------------------------------


@every_row
def test_rows_have_cases(name):
    row = TABLE[name]
    assert cases_of(row), f"'{name}' has no cases: nothing of it is checked"
    shapes = {a.shape for case in cases_of(row) for a in case[:1] if hasattr(a, "shape")}
    if row.elementwise:
        assert len(cases_of(row)) == 1 or len(shapes) > 1
    if row.elementwise and len(row.inputs) > 1 and row.differentiable:
        broadcasts = [c for c in cases(name) if len({np.shape(a) for a in c.arguments[: len(row.inputs)]}) > 1]
        assert broadcasts, f"'{name}' is elementwise but no case of it broadcasts"


@every_rule
def test_first_derivative(name):
    assert differentiable(name)
    for case in differentiable(name):
        assert gradcheck(lambda *leaves, case=case: case(leaves), [leaf(x.copy()) for x in case.leaves])
        for i, (actual, expected) in enumerate(zip(case.gradients(), case.numeric, strict=True)):
            assert_close(actual, expected, f"{case}, gradient {i}")


@pytest.mark.parametrize("name", ANALYTIC)
def test_first_derivative_by_complex_step(name):
    """∂φ/∂x = Im φ(x + i h) / h with h so small that nothing is lost: exact to rounding."""
    h = 1e-200
    for case in differentiable(name):
        for i, gradient in enumerate(case.gradients()):
            expected = np.empty(case.leaves[i].shape)
            for place in np.ndindex(expected.shape):
                leaves: list = [*case.leaves]
                leaves[i] = leaves[i].astype(complex)
                leaves[i][place] += 1j * h
                expected[place] = np.sum(case.cotangent * _complex(case, leaves)).imag / h
            np.testing.assert_allclose(gradient, expected, rtol=1e-12, atol=1e-13, err_msg=f"{case}, gradient {i}")


def _complex(case: Case, leaves: list) -> np.ndarray:
    if case.name in ("assign", "matmul", "linear"):  # they want one dtype
        leaves = [x.astype(complex) for x in leaves]
    return case(leaves)


@every_rule
def test_second_derivative(name):
    for case in differentiable(name):
        inputs = [leaf(x.copy()) for x in case.leaves]
        assert gradgradcheck(lambda *leaves, case=case: case(leaves), inputs, fast_mode=case.cotangent.size > 12)


@every_rule
def test_recorded_backward_is_the_same(name):
    for case in differentiable(name):
        inputs, y, v = run(case)
        recorded = autograd.grad(y, inputs, v, create_graph=True)
        for x, g, expected in zip(inputs, recorded, case.gradients(), strict=True):
            assert isinstance(g, Tensor)
            assert (g.shape, g.dtype) == (x.shape, x.dtype), case
            np.testing.assert_allclose(g.array, expected, rtol=1e-14, atol=1e-15, err_msg=str(case))


@pytest.mark.parametrize("name", sorted(KINKS))
def test_kinks(name):
    check_kinks(name)


@every_rule
def test_any_part_of_the_inputs_may_require_gradients(name):
    for case in differentiable(name):
        expected = case.gradients()
        for part in itertools.product([True, False], repeat=len(case.leaves)):
            inputs = [leaf(x) if wanted else wrap(x) for x, wanted in zip(case.leaves, part, strict=True)]
            y = case(inputs)
            assert y.requires_grad == any(part)
            if any(part):
                y.backward(wrap(case.cotangent.copy()))
            for x, wanted, e in zip(inputs, part, expected, strict=True):
                if wanted:
                    np.testing.assert_array_equal(x.grad.array, e)
                else:
                    assert x.grad is None


# -- side conditions --------------------------------------------------------------------------------------


@every_rule
def test_backward_changes_nothing_and_shares_nothing(name):
    for case in differentiable(name):
        for through_grad in (False, True):
            inputs, y, v = run(case)
            output = y.array.copy()
            if through_grad:
                gradients = [g.array for g in autograd.grad(y, inputs, v)]
                assert all(x.grad is None for x in inputs)
            else:
                y.backward(v)
                gradients = [x.grad.array for x in inputs]
            for x, original in zip(inputs, case.leaves, strict=True):
                np.testing.assert_array_equal(x.array, original, err_msg=f"{case}: an input was changed")
            np.testing.assert_array_equal(v.array, case.cotangent, err_msg=f"{case}: the cotangent was changed")
            np.testing.assert_array_equal(y.array, output, err_msg=f"{case}: the output was changed")
            for i, g in enumerate(gradients):
                assert g.flags.writeable, case
                held = {"the cotangent": v.array, "the output": y.array}
                held |= {f"input {k}": x.array for k, x in enumerate(inputs)}
                held |= {f"gradient {k}": other for k, other in enumerate(gradients) if k != i}
                held |= {f"argument {k}": a for k, a in enumerate(case.arguments) if isinstance(a, np.ndarray)}
                for what, other in held.items():
                    assert not np.shares_memory(g, other), f"{case}: gradient {i} shares memory with {what}"


@pytest.mark.parametrize("name", [n for n in DIFFERENTIABLE if n != "cast"])  # whose parameters are dtypes
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_gradients_have_the_shape_and_dtype_of_their_tensors(name, dtype):
    for case in differentiable(name):
        inputs = [leaf(x.astype(dtype)) for x in case.leaves]
        y = case(inputs, dtype=dtype)
        assert y.dtype == dtype, f"{case}: the output is {y.dtype}"
        v = wrap(case.cotangent.astype(dtype))
        recorded = autograd.grad(y, inputs, v, create_graph=True)
        y.backward(v)
        for i, (x, r, expected) in enumerate(zip(inputs, recorded, case.numeric, strict=True)):
            assert (x.grad.shape, x.grad.dtype) == (x.shape, dtype), f"{case}, gradient {i}"
            assert (r.shape, r.dtype) == (x.shape, dtype), f"{case}, recorded gradient {i}"
            np.testing.assert_allclose(x.grad.array, expected, rtol=3e-4, atol=3e-5, err_msg=f"{case}, gradient {i}")


def test_gradients_share_no_memory_with_what_the_user_holds():
    """Where a cotangent passes unchanged, as through +, it must be copied before the user can see it."""
    w, x = leaf(np.array([1.0, 2.0])), leaf(np.array([3.0, 4.0]))

    def separate(*tensors: Tensor) -> None:
        for a, b in itertools.combinations(tensors, 2):
            assert not np.shares_memory(a.array, b.array)

    v = wrap(np.array([5.0, 6.0]))
    w.backward(v)  # a leaf is its own root
    separate(w.grad, v)

    a, b = w * 1, x * 1
    separate(*autograd.grad(a + b, [a, b], v), v)
    separate(*autograd.grad([a, b], [a, b], [v, v]), v)
    separate(*autograd.grad(w, [w], v), v)

    y = w * 2
    y.retain_grad()
    w.grad = x.grad = None
    (y + x).backward(v)
    separate(y.grad, w.grad, x.grad, v)

    constant = wrap(np.array([7.0, 8.0]))
    w.grad = None
    w.register_hook(lambda g: constant)
    for _ in range(3):
        (w + x).backward(v)
    separate(w.grad, constant)
    np.testing.assert_array_equal(constant.array, [7.0, 8.0])
    np.testing.assert_array_equal(v.array, [5.0, 6.0])


def test_grad_of_a_non_leaf_leaves_the_graph_beyond_it_whole():
    x = leaf(np.array([1.0, 2.0]))
    y = x * x
    (g,) = autograd.grad((y * y).sum(), y)
    y.backward(g)
    np.testing.assert_array_equal(x.grad.array, [4.0, 32.0])


@every_rule
def test_the_graph_dies_with_its_last_tensor(name):
    gc.disable()  # reference counts alone must do
    try:
        for case in differentiable(name):
            for finish in (lambda y, x, v: None, lambda y, x, v: y.backward(v), _twice):
                inputs, y, v = run(case)
                node = weakref.ref(y.grad_fn)
                kept = [weakref.ref(x) for x in inputs]
                finish(y, inputs, v)
                del y
                assert node() is None, f"{case}: the node outlives its tensor"
                del inputs
                assert all(k() is None for k in kept), f"{case}: something holds on to an input"
    finally:
        gc.enable()


def _twice(y, inputs, v):
    gradients = [g for g in autograd.grad(y, inputs, v, create_graph=True) if g.requires_grad]
    if gradients:
        autograd.grad(gradients, inputs, gradients, allow_unused=True, retain_graph=True)


@every_rule
def test_backward_again_needs_the_graph_kept(name):
    for case in differentiable(name):
        inputs, y, v = run(case)
        y.backward(v, retain_graph=True)
        once = [x.grad.array.copy() for x in inputs]
        y.backward(v)
        for x, g in zip(inputs, once, strict=True):
            np.testing.assert_allclose(x.grad.array, 2 * g, rtol=1e-15, err_msg=str(case))
        if y.grad_fn.versions:
            with pytest.raises(GradientError, match="retain_graph=True"):
                y.backward(v)


@every_rule
def test_changing_what_backward_needs_is_noticed(name):
    for case in differentiable(name):
        _, y, v = run(case)
        plan = y.grad_fn.plan
        for place in {role for role in plan.roles if role is not None and role >= 0}:
            tensors, y, v = run(case)
            changed = dict(zip(case.places, tensors, strict=True)).get(place)
            if changed is not None and changed.array.size:
                with autograd.no_grad():
                    changed.add_(1)
                message = rf"'{name}' needs its input '{case.operation.inputs[place]}' of shape .*changed in place"
                with pytest.raises(GradientError, match=message):
                    y.backward(v)
        if -1 in plan.roles:
            _, y, v = run(case)
            y.detach().add_(1)
            with pytest.raises(GradientError, match=f"'{name}' needs its output of shape .*changed in place"):
                y.backward(v)


# -- layouts, and raw arrays ------------------------------------------------------------------------------


def _layouts(x: np.ndarray) -> dict[str, np.ndarray]:
    """The same values laid out in memory differently."""
    every_other, reverse = ((*[slice(None, None, step)] * x.ndim, ...) for step in (2, -1))
    strided = np.zeros([2 * n for n in x.shape])[every_other]
    strided[...] = x
    read_only = x.copy()
    read_only.flags.writeable = False
    return {
        "transposed": np.array(x, order="F"),
        "strided": strided,
        "backwards": x[reverse].copy()[reverse],
        "read-only": read_only,
    }


@every_rule
def test_the_layout_in_memory_does_not_matter(name):
    for case in differentiable(name):
        output, expected = case(), case.gradients()
        layouts = [_layouts(x) for x in case.leaves]
        cotangents = _layouts(case.cotangent)
        for layout in cotangents:
            inputs = [leaf(x[layout]) for x in layouts]
            y = case(inputs)
            y.backward(wrap(cotangents[layout]))
            np.testing.assert_allclose(y.array, output, rtol=1e-14, err_msg=f"{case}, {layout}")
            for x, e in zip(inputs, expected, strict=True):
                np.testing.assert_allclose(x.grad.array, e, rtol=1e-13, atol=1e-14, err_msg=f"{case}, {layout}")


@every_rule
def test_an_expanded_cotangent_is_read_only_and_enough(name):
    """What `y.sum().backward()` sends: one number seen through strides of zero."""
    for case in differentiable(name):
        ones = run(case)
        ones[1].backward(wrap(np.full(ones[1].shape, 1.5)))
        inputs, y, _ = run(case)
        y.backward(wrap(np.broadcast_to(np.array(1.5), y.shape)))
        for x, e in zip(inputs, ones[0], strict=True):
            np.testing.assert_allclose(x.grad.array, e.grad.array, rtol=1e-13, atol=1e-14)
            assert x.grad.array.flags.writeable, case


@every_row
def test_raw_arrays_give_raw_arrays(name):
    for case in cases(name):
        raw = case()
        assert not isinstance(raw, Tensor), case
        wrapped = case([wrap(x) for x in case.leaves]) if case.leaves else case
        if isinstance(wrapped, Tensor):
            assert not wrapped.requires_grad
            np.testing.assert_array_equal(wrapped.array, raw)
            assert wrapped.dtype == np.asarray(raw).dtype


@pytest.mark.parametrize("name", sorted(set(TABLE) - set(DIFFERENTIABLE)))
def test_rows_without_rules_record_nothing(name):
    for case in cases(name):
        row = TABLE[name]
        arguments = [leaf(a) if isinstance(a, np.ndarray) else a for a in case.arguments[: len(row.inputs)]]
        y = row.apply(*arguments, *case.arguments[len(row.inputs) :])
        assert isinstance(y, Tensor)
        assert not y.requires_grad
        np.testing.assert_array_equal(y.array, case())


@every_row
def test_inputs_survive_the_forward_pass(name):
    for case in cases(name):
        before = [np.copy(a) for a in case.arguments if isinstance(a, np.ndarray)]
        case()
        after = [a for a in case.arguments if isinstance(a, np.ndarray)]
        for a, b in zip(after, before, strict=True):
            np.testing.assert_array_equal(a, b, err_msg=str(case))
