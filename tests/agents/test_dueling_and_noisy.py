"""Dueling streams and noisy layers, against their definitions."""

from __future__ import annotations

import itertools
from functools import partial

import numpy as np
import pytest

import minigrad as mg
import minigrad.nn as nn
from agents import NoisyDQN
from agents.networks.dueling import Dueling, action_values
from agents.networks.noisy import FEW_ROWS, Noise, NoisyLinear, add_noise, outer_product

ENV = "minigrad/ProbeBoth-v0"


# -- dueling


@pytest.mark.parametrize("numbers", [1, 5])
def test_dueling_is_value_plus_centred_advantage(numbers: int) -> None:
    layer = Dueling(6, 8, 3, numbers, nn.Linear)
    features = mg.randn(4, 6)
    output = layer(features).array.reshape(4, 3, numbers)
    hidden = np.maximum(layer.hidden(features).array, 0)
    value = layer.value(mg.from_numpy(hidden[:, :8])).array
    advantage = layer.advantage(mg.from_numpy(hidden[:, 8:])).array.reshape(4, 3, numbers)
    for b in range(4):
        for a in range(3):
            expected = value[b] + advantage[b, a] - advantage[b].mean(axis=0)
            np.testing.assert_allclose(output[b, a], expected, rtol=1e-5, atol=1e-6)
    # The mean over actions is the state's value: the streams can be told apart.
    np.testing.assert_allclose(output.mean(axis=1), value, rtol=1e-5, atol=1e-6)


def test_the_streams_are_put_together_by_an_operation_with_right_rules() -> None:
    value, advantage = (mg.randn(4, n, dtype=mg.float64).requires_grad_() for n in (5, 15))
    assert mg.gradcheck(lambda v, a: action_values(v, a, 3), [value, advantage])
    assert mg.gradgradcheck(lambda v, a: action_values(v, a, 3), [value, advantage])


@pytest.mark.parametrize("numbers", [1, 5])
def test_dueling_takes_an_empty_batch(numbers: int) -> None:
    output = Dueling(6, 8, 3, numbers, nn.Linear)(mg.ones(0, 6))
    assert output.shape == ((0, 3, 5) if numbers > 1 else (0, 3))


def test_every_layer_of_the_streams_can_be_noisy() -> None:
    layer = Dueling(6, 8, 3, 1, partial(NoisyLinear, sigma=0.1))
    assert len(Noise(layer, mg.from_numpy).layers) == 3


# -- noisy layers


def noise_of(layer: NoisyLinear) -> Noise:
    return Noise(layer, mg.from_numpy)


def test_noise_is_added_by_operations_with_right_rules() -> None:
    noise = mg.randn(3, 5, dtype=mg.float64)
    for operation, shapes in (
        (lambda mean, sigma: add_noise(noise, mean, sigma), [(3, 5), (3, 5)]),
        (lambda mean, sigma: add_noise(noise[0], mean, sigma), [(3, 5), (3, 5)]),
        (outer_product, [(3,), (5,)]),
    ):
        inputs = [mg.randn(*shape, dtype=mg.float64).requires_grad_() for shape in shapes]
        assert mg.gradcheck(operation, inputs)
        assert mg.gradgradcheck(operation, inputs)


