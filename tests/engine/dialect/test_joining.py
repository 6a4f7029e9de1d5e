"""Joining, taking apart and rearranging: the edges of the functions. Values by hand, or from PyTorch's manual."""

from __future__ import annotations

import numpy as np
import pytest
from compare import same

import minigrad as mg
from minigrad.errors import GradientError

X = mg.tensor([[1, 2], [3, 4]])


def list_shapes(pieces):
    return [tuple(piece.shape) for piece in pieces]


def test_axis_is_dim():
    same(mg.cat([X, X], axis=1), [[1, 2, 1, 2], [3, 4, 3, 4]])
    same(mg.stack([X[0], X[1]], axis=1), [[1, 3], [2, 4]])


def test_only_an_empty_vector_may_be_joined_with_anything():
    same(mg.cat([mg.tensor([]), X]), [[1, 2], [3, 4]], mg.float32)  # it counts for the dtype
    with pytest.raises(RuntimeError, match="cat"):
        mg.cat([mg.zeros(0, 3), mg.ones(2)])


def test_narrow():
    x = mg.arange(4)
    same(x.narrow(0, -2, 2), [2, 3])
    assert x.narrow(0, 4, 0).shape == (0,)
    for start, length in ((5, 0), (-5, 1), (3, 2), (2, -1)):
        with pytest.raises(GradientError, match="narrow: "):
            x.narrow(0, start, length)


def test_split_and_chunk():
    assert list_shapes(mg.zeros(0, 3).split(2)) == [(0, 3)]
    assert list_shapes(mg.zeros(7, 2).chunk(3)) == [(3, 2), (3, 2), (1, 2)]
    assert list_shapes(mg.zeros(2, 5).chunk(2, 1)) == [(2, 3), (2, 2)]
    assert list_shapes(mg.zeros(0).chunk(3)) == [(0,), (0,), (0,)]
    for sections in ([1, 1], [4, -1], [2, 2]):
        with pytest.raises(GradientError, match="non-negative and sum to 3"):
            mg.zeros(3).split(sections)
    assert [x.tolist() for x in X.unbind(1)] == [[1, 3], [2, 4]]


def test_rows_and_columns():
    same(mg.atleast_2d(mg.tensor([1, 2])), [[1, 2]])
    assert isinstance(mg.atleast_1d(mg.tensor(1)), mg.Tensor)
    same(mg.vstack([mg.tensor([5, 6]), X]), [[5, 6], [1, 2], [3, 4]])
    assert mg.hstack([mg.zeros(2, 1, 3), mg.zeros(2, 4, 3)]).shape == (2, 5, 3)


def test_a_grid_by_columns():
    a, b, c = mg.meshgrid(mg.arange(2), mg.arange(3), mg.arange(4), indexing="xy")
    assert list_shapes((a, b, c)) == [(3, 2, 4)] * 3
    same(a[:, :, 0], [[0, 1]] * 3)
    same(b[:, :, 0], [[0, 0], [1, 1], [2, 2]])
    same(c[0], [[0, 1, 2, 3]] * 2)


@pytest.mark.parametrize(
    ("change", "shape"),
    [
        (lambda: mg.zeros(0, 3).view(3, 0), (3, 0)),
        (lambda: mg.zeros(2, 0, 3).flatten(1), (2, 0)),
        (lambda: mg.zeros(1, 2, 1).squeeze(1), (1, 2, 1)),
        (lambda: mg.zeros(1, 2, 1).squeeze((0, 1)), (2, 1)),
        (lambda: mg.zeros(2, 3).unsqueeze(-1), (2, 3, 1)),
        (lambda: mg.zeros(2, 3).unsqueeze(-3), (1, 2, 3)),
        (lambda: mg.zeros(3).t(), (3,)),
        (lambda: mg.zeros(3).expand(2, -1), (2, 3)),
        (lambda: mg.zeros(2, 1).expand(4, -1, 3), (4, 2, 3)),
        (lambda: mg.zeros(2, 3, 4).movedim((0, 1), (2, 0)), (3, 4, 2)),
        (lambda: mg.zeros(3, 1).broadcast_to(shape=(3, 2)), (3, 2)),
        (lambda: mg.zeros(0, 4).unflatten(1, (2, -1)), (0, 2, 2)),
        (lambda: mg.zeros(5, 6, 7).unflatten(1, (2, 3)), (5, 2, 3, 7)),
    ],
)
def test_the_shape(change, shape):
    assert change().shape == shape


def test_what_is_rolled_and_tiled():
    x = mg.arange(1, 9).reshape(4, 2)
    same(x.roll(1), [[8, 1], [2, 3], [4, 5], [6, 7]])  # PyTorch's example
    same(x.roll((2, 1), (0, 1)), [[6, 5], [8, 7], [2, 1], [4, 3]])  # PyTorch's example
    same(X.tile(2), [[1, 2, 1, 2], [3, 4, 3, 4]])


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda: mg.ones(1).reshape(True), TypeError),
        (lambda: mg.ones(4).reshape(-4), GradientError),
        (lambda: mg.ones(3).narrow(0, mg.tensor([1]), 1), TypeError),
        (lambda: mg.ones(2, 3, 4).flatten(2, 1), GradientError),
        (lambda: mg.ones(3).expand(-1, 3), GradientError),
        (lambda: mg.ones(1).expand(-2), GradientError),
        (lambda: mg.ones(2, 3).repeat(2), GradientError),
        (lambda: mg.ones(2, 3).roll((1, 2)), GradientError),
        (lambda: mg.ones(2, 3, 4).movedim((0, 0), (1, 2)), GradientError),
    ],
)
def test_what_pytorch_refuses(change, error):
    with pytest.raises(error):
        change()


@pytest.mark.parametrize(
    ("equation", "shapes"),
    [
        ("ba", [(2, 3)]),  # without an arrow the letters are in alphabetical order
        ("b...a", [(2, 4, 3)]),  # those of the ellipsis first
        ("...i,...i->...", [(2, 3, 4), (3, 4)]),
        ("i...,i...->...", [(4, 3), (4, 2, 3)]),
        ("iji->ji", [(2, 3, 2)]),
        ("iii->i", [(3, 3, 3)]),
        ("ij,jk,jl->il", [(2, 3), (3, 4), (3, 2)]),
        ("abc,bcd->ad", [(2, 3, 4), (3, 4, 5)]),
        ("ab,cd->dbca", [(2, 3), (4, 5)]),
        ("bai,baj->abij", [(2, 3, 4), (2, 3, 5)]),
    ],
)
def test_einsum_is_the_sum_over_the_letters(equation, shapes):
    generator = np.random.default_rng(0)
    arrays = [generator.standard_normal(shape) for shape in shapes]
    same(mg.einsum(equation, *map(mg.tensor, arrays)), np.einsum(equation, *arrays))


def test_einsum_stretches_a_size_of_1_under_one_letter():
    x, y = mg.tensor([[1.0], [2.0]]), mg.tensor([[1.0, 10.0, 100.0], [5.0, 6.0, 7.0]])
    same(mg.einsum("ij,ij->i", x, y), [111, 36])
    same(mg.einsum("ij,ij->i", y, x), [111, 36])
    with pytest.raises(GradientError, match="size 2 in one operand and 3 in another"):
        mg.einsum("i,i,i->i", mg.ones(2), mg.ones(1), mg.ones(3))


@pytest.mark.parametrize("equation", ["i.j->ij", "ij->ii", "ij->ik"])
def test_an_equation_that_makes_no_sense_is_refused(equation):
    with pytest.raises(GradientError, match="einsum"):
        mg.einsum(equation, mg.ones(2, 2))
