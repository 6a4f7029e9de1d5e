"""Off-policy Actor-Critic: on average over what the behaviour policy meets, its actor's update is the target's in
closed form, and its critic's values are the target's."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest

import minigrad as mg
from agents import ActorCritic, OffPolicyActorCritic, evaluate
from agents.memory.rollout import Steps
from agents.policy_gradient.actor_critic import td_errors
from agents.policy_gradient.exact_policy_gradient import (
    average_value_gradient,
    continuing,
    policy_gradient,
    softmax,
    stationary_distribution,
)
from agents.policy_gradient.off_policy_actor_critic import weighted_squared_error
from agents.policy_gradient.parts.behaviour import log_probability
from agents.tabular.parts.planning import action_values, evaluate_policy
from envs import UsageError
from envs.model import model_of
from minigrad.distributions import Independent, Normal
from tests.agents.conftest import Near
from tests.agents.gradients import numeric_gradient
from tests.agents.test_off_policy_policy_gradient import small_grid
from tests.agents.test_policy_gradient import Branching

GAMMA = 0.9
B = np.array([0.4, 0.1, 0.2, 0.3])  # up, down, left, right


class Leaning(OffPolicyActorCritic):
    """Up and right more often than down and left."""

    def behaviour(self, observation: np.ndarray) -> np.ndarray:
        return np.tile(B, (len(observation), 1))


def on_a_table(**hyperparameters) -> tuple[Leaning, np.ndarray]:
    """An agent whose two networks are tables over the six cells of a small grid, and its policy (states, actions)."""
    agent = Leaning(small_grid, hidden=(), gamma=GAMMA, max_gradient_norm=0.0, **hyperparameters)
    rng = np.random.default_rng(0)
    table, bias = agent.network.policy.parameters()  # (actions, states) and (actions,)
    table.array[:], bias.array[:] = rng.normal(scale=0.7, size=(4, 6)), 0.0
    return agent, softmax(table.array.T.astype(np.float64))


def log_of(agent: OffPolicyActorCritic, observation: np.ndarray, action: np.ndarray) -> np.ndarray:
    """log b(a | s), (k,)."""
    return log_probability(agent.action_space, agent.behaviour(observation), action)


def set_values(agent: Leaning, values: np.ndarray) -> None:
    weight, bias = agent.network.critic.parameters()
    weight.array[:], bias.array[:] = values, 0.0


def every_step() -> Steps:
    """Each action in each state that isn't terminal, once: (1, steps)."""
    model = model_of(small_grid())
    state, action = (column.ravel() for column in np.indices(model.reward.shape))
    going_on = ~model.terminal[state]
    state, action = state[going_on], action[going_on]
    following = model.probability[state, action].argmax(1)
    assert (model.probability.max(-1) == 1).all()  # nothing is left to chance
    never = np.zeros(len(state), bool)
    fields = (state, action, model.reward[state, action], model.terminal[following], never, following, ~never)
    return Steps(*(field[None] for field in fields))


# -- on average


def test_on_average_over_the_behaviours_states_the_actor_goes_where_the_closed_form_does() -> None:
    """Σ_s d_b(s) Σ_a ∇π(a | s) q_π(s, a), to the last digits, every step with the probability that b has it with."""
    agent, policy = on_a_table()
    model, steps = model_of(small_grid()), every_step()
    b = np.tile(B, (6, 1))
    visits = stationary_distribution(continuing(model), b)
    values = evaluate_policy(model, policy, GAMMA)
    set_values(agent, values)
    table = next(agent.network.policy.parameters())
    found = np.zeros((6, 4))
    for i in range(steps.reward.shape[1]):
        one = Steps(*(field[:, i : i + 1] for field in steps))
        agent.optimizer.step = lambda: None  # type: ignore[method-assign]
        agent.learn_from(one)
        state, action = one.observation[0, 0], one.action[0, 0]
        found -= visits[state] * b[state, action] * table.grad.array.T
    exact = policy_gradient(policy, visits, action_values(model, values, GAMMA))
    assert np.abs(exact).max() > 0.01
    np.testing.assert_allclose(found, exact, atol=1e-6)
    # It is not the gradient of Σ_s d_b(s) v_π(s), but in every state it goes the same way.
    whole = average_value_gradient(model, policy, GAMMA, start=visits)
    assert np.abs(whole - exact).max() > 0.01
    alive = ~model.terminal
    cosine = (whole * exact)[alive].sum(1) / np.linalg.norm(whole[alive], axis=1) / np.linalg.norm(exact[alive], axis=1)
    np.testing.assert_allclose(cosine, 1.0)


