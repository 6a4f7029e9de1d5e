"""One update of every policy gradient on fixed numbers, beside the same update computed in NumPy from the equations.

Policy and value are linear, so their gradients can be written down. Adam's first step hides the scale of a gradient;
so the gradient is compared, too.
"""

from __future__ import annotations

from typing import NamedTuple

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

from agents import (
    A2C,
    A3C,
    PPO,
    PPOKL,
    TRPO,
    ActorCritic,
    ExactPolicyGradient,
    OffPolicyActorCritic,
    OffPolicyPolicyGradient,
    Reinforce,
    ReinforceWithBaseline,
    SimplePolicyGradient,
)
from agents.memory.rollout import Steps, Trajectory
from agents.policy_gradient.parts.trust_region import Batch
from tests.agents.families import POLICY_GRADIENT

GAMMA, RATE = 0.9, 0.01

# Five steps: two features, three actions.
X = np.array([[1.0, 0.5], [-0.3, 2.0], [0.7, -1.2], [0.1, 0.4], [-1.5, 0.2]])
ACTION = np.array([0, 2, 1, 1, 0])
REWARD = np.array([1.0, -2.0, 0.5, 3.0, 1.5])
AFTER = np.array([[-0.3, 2.0], [0.6, 0.6], [0.1, 0.4], [-1.5, 0.2], [2.0, -0.4]])
# The policy: logits X Wᵀ + b. The value: X w + c.
W, B = np.array([[0.5, -0.4], [0.1, 0.8], [-0.7, 0.2]]), np.array([0.1, -0.2, 0.3])
V, C = np.array([0.6, -0.9]), np.array([0.25])


class Nowhere(gym.Env):
    """Says what the spaces are; no step is taken in it."""

    observation_space = spaces.Box(-np.inf, np.inf, (2,), np.float32)
    action_space = spaces.Discrete(3)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(2, np.float32), {}


def make(kind: type, **hyperparameters):
    """An agent in float64 with the weights above."""
    agent = kind(Nowhere, num_envs=1, hidden=(), **hyperparameters)
    policy, critic = (agent.policy, None) if hasattr(agent, "policy") else (agent.network.policy, agent.network.critic)
    if kind is ReinforceWithBaseline and hasattr(agent.baseline, "critic"):
        critic = agent.baseline.critic
    for module, values in ((policy, (W, B)), (critic, (V[None], C))):
        if module is not None:
            if kind is not A3C:  # whose shared memory is float32
                module.double()
            for weight, value in zip(module.parameters(), values, strict=True):
                weight.array[...] = value
    if kind is A3C:
        agent.push()
    return agent, list(policy.parameters()), list(critic.parameters()) if critic is not None else []


class Said(NamedTuple):
    """What policy and value say of X, in NumPy."""

    p: np.ndarray  # (5, 3)
    log_p: np.ndarray  # (5,) of the actions
    score: np.ndarray  # (5, 3) ∂ log p(a) / ∂ logits
    entropy: np.ndarray  # (5,)
    v: np.ndarray  # (5,)
    after: np.ndarray  # (5,) V of what followed


def say() -> Said:
    logits = X @ W.T + B
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    one = np.eye(3)[ACTION]
    return Said(p, np.log(p[np.arange(5), ACTION]), one - p, -(p * np.log(p)).sum(1), X @ V + C, AFTER @ V + C)


def entropy_slope(s: Said) -> np.ndarray:
    """∂H/∂logits, (5, 3): -p (log p + H)."""
    return -s.p * (np.log(s.p) + s.entropy[:, None])


def policy_slopes(d_logits: np.ndarray) -> list[np.ndarray]:
    """Of W and b, from those of the logits, (5, 3)."""
    return [d_logits.T @ X, d_logits.sum(0)]


def value_slopes(d_v: np.ndarray) -> list[np.ndarray]:
    return [(d_v @ X)[None], d_v.sum(keepdims=True)]


