"""Importance sampling, against a problem with a known gradient: by brute force over all episodes there are, and from
many that were played."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.core.planning import uniform_policy
from agents.policy_gradient.exact import average_value, average_value_gradient, softmax
from agents.policy_gradient.importance import (
    effective_sample_size,
    ordinary,
    padded,
    per_decision_log_weights,
    trajectory_log_weights,
    weighted,
)
from agents.policy_gradient.returns import rewards_to_go
from agents.policy_gradient.sampling import Episodes, gradients, log_probabilities, play
from envs import UsageError
from envs.model import Model

GAMMA = 0.9


def layered(steps: int, seed: int) -> Model:
    """Two states at each of `steps` times, two actions with random consequences, and then the end: rewards all along
    the way, and few enough episodes to list them all."""
    rng = np.random.default_rng(seed)
    states = 2 * steps + 1
    probability, reward = np.zeros((states, 2, states)), rng.normal(size=(states, 2))
    for s in range(2 * (steps - 1)):
        following = 2 * (s // 2 + 1)
        probability[s, :, following : following + 2] = rng.dirichlet([1, 1], size=2)
    probability[2 * (steps - 1) :, :, -1] = 1
    reward[-1] = 0
    terminal = np.arange(states) == states - 1
    return Model(probability, reward, terminal, np.eye(states)[0])


def policies(model: Model, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A target and a behaviour that differ."""
    rng = np.random.default_rng(seed)
    target, behaviour = rng.normal(size=(2, *model.reward.shape))
    return softmax(1.2 * target), softmax(0.5 * behaviour)


def all_episodes(model: Model, behaviour: np.ndarray, steps: int) -> tuple[np.ndarray, Episodes]:
    """The probability of every episode there is, and the episodes."""
    found = []
    for actions in itertools.product(range(2), repeat=steps):
        for later in itertools.product(range(2), repeat=steps - 1):
            states = [0, *(2 * (t + 1) + which for t, which in enumerate(later)), 2 * steps]
            chance, rewards = 1.0, []
            for s, a, following in zip(states, actions, states[1:], strict=False):
                chance *= behaviour[s, a] * model.probability[s, a, following]
                rewards.append(model.reward[s, a])
            found.append((chance, states[:-1], actions, rewards, states[1:]))
    chance, state, action, reward, following = (np.array(column) for column in zip(*found, strict=True))
    return chance, Episodes(state, action, reward, following, np.ones(state.shape, np.bool_))


def estimates(model: Model, target: np.ndarray, behaviour: np.ndarray, episodes: Episodes, log_weights) -> np.ndarray:
    """Each episode's estimate of the target's gradient, (N, states, actions); `log_weights` of the two
    log-probabilities."""
    weights = ordinary(log_weights(log_probabilities(target, episodes), log_probabilities(behaviour, episodes)))
    discount = GAMMA ** np.arange(episodes.state.shape[1])
    return gradients(target, episodes, discount * rewards_to_go((weights * episodes.reward).T, GAMMA).T)


UNBIASED = [per_decision_log_weights, trajectory_log_weights]
WRONG = {
    "left out": lambda target, behaviour: 0 * target,
    "the wrong way round": lambda target, behaviour: per_decision_log_weights(behaviour, target),
    "of one step only": lambda target, behaviour: target - behaviour,
    "without the last action": lambda target, behaviour: per_decision_log_weights(target, behaviour)
    - (target - behaviour),
}


# -- the expectation, exactly


@pytest.mark.parametrize("log_weights", UNBIASED)
@pytest.mark.parametrize("seed", range(5))
def test_the_gradient_is_recovered_exactly_from_all_episodes(log_weights, seed: int) -> None:
    model = layered(4, seed)
    target, behaviour = policies(model, seed)
    chance, episodes = all_episodes(model, behaviour, 4)
    assert chance.sum() == pytest.approx(1)
    expected = np.tensordot(chance, estimates(model, target, behaviour, episodes, log_weights), 1)
    np.testing.assert_allclose(expected, average_value_gradient(model, target, GAMMA), atol=1e-12)


