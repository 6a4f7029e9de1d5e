"""What is DQN's own: its target network, its intervals, its loss and its seams."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

import minigrad as mg
import minigrad.nn as nn
from agents import DQN, Agent, DoubleDQN, Rainbow, evaluate
from agents.memory.replay import Batch
from agents.networks.bodies import body
from agents.value.c51 import Categorical
from agents.value.double_dqn import online_argmax
from agents.value.parts.plain import ExpectedValue, target_argmax
from agents.value.parts.seams import LOSS
from agents.value.qr_dqn import Quantiles
from envs import UsageError
from tests.agents.conftest import Near, assert_same_state
from tests.agents.gradients import gradient_of, numeric_gradient

ENV = "minigrad/ProbeBoth-v0"
LOSSES = {name: option.component for name, option in LOSS.options.items()}


def weights(network: nn.Module) -> list[np.ndarray]:
    return [parameter.array.copy() for parameter in network.parameters()]


def same(a: list[np.ndarray], b: list[np.ndarray]) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


# -- the target network


def test_target_network_equals_the_online_one_at_the_start(dqn_type: type[DQN]) -> None:
    """Every copy of it that the target has."""
    agent = dqn_type(ENV)
    for copy in agent.target_network.networks:
        assert same(weights(agent.network), weights(copy))


def test_no_gradient_reaches_the_target_network(dqn_type: type[DQN]) -> None:
    agent = dqn_type(ENV).learn(150)
    batch = agent.replay.sample(32)
    target = agent.target(batch.map(agent.tensor))
    assert not target.requires_grad
    assert not any(parameter.requires_grad for parameter in agent.target_network.parameters())
    before = weights(agent.target_network)
    agent.learn_from(batch)
    assert all(parameter.grad is None for parameter in agent.target_network.parameters())
    assert same(before, weights(agent.target_network))


def test_target_network_changes_only_when_renewed() -> None:
    agent = DQN(ENV, learning_starts=0, target_every=50, train_every=1)
    seen = []
    renew = agent.target_network.renew
    agent.target_network.renew = lambda network: (seen.append(agent.steps), renew(network))
    agent.learn(120)
    assert seen == [50, 100]
    assert not same(weights(agent.network), weights(agent.target_network))


@pytest.mark.parametrize("num_envs", [1, 2, 3, 8])
def test_intervals_do_not_depend_on_the_number_of_environments(num_envs: int) -> None:
    agent = DQN(ENV, num_envs=num_envs, learning_starts=40, train_every=4, updates=2, target_every=10)
    updates, renewals = [], []
    agent.learn_from = lambda batch: updates.append(len(batch.rows))  # type: ignore[method-assign]
    agent.target_network.renew = lambda network: renewals.append(1)
    agent.learn(240)
    assert len(updates) == (240 - 40) // 4 * 2
    assert len(renewals) == 24


def test_the_target_looks_n_steps_ahead() -> None:
    """An episode is 0, 1 and is cut off; the rewards are 0 and 1. From 0 there are two, from 1 there is one."""
    agent = DQN("minigrad/ProbeTruncation-v0", n_step=3, gamma=0.5, learning_starts=50).learn(60)
    batch = agent.replay.sample(32)
    from_0 = batch.observation[:, 0] == 0
    assert 0 < from_0.sum() < 32
    np.testing.assert_array_equal(batch.reward, np.where(from_0, 0.5, 1.0))
    np.testing.assert_array_equal(batch.discount, np.where(from_0, 0.25, 0.5))
    following = agent.target_network(mg.from_numpy(batch.next_observation)).array.max(axis=1)
    expected = batch.reward + batch.discount * following
    np.testing.assert_allclose(agent.target(batch.map(agent.tensor)).array[:, 0], expected, rtol=1e-6)


@pytest.mark.parametrize("replay", ["uniform", "prioritized"])
def test_nothing_is_drawn_from_an_empty_replay(replay: str) -> None:
    """The first of three steps is complete when its episode ends after the second; without `learning_starts`, the
    first update would learn from rows that nobody wrote."""
    agent = DQN("minigrad/ProbeTruncation-v0", learning_starts=0, n_step=3, replay=replay)
    filled = []
    learn_from = agent.learn_from
    agent.learn_from = lambda batch: (filled.append(len(agent.replay)), learn_from(batch))  # type: ignore[method-assign]
    agent.learn(4)
    assert filled == [2, 2, 4]


# -- the loss


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("weighted", [False, True])
def test_gradient_of_the_loss(dqn_type: type[DQN], loss: str, weighted: bool) -> None:
    """In float64, against central differences, for every weight of the network."""
    few = {"categorical": {"atoms": 7}, "quantile": {"head_quantiles": 5}}
    head = dqn_type(ENV).hyperparameters.head
    agent = dqn_type(ENV, hidden=(5,), loss=loss, **few.get(head, {})).learn(150)
    drawn = agent.replay.sample(8)
    batch = Batch(
        drawn.observation.astype(np.float64) + 0.1,
        drawn.action,
        drawn.reward.astype(np.float64),
        drawn.next_observation.astype(np.float64),
        drawn.discount.astype(np.float64),
        drawn.rows,
        np.linspace(0.5, 1.0, 8) if weighted else None,
    ).map(agent.tensor)
    agent.network.double()
    agent.target_network.double()
    target = agent.tensor(agent.target(batch).array.astype(np.float64))

    def loss_of() -> mg.Tensor:
        return agent.loss(agent.prediction(batch), target, batch.weight)

    parameters = list(agent.network.parameters())
    expected = numeric_gradient(loss_of, parameters)
    np.testing.assert_allclose(gradient_of(loss_of(), parameters), expected, rtol=1e-5, atol=1e-8)


def test_losses_refuse_a_column_for_a_row() -> None:
    """(64, 1) against (64,) is refused, not broadcast."""
    for loss in LOSSES.values():
        with pytest.raises((ValueError, RuntimeError), match=r"\(8, 1\)"):
            loss(mg.zeros(8), mg.zeros(8, 1), reduction="none")


def test_epsilon_of_adam_is_the_one_given() -> None:
    """One step of one weight with gradient g is lr g / (|g| + ε), Kingma & Ba, algorithm 1: half of lr where g is ε."""
    agent = DQN(ENV, learning_rate=0.5, adam_epsilon=2e-3)
    (weight, *_) = agent.weights
    before = weight.array.copy()
    weight.grad = mg.full(weight.shape, 2e-3)
    agent.optimizer.step()
    np.testing.assert_allclose(before - weight.array, 0.25, rtol=1e-4)


def test_huber_is_quadratic_then_linear() -> None:
    error = mg.from_numpy(np.array([0.5, -0.5, 3.0, -3.0], np.float32))
    for name, expected in (("huber", [0.125, 0.125, 2.5, 2.5]), ("mse", [0.25, 0.25, 9.0, 9.0])):
        np.testing.assert_allclose(LOSSES[name](error, mg.zeros(4), reduction="none").array, expected)
        assert LOSSES[name](error, mg.zeros(4), reduction="mean").item() == pytest.approx(np.mean(expected))


# -- the head and the next action


def test_target_by_hand() -> None:
    head = ExpectedValue(LOSSES["huber"])
    q = mg.tensor([[1.0, 5.0], [7.0, 2.0]])
    target = head.target(mg.tensor([10.0, 20.0]), mg.tensor([0.9, 0.0]), q, mg.tensor([1, 0]))
    np.testing.assert_allclose(target, [[10 + 0.9 * 5], [20]])


def test_who_chooses_the_next_action() -> None:
    head = ExpectedValue(LOSSES["huber"])
    online = lambda observation: observation * -1
    target_output = mg.tensor([[1.0, 2.0], [4.0, 3.0]])
    assert target_argmax(head, online, target_output, target_output).tolist() == [1, 0]
    assert online_argmax(head, online, target_output, target_output).tolist() == [0, 1]


@pytest.mark.parametrize("head", [Categorical(3, 0.0, 8.0, (0.0, 0.25)), Quantiles(3, (0.0, 0.25))])
def test_the_next_action_is_what_the_policy_would_take(head) -> None:
    """The first action is worth 4 for certain, the second 0, 8 or 8: more on average, less in its worst quarter."""
    numbers = np.log([[1e-9, 1, 1e-9], [1, 1e-9, 2]]) if isinstance(head, Categorical) else [[4.0, 4, 4], [0, 8, 8]]
    output = mg.from_numpy(np.array([numbers], np.float32))
    assert head.values(output).array.argmax() == 1
    assert target_argmax(head, None, output, output).tolist() == [0]
    assert online_argmax(head, lambda observation: output, output * 0, output).tolist() == [0]


def test_double_dqn_is_dqn_with_another_component() -> None:
    assert DoubleDQN(ENV).next_action is online_argmax
    assert DQN(ENV, next_action="online").next_action is online_argmax
    assert DQN(ENV).next_action is target_argmax
    a, b = DoubleDQN(ENV).learn(300), DQN(ENV, next_action="online").learn(300)
    assert same(weights(a.network), weights(b.network))


# -- acting


def test_epsilon_greedy() -> None:
    agent = DQN(ENV, num_envs=4, epsilon_start=1.0, epsilon_end=0.1, epsilon_fraction=0.5)
    agent.total_steps = 1000
    observation = np.ones((1000, 1), np.float32)
    rng = np.random.default_rng(0)
    best = agent.choose(observation, None)[0]
    for steps, epsilon in ((0, 1.0), (250, 0.55), (500, 0.1), (900, 0.1)):
        agent.steps = steps
        assert agent.epsilon == pytest.approx(epsilon)
        assert (agent.choose(observation, rng) != best).mean() == pytest.approx(epsilon / 2, abs=0.05)
    assert (agent.choose(observation, None) == best).all()


@pytest.mark.parametrize(
    ("space", "features"),
    [
        (spaces.Box(-1, 1, (3,), np.float32), 3),
        (spaces.Box(-1, 1, (2, 3), np.float64), 6),
        (spaces.Box(0, 255, (4, 84, 84), np.uint8), 64 * 7 * 7),  # the Nature network's, as published
        (spaces.Box(0, 255, (96, 96, 3), np.uint8), 64 * 8 * 8),
        (spaces.Box(0, 255, (36, 40, 1), np.uint8), 64 * 1 * 1),
        (spaces.Box(0, 255, (35, 40, 3), np.uint8), 16 * 33 * 38),
        (spaces.Box(0, 1, (10, 10, 10), np.bool_), 16 * 8 * 8),  # MinAtar's, as published
        (spaces.Box(0, 255, (4, 3, 5), np.uint8), 16 * 1 * 3),
        (spaces.Box(0, 255, (2, 2, 2), np.uint8), 8),
        (spaces.Box(0, 255, (20, 30), np.uint8), 600),
        (spaces.Discrete(6, start=2), 6),
        (spaces.MultiBinary(4), 4),
        (spaces.MultiDiscrete([3, 4]), 2),
    ],
)
def test_bodies_for_every_observation(space: spaces.Space, features: int) -> None:
    layers, width = body(space, ())
    assert width == features
    observation = np.stack([np.asarray(space.sample()) for _ in range(5)])
    if observation.dtype == np.float64:
        observation = observation.astype(np.float32)
    out = nn.Sequential(*layers, nn.Linear(width, 2))(mg.from_numpy(observation))
    assert out.shape == (5, 2)
    assert out.dtype == mg.float32


def test_pictures_with_channels_last_are_turned_around() -> None:
    """The same picture, whichever way round, has the same features; and a byte of 255 is a True."""
    rng = np.random.default_rng(0)
    picture = rng.random((2, 3, 40, 48)) < 0.5  # (batch, C, H, W)
    features = []
    first, last = (0, 1, 2, 3), (0, 2, 3, 1)
    for axes, dtype, scale in ((first, np.bool_, 1), (first, np.uint8, 255), (last, np.uint8, 255)):
        observation = (picture.transpose(axes) * scale).astype(dtype)
        mg.manual_seed(0)
        layers, width = body(spaces.Box(0, scale, observation.shape[1:], dtype), (16,))
        assert width == 16
        features.append(nn.Sequential(*layers)(mg.from_numpy(observation)).array)
    assert features[0].std() > 0
    np.testing.assert_allclose(features[1], features[0], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(features[2], features[0], rtol=1e-4, atol=1e-6)


def test_scaled_observations() -> None:
    space = spaces.Box(np.array([-1.2, -0.07], np.float32), np.array([0.6, 0.07], np.float32), dtype=np.float32)
    (layer, *_), _ = body(space, (), scale=True)
    observation = mg.from_numpy(np.array([[-1.2, 0.07], [-0.3, 0.0]], np.float32))
    np.testing.assert_allclose(layer(observation).array, [[-1, 1], [0, 0]], atol=1e-6)
    observation = np.array([[-0.5, 0.05]], np.float32)
    scaled, plain = (DQN("MountainCar-v0", scale_observations=on).action_values(observation) for on in (True, False))
    assert not np.array_equal(scaled, plain)
    with pytest.raises(UsageError, match="without finite bounds"):
        DQN("CartPole-v1", scale_observations=True)


def test_learns_from_discrete_observations() -> None:
    agent = DQN(
        "FrozenLake-v1",
        seed=0,
        learning_starts=100,
        hidden=(),
        learning_rate=0.01,
        gamma=0.9,
        target_every=50,
    ).learn(1_000)
    assert agent.predict(0) in range(4)


# One value of every switch that is not the default's.
OTHERS = {
    "next_action": "online",
    "dueling": True,
    "replay": "prioritized",
    "n_step": 2,
    "head": "categorical",
    "noisy": True,
}


def test_rainbow_is_all_of_them() -> None:
    h = Rainbow(ENV).hyperparameters
    assert {name: getattr(h, name) for name in OTHERS} == {**OTHERS, "n_step": 3}
    assert h.epsilon_start == h.epsilon_end == 0


def test_max_q_is_the_largest_value_of_the_states_acted_in() -> None:
    agent = DQN(ENV, num_envs=3)
    observation = np.array([[-1.0], [1.0], [0.5]], np.float32)
    agent.act(observation)
    assert agent.max_q == pytest.approx(agent.action_values(observation).max(axis=1).mean())
    agent.act(observation[:1])
    assert agent.max_q == pytest.approx(agent.action_values(observation[:1]).max())


@pytest.mark.slow
@pytest.mark.parametrize("variant", [DQN, Rainbow])
def test_cartpole_is_solved(variant: type[Agent]) -> None:
    """By two seeds of three: another machine's BLAS draws other runs, and about one in ten ends in a dip. How the other
    variants learn is measured by benchmarks/learning.py."""
    returns: list[float] = []
    while len(returns) < 3 and sum(r >= 475 for r in returns) < 2:  # the third need not play where two have solved it
        returns.append(evaluate(variant("CartPole-v1", seed=len(returns)).learn(50_000)).mean)
    assert sum(r >= 475 for r in returns) == 2, returns


# -- continuous actions


def test_continuous_actions(tmp_path) -> None:
    """A user's own loop, on the environment itself, with an agent that was loaded from a run."""
    trained = DQN("Pendulum-v1", num_envs=2, actions=5, hidden=(8,), learning_starts=50)
    trained.learn(300, run=tmp_path / "run")
    agent = DQN.load(tmp_path / "run")
    assert int(agent.action_space.n) == 5
    env = gym.make("Pendulum-v1")
    observation, _ = env.reset(seed=0)
    for deterministic in (True, False):
        action = agent.predict(observation, deterministic)
        assert env.action_space.contains(action)
        assert action.item() in (-2.0, -1.0, 0.0, 1.0, 2.0)
        observation, *_ = env.step(action)
    assert agent.predict(np.zeros((4, 3))).shape == (4, 1)
    assert len(evaluate(agent, episodes=2).returns) == len(evaluate(agent, env, episodes=2).returns) == 2
    assert_same_state(agent.learn(100), trained.learn(100), but="/random/generators/prediction")


def test_learns_which_of_its_continuous_actions_is_best() -> None:
    """The reward is -(action - 0.5)², and one of five actions is 0.5."""
    agent = DQN(lambda: Near(0.5), actions=5, hidden=(16,), learning_rate=1e-2, learning_starts=50, target_every=20)
    values = agent.learn(600).action_values(np.zeros((1, 1), np.float32))[0]
    np.testing.assert_allclose(values, [-2.25, -1.0, -0.25, 0.0, -0.25], atol=0.1)
    assert agent.predict(np.zeros(1)).tolist() == [0.5]
