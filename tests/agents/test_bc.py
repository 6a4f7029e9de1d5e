"""Behaviour cloning: the loss by hand, and a policy that does as a rule did."""

from __future__ import annotations

import copy
from pathlib import Path
from types import SimpleNamespace

import double
import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

import minigrad as mg
from agents import BC, evaluate, load
from agents.memory.recorded import RecordedSteps, write_steps
from envs import UsageError
from envs.checking import shown
from tests.agents.conftest import assert_same_state
from tests.agents.recordings import record_play

SMALL = dict(hidden=(16,), learning_rate=0.01)


def lean(observation: np.ndarray) -> np.ndarray:
    """CartPole: push to where the pole falls."""
    return (observation[:, 2] + observation[:, 3] > 0).astype(np.int64)


def swing(observation: np.ndarray) -> np.ndarray:
    """Pendulum: a torque that follows from what is seen."""
    return np.clip(observation[:, 1:2] - observation[:, 2:3] / 8, -2, 2).astype(np.float32)


def test_the_loss_of_choices(tmp_path: Path) -> None:
    agent = BC("CartPole-v1", data=record_play("CartPole-v1", tmp_path / "steps", 30), hidden=(4,))
    steps, rows, _ = agent.divide_steps()
    logits = agent.policy.head.output(agent.policy.body(mg.from_numpy(steps.observation[rows]))).detach().array
    log_pi = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    expected = -log_pi[np.arange(len(rows)), steps.action[rows]].mean()
    assert agent.loss(steps, rows).item() == pytest.approx(expected, rel=1e-5)


def test_the_loss_of_numbers(tmp_path: Path) -> None:
    """Of actions between -1 and 1, whatever the environment's are."""
    agent = BC("Pendulum-v1", data=record_play("Pendulum-v1", tmp_path / "steps", 30), hidden=(4,))
    steps, rows, _ = agent.divide_steps()
    mean = agent.policy.head.output(agent.policy.body(mg.from_numpy(steps.observation[rows]))).detach().array
    assert np.abs(steps.action).max() <= 1
    assert agent.loss(steps, rows).item() == pytest.approx(np.square(mean - steps.action[rows]).mean(), rel=1e-5)


def test_it_does_as_the_rule_did(tmp_path: Path) -> None:
    path = record_play("CartPole-v1", tmp_path / "steps", 1_000, lean)
    agent = BC("CartPole-v1", seed=0, data=path, **SMALL).learn(600)
    seen = agent.divide_steps()[0].observation
    assert (agent.predict(seen) == lean(seen)).mean() > 0.9
    assert evaluate(agent, episodes=5).mean > 100  # at random, 22
    path = record_play("Pendulum-v1", tmp_path / "swung", 1_000, swing)
    agent = BC("Pendulum-v1", seed=0, data=path, **SMALL).learn(600)
    angle, speed = np.random.default_rng(0).uniform(-1, 1, (2, 200))
    seen = np.stack([np.cos(3 * angle), np.sin(3 * angle), 4 * speed], 1).astype(np.float32)
    np.testing.assert_allclose(agent.predict(seen), swing(seen), atol=0.3)


class World(gym.Env):
    """Ten steps of random observations."""

    def __init__(self, observation_space: gym.Space, action_space: gym.Space) -> None:
        self.observation_space, self.action_space = copy.deepcopy((observation_space, action_space))

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        if seed is not None:
            self.observation_space.seed(seed)
        self.elapsed = 0
        return self.observation_space.sample(), {}

    def step(self, action):
        self.elapsed += 1
        return self.observation_space.sample(), 0.0, False, self.elapsed == 10, {}


VECTORS, PICTURES = spaces.Box(-1, 1, (3,), np.float32), spaces.Box(0, 255, (6, 6, 1), np.uint8)
TORQUES = spaces.Box(np.array([-2.0, 0.0], np.float32), np.array([2.0, 10.0], np.float32))
TWO_OF_EACH: list[tuple[gym.Space, np.ndarray, np.ndarray]] = [
    (VECTORS, np.array([-0.5, 0.1, 0.2], np.float32), np.array([0.5, 0.1, 0.2], np.float32)),
    (PICTURES, np.full((6, 6, 1), 20, np.uint8), np.full((6, 6, 1), 200, np.uint8)),
    (spaces.Discrete(4, start=2), np.array(2), np.array(5)),
    (spaces.MultiDiscrete([3, 3]), np.array([0, 1]), np.array([2, 1])),
]


def clone_of(path: Path, observation_space, action_space, observation, action, **settings) -> BC:
    """A clone in `World`, of an expert that saw and did this."""
    last = np.arange(len(action)) == len(action) - 1
    about = {"env": "World", "spaces": [shown(observation_space), shown(action_space)]}
    fields = observation, action, np.zeros(len(action)), last, last & False, observation
    write_steps(path, RecordedSteps(*fields, about=about))
    return BC(lambda: World(observation_space, action_space), data=path, hidden=(16,), learning_rate=0.01, **settings)


