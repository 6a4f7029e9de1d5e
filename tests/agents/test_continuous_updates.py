"""DDPG, TD3 and SAC on fixed numbers in float64: targets, losses and gradients against their equations in NumPy."""

from __future__ import annotations

import copy
import math
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

import minigrad as mg
import minigrad.nn as nn
from agents import DDPG, SAC, TD3, SACDiscrete
from agents.continuous.parts.networks import Actor, Critic
from agents.continuous.parts.squashed_actor import SquashedActor
from agents.continuous.parts.targets import Follower
from agents.memory.replay import Batch

OBSERVATION, ACTION = spaces.Box(-1, 1, (2,), np.float32), spaces.Box(-1, 1, (2,), np.float32)
SMALL = dict(hidden=(5,), batch_size=4, replay_size=8, gamma=0.9)


class Plane(gym.Env):
    """Two numbers to see, two to give."""

    observation_space, action_space = OBSERVATION, ACTION

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self.observation_space.sample() * 0, {}

    def step(self, action):
        return np.float32([action[0], -action[1]]), float(action.sum()), False, True, {}


def make_batch(seed: int = 0) -> Batch:
    """Four rows in float64; the second ended."""
    rng = np.random.default_rng(seed)
    numbers = lambda *shape: rng.uniform(-1, 1, shape)
    discount = np.array([0.9, 0.0, 0.9, 0.9])
    return Batch(numbers(4, 2), numbers(4, 2), numbers(4), numbers(4, 2), discount, np.arange(4))


def make(kind: Any, **more: Any) -> Any:
    """An agent in float64 whose targets are other networks than those they follow."""
    agent = kind(Plane, seed=1, **{**SMALL, **more})
    owner = agent.learner if kind is SAC else agent
    networks = [value for value in vars(owner).values() if isinstance(value, nn.Module)]
    followers = [value for value in vars(owner).values() if isinstance(value, Follower)]
    for network in (*networks, *(follower.network for follower in followers)):
        network.double()
    rng = np.random.default_rng(7)
    for follower in followers:
        for weight in follower.network.parameters():
            weight.add_(mg.from_numpy(rng.normal(0, 0.3, weight.shape)))
    return agent


def dense(layers: nn.Module, x: np.ndarray) -> np.ndarray:
    """A Sequential of linear layers and ReLUs, in NumPy."""
    for layer in layers:
        x = x @ layer.weight.array.T + layer.bias.array if isinstance(layer, nn.Linear) else np.maximum(x, 0)
    return x


def q(critic: Critic, s: np.ndarray, a: np.ndarray) -> np.ndarray:
    return dense(critic.layers, np.concatenate([s, a], 1))[:, 0]


def mu(actor: Actor, s: np.ndarray) -> np.ndarray:
    return np.tanh(dense(actor.layers, s))


