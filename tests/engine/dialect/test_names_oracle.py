"""The names of functions.py and nn.functional against PyTorch: the same line run by both (see test_dialect_oracle.py)."""

# ruff: noqa: E501  (a pattern and its reason stay together)

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from test_dialect_oracle import DIFFERENCES as KNOWN
from test_dialect_oracle import Sample, compare, sample

pytestmark = pytest.mark.oracle

DIFFERENCES: dict[str, str] = {
    r"x\.(trunc|fix|sign|sgn)_?\(\).*requires_grad=False": "a step function is not recorded",
    r"(unique|bernoulli|normal)\(.*requires_grad=False": "PyTorch records it and then has no derivative (or zeros)",
    r"sign_?\(\).*x=bool.*raises": "a bool has no sign",
    r"(topk|kthvalue)\(.*gradient of x": "which of several equal elements is taken is not specified",
    r"median\(\) \| x=\w+\(0.*raises": "there is no median of nothing",
    r"bincount.*\(0,\).*dtype": "the sum of no weights has the weights' dtype",
    r"take_along_dim.*out of bounds": "an index out of range is refused",
    r"scatter\(.*(invalid gradient|is not implemented)": "the gradient is right here",
    r"hardsigmoid.*gradient": "1/6 in PyTorch is that of float32",
    r"normal\(.*(bool|int64)\(0.*dtype": "normal numbers are floating-point, for empty tensors too",
    r"exponential_.*\(0.*raises": "exponential numbers are floating-point, for empty tensors too",
    r"poisson_nll_loss.*full=True.*gradient of y.*nan": "PyTorch's is NaN where the branch not chosen is",
    r"einsum.*x=bool.*dtype": "a sum of bools is an integer",
    # What PyTorch refuses.
    r"PyTorch raises .*(must have the same dtype|Found dtype|non-zero dimensions|expects all tensors to have the same)": (
        "dtypes are promoted, and empty dimensions may be padded"
    ),
}
"""Pattern of "program | inputs: what differs" -> why we differ there on purpose."""

DTYPES = ("bool", "int64", "float32", "float64")
SHAPES = ((), (4,), (2, 3), (2, 3, 4), (0,), (0, 3))
ONE = [{"x": sample(d, s)} for d in DTYPES for s in SHAPES]
FLOAT = [{"x": sample(d, s)} for d in ("float32", "float64") for s in SHAPES]
MATRICES = [{"x": sample(d, s)} for d in DTYPES for s in ((3, 3), (2, 3), (4, 2), (1, 1), (0, 3), (2, 3, 3), (3,))]


def names(text: str) -> list[str]:
    return text.split()


def two(a: tuple, b: tuple, dtypes: tuple = DTYPES) -> list[dict]:
    return [{"x": sample(d, a), "y": sample(e, b, 1)} for d in dtypes for e in dtypes]


def run(program: str, cases: Any) -> None:
    pytest.importorskip("torch")
    found = []
    for inputs in cases:
        what = compare(program, inputs)
        key = f"{program} | {', '.join(f'{n}={s.label}' for n, s in inputs.items())}: {what}"
        if what and not any(re.search(p, key, re.DOTALL) for p in {**DIFFERENCES, **KNOWN}):
            found.append(key)
    assert not found, f"{len(found)} differences\n" + "\n".join(found[:20])


