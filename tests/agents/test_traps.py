"""Traps of on-policy learning that no other test of an agent would notice: what is lost between a rollout and a loss,
between an end and the next start, between one `learn` and the next, and between saving and loading."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv

import minigrad as mg
import minigrad.nn as nn
from agents import (
    A2C,
    PPO,
    ActorCritic,
    OffPolicyActorCritic,
    Reinforce,
    ReinforceWithBaseline,
    SimplePolicyGradient,
)
from agents.memory.rollout import Rollout, Steps, Trajectories
from agents.networks.normalization import RewardNormalizer
from agents.policy_gradient.parts.gae import rollout_advantage
from agents.policy_gradient.parts.trust_region import Batch, judge_rollout
from agents.policy_gradient.ppo import value_loss
from envs import Transition, make_environments
from envs.seeding import spawn_seeds
from tests.agents.conftest import arrays_of, assert_same_state
from tests.agents.gradients import gradient_of
from tests.agents.test_actor_critic import small, steps_of
from tests.agents.test_policy_gradient import Branching, every_trajectory

ENV = "minigrad/ProbeBoth-v0"


# -- what is learned


@pytest.mark.parametrize("kind", [ActorCritic, A2C])
def test_the_values_target_by_hand(kind: type) -> None:
    """Of three steps that were cut off: one-step targets for Actor-Critic, n-step returns for A2C, the value of the
    last observation after both."""
    agent = small(kind, gamma=0.9, max_gradient_norm=0.0)
    steps = steps_of(every_trajectory()[5])
    steps = steps._replace(terminated=np.zeros((3, 1), bool), truncated=np.array([[False], [False], [True]]))
    v, after = (agent.state_values(field[:, 0]) for field in (steps.observation, steps.next_observation))
    reward = steps.reward[:, 0]
    target = reward + 0.9 * after
    if kind is A2C:
        target = np.array([reward[t:] @ 0.9 ** np.arange(3 - t) + 0.9 ** (3 - t) * after[2] for t in range(3)])
    critic = list(agent.network.critic.parameters())
    weight = agent.tensor(-2 * (target - v))
    expected = gradient_of((weight * agent.network.value(agent.tensor(steps.observation[:, 0]))).mean(), critic)
    agent.learn_from(steps)
    found = np.concatenate([p.grad.array.ravel() for p in critic])
    coefficient = agent.hyperparameters.value_coefficient if kind is A2C else 1.0
    np.testing.assert_allclose(found, coefficient * expected, rtol=1e-7)


def test_ppos_targets_by_hand() -> None:
    """With λ = 1 what followed, discounted, up to the end or to the value of where the rollout stops; with λ = 0 one
    reward and the value after it; the advantage is what that is beyond V."""
    for gae_lambda in (0.0, 1.0):
        agent = PPO(ENV, num_envs=2, gamma=0.9, gae_lambda=gae_lambda, hidden=(4,))
        steps = cut_in_the_middle(0.0)
        batch = judge_rollout(agent, steps)
        reward = steps.reward.astype(np.float64)
        after = agent.state_values(steps.next_observation.reshape(8, 1)).reshape(4, 2)
        after[1, 1] = 0.0  # terminated
        if gae_lambda == 0:
            expected = reward + 0.9 * after
        else:
            last, end = reward[3] + 0.9 * after[3], reward[1] + 0.9 * after[1]
            expected = np.stack([reward[0] + 0.9 * end, end, reward[2] + 0.9 * last, last])
        np.testing.assert_allclose(batch.target.reshape(4, 2), expected, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(batch.advantage, batch.target - batch.value, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", [ActorCritic, A2C, OffPolicyActorCritic])
def test_gradients_do_not_add_up_over_updates(kind: type) -> None:
    steps = steps_of(every_trajectory()[5])
    agent = small(kind, max_gradient_norm=0.0)
    agent.optimizer.step = lambda: None  # type: ignore[method-assign]
    seen = []
    for _ in range(2):
        agent.learn_from(steps)
        seen.append(np.concatenate([p.grad.array.ravel() for p in agent.weights]))
    np.testing.assert_array_equal(*seen)


@pytest.mark.parametrize("kind", [SimplePolicyGradient, Reinforce])
def test_gradients_of_episodes_do_not_add_up_over_updates(kind: type) -> None:
    agent = kind(Branching, hidden=(4,), seed=1)
    agent.policy.double()
    agent.optimizer.step = lambda: None  # type: ignore[method-assign]
    seen = []
    for _ in range(2):
        agent.learn_from(every_trajectory())
        seen.append(np.concatenate([p.grad.array.ravel() for p in agent.weights]))
    assert np.abs(seen[0]).max() > 1e-3
    np.testing.assert_array_equal(*seen)


def test_the_gradient_of_episodes_is_scaled_down() -> None:
    for limit, expected in ((0.25, 0.25), (0.0, None)):
        agent = SimplePolicyGradient(Branching, hidden=(4,), seed=1, max_gradient_norm=limit)
        agent.policy.double()
        agent.learn_from([one._replace(reward=100 * one.reward) for one in every_trajectory()[:3]])
        norm = np.linalg.norm(np.concatenate([p.grad.array.ravel() for p in agent.weights]))
        before = agent.metrics.take()["gradient_norm"]
        assert before > 10
        assert norm == pytest.approx(expected or before, rel=1e-4)


def test_a_clipped_value_loss_is_a_mean_over_the_batch() -> None:
    rng = np.random.default_rng(0)
    value, old, target = rng.normal(size=(3, 50))
    near = old + (value - old).clip(-0.2, 0.2)
    expected = np.maximum((value - target) ** 2, (near - target) ** 2).mean()
    assert value_loss(*map(mg.from_numpy, (value, old, target)), 0.2).item() == pytest.approx(expected)


@pytest.mark.parametrize("kind", [ActorCritic, A2C, OffPolicyActorCritic])
def test_the_gradient_is_scaled_down(kind: type) -> None:
    steps = steps_of(every_trajectory()[5])
    steps = steps._replace(reward=100 * steps.reward)
    for limit, expected in ((None, 0.5), (2.0, 2.0)):
        agent = small(kind, **{} if limit is None else {"max_gradient_norm": limit})
        agent.learn_from(steps)
        norm = np.linalg.norm(np.concatenate([p.grad.array.ravel() for p in agent.weights]))
        assert norm == pytest.approx(expected, rel=1e-4)
        assert agent.metrics.take()["gradient_norm"] > 10  # what it was before


def test_settings_reach_the_optimizers() -> None:
    policy, value = ActorCritic(ENV, learning_rate=0.1, value_learning_rate=0.2).optimizer.param_groups
    assert (policy["lr"], value["lr"]) == (0.1, 0.2)
    group = A2C(ENV, learning_rate=0.1, rmsprop_alpha=0.7, rmsprop_epsilon=1e-3).optimizer.param_groups[0]
    assert (group["lr"], group["alpha"], group["eps"]) == (0.1, 0.7, 1e-3)
    agent = ReinforceWithBaseline(ENV, learning_rate=0.1, value_learning_rate=0.2)
    assert agent.optimizer.param_groups[0]["lr"] == 0.1
    assert agent.baseline.optimizer.param_groups[0]["lr"] == 0.2


@pytest.mark.parametrize("kind", [ActorCritic, A2C, PPO])
@pytest.mark.parametrize("shared", [False, True])
def test_the_activation_is_the_one_that_was_asked_for(kind: type, shared: bool) -> None:
    for name, layer, other in (("tanh", nn.Tanh, nn.ReLU), ("relu", nn.ReLU, nn.Tanh)):
        modules = list(kind(ENV, hidden=(4, 4), activation=name, shared=shared).network.modules())
        assert sum(isinstance(module, layer) for module in modules) == (2 if shared else 4)
        assert not any(isinstance(module, other) for module in modules)


@pytest.mark.parametrize(("kl", "passes"), [(0.0149, 6), (0.0151, 1)])
def test_the_passes_end_at_one_and_a_half_times_the_target(kl: float, passes: int, monkeypatch) -> None:
    agent = PPO(ENV, num_envs=1, rollout_steps=4, batch_size=4, epochs=6, target_kl=0.01)
    asked = []
    monkeypatch.setattr(PPO, "distance", lambda self, batch: asked.append(1) or kl)
    agent.learn(4)
    assert len(asked) == passes


def test_what_belongs_together_stays_together_in_minibatches() -> None:
    batch = Batch(*(np.arange(21.0) + 100 * i for i in range(len(Batch._fields))))
    for minibatch in batch.minibatches(4, np.random.default_rng(0)):
        for i, field in enumerate(minibatch):
            np.testing.assert_array_equal(field, minibatch[0] + 100 * i)


def test_the_figures_are_of_the_policy_and_of_the_returns() -> None:
    """Explained variance is that of the targets, not of the predictions; entropy is positive."""
    for kind in (ActorCritic, A2C):
        agent = small(kind, gamma=0.9)
        steps = steps_of(every_trajectory()[5])
        value, after = (agent.state_values(field[:, 0]) for field in (steps.observation, steps.next_observation))
        advantage = rollout_advantage(steps, value, after, 0.9, 1.0 if kind is A2C else 0.0)
        distribution, _ = agent.network(agent.tensor(steps.observation[:, 0]))
        agent.learn_from(steps)
        metrics = agent.metrics.take()
        expected = 1 - advantage.var() / (value + advantage).var()
        assert metrics["explained_variance"] == pytest.approx(expected)
        assert metrics["entropy"] == pytest.approx(distribution.entropy().array.mean())
    agent = PPO(ENV, num_envs=1, rollout_steps=32, batch_size=32, epochs=1)
    taken, added = [], []
    improve = agent.improve
    agent.improve = lambda batch: taken.append(batch) or improve(batch)  # type: ignore[method-assign]
    agent.metrics.add = lambda *values: added.append(dict(zip(agent.metric_names, values, strict=True)))
    agent.learn(32)
    (batch,), (metrics,) = taken, added
    expected = 1 - batch.advantage.var() / batch.target.var()
    assert metrics["explained_variance"] == pytest.approx(expected, rel=1e-4)


# -- ends and starts


def both_ends() -> Transition:
    """Two environments: the first's episode terminated at its very time limit, the second's was only cut off."""
    observation = np.float32([[1.0], [2.0]])
    ends = np.array([True, False]), np.array([True, True])
    return Transition(observation, np.array([0, 1]), np.ones(2), *ends, observation + 5, np.arange(2))


def test_what_terminated_at_the_time_limit_has_terminated() -> None:
    space = spaces.Box(-10, 10, (1,), np.float32)
    rollout, trajectories = Rollout(1, 2, space, spaces.Discrete(2)), Trajectories(2, 2)
    for memory in (rollout, trajectories):
        memory.add(both_ends())
    steps = rollout.take()
    assert steps.terminated.tolist() == [[True, False]]
    assert steps.truncated.tolist() == [[True, True]]
    taken = trajectories.take()
    assert [one.terminated for one in taken] == [True, False]
    assert [one.final_observation.tolist() for one in taken] == [[6.0], [7.0]]
    agent = ReinforceWithBaseline(ENV, gamma=0.9, num_envs=2)
    assert agent.baseline.after(taken) == [0.0, pytest.approx(agent.state_values(np.float32([[7.0]]))[0])]


def cut_in_the_middle(later: float) -> Steps:
    """Four steps of two environments, cut off at the second step in one, terminated there in the other; `later` is what
    the steps after that bring."""
    rng = np.random.default_rng(0)
    observation, following = rng.normal(size=(2, 4, 2, 1)).astype(np.float32)
    following[[0, 2]] = observation[[1, 3]]
    reward = rng.normal(size=(4, 2)).astype(np.float32)
    reward[2:] += later
    ends = np.zeros((4, 2), bool)
    ends[1] = True
    first = np.array([True, False])
    nothing = np.zeros((4, 2), int)
    return Steps(observation, nothing, reward, ends & ~first, ends & first, following, nothing == 0)


@pytest.mark.parametrize("kind", [A2C, PPO])
@pytest.mark.parametrize("gae_lambda", [0.5, 1.0])
def test_advantages_do_not_cross_an_end_of_either_kind(kind: type, gae_lambda: float) -> None:
    agent = kind(ENV, num_envs=2, gamma=0.9, gae_lambda=gae_lambda, hidden=(4,))

    def advantage(later: float) -> np.ndarray:
        steps = cut_in_the_middle(later)
        if kind is PPO:
            return judge_rollout(agent, steps).advantage.reshape(4, 2)
        value, after = (agent.state_values(field.reshape(8, 1)) for field in (steps[0], steps[5]))
        return rollout_advantage(steps, value, after, 0.9, gae_lambda).reshape(4, 2)

    found, other = advantage(0.0), advantage(100.0)
    np.testing.assert_array_equal(found[:2], other[:2])
    assert (np.abs(found[2:] - other[2:]) > 50).all()
    # The last step before the end: r + γ V of the final observation where it was cut off, r where it terminated.
    steps = cut_in_the_middle(0.0)
    v, after = (agent.state_values(field[1]) for field in (steps.observation, steps.next_observation))
    np.testing.assert_allclose(found[1], steps.reward[1] + 0.9 * after * [1, 0] - v, rtol=1e-5, atol=1e-6)


class Recording(gym.Env):
    """Episodes of two steps; keeps what it was seeded with."""

    observation_space = spaces.Box(-1, 1, (1,), np.float32)
    action_space = spaces.Discrete(3)

    def __init__(self) -> None:
        self.action_space = spaces.Discrete(3)  # each its own
        self.seeds: list[int | None] = []

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.seeds.append(seed)
        self.elapsed = 0
        return np.zeros(1, np.float32), {}

    def step(self, action):
        self.elapsed += 1
        return np.zeros(1, np.float32), 0.0, self.elapsed == 2, False, {}


@pytest.mark.parametrize("kind", [A2C, PPO, OffPolicyActorCritic])
def test_seeded_once_each_with_its_own_seed(kind: type) -> None:
    """An environment that is seeded at every reset plays the same episode for ever. The action space counts, too: what
    an environment's own code samples from it is part of a run."""
    made: list[Recording] = []

    def make() -> Recording:
        made.append(Recording())
        return made[-1]

    drawn = []
    for _ in range(2):
        made.clear()
        kind(make, seed=7, num_envs=3, rollout_steps=2, hidden=(4,)).learn(30).learn(30)
        trained = [env for env in made if env.seeds]  # others were made to see whether they can be
        assert [env.seeds[0] for env in trained] == spawn_seeds(7, 3)
        assert all(len(env.seeds) == 11 and set(env.seeds[1:]) == {None} for env in trained)
        drawn.append([[int(env.action_space.sample()) for _ in range(20)] for env in trained])
    assert drawn[0] == drawn[1]
    assert drawn[0][0] != drawn[0][1] != drawn[0][2]


