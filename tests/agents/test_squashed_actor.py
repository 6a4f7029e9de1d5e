"""A normal distribution squashed into a box: its density against numeric integration, and dimensions without bounds."""

from __future__ import annotations

import math

import numpy as np
import pytest
from gymnasium import spaces

import minigrad as mg
from agents.continuous.parts.squashed_actor import SquashedActor

SEEN = spaces.Box(-1, 1, (1,), np.float32)


def make_actor(mean: float, log_std: float, space: spaces.Box) -> SquashedActor:
    actor = SquashedActor(SEEN, space, ()).double()
    actor.layers[-1].weight.data.zero_()
    numbers = actor.numbers
    actor.layers[-1].bias.data.copy_(mg.tensor([mean] * numbers + [log_std] * numbers, dtype=mg.float64))
    return actor


@pytest.mark.parametrize(("mean", "log_std"), [(0.0, 0.0), (0.7, -1.0), (-1.5, 0.5)])
def test_the_density_integrates_to_one_and_is_the_draws(mean: float, log_std: float) -> None:
    """Over actions on a fine grid. Its integral up to a point is the part of the draws below it."""
    actor = make_actor(mean, log_std, spaces.Box(-1, 1, (1,), np.float32))
    u = np.linspace(-12, 12, 200_001)
    epsilon = (u - mean) / math.exp(log_std)
    action, log_prob = actor.draw(mg.zeros(len(u), 1, dtype=mg.float64), mg.from_numpy(epsilon[:, None]))
    a, density = action.array[:, 0], np.exp(log_prob.array)
    areas = (density[1:] + density[:-1]) / 2 * np.diff(a)
    assert areas.sum() == pytest.approx(1, abs=1e-4)
    drawn = np.tanh(mean + math.exp(log_std) * np.random.default_rng(0).standard_normal(200_000))
    below = areas[: np.searchsorted(a, 0.3)].sum()
    assert below == pytest.approx((drawn < 0.3).mean(), abs=0.005)


def test_far_out_the_density_is_finite() -> None:
    """Where tanh(u) is 1 to the computer, log(1 - tanh²(u)) → 2 (log 2 - |u|)."""
    actor = make_actor(0.0, 0.0, spaces.Box(-1, 1, (1,), np.float32))
    epsilon = mg.tensor([[30.0], [-30.0]], dtype=mg.float64).requires_grad_()
    _, log_prob = actor.draw(mg.zeros(2, 1, dtype=mg.float64), epsilon)
    normal = -(30.0**2) / 2 - math.log(2 * math.pi) / 2
    np.testing.assert_allclose(log_prob.detach().array, [normal - 2 * (math.log(2) - 30)] * 2, rtol=1e-12)
    log_prob.sum().backward()
    assert np.isfinite(epsilon.grad.array).all()


def test_a_dimension_without_two_bounds_is_not_squashed() -> None:
    space = spaces.Box(np.float32([-1, -np.inf, 0]), np.float32([1, np.inf, np.inf]))
    actor = make_actor(0.5, 0.0, space)
    epsilon = mg.tensor([[1.0, 2.0, 3.0]], dtype=mg.float64)
    action, log_prob = actor.draw(mg.zeros(1, 1, dtype=mg.float64), epsilon)
    np.testing.assert_allclose(action.detach().array, [[math.tanh(1.5), 2.5, 3.5]])
    normal = -np.array([1.0, 4.0, 9.0]) / 2 - math.log(2 * math.pi) / 2
    assert log_prob.item() == pytest.approx(normal.sum() - math.log(1 - math.tanh(1.5) ** 2))


def test_without_a_generator_it_is_the_mean() -> None:
    actor = make_actor(0.5, 0.0, spaces.Box(-1, 1, (2,), np.float32)).float()
    np.testing.assert_allclose(actor.choose(mg.zeros(3, 1), None), np.full((3, 2), math.tanh(0.5)), rtol=1e-6)
    drawn = actor.choose(mg.zeros(20_000, 1), np.random.default_rng(0))
    assert np.arctanh(drawn).mean() == pytest.approx(0.5, abs=0.02)
    assert np.arctanh(drawn).std() == pytest.approx(1, abs=0.02)
