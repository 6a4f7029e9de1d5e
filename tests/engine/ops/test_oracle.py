"""Every row, every case, every kink: the same values, gradients, shapes and dtypes as PyTorch's."""

from __future__ import annotations

import itertools
import warnings
from typing import Any

import numpy as np
import pytest
from kinks import KINKS, backward_at
from rows import DIFFERENTIABLE, Case, cases, leaf

from minigrad.core.operation import TABLE
from minigrad.core.tensor import Tensor, wrap
from minigrad.ops.lists import ListOperation
from minigrad.ops.table import cases_of

torch = pytest.importorskip("torch", reason="PyTorch is not installed: nothing to compare with")
F = torch.nn.functional

pytestmark = pytest.mark.oracle


def to_torch(x: Any) -> Any:
    """Arrays as tensors, also within lists and keys; dtypes as PyTorch's."""
    if isinstance(x, np.ndarray):
        return torch.from_numpy(np.array(x))
    if type(x) in (list, tuple):
        return type(x)(to_torch(item) for item in x)
    return getattr(torch, x.name) if isinstance(x, np.dtype) else x


def _key(x: Any, key: Any) -> Any:
    """A key as PyTorch takes it: its slices don't go backwards, so such a one becomes a list of places."""
    parts, dim, found = key if isinstance(key, tuple) else (key,), 0, []
    for part in parts:
        if isinstance(part, slice) and (part.step or 1) < 0:
            part = torch.arange(x.shape[dim])[torch.tensor(range(*part.indices(x.shape[dim])))]
        dim += part is not None
        found.append(part)
    return tuple(found)


def _put(x: Any, shape: Any, key: Any) -> Any:
    zeros = torch.zeros(shape, dtype=x.dtype)
    if isinstance(key, torch.Tensor) or (isinstance(key, tuple) and any(isinstance(k, torch.Tensor) for k in key)):
        return zeros.index_put(key if isinstance(key, tuple) else (key,), x, accumulate=True)
    zeros[key] = x
    return zeros


def _assign(x: Any, value: Any, key: Any) -> Any:
    y = x.clone()
    y[key] = value
    return y


def _over(function: Any, everything: Any) -> Any:
    """A reduction; `everything` is what it takes for dim=None."""

    def reduced(x: Any, dim: Any, keepdim: Any, **more: Any) -> Any:
        return function(x, dim=everything(x) if dim is None else dim, keepdim=keepdim, **more)

    return reduced


def _all_dims(x: Any) -> tuple[int, ...]:
    return tuple(range(x.ndim))


def _any_or_all(function: Any) -> Any:
    return lambda x, dim, keepdim: function(x, dim=_all_dims(x) if dim is None else dim, keepdim=keepdim)


def _padded(x: Any, window: Any, value: float = 0.0) -> Any:
    top, bottom, left, right = window.padding
    return F.pad(x, (left, right, top, bottom), value=value)


def _convolution(x: Any, weight: Any, bias: Any, window: Any, groups: int) -> Any:
    return F.conv2d(_padded(x, window), weight, bias, window.stride, 0, window.dilation, groups)


def _convolution_input(g: Any, weight: Any, size: Any, window: Any, groups: int) -> Any:
    x = F.conv_transpose2d(g, weight, None, window.stride, 0, 0, groups, window.dilation)
    (h, w), (hp, wp), (top, _, left, _) = size, window.pad_size(*size), window.padding
    more = max(hp, top + h) - x.shape[2], max(wp, left + w) - x.shape[3]
    return F.pad(x, (0, more[1], 0, more[0]))[..., top : top + h, left : left + w]


