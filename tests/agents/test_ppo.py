"""PPO: its loss in closed form, its details one by one, and what its figures mean."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

import minigrad as mg
from agents import A2C, PPO, PPOKL, TRPO, ActorCritic, evaluate
from agents.memory.rollout import Steps
from agents.networks.critics import Critic
from agents.policy_gradient import ppo as ppo_module
from agents.policy_gradient.a2c import a2c_losses
from agents.policy_gradient.parts.rollout_agent import RolloutAgent
from agents.policy_gradient.parts.trust_region import Batch, judge_rollout, normalize, old_policy
from agents.policy_gradient.ppo import Losses, approximate_kl, clipped_surrogate, value_loss
from agents.presets import preset_for
from envs import UsageError
from minigrad.distributions import Categorical, kl_divergence
from tests.agents.conftest import assert_same_state
from tests.agents.gradients import gradient_of, numeric_gradient

ENV = "minigrad/ProbeBoth-v0"
KINDS = [TRPO, PPOKL, PPO]  # they share the rollout and what goes with it


# -- the loss


@pytest.mark.parametrize(
    ("ratio", "advantage", "loss", "slope"),
    [
        (1.0, 2.0, -2.0, -2.0),
        (1.1, 2.0, -2.2, -2.0),
        (1.3, 2.0, -2.4, 0.0),  # far enough: nothing more to gain
        (0.7, 2.0, -1.4, -2.0),  # went the wrong way: back
        (0.9, -2.0, 1.8, 2.0),
        (0.7, -2.0, 1.6, 0.0),  # far enough
        (1.3, -2.0, 2.6, 2.0),  # went the wrong way
    ],
)
def test_clipped_surrogate_case_by_case(ratio: float, advantage: float, loss: float, slope: float) -> None:
    r = mg.tensor([ratio], dtype=mg.float64, requires_grad=True)
    found = clipped_surrogate(r, mg.tensor([advantage], dtype=mg.float64), 0.2)
    assert found.item() == pytest.approx(loss)
    assert gradient_of(found, [r])[0] == pytest.approx(slope)


def test_clipped_surrogate_is_the_published_one() -> None:
    rng = np.random.default_rng(0)
    ratio, advantage = np.exp(rng.normal(0, 0.5, 200)), rng.normal(size=200)
    published = np.minimum(ratio * advantage, ratio.clip(0.7, 1.3) * advantage)
    found = clipped_surrogate(mg.from_numpy(ratio), mg.from_numpy(advantage), 0.3).item()
    assert found == pytest.approx(-published.mean())


@pytest.mark.parametrize(
    ("value", "clip", "loss", "slope"),
    [
        (1.5, 0.0, 2.25, -3.0),
        (1.1, 0.2, 1.9**2, -3.8),  # near the old value
        (1.5, 0.2, 1.8**2, 0.0),  # towards the target, further than the clip: counts as 1.2
        (0.5, 0.2, 2.5**2, -5.0),  # away from the target: no mercy
    ],
)
def test_value_loss_case_by_case(value: float, clip: float, loss: float, slope: float) -> None:
    """The old value is 1, the target 3."""
    v = mg.tensor([value], dtype=mg.float64, requires_grad=True)
    old, target = (mg.tensor([number], dtype=mg.float64) for number in (1.0, 3.0))
    found = value_loss(v, old, target, clip)
    assert found.item() == pytest.approx(loss)
    assert gradient_of(found, [v])[0] == pytest.approx(slope)


def test_columns_are_refused() -> None:
    row, column = mg.zeros(8), mg.zeros(8, 1)
    with pytest.raises(ValueError, match=r"advantage \(8, 1\)"):
        clipped_surrogate(row, column, 0.2)
    for wrong in ((column, row, row), (row, column, row), (row, row, column)):
        with pytest.raises(ValueError, match=r"\(8, 1\)"):
            value_loss(*wrong, 0.2)


def batch_of(agent: RolloutAgent, size: int, seed: int = 0) -> Batch:
    """Steps in float64 that the policy has moved away from."""
    rng = np.random.default_rng(seed)
    observation = rng.normal(size=(size, *agent.observation_space.shape))
    action = agent.network.policy.choose(agent.tensor(observation), rng)
    distribution, value = agent.network(agent.tensor(observation))
    log_prob = distribution.log_prob(agent.tensor(action)).array
    return Batch(
        observation,
        action,
        log_prob + rng.normal(0, 0.3, size),
        value.array + rng.normal(0, 0.3, size),
        *rng.normal(size=(2, size)),
        agent.network.policy.head.numbers_of(distribution),
    )


@pytest.mark.parametrize("env", [ENV, "Pendulum-v1"])
@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("value_clip", [0.0, 0.2])
def test_gradient_of_the_loss(env: str, shared: bool, value_clip: float) -> None:
    agent = PPO(env, hidden=(4,), shared=shared, value_clip=value_clip, entropy_coefficient=0.1, orthogonal=False)
    agent.network.double()
    batch = batch_of(agent, 12)
    numeric = numeric_gradient(lambda: agent.losses(batch.map(agent.tensor)).total, agent.weights)
    assert np.abs(numeric).max() > 1e-2
    np.testing.assert_allclose(
        gradient_of(agent.losses(batch.map(agent.tensor)).total, agent.weights), numeric, 1e-5, 1e-7
    )


def test_the_first_step_is_the_policy_gradient() -> None:
    """At the old policy r = 1 and ∇r = ∇ log π: PPO's first gradient is A2C's, the value's and the entropy's too."""
    ppo = PPO(ENV, hidden=(4,), normalize_advantages=False, entropy_coefficient=0.3, value_coefficient=0.7)
    a2c = A2C(ENV, hidden=(4,), entropy_coefficient=0.3, value_coefficient=0.7)
    for agent in (ppo, a2c):
        agent.network.double()
    ppo.network.policy.head.output.bias.data += mg.tensor([0.5, -0.5])  # uniform, the entropy would have no slope
    a2c.network.load_state_dict(ppo.network.state_dict())
    batch = batch_of(ppo, 9)
    distribution, value = ppo.network(ppo.tensor(batch.observation))
    batch = batch._replace(log_prob=distribution.log_prob(ppo.tensor(batch.action)).array)
    found = gradient_of(ppo.losses(batch.map(ppo.tensor)).total, ppo.weights)
    distribution, value = a2c.network(a2c.tensor(batch.observation))
    constants = map(a2c.tensor, (batch.action, batch.advantage, batch.target))
    loss = a2c_losses(distribution, value, *constants, value_coefficient=0.7, entropy_coefficient=0.3).total
    np.testing.assert_allclose(found, gradient_of(loss, a2c.weights), rtol=1e-9, atol=1e-12)


# -- the details


def test_advantages_are_normalised_in_each_minibatch() -> None:
    advantage = np.array([1.0, 5.0, -3.0, 2.0])
    found = normalize(advantage)
    np.testing.assert_allclose(found, (advantage - 1.25) / np.std(advantage), rtol=1e-6)
    assert normalize(np.array([7.0])).tolist() == [7.0]  # a minibatch of one would be 0
    assert np.isfinite(normalize(np.array([2.0, 2.0]))).all()
    agent = PPO(ENV, hidden=(4,), orthogonal=False)
    agent.network.double()
    batch = batch_of(agent, 6)
    larger = batch._replace(advantage=100 * batch.advantage + 7)
    assert agent.losses(larger.map(agent.tensor)).policy.item() == pytest.approx(
        agent.losses(batch.map(agent.tensor)).policy.item(), rel=1e-6
    )
    plain = PPO(ENV, hidden=(4,), orthogonal=False, normalize_advantages=False)
    plain.network.double()
    assert plain.losses(larger.map(plain.tensor)).policy.item() != pytest.approx(
        plain.losses(batch.map(plain.tensor)).policy.item(), rel=1e-2
    )


def test_a_last_minibatch_of_one_is_fine() -> None:
    agent = PPO(ENV, rollout_steps=9, batch_size=4, epochs=2).learn(90)
    assert all(np.isfinite(parameter.array).all() for parameter in agent.weights)


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("env", [ENV, "Pendulum-v1"])
@pytest.mark.parametrize("kind", [PPO, A2C])
def test_orthogonal_start(kind: type, shared: bool, env: str) -> None:
    network = kind(env, hidden=(8, 8), shared=shared).network
    value = network.critic.output if isinstance(network.critic, Critic) else network.critic
    seen = 0
    for module in network.modules():
        if isinstance(module, mg.nn.Linear):
            w = module.weight.array.astype(np.float64)
            gain = 0.01 if module is network.policy.head.output else 1.0 if module is value else np.sqrt(2)
            gram = w @ w.T if len(w) <= w.shape[1] else w.T @ w
            np.testing.assert_allclose(gram, gain**2 * np.eye(len(gram)), atol=1e-5 * gain**2 + 1e-9)
            assert not module.bias.array.any()
            seen += 1
    assert seen == (4 if shared else 6)


def test_the_first_policy_is_almost_uniform() -> None:
    observation = np.linspace(-1, 1, 9, dtype=np.float32)[:, None]
    for orthogonal, near in ((True, True), (False, False)):
        agent = PPO(ENV, orthogonal=orthogonal)
        probs = agent.network(agent.tensor(observation))[0].probs.array
        assert (np.abs(probs - 0.5).max() < 0.01) == near


def test_settings_reach_the_optimizer() -> None:
    group = PPO(Large).optimizer.param_groups[0]
    assert (group["eps"], group["lr"]) == (1e-5, 3e-4)
    assert PPO(Large, adam_epsilon=1e-8).optimizer.param_groups[0]["eps"] == 1e-8


def moved(**hyperparameters) -> float:
    """How far one minibatch of SGD with step size 1 moves the weights."""
    agent = PPO(ENV, hidden=(4,), orthogonal=False, epochs=1, batch_size=12, **hyperparameters)
    agent.network.double()
    agent.optimizer = mg.optim.SGD(agent.weights, lr=1.0)
    before = [parameter.array.copy() for parameter in agent.weights]
    batch = batch_of(agent, 12)
    (figures,) = agent.improve(batch._replace(target=batch.target + 100))
    assert figures.gradient_norm > 10
    return float(sum(((p.array - b) ** 2).sum() for p, b in zip(agent.weights, before, strict=True)) ** 0.5)


def test_the_gradient_is_scaled_down() -> None:
    assert moved() == pytest.approx(0.5, rel=1e-4)
    assert moved(max_gradient_norm=0.0) > 10


def test_rates_and_clip_fall_to_zero() -> None:
    agent = PPO(Large, rollout_steps=10, epochs=1, anneal_learning_rate=True, anneal_clip=True, learning_rate=0.5)
    seen = []
    losses = agent.losses
    agent.losses = lambda batch, clip: (  # type: ignore[method-assign]
        seen.append((agent.optimizer.param_groups[0]["lr"], clip)),
        losses(batch, clip),
    )[1]
    agent.learn(40)
    np.testing.assert_allclose(seen, [(0.375, 0.15), (0.25, 0.1), (0.125, 0.05), (0.0, 0.0)])


def test_every_pass_goes_over_every_step_once(monkeypatch: pytest.MonkeyPatch) -> None:
    agent = PPO(ENV, num_envs=3, rollout_steps=7, batch_size=4, epochs=3)
    drawn = []

    def losses(batch: Batch, clip: float) -> Losses:
        drawn.append(batch.log_prob.tolist())
        return Losses(*(agent.weights[0].sum() for _ in range(4)), mg.zeros(4))

    agent.losses = losses  # type: ignore[method-assign]
    monkeypatch.setattr(ppo_module, "judge_rollout", lambda agent, steps: Batch(*[np.arange(21.0)] * 7))
    agent.learn(21)
    assert [len(rows) for rows in drawn] == [4, 4, 4, 4, 4, 1] * 3
    passes = [[row for rows in drawn[i : i + 6] for row in rows] for i in (0, 6, 12)]
    assert all(sorted(rows) == list(range(21)) for rows in passes)
    assert passes[0] != passes[1]


def test_passes_end_early_at_the_target() -> None:
    """At once after the first minibatch that finds the policy too far away, without another step."""
    agent = PPO(Large, rollout_steps=32, batch_size=32, epochs=50, learning_rate=0.05, target_kl=0.01, hidden=(8,))
    taken, steps = [], []
    improve, step = agent.improve, agent.optimizer.step
    agent.improve = lambda batch: taken.extend(improve(batch)) or taken  # type: ignore[method-assign]
    agent.optimizer.step = lambda: (steps.append(1), step())  # type: ignore[method-assign]
    agent.learn(32)
    kls = [figures.approx_kl for figures in taken]
    assert 1 < len(kls) < 50
    assert max(kls[:-1]) <= 0.015 < kls[-1]
    assert len(steps) == len(kls) - 1


# -- the figures


def test_approximate_kl_is_kl_on_average() -> None:
    """Σ_a π_old(a) ((r - 1) - log r) = KL(old ‖ new), exactly."""
    old, new = (Categorical(logits=mg.tensor(logits, dtype=mg.float64)) for logits in ([0.3, -1, 2], [1.0, 0.2, 0.4]))
    log_ratio = (new.logits - old.logits).array
    each = np.array([approximate_kl(log_ratio[i : i + 1]) for i in range(3)])
    assert (each >= 0).all()
    assert old.probs.array @ each == pytest.approx(kl_divergence(old, new).item())


def test_figures_of_a_policy_that_has_moved() -> None:
    agent = PPO(ENV, hidden=(4,), orthogonal=False, epochs=1, batch_size=200)
    agent.network.double()
    batch = batch_of(agent, 200)
    distribution, _ = agent.network(agent.tensor(batch.observation))
    ratio = np.exp(distribution.log_prob(agent.tensor(batch.action)).array - batch.log_prob)
    entropy = distribution.entropy().array.mean()
    (figures,) = agent.improve(batch)
    assert figures.approx_kl == pytest.approx((ratio - 1 - np.log(ratio)).mean())
    assert figures.clip_fraction == pytest.approx(((ratio < 0.8) | (ratio > 1.2)).mean())
    assert 0.2 < figures.clip_fraction < 0.8
    assert figures.entropy == pytest.approx(entropy)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("env", ["CartPole-v1", "Pendulum-v1"])
def test_the_old_policy_is_the_one_that_acted(kind: type[RolloutAgent], env: str) -> None:
    """It is asked for its log-probabilities only when the rollout is full; nothing may have changed until then. After
    that it stays what it was, while the new one moves."""
    plain = dict(anneal_learning_rate=False, normalize_observations=True)
    agent = kind(env, num_envs=2, rollout_steps=16, epochs=2, batch_size=32, **plain)
    acted: list[np.ndarray] = []
    act, improve = agent.act, agent.improve

    def acting(observation: np.ndarray) -> np.ndarray:
        action = act(observation)
        acted.append(agent.network.policy(agent.see(observation)).log_prob(agent.tensor(action)).array)
        return action

    def improving(batch: Batch) -> list:
        def log_probs(policy) -> np.ndarray:
            return policy.log_prob(agent.tensor(batch.action)).array

        figures = improve(batch)
        for old in (batch.log_prob, log_probs(old_policy(agent, batch.map(agent.tensor)))):
            np.testing.assert_allclose(old, np.concatenate(acted), rtol=1e-5, atol=1e-6)
        assert not old_policy(agent, batch.map(agent.tensor)).log_prob(agent.tensor(batch.action)).requires_grad
        new = agent.network.policy(agent.tensor(batch.observation))
        assert np.abs(log_probs(new) - batch.log_prob).max() > 1e-3
        acted.clear()
        return figures

    agent.act, agent.improve = acting, improving  # type: ignore[method-assign]
    agent.learn(32 * 3)
    assert not acted


def test_figures_start_at_the_old_policy() -> None:
    agent = PPO("CartPole-v1", num_envs=2, rollout_steps=16, epochs=2, anneal_clip=False, anneal_learning_rate=False)
    figures, improve = [], agent.improve
    agent.improve = lambda batch: figures.extend(improve(batch)) or figures  # type: ignore[method-assign]
    agent.learn(32)
    assert figures[0].approx_kl < 1e-9 < figures[1].approx_kl
    assert figures[0].clip_fraction == 0


def test_metrics_are_those_promised() -> None:
    agent = PPO(ENV, rollout_steps=8, batch_size=4).learn(24)
    metrics = agent.metrics.take()
    assert set(metrics) == {
        *("policy_loss", "value_loss", "entropy", "approx_kl", "clip_fraction", "gradient_norm", "explained_variance")
    }
    assert all(np.isfinite(value) for value in metrics.values())
    assert agent.schedules() == {"learning_rate": 0.0, "clip": 0.2}


# -- normalisation


@pytest.mark.parametrize("kind", KINDS)
def test_observation_statistics_are_frozen_at_evaluation_and_saved(kind: type[RolloutAgent], tmp_path) -> None:
    agent = kind("CartPole-v1", num_envs=1, rollout_steps=64, epochs=1, normalize_observations=True).learn(256)
    statistics = agent.observation_normalizer.statistics
    assert statistics.count == 256
    kept = statistics.state_dict()
    mean = kept["mean"].copy()
    evaluate(agent, episodes=2)
    agent.predict(np.full(4, 100.0))
    agent.learn(63)  # not a whole rollout: acting and learning see the same numbers
    assert statistics.count == 256
    np.testing.assert_array_equal(statistics.mean, mean)
    agent.save(tmp_path / "agent")
    loaded = kind.load(tmp_path / "agent")
    assert_same_state(agent, loaded)
    observation = np.array([0.3, -1.0, 0.02, 2.0], np.float32)
    np.testing.assert_array_equal(loaded.see(observation).array, agent.see(observation).array)
    np.testing.assert_allclose(agent.see(observation).array, (observation - mean) / np.sqrt(kept["variance"]), 1e-4)
    assert_same_state(agent.learn(100), loaded.learn(100))


def test_the_statistics_are_the_rollouts() -> None:
    agent = PPO("CartPole-v1", rollout_steps=32, num_envs=2, epochs=1, normalize_observations=True)
    seen = []
    learn_from = agent.learn_from
    agent.learn_from = lambda steps: (seen.append(steps.observation.reshape(-1, 4).copy()), learn_from(steps))  # type: ignore
    agent.learn(64 * 3)
    rows = np.concatenate(seen)
    np.testing.assert_allclose(agent.observation_normalizer.statistics.mean, rows.mean(0), rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(agent.observation_normalizer.statistics.variance, rows.var(0), rtol=1e-5)


def test_observations_that_cannot_be_normalised() -> None:
    with pytest.raises(UsageError, match=r"normalize_observations is for numbers, and FrozenLake-v1 has .*Discrete"):
        PPO("FrozenLake-v1", normalize_observations=True)
    with pytest.raises(UsageError, match=r"normalize_observations is for numbers, and .*SnakeImage-v0 has .*uint8"):
        PPO("minigrad/SnakeImage-v0", normalize_observations=True)


class Bytes(gym.Env):
    """Two bytes, as an Atari's memory is; the first says which action is the better one, by a little."""

    observation_space = spaces.Box(0, 255, (2,), np.uint8)
    action_space = spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.first = int(self.np_random.integers(120, 122))
        return np.uint8([self.first, 7]), {}

    def step(self, action):
        return np.uint8([120, 7]), float(action == self.first - 120), True, False, {}