@pytest.mark.parametrize("mode", AutoresetMode)
def test_vector_environments_are_seeded_once(mode: AutoresetMode) -> None:
    made = [Recording() for _ in range(3)]
    vector = SyncVectorEnv([lambda env=env: env for env in made], autoreset_mode=mode)
    environments = make_environments(vector)
    for env in made:
        env.seeds.clear()
    drawn = []
    for _ in range(2):
        environments.reset(7)
        drawn.append([vector.action_space.sample().tolist() for _ in range(20)])
        for _ in range(6):
            environments.step(np.zeros(3, np.int64))
    assert drawn[0] == drawn[1]
    for i, env in enumerate(made):
        given = [seed for seed in env.seeds if seed is not None]
        assert given == [spawn_seeds(7, 3)[i]] * 2
        assert len(env.seeds) > 4


@pytest.mark.parametrize("kind", [Reinforce, ActorCritic, A2C, PPO])
def test_learning_in_two_parts_is_learning(kind: type) -> None:
    """Nothing starts again where a second `learn` begins."""
    settings = {"rollout_steps": 8, "batch_size": 4} if kind is PPO else {}
    whole = kind("CartPole-v1", num_envs=2, seed=3, hidden=(8,), **plain(kind), **settings).learn(200)
    parts = kind("CartPole-v1", num_envs=2, seed=3, hidden=(8,), **plain(kind), **settings).learn(76).learn(124)
    assert_same_state(whole, parts)


