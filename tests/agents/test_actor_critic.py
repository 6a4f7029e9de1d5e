"""Actor-Critic and A2C: what their estimators are on average, their losses, and ends of both kinds in every autoreset
mode."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv

import minigrad as mg
import minigrad.nn as nn
from agents import A2C, A3C, PPO, PPOKL, TRPO, ActorCritic, OffPolicyActorCritic, evaluate
from agents.memory.rollout import Steps, Trajectory
from agents.policy_gradient.a2c import a2c_losses
from agents.policy_gradient.actor_critic import td_errors
from agents.policy_gradient.parts.actor_critic_networks import make_actor_critic
from agents.policy_gradient.parts.rewards_to_go import rewards_to_go
from agents.presets import preset_for
from tests.agents.conftest import Near
from tests.agents.gradients import gradient_of, numeric_gradient
from tests.agents.test_off_policy_actor_critic import steps_in
from tests.agents.test_policy_gradient import Branching, every_trajectory

ACTOR_CRITICS = [ActorCritic, A2C]
SHARED = pytest.mark.parametrize("shared", [False, True])


def small(actor_critic: type, env=Branching, **hyperparameters):
    agent = actor_critic(env, hidden=(4,), seed=1, **hyperparameters)
    agent.network.double()
    return agent


class Lookup(nn.Module):
    """A critic that knows the values."""

    def __init__(self, values) -> None:
        super().__init__()
        self.values = values

    def forward(self, observation: mg.Tensor) -> mg.Tensor:
        return mg.from_numpy(np.array([float(self.values(s)) for s in observation.array]))


def gradient_in(agent, steps: Steps, weights) -> np.ndarray:
    """The gradient that an update hands to the optimizer, which here leaves the weights as they are."""
    agent.optimizer.step = lambda: None
    agent.learn_from(steps)
    return np.concatenate([weight.grad.array.ravel() for weight in weights])


def steps_of(one: Trajectory) -> Steps:
    """A trajectory as a rollout of one environment, in float64."""
    length = len(one.reward)
    following = np.concatenate([one.observation[1:], one.final_observation[None]])
    terminated = np.arange(length) == length - 1
    fields = (one.observation, one.action, one.reward, terminated, np.zeros(length, bool), following)
    return Steps(*(field[:, None] for field in fields), np.ones((length, 1), bool))


# -- the estimators


def probabilities(agent, trajectories: list[Trajectory]) -> np.ndarray:
    """p(τ) of each trajectory."""
    policy = agent.network.policy
    log_probs = [policy(agent.tensor(one.observation)).log_prob(agent.tensor(one.action)) for one in trajectories]
    return np.array([np.exp(each.array.sum()) for each in log_probs])


def exact_values(agent) -> dict[tuple[float, ...], float]:
    """V(s) of every state, from all episodes that go through it; the last has none."""
    trajectories = every_trajectory()
    p = probabilities(agent, trajectories)
    found: dict[tuple[float, ...], list[tuple[float, float]]] = {}
    for one, weight in zip(trajectories, p, strict=True):
        for state, g in zip(one.observation, rewards_to_go(one.reward, 1.0), strict=True):
            found.setdefault(tuple(state), []).append((weight, g))
    return {s: sum(w * g for w, g in pairs) / sum(w for w, _ in pairs) for s, pairs in found.items()}


def estimates(agent, values) -> np.ndarray:
    """Of each trajectory, Σ_t A_t ∇ log π(a_t | s_t) with V from `values`: (trajectories, parameters of the policy)."""
    weights = list(agent.network.policy.parameters())
    agent.network.critic = Lookup(values)
    each = [-len(one.reward) * gradient_in(agent, steps_of(one), weights) for one in every_trajectory()]
    return np.array(each)


def exact_gradient(agent) -> np.ndarray:
    trajectories = every_trajectory()
    returns = np.array([one.reward.sum() for one in trajectories])

    def value() -> mg.Tensor:
        return mg.tensor(probabilities(agent, trajectories) @ returns, dtype=mg.float64)

    return numeric_gradient(value, agent.network.policy.parameters())


@pytest.mark.parametrize(
    ("actor_critic", "more"),
    [(ActorCritic, {}), *((A2C, {"gae_lambda": lam, "orthogonal": False}) for lam in (0.0, 0.7, 1.0))],
)
def test_on_average_the_estimator_is_the_gradient(actor_critic: type, more: dict) -> None:
    """With exact values, whatever λ is."""
    agent = small(actor_critic, gamma=1.0, max_gradient_norm=0.0, **more)
    table = exact_values(agent)
    found = probabilities(agent, every_trajectory()) @ estimates(agent, lambda s: table.get(tuple(s), 0.0))
    exact = exact_gradient(agent)
    assert np.abs(exact).max() > 0.1
    np.testing.assert_allclose(found, exact, rtol=1e-6, atol=1e-8)


def test_with_lambda_1_any_values_will_do_but_not_below() -> None:
    for lam, right in ((1.0, True), (0.5, False)):
        agent = small(A2C, gamma=1.0, orthogonal=False, gae_lambda=lam, max_gradient_norm=0.0)
        found = probabilities(agent, every_trajectory()) @ estimates(agent, lambda s: 3.0 * s[0] - 2.0 * s[1] + 1.0)
        assert np.allclose(found, exact_gradient(agent), rtol=1e-6, atol=1e-8) == right


def test_the_td_error_by_hand() -> None:
    steps = Steps(
        *(np.zeros((1, 3, 2)), np.zeros((1, 3), int), np.float32([[1, 2, 3]])),
        *(np.array([[False, True, False]]), np.array([[False, True, True]])),
        *(np.zeros((1, 3, 2)), np.ones((1, 3), bool)),
    )
    found = td_errors(steps, np.float32([10, 20, 30]), np.float32([4, 6, 8]), 0.5)
    assert found.tolist() == [1 + 2 - 10, 2 - 20, 3 + 4 - 30]


# -- the losses


@pytest.mark.parametrize("actor_critic", ACTOR_CRITICS)
@pytest.mark.parametrize("env", [Branching, "Pendulum-v1"])
@SHARED
def test_gradient_of_the_loss(actor_critic: type, env, shared: bool) -> None:
    """By finite differences of the loss written out, with δ and the target as numbers."""
    more = {"entropy_coefficient": 0.1, "value_coefficient": 0.3} if actor_critic is A2C else {}
    agent = small(actor_critic, env, shared=shared, gamma=0.9, max_gradient_norm=0.0, **more)
    steps = steps_in(agent)
    observation, action = agent.tensor(steps.observation[0]), agent.tensor(steps.action[0])
    v, after = (agent.state_values(field[0]) for field in (steps.observation, steps.next_observation))
    target = steps.reward[0] + 0.9 * ~steps.terminated[0] * after
    c_v, c_e = more.get("value_coefficient", 1.0), more.get("entropy_coefficient", 0.0)

    def loss() -> mg.Tensor:
        distribution, value = agent.network(observation)
        actor = -(agent.tensor(target - v) * distribution.log_prob(action)).mean()
        return actor + c_v * (value - agent.tensor(target)).square().mean() - c_e * distribution.entropy().mean()

    numeric = numeric_gradient(loss, agent.weights)
    assert np.abs(numeric).max() > 1e-2
    np.testing.assert_allclose(gradient_in(agent, steps, agent.weights), numeric, rtol=1e-5, atol=1e-8)


def test_the_losses_by_hand() -> None:
    agent = small(A2C)
    rng = np.random.default_rng(0)
    observation, action = rng.normal(size=(4, 2)), np.array([0, 1, 1, 0])
    advantage, target = rng.normal(size=(2, 4))
    distribution, value = agent.network(agent.tensor(observation))
    p, v = distribution.probs.array, value.array
    expected = (
        -(advantage * np.log(p[np.arange(4), action])).mean()
        + 0.25 * ((v - target) ** 2).mean()
        - 0.5 * -(p * np.log(p)).sum(1).mean()
    )
    constants = map(agent.tensor, (action, advantage, target))
    assert a2c_losses(distribution, value, *constants, 0.25, 0.5).total.item() == pytest.approx(expected)


@pytest.mark.parametrize("actor_critic", ACTOR_CRITICS)
def test_the_target_is_a_constant(actor_critic: type) -> None:
    """The gradient of the value's loss is that of V(s_t) alone: -2 δ ∇V(s_t), nothing of V(s_{t+1})."""
    agent = actor_critic(Branching, hidden=(4,), max_gradient_norm=0.0, seed=1)
    one = every_trajectory()[3]
    steps = Steps(*(field.astype(np.float32) if field.dtype == np.float64 else field for field in steps_of(one)))
    steps = Steps(*(field[:1] for field in steps))
    v, following = (agent.state_values(field[0]) for field in (steps.observation, steps.next_observation))
    delta = steps.reward[0, 0] + agent.hyperparameters.gamma * following[0] - v[0]
    critic = list(agent.network.critic.parameters())
    slope = gradient_of(agent.network.value(agent.tensor(steps.observation[0])).sum(), critic)
    agent.learn_from(steps)
    found = np.concatenate([p.grad.array.ravel() for p in critic])
    coefficient = agent.hyperparameters.value_coefficient if actor_critic is A2C else 1.0
    np.testing.assert_allclose(found, -2 * coefficient * delta * slope, rtol=1e-4, atol=1e-6)


