"""Policies and values of the user's own: what they may be, what is said of a wrong one, and what a saved agent asks."""

from __future__ import annotations

import re

import numpy as np
import pytest
from gymnasium import spaces

import minigrad as mg
import minigrad.nn as nn
from agents import A2C, A3C, DQN, PPO, PPOKL, TRPO, ActorCritic, QLearning, Reinforce, ReinforceWithBaseline
from envs import UsageError
from minigrad.distributions import Categorical, Distribution, Independent, Normal, SquashedNormal
from tests.agents.conftest import assert_same_state
from tests.agents.families import POLICY_GRADIENT

DEEP = [kind for kind in POLICY_GRADIENT if kind.own_networks]  # all but the one that knows the model
SHORT = dict(rollout_steps=16, batch_size=16, epochs=2)


def short(kind: type) -> dict[str, int]:
    """Settings with which a few steps are an update."""
    names = kind.Hyperparameters.__dataclass_fields__
    return {name: value for name, value in {**SHORT, "workers": 1}.items() if name in names}


def make_logits(observation_space, action_space) -> nn.Module:
    return nn.Sequential(nn.Linear(observation_space.shape[0], 5), nn.Tanh(), nn.Linear(5, int(action_space.n)))


def make_means(observation_space, action_space) -> nn.Module:
    return nn.Linear(observation_space.shape[0], action_space.shape[0])


def make_value(observation_space, action_space) -> nn.Module:
    return nn.Sequential(nn.Linear(observation_space.shape[0], 3), nn.ReLU(), nn.Linear(3, 1))


class Wide(nn.Module):
    """Gives the distribution itself."""

    def __init__(self, observation_space, action_space) -> None:
        super().__init__()
        self.discrete = isinstance(action_space, spaces.Discrete)
        self.layer = nn.Linear(observation_space.shape[0], int(action_space.n) if self.discrete else 2)

    def forward(self, observation: mg.Tensor) -> Distribution:
        out = self.layer(observation)
        if self.discrete:
            return Categorical(logits=out)
        return Independent(Normal(out.narrow(1, 0, 1), out.narrow(1, 1, 1).exp()), 1)


class Squashed(nn.Module):
    def __init__(self, observation_space, action_space) -> None:
        super().__init__()
        self.layer = nn.Linear(observation_space.shape[0], 1)

    def forward(self, observation: mg.Tensor) -> Distribution:
        return Independent(Normal(self.layer(observation).tanh(), mg.ones(1)), 0)


def networks_of(agent) -> list[nn.Module]:
    return [agent.policy if hasattr(agent, "policy") else agent.network.policy]


@pytest.mark.parametrize("kind", DEEP)
@pytest.mark.parametrize(
    ("env", "policy"),
    [("CartPole-v1", make_logits), ("CartPole-v1", Wide), ("Pendulum-v1", make_means), ("Pendulum-v1", Wide)],
)
def test_every_agent_learns_with_it_and_is_saved(kind: type, env: str, policy, tmp_path) -> None:
    own = {"policy": policy, "value": make_value} if "value" in kind.own_networks else {"policy": policy}
    steps = 220 if env == "Pendulum-v1" else 40
    agent = kind(env, num_envs=1, seed=1, **own, **short(kind))
    (network,) = networks_of(agent)
    before = [weight.array.copy() for weight in network.body.parameters()]
    assert before
    agent.learn(steps).save(tmp_path / "agent")
    if not kind.name.startswith("off-policy-policy"):  # which waits for 16 episodes
        assert any((w.array != kept).any() for w, kept in zip(network.body.parameters(), before, strict=True))
    assert agent.config()["own"]["policy"] == f"{policy.__module__}:{policy.__qualname__}"
    loaded = kind.load(tmp_path / "agent", **own)
    assert_same_state(agent, loaded)
    observation = agent.environments.observation
    np.testing.assert_array_equal(agent.predict(observation[0]), loaded.predict(observation[0]))
    with pytest.raises(
        UsageError, match=rf"with a policy of its user's own, .*; give it again: .*{kind.__name__}.load"
    ):
        kind.load(tmp_path / "agent")


