"""Distributions in use: derivatives of both orders, stability far out, shapes, dtypes, devices."""

from __future__ import annotations

import math

import double as double_of_cupy
import numpy as np
import pytest
from distribution_kinds import LOC, SCALE, double, every, leaf

import minigrad as mg
from minigrad import distributions as d
from minigrad import nn
from minigrad.autograd import grad

# -- derivatives ------------------------------------------------------------------------------------------

X = np.array([[0.2, -0.5, 0.4], [0.6, 0.1, -0.7]])  # within every support below
DERIVATIVES = {
    "Normal.log_prob": (lambda x, m, s: d.Normal(m, s).log_prob(x), X, LOC, SCALE),
    "Normal.cdf": (lambda x, m, s: d.Normal(m, s).cdf(x), X, LOC, SCALE),
    "Normal.icdf": (lambda x, m, s: d.Normal(m, s).icdf(x), 0.5 + X / 2, LOC, SCALE),
    "Normal.entropy": (lambda s: d.Normal(0.0, s).entropy(), SCALE),
    "DiagonalNormal.log_prob": (lambda x, m, s: d.DiagonalNormal(m, s).log_prob(x), X, LOC, SCALE),
    "SquashedNormal.log_prob": (lambda x, m, s: d.SquashedNormal(m, s, -2.0, 1.0).log_prob(x), X, LOC, SCALE),
    "SquashedNormal.cdf": (lambda x, m, s: d.SquashedNormal(m, s).cdf(x), X, LOC, SCALE),
    "SquashedNormal.entropy": (lambda m, s: d.SquashedNormal(m, s).entropy(), LOC, SCALE),
    "SquashedNormal.mean": (lambda m, s: d.SquashedNormal(m, s, -2.0, 1.0).mean, LOC, SCALE),
    "SquashedNormal.variance": (lambda m, s: d.SquashedNormal(m, s).variance, LOC, SCALE),
    "Categorical.log_prob": (lambda x: d.Categorical(logits=x).log_prob(mg.tensor([[0, 1], [2, 2]])), X),
    "Categorical.entropy": (lambda x: d.Categorical(logits=x).entropy(), X),
    "Categorical.log_prob, probs": (lambda x: d.Categorical(probs=x).log_prob(mg.tensor([0, 2])), abs(X)),
    "Categorical.entropy, probs": (lambda x: d.Categorical(probs=x).entropy(), abs(X)),
    "Bernoulli.log_prob": (lambda x: d.Bernoulli(logits=x).log_prob(mg.tensor([0.0, 1.0, 1.0])), LOC),
    "Bernoulli.entropy": (lambda x: d.Bernoulli(logits=x).entropy(), LOC),
    "Bernoulli.log_prob, probs": (lambda x: d.Bernoulli(probs=x).log_prob(mg.tensor([0.0, 1.0, 1.0])), SCALE / 2),
    "KL, Normal": (lambda m, s, n: d.kl_divergence(d.Normal(m, s), d.Normal(n, s * s)), LOC, SCALE, LOC + 1),
    "KL, Categorical": (lambda x, y: d.kl_divergence(d.Categorical(logits=x), d.Categorical(logits=y)), X, -X),
    "KL, Bernoulli": (lambda x, y: d.kl_divergence(d.Bernoulli(logits=x), d.Bernoulli(logits=y)), LOC, LOC + 1),
}


@pytest.mark.parametrize("case", DERIVATIVES.values(), ids=DERIVATIVES)
def test_derivatives_of_first_and_second_order(case):
    function, *inputs = case
    inputs = [leaf(x) for x in inputs]
    assert mg.gradcheck(function, inputs)
    assert mg.gradgradcheck(function, inputs)


