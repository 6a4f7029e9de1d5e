"""GAE against its definitions: the TD error, Monte Carlo, and the mixture in between, with both kinds of end."""

from __future__ import annotations

import numpy as np
import pytest

from agents.policy_gradient.parts.gae import gae

T, N, GAMMA = 9, 5, 0.9


@pytest.fixture
def rollout() -> dict[str, np.ndarray]:
    """Rewards, values, and both ends at some steps; environment 0 has none, 1 both at once."""
    rng = np.random.default_rng(0)
    terminated, truncated = np.zeros((2, T, N), bool)
    terminated[[3, 7, 4], [1, 2, 3]] = True
    truncated[[3, 2, 8, 0], [1, 2, 3, 4]] = True
    value = rng.normal(size=(T + 1, N))
    next_value = value[1:].copy()
    ended = terminated | truncated
    next_value[ended] = rng.normal(size=ended.sum())  # the final observation's, not the next episode's first
    return dict(
        reward=rng.normal(size=(T, N)),
        value=value[:-1],
        next_value=next_value,
        terminated=terminated,
        truncated=truncated,
    )


def n_step_advantage(r: dict[str, np.ndarray], t: int, i: int, n: int) -> float:
    """r_t + γ r_{t+1} + ... + γⁿ V - V(s_t), with as many of the n steps as there are."""
    total = 0.0
    for k in range(n):
        total += GAMMA**k * r["reward"][t + k, i]
        terminated, truncated = r["terminated"][t + k, i], r["truncated"][t + k, i]
        if terminated or truncated or k == n - 1 or t + k == T - 1:
            bootstrap = 0.0 if terminated else GAMMA ** (k + 1) * r["next_value"][t + k, i]
            return total + bootstrap - r["value"][t, i]
    raise AssertionError


def steps_left(r: dict[str, np.ndarray], t: int, i: int) -> int:
    """Steps until the episode or the rollout ends."""
    ended = (r["terminated"] | r["truncated"])[t:, i]
    return int(ended.argmax()) + 1 if ended.any() else T - t


def everywhere(r: dict[str, np.ndarray], function) -> np.ndarray:
    return np.array([[function(t, i) for i in range(N)] for t in range(T)])


def test_lambda_0_is_the_td_error(rollout) -> None:
    found = gae(**rollout, gamma=GAMMA, lam=0.0)
    np.testing.assert_allclose(found, everywhere(rollout, lambda t, i: n_step_advantage(rollout, t, i, 1)))


def test_lambda_1_is_monte_carlo(rollout) -> None:
    found = gae(**rollout, gamma=GAMMA, lam=1.0)
    np.testing.assert_allclose(found, everywhere(rollout, lambda t, i: n_step_advantage(rollout, t, i, T)))


@pytest.mark.parametrize("lam", [0.3, 0.95])
def test_in_between_is_the_mixture(rollout, lam: float) -> None:
    """(1 - λ) Σ_{n<L} λ^{n-1} A⁽ⁿ⁾ + λ^{L-1} A⁽ᴸ⁾, with L steps left: beyond, all n-step advantages are the same."""

    def mixture(t: int, i: int) -> float:
        left = steps_left(rollout, t, i)
        weights = [(1 - lam) * lam ** (n - 1) for n in range(1, left)] + [lam ** (left - 1)]
        assert sum(weights) == pytest.approx(1)
        return sum(w * n_step_advantage(rollout, t, i, n) for n, w in enumerate(weights, 1))

    np.testing.assert_allclose(gae(**rollout, gamma=GAMMA, lam=lam), everywhere(rollout, mixture))


def test_nothing_crosses_an_end(rollout) -> None:
    """What comes after changes nothing before it."""
    before = gae(**rollout, gamma=GAMMA, lam=0.95)
    rollout["reward"][4:] += 100
    after = gae(**rollout, gamma=GAMMA, lam=0.95)
    np.testing.assert_array_equal(before[:4, 1], after[:4, 1])
    assert (before[:4, 0] != after[:4, 0]).all()


def test_a_termination_needs_no_value(rollout) -> None:
    before = gae(**rollout, gamma=GAMMA, lam=0.95)
    rollout["next_value"][rollout["terminated"]] = 1e9
    np.testing.assert_array_equal(before, gae(**rollout, gamma=GAMMA, lam=0.95))


@pytest.mark.parametrize("name", ["reward", "value", "next_value", "terminated", "truncated"])
def test_other_shapes_are_refused(rollout, name: str) -> None:
    for wrong in (rollout[name][..., None], rollout[name][:-1], rollout[name][:, 0]):
        with pytest.raises(ValueError, match="time, environments"):
            gae(**{**rollout, name: wrong}, gamma=GAMMA, lam=0.95)


def test_it_changes_nothing_it_was_given(rollout) -> None:
    copies = {name: array.copy() for name, array in rollout.items()}
    gae(**rollout, gamma=GAMMA, lam=0.5)
    for name, array in rollout.items():
        np.testing.assert_array_equal(array, copies[name])


def test_float32_stays(rollout) -> None:
    for name in ("reward", "value", "next_value"):
        rollout[name] = rollout[name].astype(np.float32)
    assert gae(**rollout, gamma=GAMMA, lam=0.95).dtype == np.float32
