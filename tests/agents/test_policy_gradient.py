"""The policy gradient from whole episodes: what every estimator is on average, exactly, by going through all episodes
that can happen; their variances; and that they learn."""

from __future__ import annotations

import itertools

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

import minigrad as mg
from agents import Reinforce, ReinforceWithBaseline, SimplePolicyGradient, evaluate
from agents.memory.rollout import Trajectory
from agents.networks.critics import explained_variance
from agents.policy_gradient.parts.policy_losses import policy_gradient_loss
from agents.policy_gradient.parts.rewards_to_go import rewards_to_go
from envs import UsageError
from tests.agents.conftest import Near
from tests.agents.gradients import gradient_of, numeric_gradient

ESTIMATORS = [SimplePolicyGradient, Reinforce, ReinforceWithBaseline]


class Branching(gym.Env):
    """Three steps, two actions: the state is the step and the last action."""

    observation_space = spaces.Box(-1, 3, (2,), np.float32)
    action_space = spaces.Discrete(2)
    rewards = np.array([[[0.5, -1.0], [2.0, 0.3]], [[1.0, 3.0], [-2.0, 0.1]], [[4.0, -0.7], [1.5, 0.0]]])

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.at, self.last = 0, 0
        return np.float32([0, 0]), {}

    def step(self, action):
        reward = float(self.rewards[self.at, self.last, action])
        self.at, self.last = self.at + 1, int(action)
        return np.float32([self.at, self.last]), reward, self.at == 3, False, {}


def every_trajectory() -> list[Trajectory]:
    """All eight episodes of `Branching`, in float64."""
    env, found = Branching(), []
    for actions in itertools.product(range(2), repeat=3):
        observation, _ = env.reset()
        seen, rewards = [], []
        for action in actions:
            seen.append(observation)
            observation, reward, terminated, _, _ = env.step(action)
            rewards.append(reward)
        seen, final = np.array(seen, np.float64), observation.astype(np.float64)
        found.append(Trajectory(seen, np.array(actions), np.array(rewards), terminated, final))
    return found


def in_float64(agent) -> None:
    agent.policy.double()
    if hasattr(agent, "baseline") and hasattr(agent.baseline, "critic"):
        agent.baseline.critic.double()


def small(agent_type: type, **hyperparameters):
    agent = agent_type(Branching, hidden=(4,), activation="tanh", gamma=1.0, seed=1, **hyperparameters)
    in_float64(agent)
    return agent


def log_probabilities(agent, trajectories: list[Trajectory]) -> mg.Tensor:
    """log p(τ) of each trajectory; the environment itself isn't random."""
    return mg.stack(
        [agent.policy(agent.tensor(one.observation)).log_prob(agent.tensor(one.action)).sum() for one in trajectories]
    )


def estimates(agent, trajectories: list[Trajectory]) -> np.ndarray:
    """The gradient of the loss on each trajectory alone, with the sign turned: (trajectories, parameters)."""
    found = []
    for one in trajectories:
        distribution = agent.policy(agent.tensor(one.observation))
        loss = agent.loss(distribution, one.action, agent.credit([one]), 1)
        found.append(-gradient_of(loss, agent.weights))
    return np.array(found)


def without_learning(agent) -> None:
    """A baseline that stays as it is while the estimates are looked at."""
    if hasattr(agent, "baseline"):
        agent.baseline.learn_from = lambda trajectories, returns: None


def exact_gradient(agent, gamma: float = 1.0) -> np.ndarray:
    """∇ Σ_τ p(τ) R(τ), by finite differences."""
    trajectories = every_trajectory()
    returns = mg.from_numpy(np.array([rewards_to_go(one.reward, gamma)[0] for one in trajectories]))
    return numeric_gradient(lambda: (log_probabilities(agent, trajectories).exp() * returns).sum(), agent.weights)


def with_baseline(kind: str):
    agent = small(ReinforceWithBaseline, baseline=kind)
    if kind == "constant":
        agent.baseline.ab, agent.baseline.bb = 1.7, 1.0
    return agent


AGENTS_UNDER_TEST = {
    "simple": lambda: small(SimplePolicyGradient),
    "reinforce": lambda: small(Reinforce),
    "constant": lambda: with_baseline("constant"),
    "value": lambda: with_baseline("value"),
}


@pytest.mark.parametrize("make", AGENTS_UNDER_TEST.values(), ids=AGENTS_UNDER_TEST.keys())
def test_on_average_every_estimator_is_the_gradient(make) -> None:
    agent, trajectories = make(), every_trajectory()
    without_learning(agent)
    p = np.exp(log_probabilities(agent, trajectories).detach().numpy())
    assert p.sum() == pytest.approx(1, abs=1e-12)
    exact = exact_gradient(agent)
    assert np.abs(exact).max() > 0.1
    np.testing.assert_allclose(p @ estimates(agent, trajectories), exact, rtol=1e-6, atol=1e-8)