def test_the_actors_update_is_recovered_from_what_it_plays() -> None:
    """Within three standard errors in every component; without the weights, far from it."""
    agent, policy = on_a_table(num_envs=50, rollout_steps=1_000)
    model = model_of(small_grid())
    taken: list[Steps] = []
    agent.learn_from = lambda steps: taken.append(steps)  # type: ignore[method-assign]
    agent.learn(50_000)
    alive = ~model.terminal
    visits = stationary_distribution(continuing(model), np.tile(B, (6, 1)))
    values = evaluate_policy(model, policy, GAMMA)
    exact = policy_gradient(policy, visits, action_values(model, values, GAMMA))[alive]

    steps = taken[0]
    observation, action = steps.observation.ravel(), steps.action.ravel()
    np.testing.assert_allclose(np.bincount(observation, minlength=6) / 50_000, visits, atol=0.02)
    delta = td_errors(steps, values[observation], values[steps.next_observation.ravel()], GAMMA)

    def errors(weight: np.ndarray) -> np.ndarray:
        """In standard errors."""
        each = np.zeros((len(action), 6, 4))
        each[np.arange(len(action)), observation] = -policy[observation]
        each[np.arange(len(action)), observation, action] += 1.0
        each = (each * (weight * delta)[:, None, None])[:, alive]
        return (each.mean(0) - exact) / (each.std(0) / np.sqrt(len(action)))

    log_prob = agent.network.policy(agent.tensor(observation)).log_prob(agent.tensor(action)).array
    weight = np.exp(log_prob - log_of(agent, observation, action))
    assert np.abs(errors(weight)).max() < 3
    assert np.abs(errors(np.ones(len(action)))).max() > 10

    # What the agent hands to the optimizer is that estimate.
    del agent.learn_from
    set_values(agent, values)
    agent.optimizer.step = lambda: None  # type: ignore[method-assign]  # every update has the same gradient
    agent.learn_from(steps)
    table = next(agent.network.policy.parameters())
    estimate = np.zeros((6, 4))
    np.add.at(estimate, (observation, action), weight * delta / len(action))
    total = np.bincount(observation, weight * delta / len(action), 6)
    np.testing.assert_allclose(-table.grad.array.T, estimate - total[:, None] * policy, atol=1e-6)


@pytest.mark.parametrize("by_playing", [False, True])
def test_the_values_are_the_targets_not_the_behaviours(by_playing: bool) -> None:
    agent, policy = on_a_table(num_envs=64, rollout_steps=16, learning_rate=1e-12)
    model, alive = model_of(small_grid()), ~model_of(small_grid()).terminal
    if by_playing:
        for rate, steps in ((0.05, 100_000), (0.003, 200_000)):
            agent.optimizer.param_groups[1]["lr"] = rate
            agent.learn(steps)
    else:
        # Every action in every state once is uniform play, whatever b would do.
        agent.behaviour = lambda observation: np.full((len(observation), 4), 0.25)
        for rate in (0.02, 0.002, 0.0002):
            agent.optimizer.param_groups[1]["lr"] = rate
            for _ in range(400):
                agent.learn_from(every_step())
    found = agent.state_values(np.arange(6))[alive]
    exact = evaluate_policy(model, policy, GAMMA)[alive]
    others = evaluate_policy(model, np.tile(B if by_playing else [0.25] * 4, (6, 1)), GAMMA)[alive]
    np.testing.assert_allclose(found, exact, atol=0.03 if by_playing else 1e-3)
    assert np.abs(others - exact).max() > 0.1


# -- the losses