@pytest.mark.parametrize("kind", [SimplePolicyGradient, Reinforce, A2C, OffPolicyActorCritic, PPO])
def test_what_was_collected_so_far_is_saved(kind: type, tmp_path) -> None:
    settings = {} if kind in (SimplePolicyGradient, Reinforce) else {"rollout_steps": 8}
    agent = kind("CartPole-v1", num_envs=2, seed=3, hidden=(8,), **settings).learn(58)  # 3 and 5 eighths of a rollout
    agent.save(tmp_path / "agent")
    assert_same_state(agent.learn(100), kind.load(tmp_path / "agent").learn(100))


def plain(kind: type) -> dict[str, bool]:
    """Without the schedules, which depend on how long the training is."""
    fields = kind.Hyperparameters.__dataclass_fields__
    return {name: False for name in fields if name.startswith("anneal")}


# -- normalisation


# One epoch, where the algorithm has epochs.
NORMALIZING = [(A2C, {}), (PPO, {"epochs": 1})]


@pytest.mark.parametrize(("kind", "passes"), NORMALIZING)
def test_empty_places_are_not_in_the_statistics(kind: type, passes: dict[str, int]) -> None:
    ids = ("minigrad/ProbeTruncation-v0", "minigrad/ProbeConstant-v0")
    env = SyncVectorEnv([lambda name=name: gym.make(name) for name in ids], autoreset_mode=AutoresetMode.NEXT_STEP)
    agent = kind(env, rollout_steps=30, normalize_observations=True, normalize_rewards=True, **passes).learn(42)
    # Of six steps of the vector environment, the first sees 0, 1, -, 0, 1, - and the second 0, -, 0, -, 0, -; a step
    # without any transition has no place in the rollout.
    observations, rewards = agent.observation_normalizer.statistics, agent.reward_normalizer.statistics
    assert observations.count == rewards.count == 42
    assert observations.mean == pytest.approx([12 / 42])
    assert rewards.mean == pytest.approx(30 / 42)  # returns so far: 0, 1 in the first, 1 in the second


