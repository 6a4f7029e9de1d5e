"""The exact policy gradient, against answers from elsewhere: bandits and chains by hand, finite differences of the
metric, the engine's own derivatives of a long sum over time, and the theorems."""

from __future__ import annotations

from collections.abc import Callable

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minigrad as mg
from agents import ExactPolicyGradient, evaluate
from agents.policy_gradient.exact_policy_gradient import (
    advantages,
    average_reward,
    average_reward_gradient,
    average_value,
    average_value_gradient,
    continuing,
    differential_action_values,
    differential_values,
    discounted_visits,
    performance_difference,
    policy_gradient,
    softmax,
    stationary_distribution,
    transitions,
)
from agents.tabular.parts.planning import evaluate_policy, greedy_policy, optimal_values, uniform_policy
from envs import UsageError
from envs.model import Model, model_of
from tests.agents.test_planning import GAMMAS, random_models, two_rooms

GRID_WORLD = model_of(gym.make("minigrad/GridWorld-v0"))
SEEDS = st.integers(0, 2**32 - 1)


def random_logits(model: Model, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(scale=1.5, size=model.reward.shape)


def random_start(model: Model, seed: int) -> np.ndarray:
    return np.random.default_rng(seed + 1).dirichlet(np.ones(len(model.start)))


def central_differences(metric: Callable[[np.ndarray], float], logits: np.ndarray, step: float = 1e-5) -> np.ndarray:
    gradient = np.empty_like(logits)
    for place in np.ndindex(*logits.shape):
        nudge = np.zeros_like(logits)
        nudge[place] = step
        gradient[place] = (metric(logits + nudge) - metric(logits - nudge)) / (2 * step)
    return gradient


# -- by hand


def test_logits_of_any_size() -> None:
    np.testing.assert_array_equal(softmax(np.array([[1e4, 0.0], [-1e4, -1e4]])), [[1, 0], [0.5, 0.5]])


def test_a_bandit() -> None:
    """One state that ends at once, rewards 1 and 3: J = π₁ + 3 π₂, so dJ/dh₁ = π₁ π₂ (1 - 3)."""
    probability = np.zeros((2, 2, 2))
    probability[:, :, 1] = 1
    model = Model(probability, np.array([[1.0, 3.0], [0.0, 0.0]]), np.array([False, True]), np.array([1.0, 0.0]))
    policy = softmax(np.log([[1.0, 4.0], [1.0, 1.0]]))
    np.testing.assert_allclose(policy, [[0.2, 0.8], [0.5, 0.5]])
    assert average_value(model, policy, 0.9) == pytest.approx(0.2 + 3 * 0.8)
    np.testing.assert_allclose(average_value_gradient(model, policy, 0.9), [[-0.32, 0.32], [0, 0]], atol=1e-15)
    # Played over and over, every step is an episode: the reward per step is the value, and so is its gradient.
    assert average_reward(continuing(model), policy) == pytest.approx(2.6)
    np.testing.assert_allclose(average_reward_gradient(continuing(model), policy), [[-0.32, 0.32], [0, 0]], atol=1e-15)


def test_two_rooms() -> None:
    """π goes on with p from room 0 and with q from room 1 (tests/agents/test_planning.py has the rewards). Without a
    discount, v(1) = 5 + 2 (1 - q) / q and v(0) = 1 + v(1); so ∂v(0)/∂q = -2 / q², and p has no say."""
    p, q = 0.25, 0.4
    policy = np.array([[1 - p, p], [1 - q, q], [0.5, 0.5]])
    assert average_value(two_rooms(), policy, 1.0) == pytest.approx(1 + 5 + 2 * 0.6 / 0.4)
    np.testing.assert_allclose(discounted_visits(two_rooms(), policy, 1.0), [1 / p, 1 / q, 0])
    by_logit = -2 / q**2 * q * (1 - q)  # dq/dh = q (1 - q)
    np.testing.assert_allclose(
        average_value_gradient(two_rooms(), policy, 1.0), [[0, 0], [-by_logit, by_logit], [0, 0]], atol=1e-14
    )
    # An episode takes 1/p + 1/q steps.
    assert average_reward(continuing(two_rooms()), policy) == pytest.approx(9 / (4 + 2.5))


def test_grid_world_by_hand() -> None:
    """The best policy goes up, up, right, right, right: visited at discounts 1, γ, ..., and 1 apple in 5 steps."""
    best = greedy_policy(GRID_WORLD, optimal_values(GRID_WORLD, 0.9), 0.9)
    assert average_value(GRID_WORLD, best, 0.9) == pytest.approx(0.9**4)
    visits = discounted_visits(GRID_WORLD, best, 0.9).reshape(3, 4)
    np.testing.assert_allclose(visits, [[0.9**2, 0.9**3, 0.9**4, 0], [0.9, 0, 0, 0], [1, 0, 0, 0]], atol=1e-15)
    assert average_reward(continuing(GRID_WORLD), best) == pytest.approx(1 / 5)
    distribution = stationary_distribution(continuing(GRID_WORLD), best).reshape(3, 4)
    np.testing.assert_allclose(distribution, [[0.2, 0.2, 0.2, 0], [0.2, 0, 0, 0], [0.2, 0, 0, 0]], atol=1e-15)


def test_errors() -> None:
    model = two_rooms()
    with pytest.raises(UsageError, match="the states fall apart in groups that are never left"):
        stationary_distribution(model, np.array([0, 0, 0]))
    with pytest.raises(UsageError, match="from some state it never ends"):
        discounted_visits(model, np.array([0, 1, 0]), 1.0)
    with pytest.raises(UsageError, match=r"start must be a probability for each of the 3 states.* sum 2"):
        average_value(model, uniform_policy(model), 0.9, start=np.array([1.0, 1.0, 0.0]))
    with pytest.raises(UsageError, match="exact-policy-gradient needs Discrete observations, but CartPole-v1 has Box"):
        ExactPolicyGradient("CartPole-v1")


# -- the gradients, from outside


@settings(max_examples=40, deadline=None)
@given(random_models(), GAMMAS, SEEDS)
def test_finite_differences_of_the_average_value(model: Model, gamma: float, seed: int) -> None:
    logits, start = random_logits(model, seed), random_start(model, seed)
    metric = lambda h: average_value(model, softmax(h), gamma, start)
    exact = average_value_gradient(model, softmax(logits), gamma, start)
    scale = max(1.0, abs(metric(logits)))
    np.testing.assert_allclose(exact, central_differences(metric, logits), atol=1e-7 * scale, rtol=1e-5)


@settings(max_examples=40, deadline=None)
@given(random_models(), SEEDS)
def test_finite_differences_of_the_average_reward(model: Model, seed: int) -> None:
    model, logits = continuing(model), random_logits(model, seed)
    metric = lambda h: average_reward(model, softmax(h))
    exact = average_reward_gradient(model, softmax(logits))
    np.testing.assert_allclose(exact, central_differences(metric, logits), atol=1e-7, rtol=1e-5)


@pytest.mark.parametrize("env_id", ["minigrad/GridWorld-v0", "FrozenLake-v1"])
def test_finite_differences_on_known_environments(env_id: str) -> None:
    model = model_of(gym.make(env_id))
    logits = random_logits(model, 0)
    for metric, exact in (
        (lambda h: average_value(model, softmax(h), 0.9), average_value_gradient(model, softmax(logits), 0.9)),
        (lambda h: average_value(model, softmax(h), 1.0), average_value_gradient(model, softmax(logits), 1.0)),
        (
            lambda h: average_reward(continuing(model), softmax(h)),
            average_reward_gradient(continuing(model), softmax(logits)),
        ),
    ):
        assert np.abs(exact).max() > 1e-4
        np.testing.assert_allclose(exact, central_differences(metric, logits), atol=1e-8, rtol=1e-4)


@settings(max_examples=10, deadline=None)
@given(random_models(), st.sampled_from([0.0, 0.5, 0.9, 0.99]), SEEDS)
def test_the_engine_differentiates_the_sum_over_time(model: Model, gamma: float, seed: int) -> None:
    """v̄ = d Σ_t γᵗ P_πᵗ r_π and r̄ = d P_πᵗ r_π for a large t, by doubling the horizon again and again; no theorem, no
    linear system, no derivative of ours."""
    start = random_start(model, seed)

    def chain(model: Model) -> tuple[mg.Tensor, mg.Tensor, mg.Tensor]:
        logits = mg.tensor(random_logits(model, seed), requires_grad=True)
        policy = mg.softmax(logits, dim=1)
        probability, reward = mg.tensor(model.probability), mg.tensor(model.reward)
        return logits, (policy[:, :, None] * probability).sum(1), (policy * reward).sum(1)

    logits, transition, total = chain(model)
    power = gamma * transition
    for _ in range(14):
        total, power = total + power @ total, power @ power
    (mg.tensor(start) * total).sum().backward()
    exact = average_value_gradient(model, softmax(logits.detach().numpy()), gamma, start)
    np.testing.assert_allclose(exact, logits.grad.numpy(), atol=1e-8, rtol=1e-8)

    endless = continuing(model)
    logits, transition, reward = chain(endless)
    power = 0.5 * (mg.eye(len(start), dtype=mg.float64) + transition)  # staying now and then: no going round in circles
    for _ in range(14):
        power = power @ power
        power = power / power.sum(1, keepdim=True)
    (mg.tensor(start) * (power @ reward)).sum().backward()
    exact = average_reward_gradient(endless, softmax(logits.detach().numpy()))
    np.testing.assert_allclose(exact, logits.grad.numpy(), atol=1e-7, rtol=1e-6)


@settings(max_examples=30, deadline=None)
@given(random_models(), GAMMAS, SEEDS)
def test_what_changes_nothing(model: Model, gamma: float, seed: int) -> None:
    logits = random_logits(model, seed)
    shifted = logits + np.random.default_rng(seed).normal(scale=100, size=(len(logits), 1))
    np.testing.assert_allclose(softmax(shifted), softmax(logits), atol=1e-12)
    for gradient in (
        lambda h: average_value_gradient(model, softmax(h), gamma),
        lambda h: average_reward_gradient(continuing(model), softmax(h)),
    ):
        # So the gradient has nothing in that direction.
        np.testing.assert_allclose(gradient(logits).sum(1), 0, atol=1e-10)
        np.testing.assert_allclose(gradient(shifted), gradient(logits), atol=1e-8)
        np.testing.assert_allclose(gradient(logits)[model.terminal], 0, atol=1e-12)


# -- the theorems


def both_sides(model: Model, new: np.ndarray, old: np.ndarray, gamma: float) -> tuple[float, float]:
    difference = model.start @ (evaluate_policy(model, new, gamma) - evaluate_policy(model, old, gamma))
    return performance_difference(model, new, old, gamma), float(difference)


@settings(max_examples=50, deadline=None)
@given(random_models(), GAMMAS, SEEDS, SEEDS)
def test_the_performance_difference(model: Model, gamma: float, one: int, other: int) -> None:
    new, old = softmax(random_logits(model, one)), softmax(random_logits(model, other))
    lemma, difference = both_sides(model, new, old, gamma)
    assert lemma == pytest.approx(difference, abs=1e-9)
    assert performance_difference(model, old, old, gamma) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("gamma", [0.5, 0.9, 1.0])
def test_the_performance_difference_on_grid_world(gamma: float) -> None:
    """From walking at random to the best, and between any two; written out once more, as a sum along the way."""
    best = greedy_policy(GRID_WORLD, optimal_values(GRID_WORLD, 0.9), 0.9)
    uniform = uniform_policy(GRID_WORLD)
    lemma, difference = both_sides(GRID_WORLD, best, uniform, gamma)
    assert lemma == pytest.approx(difference, abs=1e-12)
    gained = advantages(GRID_WORLD, uniform, gamma)
    along = sum(gamma**t * gained[s, a] for t, (s, a) in enumerate([(8, 0), (4, 0), (0, 3), (1, 3), (2, 3)]))
    assert lemma == pytest.approx(along, abs=1e-12)
    for seed in range(20):
        new, old = (softmax(random_logits(GRID_WORLD, seed + 100 * i)) for i in range(2))
        lemma, difference = both_sides(GRID_WORLD, new, old, gamma)
        assert lemma == pytest.approx(difference, abs=1e-11)
        assert abs(difference) > 1e-6


@settings(max_examples=30, deadline=None)
@given(random_models(), st.sampled_from([0.0, 0.5, 0.9, 0.99]), SEEDS)
def test_the_two_metrics_are_one_in_the_stationary_distribution(model: Model, gamma: float, seed: int) -> None:
    """r̄ = (1 - γ) Σ_s d_π(s) v_π(s): one more step from d_π is d_π again."""
    model, policy = continuing(model), softmax(random_logits(model, seed))
    distribution = stationary_distribution(model, policy)
    assert distribution.sum() == pytest.approx(1)
    assert (distribution > -1e-12).all()
    np.testing.assert_allclose(distribution @ transitions(model, policy), distribution, atol=1e-12)
    value = average_value(model, policy, gamma, np.clip(distribution, 0, None))
    assert average_reward(model, policy) == pytest.approx((1 - gamma) * value, abs=1e-9)


@settings(max_examples=30, deadline=None)
@given(random_models(), SEEDS)
def test_differential_values_are_what_is_gained_above_the_average(model: Model, seed: int) -> None:
    """lim v_γ(s) - r̄ / (1 - γ) as γ goes to 1, and the same for q: the first terms of the Laurent series."""
    model, policy = continuing(model), softmax(random_logits(model, seed))
    gamma = 1 - 1e-6
    values = evaluate_policy(model, policy, gamma)
    mean = average_reward(model, policy) / (1 - gamma)
    differential = differential_values(model, policy)
    np.testing.assert_allclose(differential, values - mean, atol=1e-3 * (1 + np.abs(differential).max() ** 2))
    # And q is one step of it.
    np.testing.assert_allclose((policy * differential_action_values(model, policy)).sum(1), differential, atol=1e-9)


@settings(max_examples=20, deadline=None)
@given(random_models(), SEEDS)
def test_discounted_values_in_its_place_are_an_approximation(model: Model, seed: int) -> None:
    """Zhao 2025, section 9.3: Σ_s d_π(s) Σ_a ∇π(a | s) q_γ(s, a) is nearer to ∇r̄ the nearer γ is to 1."""
    model, policy = continuing(model), softmax(random_logits(model, seed))
    exact, distribution = average_reward_gradient(model, policy), stationary_distribution(model, policy)
    errors = []
    for gamma in (0.9, 0.99, 0.999, 0.9999):
        approximate = policy_gradient(policy, distribution, advantages(model, policy, gamma))
        errors.append(np.abs(approximate - exact).max())
    assert errors[-1] <= 1e-10 + 0.05 * errors[1] + 1e-3 * errors[0]


@settings(max_examples=20, deadline=None)
@given(random_models(), st.sampled_from([0.5, 0.9]), SEEDS)
def test_visits_are_a_distribution_with_the_terminal_states(model: Model, gamma: float, seed: int) -> None:
    """Followed step by step."""
    policy, start = softmax(random_logits(model, seed)), random_start(model, seed)
    visits, state = np.zeros(len(start)), start
    for t in range(400):
        visits += gamma**t * state
        state = state @ transitions(model, policy)
    acted_in = discounted_visits(model, policy, gamma, start)
    np.testing.assert_allclose(acted_in[~model.terminal], visits[~model.terminal], atol=1e-10)
    assert (acted_in[model.terminal] == 0).all()
    assert (1 - gamma) * visits.sum() == pytest.approx(1)


# -- the agent


@pytest.mark.parametrize("objective", ["value", "reward"])
def test_grid_world(objective: str) -> None:
    """V(start) within a thousandth of the best, 0.6561; greedily the shortest way."""
    agent = ExactPolicyGradient("minigrad/GridWorld-v0", objective=objective).learn(500)
    assert agent.hyperparameters.gamma == 0.9
    reached = average_value(agent.model, agent.policy, 0.9)
    assert (0.655 if objective == "value" else 0.654) < reached < 0.6561
    assert evaluate(agent, episodes=1).lengths.tolist() == [5]
    assert 5 <= evaluate(agent, episodes=50, deterministic=False).lengths.mean() < 5.2


def test_small_steps_never_make_it_worse() -> None:
    agent = ExactPolicyGradient("FrozenLake-v1", gamma=0.9, learning_rate=1.0)
    objectives = []
    for _ in range(300):
        agent.learn(1)
        objectives.append(agent.metrics.take()["objective"])
    assert (np.diff(objectives) > 0).all()


def test_metrics_are_those_of_the_policy_before_the_update() -> None:
    agent = ExactPolicyGradient("FrozenLake-v1", gamma=0.9, learning_rate=3.0).learn(1)
    uniform = uniform_policy(agent.model)
    gradient = average_value_gradient(agent.model, uniform, 0.9)
    assert agent.metrics.take() == {
        "objective": pytest.approx(average_value(agent.model, uniform, 0.9)),
        "gradient_norm": pytest.approx(np.sqrt((gradient**2).sum())),
    }
    np.testing.assert_allclose(agent.table.logits, 3 * gradient)


def test_near_the_best_policy_it_slows_down() -> None:
    """What is missing to the optimum falls as 1 / updates, with a softmax: ten times as many, a tenth is left.

    Agarwal, Kakade, Lee & Mahajan, "On the theory of policy gradient methods", JMLR 22 (2021), section 5; Mei, Xiao,
    Szepesvári & Schuurmans, "On the global convergence rates of softmax policy gradient methods", ICML (2020)."""
    agent = ExactPolicyGradient("minigrad/GridWorld-v0")
    left = []
    for updates in (300, 2_700):
        agent.learn(updates)
        left.append(0.6561 - average_value(agent.model, agent.policy, 0.9))
    assert 7 < left[0] / left[1] < 13
