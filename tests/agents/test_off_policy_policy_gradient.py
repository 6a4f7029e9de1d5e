"""The off-policy policy gradient agent: that it climbs the target policy's gradient with the behaviour policy's
episodes, exactly on a problem with few of them, and from the episodes that it plays itself."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest

from agents import OffPolicyPolicyGradient, evaluate
from agents.core.rollout import Trajectory, joined
from agents.policy_gradient.exact import average_value, average_value_gradient, softmax
from agents.policy_gradient.returns import rewards_to_go
from envs import UsageError
from envs.model import model_of
from tests.agents.conftest import Near
from tests.agents.test_policy_gradient import (
    Branching,
    estimates,
    every_trajectory,
    exact_gradient,
    in_float64,
    log_probabilities,
)


class Leaning(OffPolicyPolicyGradient):
    """Plays the first action the more often the further on the episode is."""

    def behaviour(self, observation: np.ndarray) -> np.ndarray:
        first = 0.3 + 0.2 * observation[:, 0]
        return np.stack([first, 1 - first], axis=1)


def agent_in_branching(kind: type = Leaning, **hyperparameters) -> OffPolicyPolicyGradient:
    agent = kind(Branching, hidden=(4,), activation="tanh", gamma=1.0, seed=1, **hyperparameters)
    in_float64(agent)
    for weight in agent.weights:  # away from the uniform policy
        weight.data *= 3
    return agent


def chance_of(agent, trajectory: Trajectory) -> float:
    """b(a_0 | s_0) b(a_1 | s_1) ...; the environment itself isn't random."""
    probability = agent.behaviour(trajectory.observation)
    return float(np.prod([row[action] for row, action in zip(probability, trajectory.action, strict=True)]))


@pytest.mark.parametrize("weights", ["per-decision", "trajectory"])
@pytest.mark.parametrize("kind", [OffPolicyPolicyGradient, Leaning])
def test_on_average_over_the_behaviours_episodes_it_is_the_targets_gradient(kind: type, weights: str) -> None:
    agent, trajectories = (
        agent_in_branching(kind, weights=weights, importance_sampling="ordinary"),
        every_trajectory(),
    )
    chance = np.array([chance_of(agent, one) for one in trajectories])
    assert chance.sum() == pytest.approx(1)
    target = np.exp(log_probabilities(agent, trajectories).detach().numpy())
    assert np.abs(np.log(target / chance)).max() > 0.5
    np.testing.assert_allclose(
        chance @ estimates(agent, trajectories), exact_gradient(agent), rtol=1e-6, atol=1e-8
    )


def of_different_lengths() -> list[Trajectory]:
    rng = np.random.default_rng(0)
    lengths, found = (3, 1, 2), []
    for length in lengths:
        seen = rng.integers(0, 3, size=(length, 2)).astype(np.float64)
        found.append(Trajectory(seen, rng.integers(0, 2, size=length), rng.normal(size=length), True, seen[0]))
    return found


@pytest.mark.parametrize("weights", ["per-decision", "trajectory"])
@pytest.mark.parametrize("importance_sampling", ["ordinary", "weighted"])
def test_credit_written_out(weights: str, importance_sampling: str) -> None:
    """With loops; an episode that has ended keeps its weight."""
    trajectories = of_different_lengths()
    agent = agent_in_branching(weights=weights, importance_sampling=importance_sampling)
    agent.hyperparameters = agent.hyperparameters.with_values(gamma=0.8)
    ratios = []
    for one in trajectories:
        target = np.exp(agent.policy(agent.tensor(one.observation)).log_prob(agent.tensor(one.action)).detach().numpy())
        behaviour = agent.behaviour(one.observation)
        ratios.append([target[t] / behaviour[t, action] for t, action in enumerate(one.action)])

    def weight(i: int, t: int) -> float:
        return float(np.prod(ratios[i][: t + 1] if weights == "per-decision" else ratios[i]))

    expected = []
    for i, one in enumerate(trajectories):
        for t in range(len(one.reward)):
            credit = 0.0
            for k in range(t, len(one.reward)):
                mean = np.mean([weight(j, k) for j in range(3)]) if importance_sampling == "weighted" else 1.0
                credit += 0.8 ** (k - t) * weight(i, k) / mean * one.reward[k]
            expected.append(credit)
    np.testing.assert_allclose(agent.credit(trajectories), expected, rtol=1e-12)
    whole = np.array([np.prod(each) for each in ratios])
    assert agent.figures == (pytest.approx(whole.sum() ** 2 / (whole**2).sum()),)


def small_grid() -> gym.Env:
    return gym.make("minigrad/GridWorld-v0", map="S.H\nB.G")