@pytest.mark.parametrize("steps", [64, 90])
@pytest.mark.parametrize(("kind", "passes"), NORMALIZING)
def test_everything_that_is_normalised_with_is_saved(kind: type, passes: dict[str, int], tmp_path, steps: int) -> None:
    """At a rollout's end and in the middle of one; with both statistics and the returns under way."""
    settings = dict(rollout_steps=16, normalize_observations=True, normalize_rewards=True, **passes)
    agent = kind("CartPole-v1", num_envs=2, hidden=(8,), **settings).learn(steps)
    agent.save(tmp_path / "agent")
    loaded = kind.load(tmp_path / "agent")
    for mine, theirs in (
        (agent.observation_normalizer.statistics, loaded.observation_normalizer.statistics),
        (agent.reward_normalizer.statistics, loaded.reward_normalizer.statistics),
    ):
        assert mine.count == theirs.count == 64
        np.testing.assert_array_equal(mine.mean, theirs.mean)
        np.testing.assert_array_equal(mine.variance, theirs.variance)
        assert not np.array_equal(mine.variance, np.ones_like(mine.variance))
    assert agent.reward_normalizer.returns.any()
    np.testing.assert_array_equal(agent.reward_normalizer.returns, loaded.reward_normalizer.returns)
    assert_same_state(agent.learn(100), loaded.learn(100))