@pytest.mark.parametrize("wrong", WRONG)
def test_it_is_not_with_wrong_weights(wrong: str) -> None:
    model = layered(4, 0)
    target, behaviour = policies(model, 0)
    chance, episodes = all_episodes(model, behaviour, 4)
    expected = np.tensordot(chance, estimates(model, target, behaviour, episodes, WRONG[wrong]), 1)
    assert np.abs(expected - average_value_gradient(model, target, GAMMA)).max() > 0.01


@pytest.mark.parametrize("seed", range(5))
def test_per_decision_weights_are_the_less_noisy(seed: int) -> None:
    model = layered(5, seed)
    target, behaviour = policies(model, seed)
    chance, episodes = all_episodes(model, behaviour, 5)
    per_decision, trajectory = (
        np.tensordot(chance, estimates(model, target, behaviour, episodes, log_weights) ** 2, 1).sum()
        - (average_value_gradient(model, target, GAMMA) ** 2).sum()
        for log_weights in UNBIASED
    )
    assert 0 < per_decision < trajectory


def test_the_weights_mean_one() -> None:
    """E_b[ρ] = 1, and E_b[ρ R] = E_π[R]: the target's own value."""
    model = layered(4, 1)
    target, behaviour = policies(model, 1)
    chance, episodes = all_episodes(model, behaviour, 4)
    logs = log_probabilities(target, episodes), log_probabilities(behaviour, episodes)
    for log_weights in UNBIASED:
        weights = ordinary(log_weights(*logs))
        np.testing.assert_allclose(chance @ weights, 1, atol=1e-12)
        value = chance @ (weights * episodes.reward) @ GAMMA ** np.arange(4)
        assert value == pytest.approx(average_value(model, target, GAMMA), abs=1e-12)


# -- from samples


def errors_in_standard_errors(log_weights, episodes: Episodes, model: Model, target, behaviour) -> np.ndarray:
    each = estimates(model, target, behaviour, episodes, log_weights)[:, ~model.terminal]
    exact = average_value_gradient(model, target, GAMMA)[~model.terminal]
    return (each.mean(0) - exact) / (each.std(0) / np.sqrt(len(each)))


def test_the_gradient_is_recovered_from_the_behaviours_episodes() -> None:
    """Of different lengths: episodes that end at random. Within three standard errors in every component."""
    rng = np.random.default_rng(0)
    probability = rng.dirichlet(np.full(4, 1.0), size=(4, 2))
    probability[-1] = np.eye(4)[-1]
    reward = rng.normal(size=(4, 2))
    reward[-1] = 0
    model = Model(probability, reward, np.arange(4) == 3, np.array([0.5, 0.3, 0.2, 0.0]))
    target = softmax(rng.normal(size=(4, 2)))
    behaviour = uniform_policy(model)
    episodes = play(model, behaviour, 20_000, rng)
    lengths = episodes.going_on.sum(1)
    assert lengths.min() == 1
    assert lengths.max() > 10
    for log_weights in UNBIASED:
        assert np.abs(errors_in_standard_errors(log_weights, episodes, model, target, behaviour)).max() < 3
    for wrong in WRONG.values():
        assert np.abs(errors_in_standard_errors(wrong, episodes, model, target, behaviour)).max() > 10


def test_after_its_end_an_episode_is_left_alone() -> None:
    """Whatever the credit: its last state is terminal, where no action means anything."""
    model = Model(
        np.array([[[0.5, 0.5], [0.0, 1.0]], [[0.0, 1.0], [0.0, 1.0]]]),
        np.array([[1.0, 2.0], [0.0, 0.0]]), np.array([False, True]), np.array([1.0, 0.0]),
    )  # fmt: skip
    policy = np.array([[0.75, 0.25], [0.5, 0.5]])
    episodes = play(model, policy, 500, np.random.default_rng(0))
    lengths = episodes.going_on.sum(1)
    assert len(set(lengths.tolist())) > 3
    np.testing.assert_array_equal(episodes.going_on, np.arange(lengths.max()) < lengths[:, None])
    np.testing.assert_array_equal(episodes.reward, np.where(episodes.going_on, 1.0 + episodes.action, 0.0))
    np.testing.assert_array_equal(episodes.next_state[:, -1], 1)
    each = gradients(policy, episodes, np.ones(episodes.state.shape))
    first = (episodes.going_on & (episodes.action == 0)).sum(1)
    np.testing.assert_allclose(each[:, 0, 0], first - 0.75 * lengths)
    assert (each[:, 1] == 0).all()


