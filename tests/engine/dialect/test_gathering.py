"""Picking elements by an index: the edges of the functions. Values by hand, or from PyTorch's manual."""

from __future__ import annotations

import pytest
from compare import same

import minigrad as mg
from minigrad.errors import GradientError

X = mg.tensor([[10, 30, 20], [60, 40, 50]])


def test_where_needs_both_or_none():
    with pytest.raises(TypeError, match="the condition alone, or with both"):
        mg.where(X > 20, None, X)
    with pytest.raises(TypeError, match="the condition alone, or with both"):
        mg.where(X > 20, X)


def test_a_mask_may_be_larger_than_the_input():
    mask = mg.tensor([[True, False], [True, True]])
    same(mg.tensor([1.0, 2.0]).masked_select(mask), [1, 1, 2])


def test_index_select_by_one_index_keeps_the_dimension():
    same(X.index_select(0, mg.tensor(1)), [[60, 40, 50]])
    same(X.index_select(-1, mg.tensor(0)), [[10], [60]])


def test_index_select_of_a_number():
    same(mg.index_select(mg.tensor(5.0), -1, mg.tensor([0])), 5.0)
    with pytest.raises(IndexError, match="dimension 1"):
        mg.index_select(mg.tensor(5.0), 1, mg.tensor([0]))


def test_take_along_dim():
    same(mg.take_along_dim(X, mg.argmax(X)), [60])  # PyTorch's example: without dim the input is flattened
    same(mg.take_along_dim(X, mg.tensor([[0, 1], [-1, 3]])), [10, 30, 50, 60])
    same(mg.take_along_dim(X, mg.argsort(X, dim=1), dim=1), [[10, 20, 30], [40, 50, 60]])
    same(mg.take_along_dim(X[:1], mg.tensor([[2], [0]]), dim=1), [[20], [10]])  # the input is stretched
    same(mg.take_along_dim(X, mg.tensor([[2]]), dim=1), [[20], [50]])  # the indices are stretched
    for index in (3, -4):
        with pytest.raises(IndexError, match=rf"take_along_dim: index {index} .* size 3"):
            mg.take_along_dim(X, mg.tensor([[index]]), dim=1)


def test_repeat_interleave():
    same(mg.repeat_interleave(X, 2), [10, 10, 30, 30, 20, 20, 60, 60, 40, 40, 50, 50])
    same(X.repeat_interleave(mg.tensor([1, 0, 2]), dim=1), [[10, 20, 20], [60, 50, 50]])
    same(mg.arange(8).reshape(2, 2, 2).repeat_interleave(2, 1)[0], [[0, 1], [0, 1], [2, 3], [2, 3]])
    for repeats in ([1, 2], [1, -1, 1], [[1, 1, 1]]):
        with pytest.raises(GradientError, match="repeats must be an int >= 0 or a vector of 3"):
            X.repeat_interleave(mg.tensor(repeats), dim=1)
    for size in (5, 7):
        with pytest.raises(GradientError, match=f"output_size={size}, but the repeats add up to 6"):
            X.repeat_interleave(2, 1, output_size=size)
    with pytest.raises(GradientError, match="output_size=4, but the repeats add up to 3"):
        mg.repeat_interleave(mg.tensor([1, 2]), output_size=4)


def test_take_counts_from_either_end():
    same(X.take(mg.tensor([[0, 5], [-1, -6]])), [[10, 50], [50, 10]])
    for index in (6, -7):
        with pytest.raises(IndexError, match=f"take: index {index}"):
            X.take(mg.tensor([index]))


def test_select_counts_from_either_end():
    same(X.select(1, 2), [20, 50])
    same(X.select(1, -3), [10, 60])
    for index in (3, -4):
        with pytest.raises(IndexError, match=f"select: index {index}"):
            X.select(1, index)