def scaled(slopes: list[np.ndarray], largest: float) -> list[np.ndarray]:
    norm = np.sqrt(sum((slope**2).sum() for slope in slopes))
    assert norm > largest  # or it would show nothing
    return [slope * largest / norm for slope in slopes]


def adam(value: np.ndarray, slope: np.ndarray, rate: float = RATE, epsilon: float = 1e-8) -> np.ndarray:
    """Adam's first step: the averages, corrected, are g and g²."""
    return value - rate * slope / (np.abs(slope) + epsilon)


def compare(weights, values, slopes, after, rtol: float = 1e-5) -> None:
    """The gradients that were used, and the weights after the step."""
    for weight, value, slope, expected in zip(weights, values, slopes, after, strict=True):
        np.testing.assert_allclose(weight.grad.array, slope, rtol=rtol, atol=1e-10)
        np.testing.assert_allclose(weight.array, expected, rtol=rtol, atol=1e-8)
        assert np.abs(expected - value).max() > 1e-4


# -- whole episodes


def episodes() -> list[Trajectory]:
    """One of two steps that terminated, one of three that was cut off."""
    parts = (slice(0, 2), True), (slice(2, 5), False)
    return [Trajectory(X[at], ACTION[at], REWARD[at], end, AFTER[at][-1]) for at, end in parts]


def to_go(beyond: float = 0.0) -> np.ndarray:
    """G_t of the five steps, written out; `beyond` is what follows the episode that was cut off."""
    g = GAMMA
    last = 1.5 + g * beyond
    return np.array([1 - 2 * g, -2.0, 0.5 + g * (3 + g * last), 3 + g * last, last])


def check_episodes(kind: type, credit: np.ndarray, **more) -> tuple:
    agent, policy, critic = make(kind, gamma=GAMMA, learning_rate=RATE, **more)
    slopes = policy_slopes(-credit[:, None] / 2 * say().score)  # the mean is over episodes, not over steps
    agent.learn_from(episodes())
    compare(policy, (W, B), slopes, [adam(*pair) for pair in zip((W, B), slopes, strict=True)])
    return agent, critic


def test_simple_policy_gradient() -> None:
    g = to_go()
    check_episodes(SimplePolicyGradient, np.array([g[0]] * 2 + [g[2]] * 3))


def test_reinforce() -> None:
    agent, _ = check_episodes(Reinforce, to_go())
    assert agent.metrics.take()["loss"] == pytest.approx(-(to_go() * say().log_p).sum() / 2)


def test_the_gradient_is_scaled_down() -> None:
    agent, policy, _ = make(Reinforce, gamma=GAMMA, learning_rate=RATE, max_gradient_norm=0.1)
    slopes = scaled(policy_slopes(-to_go()[:, None] / 2 * say().score), 0.1)
    agent.learn_from(episodes())
    compare(policy, (W, B), slopes, [adam(*pair) for pair in zip((W, B), slopes, strict=True)])


def test_reinforce_with_a_constant_baseline() -> None:
    agent, policy, _ = make(
        ReinforceWithBaseline, gamma=GAMMA, learning_rate=RATE, baseline="constant", baseline_decay=0.75
    )
    agent.baseline.ab, agent.baseline.bb = 3.0, 2.0
    g, s = to_go(), say()
    slopes = policy_slopes(-(g - 1.5)[:, None] / 2 * s.score)
    products = []
    for at in (slice(0, 2), slice(2, 5)):
        a, b = (
            np.concatenate([(weight * s.score[at]).T @ X[at], (weight * s.score[at]).sum(0)[:, None]], 1).ravel()
            for weight in (g[at][:, None], 1.0)
        )
        products.append((a @ b, b @ b))
    ab, bb = np.mean(products, 0)
    agent.learn_from(episodes())
    compare(policy, (W, B), slopes, [adam(*pair) for pair in zip((W, B), slopes, strict=True)])
    assert agent.baseline.ab == pytest.approx(0.75 * 3 + 0.25 * ab)
    assert agent.baseline.bb == pytest.approx(0.75 * 2 + 0.25 * bb)


