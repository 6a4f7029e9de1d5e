"""What shares memory and what is a copy: each function and method of which PyTorch says so, or does so.

A view is written through, a copy is not. `itself` is the very tensor. The second column is PyTorch's answer (2.13, on
the CPU), which an `oracle` test at the end asks for again.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import minigrad as mg

# x is the matrix [[0, 1, 2, 3], [4, 5, 6, 7]], T the module. A blank line parts what PyTorch's manual keeps together.
VIEWS = """
x.diagonal()
T.diagonal(x, 1)
x.t().diagonal(-1)
T.diagonal(x.unsqueeze(0), 0, -1, 0)
T.einsum('ii->i', x[:, :2])
T.einsum('ij->ji', x)

x[0]
x[0, 1]
x[...]
x[None]
x[:, 1:3]
x[:, ::2]
x[T.tensor(0)]
x.select(1, 2)
x.narrow(0, 1, 1)
x.split(1)[1]
x.split([1, 3], 1)[1]
x.chunk(2, 1)[1]
x.unbind()[1]
x.unbind(1)[2]

x.t()
x.T
x.mT
x.transpose(0, 1)
x.swapaxes(0, 1)
x.swapdims(0, 1)
x.permute(1, 0)
x.movedim(0, 1)
T.moveaxis(x, 0, 1)

x.view(4, 2)
x.view(-1)
x.view_as(T.zeros(4, 2))
x.view(T.int32)
x.reshape(4, 2)
x.reshape(-1)
x.reshape(x.shape)
x.reshape_as(T.zeros(4, 2))
x[:, 0].reshape(-1)
x[:, ::2].reshape(-1)
x[:, ::2].flatten()
x[0, ::2].reshape(-1)
x.flatten()
x[0, ::2].flatten()
x[:, ::2].unsqueeze(-1).flatten(1)
x.ravel()
x[0].ravel()
x.unflatten(1, (2, -1))
x.unsqueeze(0)
x.unsqueeze(0).squeeze()
x.unsqueeze(0).squeeze(0)
x.squeeze()
T.atleast_2d(x[0])
T.atleast_1d(x[0, 0])

x.expand(1, 2, 4)
x.expand_as(x)
x.broadcast_to((1, 2, 4))
T.broadcast_tensors(x, x[0])[1]
T.meshgrid(x[0], x[1], indexing='ij')[0]

x.detach()
x.data
x.numpy()
"""
ITSELF = """
+x
x.positive()
x.contiguous()
x.to(T.float32)
x.to('cpu')
x.to(x)
x.to(T.float32, False, False)
x.to('cpu', T.float32)
x.float()
x.cpu()
x.type_as(x)
x.type(T.float32)
x.requires_grad_(False)
x.copy_(x)
T.atleast_1d(x)
T.atleast_2d(x)
T.as_tensor(x)
"""
COPIES = """
T.diag(x)
x.diag_embed()
x[0].diag()
x.tril()
x.triu()

x[[0]]
x[T.tensor([0])]
x[x > -1]
x.masked_select(x > -1)
x.index_select(0, T.tensor([0]))
x.gather(0, T.zeros(2, 4, dtype=T.int64))
x.take(T.tensor([0, 1]))
T.take_along_dim(x, T.tensor([[0]]), 0)
T.where(x > -1, x, x)
x.masked_fill(x < -1, 0.0)
x.index_fill(0, T.zeros(0, dtype=T.int64), 0.0)
x.index_add(0, T.zeros(0, dtype=T.int64), x[:0])
x.index_copy(0, T.zeros(0, dtype=T.int64), x[:0])
x.masked_scatter(x < -1, x)
x.repeat_interleave(1)
x.unsqueeze(0).repeat_interleave(1, 0)

x.t().reshape(-1)
x[:, :3].reshape(-1)
x.t().flatten()
x[:, :3].flatten()
x.t().ravel()
x[:, ::2].ravel()
x[0, ::2].ravel()
x[:, 0].ravel()
x.expand(3, 2, 4).flatten()
x.t().contiguous()

x.flip(0)
x.roll(0, 0)
x.repeat(1, 1)
x.tile(1)
T.cat([x])
T.stack([x])
T.hstack([x])
T.vstack([x])

x.clone()
T.tensor(x)
x.new_tensor(x)
x.double()
x.to(T.float32, copy=True)
x.to(T.float32, False, True)
x.to('cpu', T.float32, False, True)
x.to(x, False, True)

x + 0
x * 1
-(-x)
x.abs()
x.clamp(-9, 9)
x.relu()
x.round()
x.nan_to_num()
x.pow(1)
T.maximum(x, x)

