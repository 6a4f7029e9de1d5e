"""Policies: probabilities by hand, draws with those frequencies, and shapes that would broadcast into nonsense."""

from __future__ import annotations

import numpy as np
import pytest
from gymnasium import spaces

import minigrad as mg
import minigrad.nn as nn
from agents.networks.policies import CategoricalHead, NormalHead, Policy, make_policy
from minigrad.distributions import kl_divergence

OBSERVATIONS = spaces.Box(-1, 1, (3,), np.float32)
SPACES = {
    "discrete": spaces.Discrete(4),
    "started": spaces.Discrete(3, start=5),
    "vector": spaces.Box(-1, 1, (2,), np.float32),
    "matrix": spaces.Box(-1, 1, (2, 3), np.float64),
    "number": spaces.Box(-1, 1, (), np.float32),
}


def test_an_observation_may_be_a_single_number() -> None:
    policy = make_policy(spaces.Box(-1, 1, (), np.float32), spaces.Discrete(4), (8,))
    one, other = policy(mg.from_numpy(np.float32([0.1, 0.7]))).logits.array
    assert one.shape == (4,)
    assert np.abs(one - other).max() > 1e-3


def made(space: spaces.Space, hidden: tuple[int, ...] = (8,)) -> Policy:
    mg.manual_seed(0)
    return make_policy(OBSERVATIONS, space, hidden)


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES.keys())
def test_shapes(space: spaces.Space) -> None:
    policy, observation = made(space), mg.randn(6, 3)
    distribution = policy(observation)
    for rng in (None, np.random.default_rng(0)):
        action = policy.choose(observation, rng)
        assert action.shape == (6, *space.shape)
        log_prob = distribution.log_prob(mg.from_numpy(action))
        assert log_prob.shape == distribution.entropy().shape == (6,)
        assert log_prob.requires_grad
        assert log_prob.dtype == mg.float32


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES.keys())
def test_a_column_of_actions_is_refused(space: spaces.Space) -> None:
    """(6, 1) against (6,) would judge every action under every state's policy."""
    policy, observation = made(space), mg.randn(6, 3)
    action = policy.choose(observation, None)
    with pytest.raises(ValueError, match="shape"):
        policy(observation).log_prob(mg.from_numpy(action[:, None]))


def test_categorical_by_hand() -> None:
    head = CategoricalHead(nn.Linear(3, 4))
    features = np.float32([[0.5, -1, 2], [1, 0, 0]])
    logits = features @ head.output.weight.array.T + head.output.bias.array
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    distribution = head(mg.from_numpy(features))
    np.testing.assert_allclose(distribution.probs.array, p, rtol=1e-5)
    np.testing.assert_allclose(distribution.log_prob(mg.tensor([2, 3])).array, np.log(p[[0, 1], [2, 3]]), rtol=1e-5)
    np.testing.assert_allclose(distribution.entropy().array, -(p * np.log(p)).sum(1), rtol=1e-5)
    assert head.choose(mg.from_numpy(features), None).tolist() == p.argmax(1).tolist()


def test_categorical_draws_with_its_probabilities() -> None:
    head = CategoricalHead(nn.Linear(1, 3))
    with mg.no_grad():
        head.output.weight.zero_()
        head.output.bias.copy_(mg.tensor([5.0, 6.0, 3.0]))
    n = 40_000
    drawn = head.choose(mg.zeros(n, 1), np.random.default_rng(1))
    p = head(mg.zeros(1, 1)).probs.detach().numpy()[0]
    error = np.sqrt(p * (1 - p) / n)
    assert (np.abs(np.bincount(drawn, minlength=3) / n - p) < 4 * error).all()


def test_normal_by_hand() -> None:
    head = NormalHead(nn.Linear(3, 2), (2,))
    with mg.no_grad():
        head.log_std.copy_(mg.tensor([-0.5, 0.25]))
    features = np.float32([[0.5, -1, 2], [1, 0, 0]])
    mean = features @ head.output.weight.array.T + head.output.bias.array
    std, action = np.exp([-0.5, 0.25]), np.float32([[0.1, 4.0], [-2.0, 0.0]])
    density = np.exp(-(((action - mean) / std) ** 2) / 2) / (std * np.sqrt(2 * np.pi))
    distribution = head(mg.from_numpy(features))
    np.testing.assert_allclose(distribution.log_prob(mg.from_numpy(action)).array, np.log(density).sum(1), rtol=1e-5)
    np.testing.assert_allclose(distribution.entropy().array, np.log(std * np.sqrt(2 * np.pi * np.e)).sum(), rtol=1e-5)
    np.testing.assert_array_equal(head.choose(mg.from_numpy(features), None), distribution.mean.detach().numpy())
    n = 40_000
    drawn = head.choose(mg.from_numpy(features[:1].repeat(n, 0)), np.random.default_rng(1))
    assert (np.abs(drawn.mean(0) - mean[0]) < 4 * std / np.sqrt(n)).all()
    assert (np.abs(drawn.std(0) / std - 1) < 4 / np.sqrt(2 * n)).all()


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES.keys())
def test_draws_follow_the_given_generator_alone(space: spaces.Space) -> None:
    policy, observation = made(space), mg.randn(50, 3)
    engine = mg.random.get_state()
    first = policy.choose(observation, np.random.default_rng(3))
    np.testing.assert_array_equal(first, policy.choose(observation, np.random.default_rng(3)))
    assert not np.array_equal(first, policy.choose(observation, np.random.default_rng(4)))
    assert mg.random.get_state() == engine


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES.keys())
def test_a_distribution_can_be_kept_as_numbers(space: spaces.Space) -> None:
    """All of it, a row for each observation, and as a constant."""
    policy, observation = made(space), mg.randn(6, 3)
    if isinstance(policy.head, NormalHead):
        policy.head.log_std.array[...] = np.random.default_rng(0).normal(size=space.shape)
    distribution = policy(observation)
    numbers, rows = policy.head.numbers_of(distribution), np.array([4, 1, 5])
    assert len(numbers) == 6
    kept = policy.head.distribution_of(mg.from_numpy(numbers[rows]))
    action = mg.from_numpy(policy.choose(observation, np.random.default_rng(0))[rows])
    again = policy(observation[rows])
    np.testing.assert_allclose(kept.log_prob(action).array, again.log_prob(action).array, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(kept.entropy().array, again.entropy().array, rtol=1e-5)
    np.testing.assert_allclose(kl_divergence(kept, again).array, 0, atol=1e-6)
    assert not kept.log_prob(action).requires_grad