def test_the_gradient_is_recovered_from_the_episodes_it_plays() -> None:
    """A table of logits on a small grid, from random play: within three standard errors of the exact gradient in every
    component; without the weights, far from it."""
    agent = OffPolicyPolicyGradient(small_grid, hidden=(), gamma=1.0, num_envs=50, importance_sampling="ordinary")
    table, bias = agent.weights  # (actions, states) and (actions,)
    bias.data *= 0
    table.data[:] = agent.tensor(np.random.default_rng(0).normal(scale=0.5, size=(4, 6)).astype(np.float32))
    policy, model = softmax(table.detach().numpy().T), model_of(small_grid())
    exact = average_value_gradient(model, policy, 1.0)

    found: list[Trajectory] = []
    agent.learn_from = found.extend
    while len(found) < 8_000:
        transition = agent.environments.step(agent.act(agent.environments.observation))
        agent.observe(transition)
        agent.update(len(transition.env))
    assert all(one.terminated for one in found)
    observation, action = joined(found)
    episode = np.repeat(np.arange(len(found)), [len(one.reward) for one in found])

    def errors(credit: np.ndarray) -> np.ndarray:
        """In standard errors."""
        each = np.zeros((len(found), 6, 4))
        np.add.at(each, (episode, observation, action), credit)
        each = (each - each.sum(2, keepdims=True) * policy)[:, ~model.terminal]
        return (each.mean(0) - exact[~model.terminal]) / (each.std(0) / np.sqrt(len(found)))

    assert np.abs(errors(agent.credit(found))).max() < 3
    unweighted = np.concatenate([rewards_to_go(one.reward, 1.0) for one in found])
    assert np.abs(errors(unweighted)).max() > 10

    # What the loss hands to the optimizer is that estimate.
    loss = agent.loss(agent.policy(agent.tensor(observation)), action, agent.credit(found), len(found))
    loss.backward()
    total = np.zeros((6, 4))
    np.add.at(total, (observation, action), agent.credit(found) / len(found))
    np.testing.assert_allclose(-table.grad.numpy().T, total - total.sum(1, keepdims=True) * policy, atol=1e-4)


def test_it_plays_the_behaviour_policy_and_shows_the_target() -> None:
    agent = Leaning(Branching, hidden=(), seed=0)
    observation = np.repeat(np.float32([[0, 0], [1, 1], [2, 0]]), 4_000, axis=0)
    played = agent.act(observation).reshape(3, -1)
    np.testing.assert_allclose((played == 0).mean(1), [0.3, 0.5, 0.7], atol=0.03)
    agent.weights[1].data[:] = agent.tensor(np.float32([-9, 9]))
    agent.weights[0].data *= 0
    assert (agent.predict(observation) == 1).all()
    assert (agent.predict(observation, deterministic=False) == 1).all()


def test_several_updates_from_the_same_episodes() -> None:
    """Each with new weights: the second effective sample size is another."""
    agent = OffPolicyPolicyGradient(Branching, seed=0, updates=3, learning_rate=0.1)
    seen = []
    agent.metrics.add = lambda *values: seen.append(dict(zip(agent.metric_names, values, strict=True)))
    while not seen:
        agent.learn(1)
    sizes = [metrics["effective_sample_size"] for metrics in seen]
    assert len(set(sizes)) == 3
    assert all(1 <= size <= 16 for size in sizes)
    assert sizes[0] > sizes[1] > sizes[2]  # away from the behaviour, fewer of its episodes count


def test_errors() -> None:
    with pytest.raises(UsageError, match="with one episode an update, weighted importance sampling corrects nothing"):
        OffPolicyPolicyGradient(Branching, episodes=1)
    OffPolicyPolicyGradient(Branching, episodes=1, importance_sampling="ordinary")
    OffPolicyPolicyGradient(Branching, episodes=1, num_envs=2)

    class Unfair(OffPolicyPolicyGradient):
        def behaviour(self, observation: np.ndarray) -> np.ndarray:
            return np.full((len(observation), 2), 0.6)

    class OneForAll(OffPolicyPolicyGradient):
        def behaviour(self, observation: np.ndarray) -> np.ndarray:
            return np.array([0.5, 0.5])

    with pytest.raises(UsageError, match=r"with sum 1 in each row; got shape \(1, 2\), sums \[1.2\]"):
        Unfair(Branching).learn(1)
    with pytest.raises(UsageError, match=r"for every observation: \(1, 2\), .* got shape \(2,\)"):
        OneForAll(Branching).learn(1)


def test_continuous_actions() -> None:
    agent = OffPolicyPolicyGradient(Near, num_envs=16, hidden=(8,), episodes=64, learning_rate=0.02).learn(8_000)
    assert agent.predict(np.zeros(1))[0] == pytest.approx(0.4, abs=0.15)
    assert agent.policy.head.log_std.item() < -0.3


def test_learns_the_way_from_random_play() -> None:
    agent = OffPolicyPolicyGradient("minigrad/GridWorld-v0", seed=0).learn(50_000)
    assert evaluate(agent, episodes=1).lengths.tolist() == [5]
    model = model_of(gym.make("minigrad/GridWorld-v0"))
    policy = softmax(agent.policy(agent.tensor(np.arange(12))).logits.detach().numpy().astype(np.float64))
    uniform = np.full((12, 4), 0.25)
    assert average_value(model, policy, 0.9) > average_value(model, uniform, 0.9) + 0.1
