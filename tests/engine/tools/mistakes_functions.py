"""Mistakes with the functions: what is done, what it raises, and what the message must say (see test_mistakes.py)."""

from __future__ import annotations

import minigrad as mg
import minigrad.nn.functional as F


def _x() -> mg.Tensor:
    return mg.arange(6.0).reshape(2, 3)


MISTAKES = [
    (
        "einsum with sizes that differ under one letter",
        lambda: mg.einsum("ij,jk->ik", _x(), _x()),
        RuntimeError,
        ["'ij,jk->ik'", "size 3", "2 in another", "must be equal"],
    ),
    (
        "einsum with too few letters",
        lambda: mg.einsum("i,jk", _x(), _x()),
        RuntimeError,
        ["'i' has 1 letters", "operand 0 has 2 dimensions", "'...'"],
    ),
    (
        "einsum with an operand missing",
        lambda: mg.einsum("ij,jk->ik", _x()),
        RuntimeError,
        ["names 2 operands", "1 were given"],
    ),
    ("more than there are", lambda: _x().topk(4), RuntimeError, ["k is 4", "(2, 3)", "3 elements"]),
    ("mm of vectors", lambda: mg.mm(mg.ones(3), mg.ones(3)), RuntimeError, ["a matrix", "(3,)", "matmul"]),
    (
        "scatter with another dtype",
        lambda: mg.zeros(2, 3).scatter_(1, mg.tensor([[0], [1]]), mg.ones(2, 1, dtype=mg.int64)),
        RuntimeError,
        ["float32", "int64", ".to()"],
    ),
    (
        "scatter of actions that lack a dimension",
        lambda: mg.zeros(2, 3).scatter_(1, mg.tensor([0, 1]), 1.0),
        RuntimeError,
        ["(2,)", "(2, 3)", "unsqueeze(1)"],
    ),
    (
        "index_add with a source of another length",
        lambda: mg.zeros(4).index_add(0, mg.tensor([0, 1]), mg.ones(3)),
        RuntimeError,
        ["source has shape (3,)", "2 indices", "(2,)"],
    ),
    (
        "index_add out of range",
        lambda: mg.zeros(4).index_add_(0, mg.tensor([4]), mg.ones(1)),
        IndexError,
        ["index 4", "size 4"],
    ),
    (
        "a typed tensor of a tensor of another type",
        lambda: mg.LongTensor(mg.ones(2)),
        RuntimeError,
        ["float32", ".to(int64)"],
    ),
    ("normal without a size", lambda: mg.normal(0.0, 1.0), TypeError, ["size is needed", "(2, 3)"]),
    ("a negative deviation", lambda: mg.normal(mg.zeros(2), -1.0), RuntimeError, ["-1.0", ">= 0", "exp"]),
    (
        "logits given to binary_cross_entropy",
        lambda: F.binary_cross_entropy(mg.tensor([3.0]), mg.tensor([1.0])),
        RuntimeError,
        ["3.0", "between 0 and 1", "with_logits"],
    ),
    (
        "kl_div of shapes that broadcast",
        lambda: F.kl_div(mg.zeros(4, 1), mg.ones(4), reduction="sum"),
        RuntimeError,
        ["(4, 1)", "(4,)", "every prediction with every target"],
    ),
    (
        "a variance of the wrong shape",
        lambda: F.gaussian_nll_loss(_x(), _x(), mg.ones(3)),
        RuntimeError,
        ["(3,)", "(2, 3)", "(2, 1)"],
    ),
    (
        "layer_norm over other sizes",
        lambda: F.layer_norm(_x(), (2,)),
        RuntimeError,
        ["(2,)", "(2, 3)", "last dimensions"],
    ),
    ("too many borders", lambda: F.pad(mg.ones(3), (1, 1, 1, 1)), RuntimeError, ["4 numbers", "(3,)", "at most 2"]),
    (
        "a border wider than what it reflects",
        lambda: F.pad(_x(), (3, 0), mode="reflect"),
        RuntimeError,
        ["(3, 0)", "size 3", "at most 2"],
    ),
    ("embedding by floats", lambda: F.embedding(mg.ones(2), _x()), RuntimeError, ["float32", ".long()"]),
    ("finfo of an integer", lambda: mg.finfo(mg.int64), TypeError, ["int64", "iinfo"]),
    ("no threads", lambda: mg.set_num_threads(0), ValueError, ["at least 1", "0"]),
]
