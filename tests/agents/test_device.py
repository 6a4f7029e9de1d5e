"""An agent whose networks are on a GPU, without one: on the double of tests/engine/tools/double.py."""

import sys

import double
import numpy as np
import pytest
from gymnasium import spaces

import minigrad as mg
from agents import A3C, DQN, TRPO
from agents.cli import main
from agents.policy_gradient.parts.trust_region import TrustRegionHyperparameters
from envs import UsageError
from tests.agents.conftest import learns_tables
from tests.agents.families import POLICY_GRADIENT

ENV = "CartPole-v1"
SMALL = dict(learning_starts=50, hidden=(8,), target_every=40)


def weights(agent):
    return [p.detach().cpu().numpy() for p in agent.network.parameters()]


def test_training_on_the_double_is_training_on_the_cpu(dqn_type):
    with double.installed():
        there = dqn_type(ENV, seed=1, device="cuda", **SMALL).learn(120)
        assert {p.device for p in there.network.parameters()} == {mg.device("cuda:0")}
        here = dqn_type(ENV, seed=1, **SMALL).learn(120)
        for a, b in zip(weights(there), weights(here), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_an_agent_of_the_gpu_is_loaded_where_it_is_wanted(tmp_path):
    with double.installed():
        agent = DQN(ENV, device="cuda", **SMALL).learn(80)
        agent.save(tmp_path / "agent")
        observation = np.array([0.1, 0.2, 0.3, 0.4], np.float32)
        again = DQN.load(tmp_path / "agent", device="cuda")
        assert again.predict(observation) == agent.predict(observation)
        trained = weights(agent)
    on_cpu = DQN.load(tmp_path / "agent")
    assert on_cpu.device == mg.device("cpu")
    for a, b in zip(weights(on_cpu), trained, strict=True):
        np.testing.assert_array_equal(a, b)


def test_without_a_gpu_asking_for_one_is_one_line(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(UsageError, match="cupy-cuda12x"):
        DQN(ENV, device="cuda")
    assert main(["train", "dqn", "--device", "cuda", "--steps", "10", "--quiet"]) == 2
    assert "minigrad[cuda12]" in capsys.readouterr().err


DEEP = [kind for kind in POLICY_GRADIENT if not learns_tables(kind) and kind is not A3C]


@pytest.mark.parametrize(
    ("kind", "env"),
    [(kind, ENV) for kind in DEEP] + [(kind, "Pendulum-v1") for kind in DEEP if spaces.Box in kind.action_spaces],
)
def test_policy_gradients_on_the_double_are_those_on_the_cpu(kind, env):
    small = dict(hidden=(8,), num_envs=2)
    if issubclass(kind.Hyperparameters, TrustRegionHyperparameters):
        small |= dict(rollout_steps=30, batch_size=20, epochs=2, normalize_observations=True)
    if kind is TRPO:
        small |= dict(damping=0.1)  # with Pendulum's own, a difference of 1e-7 in the weights is 1e-2 six steps later
    with double.installed():
        there = kind(env, seed=1, device="cuda", **small)
        assert {p.device for p in there.weights} == {mg.device("cuda:0")}
        here = kind(env, seed=1, **small)
        for agent in (there, here):
            agent.learn(400)
        for a, b in zip(there.weights, here.weights, strict=True):
            np.testing.assert_allclose(a.detach().cpu().numpy(), b.detach().numpy(), rtol=1e-3, atol=1e-5)
