"""Distributions beside PyTorch's: the same numbers, shapes, dtypes and gradients from the same calls."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import distributions as ours

torch = pytest.importorskip("torch", reason="PyTorch is not installed: nothing to compare with")
theirs = torch.distributions

pytestmark = pytest.mark.oracle

RNG = np.random.default_rng(0)
LOGITS = RNG.standard_normal((5, 3, 4)).astype(np.float32)
LOC, SCALE = RNG.standard_normal((5, 3)).astype(np.float32), np.exp(RNG.standard_normal((5, 3))).astype(np.float32)
WEIGHTS = np.exp(LOGITS)
WEIGHTS[0, 0, 1] = 0
YES = (RNG.random((2, 5, 3)) < 0.5).astype(np.float32)
CHOICES = RNG.integers(0, 4, (2, 5, 3))
NORMAL = (2 * RNG.standard_normal((2, 5, 3))).astype(np.float32)
INSIDE = np.tanh(NORMAL) * np.float32(0.999)

KINDS: dict[str, tuple[Any, list[np.ndarray], np.ndarray]] = {
    "Categorical, logits": (lambda lib, x: lib.Categorical(logits=x), [LOGITS], CHOICES),
    "Categorical, probs": (lambda lib, x: lib.Categorical(x), [WEIGHTS], CHOICES),
    "Bernoulli, logits": (lambda lib, x: lib.Bernoulli(logits=x), [LOGITS[..., 0]], YES),
    "Bernoulli, probs": (lambda lib, x: lib.Bernoulli(x), [(1 / (1 + np.exp(LOC)))], YES),
    "Normal": (lambda lib, loc, scale: lib.Normal(loc, scale), [LOC, SCALE], NORMAL),
    "Normal, a row of scales": (lambda lib, loc, scale: lib.Normal(loc, scale), [LOC, SCALE[0]], NORMAL),
    "Independent": (lambda lib, loc, scale: lib.Independent(lib.Normal(loc, scale), 1), [LOC, SCALE], NORMAL),
    "Independent, twice": (lambda lib, x: lib.Independent(lib.Bernoulli(logits=x), 2), [LOC], YES),
    "squashed": (
        lambda lib, loc, scale: (
            ours.SquashedNormal(loc, scale, -2.0, 2.0)
            if lib is ours
            else theirs.TransformedDistribution(
                theirs.Normal(loc, scale),
                [theirs.transforms.TanhTransform(), theirs.transforms.AffineTransform(0.0, 2.0)],
            )
        ),
        [LOC, SCALE],
        2 * INSIDE,
    ),
}
MEASURES = {
    "log_prob": lambda dist, value: dist.log_prob(value),
    "entropy": lambda dist, value: dist.entropy(),
    "mean": lambda dist, value: dist.mean,
    "variance": lambda dist, value: dist.variance,
    "stddev": lambda dist, value: dist.stddev,
    "mode": lambda dist, value: dist.mode,
    "cdf": lambda dist, value: dist.cdf(value),
    "icdf": lambda dist, value: dist.icdf(value.abs() / 10 + 0.01),
    "perplexity": lambda dist, value: dist.perplexity(),
    "expanded": lambda dist, value: dist.expand((2, *dist.batch_shape)).log_prob(value),
    "support": lambda dist, value: dist.enumerate_support(),
}
ONLY_OURS = {"squashed": {"entropy", "mean", "variance", "stddev", "mode", "perplexity"}}


def run(lib: Any, make: Any, parameters: list[np.ndarray], value: np.ndarray, measure: Any) -> tuple[Any, list]:
    tensor = mg.tensor if lib is ours else torch.tensor
    leaves = [tensor(p).requires_grad_() for p in parameters]
    result = measure(make(lib, *leaves), tensor(value))
    if result.requires_grad:
        result.sum().backward()
    return result.detach().numpy(), [None if x.grad is None else x.grad.numpy() for x in leaves]


@pytest.mark.parametrize(("kind", "measure"), list(itertools.product(KINDS, MEASURES)))
def test_like_pytorch(kind, measure):
    if measure in ONLY_OURS.get(kind, ()):
        pytest.skip("PyTorch has none")
    try:
        expected, slopes = run(theirs, *KINDS[kind], MEASURES[measure])
    except NotImplementedError:
        with pytest.raises(NotImplementedError):
            run(ours, *KINDS[kind], MEASURES[measure])
        return
    actual, gradients = run(ours, *KINDS[kind], MEASURES[measure])
    assert actual.dtype == expected.dtype
    np.testing.assert_allclose(actual, expected, rtol=2e-5, atol=2e-5)
    assert actual.shape == expected.shape
    for g, e in zip(gradients, slopes, strict=True):
        if e is None or g is None:
            assert e is None or not e.any()
            assert g is None or not g.any()
        else:
            np.testing.assert_allclose(g, e, rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize("kind", [k for k in KINDS if "row" not in k])
def test_kl_like_pytorch(kind):
    make, parameters, _ = KINDS[kind]
    results = []
    for lib, tensor in ((ours, mg.tensor), (theirs, torch.tensor)):
        p = [tensor(x).requires_grad_() for x in parameters]
        q = [tensor(x[::-1].copy()).requires_grad_() for x in parameters]
        kl = lib.kl_divergence(make(lib, *p), make(lib, *q))
        finite = kl.isfinite()
        kl[finite].sum().backward()
        results.append([kl.detach().numpy(), *[x.grad.numpy() for x in (*p, *q)]])
    for actual, expected in zip(*results, strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_shapes_like_pytorch(kind):
    make, parameters, _ = KINDS[kind]
    a, b = (make(lib, *[t(p) for p in parameters]) for lib, t in ((ours, mg.tensor), (theirs, torch.tensor)))
    assert (a.batch_shape, a.event_shape) == (tuple(b.batch_shape), tuple(b.event_shape))
    assert a.has_rsample == b.has_rsample
    for sample_shape in ((), (2,), (2, 3)):
        x, y = a.sample(sample_shape), b.sample(sample_shape)
        assert x.shape == tuple(y.shape)
        assert str(x.dtype) == str(y.dtype).removeprefix("torch.")


@pytest.mark.parametrize(
    "attempt",
    [
        lambda lib, t: lib.Normal(t([0.0]), t([-1.0])),
        lambda lib, t: lib.Normal(t([float("nan")]), t([1.0])),
        lambda lib, t: lib.Categorical(logits=t([float("nan"), 0.0])),
        lambda lib, t: lib.Categorical(probs=t([-0.5, 1.0])),
        lambda lib, t: lib.Categorical(probs=t([0.0, 0.0])),
        lambda lib, t: lib.Categorical(logits=t(0.0)),
        lambda lib, t: lib.Categorical(),
        lambda lib, t: lib.Categorical(t([0.5, 0.5]), t([0.5, 0.5])),
        lambda lib, t: lib.Bernoulli(t([1.5])),
        lambda lib, t: lib.Bernoulli(t([0.5])).log_prob(t([0.3])),
        lambda lib, t: lib.Categorical(t([0.5, 0.5])).log_prob(t([2])),
        lambda lib, t: lib.Categorical(t([0.5, 0.5])).log_prob(t([0.5])),
        lambda lib, t: lib.Categorical(t([[0.5, 0.5]] * 3)).log_prob(t([0, 1])),
        lambda lib, t: lib.Normal(t([0.0]), t([1.0])).log_prob(t([float("nan")])),
        lambda lib, t: lib.Independent(lib.Normal(t([0.0]), t([1.0])), 2),
    ],
)
def test_mistakes_that_raise_like_pytorch(attempt):
    with pytest.raises(ValueError):  # noqa: PT011  (the words are ours)
        attempt(theirs, torch.tensor)
    with pytest.raises(ValueError):  # noqa: PT011
        attempt(ours, mg.tensor)
