"""Mistakes with distributions: what is done, what it raises, and what the message must say."""

from __future__ import annotations

import math
from collections.abc import Callable

import minigrad as mg
from minigrad import distributions as d

MISTAKES: list[tuple[str, Callable[[], object], type[Exception], list[str]]] = [
    (
        "a row of actions for a column of policies",
        lambda: d.Normal(mg.zeros(64, 1), 1.0).log_prob(mg.zeros(64)),
        ValueError,
        ["Normal.log_prob", "(64,)", "(64, 1)", "unsqueeze(-1)"],
    ),
    (
        "a column of actions for a row of policies",
        lambda: d.Categorical(logits=mg.zeros(64, 2)).log_prob(mg.zeros(64, 1).long()),
        ValueError,
        ["Categorical.log_prob", "(64, 1)", "batch_shape (64,)", "squeeze(-1)"],
    ),
    (
        "logits with a NaN",
        lambda: d.Categorical(logits=mg.tensor([[0.0, 1.0], [math.nan, 0.0]])),
        ValueError,
        ["Categorical", "logits", "NaN", "[1, 0]", "detect_anomaly"],
    ),
    (
        "logits that rule everything out",
        lambda: d.Categorical(logits=mg.full((2,), -math.inf)),
        ValueError,
        ["Categorical", "logits", "-inf", "leave at least one finite"],
    ),
    (
        "a scale of 0",
        lambda: d.Normal(mg.zeros(2), mg.tensor([1.0, 0.0])),
        ValueError,
        ["Normal", "scale", "greater than 0", "from 0.0"],
    ),
    (
        "more than certain",
        lambda: d.Bernoulli(probs=mg.tensor([0.5, 1.1])),
        ValueError,
        ["Bernoulli", "probs", "between 0 and 1", "1.1"],
    ),
    (
        "half a draw",
        lambda: d.Normal(0.0, 1.0).sample((1.5,)),
        ValueError,
        ["Normal", "sample_shape is (1.5,)", "ints of at least 0"],
    ),
    (
        "an infinite yes",
        lambda: d.Bernoulli(logits=mg.zeros(2)).log_prob(mg.tensor([1.0, math.inf])),
        ValueError,
        ["Bernoulli.log_prob", "0 or 1", "inf"],
    ),
    (
        "a negative scale",
        lambda: d.Normal(mg.zeros(2), mg.tensor([1.0, -1.0])),
        ValueError,
        ["Normal", "scale", "greater than 0", "-1.0"],
    ),
    (
        "logits where probs were meant",
        lambda: d.Categorical(mg.tensor([-0.5, 1.0])),
        ValueError,
        ["probs", "at least 0", "-0.5", "logits="],
    ),
    (
        "parameters that do not go together",
        lambda: d.Normal(mg.zeros(3), mg.ones(4)),
        ValueError,
        ["(3,) and (4,)", "one shape"],
    ),
    (
        "both probs and logits",
        lambda: d.Bernoulli(probs=0.5, logits=0.0),
        ValueError,
        ["Bernoulli", "either probs or logits", "both"],
    ),
    (
        "an action that is none",
        lambda: d.Categorical(logits=mg.zeros(1, 2)).log_prob(mg.tensor([2])),
        ValueError,
        ["value 2", "from 0 to 1"],
    ),
    (
        "a gradient through a discrete draw",
        lambda: d.Categorical(logits=mg.zeros(2)).rsample(),
        NotImplementedError,
        ["Categorical.rsample", "can't be differentiated", "sample()", "log_prob"],
    ),
    (
        "a number for a sample_shape",
        lambda: d.Normal(0.0, 1.0).sample(3),
        TypeError,
        ["sample_shape", "tuple", "(n,)"],
    ),
    (
        "a divergence without a formula",
        lambda: d.kl_divergence(d.Normal(0.0, 1.0), d.Bernoulli(0.5)),
        NotImplementedError,
        ["KL(Normal ‖ Bernoulli)", "register_kl", "log_prob"],
    ),
    (
        "a divergence of every pair",
        lambda: d.kl_divergence(d.Normal(mg.zeros(64, 1), 1.0), d.Normal(mg.zeros(64), 1.0)),
        ValueError,
        ["(64, 1)", "(64,)", "every p with every q"],
    ),
    (
        "bounds the wrong way round",
        lambda: d.SquashedNormal(0.0, 1.0, low=2.0, high=-2.0),
        ValueError,
        ["SquashedNormal", "low < high", "low=2.0", "high=-2.0"],
    ),
    (
        "bounds for more actions than there are",
        lambda: d.SquashedNormal(mg.zeros(4, 2), 1.0, low=[-1.0] * 3, high=[2.0] * 3),
        ValueError,
        ["SquashedNormal", "(3,)", "(4, 2)"],
    ),
    (
        "an action beyond its bounds",
        lambda: d.SquashedNormal(0.0, 1.0).log_prob(mg.tensor(1.5)),
        ValueError,
        ["SquashedNormal.log_prob", "between -1.0 and 1.0", "1.5"],
    ),
]
