"""TRPO: conjugate gradients against a solver, H v against differences and against the Fisher information, the natural
gradient of a table in closed form, and a step that keeps what it promises."""

from __future__ import annotations

import math

import numpy as np
import pytest

import minigrad as mg
from agents import TRPO, evaluate
from agents.policy_gradient.exact_policy_gradient import policy_gradient, softmax
from agents.policy_gradient.parts.conjugate_gradients import conjugate_gradients
from agents.policy_gradient.parts.trust_region import Batch, advantage_of, log_ratio, old_policy, surrogate
from agents.policy_gradient.trpo import flat_gradient, hessian_vector_product, line_search
from envs import UsageError
from minigrad.distributions import Categorical, kl_divergence
from tests.agents.gradients import gradient_of, numeric_gradient
from tests.agents.test_ppo import batch_of

ENV = "minigrad/ProbeBoth-v0"
ENVS = pytest.mark.parametrize("env", [ENV, "Pendulum-v1"])


# -- conjugate gradients


def positive_definite(eigenvalues: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    q, _ = np.linalg.qr(rng.normal(size=(len(eigenvalues),) * 2))
    return q * eigenvalues @ q.T


@pytest.mark.parametrize("kind", [np.asarray, mg.from_numpy])
def test_conjugate_gradients_solve(kind) -> None:
    rng = np.random.default_rng(0)
    a, b = positive_definite(np.linspace(0.5, 20, 12), rng), rng.normal(size=12)
    kept = b.copy()
    x = conjugate_gradients(lambda v: kind(a) @ v, kind(b), 12, tolerance=0.0)
    np.testing.assert_allclose(np.asarray(x), np.linalg.solve(a, b), rtol=1e-8)
    np.testing.assert_array_equal(b, kept)


def test_as_many_steps_as_there_are_eigenvalues() -> None:
    rng = np.random.default_rng(1)
    a, b = positive_definite(np.repeat([1.0, 4.0, 9.0], 5), rng), rng.normal(size=15)
    solution = np.linalg.solve(a, b)
    np.testing.assert_allclose(conjugate_gradients(lambda v: a @ v, b, 3), solution, rtol=1e-8)
    assert not np.allclose(conjugate_gradients(lambda v: a @ v, b, 2), solution, rtol=1e-2)


@pytest.mark.parametrize("steps", [1, 2, 4])
def test_fewer_steps_find_the_best_of_their_directions(steps: int) -> None:
    """The x among the combinations of b, A b, A² b, ... for which ½ xᵀA x - bᵀx is least."""
    rng = np.random.default_rng(2)
    a, b = positive_definite(np.linspace(1, 50, 10), rng), rng.normal(size=10)
    krylov = np.stack([np.linalg.matrix_power(a, k) @ b for k in range(steps)], 1)
    best = krylov @ np.linalg.solve(krylov.T @ a @ krylov, krylov.T @ b)
    np.testing.assert_allclose(conjugate_gradients(lambda v: a @ v, b, steps), best, rtol=1e-6)


def test_conjugate_gradients_end_when_nothing_is_left() -> None:
    asked = []

    def product(v: np.ndarray) -> np.ndarray:
        asked.append(v)
        return 2 * v

    assert conjugate_gradients(product, np.zeros(3), 10).tolist() == [0, 0, 0]
    assert not asked
    assert conjugate_gradients(product, np.array([2.0, 4.0]), 10).tolist() == [1, 2]
    assert len(asked) == 1


def test_conjugate_gradients_refuse_columns() -> None:
    with pytest.raises(ValueError, match=r"b has shape \(3, 1\)"):
        conjugate_gradients(lambda v: v, np.ones((3, 1)), 3)
    with pytest.raises(ValueError, match=r"\(3,\) but the product \(3, 1\)"):
        conjugate_gradients(lambda v: v[:, None], np.ones(3), 3)


# -- second derivatives


def small(env: str, **hyperparameters) -> TRPO:
    agent = TRPO(env, hidden=(3,), orthogonal=False, seed=1, **hyperparameters)
    agent.network.double()
    return agent


def policy_and_kl(agent: TRPO, moved: float = 0.0):
    """The policy's weights, and a function for its mean KL divergence from what it was before it `moved`."""
    weights = list(agent.network.policy.parameters())
    batch = batch_of(agent, 7)
    old, rng = old_policy(agent, batch.map(agent.tensor)), np.random.default_rng(5)
    for weight in weights:
        weight.array[...] += rng.normal(0, moved, weight.shape) if moved else 0

    def kl() -> mg.Tensor:
        return kl_divergence(old, agent.network.policy(agent.tensor(batch.observation))).mean()

    return weights, batch, kl


def products(agent: TRPO, weights, kl, damping: float = 0.0) -> np.ndarray:
    """H, column by column."""
    product = hessian_vector_product(kl(), weights, damping)
    n = sum(weight.numel() for weight in weights)
    return np.stack([product(mg.from_numpy(column)).array for column in np.eye(n)], 1)


@ENVS
@pytest.mark.parametrize("moved", [0.0, 0.3])
def test_the_product_is_with_the_second_derivatives(env: str, moved: float) -> None:
    """Against differences of the gradient; away from the old policy H isn't the Fisher information any more, but is
    still H."""
    agent = small(env)
    weights, _, kl = policy_and_kl(agent, moved)
    eps, columns = 1e-5, []
    for weight in weights:
        for at in np.ndindex(*weight.shape):
            kept, sides = weight.array[at].copy(), []
            for value in (kept + eps, kept - eps):
                weight.array[at] = value
                sides.append(gradient_of(kl(), weights))
            weight.array[at] = kept
            columns.append((sides[0] - sides[1]) / (2 * eps))
    numeric = np.stack(columns, 1)
    assert np.abs(numeric).max() > 0.05
    found = products(agent, weights, kl)
    np.testing.assert_allclose(found, numeric, rtol=1e-5, atol=1e-8)
    np.testing.assert_allclose(products(agent, weights, kl, 0.7), found + 0.7 * np.eye(len(found)), rtol=1e-12)


def test_at_the_old_policy_it_is_the_fisher_information() -> None:
    """mean_s Σ_a π(a | s) ∇log π ∇log πᵀ: only first derivatives, and no KL divergence."""
    agent = small(ENV)
    weights, batch, kl = policy_and_kl(agent)
    fisher = 0.0
    for observation in batch.observation:
        distribution = agent.network.policy(agent.tensor(observation[None]))
        for action, p in enumerate(distribution.probs.array[0]):
            score = gradient_of(
                agent.network.policy(agent.tensor(observation[None])).log_prob(mg.tensor([action])).sum(), weights
            )
            fisher = fisher + p * np.outer(score, score) / len(batch.observation)
    found = products(agent, weights, kl)
    assert np.abs(found).max() > 0.05
    np.testing.assert_allclose(found, fisher, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(gradient_of(kl(), weights), 0, atol=1e-12)


def table(seed: int = 0):
    """A softmax policy of 3 states and 4 actions, its visits, its advantages, and logits to differentiate."""
    rng = np.random.default_rng(seed)
    logits, visits, q = rng.normal(size=(3, 4)), np.array([0.5, 0.2, 0.3]), rng.normal(size=(3, 4))
    policy = softmax(logits)
    advantage = q - (policy * q).sum(1, keepdims=True)
    weights = mg.tensor(logits, dtype=mg.float64, requires_grad=True)
    old = Categorical(logits=mg.tensor(logits, dtype=mg.float64))
    kl = (mg.from_numpy(visits) * kl_divergence(old, Categorical(logits=weights))).sum()
    return policy, visits, q, advantage, weights, kl


def test_products_of_a_table_in_closed_form() -> None:
    """H's block of a state is μ(s) (diag π - π πᵀ)."""
    policy, visits, _, _, weights, kl = table()
    v = np.random.default_rng(3).normal(size=(3, 4))
    exact = visits[:, None] * (policy * v - policy * (policy * v).sum(1, keepdims=True))
    found = hessian_vector_product(kl, [weights], 0.0)(mg.from_numpy(v.ravel())).array
    np.testing.assert_allclose(found, exact.ravel(), rtol=1e-9, atol=1e-12)


def test_the_natural_gradient_of_a_table_is_the_advantage() -> None:
    """However often a state is visited and an action chosen (Kakade 2001): H x = g for x = A + c(s). Moving all logits
    of a state together changes nothing, and the x without that is the one whose sums are 0."""
    policy, visits, q, advantage, weights, kl = table()
    g = policy_gradient(policy, visits, q)
    x = advantage - advantage.mean(1, keepdims=True)
    agent = TRPO(ENV, damping=0.0, conjugate_gradient_steps=30, kl_limit=0.003)
    step = agent.natural_step(kl, [weights], mg.from_numpy(g.ravel())).array.reshape(3, 4)
    np.testing.assert_allclose(step / np.abs(step).max(), x / np.abs(x).max(), rtol=1e-4)
    # As far as the limit allows: ½ Δᵀ H Δ = ½ Σ_s μ(s) Var_π Δ(s, ·) = δ.
    variance = (policy * step**2).sum(1) - (policy * step).sum(1) ** 2
    assert visits @ variance / 2 == pytest.approx(0.003, rel=1e-6)


# -- the step


def surrogate_of(agent: TRPO, batch: Batch) -> mg.Tensor:
    policy = agent.network.policy(agent.tensor(batch.observation))
    tensors = batch.map(agent.tensor)
    return surrogate(log_ratio(policy, tensors).exp(), advantage_of(agent, tensors))


@ENVS
def test_gradient_of_the_surrogate(env: str) -> None:
    agent = small(env)
    batch, weights = batch_of(agent, 12), list(agent.network.policy.parameters())
    numeric = numeric_gradient(lambda: surrogate_of(agent, batch), weights)
    assert np.abs(numeric).max() > 1e-2
    np.testing.assert_allclose(flat_gradient(surrogate_of(agent, batch), weights).array, numeric, rtol=1e-5, atol=1e-8)


def test_columns_are_refused() -> None:
    for shapes in (((8,), (8, 1)), ((8, 1), (8,))):
        with pytest.raises(ValueError, match=r"\(8, 1\)"):
            surrogate(*(mg.ones(*shape) for shape in shapes))


def fresh_batch(agent: TRPO, size: int = 200) -> Batch:
    """Of the policy as it is, with actions that were good at random."""
    batch = batch_of(agent, size)
    policy = agent.network.policy(agent.tensor(batch.observation))
    return batch._replace(log_prob=policy.log_prob(agent.tensor(batch.action)).array)


def logits_or_moments(agent: TRPO, batch: Batch) -> tuple[np.ndarray, ...]:
    policy = agent.network.policy
    with mg.no_grad():
        out = policy.head.output(policy.body(agent.tensor(batch.observation))).array
    return (out, np.exp(policy.head.log_std.array)) if hasattr(policy.head, "log_std") else (out,)


def kl_and_log_prob(old: tuple, new: tuple, action: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """KL(old ‖ new) and the new policy's log-probabilities, (batch,) each, in NumPy."""
    if len(old) == 1:
        p, q = softmax(old[0]), softmax(new[0])
        return (p * np.log(p / q)).sum(1), np.log(q[np.arange(len(action)), action])
    (m, s), (n, t) = old, new
    kl = np.log(t / s) + (s**2 + (m - n) ** 2) / (2 * t**2) - 0.5
    return kl.sum(1), (-(((action - n) / t) ** 2) / 2 - np.log(t * np.sqrt(2 * np.pi))).sum(1)


@ENVS
@pytest.mark.parametrize("kl_limit", [0.001, 0.02])
@pytest.mark.parametrize("normalize", [False, True])
def test_the_step_stays_within_the_limit_and_improves(env: str, kl_limit: float, normalize: bool) -> None:
    agent = small(env, kl_limit=kl_limit, normalize_advantages=normalize)
    batch = fresh_batch(agent)
    batch = batch._replace(advantage=3 * batch.advantage + 1)
    old = logits_or_moments(agent, batch)
    slope = gradient_of(surrogate_of(agent, batch), agent.network.policy.parameters())
    figures = agent.improve_policy(batch)
    kl, log_prob = kl_and_log_prob(old, logits_or_moments(agent, batch), batch.action)
    assert kl_limit / 5 < kl.mean() <= kl_limit
    assert figures.kl == pytest.approx(kl.mean())
    advantage = batch.advantage
    if normalize:
        advantage = (advantage - advantage.mean()) / advantage.std()
    improvement = (np.exp(log_prob - batch.log_prob) * advantage).mean() - advantage.mean()
    assert improvement > 0
    assert figures.improvement == pytest.approx(improvement, rel=1e-6)
    assert figures.expected_improvement == pytest.approx(improvement, rel=0.3)  # a straight line's
    assert figures.gradient_norm == pytest.approx(np.linalg.norm(slope))


def test_the_natural_step_beats_the_plain_one() -> None:
    """Within the same distance, nothing improves the surrogate more, to first order."""
    agent = small("Pendulum-v1", kl_limit=1e-4, damping=1e-8, conjugate_gradient_steps=60)
    batch, weights = fresh_batch(agent), list(agent.network.policy.parameters())
    gradient = flat_gradient(surrogate_of(agent, batch), weights)
    natural, product = (
        use(
            kl_divergence(
                old_policy(agent, batch.map(agent.tensor)), agent.network.policy(agent.tensor(batch.observation))
            ).mean()
        )
        for use in (
            lambda kl: agent.natural_step(kl, weights, gradient),
            lambda kl: hessian_vector_product(kl, weights, 0.0),
        )
    )
    rng = np.random.default_rng(0)
    others = [gradient, *(gradient + mg.from_numpy(rng.normal(0, 0.1, gradient.shape)) for _ in range(5))]
    steps = [natural, *((2e-4 / (each @ product(each)).item()) ** 0.5 * each for each in others)]
    for step in steps:
        assert (step @ product(step)).item() / 2 == pytest.approx(1e-4, rel=1e-3)
    gains = [(gradient @ step).item() for step in steps]
    assert gains[0] > 1.1 * max(gains[1:])


def test_the_line_search_by_hand() -> None:
    tried = []

    def attempt(kl_of_whole: float, improvement_of_whole: float = 1.0):
        def attempted(fraction: float) -> tuple[float, float]:
            tried.append(fraction)
            return improvement_of_whole * fraction, kl_of_whole * fraction**2

        return attempted

    assert line_search(attempt(0.01), 0.01, 0.5, 5) == (1.0, 1, 1.0, 0.01)  # at the limit is within it
    assert line_search(attempt(0.04), 0.01, 0.5, 5) == (0.5, 2, 0.5, 0.01)
    assert line_search(attempt(0.041), 0.01, 0.5, 5)[:2] == (0.25, 3)
    tried.clear()
    assert line_search(attempt(100.0), 0.01, 0.5, 3) == (0.0, 3, 0.0, 0.0)
    assert tried == [1.0, 0.5, 0.25]
    for worthless in (-1.0, 0.0, float("nan")):  # within the limit, but no improvement
        assert line_search(attempt(0.001, worthless), 0.01, 0.5, 4) == (0.0, 4, 0.0, 0.0)
    assert line_search(attempt(float("nan")), 0.01, 0.5, 4).fraction == 0


@ENVS
def test_a_step_that_is_too_long_is_shortened(env: str) -> None:
    agent = small(env, line_search_steps=60, kl_limit=0.01)
    batch, natural_step = fresh_batch(agent), agent.natural_step
    old = logits_or_moments(agent, batch)
    agent.natural_step = lambda *given: 15 * natural_step(*given)  # type: ignore[method-assign]
    figures = agent.improve_policy(batch)
    kl, _ = kl_and_log_prob(old, logits_or_moments(agent, batch), batch.action)
    assert figures.line_search_steps > 5
    assert 0.002 < kl.mean() <= 0.01
    assert figures.improvement > 0


@pytest.mark.filterwarnings("ignore:.*encountered in:RuntimeWarning")
@pytest.mark.parametrize("why", ["downhill", "no advantage", "no policy"])
def test_without_a_better_policy_the_weights_stay(why: str) -> None:
    agent = small(ENV)
    batch, natural_step = fresh_batch(agent), agent.natural_step
    if why != "no advantage":
        times = -1.0 if why == "downhill" else math.inf
        agent.natural_step = lambda *given: times * natural_step(*given)  # type: ignore[method-assign]
    else:
        batch = batch._replace(advantage=np.zeros_like(batch.advantage))
    before = [weight.array.copy() for weight in agent.network.policy.parameters()]
    figures = agent.improve_policy(batch)
    for weight, kept in zip(agent.network.policy.parameters(), before, strict=True):
        np.testing.assert_array_equal(weight.array, kept)
    assert (figures.improvement, figures.kl, figures.expected_improvement) == (0, 0, 0)
    assert figures.line_search_steps == 10


def test_a_natural_gradient_that_is_none_is_no_step() -> None:
    """Without damping H may be singular; then conjugate gradients divide by 0, and 0 times NaN would still be NaN."""
    agent = small(ENV, damping=0.0)
    weights = list(agent.network.policy.parameters())
    flat = sum((0.0 * weight.square().sum() for weight in weights), mg.zeros(()))
    with np.errstate(all="ignore"):
        step = agent.natural_step(flat, weights, mg.ones(sum(weight.numel() for weight in weights), dtype=mg.float64))
    assert not step.array.any()


# -- the value


def test_policy_and_value_move_by_themselves() -> None:
    agent = small(ENV, batch_size=50, epochs=2)
    batch = fresh_batch(agent)
    policy, critic = agent.network.policy, agent.network.critic

    def arrays(module) -> list[np.ndarray]:
        return [weight.array.copy() for weight in module.parameters()]

    def changed(module, before) -> bool:
        return any((weight.array != kept).any() for weight, kept in zip(module.parameters(), before, strict=True))

    assert [*map(id, agent.optimizer.param_groups[0]["params"])] == [*map(id, critic.parameters())]
    before = arrays(policy), arrays(critic)
    agent.improve_policy(batch)
    assert changed(policy, before[0])
    assert not changed(critic, before[1])
    before = arrays(policy), arrays(critic)
    losses = agent.fit_value(batch)
    assert len(losses) == 8
    assert changed(critic, before[1])
    assert not changed(policy, before[0])


def test_the_value_is_fitted_to_its_targets() -> None:
    agent = small(ENV, max_gradient_norm=0.0, epochs=1)
    batch = batch_of(agent, 12)
    critic = list(agent.network.critic.parameters())
    agent.optimizer = mg.optim.SGD(agent.weights, lr=1.0)
    numeric = numeric_gradient(
        lambda: (agent.network.value(agent.tensor(batch.observation)) - agent.tensor(batch.target)).square().mean(),
        critic,
    )
    before = np.concatenate([weight.array.ravel().copy() for weight in critic])
    value = agent.state_values(batch.observation)
    assert agent.fit_value(batch) == [pytest.approx(((value - batch.target) ** 2).mean())]
    after = np.concatenate([weight.array.ravel() for weight in critic])
    np.testing.assert_allclose(before - after, numeric, rtol=1e-5, atol=1e-8)


def test_a_shared_trunk_is_not_offered() -> None:
    with pytest.raises(UsageError, match="no hyper-parameter is called 'shared'"):
        TRPO(ENV, shared=True)


def test_metrics_are_those_promised() -> None:
    metrics = TRPO(ENV, rollout_steps=16, batch_size=8, epochs=2).learn(64).metrics.take()
    assert set(metrics) == {
        *("entropy", "kl", "expected_improvement", "improvement", "line_search_steps", "gradient_norm", "value_loss"),
        "explained_variance",
    }
    assert all(np.isfinite(value) for value in metrics.values())


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_cart_pole(seed: int) -> None:
    agent = TRPO("CartPole-v1", seed=seed).learn(100_000)
    assert evaluate(agent, episodes=20).mean >= 495
