"""PPO with a KL penalty: the exact divergence in closed form in both directions, and a β that adapts once a rollout."""

from __future__ import annotations

import numpy as np
import pytest

from agents import PPO, PPOKL, evaluate
from agents.policy_gradient.parts.trust_region import Batch, log_ratio
from agents.policy_gradient.ppo_kl import Penalty
from envs import UsageError
from tests.agents.conftest import assert_same_state
from tests.agents.gradients import gradient_of, numeric_gradient
from tests.agents.test_ppo import batch_of

ENV = "minigrad/ProbeBoth-v0"
DIRECTIONS = pytest.mark.parametrize("direction", ["old-new", "new-old"])


def small(env: str = ENV, **hyperparameters) -> PPOKL:
    agent = PPOKL(env, hidden=(4,), orthogonal=False, seed=1, **hyperparameters)
    agent.network.double()
    return agent


def moved_from(agent: PPOKL, size: int = 12) -> Batch:
    """Steps of the policy before its weights changed."""
    batch, rng = batch_of(agent, size), np.random.default_rng(2)
    for weight in agent.network.policy.parameters():
        weight.array[...] += rng.normal(0, 0.4, weight.shape)
    return batch


# -- the loss


@pytest.mark.parametrize("env", [ENV, "Pendulum-v1"])
@pytest.mark.parametrize("shared", [False, True])
@DIRECTIONS
def test_gradient_of_the_loss(env: str, shared: bool, direction: str) -> None:
    agent = small(env, shared=shared, kl_direction=direction, beta=1.7, entropy_coefficient=0.1)
    batch = moved_from(agent)
    numeric = numeric_gradient(lambda: agent.losses(batch.map(agent.tensor)).total, agent.weights)
    kl = gradient_of(agent.losses(batch.map(agent.tensor)).kl, agent.weights)
    assert np.abs(kl).max() > 1e-2
    np.testing.assert_allclose(
        gradient_of(agent.losses(batch.map(agent.tensor)).total, agent.weights), numeric, 1e-5, 1e-7
    )


@DIRECTIONS
def test_the_loss_by_hand(direction: str) -> None:
    agent = small(
        kl_direction=direction, beta=3.0, value_coefficient=0.25, entropy_coefficient=0.5, normalize_advantages=False
    )
    batch = moved_from(agent)
    old = np.exp(batch.policy)
    distribution, value = agent.network(agent.tensor(batch.observation))
    new, v = distribution.probs.array, value.array
    kl = {"old-new": old * np.log(old / new), "new-old": new * np.log(new / old)}
    means = {name: terms.sum(1).mean() for name, terms in kl.items()}
    assert abs(means["old-new"] / means["new-old"] - 1) > 0.01
    ratio = np.exp(np.log(new[np.arange(12), batch.action]) - batch.log_prob)
    expected = (
        -(ratio * batch.advantage).mean()
        + 3 * means[direction]
        + 0.25 * ((v - batch.target) ** 2).mean()
        - 0.5 * -(new * np.log(new)).sum(1).mean()
    )
    losses = agent.losses(batch.map(agent.tensor))
    assert losses.kl.item() == pytest.approx(means[direction])
    assert losses.total.item() == pytest.approx(expected)


def test_the_two_directions_of_normal_policies() -> None:
    """KL(N(m, s) ‖ N(n, t)) = log t/s + (s² + (m - n)²) / 2t² - ½."""

    def kl(m, s, n, t) -> float:
        return float((np.log(t / s) + (s**2 + (m - n) ** 2) / (2 * t**2) - 0.5).sum(1).mean())

    found = []
    for direction in ("old-new", "new-old"):
        agent = small("Pendulum-v1", kl_direction=direction, normalize_observations=False)
        head = agent.network.policy.head
        head.log_std.array[...] = -0.3
        batch = batch_of(agent, 12)
        m, s = agent.predict_batch(batch.observation), np.exp(-0.3)
        for weight in agent.network.policy.parameters():
            weight.array[...] += 0.2
        n, t = agent.predict_batch(batch.observation), np.exp(-0.1)
        expected = kl(m, s, n, t) if direction == "old-new" else kl(n, t, m, s)
        found.append(agent.losses(batch.map(agent.tensor)).kl.item())
        assert found[-1] == pytest.approx(expected)
    assert abs(found[0] / found[1] - 1) > 0.05


@DIRECTIONS
def test_the_divergence_is_exact(direction: str) -> None:
    """It is of the whole distributions: which actions were drawn makes no difference."""
    agent = small(kl_direction=direction)
    batch = moved_from(agent)
    others = batch._replace(action=1 - batch.action, log_prob=batch.log_prob - 1)
    assert agent.losses(others.map(agent.tensor)).kl.item() == agent.losses(batch.map(agent.tensor)).kl.item() > 0.01


def test_without_a_penalty_nothing_holds_the_ratio() -> None:
    """Unlike PPO's clip: the loss is the plain surrogate."""
    agent = small(normalize_advantages=False)
    batch = moved_from(agent)
    distribution, _ = agent.network(agent.tensor(batch.observation))
    ratio = log_ratio(distribution, batch.map(agent.tensor)).exp().array
    assert (np.abs(ratio - 1) > 0.2).any()
    assert agent.losses(batch.map(agent.tensor)).policy.item() == pytest.approx(-(ratio * batch.advantage).mean())


# -- β