def test_the_network_is_the_one_that_was_given() -> None:
    """Logits are its numbers, V is its number; a Module is copied, as two agents must not share weights."""
    policy, value = (make(spaces.Box(-1, 1, (4,)), spaces.Discrete(2)) for make in (make_logits, make_value))
    agent, other = (PPO("CartPole-v1", policy=policy, value=value, seed=seed) for seed in (0, 1))
    observation = np.float32([[0.1, -0.2, 0.3, 0.4], [1, 2, 3, 4]])
    distribution, v = agent.network(mg.from_numpy(observation))
    logits = policy(mg.from_numpy(observation)).array
    np.testing.assert_allclose(distribution.probs.array, np.exp(logits) / np.exp(logits).sum(1, keepdims=True), 1e-6)
    np.testing.assert_array_equal(v.array, value(mg.from_numpy(observation)).array[:, 0])
    assert not {*map(id, agent.weights)} & {*map(id, other.weights), *map(id, policy.parameters())}
    # Own weights are not made orthogonal: that would be another network than the one that was given.
    np.testing.assert_array_equal(agent.network.policy.body[0].weight.array, policy[0].weight.array)


def test_one_of_the_two_may_be_the_agents_own() -> None:
    agent = PPO("Pendulum-v1", policy=make_means, initial_std=0.25)
    assert agent.network.policy.head.log_std.array == pytest.approx(np.log(0.25))
    assert [*agent.network.critic.layers.parameters()]
    agent = A2C("CartPole-v1", value=make_value)
    gram = agent.network.policy.body[0].weight.array
    np.testing.assert_allclose(gram.T @ gram, 2 * np.eye(4), atol=1e-5)  # still orthogonal, times √2


def test_it_sees_normalised_observations() -> None:
    seen = []

    def policy(observation_space, action_space) -> nn.Module:
        seen.append(observation_space)
        return make_logits(observation_space, action_space)

    PPO("CartPole-v1", policy=policy, normalize_observations=True)
    assert seen == [spaces.Box(-10, 10, (4,), np.float32)]