def test_losses_refuse_a_column() -> None:
    agent = small(ActorCritic)
    observation = np.zeros((4, 2))
    distribution, value = agent.network(agent.tensor(observation))
    action, row, column = mg.zeros(4).long(), mg.zeros(4), mg.zeros(4, 1)
    with pytest.raises(ValueError, match=r"\(4, 1\)"):
        a2c_losses(distribution, value, action, column, row, 0.5, 0.0)
    with pytest.raises((ValueError, RuntimeError), match=r"\(4, 1\)"):
        a2c_losses(distribution, value, action, row, column, 0.5, 0.0)


# -- the networks


def test_two_networks_share_nothing_and_a_trunk_serves_both() -> None:
    space, actions = spaces.Box(-1, 1, (3,), np.float32), spaces.Discrete(2)
    for shared in (False, True):
        network = make_actor_critic(shared, space, actions, (5,))
        observation = mg.randn(4, 3)
        distribution, value = network(observation)
        assert value.shape == (4,)
        np.testing.assert_array_equal(value.array, network.value(observation).array)
        np.testing.assert_array_equal(network.policy.choose(observation, None), distribution.mode.array)
        body = list(network.policy.body.parameters())
        assert (np.abs(gradient_of(value.sum(), body)).max() > 0) == shared
    alone, both = (ActorCritic(Branching, shared=shared).weights for shared in (False, True))
    assert len(alone) == len(both) + 2