POLICIES = {
    "discrete": lambda out, log_std: d.Categorical(logits=out),
    "gaussian": lambda out, log_std: d.DiagonalNormal(out, log_std.exp().expand_as(out)),
}


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
def test_hessian_vector_products_of_a_policy_kl(policy):
    """What TRPO's conjugate gradients multiply by: the Hessian of KL(old ‖ new) against differences of its slope."""
    rng = np.random.default_rng(0)
    net = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3)).double()
    log_std = leaf([0.1, -0.3, 0.2])
    everything = [*net.parameters(), log_std]
    states = double(rng.standard_normal((16, 4)))
    with mg.no_grad():
        old = policy(net(states), log_std + 0.2)

    def slope(create_graph=False):
        kl = d.kl_divergence(old, policy(net(states), log_std)).mean()
        found = grad(kl, everything, create_graph=create_graph, allow_unused=True, materialize_grads=True)
        return mg.cat([g.reshape(-1) for g in found])

    v = rng.standard_normal(sum(p.numel() for p in everything))
    along = (slope(create_graph=True) * double(v)).sum()
    parts = grad(along, everything, allow_unused=True, materialize_grads=True)
    product = np.concatenate([g.numpy().ravel() for g in parts])

    def moved(step):
        start = 0
        for p in everything:
            with mg.no_grad():
                p += double(step * v[start : start + p.numel()].reshape(p.shape))
            start += p.numel()

    h = 1e-4
    moved(h)
    above = slope().numpy()
    moved(-2 * h)
    below = slope().numpy()
    np.testing.assert_allclose(product, (above - below) / (2 * h), rtol=1e-5, atol=1e-7)
    assert np.abs(product).max() > 1e-2


# -- stability --------------------------------------------------------------------------------------------


def test_squashed_normal_far_out():
    """float32, |u| = 20: value and gradient right to a few roundings, where 1 - tanh² has long been 0."""
    u = np.array([-20.0, -9.5, -1.0, 0.0, 1e-4, 3.0, 9.5, 20.0, 60.0], np.float32)
    mg.manual_seed(5)
    noise = np.random.default_rng(5).standard_normal(len(u), np.float32).astype(np.float64)
    loc, scale = mg.tensor(u, requires_grad=True), mg.full((len(u),), 0.01).requires_grad_()
    action, log_prob = d.SquashedNormal(loc, scale).rsample_and_log_prob()
    log_prob.sum().backward()
    exact = u + 0.01 * noise
    flat = 2 * (math.log(2) - np.abs(exact) - np.log1p(np.exp(-2 * np.abs(exact))))
    expected = -0.5 * noise**2 - math.log(0.01) - 0.5 * math.log(2 * math.pi) - flat
    np.testing.assert_allclose(action.detach().numpy(), np.tanh(exact), rtol=1e-5)
    np.testing.assert_allclose(log_prob.detach().numpy(), expected, rtol=1e-6)
    np.testing.assert_allclose(loc.grad.numpy(), 2 * np.tanh(exact), rtol=1e-4)
    np.testing.assert_allclose(scale.grad.numpy(), -100 + 2 * np.tanh(exact) * noise, rtol=1e-5)


def test_actions_at_their_bounds_have_a_finite_log_prob():
    action = mg.tensor([-1.0, 1.0, 0.99999994])
    loc, scale = mg.zeros(3).requires_grad_(), mg.ones(3).requires_grad_()
    log_prob = d.SquashedNormal(loc, scale).log_prob(action)
    log_prob.sum().backward()
    assert np.isfinite(log_prob.detach().numpy()).all()
    assert np.isfinite(loc.grad.numpy()).all()
    assert np.isfinite(scale.grad.numpy()).all()
    assert log_prob[1].item() == log_prob[2].item()


def test_actions_stay_within_their_bounds_to_the_last_digit():
    rng = np.random.default_rng(0)
    low = rng.uniform(-3, 3, 500).astype(np.float32)
    high = low + rng.uniform(0.01, 1, 500).astype(np.float32)
    dist = d.SquashedNormal(mg.zeros(500), mg.full((500,), 30.0), low, high)
    for x in (dist.sample((20,)), dist.rsample((20,))):
        assert ((low <= x.numpy()) & (x.numpy() <= high)).all()
        assert np.isfinite(dist.log_prob(x).numpy()).all()


