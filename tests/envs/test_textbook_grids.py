"""Grids after Zhao, "Mathematical Foundations of Reinforcement Learning" (2025), and the linear system of their values.
To stay is an action, leaving the map costs, some cells are forbidden, and the target goes on."""

from __future__ import annotations

import numpy as np
import pytest

from envs.grid import Grid
from envs.grid_pictures import greedy_policy
from envs.gridworld import GridWorld, GridWorldVector
from envs.model import Model
from tests.envs.grids import (
    DOWN,
    LEFT,
    RIGHT,
    STAY,
    UP,
    ZHAO,
    ZHAO_FIVE_BY_FIVE,
    ZHAO_TWO_BY_TWO,
    optimal_values,
)


def values_of(policy: np.ndarray, model: Model, gamma: float) -> np.ndarray:
    """The closed form v = (I - γ P_π)⁻¹ r_π (Zhao, section 2.7); `policy` is (states, actions) probabilities."""
    transition = np.einsum("sa,sat->st", policy, model.probability)
    reward = (policy * model.reward).sum(1)
    return np.linalg.solve(np.eye(len(reward)) - gamma * transition, reward)


def test_zhaos_first_examples() -> None:
    """Section 2.4: down from the two upper cells, to the right, and to stay: 9, 10, 10, 10. Where the first cell's
    policy is as likely to go right, over the forbidden cell, its value is 8.5."""
    model = Grid(ZHAO_TWO_BY_TWO, **ZHAO).model()
    assert not model.terminal.any()
    policy = np.eye(5)[[DOWN, DOWN, RIGHT, STAY]]
    np.testing.assert_allclose(values_of(policy, model, 0.9), [9, 10, 10, 10], rtol=1e-12)
    policy[0, [RIGHT, DOWN]] = 0.5
    np.testing.assert_allclose(values_of(policy, model, 0.9), [8.5, 10, 10, 10], rtol=1e-12)


@pytest.mark.parametrize(
    ("forbidden_reward", "published"),
    [
        (-1.0, "5.8 5.6 6.2 6.5 5.8  6.5 7.2 8 7.2 6.5  7.2 8 10 8 7.2  8 10 10 10 8  7.2 9 10 9 8.1"),
        (-10.0, "3.5 3.9 4.3 4.8 5.3  3.1 3.5 4.8 5.3 5.9  2.8 2.5 10 5.9 6.6  2.5 10 10 10 7.3  2.3 9 10 9 8.1"),
    ],
)
def test_zhaos_optimal_values(forbidden_reward: float, published: str) -> None:
    """Section 3.5, figure 3.4: through forbidden cells where they cost 1, around them where they cost 10."""
    model = Grid(ZHAO_FIVE_BY_FIVE, forbidden_reward=forbidden_reward, **ZHAO).model()
    values = optimal_values(model, 0.9)
    np.testing.assert_allclose(values, [float(number) for number in published.split()], atol=0.05)
    policy = greedy_policy(model.reward + 0.9 * model.probability @ values)
    np.testing.assert_allclose(values_of(policy, model, 0.9), values, rtol=1e-9)


@pytest.mark.parametrize("many", [False, True], ids=["one by one", "many at once"])
def test_zhaos_grid_step_by_step(many: bool) -> None:
    options = {"map": ZHAO_TWO_BY_TWO, "forbidden_reward": -3.0, "goal_reward": 2.0, **ZHAO}
    vector, env = GridWorldVector(num_envs=1, **options), GridWorld(**options)
    assert env.action_space.n == vector.single_action_space.n == 5
    (vector if many else env).reset(seed=0)
    steps = []
    # The boundary, a free cell, a forbidden one: entered, left, stayed in; its boundary; the target, and on.
    for action in (UP, STAY, RIGHT, STAY, RIGHT, DOWN, STAY, DOWN, LEFT):
        if many:
            (state,), (reward,), (ended,), *_ = vector.step(np.array([action]))
        else:
            state, reward, ended, *_ = env.step(action)
        steps.append((int(state), float(reward), bool(ended)))
    rewards = [-1.0, 0.0, -3.0, -3.0, -1.0, 2.0, 2.0, -1.0, 0.0]
    assert steps == [(s, r, False) for s, r in zip([0, 0, 1, 1, 1, 3, 3, 3, 2], rewards, strict=True)]


def test_each_option_alone() -> None:
    plain = Grid("S#\n.G")
    assert Grid("S#\n.G", stay=True).entered[:, STAY].tolist() == [0, 1, 2, 3]
    assert np.array_equal(Grid("S#\n.G", stay=True).entered[:, :STAY], plain.entered)
    # Off the map at the top and on the left; the wall on the right is on the map.
    assert Grid("S#\n.G", boundary_reward=-7.0).gained[0].tolist() == [-7.0, 0.0, -7.0, 0.0]
    assert plain.gained[0].tolist() == [0.0] * 4
    assert Grid("S#\n.G", goal_ends=False).model().terminal.tolist() == [False, True, False, False]
    assert plain.model().terminal.tolist() == [False, True, False, True]