@pytest.mark.parametrize(
    ("kl", "beta"),
    [(0.031, 8.0), (0.029, 4.0), (0.02, 4.0), (0.0134, 4.0), (0.0132, 2.0), (0.0, 2.0), (float("nan"), 4.0)],
)
def test_beta_adapts(kl: float, beta: float) -> None:
    """Target 0.02: doubled above 0.03, halved below 0.0133."""
    penalty = Penalty(4.0)
    penalty.adapt(kl, 0.02)
    assert penalty.beta == beta


def test_beta_is_never_zero_and_never_infinite() -> None:
    """It comes back, however long the policy stood still."""
    penalty = Penalty(1.0)
    for _ in range(2_000):
        penalty.adapt(0.0, 0.01)
    assert penalty.beta > 0
    for _ in range(25):
        penalty.adapt(1.0, 0.01)
    assert penalty.beta > 1
    for _ in range(2_000):
        penalty.adapt(1.0, 0.01)
    assert np.isfinite(penalty.beta)


@DIRECTIONS
def test_beta_adapts_once_a_rollout_to_the_whole_divergence(direction: str) -> None:
    agent = PPOKL(ENV, rollout_steps=32, batch_size=8, epochs=3, hidden=(8,), kl_direction=direction)
    adapted, betas, batches, figures = [], [], [], []
    adapt, losses, improve = agent.penalty.adapt, agent.losses, agent.improve

    def improving(batch: Batch):
        found = improve(batch)
        old = np.exp(batch.policy.astype(np.float64))
        new = agent.network.policy(agent.tensor(batch.observation)).probs.array.astype(np.float64)
        p, q = (old, new) if direction == "old-new" else (new, old)
        batches.append((p * np.log(p / q)).sum(1).mean())
        figures.append(found[-2:])
        return found

    agent.penalty.adapt = lambda *given: (adapted.append(given), adapt(*given))  # type: ignore[method-assign]
    agent.losses = lambda batch, beta: (betas.append(beta), losses(batch, beta))[1]  # type: ignore
    agent.improve = improving  # type: ignore[method-assign]
    agent.learn(4 * 32 * agent.num_envs)
    rollouts = len(batches)
    assert rollouts == 4
    assert [target for _, target in adapted] == [0.01] * rollouts
    np.testing.assert_allclose([kl for kl, _ in adapted], batches, rtol=1e-3, atol=1e-6)
    assert max(batches) > 1e-3  # from the policy of the rollout, not from the one that moves
    each = np.array(betas).reshape(rollouts, -1)
    assert figures == [[kl, beta] for (kl, _), beta in zip(adapted, each[:, 0], strict=True)]
    assert each.shape[1] > 3
    assert (each == each[:, :1]).all()  # none of the passes changes it
    assert len(set(each[:, 0])) > 1  # but the rollouts do


def test_beta_is_saved_and_goes_on(tmp_path) -> None:
    settings = dict(rollout_steps=16, batch_size=16, epochs=2, beta=1.0)
    agent = PPOKL(ENV, **settings).learn(200)
    beta = agent.penalty.beta
    assert beta != 1.0
    agent.save(tmp_path / "agent")
    loaded = PPOKL.load(tmp_path / "agent")
    assert loaded.penalty.beta == beta
    assert_same_state(agent.learn(200), loaded.learn(200))
    assert agent.penalty.beta != beta


def test_a_dear_divergence_keeps_the_policy_near() -> None:
    kls = []
    for beta in (1e-3, 100.0):
        agent = PPOKL(ENV, rollout_steps=64, batch_size=64, epochs=30, beta=beta, anneal_learning_rate=False)
        kls.append(agent.learn(64 * agent.num_envs).metrics.take()["kl"])
    assert kls[0] > 0.05
    assert kls[1] < kls[0] / 20


# -- what it offers


def test_its_hyperparameters_are_its_own() -> None:
    """PPO's clip and early end have no place here, nor has β there."""
    for kind, name in ((PPOKL, "clip"), (PPOKL, "anneal_clip"), (PPOKL, "target_kl"), (PPO, "beta")):
        with pytest.raises(UsageError, match=f"no hyper-parameter is called '{name}'"):
            kind(ENV, **{name: 0.1})
    with pytest.raises(UsageError, match="kl_direction must be one of old-new, new-old"):
        PPOKL(ENV, kl_direction="old")


def test_metrics_are_those_promised() -> None:
    metrics = PPOKL(ENV, rollout_steps=8, batch_size=4).learn(24).metrics.take()
    assert set(metrics) == {
        *("policy_loss", "value_loss", "entropy", "kl", "beta", "gradient_norm", "explained_variance")
    }
    assert all(np.isfinite(value) for value in metrics.values())


def test_columns_are_refused() -> None:
    agent = small(normalize_advantages=False)
    batch = moved_from(agent)
    for field in ("advantage", "log_prob", "value", "target"):
        with pytest.raises((ValueError, RuntimeError), match=r"\(12, 12?\)"):
            agent.losses(batch._replace(**{field: getattr(batch, field)[:, None]}).map(agent.tensor))
    with pytest.raises(ValueError, match="kl_divergence"):
        agent.losses(batch._replace(policy=batch.policy[:, None]).map(agent.tensor))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_cart_pole(seed: int) -> None:
    agent = PPOKL("CartPole-v1", seed=seed).learn(100_000)
    assert evaluate(agent, episodes=20).mean >= 495