def test_reinforce_with_a_learned_value() -> None:
    s = say()
    g = to_go(beyond=s.after[4])
    more = dict(baseline="value", value_learning_rate=0.02)
    _, critic = check_episodes(ReinforceWithBaseline, g - s.v, **more)
    slopes = value_slopes(2 * (s.v - g) / 5)
    compare(critic, (V[None], C), slopes, [adam(*pair, 0.02) for pair in zip((V[None], C), slopes, strict=True)])


def test_off_policy_policy_gradient() -> None:
    """Weights per decision, ρ_{0:k}, divided by their mean over the episodes; b is uniform. After its end an episode
    keeps its weight."""
    rho = 3 * np.exp(say().log_p)
    one, two = np.array([rho[0], rho[0] * rho[1], rho[0] * rho[1]]), np.cumprod(rho[2:])
    mean = (one + two) / 2
    one, two = one / mean, two / mean
    g = GAMMA
    credit = [one[0] * 1 + g * one[1] * -2, one[1] * -2]
    credit += [two[0] * 0.5 + g * two[1] * 3 + g * g * two[2] * 1.5, two[1] * 3 + g * two[2] * 1.5, two[2] * 1.5]
    agent, _ = check_episodes(OffPolicyPolicyGradient, np.array(credit), episodes=2)
    whole = np.array([rho[0] * rho[1], rho[2:].prod()])
    assert agent.metrics.take()["effective_sample_size"] == pytest.approx(whole.sum() ** 2 / (whole**2).sum())


# -- rollouts


def rollout() -> Steps:
    """Five steps of one environment: the second terminated, the fourth was cut off, the fifth goes on."""
    terminated, truncated = np.array([0, 1, 0, 0, 0], bool), np.array([0, 0, 0, 1, 0], bool)
    fields = (X, ACTION, REWARD, terminated, truncated, AFTER, np.ones(5, bool))
    return Steps(*(field[:, None] for field in fields))


def td(s: Said) -> np.ndarray:
    return REWARD + GAMMA * s.after * [1, 0, 1, 1, 1] - s.v


def check_both(agent, policy, critic, d_logits, d_v, step, values=(W, B, V[None], C)) -> None:
    slopes = scaled([*policy_slopes(d_logits), *value_slopes(d_v)], agent.hyperparameters.max_gradient_norm)
    agent.learn_from(rollout())
    after = [step(value, slope, i < 2) for i, (value, slope) in enumerate(zip(values, slopes, strict=True))]
    compare([*policy, *critic], values, slopes, after)


def test_actor_critic() -> None:
    s = say()
    delta = td(s)
    agent, policy, critic = make(ActorCritic, gamma=GAMMA, learning_rate=RATE, value_learning_rate=0.02)

    def step(value, slope, of_policy):
        return adam(value, slope, RATE if of_policy else 0.02)

    check_both(agent, policy, critic, -delta[:, None] / 5 * s.score, -2 * delta / 5, step)


def test_off_policy_actor_critic() -> None:
    s = say()
    delta, rho = td(s), 3 * np.exp(s.log_p)
    agent, policy, critic = make(OffPolicyActorCritic, gamma=GAMMA, learning_rate=RATE, value_learning_rate=0.02)

    def step(value, slope, of_policy):
        return adam(value, slope, RATE if of_policy else 0.02)

    check_both(agent, policy, critic, -(rho * delta)[:, None] / 5 * s.score, -2 * rho * delta / 5, step)