# -- the functions


def test_by_hand() -> None:
    target, behaviour = np.log([[0.5, 0.5], [0.25, 1.0]]), np.log([[0.5, 0.25], [0.5, 1.0]])
    np.testing.assert_allclose(ordinary(per_decision_log_weights(target, behaviour)), [[1, 2], [0.5, 0.5]])
    np.testing.assert_allclose(ordinary(trajectory_log_weights(target, behaviour)), [[2, 2], [0.5, 0.5]])
    np.testing.assert_allclose(weighted(np.log([2.0, 0.5, 0.5])), [2, 0.5, 0.5])
    np.testing.assert_allclose(weighted(np.log([6.0, 1.0, 2.0])), [2, 1 / 3, 2 / 3])
    np.testing.assert_array_equal(padded([np.array([1.0, 2.0, 3.0]), np.array([4.0])]), [[1, 2, 3], [4, 0, 0]])


def test_errors() -> None:
    with pytest.raises(ValueError, match=r"log-probabilities have shape \(5, 3\) but the behaviour's \(5, 1\)"):
        per_decision_log_weights(np.zeros((5, 3)), np.zeros((5, 1)))
    with pytest.raises(UsageError, match="after 3 steps some episodes have not ended"):
        play(layered(4, 0), uniform_policy(layered(4, 0)), 10, np.random.default_rng(0), longest=3)


def test_effective_sample_size_by_hand() -> None:
    assert effective_sample_size(np.zeros(7)) == pytest.approx(7)
    assert effective_sample_size(np.array([0.0, -800.0, -800.0])) == pytest.approx(1)
    assert effective_sample_size(np.log([3.0, 1.0])) == pytest.approx(16 / 10)
    np.testing.assert_allclose(effective_sample_size(np.array([[0.0, 0.0], [0.0, -800.0]])), [2, 1])


LOG_WEIGHTS = st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=20).map(np.array)


@settings(max_examples=100, deadline=None)
@given(LOG_WEIGHTS, st.floats(-1e3, 1e3))
def test_weights_of_any_size(log_weights: np.ndarray, shift: float) -> None:
    """Of long episodes the weights themselves are larger than any number; only their proportions count."""
    size = effective_sample_size(log_weights)
    assert 1 - 1e-9 <= size <= len(log_weights) + 1e-9
    assert effective_sample_size(log_weights + shift) == pytest.approx(size, rel=1e-9)
    normalised = weighted(log_weights)
    assert normalised.mean() == pytest.approx(1)
    np.testing.assert_allclose(weighted(log_weights + shift), normalised, rtol=1e-9)
    # N / (1 + the squared coefficient of variation) is the same figure.
    assert size == pytest.approx(len(log_weights) / (1 + normalised.var()), rel=1e-9)


@settings(max_examples=50, deadline=None)
@given(LOG_WEIGHTS, st.integers(0, 1_000))
def test_a_weighted_estimate_is_never_beyond_what_was_seen(log_weights: np.ndarray, seed: int) -> None:
    seen = np.random.default_rng(seed).normal(size=len(log_weights))
    assert seen.min() - 1e-9 <= (weighted(log_weights) * seen).mean() <= seen.max() + 1e-9


def test_the_weighted_estimates_bias_fades() -> None:
    """With one episode it estimates the behaviour's value, with many the target's."""
    model = layered(4, 3)
    target, behaviour = policies(model, 3)
    rng = np.random.default_rng(0)
    value, other = (average_value(model, policy, GAMMA) for policy in (target, behaviour))
    errors = {}
    for number in (1, 10, 1_000):
        found = []
        for _ in range(30_000 // max(number, 10)):
            episodes = play(model, behaviour, number, rng)
            logs = log_probabilities(target, episodes), log_probabilities(behaviour, episodes)
            returns = (weighted(per_decision_log_weights(*logs)) * episodes.reward) @ GAMMA ** np.arange(4)
            found.append(returns.mean())
        errors[number] = np.mean(found) - value, np.std(found) / np.sqrt(len(found))
    assert abs(errors[1][0] - (other - value)) < 4 * errors[1][1]
    assert abs(errors[1_000][0]) < 4 * errors[1_000][1]
    assert abs(errors[1][0]) > 3 * abs(errors[10][0]) > 0
