"""Mistakes with embeddings, dropout, hooks and lists of parameters; see mistakes_nn.py."""

from __future__ import annotations

from collections.abc import Callable

import minigrad as mg
import minigrad.nn as nn
import minigrad.nn.functional as F


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
    (
        "an embedding of fewer than no rows",
        lambda: nn.Embedding(-1, 3),
        ValueError,
        ["Embedding", "num_embeddings", "at least 0", "got -1"],
    ),
    (
        "given rows of another shape",
        lambda: nn.Embedding(3, 2, _weight=mg.ones(2, 2)),
        ValueError,
        ["Embedding", "(2, 2)", "(3, 2)", "from_pretrained"],
    ),
    (
        "a padding row beyond the weight",
        lambda: F.embedding(mg.tensor([0]), mg.ones(3, 2), padding_idx=3),
        ValueError,
        ["embedding", "padding_idx=3", "3 rows", "-3 to 2"],
    ),
    (
        "a negative size to normalise",
        lambda: nn.LayerNorm((2, -1)),
        ValueError,
        ["LayerNorm", "normalized_shape", "at least 0", "got -1"],
    ),
    (
        "layer normalisation of integers",
        lambda: F.layer_norm(mg.tensor([[1, 2]]), (2,)),
        RuntimeError,
        ["layer_norm", "int64", ".float()"],
    ),
    (
        "a bias of another dtype than the weight",
        lambda: F.linear(mg.ones(2, 2), mg.ones(2, 2), mg.ones(2, dtype=mg.float64)),
        RuntimeError,
        ["linear", "float32", "float64", "bias.to(weight.dtype)"],
    ),
    (
        "a smoothing beyond 1",
        lambda: nn.CrossEntropyLoss(label_smoothing=1.5)(mg.zeros(1, 2), mg.tensor([0])),
        RuntimeError,
        ["cross_entropy", "label_smoothing=1.5", "between 0 and 1"],
    ),
    (
        "a class to ignore among probabilities",
        lambda: nn.CrossEntropyLoss(ignore_index=1)(mg.zeros(1, 2), mg.tensor([[0.5, 0.5]])),
        RuntimeError,
        ["ignore_index=1", "probabilities", "leave it out"],
    ),
    (
        "a cross entropy without classes",
        lambda: F.cross_entropy(mg.zeros(2, 0), mg.zeros(2, 0)),
        RuntimeError,
        ["cross_entropy", "(2, 0)", "dimension 1 must hold the classes"],
    ),
    (
        "a target that is no probability",
        lambda: F.binary_cross_entropy(mg.ones(2) / 2, mg.tensor([0.0, 1.5])),
        RuntimeError,
        ["binary_cross_entropy", "the target holds 1.5", "between 0 and 1"],
    ),
    (
        "weights with a dimension too many",
        lambda: F.binary_cross_entropy_with_logits(mg.zeros(2, 2), mg.ones(2, 2), pos_weight=mg.ones(3, 2, 2)),
        RuntimeError,
        ["pos_weight has shape (3, 2, 2)", "(2, 2)", "broadcasts"],
    ),
    (
        "log-probabilities that are integers",
        lambda: F.nll_loss(mg.zeros(1, 2, dtype=mg.int64), mg.tensor([0])),
        RuntimeError,
        ["nll_loss", "int64", "log_softmax"],
    ),
    (
        "a beta that is NaN",
        lambda: F.smooth_l1_loss(mg.ones(1), mg.ones(1), beta=float("nan")),
        ValueError,
        ["smooth_l1_loss", "beta", "nan"],
    ),
    (
        "celu with alpha = 0",
        lambda: F.celu(mg.ones(2), alpha=0.0),
        ValueError,
        ["celu", "alpha=0.0", "above 0"],
    ),
    (
        "a least norm below 0",
        lambda: F.cosine_similarity(mg.ones(1, 2), mg.ones(1, 2), eps=-1.0),
        ValueError,
        ["cosine_similarity", "eps=-1.0", "at least 0"],
    ),
    (
        "the classes of nothing",
        lambda: F.one_hot(mg.zeros(0, dtype=mg.int64)),
        RuntimeError,
        ["one_hot", "empty", "num_classes"],
    ),
    (
        "a negative number of classes",
        lambda: F.one_hot(mg.tensor([0, 1]), -2),
        RuntimeError,
        ["one_hot", "-2", "num_classes"],
    ),
    (
        "a border of one number",
        lambda: F.pad(mg.ones(2), 1),
        TypeError,
        ["pad", "got 1", "(before, after)"],
    ),
    (
        "a value for a mirrored border",
        lambda: F.pad(mg.ones(1, 3), (1, 1), "reflect", 1.5),
        ValueError,
        ["pad", "value=1.5", "leave it out"],
    ),
    (
        "a border that cuts off everything",
        lambda: F.pad(mg.ones(1, 3), (-2, -1), "replicate"),
        RuntimeError,
        ["(-2, -1)", "mode='replicate'", "at least one"],
    ),
    (
        "two unknown sizes",
        lambda: nn.Unflatten(1, (-1, -1)),
        ValueError,
        ["Unflatten", "(-1, -1)", "only one"],
    ),
    (
        "dropout of a word",
        lambda: nn.Dropout("half"),
        ValueError,
        ["Dropout", "'half'", "between 0 and 1"],
    ),
    (
        "weights uniform between bounds the wrong way round",
        lambda: nn.init.uniform_(mg.empty(2), 3, -1),
        RuntimeError,
        ["uniform_", "3 and -1", "lower one first"],
    ),
    (
        "weights of a negative deviation",
        lambda: nn.init.normal_(mg.empty(2), 0, -1),
        RuntimeError,
        ["normal_", "std=-1", "at least 0"],
    ),
    (
        "truncated weights without a spread",
        lambda: nn.init.trunc_normal_(mg.empty(2), std=0.0),
        ValueError,
        ["trunc_normal_", "std=0.0", "above 0"],
    ),
    (
        "random weights for integers",
        lambda: nn.init.normal_(mg.zeros(2, dtype=mg.int64)),
        RuntimeError,
        ["normal_", "int64", ".float()"],
    ),
    (
        "a negative gain",
        lambda: nn.init.xavier_normal_(mg.empty(2, 2), -1.0),
        ValueError,
        ["xavier_normal_", "gain=-1.0", "calculate_gain"],
    ),
    (
        "a slope that is a word",
        lambda: nn.init.calculate_gain("leaky_relu", "small"),
        ValueError,
        ["calculate_gain", "'small'", "a number"],
    ),
]