@pytest.mark.parametrize("kind", [A2C, A3C])
def test_a2c_and_a3c(kind: type) -> None:
    s, g = say(), GAMMA
    # n-step returns, up to an end or the rollout's; beyond a cut there is V.
    returns = np.array([1 - 2 * g, -2, 0.5 + g * (3 + g * s.after[3]), 3 + g * s.after[3], 1.5 + g * s.after[4]])
    advantage = returns - s.v
    settings = dict(value_coefficient=0.3, entropy_coefficient=0.2, rmsprop_alpha=0.7, rmsprop_epsilon=1e-3)
    more = {"workers": 1} if kind is A3C else {}
    agent, policy, critic = make(kind, gamma=g, learning_rate=RATE, **settings, **more)
    tolerance = 1e-4 if kind is A3C else 1e-5
    d_logits = -advantage[:, None] / 5 * s.score - 0.2 * entropy_slope(s) / 5
    slopes = scaled([*policy_slopes(d_logits), *value_slopes(-0.3 * 2 * advantage / 5)], 0.5)
    single = (field.astype(np.float32) if field.dtype == np.float64 and kind is A3C else field for field in rollout())
    agent.learn_from(Steps(*single))
    values = (W, B, V[None], C)
    pairs = zip(values, slopes, strict=True)
    after = [value - RATE * slope / (np.sqrt(0.3 * slope**2) + 1e-3) for value, slope in pairs]
    compare([*policy, *critic], values, slopes, after, tolerance)
    if kind is A3C:
        np.testing.assert_allclose(
            agent.shared.square_average, 0.3 * np.concatenate([x.ravel() for x in slopes]) ** 2, 1e-4
        )


# -- trust regions


OLD = np.array([[0.38, 0.4, 0.22], [0.1, 0.5, 0.4], [0.9, 0.06, 0.04], [0.2, 0.6, 0.2], [0.7, 0.2, 0.1]])
ADVANTAGE, TARGET = np.array([1.0, -0.5, 2.0, -1.5, 0.25]), np.array([0.5, 1.5, -1.0, 2.0, 0.0])
SETTINGS = dict(learning_rate=RATE, batch_size=5, epochs=1, anneal_learning_rate=False)
LOSS = dict(value_coefficient=0.3, entropy_coefficient=0.2)


def batch() -> Batch:
    """Of an old policy with the probabilities OLD."""
    log_prob = np.log(OLD[np.arange(5), ACTION])
    return Batch(X, ACTION, log_prob, np.zeros(5), ADVANTAGE, TARGET, np.log(OLD))


def unit() -> np.ndarray:
    return (ADVANTAGE - ADVANTAGE.mean()) / ADVANTAGE.std()


def check_improvement(agent, policy, critic, d_logits: np.ndarray, s: Said) -> None:
    d_logits = d_logits - 0.2 * entropy_slope(s) / 5
    slopes = scaled([*policy_slopes(d_logits), *value_slopes(0.3 * 2 * (s.v - TARGET) / 5)], 0.5)
    values = (W, B, V[None], C)
    agent.improve(batch())
    pairs = zip(values, slopes, strict=True)
    compare([*policy, *critic], values, slopes, [adam(*pair, RATE, 1e-5) for pair in pairs])


def test_ppo() -> None:
    s = say()
    agent, policy, critic = make(PPO, clip=0.2, **SETTINGS, **LOSS)
    ratio, a = np.exp(s.log_p) / OLD[np.arange(5), ACTION], unit()
    stopped = ((a > 0) & (ratio > 1.2)) | ((a < 0) & (ratio < 0.8))
    # One is stopped on either side, and one that a bound does not touch goes on.
    assert stopped.tolist() == [False, False, True, True, False]
    assert 1 < ratio[0] < 1.2
    check_improvement(agent, policy, critic, -np.where(stopped, 0, ratio * a)[:, None] / 5 * s.score, s)