def test_choices_ruled_out_by_minus_infinity():
    logits = mg.tensor([[0.0, -math.inf, 1.0]], requires_grad=True)
    dist = d.Categorical(logits=logits)
    assert dist.log_prob(mg.tensor([1])).item() == -math.inf
    (dist.entropy().sum() + dist.log_prob(mg.tensor([2])).sum()).backward()
    assert np.isfinite(logits.grad.numpy()).all()
    assert logits.grad[0, 1].item() == 0
    huge = d.Categorical(logits=mg.tensor([1e4, 0.0]))
    assert huge.entropy().item() == 0


# -- shapes and dtypes ------------------------------------------------------------------------------------


@every
@pytest.mark.parametrize("sample_shape", [(), (5,), (5, 2), (0,)])
def test_shapes(make, sample_shape):
    dist = make()
    batch, event = dist.batch_shape, dist.event_shape
    for drawn in (dist, dist.expand((2, *batch))):
        full = (*sample_shape, *drawn.batch_shape, *event)
        x = drawn.sample(sample_shape)
        assert x.shape == full
        assert drawn.log_prob(x).shape == full[: len(full) - len(event)]
        assert drawn.entropy().shape == drawn.batch_shape
        for name in ("mean", "mode", "variance", "stddev"):
            assert getattr(drawn, name).shape == (*drawn.batch_shape, *event), name
        if drawn.has_rsample:
            value, log_prob = drawn.rsample_and_log_prob(sample_shape)
            assert (value.shape, log_prob.shape) == (full, full[: len(full) - len(event)])
        assert d.kl_divergence(drawn, drawn).shape == drawn.batch_shape
    assert dist.expand((2, *batch)).batch_shape == (2, *batch)
    assert repr(dist).startswith(type(dist).__name__)


@pytest.mark.parametrize("dtype", [mg.float32, mg.float64])
def test_dtypes(dtype):
    x = mg.full((4, 3), 0.5, dtype=dtype)
    made = [d.Normal(x, 1.0), d.Normal(0, x), d.SquashedNormal(x, x, -2.0, 2.0), d.Bernoulli(x), d.DiagonalNormal(x, x)]
    for dist in [*made, d.Categorical(x), d.Categorical(logits=x)]:
        drawn = dist.sample()
        assert drawn.dtype == (mg.int64 if isinstance(dist, d.Categorical) else dtype)
        for found in (dist.log_prob(drawn), dist.entropy(), dist.variance, d.kl_divergence(dist, dist)):
            assert found.dtype == dtype, dist
    for numbers in (d.Normal(0.0, 1.0), d.Normal(0, 1), d.Bernoulli(0.5), d.SquashedNormal(0.0, 1.0)):
        assert numbers.sample().dtype == mg.float32
        assert numbers.batch_shape == ()
        assert numbers.sample().shape == ()


def test_a_batch_of_columns_refuses_a_batch_of_rows():
    columns, rows = mg.zeros(64, 1), mg.zeros(64)
    for dist in (d.Normal(columns, 1.0), d.SquashedNormal(columns, 1.0), d.Bernoulli(logits=columns)):
        with pytest.raises(ValueError, match=r"\(64,\).*\(64, 1\)"):
            dist.log_prob(rows)
        other = type(dist)(rows, 1.0) if dist.has_rsample else d.Bernoulli(logits=rows)
        with pytest.raises(ValueError, match=r"\(64, 1\).*\(64,\)"):
            other.log_prob(columns)
        assert dist.log_prob(columns).shape == (64, 1)
        assert dist.log_prob(mg.zeros(5, 64, 1)).shape == (5, 64, 1)
        assert dist.log_prob(mg.tensor(0.0)).shape == (64, 1)
    with pytest.raises(ValueError, match="every value with every distribution"):
        d.Categorical(logits=mg.zeros(64, 2), validate_args=False).log_prob(mg.zeros(64, 1).long())
    with pytest.raises(ValueError, match="every p with every q"):
        d.kl_divergence(d.Normal(columns, 1.0), d.Normal(rows, 1.0))