# -- ends of episodes, in every autoreset mode


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
@pytest.mark.parametrize("actor_critic", [ActorCritic, OffPolicyActorCritic, A2C, TRPO, PPOKL, PPO])
@pytest.mark.parametrize("probe", ["Truncation", "Discount"])
def test_the_value_is_right_in_either_autoreset_mode(mode: AutoresetMode, actor_critic: type, probe: str) -> None:
    """Episodes of two steps: every third place of a NEXT_STEP rollout is empty."""
    env_id = f"minigrad/Probe{probe}-v0"
    preset = preset_for(actor_critic, env_id)
    env = SyncVectorEnv([lambda: gym.make(env_id)] * 2, autoreset_mode=mode)
    agent = actor_critic(env, seed=0, **preset.hyperparameters).learn(preset.steps)
    exact = gym.make(env_id).unwrapped.action_values(0.5)
    learned = agent.state_values(np.array([[state] for state in exact], np.float32))
    np.testing.assert_allclose(learned, np.ravel(list(exact.values())), atol=0.05)


def test_empty_places_are_not_learned_from() -> None:
    agent, other = (small(A2C, rollout_steps=3, num_envs=2) for _ in range(2))
    rng = np.random.default_rng(0)
    valid = np.array([[True, True], [False, True], [True, True]])
    terminated = np.array([[True, False], [False, False], [False, True]])
    steps = Steps(
        *(rng.normal(size=(3, 2, 2)), rng.integers(2, size=(3, 2)), rng.normal(size=(3, 2))),
        *(terminated, np.zeros((3, 2), bool), rng.normal(size=(3, 2, 2)), valid),
    )
    agent.learn_from(steps)
    for field in (steps.observation, steps.action, steps.reward, steps.next_observation):
        field[1, 0] = 1
    other.learn_from(steps)
    for a, b in zip(agent.weights, other.weights, strict=True):
        np.testing.assert_array_equal(a.array, b.array)


# -- learning


@pytest.mark.parametrize(
    "agent",
    [
        lambda: ActorCritic(Near, num_envs=8, hidden=(8,), learning_rate=0.01),
        lambda: A2C(Near, num_envs=8, hidden=(8,), learning_rate=0.02, orthogonal=False),
        lambda: PPO(Near, num_envs=8, hidden=(8,), rollout_steps=16, learning_rate=0.01),
        lambda: PPOKL(Near, num_envs=8, hidden=(8,), rollout_steps=16, learning_rate=0.01),
        lambda: TRPO(Near, num_envs=8, hidden=(8,), rollout_steps=16, learning_rate=0.01, kl_limit=0.02),
    ],
    ids=["actor-critic", "a2c", "ppo", "ppo-kl", "trpo"],
)
def test_continuous_actions(agent) -> None:
    trained = agent().learn(8_000)
    assert trained.predict(np.zeros(1))[0] == pytest.approx(0.4, abs=0.15)
    assert trained.network.policy.head.log_std.item() < -0.3


def test_rates_fall_to_zero() -> None:
    agent = A2C(Branching, rollout_steps=10, anneal_learning_rate=True, learning_rate=0.5)
    seen = []
    step = agent.optimizer.step
    agent.optimizer.step = lambda: (seen.append(agent.optimizer.param_groups[0]["lr"]), step())  # type: ignore[method-assign]
    agent.learn(40)
    np.testing.assert_allclose(seen, [0.375, 0.25, 0.125, 0.0])
    assert agent.optimizer.param_groups[0]["eps"] == 1e-5


def cart_pole(actor_critic: type, seed: int) -> float:
    agent = actor_critic("CartPole-v1", seed=seed)
    agent.learn(preset_for(actor_critic, "CartPole-v1").steps)
    return evaluate(agent, episodes=20).mean


@pytest.mark.slow
@pytest.mark.parametrize("actor_critic", ACTOR_CRITICS)
def test_cart_pole(actor_critic: type) -> None:
    assert cart_pole(actor_critic, seed=0) >= 490


@pytest.mark.slow
def test_cart_pole_by_workers_that_race(tmp_path) -> None:
    """No two runs of A3C are alike. Where the workers have to share a core with others, a run often ends in a dip, so
    the best weights on the way count."""
    A3C("CartPole-v1", seed=0).learn(preset_for(A3C, "CartPole-v1").steps, run=tmp_path / "run")
    assert evaluate(A3C.load(tmp_path / "run", best=True), episodes=20).mean >= 490