x[:1].sum(0)
x[:1].mean(0)
x[:1].prod(0)
x[:1].amax(0)
x[:1].max(0).values
x[:1].median(0).values
x[:1].kthvalue(1, 0).values
x[:1].topk(1, 0).values
x[:1].sort(0).values
x[:1].cumsum(0)
x[:1].logsumexp(0)
x.unique()
"""


def _answer(T: Any, program: str) -> str:
    """'view', 'copy' or 'itself', found out by writing into the result."""
    x = T.arange(8.0).reshape(2, 4)
    before = x.clone()
    result = eval(program, {"T": T, "x": x})
    if result is x:
        return "itself"
    if isinstance(result, np.ndarray):
        result[...] = 77
    elif result.dtype == T.int32:
        result.fill_(77)
    else:
        result.fill_(77.0)
    return "copy" if bool((x == before).all()) else "view"


CASES = [
    (program, kind)
    for kind, text in (("view", VIEWS), ("itself", ITSELF), ("copy", COPIES))
    for program in text.split("\n")
    if program
]
READ_ONLY = ("expand", "broadcast", "meshgrid")  # several places on one memory: those can't be written into here


@pytest.mark.parametrize(("program", "kind"), CASES)
def test_a_view_is_written_through_and_a_copy_is_not(program, kind):
    if kind == "view" and any(name in program for name in READ_ONLY):
        x = mg.arange(8.0).reshape(2, 4)
        assert np.shares_memory(eval(program, {"T": mg, "x": x}).array, x.array)
    else:
        assert _answer(mg, program) == kind


@pytest.mark.oracle
@pytest.mark.parametrize(("program", "kind"), CASES)
def test_pytorch_answers_the_same(program, kind):
    torch = pytest.importorskip("torch")
    if kind == "view" and any(name in program for name in READ_ONLY):
        x = torch.arange(8.0).reshape(2, 4)
        assert eval(program, {"T": torch, "x": x}).untyped_storage().data_ptr() == x.untyped_storage().data_ptr()
    else:
        assert _answer(torch, program) == kind


# -- the diagonal -----------------------------------------------------------------------------------------


def test_jitter_is_added_to_a_covariance_and_a_diagonal_is_cleared():
    covariance = mg.zeros(3, 3)
    covariance.diagonal().add_(0.5)
    assert covariance.tolist() == [[0.5, 0, 0], [0, 0.5, 0], [0, 0, 0.5]]
    x = mg.ones(2, 3)
    x.diagonal(1).fill_(0.0)
    assert x.tolist() == [[1, 0, 1], [1, 1, 0]]
    stack = mg.zeros(2, 2, 2)
    mg.diagonal(stack, dim1=-2, dim2=-1).copy_(mg.tensor([[1.0, 2.0], [3.0, 4.0]]))
    assert stack.tolist() == [[[1, 0], [0, 2]], [[3, 0], [0, 4]]]


def test_the_gradient_of_a_diagonal_lies_on_it_and_adds_up():
    x = mg.ones(2, 3, requires_grad=True)
    (x.diagonal(1) * mg.tensor([2.0, 5.0])).sum().backward()
    x.diagonal().sum().backward()
    assert x.grad.tolist() == [[1, 2, 0], [0, 1, 5]]


def test_a_write_through_the_diagonal_is_noticed_by_backward():
    x = mg.ones(2, 2, requires_grad=True) * 1
    y = (x * x).sum()
    with mg.no_grad():
        x.diagonal().add_(1)
    with pytest.raises(mg.GradientError, match="changed in place"):
        y.backward()


def test_fill_diagonal():
    x = mg.zeros(2, 3)
    assert x.fill_diagonal_(5.0) is x
    assert x.tolist() == [[5, 0, 0], [0, 5, 0]]
    cube = mg.zeros(2, 2, 2).fill_diagonal_(1, wrap=True)
    assert cube.nonzero().tolist() == [[0, 0, 0], [1, 1, 1]]
    tall = mg.zeros(7, 2)
    assert tall.fill_diagonal_(1).nonzero().tolist() == [[0, 0], [1, 1]]
    assert tall.fill_diagonal_(1, wrap=True).nonzero().tolist() == [[0, 0], [1, 1], [3, 0], [4, 1], [6, 0]]
    assert mg.zeros(2, 7).fill_diagonal_(1, True).nonzero().tolist() == [[0, 0], [1, 1]]
    for wrong in (mg.zeros(3), mg.zeros(2, 2, 3)):
        with pytest.raises(mg.GradientError, match="one size"):
            wrong.fill_diagonal_(1.0)


def test_fill_diagonal_stops_the_gradient_there():
    x = mg.ones(2, 2, requires_grad=True)
    y = x * 3
    y.fill_diagonal_(0.0)
    y.sum().backward()
    assert x.grad.tolist() == [[0, 3], [3, 0]]
    with pytest.raises(mg.GradientError, match="leaf"):
        x.fill_diagonal_(0.0)


def test_diag_embed_along_other_dimensions():
    x = mg.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    y = mg.diag_embed(x, 1, 0, 2)  # (rows, the rows of x, columns)
    assert y.shape == (3, 2, 3)
    assert y[0].tolist() == [[0, 1, 0], [0, 3, 0]]
    assert y[1].tolist() == [[0, 0, 2], [0, 0, 4]]
    assert mg.diag_embed(x, 1, 2, 0)[2].tolist() == [[0, 2, 0], [0, 4, 0]]
    assert mg.diag_embed(x, 0, 1, 0)[..., 1].tolist() == [[3, 0], [0, 4]]
    (y * y).sum().backward()
    assert x.grad.tolist() == [[2, 4], [6, 8]]
    for wrong in (lambda: mg.diag_embed(x, 0, 1, 1), lambda: mg.diag_embed(mg.tensor(math.pi))):
        with pytest.raises(mg.GradientError, match="diag_embed"):
            wrong()