def test_a_constant_baseline_is_kept_in_part_and_saved(tmp_path) -> None:
    agent = ReinforceWithBaseline("CartPole-v1", baseline="constant", baseline_decay=0.75, hidden=(4,)).learn(100)
    baseline = agent.baseline
    agent.save(tmp_path / "agent")
    assert ReinforceWithBaseline.load(tmp_path / "agent").baseline.value == baseline.value > 0
    baseline.ab, baseline.bb = 8.0, 4.0
    baseline.products = lambda one, returns: (100.0, 40.0)  # type: ignore[method-assign]
    baseline.learn_from(every_trajectory()[:2], [np.zeros(3)] * 2)
    assert (baseline.ab, baseline.bb) == (0.75 * 8 + 0.25 * 100, 0.75 * 4 + 0.25 * 40)


def test_a2c_learns_from_normalised_steps() -> None:
    """Its update is the one without normalisers on steps that were normalised by hand; the observations' statistics
    grow only afterwards."""
    settings = dict(num_envs=2, gamma=0.9, hidden=(4,), seed=1)
    agent = A2C(ENV, normalize_observations=True, normalize_rewards=True, **settings)
    by_hand = A2C(ENV, **settings)
    agent.observation_normalizer.learn_from(np.array([[0.0], [1.0], [3.0]]))
    steps = cut_in_the_middle(0.0)
    normalizer = RewardNormalizer(2, 0.9)
    normalizer.learn_from(steps.reward, steps.terminated | steps.truncated, steps.valid)
    see = lambda observation: ((observation - 4 / 3) / np.sqrt(14 / 9)).astype(np.float32)  # mean and variance of 0 1 3
    by_hand.learn_from(
        steps._replace(
            observation=see(steps.observation),
            next_observation=see(steps.next_observation),
            reward=normalizer(steps.reward),
        )
    )
    agent.learn_from(steps)
    for mine, theirs in zip(agent.weights, by_hand.weights, strict=True):
        np.testing.assert_allclose(mine.array, theirs.array, rtol=1e-5, atol=1e-6)
    assert agent.observation_normalizer.statistics.count == 3 + steps.valid.sum()


