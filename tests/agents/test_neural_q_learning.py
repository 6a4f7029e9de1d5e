"""Neural Q-learning: its gradient by hand, and the optimal way through the GridWorld."""

from __future__ import annotations

import double
import numpy as np
import pytest
from gymnasium import spaces

import minigrad as mg
from agents import NeuralQLearning
from agents.presets import PROBES, preset_for
from agents.runs.probing import probed
from agents.tabular.parts.planning import evaluate_policy, greedy_policy, optimal_values
from agents.value.neural_q_learning import FORMS
from envs import Transition

GRID_WORLD = "minigrad/GridWorld-v0"


def transition(state: int, action: int, reward: float, terminated: bool, following: int) -> Transition:
    return Transition(
        np.array([state]),
        np.array([action]),
        np.array([reward]),
        np.array([terminated]),
        np.array([False]),
        np.array([following]),
        np.array([0]),
    )


def by_hand(weights: list[np.ndarray], x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Hidden units and outputs of two linear layers with a ReLU in between."""
    w1, b1, w2, b2 = weights
    hidden = np.maximum(x @ w1.T + b1, 0)
    return hidden, hidden @ w2.T + b2


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("terminated", [False, True])
def test_an_update_by_hand(form: str, terminated: bool) -> None:
    """The whole of one step of SGD in NumPy: δ = r + γ max Q(s', ·) - Q(s, a), and every weight moves by 2 α δ ∂Q/∂θ.
    The derivative of the target is left out."""
    agent = NeuralQLearning(GRID_WORLD, form=form, hidden=(7,))
    weights = [parameter.array.astype(np.float64) for parameter in agent.network.parameters()]
    state, action, reward, following = 5, 2, 0.3, 9
    one_hot = np.eye(12)
    if form == "state":
        x, output = one_hot[state], action
        next_q = by_hand(weights, one_hot[following])[1]
    else:
        x, output = np.concatenate([one_hot[state], np.eye(4)[action]]), 0
        next_q = np.array([by_hand(weights, np.concatenate([one_hot[following], a]))[1][0] for a in np.eye(4)])
    np.testing.assert_allclose(agent.action_values(np.array([following]))[0], next_q, atol=1e-6)

    hidden, q = by_hand(weights, x)
    error = reward + (0 if terminated else 0.9 * next_q.max()) - q[output]
    w2, b2 = weights[2:]
    back = w2[output] * (hidden > 0)
    gradients = [np.outer(back, x), back, np.zeros_like(w2), np.zeros_like(b2)]
    gradients[2][output], gradients[3][output] = hidden, 1
    agent.learn_from(transition(state, action, reward, terminated, following))
    for parameter, before, gradient in zip(agent.network.parameters(), weights, gradients, strict=True):
        np.testing.assert_allclose((parameter.array - before) / (2 * 0.01 * error), gradient, atol=1e-4)
    metrics = agent.metrics.take()
    assert metrics["loss"] == pytest.approx(error**2, rel=1e-4)
    assert metrics["q_value"] == pytest.approx(q[output], abs=1e-6)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "space",
    [spaces.Discrete(6, start=2), spaces.Box(-1, 1, (3,), np.float32), spaces.Box(0, 255, (4, 5), np.uint8)],
)
@pytest.mark.parametrize("hidden", [(), (8,), (8, 5)])
def test_the_value_of_an_action_is_its_column(form: str, space: spaces.Space, hidden: tuple[int, ...]) -> None:
    network = FORMS[form](space, 3, hidden)
    observation = mg.from_numpy(np.stack([np.asarray(space.sample()) for _ in range(6)]))
    every = network(observation)
    assert every.shape == (6, 3)
    assert every.dtype == mg.float32
    for action in range(3):
        one = network.of_action(observation, mg.full((6, 1), action))
        np.testing.assert_allclose(one.detach().numpy()[:, 0], every.detach().numpy()[:, action], atol=1e-6)


def test_environments_side_by_side_are_learned_from_one_after_the_other() -> None:
    agent = NeuralQLearning(GRID_WORLD, num_envs=3)
    rows = []
    agent.learn_from = lambda row: rows.append(row)  # type: ignore[method-assign]
    agent.learn(9)
    assert [len(row.action) for row in rows] == [1] * 9
    assert [int(row.env[0]) for row in rows] == [0, 1, 2] * 3


def test_exploration() -> None:
    agent = NeuralQLearning(GRID_WORLD, epsilon=0.2)
    observation = np.zeros(4_000, np.int64)
    best = agent.choose(observation, None)[0]
    explored = (agent.choose(observation, np.random.default_rng(0)) != best).mean()
    assert explored == pytest.approx(0.2 * 3 / 4, abs=0.02)


@pytest.mark.parametrize("env_id", ["minigrad/ProbeBoth-v0", "minigrad/ProbeTruncation-v0"])
def test_probes_with_state_and_action_in(env_id: str) -> None:
    """The other form's answers are tested with every agent's."""
    assert env_id in PROBES
    steps = preset_for(NeuralQLearning, env_id).steps
    found = probed(NeuralQLearning(env_id, form="state-action").learn(steps))
    np.testing.assert_allclose(found.learned, found.exact, atol=0.05)


@pytest.mark.parametrize("form", FORMS)
def test_training_on_the_double_is_training_on_the_cpu(form: str) -> None:
    with double.installed():
        there = NeuralQLearning(GRID_WORLD, form=form, device="cuda").learn(60)
        assert {p.device for p in there.network.parameters()} == {mg.device("cuda:0")}
        here = NeuralQLearning(GRID_WORLD, form=form).learn(60)
        states = np.arange(12)
        np.testing.assert_allclose(there.action_values(states), here.action_values(states), rtol=1e-4, atol=1e-6)


def optimal_from_the_start(agent: NeuralQLearning) -> bool:
    """The greedy policy's own value, from the model: V*(start) = 0.9⁴."""
    model = agent.environments.model()
    policy = agent.choose(np.arange(len(model.terminal)), None)
    return bool(abs(model.start @ evaluate_policy(model, policy, 0.9) - 0.6561) < 1e-9)


def test_the_measure_knows_good_from_bad() -> None:
    agent = NeuralQLearning(GRID_WORLD)
    model = agent.environments.model()
    policy = greedy_policy(model, optimal_values(model, 0.9), 0.9)
    agent.choose = lambda observation, rng: policy  # type: ignore[method-assign]
    assert optimal_from_the_start(agent)
    policy[8] = 1  # down, into the wall
    assert not optimal_from_the_start(agent)


def test_grid_world() -> None:
    agent = NeuralQLearning(GRID_WORLD, seed=1).learn(5_000)
    assert optimal_from_the_start(agent)


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("seed", range(5))
def test_grid_world_within_a_thousand_episodes(form: str, seed: int) -> None:
    """With the defaults, on every seed."""
    agent = NeuralQLearning(GRID_WORLD, form=form, seed=seed)
    while agent.episodes < 1_000:
        agent.learn(100)
    assert optimal_from_the_start(agent)