def _convolution_weight(g: Any, x: Any, window: Any, groups: int) -> Any:
    weight = torch.zeros(g.shape[1], x.shape[1] // groups, *window.kernel, dtype=x.dtype, requires_grad=True)
    return torch.autograd.grad(_convolution(x, weight, None, window, groups), weight, g, create_graph=True)[0]


def _max_pool_index(x: Any, window: Any) -> Any:
    padded, width, (top, _, left, _) = _padded(x, window, -torch.inf), x.shape[3], window.padding
    _, index = F.max_pool2d(padded, window.kernel, window.stride, 0, window.dilation, return_indices=True)
    return (index // padded.shape[3] - top) * width + index % padded.shape[3] - left


def _ones(x: Any, window: Any) -> Any:
    return torch.ones(x.shape[1], 1, *window.kernel, dtype=x.dtype)


# The rows by PyTorch's name for them, taking the row's arguments in the row's order.
SAME_NAME = [
    *("add", "subtract", "multiply", "divide", "negative", "positive", "pow", "floor_divide", "remainder", "square"),
    "addcmul",
    *("sqrt", "exp", "log", "log1p", "expm1", "sigmoid", "tanh", "abs", "sign", "relu", "maximum", "minimum", "clamp"),
    *("where", "less", "less_equal", "greater", "greater_equal", "not_equal", "logical_and", "logical_or"),
    *("logical_not", "bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_not", "isfinite", "isnan", "isinf"),
    *("floor", "ceil", "clone", "matmul", "reshape", "permute", "transpose", "flip", "roll", "narrow", "broadcast_to"),
    *("cumsum", "gather", "index_select", "softmax", "log_softmax", "cat", "stack"),
    *("sin", "cos", "tan", "atan", "atan2", "atanh", "log2", "log10", "logaddexp", "reciprocal", "rsqrt"),
    *("erf", "erfc", "erfinv", "xlogy", "fmod", "trunc", "logical_xor", "cumprod"),
    *("diagonal", "bitwise_left_shift", "bitwise_right_shift"),
]
ORACLE = {name: getattr(torch, name) for name in SAME_NAME} | {
    "equal": torch.eq,
    "round": lambda x, decimals: torch.round(x, decimals=decimals),
    "softplus": lambda x, beta, threshold: F.softplus(x, beta, threshold),
    "leaky_relu": lambda x, slope: F.leaky_relu(x, slope),
    "elu": lambda x, alpha: F.elu(x, alpha),
    "cast": lambda x, dtype, source: x.to(dtype),
    "sum": _over(torch.sum, _all_dims),
    "mean": _over(torch.mean, _all_dims),
    "var": lambda x, dim, keepdim, correction: torch.var(x, dim=dim, keepdim=keepdim, correction=correction),
    "std": lambda x, dim, keepdim, correction: torch.std(x, dim=dim, keepdim=keepdim, correction=correction),
    "amax": _over(torch.amax, _all_dims),
    "amin": _over(torch.amin, _all_dims),
    "argmax": lambda x, dim, keepdim: torch.argmax(x, dim, keepdim),
    "argmin": lambda x, dim, keepdim: torch.argmin(x, dim, keepdim),
    "all": _any_or_all(torch.all),
    "any": _any_or_all(torch.any),
    "prod": lambda x, dim, keepdim: torch.prod(x, dim, keepdim),
    "logsumexp": _over(torch.logsumexp, _all_dims),
    "norm": _over(torch.linalg.vector_norm, lambda x: None),
    "norm_of_order": lambda x, p, dim, keepdim: torch.linalg.vector_norm(x, p, dim, keepdim),
    "normal_log_prob": lambda x, loc, scale: torch.distributions.Normal(loc, scale).log_prob(x),
    "log_sech2": lambda u: 2 * (np.log(2) - u - F.softplus(-2 * u)),
    "entropy": lambda log_p: -(log_p.exp() * torch.where(log_p == -torch.inf, 0, log_p)).sum(-1),
    "linear": F.linear,
    "linear_relu": lambda x, weight, bias: F.linear(x, weight, bias).relu(),
    "layer_norm": lambda x, weight, bias, n, eps: F.layer_norm(x, x.shape[x.ndim - n :], weight, bias, eps),
    "sum_to": lambda x, shape: x.sum_to_size(shape),
    "repeat": lambda x, repeats: x.repeat(repeats),
    "widen": lambda x, shape, dim, start: torch.slice_scatter(
        torch.zeros(shape, dtype=x.dtype), x, dim, start, start + x.shape[dim]
    ),
    "place_diagonal": lambda x, shape, offset, dim1, dim2: torch.diagonal_scatter(
        torch.zeros(shape, dtype=x.dtype), x, offset, dim1, dim2
    ),
    "index": lambda x, key: x[_key(x, key)],
    "index_add": _put,
    "assign": _assign,
    "scatter_add_zeros": lambda x, shape, dim, index: torch.zeros(shape, dtype=x.dtype).scatter_add(dim, index, x),
    "select": lambda x, dim, keepdim, index: (
        torch.gather(x, dim, index) if keepdim or not x.ndim else torch.gather(x, dim, index).squeeze(dim)
    ),
    "to_device": lambda x, device, source: x.clone(),
    "batch_norm": lambda x, weight, bias, eps: F.batch_norm(x, None, None, weight, bias, True, 0.1, eps),
    "convolution": _convolution,
    "convolution_input": _convolution_input,
    "convolution_weight": _convolution_weight,
    "max_pool_index": _max_pool_index,
    "pool_pick": lambda x, index, once: x.flatten(2).gather(2, index.flatten(2)).reshape(index.shape),
    "pool_put": lambda g, index, size, once: (
        torch.zeros(*g.shape[:2], size[0] * size[1], dtype=g.dtype)
        .scatter_add(2, index.flatten(2), g.flatten(2))
        .reshape(*g.shape[:2], *size)
    ),
    "pool_sum": lambda x, window: _convolution(x, _ones(x, window), None, window, x.shape[1]),
    "pool_spread": lambda g, size, window: _convolution_input(g, _ones(g, window), size, window, g.shape[1]),
    "one_hot": lambda x, classes: F.one_hot(x, classes),
    "mse": lambda x, target, reduction: F.mse_loss(x, target, reduction=reduction),
    "l1": lambda x, target, reduction: F.l1_loss(x, target, reduction=reduction),
    "huber": lambda x, target, delta, reduction: F.huber_loss(x, target, reduction=reduction, delta=delta),
    "nll": lambda x, target, weight, ignore, reduction: F.nll_loss(
        x, target, weight, ignore_index=ignore, reduction=reduction
    ),
    "gelu": lambda x: F.gelu(x),
    "silu": lambda x: F.silu(x),
    "mish": lambda x: F.mish(x),
    "hardtanh": lambda x, low, high: F.hardtanh(x, low, high),
    "bce": lambda p, target, weight, reduction: F.binary_cross_entropy(p, target, weight, reduction=reduction),
    "bce_with_logits": lambda x, target, weight, pos_weight, reduction: F.binary_cross_entropy_with_logits(
        x, target, weight, pos_weight=pos_weight, reduction=reduction
    ),
}


def theirs(case: Case, dtype: Any) -> tuple[Any, list[Any]]:
    """PyTorch's output and leaves for a case."""
    leaves = [to_torch(x.astype(dtype)).requires_grad_() for x in case.leaves]
    if isinstance(case.operation, ListOperation):
        return ORACLE[case.name](leaves, *case.arguments[1:]), leaves
    arguments = [
        to_torch(a.astype(dtype) if isinstance(a, np.ndarray) and a.dtype.kind == "f" else a) for a in case.arguments
    ]
    for i, x in zip(case.places, leaves, strict=True):
        arguments[i] = x
    return ORACLE[case.name](*arguments), leaves


def assert_same(ours: Any, theirs: Any, what: str, rtol: float, atol: float) -> None:
    theirs = theirs.detach().numpy()
    assert ours.shape == theirs.shape, f"{what}: shape {ours.shape}, PyTorch's is {theirs.shape}"
    assert ours.dtype == theirs.dtype, f"{what}: {ours.dtype}, PyTorch's is {theirs.dtype}"
    np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=atol, err_msg=what)


def test_every_row_is_compared():
    assert set(ORACLE) == set(TABLE)


@pytest.mark.parametrize("name", sorted(TABLE))
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_values_and_gradients(name, dtype):
    if name == "cast" and dtype is np.float32:
        return  # its parameters name the dtypes
    close = dict(rtol=1e-12, atol=1e-13) if dtype is np.float64 else dict(rtol=2e-5, atol=2e-6)
    for case in cases(name):
        expected, their_leaves = theirs(case, dtype)
        row = case.operation
        if case.leaves:
            our_leaves = [leaf(x.astype(dtype)) for x in case.leaves]
            y = case(our_leaves, dtype=dtype)
        else:
            count = len(row.inputs)
            arguments = [
                a.astype(dtype) if isinstance(a, np.ndarray) and a.dtype.kind == "f" else a for a in case.arguments
            ]
            y = row.apply(*[wrap(a) if isinstance(a, np.ndarray) else a for a in arguments[:count]], *arguments[count:])
        assert_same(y.array, expected, f"{case}, value", **close)
        assert y.requires_grad == expected.requires_grad, case
        if y.requires_grad:
            v = case.cotangent.astype(y.dtype)
            y.backward(wrap(v))
            expected.backward(to_torch(v))
            for i, (x, t) in enumerate(zip(our_leaves, their_leaves, strict=True)):
                assert_same(x.grad.array, t.grad, f"{case}, gradient {i}", **close)


@pytest.mark.parametrize("name", sorted(KINKS))
def test_kinks(name):
    """The known answers of kinks.py are PyTorch's."""
    row = TABLE[name]
    for arguments, cotangent, expected in KINKS[name]:
        floats = [
            i
            for i, n in enumerate(row.inputs)
            if n in row.vjp and isinstance(arguments[i], np.ndarray) and arguments[i].dtype.kind == "f"
        ]
        values = to_torch(arguments)
        for i in floats:
            values[i].requires_grad_()
        y = ORACLE[name](*values)
        y.backward(to_torch(cotangent).to(y.dtype))
        for i, wanted in zip(floats, expected, strict=True):
            np.testing.assert_allclose(
                values[i].grad.numpy(), wanted, rtol=1e-12, atol=1e-200, err_msg=f"{name}{arguments}"
            )
        with np.errstate(all="ignore"):
            for ours, i in zip(backward_at(row, arguments, cotangent), floats, strict=True):
                np.testing.assert_allclose(ours, values[i].grad.numpy(), rtol=1e-12, atol=1e-200)


@pytest.mark.parametrize(
    "name", ["maximum", "minimum", "amax", "amin", "clamp", "relu", "abs", "prod", "norm", "std", "norm_of_order"]
)
def test_random_ties(name):
    """Small integers as floats: ties and zeros everywhere."""
    rng = np.random.default_rng(0)
    for case, _ in itertools.product(cases(name), range(5)):
        for i, x in enumerate(case.leaves):
            case.leaves[i] = rng.integers(-1, 2, x.shape).astype(x.dtype)
    try:
        for case in cases(name):
            expected, leaves = theirs(case, np.float64)
            expected.backward(to_torch(case.cotangent))
            for ours, t in zip(case.gradients(), leaves, strict=True):
                np.testing.assert_allclose(ours, t.grad.numpy(), rtol=1e-12, atol=1e-13, err_msg=str(case))
    finally:
        cases.cache_clear()


# -- dtypes -----------------------------------------------------------------------------------------------

OPERANDS: list[Any] = [
    np.array(value, dtype)
    for dtype in ("float32", "float64", "int64", "int32", "int16", "int8", "uint8", "bool")
    for value in ([1, 1, 1], 1)
] + [2, 2.5, True]


@pytest.mark.parametrize(
    "name",
    [
        n
        for n in sorted(TABLE)
        if TABLE[n].elementwise and len(TABLE[n].inputs) == 2 and not n.startswith(("bitwise", "logical"))
    ],
)
def test_promotion(name):
    for a, b in itertools.product(OPERANDS, repeat=2):
        if not isinstance(a, np.ndarray) and not isinstance(b, np.ndarray):
            continue
        if name == "pow" and all(np.asarray(x).dtype == bool for x in (a, b)):
            continue  # NumPy's gives int8, PyTorch's bool
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                expected = ORACLE[name](to_torch(a), to_torch(b))
        except (RuntimeError, TypeError):
            continue  # what PyTorch refuses (a bool minus a bool, say) is the business of functions.py
        ours = TABLE[name].apply(*[wrap(x) if isinstance(x, np.ndarray) else x for x in (a, b)])
        assert isinstance(ours, Tensor)
        assert_same(ours.array, expected, f"{name}({a!r}, {b!r})", 1e-6, 0)


@pytest.mark.parametrize("name", [n for n in sorted(TABLE) if TABLE[n].elementwise and len(TABLE[n].inputs) == 1])
def test_integers_in_functions_of_one_input(name):
    for x in OPERANDS[:-3]:
        if x.dtype == bool and name in ("sign", "square"):
            continue  # NumPy refuses the one and gives int8 for the other
        parameters = (0, 1) if name == "clamp" else next(iter(cases_of(TABLE[name])))[1:]
        try:
            expected = ORACLE[name](to_torch(x), *parameters)
        except (RuntimeError, TypeError, NotImplementedError):
            continue
        with np.errstate(divide="ignore"):  # atanh(1)
            ours = TABLE[name].apply(wrap(x), *parameters)
        assert_same(ours.array, expected, f"{name}({x!r}, {parameters})", 1e-6, 1e-7)


@pytest.mark.parametrize("name", ["sum", "prod", "cumsum", "amax", "argmax", "all", "any"])
def test_integers_in_reductions(name):
    for x in OPERANDS[:-3]:
        if not x.ndim or (name == "argmax" and x.dtype == bool):
            continue
        if name in ("all", "any") and x.dtype == np.uint8:
            continue  # PyTorch keeps uint8 for the sake of its own past
        parameters = (0,) if name == "cumsum" else (0, False)
        expected = ORACLE[name](to_torch(x), *parameters)
        ours = TABLE[name].apply(wrap(x), *parameters)
        assert_same(ours.array, expected, f"{name}({x!r})", 0, 0)


@pytest.mark.parametrize("name", [n for n in DIFFERENTIABLE if TABLE[n].elementwise and len(TABLE[n].inputs) == 2])
def test_gradients_where_dtypes_mix(name):
    """A gradient has its tensor's dtype also where the operation computed in a wider one."""
    narrow, wide = np.array([0.5, 1.5], np.float32), np.array([0.75, 1.25], np.float64)
    for a, b in ((narrow, wide), (wide, narrow)):
        ours, leaves = [leaf(x) for x in (a, b)], [to_torch(x).requires_grad_() for x in (a, b)]
        y, expected = TABLE[name].apply(*ours), ORACLE[name](*leaves)
        y.backward(wrap(np.array([1.0, 2.0])))
        expected.backward(torch.tensor([1.0, 2.0], dtype=torch.float64))
        assert_same(y.array, expected, name, 1e-12, 0)
        for x, t in zip(ours, leaves, strict=True):
            if t.grad is not None:
                assert_same(x.grad.array, t.grad, f"{name}, gradient", 1e-6, 1e-7)
