"""Prioritised replay at work in an agent: weights on the loss only, priorities from the errors, β with the progress."""

from __future__ import annotations

import numpy as np
import pytest

import minigrad as mg
from agents import C51, DQN, PrioritizedDQN
from agents.memory.prioritized import Prioritized

ENV = "minigrad/ProbeBoth-v0"


@pytest.mark.parametrize("variant", [PrioritizedDQN, C51], ids=["expected", "categorical"])
def test_weights_change_the_loss_and_not_the_priorities(variant: type[DQN]) -> None:
    agent = variant(ENV, replay="prioritized", learning_starts=50).learn(100)
    batch = agent.replay.sample(16)
    weight = np.linspace(0.1, 1.0, 16, dtype=np.float32)
    tensors, weights = batch.map(agent.tensor), agent.tensor(weight)
    prediction, target = agent.prediction(tensors).detach(), agent.target(tensors)
    losses = agent.head.loss(prediction, target, "none").array[:, 0]
    assert agent.loss(prediction, target, weights).item() == pytest.approx((weight * losses).mean(), rel=1e-5)
    assert agent.loss(prediction, target, None).item() == pytest.approx(losses.mean(), rel=1e-5)

    given = []
    agent.replay.feedback = lambda rows, error: given.append((rows, error))  # type: ignore[method-assign]
    agent.learn_from(batch._replace(weight=weight))
    (rows, error), *_ = given
    np.testing.assert_array_equal(rows, batch.rows)
    np.testing.assert_allclose(error, agent.head.error(prediction, target), rtol=1e-4, atol=1e-6)


def test_the_error_is_the_temporal_difference() -> None:
    agent = PrioritizedDQN(ENV, learning_starts=50).learn(100)
    batch = agent.replay.sample(8)
    q = agent.action_values(batch.observation)[np.arange(8), batch.action]
    with mg.no_grad():
        following = agent.target_network(mg.from_numpy(batch.next_observation)).array.max(axis=1)
    delta = batch.reward + batch.discount * following - q
    tensors = batch.map(agent.tensor)
    error = agent.head.error(agent.prediction(tensors).detach(), agent.target(tensors))
    np.testing.assert_allclose(error, np.abs(delta), rtol=1e-4, atol=1e-6)


def test_what_surprises_is_drawn_more_often() -> None:
    agent = PrioritizedDQN(ENV, learning_starts=50, priority_alpha=1.0).learn(60)
    error = np.full(60, 0.01)
    error[7] = 10.0
    agent.replay.feedback(np.arange(60), error)
    drawn = np.concatenate([agent.replay.sample(20).rows for _ in range(50)])
    assert (drawn == 7).mean() == pytest.approx(10 / (10 + 59 * 0.01), abs=0.02)


def test_the_exponents_are_the_hyperparameters() -> None:
    order = PrioritizedDQN(ENV, priority_alpha=0.9, priority_beta=0.7).replay.order
    assert (order.alpha, order.beta) == (0.9, 0.7)


def test_beta_goes_with_the_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    draw = Prioritized.draw
    monkeypatch.setattr(Prioritized, "draw", lambda self, k, ring, at: seen.append(at) or draw(self, k, ring, at))
    PrioritizedDQN(ENV, learning_starts=0).learn(50)
    assert seen == [pytest.approx(step / 50) for step in range(1, 51)]