def test_the_first_rewards_are_normalised_with_their_own_statistics() -> None:
    """Not with those of none, which would hand rewards of thousands to the value."""
    agent = PPO(ENV, num_envs=2, gamma=0.9, gae_lambda=0.0, hidden=(4,), normalize_rewards=True)
    steps = cut_in_the_middle(0.0)
    steps = steps._replace(reward=steps.reward * 1_000)
    batch = judge_rollout(agent, steps)
    r = steps.reward.astype(np.float64)
    returns = np.stack([r[0], r[1] + 0.9 * r[0], r[2], r[3] + 0.9 * r[2]])  # so far, in each episode
    after = agent.state_values(steps.next_observation.reshape(8, 1)).reshape(4, 2)
    after[1, 1] = 0.0
    np.testing.assert_allclose(batch.target.reshape(4, 2), r / returns.std() + 0.9 * after, rtol=1e-4, atol=1e-5)


def test_values_are_of_normalised_observations() -> None:
    agent = PPO("CartPole-v1", rollout_steps=64, epochs=1, normalize_observations=True, num_envs=1).learn(128)
    observation = np.float32([[0.3, -1.0, 0.02, 2.0]])
    seen = agent.observation_normalizer(observation)
    assert not np.allclose(seen, observation, atol=0.1)
    expected = agent.network.value(agent.tensor(seen)).array
    np.testing.assert_array_equal(agent.state_values(observation), expected)


def test_looking_at_an_agent_changes_nothing() -> None:
    """Not its statistics, and not what it draws next, either."""
    settings = dict(rollout_steps=16, epochs=1, normalize_observations=True, normalize_rewards=True)
    one, other = (PPO("CartPole-v1", num_envs=2, hidden=(8,), **settings).learn(70) for _ in range(2))
    before = {place: np.copy(value) for place, value in arrays_of(one.state_dict()).items()}
    one.predict(np.full((3, 4), 50.0))
    one.state_values(np.full((3, 4), 50.0, np.float32))
    for place, value in arrays_of(one.state_dict()).items():
        np.testing.assert_array_equal(value, before[place], err_msg=place)
    one.predict(np.full((3, 4), 50.0), deterministic=False)
    one.random._generators.pop("prediction")
    assert_same_state(one.learn(70), other.learn(70))