@pytest.mark.parametrize("rows", [1, FEW_ROWS, FEW_ROWS + 1, 64])
def test_noise_is_factorised(rows: int) -> None:
    """ε_w is the outer product of the two vectors, f(ε) = sign(ε) √|ε|, and the bias has the output's; in either of the
    two ways to compute it."""
    mg.manual_seed(0)
    layer = NoisyLinear(5, 3, sigma=0.4)
    drawn = np.random.default_rng(7).standard_normal(8, np.float32)
    f = np.sign(drawn) * np.sqrt(np.abs(drawn))
    noise_of(layer).draw(np.random.default_rng(7))
    x = mg.randn(rows, 5)
    weight = layer.weight.array + layer.weight_sigma.array * np.outer(f[5:], f[:5])
    bias = layer.bias.array + layer.bias_sigma.array * f[5:]
    np.testing.assert_allclose(layer(x).array, x.array @ weight.T + bias, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(layer.weight_sigma.array, 0.4 / np.sqrt(5), rtol=1e-6)
    assert np.abs(layer.weight.array).max() <= 1 / np.sqrt(5)


def test_how_a_layer_starts() -> None:
    """Fortunato et al. 2018, section 3.2: with p inputs, μ within 1/√p and σ = σ₀/√p, of weights and biases."""
    layer = NoisyLinear(4, 16, 0.5)
    for sigma in (layer.weight_sigma, layer.bias_sigma):
        np.testing.assert_allclose(sigma.array, 0.25)
    for mean in (layer.weight, layer.bias):
        assert 0.3 < np.abs(mean.array).max() <= 0.5


def test_still_is_the_mean() -> None:
    layer = NoisyLinear(5, 3)
    rng = np.random.default_rng(0)
    x = mg.randn(1, 5)
    outputs = []
    for _ in range(4_000):
        noise_of(layer).draw(rng)
        outputs.append(layer(x).array[0])
    noise_of(layer).still()
    np.testing.assert_allclose(layer(x).array[0], np.mean(outputs, axis=0), atol=0.05)
    assert np.std(outputs, axis=0).min() > 0.1


def test_noise_has_unit_scale() -> None:
    """E f(ε)² = E|ε| = √(2/π), so an entry of ε_w has the variance 2/π."""
    layer, rng = NoisyLinear(1, 1), np.random.default_rng(0)
    noise = []
    for _ in range(20_000):
        noise_of(layer).draw(rng)
        noise.append(layer.noise.of_weight().item())
    assert np.mean(noise) == pytest.approx(0, abs=0.02)
    assert np.var(noise) == pytest.approx(2 / np.pi, abs=0.03)


def test_noisy_weights_from_another_forward_are_never_stale() -> None:
    mg.manual_seed(0)
    layer, rng, x = NoisyLinear(5, 3), np.random.default_rng(0), mg.randn(64, 5)

    def expected() -> np.ndarray:
        weight = layer.weight.array + layer.weight_sigma.array * layer.noise.of_weight().array
        bias = layer.bias.array + layer.bias_sigma.array * layer.noise.at_output.array
        return x.array @ weight.T + bias

    noise_of(layer).draw(rng)
    for change in (
        lambda: None,
        lambda: layer.weight.mul_(2.0),
        lambda: layer.bias_sigma.add_(1.0),
        lambda: layer.load_state_dict({name: 3 * p for name, p in layer.state_dict().items()}),
        lambda: setattr(layer, "weight_sigma", nn.Parameter(mg.ones(3, 5))),
        lambda: noise_of(layer).draw(rng),
    ):
        assert layer(x).grad_fn is not None
        with mg.no_grad():
            change()
            for _ in range(2):
                np.testing.assert_allclose(layer(x).array, expected(), rtol=1e-4, atol=1e-5)


def test_two_recorded_forwards_of_one_draw_have_graphs_of_their_own() -> None:
    layer, x = NoisyLinear(5, 3), mg.randn(64, 5)
    noise_of(layer).draw(np.random.default_rng(0))
    first, second = layer(x).sum(), layer(x).sum()
    first.backward()
    once = layer.weight_sigma.grad.array.copy()
    second.backward()
    np.testing.assert_allclose(layer.weight_sigma.grad.array, 2 * once, rtol=1e-6)


def outputs_of(network: nn.Module) -> np.ndarray:
    with mg.no_grad():
        return network(mg.tensor([[1.0]])).array.copy()


def test_noise_is_drawn_anew_in_both_networks_at_every_update() -> None:
    agent = NoisyDQN(ENV, learning_starts=50).learn(100)
    noises = []
    for _ in range(3):
        agent.learn_from(agent.replay.sample(8))
        layers = agent.noise.layers + agent.target_noise.layers
        parts = [part for layer in layers for part in (layer.noise.at_input, layer.noise.at_output)]
        noises.append([part.array.copy() for part in parts])
    assert len(agent.noise.layers) == len(agent.target_noise.layers) == 2
    half = len(noises[0]) // 2
    for before, after in itertools.pairwise(noises):
        for a, b in zip(before, after, strict=True):
            assert not np.array_equal(a, b)
    for online, target in zip(noises[0][:half], noises[0][half:], strict=True):
        assert not np.array_equal(online, target)


def test_noise_explores_and_evaluation_has_none() -> None:
    agent = NoisyDQN(ENV)
    assert agent.epsilon == 0
    observation = np.zeros((1, 1), np.float32)
    actions = {int(agent.act(observation)[0]) for _ in range(200)}
    assert actions == {0, 1}
    assert len({int(agent.predict(np.zeros(1))) for _ in range(200)}) == 1
    means = agent.action_values(observation)
    agent.act(observation)
    np.testing.assert_array_equal(agent.action_values(observation), means)


def test_evaluation_goes_by_the_means() -> None:
    """Also right after acting, with noise so large that it would decide."""
    agent = NoisyDQN(ENV, noise_sigma=50.0)
    observations = np.linspace(-1, 1, 64, dtype=np.float32)[:, None]
    best = agent.action_values(observations).argmax(axis=1)
    differed = 0
    for _ in range(10):
        differed += not np.array_equal(agent.act(observations), best)
        np.testing.assert_array_equal(agent.predict(observations), best)
    assert differed > 2


def test_looking_at_the_agent_changes_nothing() -> None:
    a, b = (NoisyDQN(ENV, learning_starts=50).learn(80) for _ in range(2))
    b.predict(np.zeros(1), deterministic=False)
    b.action_values(np.zeros((1, 1), np.float32))
    a, b = a.learn(60), b.learn(60)
    for x, y in zip(a.network.parameters(), b.network.parameters(), strict=True):
        np.testing.assert_array_equal(x.array, y.array)