@pytest.mark.parametrize(
    ("env", "own", "message"),
    [
        ("CartPole-v1", {"policy": nn.Linear(4, 3)}, r"policy: .* shape \(1, 3\), but \(1, 2\) .* logits of 2 actions"),
        ("CartPole-v1", {"policy": nn.Linear(3, 2)}, r"policy: it can't take observations of shape \(1, 4\)"),
        ("CartPole-v1", {"value": nn.Linear(4, 2)}, r"value: .* shape \(1, 2\), but \(1,\) .* one number"),
        (
            "Pendulum-v1",
            {"policy": nn.Linear(3, 2)},
            r"policy: .* shape \(1, 2\), but \(1, 1\) .* means of the actions",
        ),
        ("Pendulum-v1", {"policy": Squashed}, r"batch_shape \(1, 1\) and event_shape \(\), but \(1,\) and \(1,\)"),
        ("CartPole-v1", {"policy": lambda o, a: Wide(o, spaces.Discrete(3))}, "Categorical of 3 actions .* of 2 act"),
        ("CartPole-v1", {"policy": lambda o, a: 5}, r"policy: the function must return an nn.Module, got 5"),
        ("CartPole-v1", {"policy": lambda o: 5}, r"policy: the function was called with the observation space and"),
        ("CartPole-v1", {"policy": make_logits, "shared": True}, "policy and value are one network; leave out shared"),
    ],
)
def test_what_is_wrong_is_said_when_the_agent_is_made(env: str, own: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        PPO(env, **own)


class Mute(Normal):
    def entropy(self) -> mg.Tensor:
        raise NotImplementedError("Mute has no entropy")


class Drawing(nn.Module):
    """Gives an action's distribution of the class `kind`."""

    def __init__(self, kind: type[Normal] | type[SquashedNormal]) -> None:
        super().__init__()
        self.kind, self.layer = kind, nn.Linear(3, 2)

    def forward(self, observation: mg.Tensor) -> Distribution:
        out = self.layer(observation)
        return Independent(self.kind(out.narrow(1, 0, 1), out.narrow(1, 1, 1).exp()), 1)


def test_other_distributions_will_do_where_nothing_compares_them() -> None:
    PPO("Pendulum-v1", policy=Drawing(SquashedNormal), num_envs=1, **SHORT).learn(16)
    with pytest.raises(UsageError, match=r"this algorithm compares whole distributions, old with new; let the network"):
        PPOKL("Pendulum-v1", policy=Drawing(SquashedNormal))
    with pytest.raises(UsageError, match=r"policy: Mute has no entropy; give a distribution that has one"):
        PPO("Pendulum-v1", policy=Drawing(Mute))


def test_draws_are_those_of_the_distribution_and_of_the_seed() -> None:
    agent, same = (ActorCritic("Pendulum-v1", policy=Wide, seed=3) for _ in range(2))
    for layer in (agent, same):
        weight = layer.network.policy.body.layer
        weight.weight.array[...], weight.bias.array[...] = 0.0, [0.5, np.log(0.25)]
    observation = np.zeros((20_000, 3), np.float32)
    drawn = agent.predict_batch(observation, deterministic=False)
    assert drawn.shape == (20_000, 1)
    assert drawn.mean() == pytest.approx(0.5, abs=0.01)
    assert drawn.std() == pytest.approx(0.25, rel=0.03)
    np.testing.assert_array_equal(drawn, same.predict_batch(observation, deterministic=False))
    np.testing.assert_array_equal(agent.predict_batch(observation[:2]), [[0.5]] * 2)


def test_a_saved_agent_asks_for_what_it_had_and_nothing_else(tmp_path) -> None:
    Reinforce("CartPole-v1").save(tmp_path / "plain")
    with pytest.raises(UsageError, match="trained with the policy that Reinforce makes; leave policy out"):
        Reinforce.load(tmp_path / "plain", policy=make_logits)


def test_who_takes_none_says_so() -> None:
    for kind, name, takes in (
        (DQN, "policy", "it takes network=..."),
        (PPO, "network", "it takes policy=... and value=..."),
        (Reinforce, "value", "it takes policy=..."),
        (QLearning, "network", "it takes no network of your own"),
    ):
        with pytest.raises(UsageError, match=re.escape(f"{kind.name} has no {name}=...; {takes}")):
            kind("minigrad/GridWorld-v0", **{name: make_value})
    with pytest.raises(UsageError, match="a constant baseline has no network"):
        ReinforceWithBaseline("CartPole-v1", baseline="constant", value=make_value)


@pytest.mark.parametrize("kind", [TRPO, PPOKL])
def test_old_distributions_are_made_again(kind: type) -> None:
    """What is compared with the new policy is the old one: KL 0 before anything has changed."""
    agent = kind("Pendulum-v1", num_envs=1, policy=Wide, rollout_steps=8, epochs=1, learning_rate=1e-12)
    figures = []
    improve = agent.improve
    agent.improve = lambda batch: figures.append((batch, improve(batch))) or figures[0][1]
    agent.learn(8)
    ((batch, _),) = figures
    assert batch.policy.shape == (8, 2, 1)
    distribution = agent.network.policy.head.distribution_of(mg.from_numpy(batch.policy))
    log_prob = distribution.log_prob(mg.from_numpy(batch.action)).array
    np.testing.assert_allclose(log_prob, batch.log_prob, rtol=1e-5, atol=1e-6)


def test_workers_make_it_too() -> None:
    agent = A3C("CartPole-v1", workers=2, policy=make_logits, value=make_value, num_envs=1).learn(300)
    assert agent.steps >= 300
    with pytest.raises(UsageError, match=r"can't be sent to them .* a function that is defined at the top"):
        A3C("CartPole-v1", workers=2, policy=lambda o, a: make_logits(o, a)).learn(10)