def steps_in(agent: ActorCritic, count: int = 6, seed: int = 0) -> Steps:
    """Steps of numbers drawn at random, (1, count), of actions that may be the agent's."""
    rng = np.random.default_rng(seed)
    observation, following = rng.normal(size=(2, count, *agent.observation_space.shape))
    action = agent.network.policy.choose(agent.tensor(observation), rng)
    ends = rng.random((2, count)) < 0.3
    fields = (observation, action, rng.normal(size=count), *ends, following, np.ones(count, bool))
    return Steps(*(field[None] for field in fields))


@pytest.mark.parametrize("env", [Branching, "Pendulum-v1"])
@pytest.mark.parametrize("shared", [False, True])
def test_gradient_of_the_loss(env, shared: bool) -> None:
    """By finite differences of the loss written out, with ρ, δ and the target as numbers."""
    agent = OffPolicyActorCritic(env, hidden=(4,), seed=1, shared=shared, max_gradient_norm=0.0)
    agent.network.double()
    for weight in agent.weights:  # away from the uniform policy
        weight.array[...] *= 4 if env is Branching else 2
    steps = steps_in(agent)
    observation, action = agent.tensor(steps.observation[0]), agent.tensor(steps.action[0])
    h, going_on = agent.hyperparameters, ~steps.terminated[0]
    log_prob = agent.network.policy(observation).log_prob(action).array
    if env is Branching:
        behaviour = np.full(6, np.log(0.5))
    else:  # N(0, 1), from -1 to 1
        behaviour = (-(steps.action[0] ** 2) / 2 - np.log(np.sqrt(2 * np.pi))).sum(1)
    rho = np.exp(log_prob - behaviour)
    assert rho.max() / rho.min() > 1.5
    v = agent.state_values(steps.observation[0])
    target = steps.reward[0] + h.gamma * going_on * agent.state_values(steps.next_observation[0])
    delta = target - v

    def loss() -> mg.Tensor:
        distribution, value = agent.network(observation)
        actor = -(agent.tensor(rho * delta) * distribution.log_prob(action)).mean()
        return actor + (agent.tensor(rho) * (value - agent.tensor(target)).square()).mean()

    numeric = numeric_gradient(loss, agent.weights)
    assert np.abs(numeric).max() > 1e-2
    agent.optimizer.step = lambda: None  # type: ignore[method-assign]
    agent.learn_from(steps)
    found = np.concatenate([p.grad.array.ravel() for p in agent.weights])
    np.testing.assert_allclose(found, numeric, rtol=1e-5, atol=1e-8)
    metrics = agent.metrics.take()
    assert metrics["effective_sample_size"] == pytest.approx(rho.sum() ** 2 / (rho**2).sum())
    assert metrics["value_loss"] == pytest.approx((rho * delta**2).mean())


class OfItself(OffPolicyActorCritic):
    """Plays what it learns."""

    def behaviour(self, observation):
        pi = self.network.policy(self.tensor(observation))
        if isinstance(pi, Independent):
            assert isinstance(pi.base_dist, Normal)
            return pi.base_dist.loc.array, np.broadcast_to(pi.base_dist.scale.array, pi.base_dist.loc.shape)
        return pi.probs.array


@pytest.mark.parametrize("env", [Branching, "Pendulum-v1"])
@pytest.mark.parametrize("shared", [False, True])
def test_with_its_own_behaviour_it_is_actor_critic(env, shared: bool) -> None:
    off, on = (kind(env, hidden=(4,), seed=1, shared=shared) for kind in (OfItself, ActorCritic))
    for agent in (off, on):
        agent.network.double()
    for seed in range(5):
        steps = steps_in(on, seed=seed)
        for agent in (off, on):
            agent.learn_from(steps)
        for a, b in zip(off.weights, on.weights, strict=True):
            np.testing.assert_allclose(a.array, b.array, rtol=1e-9, atol=1e-12)
    theirs, ours = on.metrics.take(), off.metrics.take()
    assert ours.pop("effective_sample_size") == pytest.approx(6)
    assert ours == pytest.approx(theirs)


def test_columns_are_refused() -> None:
    row, column = mg.zeros(4), mg.zeros(4, 1)
    for wrong in ((column, row, row), (row, column, row), (row, row, column)):
        with pytest.raises(ValueError, match=r"\(4, 1\)"):
            weighted_squared_error(*wrong)


# -- acting