def test_the_whole_return_is_right_for_a_discount_too() -> None:
    agent = SimplePolicyGradient(Branching, hidden=(4,), gamma=0.6, seed=1)
    in_float64(agent)
    trajectories = every_trajectory()
    p = np.exp(log_probabilities(agent, trajectories).detach().numpy())
    np.testing.assert_allclose(p @ estimates(agent, trajectories), exact_gradient(agent, 0.6), rtol=1e-6, atol=1e-8)


def variance(agent) -> float:
    """The trace of the covariance of one episode's estimate, exactly."""
    trajectories = every_trajectory()
    p = np.exp(log_probabilities(agent, trajectories).detach().numpy())
    each = estimates(agent, trajectories)
    return float(p @ ((each - p @ each) ** 2).sum(1))


def test_each_step_takes_variance_away() -> None:
    simple, reinforce = small(SimplePolicyGradient), small(Reinforce)
    constant, value = (with_baseline(kind) for kind in ("constant", "value"))
    trajectories = every_trajectory()
    p = np.exp(log_probabilities(constant, trajectories).detach().numpy())
    returns = [rewards_to_go(one.reward, 1.0) for one in trajectories]
    products = np.array([constant.baseline.products(one, g) for one, g in zip(trajectories, returns, strict=True)])
    constant.baseline.ab, constant.baseline.bb = p @ products
    best = constant.baseline.value
    for agent in (reinforce, constant, value):
        agent.policy.load_state_dict(simple.policy.state_dict())
    rng = np.random.default_rng(0)
    for _ in range(400):
        rows = rng.choice(8, 16, p=p)
        value.baseline.learn_from([trajectories[i] for i in rows], [returns[i] for i in rows])
    without_learning(constant)
    without_learning(value)
    found = [variance(agent) for agent in (simple, reinforce, constant, value)]
    assert found == sorted(found, reverse=True)
    # and no other constant would have done better
    for other in (best - 0.2, best + 0.2, best * 0.5):
        constant.baseline.ab, constant.baseline.bb = other, 1.0
        assert variance(constant) > found[2]


def test_the_constant_is_learned() -> None:
    """A moving average of both products, over updates; used only from the next update on."""
    agent = small(ReinforceWithBaseline, baseline="constant", baseline_decay=0.5)
    trajectories = every_trajectory()
    first = agent.credit(trajectories[:2])
    returns = [rewards_to_go(one.reward, 1.0) for one in trajectories]
    np.testing.assert_allclose(first, np.concatenate(returns[:2]))
    products = [agent.baseline.products(one, g) for one, g in zip(trajectories, returns, strict=True)]
    one, two = np.mean(products[:2], 0), np.array(products[2])
    assert agent.baseline.value == pytest.approx(one[0] / one[1])
    second = agent.credit(trajectories[2:3])
    np.testing.assert_allclose(second, returns[2] - one[0] / one[1])
    both = 0.25 * one + 0.5 * two
    assert agent.baseline.value == pytest.approx(both[0] / both[1])


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("env", [Branching, "Pendulum-v1"])
def test_gradient_of_the_loss(estimator: type, env) -> None:
    agent = estimator(env, hidden=(4,), activation="tanh")
    in_float64(agent)
    rng = np.random.default_rng(0)
    observation = rng.normal(size=(6, *agent.observation_space.shape))
    action = agent.policy.choose(agent.tensor(observation), rng)
    credit = rng.normal(size=6)

    def loss() -> mg.Tensor:
        return agent.loss(agent.policy(agent.tensor(observation)), action, credit, 2)

    numeric = numeric_gradient(loss, agent.weights)
    assert np.abs(numeric).max() > 1e-2
    np.testing.assert_allclose(gradient_of(loss(), agent.weights), numeric, rtol=1e-5, atol=1e-8)


def test_gradient_of_the_value_baseline() -> None:
    """The mean of (V - G)², whose gradient moves V towards G."""
    agent, trajectories = small(ReinforceWithBaseline), every_trajectory()[:3]
    returns = [rewards_to_go(one.reward, 1.0) for one in trajectories]
    critic = agent.baseline.critic
    observation = agent.tensor(np.concatenate([one.observation for one in trajectories]))
    g = mg.from_numpy(np.concatenate(returns))
    numeric = numeric_gradient(lambda: ((critic(observation) - g) ** 2).mean(), critic.parameters())
    agent.baseline.learn_from(trajectories, returns)
    found = np.concatenate([p.grad.array.ravel() for p in critic.parameters()])
    np.testing.assert_allclose(found, numeric, rtol=1e-5, atol=1e-8)


