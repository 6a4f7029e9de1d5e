"""A network of the user's own: what may be given, what is refused, and that a run asks for it again."""

from __future__ import annotations

import json

import numpy as np
import pytest

import minigrad as mg
import minigrad.nn as nn
from agents import C51, DQN, NoisyDQN, cli, load
from agents.networks.noisy import NoisyLinear
from envs import UsageError
from tests.agents.conftest import assert_same_state

ENV = "CartPole-v1"


def two_layers(observation_space, action_space) -> nn.Module:
    (inputs,) = observation_space.shape
    return nn.Sequential(nn.Linear(inputs, 6), nn.Tanh(), nn.Linear(6, int(action_space.n)))


def weights(network: nn.Module) -> list[np.ndarray]:
    return [parameter.array.copy() for parameter in network.parameters()]


def test_a_function_makes_both_networks() -> None:
    agent = DQN(ENV, network=two_layers, learning_starts=20, target_every=1000)
    (target,) = agent.target_network.networks
    assert [type(layer) for layer in agent.network] == [type(layer) for layer in target]
    start = weights(agent.network)
    assert all(map(np.array_equal, start, weights(target)))
    agent.learn(60)
    assert not any(map(np.array_equal, start, weights(agent.network)))
    assert all(map(np.array_equal, start, weights(target)))
    observation = np.ones((1, 4), np.float32)
    expected = agent.network(mg.from_numpy(observation)).detach().array
    np.testing.assert_array_equal(agent.action_values(observation), expected)


def test_a_module_is_where_learning_starts_and_stays_as_it_is() -> None:
    given = nn.Sequential(nn.Linear(4, 2))
    before = weights(given)
    agents = [DQN(ENV, network=given, seed=seed, learning_starts=20).learn(60) for seed in range(2)]
    assert all(map(np.array_equal, before, weights(given)))
    assert not np.array_equal(*(agent.network[0].weight.array for agent in agents))
    for agent in agents:
        assert all(map(np.array_equal, before, weights(DQN(ENV, network=given).network)))
        assert agent.network is not given


def test_a_class_is_a_function_of_the_spaces() -> None:
    class Net(nn.Module):
        def __init__(self, observation_space, action_space) -> None:
            super().__init__()
            self.table = nn.Linear(4, 2)

        def forward(self, x):
            return self.table(x)

    assert isinstance(DQN(ENV, network=Net).network, Net)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (
            nn.Linear(4, 3),
            r"network: from observations of shape \(1, 4\) came an output of shape \(1, 3\), but \(1, 2\) was "
            r"expected: a number for each of 2 actions",
        ),
        (nn.Sequential(nn.Linear(4, 1), nn.Flatten(0)), r"came an output of shape \(1,\), but \(1, 2\) was expected"),
        (nn.Linear(3, 2), r"network: it can't take observations of shape \(1, 4\): .*in_features"),
        (lambda observation_space, action_space: 3, r"network: the function must return an nn\.Module, got 3"),
        (lambda observation_space: nn.Linear(4, 2), r"network: the function was called with the observation space and"),
        (5, r"network must be one of plain, dueling, noisy, noisy-dueling, or a Module, or a function .*, got 5"),
    ],
)
def test_what_does_not_fit_is_refused(network, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        DQN(ENV, network=network)


def test_a_network_that_returns_no_tensor() -> None:
    class Pair(nn.Module):
        def forward(self, x):
            return x, x

    with pytest.raises(UsageError, match="which is no Tensor"):
        DQN(ENV, network=Pair())


def test_a_head_wants_its_numbers() -> None:
    few = dict(atoms=5, value_min=0.0, value_max=1.0)
    assert C51(ENV, network=nn.Linear(4, 10), **few).network.out_features == 10
    shaped = nn.Sequential(nn.Linear(4, 10), nn.Unflatten(1, (2, 5)))
    values = C51(ENV, network=shaped, **few).action_values(np.zeros((3, 4), np.float32))
    assert values.shape == (3, 2)
    with pytest.raises(UsageError, match=r"but \(1, 10\) was expected: 5 numbers for each of 2 actions"):
        C51(ENV, network=nn.Linear(4, 2), **few)


def test_noisy_layers_in_it_are_found() -> None:
    make = lambda observation_space, action_space: nn.Sequential(nn.Linear(4, 3), nn.ReLU(), NoisyLinear(3, 2))
    agent = NoisyDQN(ENV, network=make, learning_starts=10, target="averaged", target_last=2)
    assert agent.epsilon == 0
    agent.learn(20)
    assert len(agent.noise.layers) == 1
    assert len(agent.target_noise.layers) == 2
    assert all(layer.noise.at_input is not None for layer in agent.target_noise.layers)


def test_looking_at_it_changes_nothing() -> None:
    """Its statistics don't count the observation that it is tried with, and it trains as it did."""
    agent = DQN(ENV, network=nn.Sequential(nn.BatchNorm1d(4), nn.Linear(4, 2)))
    assert agent.network[0].num_batches_tracked.item() == 0
    assert agent.network.training


def test_other_observations() -> None:
    """Counted ones, which don't begin at 0."""
    table = lambda observation_space, action_space: nn.Sequential(nn.Embedding(16, int(action_space.n)))
    assert DQN("FrozenLake-v1", network=table).action_values(np.arange(16)).shape == (16, 4)


def test_a_run_names_it_and_asks_for_it(tmp_path, capsys) -> None:
    agent = DQN(ENV, network=two_layers, learning_starts=20).learn(60, run=tmp_path / "run")
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["hyperparameters"]["network"] == {"own": f"{__name__}:two_layers"}
    message = rf"a network of its user's own, {__name__}:two_layers.* load\(path, network=\.\.\.\)"
    with pytest.raises(UsageError, match=message):
        DQN.load(tmp_path / "run")
    for command in ("resume", "evaluate", "record"):
        assert cli.main([command, str(tmp_path / "run")]) == 2
        assert "a network of its user's own" in capsys.readouterr().err
    with pytest.raises(UsageError, match=message):
        load(tmp_path / "run")
    assert_same_state(agent, load(tmp_path / "run", network=two_layers))
    again = DQN.load(tmp_path / "run", network=two_layers)
    assert_same_state(agent, again)
    assert_same_state(agent.learn(20), again.learn(20))


def test_a_network_and_what_a_variant_says_of_it() -> None:
    with pytest.raises(UsageError, match="network already says what dueling would"):
        DQN(ENV, network=two_layers, dueling=True)
    with pytest.raises(UsageError, match=r"network_sigma is a setting .*, but the network is your own"):
        DQN(ENV, network=two_layers, noise_sigma=0.1)