@pytest.mark.parametrize(("observation_space", "one", "other"), TWO_OF_EACH, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("action_space", [spaces.Discrete(2, start=-1), TORQUES])
def test_a_clone_does_what_it_was_shown(observation_space, one, other, action_space, tmp_path: Path) -> None:
    """Two observations, and for each of them an action. At the end it is right on those that were held out, too."""
    low, high = (-1, 0) if isinstance(action_space, spaces.Discrete) else ([-1.0, 1.0], [1.0, 5.0])
    observation, action = np.stack([one, other] * 50), np.array([low, high] * 50, action_space.dtype)
    agent = clone_of(tmp_path / "steps", observation_space, action_space, observation, action).learn(150)
    done = agent.predict(np.stack([one, other]))
    np.testing.assert_allclose(done, [low, high], atol=0.2)
    assert done.dtype == action_space.dtype
    steps, _, held_out = agent.divide_steps()
    assert agent.error(steps, held_out) < 0.05


def test_the_error() -> None:
    """By hand, of a policy that does what it sees."""
    agent = SimpleNamespace(policy=SimpleNamespace(choose=lambda seen, _: mg.to_numpy(seen)), tensor=mg.from_numpy)
    seen, done = np.array([0, 1, 2, 0]), np.array([0, 1, 1, 1])
    agent.action_space = spaces.Discrete(3)
    assert BC.error(agent, SimpleNamespace(observation=seen, action=done), np.arange(4)) == 0.5
    assert BC.error(agent, SimpleNamespace(observation=seen, action=done), np.array([0, 1, 2])) == pytest.approx(1 / 3)
    agent.action_space = TORQUES
    seen, done = np.array([[0.3, 0.0], [0.0, -0.5]]), np.zeros((2, 2))
    found = BC.error(agent, SimpleNamespace(observation=seen, action=done), np.arange(2))
    assert found == pytest.approx(np.sqrt((0.09 + 0.25) / 4))


@pytest.mark.parametrize("action_space", [spaces.Discrete(3), TORQUES])
def test_on_the_double_of_a_gpu(action_space: gym.Space, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    observation = rng.uniform(-1, 1, (20, 3)).astype(np.float32)
    is_choice = isinstance(action_space, spaces.Discrete)
    action = rng.integers(3, size=20) if is_choice else rng.uniform([-2, 0], [2, 10], (20, 2)).astype(np.float32)
    make = lambda device: clone_of(tmp_path / "steps", VECTORS, action_space, observation, action, device=device)
    with double.installed():
        there, here = make("cuda").learn(30), make("cpu").learn(30)
        assert {weight.device for weight in there.policy.parameters()} == {mg.device("cuda:0")}
        for a, b in zip(there.policy.parameters(), here.policy.parameters(), strict=True):
            np.testing.assert_allclose(mg.to_numpy(a), mg.to_numpy(b), rtol=1e-4, atol=1e-6)


def test_some_steps_are_held_out(tmp_path: Path) -> None:
    path = record_play("CartPole-v1", tmp_path / "steps", 100)
    agent = BC("CartPole-v1", seed=1, data=path, held_out=0.2)
    _, rows, held_out = agent.divide_steps()
    assert (len(rows), len(held_out)) == (80, 20)
    assert sorted([*rows, *held_out]) == list(range(100))
    learned = []
    agent.loss = lambda steps, rows, loss=agent.loss: learned.append(rows) or loss(steps, rows)
    agent.learn(10)
    assert not set(np.ravel(learned[0::2])) & set(held_out)
    assert set(np.ravel(learned[1::2])) <= set(held_out)
    assert BC("CartPole-v1", data=path, held_out=0.0).learn(3).metrics.updates == 3
    with pytest.raises(UsageError, match="held_out 1 leaves nothing to learn from"):
        BC("CartPole-v1", data=path, held_out=1.0).learn(3)


def test_acting_needs_no_file_and_going_on_needs_the_same(tmp_path: Path) -> None:
    path = record_play("CartPole-v1", tmp_path / "steps", 100, lean)
    agent = BC("CartPole-v1", seed=0, data=path, **SMALL).learn(20, run=tmp_path / "run")
    path.rename(tmp_path / "elsewhere")
    loaded = load(tmp_path / "run")
    np.testing.assert_array_equal(loaded.predict(np.ones((3, 4))), agent.predict(np.ones((3, 4))))
    with pytest.raises(UsageError, match=r"steps: there is no such file of recorded steps"):
        loaded.learn(5)
    record_play("CartPole-v1", path, 100)
    with pytest.raises(UsageError, match=r"steps was changed since the training began"):
        load(tmp_path / "run").learn(5)
    (tmp_path / "elsewhere").rename(path)
    assert_same_state(agent.learn(20), load(tmp_path / "run").learn(20))