DIMS = ("", "0", "-1", "1", "dim=1")
ONE_TENSOR = [
    *(f"x.{n}()" for n in names("trunc fix frac square nonzero count_nonzero ravel unique trunc_ frac_ sign_")),
    *(f"x.{n}_()" for n in names("floor ceil round square sin cos reciprocal rsqrt log1p expm1 erf")),
    *(f"x.{n}({d})" for n in names("cumsum cumprod") for d in DIMS[1:]),
    *(f"T.argsort(x, {d}, stable=True)" for d in ("dim=0", "dim=-1", "dim=-1, descending=True", "dim=1")),
    *(f"x.sort({d}, stable=True)" for d in ("dim=0", "dim=-1", "dim=-1, descending=True", "dim=1")),
    *(f"tuple(x.sort(stable=True))[{i}]" for i in (0, 1)),
    "x.sort().values", "T.sort(x)[0]", "x.sort(descending=True)[0]", "x.argsort().shape",
    "x.topk(2)[0]", "T.topk(x, 1, dim=0).values", "x.topk(2, largest=False).values", "x.topk(9)", "x.topk(2, 1)[0]",
    "x.kthvalue(1)[0]", "x.kthvalue(2, 0).values", "x.kthvalue(2, keepdim=True)[0]", "x.kthvalue(0)",
    "x.median()", "x.median(0)[0]", "x.median(-1, keepdim=True).values",
    "x.unique(return_counts=True)", "T.unique(x, return_inverse=True)", "x.unique(dim=0)", "x.unique(True, True, True)",
    "x.nonzero(as_tuple=True)", "T.nonzero(x).shape", "x.count_nonzero(0)", "T.count_nonzero(x, dim=(0, 1))",
    "T.bincount(x)", "T.bincount(x.abs())", "T.bincount(x.abs(), minlength=7)", "T.bincount(x.abs(), x.abs() * 0.5)",
    "T.clamp_min(x, 0)", "x.clamp_max(1)", "T.clamp_min(x, 0.5)", "x.clamp_min_(0)",
    "T.nan_to_num(x)", "T.nan_to_num(x / 0)", "(x / 0).nan_to_num(7.0, posinf=1.0)",
    "x.numel()", "T.numel(x)", "x.nelement()", "x.shape.numel()", "x.size().numel()", "x.shape[1:].numel()", "x.ndimension()",
    "x.stride()", "x.t().stride()", "x.stride(0)", "x.element_size()", "x.itemsize", "x.nbytes", "x[1:].storage_offset()",
    "x.is_cuda", "T.is_floating_point(x)", "x.new_zeros(2, 3)", "x.new_ones((2, 3))", "x.new_full((2,), 1)",
    "x.new_tensor([1, 2])", "x.new_zeros(2, dtype=T.float64)", "x.short()", "x.byte()", "x.char()", "x.type(T.float64)",
    "x.type(T.LongTensor)", "x.type('torch.FloatTensor')", "x.type_as(T.zeros(1))", "x.type(T.BoolTensor)",
    "x.movedim(0, -1)", "T.movedim(x, (0, 1), (1, 0))", "T.moveaxis(x, 0, 1)", "x.swapaxes(0, 1)", "T.swapdims(x, 0, -1)",
    "x.tile(2)", "x.tile(2, 2)", "T.tile(x, (2, 1, 2))", "x.broadcast_to((2, 2, 3))", "T.broadcast_to(x, (3, 4))",
    "x.unflatten(0, (2, -1))", "x.ravel().shape", "T.vstack((x, x))", "T.hstack([x, x])", "T.atleast_1d(x)", "T.atleast_2d(x, x)",
    "T.meshgrid(x, x, indexing='ij')", "T.meshgrid(x, T.arange(3), indexing='xy')", "T.meshgrid([x, x, x])",
    "x.repeat_interleave(2)", "T.repeat_interleave(x, 3, dim=0)", "T.repeat_interleave(x, T.tensor([2, 0]), dim=0)",
    "x.take(T.tensor([0, 1]))", "x.take(T.tensor([[-1, 0]]))", "x.select(0, 1)", "T.select(x, -1, -1)", "x.unbind()",
    "x.index_fill(0, T.tensor([1]), 5)", "x.index_fill(-1, T.tensor([0, -1]), 0.0)", "x.index_fill_(0, T.tensor([0]), 1)",
    "T.var_mean(x, dim=0)", "T.std_mean(x)", "x.bernoulli(0.0)", "T.bernoulli(x, 1.0)", "x.bernoulli_(1.0)",
    "T.randint_like(x, 1, 2)", "T.normal(x, 0.0)", "T.normal(x, x * 0).shape", "T.normal(0.0, 1.0, (2, 3)).shape",
    "T.normal(2, 0.0, size=(2,))", "T.normal(1.0, x.abs() * 0)", "x.addcmul(x, x, value=2)", "T.addcdiv(x, x, T.ones(()) * 2)",
    "x.addcmul_(x, x)", "x.addcdiv(T.ones(1), x, value=0.5)", "T.fmod(x, 2)", "x.fmod(-1.5)", "x.fmod_(2)", "T.xlogy(x, 2)",
    "T.searchsorted(T.tensor([0.0, 1.0, 2.0]), x)", "T.bucketize(x, T.tensor([0.0, 1.0]), right=True)",
    "T.searchsorted(T.tensor([0, 1, 2]), x, side='right')", "T.searchsorted(T.tensor([0.0, 1.0]), x, out_int32=True)",
    "T.linalg.norm(x)", "T.linalg.norm(x, dim=0)", "T.linalg.vector_norm(x, 1, dim=-1, keepdim=True)", "T.logical_xor(x, x)",
    "x.is_nonzero()", "T.diag_embed(x)", "x.cumprod(0, dtype=T.float64)", "T.Size([2, 3]) == x.shape", "(2, 3) == x.shape",
    "x.shape + (1,)", "isinstance(x.shape, T.Size)", "isinstance(x, T.FloatTensor)", "isinstance(x, T.LongTensor)", "T.t(x)",
    "x.detach().clone().exponential_().shape", "x.random_(1, 2)", "T.isclose(x, x)", "T.equal(x, x)", "T.allclose(x, x)", "x.logical_not()",
]  # fmt: skip
OF_MATRICES = [
    *(f"T.{n}(x{a})" for n in names("tril triu diag diagonal") for a in ("", ", 1", ", -1", ", diagonal=2", ", 5")),
    "T.trace(x)", "x.diagonal(dim1=-2, dim2=-1)", "x.diagonal(0, 1, 0)", "x.diagonal(offset=1)", "x.triu_()", "x.tril_(1)",
    "T.einsum('ij->ji', x)", "T.einsum('ii', x)", "T.einsum('ii->i', x)", "T.einsum('ij->', x)", "T.einsum('...i->...', x)",
    "T.einsum('ij,ij->', x, x)", "T.einsum('ij,kj->ik', x, x)", "T.einsum('ij,ik', x, x)", "T.einsum('i,i', x, x)",
    "T.einsum('bij,bjk->bik', x, x)", "T.einsum('bij,bkj->bik', x, x)", "T.einsum('...ij,...kj->...ik', x, x)",
    "T.einsum('ij,ij->ij', x, x)", "T.einsum('i,j->ij', x, x)", "T.einsum('ij,j->i', x, x[0])", "T.einsum('ij,jk,kl->il', x, x, x)",
    "T.einsum('ij,kl->ikjl', x, x)", "T.einsum('ij, k -> jik', x, x[0])", "T.einsum('ij->ijk', x)", "T.einsum('i', x)",
    "T.einsum('ij,ij->i', x, x)", "T.einsum('bij,bij->bj', x, x)", "T.einsum('ab,cb->', x, x)", "T.einsum('ij,jk', [x, x])",
]  # fmt: skip
OF_TWO = {
    "T.mm(x, y)": [((2, 3), (3, 4)), ((2, 3), (4, 3)), ((2, 3), (3,)), ((0, 3), (3, 2))],
    "x.mv(y)": [((2, 3), (3,)), ((2, 3), (2,)), ((3,), (3,))],
    "T.dot(x, y)": [((3,), (3,)), ((3,), (2,)), ((2, 3), (3,)), ((0,), (0,))],
    "T.bmm(x, y)": [((2, 3, 4), (2, 4, 1)), ((2, 3, 4), (1, 4, 1)), ((3, 4), (4, 1))],
    "T.outer(x, y)": [((3,), (2,)), ((2, 3), (3,)), ((0,), (2,))],
    "x.ger(y)": [((3,), (2,))],
    "T.max(x, y)": [((2, 3), (3,)), ((2, 3), (2, 1)), ((), (3,))],
    "x.min(y)": [((2, 3), (3,))],
    "x.lerp(y, 0.3)": [((2, 3), (3,)), ((3,), (3,))],
    "x.lerp_(y, 0.3)": [((2, 3), (3,))],
    "T.addcmul(x, y, y)": [((2, 3), (3,)), ((3,), (3,)), ((1,), (2, 1))],
    "x.addcdiv_(y, y.abs() + 1, value=0.5)": [((2, 3), (3,))],
    "T.fmod(x, y)": [((2, 3), (3,)), ((2, 3), ())],
    "T.xlogy(x, y.abs())": [((2, 3), (3,)), ((4,), (4,))],
    "T.addmm(x, T.ones(2, 3), y, beta=0.5, alpha=2)": [((2, 4), (3, 4)), ((4,), (3, 4))],
    "T.broadcast_tensors(x, y)": [((2, 1), (3,)), ((2,), (3,))],
    "x.masked_scatter(x > 0, y)": [((2, 3), (2, 3)), ((4,), (4,)), ((4,), (1,))],
    "x.masked_scatter_(x > 0, y)": [((2, 3), (7,))],
    "T.equal(x, y)": [((2, 3), (2, 3)), ((3,), (2,))],
    "T.allclose(x, y, atol=1)": [((2, 3), (2, 3)), ((2, 3), (3,))],
    "T.isclose(x, y, rtol=0.5)": [((2, 3), (3,))],
    "T.cat([x, y])": [((2, 3), (1, 3))],
    "T.einsum('ij,jk->ik', x, y)": [((2, 3), (3, 4)), ((2, 3), (2, 4)), ((2, 1), (3, 4))],
    "F.cosine_similarity(x, y)": [((2, 3), (2, 3)), ((2, 3), (1, 3)), ((3,), (3,))],
    "F.cosine_similarity(x, y, dim=-1)": [((2, 3), (2, 3)), ((3,), (3,)), ((2, 3), (3,))],
}
INDEXED = [
    "x.index_add(0, i, x[i] * 2)", "x.index_add(0, i, x[i], alpha=3)", "x.index_add_(0, i, x[i])", "x.index_copy(0, i, x[i])",
    "x.index_add(-1, i, x[..., i])", "x.index_copy_(0, i, x[i] + x[i])", "x.index_add(0, i, x)", "x.index_fill(0, i, 1)",
    "T.take_along_dim(x, i.reshape([-1] + [1] * (x.dim() - 1)), 0)", "T.take_along_dim(x, i)",
    "T.scatter(x, 0, i.reshape([-1] + [1] * (x.dim() - 1)), 5)", "x.scatter(-1, i.expand(*x.shape[:-1], 2), x)",
    "x.scatter_(0, i.reshape([-1] + [1] * (x.dim() - 1)), 1)", "x.scatter(0, i, x, reduce='add')",
    "x.scatter_(x.dim() - 1, i.expand(*x.shape[:-1], 2), value=1)", "x.scatter(0, i, 1.0)", "x.repeat_interleave(i, 0)",
    "T.zeros(2, 4).scatter_(1, i.unsqueeze(1), 1)", "T.zeros(2, 4).scatter_(1, i.unsqueeze(1), 1.0).sum()",
    "F.embedding(i, x)", "F.embedding(i, x, padding_idx=1)", "F.embedding(i.reshape(2, 1), x)",
]  # fmt: skip
ACTIVATIONS = [
    *(f"F.{n}(x)" for n in names("gelu silu mish hardtanh relu6 softsign selu celu hardswish hardsigmoid elu logsigmoid")),
    *(f"F.{n}(x, inplace=True)" for n in names("relu elu leaky_relu silu mish hardtanh relu6 selu celu")),
    "F.gelu(x, approximate='tanh')", "F.hardtanh(x, -0.5, 1.0)", "F.elu(x, 0.5)", "F.celu(x, 2.0)", "F.tanhshrink(x)",
    "F.leaky_relu(x, 0.2)", "F.softmin(x, 0)", "F.glu(x)", "F.normalize(x)", "F.normalize(x, dim=0)", "F.normalize(x, p=1, dim=-1)",
    "F.dropout(x, 0.5, training=False)", "F.dropout(x, 1.0)", "F.dropout(x, 0.0)", "F.dropout(x, p=0.3).shape",
    "F.layer_norm(x, (3,))", "F.layer_norm(x, x.shape)", "F.layer_norm(x, [3], T.arange(3.0), T.ones(3), 1e-3)",
    "F.pad(x, (1, 2))", "F.pad(x, (1, 2), value=7)", "F.pad(x, (-1, 2))", "F.pad(x, (0, 1, 2, 0))", "F.pad(x, (1, 1, 0, 0), 'constant', 0.5)",
    "F.pad(x, (-1, -1))", "F.pad(x, (1,))", "F.pad(x.unsqueeze(0), (1, 1), mode='reflect')", "F.pad(x.unsqueeze(0), (2, 1), mode='replicate')",
    "F.pad(x.unsqueeze(0), (1, 2), mode='circular')", "F.gumbel_softmax(x).shape", "F.gumbel_softmax(x, tau=0.5, hard=True).sum(-1)",
]  # fmt: skip
LOSSES = [
    *(f"F.kl_div(x, y, reduction={r!r})" for r in ("mean", "sum", "none", "batchmean")), "F.kl_div(x, y, log_target=True)",
    "F.kl_div(x, y.abs(), reduction='sum')", "F.kl_div(x, y.abs().log(), reduction='batchmean', log_target=True)",
    *(f"F.binary_cross_entropy(x.sigmoid(), y.sigmoid(), reduction={r!r})" for r in ("mean", "sum", "none")),
    "F.binary_cross_entropy((x > 0).to(x.dtype), (y > 0).to(y.dtype))", "F.binary_cross_entropy(x.sigmoid(), y.sigmoid(), T.ones(2, 3) * 2)",
    *(f"F.poisson_nll_loss(x, y.abs(), reduction={r!r})" for r in ("mean", "none")), "F.poisson_nll_loss(x.abs(), y.abs(), log_input=False)",
    "F.poisson_nll_loss(x, y.abs(), full=True)", "F.gaussian_nll_loss(x, y, x.abs())", "F.gaussian_nll_loss(x, y, x.abs()[..., :1], full=True)",
    "F.gaussian_nll_loss(x, y, (x.abs() + 1).sum(-1), reduction='sum')", "F.gaussian_nll_loss(x, y, 2.0)", "F.gaussian_nll_loss(x, y, -x.abs())",
]  # fmt: skip
PLAIN = [
    "T.FloatTensor([1, 2])", "T.LongTensor([[1, 2]])", "T.DoubleTensor(2, 3).shape", "T.IntTensor([1.7])", "T.BoolTensor([0, 1])",
    "T.FloatTensor(np.ones(3))", "T.FloatTensor()", "T.FloatTensor((1, 2))", "T.FloatTensor(np.array([[True]]))", "T.LongTensor(T.ones(2))",
    "T.LongTensor(3).shape", "T.FloatTensor(np.zeros((2, 3), np.float32)).shape", "T.FloatTensor(T.zeros(2))", "T.FloatTensor([np.zeros(2)])",
    *(f"T.finfo(T.{d}).{n}" for d in ("float32", "float64") for n in names("bits eps max min tiny smallest_normal resolution")),
    *(f"T.iinfo(T.{d}).{n}" for d in names("int64 int32 uint8 int8") for n in names("bits max min")), "T.finfo().eps", "T.finfo(T.int32)",
    "T.iinfo(T.float32)", "T.finfo(T.float32).max", "T.zeros(T.Size([2, 3]))", "T.Size([2, 3]).numel()", "T.Size((2, 3))[0]", "T.Size([1, 2]) + (3,)",
    "T.pi", "T.e", "T.inf", "T.zeros(3)[T.newaxis]", "T.randperm(4).sort()[0]", "T.multinomial(T.tensor([0.0, 1.0]), 3, replacement=True)",
    "T.normal(T.zeros(2), T.zeros(2))", "T.normal(T.zeros(2), -1.0)", "T.normal(0.0, 1.0)", "T.normal(mean=T.arange(3.0), std=T.zeros(3))",
    "T.bernoulli(T.tensor([0.0, 1.0]))", "T.bernoulli(T.tensor([2.0]))", "T.bernoulli(T.tensor([1]))", "T.zeros(3).uniform_(2, 2)", "T.zeros(3).normal_(1, 0)",
    "T.einsum('ij,jk', T.ones(2, 3))", "T.einsum('i-', T.ones(2))", "T.get_num_threads() > 0", "T.set_printoptions(precision=4)", "T.rand_like(T.zeros(2)).shape",
    "T.arange(4).reshape(T.Size([2, 2]))", "T.zeros(2).type()[-11:]", "T.zeros(2, dtype=T.int64).type()[-10:]", "T.zeros(1).type('T.Foo')", "isinstance(T.float32, T.dtype)",
]  # fmt: skip


@pytest.mark.parametrize("program", ONE_TENSOR)
def test_of_one_tensor(program):
    run(program, ONE)


@pytest.mark.parametrize("program", OF_MATRICES)
def test_of_matrices(program):
    run(program, MATRICES)


@pytest.mark.parametrize("program", OF_TWO)
def test_of_two(program):
    run(program, [case for a, b in OF_TWO[program] for case in two(a, b)])


@pytest.mark.parametrize("program", INDEXED)
def test_with_an_index(program):
    i = [Sample(np.array([1, 0])), Sample(np.array([0, 2]))]
    cases = [{**case, "i": index} for case in ONE for index in i]
    run(program, cases)


@pytest.mark.parametrize("program", ACTIVATIONS)
def test_activations(program):
    run(program, FLOAT)


@pytest.mark.parametrize("program", LOSSES)
def test_losses(program):
    run(program, [case for s in ((2, 3), (4,)) for case in two(s, s, ("float32", "float64"))])


@pytest.mark.parametrize("program", PLAIN)
def test_without_inputs(program):
    run(program, [{}])
