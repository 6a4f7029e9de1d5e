"""Each noise is what its formula says, explores, goes on the same after a crash, and is gone where nobody learns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minigrad as mg
from agents import DDPG, TD3, cli, load
from agents.continuous.parts.noise import NOISE
from agents.networks.noisy import NoisyLinear
from tests.agents.conftest import Near, assert_same_state

SMALL = dict(hidden=(8,), batch_size=8, replay_size=200, learning_starts=20)
STATES = np.zeros((3, 1), np.float32)


@pytest.mark.parametrize("noise", NOISE.options)
@pytest.mark.parametrize("kind", [DDPG, TD3])
def test_every_noise_explores_and_is_gone_in_an_evaluation(kind: Any, noise: str, tmp_path) -> None:
    agent = kind("Pendulum-v1", seed=3, num_envs=3, noise=noise, **SMALL).learn(90)
    observation = agent.environments.observation
    chosen = agent.predict_batch(observation)
    explored = np.stack([agent.explore(observation) for _ in range(20)])
    assert explored.shape == (20, 3, 1)
    assert (np.abs(explored) <= 1).all()
    assert np.abs(explored - chosen).max() > 1e-3
    np.testing.assert_array_equal(agent.predict_batch(observation), chosen)
    agent.save(tmp_path / "agent")
    assert_same_state(agent.learn(60), load(tmp_path / "agent").learn(60))


@pytest.mark.parametrize("noise", NOISE.options)
def test_looking_at_an_agent_changes_nothing(noise: str) -> None:
    one, other = (DDPG("Pendulum-v1", seed=3, noise=noise, **SMALL).learn(60) for _ in range(2))
    one.predict(np.ones((5, 3)))
    assert_same_state(one.learn(40), other.learn(40))


def test_ornstein_uhlenbeck_by_its_formula() -> None:
    """The variance goes to σ² / (1 - (1 - θ)²), and two steps k apart correlate by (1 - θ)ᵏ."""
    agent = DDPG(Near, seed=0, num_envs=3, noise="ornstein-uhlenbeck", noise_std=0.3, noise_pull=0.2, **SMALL)
    agent.noise.inside = lambda action: action  # not cut off
    rng, mean = np.random.default_rng(0), agent.predict(STATES)
    x = np.stack([agent.noise.explore(STATES, rng) - mean for _ in range(20_000)])[100:, :, 0]
    assert x.var() == pytest.approx(0.3**2 / (1 - 0.8**2), rel=0.05)
    for k in (1, 5):
        correlation = np.mean([np.corrcoef(x[:-k, i], x[k:, i])[0, 1] for i in range(3)])
        assert correlation == pytest.approx(0.8**k, abs=0.03)
    assert abs(np.corrcoef(x[:, 0], x[:, 1])[0, 1]) < 0.05  # each environment has its own


def test_ornstein_uhlenbeck_begins_anew_with_an_episode() -> None:
    agent = DDPG(Near, seed=0, num_envs=2, noise="ornstein-uhlenbeck", **SMALL).learn(40)
    assert not agent.noise.state.x.any()  # there, every step ends an episode
    going_on = DDPG("Pendulum-v1", seed=0, num_envs=2, noise="ornstein-uhlenbeck", **SMALL).learn(60)
    assert going_on.noise.state.x.all()


def test_parameter_noise_adapts_its_scale() -> None:
    """By 1 %, up where the noisy actor was nearer than wanted; so the distance asked for is the median."""
    agent = DDPG(Near, seed=0, noise="parameter", noise_std=0.2, noise_every=4, **{**SMALL, "hidden": (64,)})
    noise = agent.noise
    for squares, expected in ((4 * 0.19**2, 1.01), (4 * 0.21**2, 1 / 1.01)):
        noise.state.scale, noise.state.squares, noise.state.count = 1.0, squares, 4
        noise.adapt()
        assert noise.state.scale == pytest.approx(expected)
        assert noise.state.count == 0
    rng, distances = np.random.default_rng(0), []
    noise.state.scale = 0.1
    for _ in range(4_000):
        explored = noise.explore(STATES, rng)
        distances.append(np.abs(explored - agent.predict(STATES)).mean())
    # As many steps up as down: half of the noisy actors are nearer.
    assert np.median(distances[1_000:]) == pytest.approx(0.2, rel=0.1)


def test_parameter_noise_is_the_same_for_a_while() -> None:
    agent = DDPG(Near, seed=0, noise="parameter", noise_every=4, **{**SMALL, "hidden": (200,)})
    rng = np.random.default_rng(0)
    explored = [agent.noise.explore(STATES, rng)[0, 0] for _ in range(8)]
    assert len(set(explored[:4])) == len(set(explored[4:])) == 1
    assert explored[0] != explored[4]
    state = dict(agent.noise.noisy.state_dict())
    weight = agent.actor.layers[0].weight.array
    drawn = (state["layers.0.weight"].array - weight) / agent.noise.state.scale
    assert drawn.std() == pytest.approx(1, rel=0.1)


def test_activation_noise_goes_through_the_weights() -> None:
    """a = tanh(W (relu(h) + σ ε) + b): of a linear output layer, σ |W|."""
    agent = DDPG(Near, seed=0, noise="activation", noise_std=0.5, **SMALL)
    rng = np.random.default_rng(0)
    u = np.arctanh(np.stack([agent.noise.explore(STATES, rng)[0, 0] for _ in range(4_000)]))
    weight = agent.actor.layers[-1].weight.array
    assert u.std() == pytest.approx(0.5 * np.linalg.norm(weight), rel=0.05)
    assert u.mean() == pytest.approx(np.arctanh(agent.predict(STATES)[0, 0]), abs=0.02)


def test_noisy_layers_learn_their_noise() -> None:
    agent = DDPG("Pendulum-v1", seed=0, noise="noisy", **SMALL)
    layers = [layer for layer in agent.actor.layers if isinstance(layer, NoisyLinear)]
    assert len(layers) == 2
    before = [layer.weight_sigma.array.copy() for layer in layers]
    agent.learn(60)
    for layer, sigma in zip(layers, before, strict=True):
        assert not np.array_equal(layer.weight_sigma.array, sigma)
    assert not any(isinstance(layer, NoisyLinear) for layer in agent.critic.modules())
    with mg.no_grad():  # the target's actions are the means
        for layer in agent.target_actor.network.layers:
            if isinstance(layer, NoisyLinear):
                assert layer.noise.at_output is None


def test_on_the_command_line(tmp_path, capsys) -> None:
    line = ["train", "ddpg", "--steps", "40", "--quiet", "--evaluation-episodes", "0", "--run", str(tmp_path / "run")]
    assert cli.main([*line, "--noise", "ornstein-uhlenbeck", "--noise-pull", "0.3", "--noise-std", "0.4"]) == 0
    h = load(tmp_path / "run").hyperparameters
    assert (h.noise, h.noise_pull, h.noise_std) == ("ornstein-uhlenbeck", 0.3, 0.4)
    capsys.readouterr()
    assert cli.main([*line[:-1], str(tmp_path / "other"), "--noise-pull", "0.3"]) == 2
    assert "noise_pull is a setting of the noise ornstein-uhlenbeck" in capsys.readouterr().err
