"""Random programs: whatever is composed of the operations, its gradient is the derivative of the whole.

A program is a list of instructions (name, three small numbers). Each takes earlier values, chosen by the numbers, and
adds one, so intermediates are reused, broadcast, viewed, changed in place and thrown away. An instruction that does not
fit its operands' shapes does nothing, so every list is a program and shrinks well. The same text runs on minigrad and
on PyTorch.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, example, given, reject, settings
from hypothesis import strategies as st

import minigrad
from minigrad import autograd
from minigrad.gradcheck import NotDifferentiableError, gradcheck, gradgradcheck


def examples(count: int) -> settings:
    """So many examples, and twenty times as many with HYPOTHESIS_PROFILE=thorough."""
    return settings(max_examples=count if settings.default.max_examples <= 100 else 20 * count)


# Products go through tanh first, so that no program explodes.
SMOOTH = {
    "tanh": lambda m, x, y, k: x.tanh(),
    "sigmoid": lambda m, x, y, k: x.sigmoid(),
    "exp": lambda m, x, y, k: x.tanh().exp(),
    "log": lambda m, x, y, k: (x.square() + 0.5).log(),
    "log1p": lambda m, x, y, k: x.sigmoid().log1p(),
    "sqrt": lambda m, x, y, k: (x * x + 0.1).sqrt(),
    "pow": lambda m, x, y, k: x.tanh() ** (k + 1),
    "power": lambda m, x, y, k: (1 + x.sigmoid()) ** y.tanh(),
    "base": lambda m, x, y, k: (k + 2) ** x.tanh(),
    "negative": lambda m, x, y, k: -x,
    "scale": lambda m, x, y, k: x * 0.7,
    "reflected": lambda m, x, y, k: 1.5 - x / 2,
    "reciprocal": lambda m, x, y, k: 2 / (1 + x.square()),
    "add": lambda m, x, y, k: x + y,
    "subtract": lambda m, x, y, k: x - y,
    "multiply": lambda m, x, y, k: x.tanh() * y,
    "divide": lambda m, x, y, k: x / (1 + y.square()),
    "itself": lambda m, x, y, k: x.tanh() * x,
    "matmul": lambda m, x, y, k: x.tanh() @ y,
    "matmul by transpose": lambda m, x, y, k: x.tanh() @ y.transpose(-1, -2),
    "where": lambda m, x, y, k: m.where(x.detach() > 0.1 * k, x, y),
    "masked_fill": lambda m, x, y, k: x.masked_fill(y.detach() > 0, 0.5),
    "sum": lambda m, x, y, k: x.sum(),
    "sum of a dimension": lambda m, x, y, k: x.sum(k % x.ndim, keepdim=k > 1),
    "mean": lambda m, x, y, k: x.mean(),
    "mean of a dimension": lambda m, x, y, k: x.mean(k % x.ndim, keepdim=k > 1),
    "var": lambda m, x, y, k: x.var(k % x.ndim, unbiased=False) + x.mean(k % x.ndim),
    "logsumexp": lambda m, x, y, k: x.logsumexp(k % x.ndim),
    "softmax": lambda m, x, y, k: x.softmax(k % x.ndim),
    "log_softmax": lambda m, x, y, k: x.tanh().log_softmax(k % x.ndim),
    "cumsum": lambda m, x, y, k: x.cumsum(k % x.ndim),
    "prod": lambda m, x, y, k: x.tanh().prod(k % x.ndim),
    "norm": lambda m, x, y, k: (x.square() + 0.1).norm(),
    "transpose": lambda m, x, y, k: x.transpose(0, -1),
    "permute": lambda m, x, y, k: x.permute(*range(1, x.ndim), 0),
    "flatten": lambda m, x, y, k: x.reshape(-1),
    "unsqueeze": lambda m, x, y, k: x.unsqueeze(k % (x.ndim + 1)),
    "squeeze": lambda m, x, y, k: x.squeeze(),
    "expand": lambda m, x, y, k: x.expand(k + 1, *x.shape),
    "repeat": lambda m, x, y, k: x.repeat(2, *[1] * (x.ndim - 1)),
    "flip": lambda m, x, y, k: x.flip(k % x.ndim),
    "roll": lambda m, x, y, k: x.roll(k, 0),
    "first": lambda m, x, y, k: x[0],
    "last column": lambda m, x, y, k: x[..., -1],
    "slice": lambda m, x, y, k: x[k % 2 :: 2],
    "new dimension": lambda m, x, y, k: x[None, ..., : k + 1],
    "fancy": lambda m, x, y, k: x[[0, -1, 0]],
    "gather": lambda m, x, y, k: x.gather(0, m.tensor([[0] * x.shape[1], [1] * x.shape[1], [0] * x.shape[1]])),
    "index_select": lambda m, x, y, k: x.index_select(-1, m.tensor([0, x.shape[-1] - 1, 0])),
    "cat": lambda m, x, y, k: m.cat([x, y, x], dim=k % x.ndim),
    "stack": lambda m, x, y, k: m.stack([x, y], dim=k % (x.ndim + 1)),
    "split": lambda m, x, y, k: x.split(1)[k % x.shape[0]],
    "chunk": lambda m, x, y, k: x.chunk(2, dim=-1)[0],
    "clone": lambda m, x, y, k: x.clone(),
    "assign a row": lambda m, x, y, k: _assigned(x, 0, y),
    "assign a column": lambda m, x, y, k: _assigned(x, (..., -1), 0.5),
    "assign places": lambda m, x, y, k: _assigned(x, ([0, 1],), y.mean()),
    "in place": lambda m, x, y, k: _in_place(x, y),
    "augmented": lambda m, x, y, k: _augmented(x, y),
}
KINKED = {
    "relu": lambda m, x, y, k: x.relu(),
    "abs": lambda m, x, y, k: x.abs(),
    "clamp": lambda m, x, y, k: x.clamp(-0.5, 0.4 * k),
    "maximum": lambda m, x, y, k: m.maximum(x, y),
    "minimum": lambda m, x, y, k: m.minimum(x, y.tanh()),
    "max": lambda m, x, y, k: x.max(k % x.ndim)[0],
    "min": lambda m, x, y, k: x.min(k % x.ndim, keepdim=True).values,
    "amax": lambda m, x, y, k: x.amax(k % x.ndim),
    "max of all": lambda m, x, y, k: x.max(),
}
EVERYTHING = SMOOTH | KINKED
SHAPES = [(), (1,), (3,), (2, 3), (3, 1), (3, 3), (2, 1, 3)]


def _assigned(x: Any, key: Any, value: Any) -> Any:
    out = x.clone()
    out[key] = value
    return out


def _in_place(x: Any, y: Any) -> Any:
    out = x.tanh()
    out.detach()  # must change nothing
    out = out.clone().mul_(y)
    return out.add_(0.25)


def _augmented(x: Any, y: Any) -> Any:
    out = x * 1.0
    out += y
    out *= 0.5
    return out


def programs(names: Any = EVERYTHING, longest: int = 10) -> Any:
    small = st.integers(0, 3)
    return st.lists(st.tuples(st.sampled_from(sorted(names)), small, small, small), min_size=2, max_size=longest)


def draw_inputs(shapes: list[tuple[int, ...]], seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [np.asarray(rng.uniform(-1.5, 1.5, shape)) for shape in shapes]


def run(m: Any, program: list, inputs: Any, done: list | None = None) -> tuple:
    """The last two values computed. `m` is minigrad or torch; `done` collects the instructions carried out."""
    values = list(inputs)
    for name, i, j, k in program:
        x, y = values[-1 - i % len(values)], values[j % len(values)]
        if not fits(name, tuple(x.shape), tuple(y.shape)):
            continue
        values.append(EVERYTHING[name](m, x, y, k))
        if math.prod(values[-1].shape) > 100:
            values.pop()
        elif done is not None:
            done.append(name)
    return tuple(values[len(inputs) :][-2:])


def fits(name: str, x: tuple, y: tuple) -> bool:
    """Whether an instruction can be carried out on operands of these shapes."""
    if not math.prod(x) or not math.prod(y):
        return False
    if name in ("add", "subtract", "multiply", "divide", "power", "where", "masked_fill", "maximum", "minimum"):
        return _broadcast(x, y) is not None and (name != "masked_fill" or _broadcast(x, y) == x)
    if name in ("in place", "augmented"):
        return _broadcast(x, y) == x
    if name in ("matmul", "matmul by transpose"):
        inner, batch = (y[-1:], (x[:-2], y[:-2])) if name != "matmul" else (y[-2:-1], (x[:-2], y[:-2]))
        return len(x) >= 2 and len(y) >= 2 and x[-1:] == inner and _broadcast(*batch) is not None
    if name == "cat":
        return len(x) > 0 and x == y
    if name == "stack":
        return x == y
    if name == "gather":
        return len(x) == 2 and x[0] > 1
    if name == "assign a row":
        return len(x) > 0 and _broadcast(x[1:], y) == x[1:]
    if name == "assign places":
        return len(x) > 0 and x[0] > 1
    if name == "repeat":
        return len(x) > 0
    of_any_shape = ("squeeze", "flatten", "unsqueeze", "expand", "sum", "mean", "norm", "clone", "max of all")
    return len(x) > 0 or name in of_any_shape or name in ELEMENTWISE


ELEMENTWISE = {
    *("tanh", "sigmoid", "exp", "log", "log1p", "sqrt", "pow", "base", "negative", "scale", "reflected", "reciprocal"),
    *("itself", "relu", "abs", "clamp"),
}


def _broadcast(*shapes: tuple) -> tuple | None:
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        return None


def leaves(arrays: list[np.ndarray]) -> list[minigrad.Tensor]:
    return [minigrad.tensor(a).requires_grad_() for a in arrays]


shapes_of_inputs = st.lists(st.sampled_from(SHAPES), min_size=1, max_size=3)
seeds = st.integers(0, 1000)


def test_every_instruction_is_carried_out_for_some_shape():
    for name in EVERYTHING:
        found = [(x, y) for x in SHAPES for y in SHAPES if fits(name, x, y)]
        assert found, name
        for x, y in found:
            inputs = leaves(draw_inputs([x, y], 0))
            (value,) = run(minigrad, [(name, 1, 1, 1)], inputs) or (None,)
            assert value is not None
            assert value.requires_grad, name


@pytest.mark.parametrize("name", sorted(EVERYTHING))
def test_every_instruction_amid_others(name):
    """Six programs that contain the instruction: hypothesis does not draw all of them equally often."""
    checked = 0
    for seed in range(500):
        rng = np.random.default_rng(seed)
        shapes = [SHAPES[i] for i in rng.integers(len(SHAPES), size=2)]
        others = rng.choice(sorted(EVERYTHING), 3)
        program = [(str(n), *map(int, rng.integers(0, 4, 3))) for n in [*others[:2], name, others[2]]]
        arrays, done = draw_inputs(shapes, seed), []
        run(minigrad, program, leaves(arrays), done)
        if name not in done:
            continue
        try:
            gradcheck(lambda *xs, program=program: run(minigrad, program, xs), leaves(arrays))
            checked += 1
        except NotDifferentiableError:
            continue
        if checked == 6:
            return
    raise AssertionError(f"'{name}' fits too few programs")


@examples(250)
@given(shapes_of_inputs, programs(), seeds)
@example([(2, 3)], [("tanh", 0, 0, 0), ("multiply", 0, 1, 0), ("subtract", 0, 1, 0), ("multiply", 1, 2, 0)], 0)
@example([(3,), (2, 3)], [("in place", 0, 0, 0), ("transpose", 0, 0, 0), ("matmul", 0, 1, 0)], 0)
def test_gradients_are_the_finite_differences(shapes, program, seed):
    inputs = leaves(draw_inputs(shapes, seed))
    assume(run(minigrad, program, inputs))
    try:
        assert gradcheck(lambda *xs: run(minigrad, program, xs), inputs)
    except NotDifferentiableError:
        reject()


@examples(80)
@given(shapes_of_inputs, programs(SMOOTH, 6), seeds)
def test_second_derivatives_are_the_finite_differences(shapes, program, seed):
    inputs = leaves(draw_inputs(shapes, seed))
    assume(run(minigrad, program, inputs))
    assert gradgradcheck(lambda *xs: run(minigrad, program, xs), inputs, fast_mode=True)


@examples(120)
@given(shapes_of_inputs, programs(), seeds)
def test_backward_grad_and_a_recorded_backward_agree(shapes, program, seed):
    arrays = draw_inputs(shapes, seed)

    def fresh() -> tuple[list, Any]:
        inputs = leaves(arrays)
        outputs = run(minigrad, program, inputs)
        assume(outputs)
        total = sum((i + 1) * (y * y).sum() for i, y in enumerate(outputs))
        return inputs, total

    inputs, total = fresh()
    total.backward(retain_graph=True)
    once = [np.zeros(x.shape) if x.grad is None else x.grad.array.copy() for x in inputs]

    by_grad = autograd.grad(total, inputs, retain_graph=True, materialize_grads=True)
    recorded = autograd.grad(total, inputs, create_graph=True, materialize_grads=True)
    for expected, g, r, original, x in zip(once, by_grad, recorded, arrays, inputs, strict=True):
        np.testing.assert_array_equal(g.array, expected)  # to the bit: it is the same computation
        np.testing.assert_allclose(r.array, expected, rtol=1e-13, atol=1e-13)
        np.testing.assert_array_equal(x.array, original)

    total.backward()
    for x, expected in zip(inputs, once, strict=True):  # accumulated: twice
        assert x.grad is None or np.array_equal(x.grad.array, 2 * expected)

    again, total = fresh()
    total.backward()
    for x, expected in zip(again, once, strict=True):  # the same run gives the same bits
        assert x.grad is None or np.array_equal(x.grad.array, expected)

    one_by_one, total = fresh()  # asked for singly, each gradient is the same
    for x, expected in zip(one_by_one, once, strict=True):
        (g,) = autograd.grad(total, x, retain_graph=True, materialize_grads=True)
        np.testing.assert_array_equal(g.array, expected)


@examples(60)
@given(shapes_of_inputs, programs(), programs(), seeds)
def test_gradients_add_up(shapes, first, second, seed):
    """The gradient of a sum is the sum of the gradients, in one pass, or in two that accumulate."""
    arrays = draw_inputs(shapes, seed)

    def total(program: list, inputs: list) -> Any:
        outputs = run(minigrad, program, inputs)
        assume(outputs)
        return sum(y.tanh().sum() for y in outputs)

    together, apart = leaves(arrays), leaves(arrays)
    (total(first, together) + total(second, together)).backward()
    total(first, apart).backward()
    total(second, apart).backward()
    for x, y in zip(together, apart, strict=True):
        assert (x.grad is None) == (y.grad is None)
        if x.grad is not None:
            np.testing.assert_allclose(x.grad.array, y.grad.array, rtol=1e-10, atol=1e-12)


@examples(15)
@given(
    st.lists(st.integers(1, 5), min_size=1, max_size=3),
    st.sampled_from(["tanh", "relu", "sigmoid"]),
    st.sampled_from([(16, 4), (4, 16), (64, 1)]),
    seeds,
)
def test_accumulated_passes_over_small_batches_equal_one_over_the_whole(widths, activation, split, seed):
    """Sixteen backward passes over 4 samples are one over 64."""
    rng = np.random.default_rng(seed)
    sizes = [3, *widths, 2]
    weights = [rng.standard_normal((n, m)) for n, m in zip(sizes[1:], sizes[:-1], strict=True)]
    biases = [rng.standard_normal(n) for n in sizes[1:]]
    x, target = rng.standard_normal((64, 3)), rng.standard_normal((64, 2))

    def gradients(batches: int) -> list[np.ndarray]:
        parameters = leaves([*weights, *biases])
        for inputs, targets in zip(np.split(x, batches), np.split(target, batches), strict=True):
            h = minigrad.tensor(inputs)
            for i in range(len(weights)):
                h = minigrad.nn.functional.linear(h, parameters[i], parameters[len(weights) + i])
                h = getattr(h, activation)() if i < len(weights) - 1 else h
            loss = minigrad.nn.functional.mse_loss(h, minigrad.tensor(targets)) / batches
            loss.backward()
        return [p.grad.array for p in parameters]

    for many, one in zip(gradients(split[0]), gradients(1), strict=True):
        np.testing.assert_allclose(many, one, rtol=1e-11, atol=1e-13)


@pytest.mark.oracle
@examples(300)
@given(shapes_of_inputs, programs(), seeds)
def test_pytorch_gives_the_same(shapes, program, seed):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: nothing to compare with")
    arrays = draw_inputs(shapes, seed)
    ours, theirs = leaves(arrays), [torch.from_numpy(a.copy()).requires_grad_() for a in arrays]
    outputs, expected = run(minigrad, program, ours), run(torch, program, theirs)
    assume(outputs)
    sum(y.tanh().sum() for y in outputs).backward()
    sum(y.tanh().sum() for y in expected).backward()
    for y, t in zip(outputs, expected, strict=True):
        assert tuple(y.shape) == tuple(t.shape)
        np.testing.assert_allclose(y.array, t.detach().numpy(), rtol=1e-10, atol=1e-12)
    for x, t in zip(ours, theirs, strict=True):
        assert (x.grad is None) == (t.grad is None)
        if x.grad is not None:
            np.testing.assert_allclose(x.grad.array, t.grad.numpy(), rtol=1e-9, atol=1e-11)
