"""One distribution of every kind, with small parameters in float64, for the tests of distributions."""

from __future__ import annotations

import math

import numpy as np
import pytest

import minigrad as mg
from minigrad import distributions as d

LOC, SCALE = np.array([0.3, -1.0, 0.15]), np.array([0.5, 1.5, 1.0])


def double(x) -> mg.Tensor:
    return mg.tensor(np.asarray(x, np.float64))


def leaf(x) -> mg.Tensor:
    return double(x).requires_grad_()


def squashed(**bounds) -> d.SquashedNormal:
    return d.SquashedNormal(double(LOC), double(SCALE), **bounds)


CONTINUOUS = {
    "Normal": lambda: d.Normal(double(LOC), double(SCALE)),
    "SquashedNormal": squashed,
    "SquashedNormal, stretched": lambda: squashed(low=[-2.0, 0.0, -1.0], high=[2.0, 0.5, 3.0]),
}
LOGITS = np.array([[0.1, -2.0, 1.0, 0.3], [3.0, 0.0, -1.0, -math.inf], [0.0, 0.0, 0.0, 0.0]])
WEIGHTS = np.array([[1.0, 2.0, 3.0, 0.0], [0.25, 0.25, 0.25, 0.25], [0.0, 0.0, 5.0, 0.0]])
DISCRETE = {
    "Categorical, logits": lambda: d.Categorical(logits=double(LOGITS)),
    "Categorical, probs": lambda: d.Categorical(probs=double(WEIGHTS)),
    "Bernoulli, logits": lambda: d.Bernoulli(logits=double([0.3, -4.0, 2.0])),
    "Bernoulli, probs": lambda: d.Bernoulli(probs=double([0.3, 0.5, 0.9])),
}
VECTORS = {
    "Independent": lambda: d.Independent(d.Normal(mg.zeros(4, 3), mg.ones(4, 3)), 1),
    "Independent, squashed": lambda: d.Independent(d.SquashedNormal(mg.zeros(4, 3), mg.ones(4, 3), -2.0, 2.0), 1),
    "DiagonalNormal": lambda: d.DiagonalNormal(mg.zeros(4, 3), mg.ones(4, 3)),
    "Independent, discrete": lambda: d.Independent(d.Bernoulli(logits=mg.zeros(4, 2, 3)), 2),
}
EVERY = CONTINUOUS | DISCRETE | VECTORS
continuous = pytest.mark.parametrize("make", CONTINUOUS.values(), ids=CONTINUOUS)
discrete = pytest.mark.parametrize("make", DISCRETE.values(), ids=DISCRETE)
every = pytest.mark.parametrize("make", EVERY.values(), ids=EVERY)