def test_normalised_bytes_are_not_scaled_down_again() -> None:
    agent = PPO(Bytes, num_envs=2, rollout_steps=32, epochs=1, normalize_observations=True, hidden=(4,)).learn(128)
    seen = []
    layer = agent.network.policy.body[-2]
    forward = layer.forward
    layer.forward = lambda x: (seen.append(x.array), forward(x))[1]  # type: ignore[method-assign]
    agent.predict(np.uint8([[120, 7], [121, 7]]))
    assert np.ptp(seen[0][:, 0]) == pytest.approx(2, abs=0.2)  # standard deviations


class Large(gym.Env):
    """Observations and rewards of thousands; the better action is the observation's sign."""

    observation_space = spaces.Box(-np.inf, np.inf, (1,), np.float32)
    action_space = spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.sign = self.np_random.choice([-1.0, 1.0])
        return np.float32([5_000 + 10 * self.sign]), {}

    def step(self, action):
        return np.float32([5_000]), 3_000.0 if (action == 1) == (self.sign > 0) else -3_000.0, True, False, {}


def test_normalisation_makes_the_difference() -> None:
    found = []
    for switch in (True, False):
        switches = dict(normalize_observations=switch, normalize_rewards=switch)
        agent = PPO(Large, num_envs=4, rollout_steps=16, learning_rate=5e-3, hidden=(16,), **switches).learn(3_000)
        found.append([agent.predict(np.float32([5_000 + 10 * sign])) for sign in (-1, 1)])
    assert found[0] == [0, 1]
    assert found[1] != [0, 1]