def test_ppo_kl() -> None:
    s = say()
    agent, policy, critic = make(PPOKL, beta=1.5, kl_target=0.01, **SETTINGS, **LOSS)
    ratio = np.exp(s.log_p) / OLD[np.arange(5), ACTION]
    d_kl = (s.p - OLD) / 5  # ∂ KL(old ‖ new) / ∂ logits
    check_improvement(agent, policy, critic, -(ratio * unit())[:, None] / 5 * s.score + 1.5 * d_kl, s)
    assert agent.penalty.beta == 3.0  # the policies are far apart


def test_trpo() -> None:
    """The natural step from the Fisher matrix itself, the line search written out, and the value's step."""
    s, damping, limit = say(), 0.1, 0.01
    agent, policy, critic = make(TRPO, damping=damping, kl_limit=limit, conjugate_gradient_steps=60, **SETTINGS)
    old = batch()._replace(log_prob=s.log_p, policy=np.log(s.p))
    a = unit()
    slope = np.concatenate([x.ravel() for x in policy_slopes(a[:, None] / 5 * s.score)])  # of the surrogate
    fisher = damping * np.eye(9)
    for x, p in zip(X, s.p, strict=True):
        jacobian = np.concatenate([np.kron(np.eye(3), x), np.eye(3)], 1)  # of the logits, (3, 9)
        fisher += jacobian.T @ (np.diag(p) - np.outer(p, p)) @ jacobian / 5
    step = np.linalg.solve(fisher, slope)
    step *= np.sqrt(2 * limit / (step @ fisher @ step))

    for tried in range(10):
        w, b = W + 0.8**tried * step[:6].reshape(3, 2), B + 0.8**tried * step[6:]
        new = np.exp(X @ w.T + b)
        new /= new.sum(1, keepdims=True)
        ratio = new[np.arange(5), ACTION] / np.exp(s.log_p)
        if (ratio * a).mean() > a.mean() and (s.p * np.log(s.p / new)).sum(1).mean() <= limit:
            break
    figures = dict(zip(agent.metric_names, agent.improve(old), strict=False))
    assert figures["line_search_steps"] == tried + 1
    assert figures["improvement"] == pytest.approx((ratio * a).mean() - a.mean(), rel=1e-3)
    assert figures["kl"] == pytest.approx((s.p * np.log(s.p / new)).sum(1).mean(), rel=1e-3)
    for weight, before, expected in zip(policy, (W, B), (w, b), strict=True):
        np.testing.assert_allclose(weight.array, expected, rtol=1e-4, atol=1e-6)
        assert np.abs(expected - before).max() > 1e-2
    slopes = scaled(value_slopes(2 * (s.v - TARGET) / 5), 0.5)
    pairs = zip((V[None], C), slopes, strict=True)
    compare(critic, (V[None], C), slopes, [adam(*pair, RATE, 1e-5) for pair in pairs])


# -- the gradient itself


def test_exact_policy_gradient() -> None:
    """Two cells: one action of four leads from the first to the goal, for a reward of 1; the others stay."""
    agent = ExactPolicyGradient(lambda: gym.make("minigrad/GridWorld-v0", map="SG"), gamma=GAMMA, learning_rate=RATE)
    (goes,) = np.flatnonzero(agent.model.probability[0, :, 1])
    agent.update(1)
    v = 0.25 / (1 - 0.75 * GAMMA)  # v = ¼ · 1 + ¾ γ v
    visits = 1 / (1 - 0.75 * GAMMA)
    advantage = np.full(4, GAMMA * v - v)
    advantage[goes] = 1 - v
    np.testing.assert_allclose(agent.table.logits[0], RATE * visits * 0.25 * advantage)
    assert not agent.table.logits[1].any()
    assert agent.metrics.take()["objective"] == pytest.approx(v)


def test_every_algorithm_is_here() -> None:
    """A new one has to be imported; an import that no test uses is an error of the linter."""
    made = {
        name for name in globals() if isinstance(globals()[name], type) and hasattr(globals()[name], "metric_names")
    }
    assert {kind.__name__ for kind in POLICY_GRADIENT} <= made
