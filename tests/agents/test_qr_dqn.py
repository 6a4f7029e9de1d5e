"""Quantile regression: the loss against its definition, and quantiles of returns whose distribution is known."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

import minigrad as mg
from agents import QRDQN
from agents.value.qr_dqn import Quantiles, quantile_huber_loss
from envs import UsageError


def test_loss_by_hand() -> None:
    """θ = (0, 1) at the levels 1/4 and 3/4, and the targets 1/2 and 3. The errors are 1/2 and 3, then -1/2 and 2."""
    prediction, target = mg.tensor([[0.0, 1.0]]), mg.tensor([[0.5, 3.0]])
    first = (0.25 * 0.5**2 / 2 + 0.25 * 2.5) / 2
    second = (0.25 * 0.5**2 / 2 + 0.75 * 1.5) / 2
    head = Quantiles(2)
    assert head.loss(prediction, target, "none").tolist() == [[pytest.approx(first + second)]]
    twice = [mg.cat([x, x]) for x in (prediction, target)]
    assert head.loss(*twice, "mean").item() == pytest.approx(first + second)


def test_the_loss_has_right_rules() -> None:
    prediction = mg.randn(4, 5, dtype=mg.float64).requires_grad_()
    target = mg.randn(4, 5, dtype=mg.float64) * 2
    assert mg.gradcheck(lambda p: quantile_huber_loss(target, p), [prediction])
    assert mg.gradgradcheck(lambda p: quantile_huber_loss(target, p), [prediction])


def test_a_quantile_has_its_part_of_the_targets_below_it() -> None:
    """Where targets are far away, the slope is 0 exactly where a part τ of them lies below."""
    target = mg.tensor([[-40.0, -30.0, -20.0, 20.0, 30.0, 40.0, 50.0, 60.0]])
    prediction = mg.zeros(1, 4).requires_grad_()  # three of eight are below 0, and the levels are 1/8, 3/8, 5/8, 7/8
    quantile_huber_loss(target, prediction).sum().backward()
    np.testing.assert_allclose(prediction.grad.array, [[1 / 4, 0, -1 / 4, -2 / 4]], atol=1e-6)


def test_head_by_hand() -> None:
    head = Quantiles(2, risk=(0.0, 0.5))
    output = mg.tensor([[1.0, 3.0, 7.0, 5.0], [0.0, 2.0, 4.0, 4.0]])
    np.testing.assert_array_equal(head.values(output).array, [[2, 6], [1, 4]])
    np.testing.assert_allclose(head.preferences(output).array, [[1, 5], [0, 4]])  # the lower of two: in any order
    chosen = head.of_action(output, mg.tensor([[1], [0]]))
    np.testing.assert_array_equal(chosen.array, [[7, 5], [0, 2]])
    target = head.target(mg.tensor([10.0, 20.0]), mg.tensor([0.5, 0.0]), output, mg.tensor([0, 1]))
    np.testing.assert_array_equal(target, [[10.5, 11.5], [20, 20]])
    assert head.mean(chosen).item() == pytest.approx(3.5)
    np.testing.assert_allclose(head.error(chosen, target), [5, 19])


def test_the_loss_refuses_quantiles_of_another_shape() -> None:
    with pytest.raises(ValueError, match=r"\(4, 3\).*\(4, 1\)"):
        Quantiles(3).loss(mg.zeros(4, 3), mg.zeros(4, 1), "none")


class Lottery(gym.Env):
    """One step. Action 0 pays a number between 0 and 40, all alike; action 1 pays 15."""

    observation_space = spaces.Box(-1, 1, (1,), np.float32)
    action_space = spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(1, np.float32), {}

    def step(self, action):
        reward = float(self.np_random.uniform(0, 40)) if action == 0 else 15.0
        return np.zeros(1, np.float32), reward, True, False, {}


def test_quantiles_of_a_known_distribution_and_what_a_policy_makes_of_them() -> None:
    """Those of 40 U at 1/8, 3/8, 5/8 and 7/8. The mean is 20, that of the worst quarter 5, where 15 is certain."""
    agent = QRDQN(
        Lottery,
        seed=0,
        head_quantiles=4,
        hidden=(),
        learning_starts=200,
        learning_rate=0.3,
        anneal_learning_rate=True,
        epsilon_end=1.0,
    ).learn(1_500)
    with mg.no_grad():
        quantiles = agent.head.quantiles(agent.network(mg.zeros(1, 1))).array[0]
    np.testing.assert_allclose(np.sort(quantiles[0]), [5, 15, 25, 35], atol=2.0)
    np.testing.assert_allclose(quantiles[1], 15, atol=0.5)
    np.testing.assert_allclose(agent.action_values(np.zeros((1, 1), np.float32)), [[20, 15]], atol=1.5)
    assert agent.predict(np.zeros(1)) == 0
    agent.head.risk = (0.0, 0.25)
    assert agent.predict(np.zeros(1)) == 1


def test_risk_from_the_hyperparameters() -> None:
    assert QRDQN(Lottery, risk_to=0.25).head.risk == (0.0, 0.25)
    with pytest.raises(UsageError, match=r"0 <= from < to <= 1"):
        QRDQN(Lottery, risk_from=0.5, risk_to=0.25)