def test_rewards_are_scaled_for_the_value() -> None:
    agent = PPO(Large, rollout_steps=32, epochs=1, normalize_rewards=True).learn(320)
    batch = []
    improve = agent.improve
    agent.improve = lambda each: batch.append(each) or improve(each)  # type: ignore[method-assign]
    agent.learn(32)
    np.testing.assert_allclose(np.abs(batch[0].target), 1, atol=0.1)  # ±3000, whose standard deviation is 3000


# -- the rollout


def test_steps_that_are_no_transitions_are_left_out() -> None:
    agent = PPO(ENV, rollout_steps=2, num_envs=2, hidden=(4,))
    valid = np.array([[True, True], [False, True]])
    zeros = np.zeros((2, 2), np.float32)
    ends = np.array([[True, False], [False, False]])
    observation = np.float32([[[1], [2]], [[3], [4]]])
    steps = Steps(observation, zeros.astype(int), zeros, ends, ends & False, observation, valid)
    assert judge_rollout(agent, steps).observation.ravel().tolist() == [1, 2, 4]


def test_a_graph_is_recorded_for_learning_only() -> None:
    agent = PPO("CartPole-v1", num_envs=1, rollout_steps=1_000)
    kept = []
    head = agent.network.policy.head
    forward = head.choose
    head.choose = lambda features, rng: (kept.append(features.requires_grad), forward(features, rng))[1]
    agent.learn(30)
    assert kept == [False] * 30