def test_it_plays_the_behaviour_policy_and_shows_the_target() -> None:
    agent = OffPolicyActorCritic("Pendulum-v1", seed=0)
    observation = np.zeros((40_000, 3), np.float32)
    played = agent.act(observation)
    assert played.dtype == np.float32
    assert played.shape == (40_000, 1)
    assert abs(played.mean()) < 4 / 200
    assert abs(played.std() - 1) < 4 / np.sqrt(80_000)
    shown = agent.predict(observation[:2])  # a torque, up to 2
    np.testing.assert_array_equal(shown, 2 * agent.network.policy(agent.tensor(observation[:2])).mean.array)
    some = np.float32([[0.5], [-3.0]])
    expected = np.log(np.exp(-(some[:, 0] ** 2) / 2) / np.sqrt(2 * np.pi))
    np.testing.assert_allclose(log_of(agent, observation[:2], some), expected, rtol=1e-6)


def test_a_narrow_box_and_one_without_bounds() -> None:
    """The behaviour is as wide as the target is at the start, in the middle of the box."""

    class Several(Near):
        action_space = gym.spaces.Box(np.float32([-0.1, 2, -np.inf]), np.float32([0.3, 8, np.inf]))

    agent = OffPolicyActorCritic(Several)
    mean, std = agent.behaviour(np.zeros((2, 1)))
    np.testing.assert_array_equal(mean, np.zeros((2, 3)))
    np.testing.assert_array_equal(std, np.ones((2, 3)))
    np.testing.assert_allclose(agent.environments.for_env(mean), [[0.1, 5, 0]] * 2, rtol=1e-6)
    action = np.array([[0.6, 5, -2], [-0.9, 11, 0.5]])
    density = np.exp(-(((action - mean) / std) ** 2) / 2) / (std * np.sqrt(2 * np.pi))
    np.testing.assert_allclose(log_of(agent, np.zeros((2, 1)), action), np.log(density.prod(1)))


def test_several_updates_from_the_same_steps() -> None:
    """Each with new weights: away from the behaviour, fewer of its steps count."""
    agent = OffPolicyActorCritic(Branching, rollout_steps=16, updates=3, learning_rate=0.1)
    seen = []
    agent.metrics.add = lambda *values: seen.append(dict(zip(agent.metric_names, values, strict=True)))
    agent.learn(16)
    sizes = [metrics["effective_sample_size"] for metrics in seen]
    assert len(sizes) == 3
    assert 16 >= sizes[0] > sizes[1] > sizes[2] >= 1


def test_errors() -> None:
    class Column(OffPolicyActorCritic):
        def behaviour(self, observation):
            return np.zeros((len(observation), 1)), np.ones(len(observation))

    class Still(OffPolicyActorCritic):
        def behaviour(self, observation):
            return np.zeros((len(observation), 1)), np.zeros((len(observation), 1))

    class OneForAll(OffPolicyActorCritic):
        def behaviour(self, observation):
            return np.array([0.5, 0.5])

    with pytest.raises(UsageError, match=r"mean and standard deviation .* \(1, 1\) each, .*got \[\(1, 1\), \(1,\)\]"):
        Column("Pendulum-v1").learn(1)
    with pytest.raises(UsageError, match=r"the second above 0"):
        Still("Pendulum-v1").learn(1)
    with pytest.raises(UsageError, match=r"for every observation: \(1, 2\), .* got shape \(2,\)"):
        OneForAll(Branching).learn(1)
    with pytest.raises(UsageError, match=r"probability of every action for every observation: \(1, 2\)"):
        Column(Branching).learn(1)
    with pytest.raises(UsageError, match=r"got ndarray"):
        OneForAll("Pendulum-v1").learn(1)


# -- learning


def test_continuous_actions() -> None:
    agent = OffPolicyActorCritic(Near, num_envs=8, hidden=(8,), learning_rate=0.01).learn(16_000)
    assert agent.predict(np.zeros(1))[0] == pytest.approx(0.4, abs=0.15)
    assert agent.network.policy.head.log_std.item() < -0.3


def test_learns_the_way_from_random_play() -> None:
    agent = OffPolicyActorCritic("minigrad/GridWorld-v0", seed=0).learn(20_000)
    assert evaluate(agent, episodes=1).lengths.tolist() == [5]
