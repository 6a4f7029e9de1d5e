"""Distributions against what defines them: integrals and sums, and their own draws."""

from __future__ import annotations

import math

import numpy as np
import pytest
from distribution_kinds import (
    DISCRETE,
    LOC,
    LOGITS,
    SCALE,
    VECTORS,
    WEIGHTS,
    continuous,
    discrete,
    double,
    every,
    leaf,
)

import minigrad as mg
from minigrad import distributions as d


def quadrature(dist) -> tuple[np.ndarray, np.ndarray]:
    """Points of shape (nodes, 3) and their weights: the trapezoidal rule over ±9 standard deviations of the normal."""
    z = np.linspace(-9, 9, 4001)[:, None]
    u = LOC + SCALE * z
    du = SCALE * (z[1] - z[0])
    if isinstance(dist, d.Normal):
        return u, du
    half = (np.asarray(dist.high) - dist.low) / 2
    return half * np.tanh(u) + (np.asarray(dist.high) + dist.low) / 2, half * du / np.cosh(u) ** 2


# -- integrals and sums -----------------------------------------------------------------------------------


@continuous
def test_density_by_quadrature(make):
    dist = make()
    x, dx = quadrature(dist)
    log_p = dist.log_prob(double(x)).numpy()
    p = np.exp(log_p) * dx
    np.testing.assert_allclose(p.sum(0), 1, rtol=1e-9)
    np.testing.assert_allclose(dist.mean.numpy(), (p * x).sum(0), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(dist.variance.numpy(), (p * (x - (p * x).sum(0)) ** 2).sum(0), rtol=1e-9)
    np.testing.assert_allclose(dist.stddev.numpy() ** 2, dist.variance.numpy(), rtol=1e-12)
    np.testing.assert_allclose(dist.entropy().numpy(), -(p * log_p).sum(0), rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(dist.perplexity().numpy(), np.exp(-(p * log_p).sum(0)), rtol=1e-8)
    middles = np.cumsum(p, 0) - p / 2  # the trapezoids up to each point
    np.testing.assert_allclose(dist.cdf(double(x)).numpy(), middles, atol=1e-5)
    places = [1000, 1500, 2000, 2900, 3000]
    back = dist.icdf(dist.cdf(double(x[places]))).numpy()
    np.testing.assert_allclose(back, x[places], rtol=1e-7, atol=1e-7)
    best = x[log_p.argmax(0), range(3)]
    np.testing.assert_allclose(dist.mode.numpy(), best, atol=5e-3)
    assert (dist.log_prob(dist.mode).numpy() >= log_p.max(0) - 1e-12).all()


@discrete
def test_probabilities_by_enumeration(make):
    dist = make()
    x = dist.enumerate_support()
    log_p = dist.log_prob(x).numpy()
    p = np.exp(log_p)
    np.testing.assert_allclose(p.sum(0), 1, rtol=1e-12)
    with np.errstate(invalid="ignore"):
        np.testing.assert_allclose(dist.entropy().numpy(), -np.nansum(p * log_p, 0), rtol=1e-12, atol=1e-12)
    if isinstance(dist, d.Categorical):
        np.testing.assert_allclose(np.moveaxis(dist.probs.numpy(), -1, 0), p, atol=1e-15)
        np.testing.assert_array_equal(dist.mode.numpy(), p.argmax(0))
        assert np.isnan(dist.mean.numpy()).all()
        assert np.isnan(dist.variance.numpy()).all()
    else:
        np.testing.assert_allclose(dist.mean.numpy(), p[1], rtol=1e-12)
        np.testing.assert_allclose(dist.variance.numpy(), p[0] * p[1], rtol=1e-12)
        np.testing.assert_array_equal(dist.mode.numpy(), np.where(p[1] == 0.5, np.nan, p[1] > 0.5))
    assert dist.enumerate_support(expand=False).shape == (len(p), *[1] * len(dist.batch_shape))


@continuous
def test_kl_by_quadrature(make):
    p = make()
    moved = dict(loc=double(LOC + 0.4), scale=double(SCALE * 1.3))
    bounds = {} if isinstance(p, d.Normal) else dict(low=p.low, high=p.high)
    q = type(p)(**moved, **bounds)
    x, dx = quadrature(p)
    log_p, log_q = p.log_prob(double(x)).numpy(), q.log_prob(double(x)).numpy()
    expected = (np.exp(log_p) * (log_p - log_q) * dx).sum(0)
    np.testing.assert_allclose(d.kl_divergence(p, q).numpy(), expected, rtol=1e-9)
    np.testing.assert_allclose(d.kl_divergence(p, p).numpy(), 0, atol=1e-15)
    vectors = d.kl_divergence(d.Independent(p, 1), d.Independent(q, 1))
    np.testing.assert_allclose(vectors.numpy(), expected.sum(), rtol=1e-9)


@discrete
def test_kl_by_enumeration(make):
    p = make()
    if isinstance(p, d.Bernoulli):
        qs = [d.Bernoulli(logits=double([0.0, 1.0, -1.0])), d.Bernoulli(probs=double([0.2, 0.5, 0.7]))]
    else:
        qs = [d.Categorical(logits=double(LOGITS[::-1] * 0.1 + 0.3)), d.Categorical(probs=double(WEIGHTS + 0.1))]
        qs[0] = d.Categorical(logits=double(np.nan_to_num(LOGITS[::-1], neginf=-3.0)))
    x = p.enumerate_support()
    for q in qs:
        log_p, log_q = p.log_prob(x).numpy(), q.log_prob(x).numpy()
        with np.errstate(invalid="ignore"):
            expected = np.nansum(np.exp(log_p) * (log_p - log_q), 0)
        np.testing.assert_allclose(d.kl_divergence(p, q).numpy(), expected, rtol=1e-10, atol=1e-13)


def test_kl_of_what_is_impossible():
    some, all_ = [0.5, 0.5, 0.0], [0.2, 0.3, 0.5]
    for p, q, expected in ((some, all_, 0.5 * math.log(2.5) + 0.5 * math.log(5 / 3)), (all_, some, math.inf)):
        weights = [d.Categorical(mg.tensor(x)) for x in (p, q)]
        assert d.kl_divergence(*weights).item() == pytest.approx(expected)
        with np.errstate(divide="ignore"):
            logs = [d.Categorical(logits=mg.tensor(np.log(x))) for x in (p, q)]
        assert d.kl_divergence(*logs).item() == pytest.approx(expected)
    sure, half = d.Bernoulli(probs=1.0), d.Bernoulli(probs=0.5)
    assert d.kl_divergence(sure, half).item() == pytest.approx(math.log(2), rel=1e-5)
    assert d.kl_divergence(half, sure).item() == math.inf
    p, q = (d.Categorical(logits=mg.tensor(x, dtype=mg.float64)) for x in ([0.0, 1.0], [2.0, 0.0]))
    # Σ p log p/q with p = (1, e) / (1 + e), q = (e², 1) / (e² + 1); the other way round it is 0.8287
    e = math.e
    assert d.kl_divergence(p, q).item() == pytest.approx((e - 2) / (1 + e) + math.log((1 + e**2) / (1 + e)))
    assert d.kl_divergence(p, q).item() == pytest.approx(1.00684, abs=1e-5)


def test_kl_where_both_rule_the_same_choice_out():
    with np.errstate(divide="ignore"):
        p, q = (d.Categorical(logits=mg.tensor(np.log(x))) for x in ([0.5, 0.5, 0.0], [0.2, 0.8, 0.0]))
    expected = 0.5 * math.log(0.5 / 0.2) + 0.5 * math.log(0.5 / 0.8)
    assert d.kl_divergence(p, q).item() == pytest.approx(expected)


def test_kl_between_what_is_not_of_one_kind():
    ones = mg.ones(2, 3, 4)
    with pytest.raises(NotImplementedError, match="different bounds"):
        d.kl_divergence(d.SquashedNormal(0.0, 1.0, -2.0, 1.0), d.SquashedNormal(0.0, 1.0, -1.0, 1.0))
    with pytest.raises(NotImplementedError, match="different bounds"):
        d.kl_divergence(d.SquashedNormal(0.0, 1.0, -1.0, 2.0), d.SquashedNormal(0.0, 1.0, -1.0, 1.0))
    one, two = d.Independent(d.Normal(ones, 1.0), 1), d.Independent(d.Independent(d.Normal(ones, 1.0), 1), 0)
    with pytest.raises(NotImplementedError, match="reinterpreted_batch_ndims too"):
        d.kl_divergence(one, two)


def test_the_quantile_of_a_probability():
    """Φ⁻¹ of what is no value of the distribution: a probability."""
    outside = d.SquashedNormal(0.0, 1.0, 2.0, 4.0)
    assert outside.icdf(mg.tensor(0.5)).item() == 3.0
    assert d.Normal(1.0, 2.0).icdf(mg.tensor([0.5, 0.0])).tolist() == [1.0, -math.inf]


def test_choices_as_floats_are_whole_numbers():
    dist = d.Categorical(logits=mg.zeros(3))
    assert dist.log_prob(mg.tensor(2.0)).item() == pytest.approx(-math.log(3))
    with pytest.raises(ValueError, match=r"value 0.5 is no choice"):
        dist.log_prob(mg.tensor(0.5))


# -- draws ------------------------------------------------------------------------------------------------


@continuous
def test_draws_follow_the_density(make):
    dist, n = make(), 20_000
    mg.manual_seed(1)
    for x in (dist.sample((n,)), dist.rsample((n,)), dist.rsample_and_log_prob((n,))[0]):
        assert not x.requires_grad
        x = x.numpy()
        mean, variance = dist.mean.numpy(), dist.variance.numpy()
        np.testing.assert_array_less(np.abs(x.mean(0) - mean), 4.5 * np.sqrt(variance / n))
        fourth = ((x - mean) ** 4).mean(0)
        np.testing.assert_array_less(np.abs(x.var(0) - variance), 4.5 * np.sqrt((fourth - variance**2) / n))
        below = dist.cdf(double(x)).numpy()  # uniform, if cdf and draws agree
        counts = np.array([np.histogram(below[:, i], 20, (0, 1))[0] for i in range(3)])
        np.testing.assert_array_less(np.abs(counts - n / 20), 4.5 * math.sqrt(n / 20 * 19 / 20))


@discrete
def test_draws_follow_the_probabilities(make):
    dist, n = make(), 20_000
    mg.manual_seed(2)
    x = dist.sample((n,)).numpy()
    values = dist.enumerate_support(expand=False).numpy()
    p = np.exp(dist.log_prob(dist.enumerate_support()).numpy())
    counts = np.array([(x == v).sum(0) for v in values])
    assert (counts[p < 1e-12] == 0).all()  # what is ruled out never happens
    np.testing.assert_array_less(np.abs(counts - n * p), 4.5 * np.sqrt(n * p * (1 - p)) + 1e-3)


@every
def test_a_seed_gives_the_same_draws(make):
    dist = make()
    mg.manual_seed(7)
    first, second = dist.sample((3,)), dist.sample((3,))
    assert not mg.equal(first, second)
    mg.manual_seed(7)
    assert mg.equal(dist.sample((3,)), first)
    state = mg.get_rng_state()
    again = dist.sample((3,))
    mg.set_rng_state(state)
    assert mg.equal(dist.sample((3,)), again)


@continuous
def test_rsample_is_differentiable_with_common_random_numbers(make):
    kind = type(make())
    bounds = {} if kind is d.Normal else dict(low=make().low, high=make().high)

    def draw(loc, scale):
        mg.manual_seed(3)
        value, log_prob = kind(loc, scale, **bounds).rsample_and_log_prob((2,))
        mg.manual_seed(3)
        return kind(loc, scale, **bounds).rsample((2,)), value, log_prob

    inputs = [leaf(LOC), leaf(SCALE)]
    assert mg.gradcheck(draw, inputs)
    assert mg.gradgradcheck(draw, inputs)
    again, value, log_prob = draw(*inputs)
    assert mg.equal(again, value)
    np.testing.assert_allclose(
        log_prob.detach().numpy(), kind(*inputs, **bounds).log_prob(value).detach().numpy(), rtol=1e-9, atol=1e-9
    )
    assert not kind(*inputs, **bounds).sample().requires_grad


@pytest.mark.parametrize("make", [*DISCRETE.values(), VECTORS["Independent, discrete"]])
def test_discrete_draws_are_not_differentiable(make):
    assert not make().has_rsample
    with pytest.raises(NotImplementedError, match="can't be differentiated"):
        make().rsample()