def test_the_preset_of_cart_pole_is_the_published_one() -> None:
    h = PPO("CartPole-v1").hyperparameters
    assert (h.rollout_steps, h.batch_size, h.epochs, h.gamma, h.gae_lambda) == (32, 256, 20, 0.98, 0.8)
    assert (h.learning_rate, h.clip, h.anneal_learning_rate, h.anneal_clip) == (1e-3, 0.2, True, True)
    assert preset_for(PPO, "CartPole-v1").num_envs == 8
    assert preset_for(ActorCritic, "CartPole-v1").num_envs == 8


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_cart_pole(seed: int) -> None:
    agent = PPO("CartPole-v1", seed=seed).learn(100_000)
    assert evaluate(agent, episodes=20).mean >= 495


@pytest.mark.slow
def test_64_cart_poles_in_a_vector() -> None:
    """gymnasium's own vector environment, which resets itself in a step of its own."""
    env = gym.make_vec("CartPole-v1", num_envs=64, vectorization_mode="vector_entry_point")
    fast = dict(preset_for(PPO, "CartPole-v1").hyperparameters, rollout_steps=64, batch_size=1_024, epochs=8)
    agent = PPO(env, seed=0, **fast).learn(500_000)
    assert evaluate(agent, "CartPole-v1", episodes=20).mean >= 475


@pytest.mark.parametrize("std", [0.25, 1.0])
def test_exploration_starts_as_wide_as_asked_for(std: float) -> None:
    agent = PPO("Pendulum-v1", initial_std=std, seed=0)  # its mean is near 0 at first
    drawn = agent.predict_batch(np.zeros((4_000, 3), np.float32), deterministic=False)
    assert drawn.std() == pytest.approx(std, rel=0.05)
