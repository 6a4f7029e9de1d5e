"""Mistakes with embeddings, dropout, hooks and lists of parameters; see mistakes_nn.py."""

from __future__ import annotations

from collections.abc import Callable

import minigrad as mg
import minigrad.nn as nn


def half_a_pair():
    module = nn.Identity()
    module.register_forward_pre_hook(lambda m, args, kwargs: args, with_kwargs=True)
    module(mg.ones(1))


LAYER_MISTAKES: list[tuple[str, Callable[[], object], type[Exception], list[str]]] = [
    (
        "a state that is no row of the embedding",
        lambda: nn.Embedding(4, 2)(mg.tensor([0, 4])),
        IndexError,
        ["embedding", "index 4", "size 4", "0 to 3"],
    ),
    (
        "an embedding of fractions",
        lambda: nn.Embedding(4, 2)(mg.ones(3)),
        RuntimeError,
        ["embedding", "float32", "expected integers", ".long()"],
    ),
    (
        "a padding row that is not there",
        lambda: nn.Embedding(4, 2, padding_idx=4),
        ValueError,
        ["padding_idx=4", "4 rows", "-4 to 3"],
    ),
    (
        "a sparse embedding",
        lambda: nn.Embedding(4, 2, sparse=True),
        NotImplementedError,
        ["Embedding", "sparse is not supported", "leave it out"],
    ),
    (
        "an embedding from a vector",
        lambda: nn.Embedding.from_pretrained(mg.ones(3)),
        ValueError,
        ["(3,)", "expected a matrix"],
    ),
    (
        "dropout in per cent",
        lambda: nn.Dropout(50),
        ValueError,
        ["Dropout", "p=50", "between 0 and 1"],
    ),
    (
        "unflattening into other sizes",
        lambda: nn.Unflatten(1, (3, 4))(mg.ones(2, 10)),
        RuntimeError,
        ["Unflatten", "(2, 10)", "(3, 4)", "-1 for one"],
    ),
    (
        "bounds the wrong way round",
        lambda: nn.Hardtanh(1.0, -1.0),
        ValueError,
        ["Hardtanh", "min_val=1.0", "max_val=-1.0", "swap"],
    ),
    (
        "an unknown reduction of a divergence",
        lambda: nn.KLDivLoss("batch"),
        ValueError,
        ["KLDivLoss", "'batch'", "'batchmean'"],
    ),
    (
        "logits for BCELoss",
        lambda: nn.BCELoss()(mg.tensor([1.5]), mg.tensor([1.0])),
        RuntimeError,
        ["1.5", "between 0 and 1", "binary_cross_entropy_with_logits"],
    ),
    (
        "a ParameterList called",
        lambda: nn.ParameterList([mg.ones(2)])(mg.ones(2)),
        NotImplementedError,
        ["ParameterList", "cannot be called", "forward"],
    ),
    (
        "an index beyond the parameters",
        lambda: nn.ParameterList([mg.ones(2)])[1],
        IndexError,
        ["index 1", "1 parameters"],
    ),
    (
        "numbers in a ParameterList",
        lambda: nn.ParameterList([[1.0, 2.0]]),
        TypeError,
        ["expected a Tensor", "got list", "minigrad.tensor"],
    ),
    (
        "half of what a hook must return",
        half_a_pair,
        RuntimeError,
        ["(args, kwargs)", "tuple", "return both"],
    ),
]