def test_validation_can_be_switched_off():
    assert math.isnan(d.Normal(mg.tensor(math.nan), 1.0, validate_args=False).sample().item())
    d.Distribution.set_default_validate_args(False)
    try:
        assert math.isnan(d.Normal(mg.tensor(math.nan), 1.0).sample().item())
    finally:
        d.Distribution.set_default_validate_args(True)


def test_float_actions_are_choices():
    dist = d.Categorical(logits=mg.tensor([[0.0, 1.0], [2.0, 0.0]]))
    assert mg.equal(dist.log_prob(mg.tensor([1.0, 0.0])), dist.log_prob(mg.tensor([1, 0])))


def test_a_formula_of_ones_own():
    class Mine(d.Normal):
        pass

    p = Mine(0.0, 1.0)
    assert d.kl_divergence(p, d.Normal(1.0, 1.0)).item() == 0.5  # by inheritance

    @d.register_kl(Mine, d.Normal)
    def mine(p, q):
        return mg.tensor(7.0)

    assert d.kl_divergence(p, d.Normal(1.0, 1.0)).item() == 7


# -- another device ---------------------------------------------------------------------------------------

ON_DEVICE = {
    "Normal": lambda m, s: d.Normal(m, s),
    "DiagonalNormal": lambda m, s: d.DiagonalNormal(m, s),
    "SquashedNormal": lambda m, s: d.SquashedNormal(m, s),
    "SquashedNormal, stretched": lambda m, s: d.SquashedNormal(m, s, [-2.0, -1.0, 0.0], 3.0),
    "Categorical, logits": lambda m, s: d.Categorical(logits=mg.where(s > 0.6, m, -math.inf)),
    "Categorical, probs": lambda m, s: d.Categorical(probs=s * (s > 0.6)),
    "Bernoulli, logits": lambda m, s: d.Bernoulli(logits=m * s),
    "Bernoulli, probs": lambda m, s: d.Bernoulli(probs=s / 4),
}


@pytest.mark.parametrize("make", ON_DEVICE.values(), ids=ON_DEVICE)
def test_on_a_device_the_same_numbers(make):
    """On arrays that refuse to leave their device (double.py); the draws come from the one generator there is."""

    def everything(device: str) -> list[mg.Tensor]:
        mg.manual_seed(0)
        loc, scale = (double(x).float().to(device).requires_grad_() for x in (LOC - 0.5, SCALE))
        dist = make(loc, scale)
        drawn = dist.sample((4,))
        found = [drawn, dist.log_prob(drawn), dist.entropy(), dist.variance, dist.mode, dist.expand((2, 3)).sample()]
        found += [d.kl_divergence(dist, make(loc + 0.1, scale)), d.kl_divergence(dist, make(loc, scale + 0.2))]
        if dist.has_rsample:
            found += [*dist.rsample_and_log_prob((2,)), dist.mean]
        if isinstance(dist, d.Normal | d.SquashedNormal):
            found += [dist.cdf(drawn), dist.icdf(dist.cdf(drawn))]
        sum(x.sum() for x in found if x.requires_grad).backward()
        return [*found, *[x.grad for x in (loc, scale) if x.grad is not None]]

    here = everything("cpu")
    with double_of_cupy.installed():
        for there, x in zip(everything("cuda"), here, strict=True):
            assert there.device.type == "cuda"
            np.testing.assert_allclose(there.detach().cpu().numpy(), x.detach().numpy(), rtol=1e-5, atol=1e-6)