def test_normal_policy_climbs_the_known_gradient() -> None:
    """J = E[-(a - c)²] = -(μ - c)² - σ², so ∂J/∂μ = -2 (μ - c) and ∂J/∂log σ = -2 σ²."""
    agent = Reinforce("Pendulum-v1", hidden=(), gamma=1.0)
    n, c = 40_000, 1.5
    observation = np.zeros((n, 3), np.float32)
    action = agent.policy.choose(agent.tensor(observation), np.random.default_rng(0))
    distribution = agent.policy(agent.tensor(observation))
    mu, log_std = distribution.mean.array[0, 0], 0.0
    reward = -((action[:, 0] - c) ** 2)
    loss = agent.loss(distribution, action, reward, n)
    gradient_of(loss, agent.weights)
    head = agent.policy.head
    scores = np.stack([action[:, 0] - mu, (action[:, 0] - mu) ** 2 - 1]) * reward
    error = scores.std(1) / np.sqrt(n)
    found = -np.array([head.output.bias.grad.array[0], head.log_std.grad.array[0]])
    exact = np.array([-2 * (mu - c), -2 * np.exp(2 * log_std)])
    assert (np.abs(found - exact) < 4 * error).all()
    assert (np.abs(exact) > 20 * error).all()


def test_rewards_to_go_by_hand() -> None:
    np.testing.assert_allclose(rewards_to_go(np.array([1.0, 2.0, 4.0]), 0.5), [3.0, 4.0, 4.0])
    np.testing.assert_allclose(rewards_to_go(np.array([1.0, 2.0, 4.0]), 0.5, 16.0), [5.0, 8.0, 12.0])


@pytest.mark.parametrize(("terminated", "beyond"), [(True, 0.0), (False, 1.0)])
def test_a_cut_off_episode_goes_on_in_the_value(terminated: bool, beyond: float) -> None:
    agent = small(ReinforceWithBaseline)
    without_learning(agent)
    one = every_trajectory()[3]._replace(terminated=terminated)
    final = agent.state_values(one.final_observation[None])[0]
    expected = rewards_to_go(one.reward, 1.0) + beyond * final - agent.state_values(one.observation)
    np.testing.assert_allclose(agent.credit([one]), expected)


def test_credit_of_several_episodes() -> None:
    one, two = every_trajectory()[1], every_trajectory()[6]
    short = two._replace(observation=two.observation[:2], action=two.action[:2], reward=two.reward[:2])
    simple = SimplePolicyGradient(Branching, gamma=0.5).credit([one, short])
    first, second = (rewards_to_go(each.reward, 0.5)[0] for each in (one, short))
    np.testing.assert_allclose(simple, [first] * 3 + [second] * 2)
    np.testing.assert_allclose(
        Reinforce(Branching, gamma=0.5).credit([one, short]),
        np.concatenate([rewards_to_go(each.reward, 0.5) for each in (one, short)]),
    )


def test_a_column_of_credit_is_refused() -> None:
    with pytest.raises(ValueError, match=r"log_prob \(8,\), credit \(8, 1\)"):
        policy_gradient_loss(mg.zeros(8), mg.zeros(8, 1), 1)
    with pytest.raises(ValueError, match=r"\(8,\) but returns \(8, 1\)"):
        explained_variance(np.zeros(8), np.zeros((8, 1)))


def test_explained_variance() -> None:
    g = np.array([1.0, 2.0, 4.0])
    assert explained_variance(g + 3, g) == pytest.approx(1)
    assert explained_variance(np.full(3, 7.0), g) == pytest.approx(0)
    assert explained_variance(-g, g) == pytest.approx(-3)
    assert explained_variance(g, np.ones(3)) == 0


def test_a_constant_baseline_has_no_state_values() -> None:
    with pytest.raises(UsageError, match="set baseline to value"):
        ReinforceWithBaseline(Branching, baseline="constant").state_values(np.zeros((1, 2), np.float32))


@pytest.mark.parametrize("num_envs", [1, 3])
def test_an_update_after_every_so_many_episodes(num_envs: int) -> None:
    agent = Reinforce(Branching, num_envs=num_envs, episodes=6)
    taken = []
    agent.learn_from = taken.append  # type: ignore[method-assign]
    agent.learn(3 * 6 * 4)
    assert [len(trajectories) for trajectories in taken] == [6] * 4


def test_a_graph_is_recorded_for_learning_only() -> None:
    agent = Reinforce(Branching, episodes=100)
    kept = []
    forward = agent.policy.head.choose
    agent.policy.head.choose = lambda features, rng: (kept.append(features.requires_grad), forward(features, rng))[1]
    agent.learn(30)
    assert kept == [False] * 30


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_continuous_actions(estimator: type) -> None:
    """One step, rewarded for coming near 0.4: the mean goes there."""

    agent = estimator(Near, hidden=(8,), learning_rate=0.02, episodes=20).learn(8_000)
    assert agent.predict(np.zeros(1))[0] == pytest.approx(0.4, abs=0.1)
    assert agent.policy.head.log_std.item() < -0.4


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_cart_pole(seed: int) -> None:
    agent = ReinforceWithBaseline("CartPole-v1", seed=seed)
    while agent.episodes < 1_000:
        agent.learn(1_000)
    assert evaluate(agent, episodes=20).mean >= 475
