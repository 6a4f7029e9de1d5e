"""Behaviour cloning: the loss by hand, and a policy that does as a rule did."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import minigrad as mg
from agents import BC, evaluate, load
from envs import UsageError
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
    steps, rows, _ = agent.recorded()
    logits = agent.policy.head.output(agent.policy.body(mg.from_numpy(steps.observation[rows]))).detach().array
    log_pi = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    expected = -log_pi[np.arange(len(rows)), steps.action[rows]].mean()
    assert agent.loss(steps, rows).item() == pytest.approx(expected, rel=1e-5)


def test_the_loss_of_numbers(tmp_path: Path) -> None:
    """Of actions between -1 and 1, whatever the environment's are."""
    agent = BC("Pendulum-v1", data=record_play("Pendulum-v1", tmp_path / "steps", 30), hidden=(4,))
    steps, rows, _ = agent.recorded()
    mean = agent.policy.head.output(agent.policy.body(mg.from_numpy(steps.observation[rows]))).detach().array
    assert np.abs(steps.action).max() <= 1
    assert agent.loss(steps, rows).item() == pytest.approx(np.square(mean - steps.action[rows]).mean(), rel=1e-5)


def test_it_does_as_the_rule_did(tmp_path: Path) -> None:
    path = record_play("CartPole-v1", tmp_path / "steps", 1_000, lean)
    agent = BC("CartPole-v1", seed=0, data=path, **SMALL).learn(600)
    seen = agent.recorded()[0].observation
    assert (agent.predict(seen) == lean(seen)).mean() > 0.9
    assert evaluate(agent, episodes=5).mean > 100  # at random, 22
    path = record_play("Pendulum-v1", tmp_path / "swung", 1_000, swing)
    agent = BC("Pendulum-v1", seed=0, data=path, **SMALL).learn(600)
    angle, speed = np.random.default_rng(0).uniform(-1, 1, (2, 200))
    seen = np.stack([np.cos(3 * angle), np.sin(3 * angle), 4 * speed], 1).astype(np.float32)
    np.testing.assert_allclose(agent.predict(seen), swing(seen), atol=0.3)


def test_from_pictures(tmp_path: Path) -> None:
    path = record_play("minigrad/SnakeImage-v0", tmp_path / "steps", 60)
    agent = BC("minigrad/SnakeImage-v0", seed=0, data=path, hidden=(8,), batch_size=16).learn(30)
    assert agent.metrics.take()["loss"] < 1.5  # a guess among three or four has more than 1.09


def test_some_steps_are_held_out(tmp_path: Path) -> None:
    path = record_play("CartPole-v1", tmp_path / "steps", 100)
    agent = BC("CartPole-v1", seed=1, data=path, held_out=0.2)
    _, rows, held_out = agent.recorded()
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
