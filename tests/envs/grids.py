"""Grids that several tests walk on, and what the best policy is worth there."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np

from envs.model import Model

UP, DOWN, LEFT, RIGHT, STAY = range(5)
# Everything at once: two starts, a wall, a bomb, a cliff, a hole, and steps that slip.
MIXED = "S.#.G\n.HBC.\nS...."
MIXED_OPTIONS: dict[str, Any] = {"map": MIXED, "slip": 0.3, "step_reward": -0.1, "cliff_reward": -5.0}
# The grids of Zhao, "Mathematical Foundations of Reinforcement Learning" (2025): a forbidden cell can be entered, the
# target goes on, an attempt to leave the map costs 1, and the agent can stay.
ZHAO: dict[str, Any] = {"stay": True, "goal_ends": False, "boundary_reward": -1.0}
ZHAO_TWO_BY_TWO = "SX\n.G"
ZHAO_FIVE_BY_FIVE = """
S....
.XX..
..X..
.XGX.
.X...
"""


def optimal_values(model: Model, gamma: float) -> np.ndarray:
    """(states,) by value iteration (Sutton & Barto, equation 4.10), until nothing changes any more."""
    values = np.zeros(len(model.terminal))
    for _ in range(10_000):
        before, values = values, (model.reward + gamma * model.probability @ values).max(axis=1)
        if np.array_equal(before, values):
            return values
    raise AssertionError("value iteration doesn't converge")


def walk(env: gym.Env, actions: list[int], start: int | None = None) -> list[tuple[int, float, bool]]:
    env.reset(seed=0, options=None if start is None else {"state": start})
    return [env.step(action)[:3] for action in actions]