def log_pi(actor: SquashedActor, s: np.ndarray, epsilon: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The action, and log π of it by the change of variables."""
    out = dense(actor.layers, s)
    mean, std = out[:, :2], np.exp(out[:, 2:].clip(-20, 2))
    a = np.tanh(mean + std * epsilon)
    density = np.exp(-(epsilon**2) / 2) / (std * math.sqrt(2 * math.pi)) / (1 - a**2)
    return a, np.log(density).sum(1)


def slope(function: Any, weights: list[Any]) -> list[np.ndarray]:
    """Of a function of the weights, by central differences."""
    slopes = []
    for weight in weights:
        flat, found = weight.array.reshape(-1), np.empty(weight.numel())
        for i in range(len(flat)):
            before = flat[i]
            flat[i] = before + 1e-6
            above = function()
            flat[i] = before - 1e-6
            found[i] = (above - function()) / 2e-6
            flat[i] = before
        slopes.append(found.reshape(weight.shape))
    return slopes


# -- targets


def test_ddpgs_target() -> None:
    agent, batch = make(DDPG), make_batch()
    actor, critic = agent.target_actor.network, agent.target_critic.network
    expected = batch.reward + batch.discount * q(critic, batch.next_observation, mu(actor, batch.next_observation))
    np.testing.assert_allclose(agent.target(batch).array, expected, rtol=1e-12)
    assert expected[1] == batch.reward[1]  # nothing follows an end


def test_td3s_target_is_the_smaller_of_two_at_a_clipped_action() -> None:
    agent, batch = make(TD3, smoothing_std=0.5, smoothing_clip=0.3), make_batch()
    noise = np.array([[0.1, 3.0], [0.0, 0.0], [-3.0, 0.2], [0.5, -0.4]])
    actor, critics = agent.target_actor.network, agent.target_critics.network.members
    for layer in list(actor.layers)[-1:]:  # near a bound, so that the sum must be clipped, too
        layer.bias.array[:] = 1.5
    critics[0].layers[-1].bias.array[:] += 0.4  # so that neither is the smaller one everywhere
    chosen = mu(actor, batch.next_observation)
    action = (chosen + (0.5 * noise).clip(-0.3, 0.3)).clip(-1, 1)
    assert (action == 1).any()
    values = [q(critic, batch.next_observation, action) for critic in critics]
    assert len(set((values[0] < values[1]).tolist())) == 2  # sometimes the one, sometimes the other
    expected = batch.reward + batch.discount * np.minimum(*values)
    target = agent.target(batch.map(mg.from_numpy), mg.from_numpy(noise))
    np.testing.assert_allclose(target.array, expected, rtol=1e-12)


def test_sacs_target() -> None:
    learner, batch = make(SAC).learner, make_batch()
    epsilon = np.random.default_rng(3).standard_normal((4, 2))
    action, log_prob = log_pi(learner.actor, batch.next_observation, epsilon)
    values = [q(critic, batch.next_observation, action) for critic in learner.target_critics.network.members]
    expected = batch.reward + batch.discount * (np.minimum(*values) - 0.3 * log_prob)
    np.testing.assert_allclose(learner.target(batch, mg.from_numpy(epsilon), 0.3).array, expected, rtol=1e-10)


# -- the actor's gradient


def test_ddpgs_actor_climbs_q() -> None:
    """-mean(∇_a Q ∇_θ μ), with ∇_a Q and ∇_θ μ by differences, each by itself."""
    agent, batch = make(DDPG), make_batch()
    agent.actor_loss(mg.from_numpy(batch.observation)).backward()
    s, weights = batch.observation, list(agent.actor.parameters())
    a = mu(agent.actor, s)
    dq = np.empty_like(a)
    for i in range(2):
        step = np.eye(2)[i] * 1e-6
        dq[:, i] = (q(agent.critic, s, a + step) - q(agent.critic, s, a - step)) / 2e-6
    for weight, expected in zip(weights, slope(lambda: -(dq * mu(agent.actor, s)).sum() / 4, weights), strict=True):
        np.testing.assert_allclose(weight.grad.array, expected, rtol=1e-5, atol=1e-8)
    assert all(weight.grad is None and weight.requires_grad for weight in agent.critic.parameters())


def test_td3s_actor_climbs_the_first_critic() -> None:
    agent, batch = make(TD3), make_batch()
    agent.actor_loss(mg.from_numpy(batch.observation)).backward()
    first, weights = agent.critics.members[0], list(agent.actor.parameters())
    loss = lambda: -q(first, batch.observation, mu(agent.actor, batch.observation)).mean()
    for weight, expected in zip(weights, slope(loss, weights), strict=True):
        np.testing.assert_allclose(weight.grad.array, expected, rtol=1e-5, atol=1e-8)


def test_sacs_actor() -> None:
    """mean(α log π - min Q), through the drawn action and through log π."""
    learner, batch = make(SAC).learner, make_batch()
    epsilon = np.random.default_rng(3).standard_normal((4, 2))
    observation = mg.from_numpy(batch.observation)
    action, log_prob = learner.actor.draw(observation, mg.from_numpy(epsilon))
    learner.actor_loss(observation, action, log_prob, 0.3).backward()

    def loss() -> float:
        a, logs = log_pi(learner.actor, batch.observation, epsilon)
        values = [q(critic, batch.observation, a) for critic in learner.critics.members]
        return (0.3 * logs - np.minimum(*values)).mean()

    weights = list(learner.actor.parameters())
    for weight, expected in zip(weights, slope(loss, weights), strict=True):
        np.testing.assert_allclose(weight.grad.array, expected, rtol=1e-5, atol=1e-8)
    assert all(weight.grad is None for weight in learner.critics.parameters())


@pytest.mark.parametrize(("entropy", "direction"), [(-3.5, 1), (-0.5, -1)])
def test_alpha_rises_while_there_is_too_little_entropy(entropy: float, direction: int) -> None:
    """The target is -2, of two dimensions. The slope of log α is H - H̄."""
    learner = make(SAC, alpha=0.5, learning_rate=0.1).learner
    assert learner.log_alpha() == pytest.approx(0.5)
    loss = learner.log_alpha.loss(entropy, learner.target_entropy)
    loss.backward()
    assert learner.log_alpha.value.grad.item() == pytest.approx(entropy + 2)
    learner.alpha_optimizer.step()
    assert np.sign(learner.log_alpha() - 0.5) == direction


# -- a whole update


@pytest.mark.parametrize("kind", [DDPG, TD3, SAC])
def test_the_critics_learn_from_squared_errors(kind: Any) -> None:
    """With gradient descent in Adam's place the weights arrive where the slope of Σ mean((y - Q)²) says; SAC has ½."""
    agent, batch = make(kind), make_batch()
    owner = agent.learner if kind is SAC else agent
    critics = owner.critic if kind is DDPG else owner.critics
    owner.critic_optimizer = mg.optim.SGD(critics.parameters(), lr=0.1)
    drawn = {}
    target = owner.target
    owner.target = lambda *arguments: drawn.setdefault("y", target(*arguments))
    before = copy.deepcopy(critics)
    agent.learn_from(batch)
    y, factor = drawn["y"].array, 0.5 if kind is SAC else 1.0
    members = [before] if kind is DDPG else list(before.members)
    loss = lambda: factor * sum(((y - q(m, batch.observation, batch.action)) ** 2).mean() for m in members)
    expected = slope(loss, list(before.parameters()))
    for weight, old, dw in zip(critics.parameters(), before.parameters(), expected, strict=True):
        np.testing.assert_allclose(weight.array, old.array - 0.1 * dw, rtol=1e-6, atol=1e-9)


def test_td3_moves_its_actor_and_its_targets_at_every_second_update() -> None:
    agent, batch = make(TD3), make_batch()
    seen = lambda: [
        [w.array.copy() for w in module.parameters()]
        for module in (agent.critics, agent.actor, agent.target_actor.network, agent.target_critics.network)
    ]
    moved = []
    for _ in range(4):
        before = seen()
        agent.learn_from(batch)
        moved.append([not np.array_equal(a[0], b[0]) for a, b in zip(before, seen(), strict=True)])
    assert moved == [[True, False, False, False], [True] * 4] * 2


@pytest.mark.parametrize("kind", [DDPG, TD3, SAC])
def test_targets_start_as_what_they_follow(kind: Any) -> None:
    agent = kind(Plane, seed=0, **SMALL)
    owner = agent.learner if kind is SAC else agent
    for name in ("actor", "critic", "critics"):
        follower = getattr(owner, f"target_{name}", None)
        if follower is not None:
            own, followed = follower.network.state_dict(), getattr(owner, name).state_dict()
            for key, value in own.items():
                np.testing.assert_array_equal(value.array, followed[key].array)
                assert value is not followed[key]
            assert not any(weight.requires_grad for weight in follower.network.parameters())


def test_a_target_follows_softly_with_its_statistics() -> None:
    """θ⁻ += τ (θ - θ⁻), and so do the running statistics of a normalisation; its counter is copied."""
    network = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    follower = Follower(network, 0.25)
    before = {name: value.array.copy() for name, value in follower.network.state_dict().items()}
    for weight in network.parameters():
        weight.data.add_(1.0)
    network(mg.randn(8, 2) + 3)
    follower.follow()
    followed = network.state_dict()
    for name, value in follower.network.state_dict().items():
        ahead = followed[name].array
        expected = ahead if name.endswith("num_batches_tracked") else before[name] + 0.25 * (ahead - before[name])
        np.testing.assert_allclose(value.array, expected, rtol=1e-6, err_msg=name)
    assert follower.network[1].running_mean.array.any()


# -- choices


def test_discrete_sac_by_hand() -> None:
    """Target and actor's gradient, as sums over the actions."""
    agent = SACDiscrete("minigrad/ProbeBoth-v0", seed=1, hidden=(5,), batch_size=4, replay_size=8, gamma=0.9)
    for network in (agent.actor, agent.critics, agent.target_critics.network):
        network.double()
    rng = np.random.default_rng(0)
    s, after = rng.uniform(-1, 1, (4, 1)), rng.uniform(-1, 1, (4, 1))
    rewards, discount = rng.uniform(-1, 1, 4), np.array([0.9, 0.0, 0.9, 0.9])
    batch = Batch(s, np.array([0, 1, 1, 0]), rewards, after, discount, np.arange(4))
    for weight in agent.target_critics.network.parameters():
        weight.add_(mg.from_numpy(rng.normal(0, 0.3, weight.shape)))

    def policy(x: np.ndarray) -> np.ndarray:
        e = np.exp(dense(agent.actor, x))
        return e / e.sum(1, keepdims=True)

    pi = policy(after)
    least = np.minimum(*(dense(critic, after) for critic in agent.target_critics.network))
    y = rewards + discount * (pi * (least - 0.3 * np.log(pi))).sum(1)
    np.testing.assert_allclose(agent.target(batch, 0.3).array, y, rtol=1e-10)

    agent.log_alpha.value.data.fill_(math.log(0.3))
    agent.actor_optimizer = mg.optim.SGD(agent.actor.parameters(), lr=0.1)
    before, weights = copy.deepcopy(agent.actor), list(agent.actor.parameters())
    q_now = np.minimum(*(dense(critic, s) for critic in agent.critics))
    expected = slope(lambda: (policy(s) * (0.3 * np.log(policy(s)) - q_now)).sum(1).mean(), weights)
    agent.learn_from(batch)
    for weight, old, dw in zip(weights, before.parameters(), expected, strict=True):
        np.testing.assert_allclose(weight.array, old.array - 0.1 * dw, rtol=1e-6, atol=1e-9)
