"""Small environments with known values, the tabular learners, and what they are compared with."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

from agents import AGENTS, Agent
from agents.core.training import train
from agents.tabular.parts.control import TabularControl
from agents.tabular.parts.prediction import TabularPrediction
from envs.model import Model, model_of

GRID = "minigrad/GridWorld-v0"
CLIFF = "minigrad/CliffWalking-v0"
GAMMA = 0.9
LEARNERS = [learner for learner in AGENTS.values() if issubclass(learner, TabularControl | TabularPrediction)]
CONTROL = [learner for learner in LEARNERS if issubclass(learner, TabularControl)]
PREDICTION = [learner for learner in LEARNERS if issubclass(learner, TabularPrediction)]
GREEDY = {"epsilon_start": 0.0, "epsilon_end": 0.0}
RANDOM = {"epsilon_start": 1.0, "epsilon_end": 1.0}
FOUR = {"epsilon_start": 0.4, "epsilon_end": 0.4}


def for_each(learners: list[type[Agent]]) -> Any:
    return pytest.mark.parametrize("learner", learners, ids=lambda learner: learner.name)


def model() -> Model:
    return model_of(gym.make(GRID))


def exact_values(model: Model, policy: np.ndarray, gamma: float = GAMMA) -> np.ndarray:
    """v_π = (I - γ P_π)⁻¹ r_π of π(a | s), (states, actions)."""
    transition = np.einsum("sa,sat->st", policy, model.probability)
    reward = np.einsum("sa,sa->s", policy, model.reward)
    return np.linalg.solve(np.eye(len(policy)) - gamma * transition, reward)


def exact_action_values(model: Model, policy: np.ndarray, gamma: float = GAMMA) -> np.ndarray:
    return model.reward + gamma * model.probability @ exact_values(model, policy, gamma)


def uniform(model: Model) -> np.ndarray:
    return np.full(model.reward.shape, 1 / model.reward.shape[1])


def start_value_of_greedy_policy(agent: Agent) -> float:
    known = model()
    policy = np.eye(4)[agent.predict_batch(np.arange(len(known.terminal)))]
    return float(known.start @ exact_values(known, policy))


class Chain(gym.Env):
    """From `first` on to the next state and the next, `length` steps, whatever one does; the last pays 1."""

    def __init__(self, length: int = 3, first: int = 0, states: int = 12, start: int = 0) -> None:
        self.length, self.first, self.at = length, first, 0
        self.observation_space = spaces.Discrete(states, start=start)
        self.action_space = spaces.Discrete(2)

    def observation(self) -> int:
        return int(self.observation_space.start) + self.first + min(self.at, self.length - 1)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        super().reset(seed=seed)
        self.at = 0
        return self.observation(), {}

    def step(self, action: int):
        self.at += 1
        ended = self.at == self.length
        return self.observation(), float(ended), ended, False, {}


class CutOff(gym.Env):
    """State 0 leads to state 1, which pays 1 and leads to itself for ever; every episode is cut off at its second step:
    V(1) = 1 / (1 - γ), V(0) = γ V(1)."""

    observation_space, action_space = spaces.Discrete(2), spaces.Discrete(2)

    def __init__(self) -> None:
        self.at = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        super().reset(seed=seed)
        self.at = 0
        return 0, {}

    def step(self, action: int):
        self.at += 1
        return 1, float(self.at == 2), False, self.at == 2, {}


class RandomWalk(gym.Env):
    """Example 6.2 of Sutton & Barto: five states in a row, from the middle one a step to either side; to the right of
    the last one is a reward of 1. Walking at random, V = 1/6, 2/6, ..., 5/6."""

    observation_space, action_space = spaces.Discrete(5), spaces.Discrete(2)

    def __init__(self) -> None:
        self.at = 2

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        super().reset(seed=seed)
        self.at = 2
        return self.at, {}

    def step(self, action: int):
        self.at += 1 if action else -1
        ended = not 0 <= self.at < 5
        return min(max(self.at, 0), 4), float(self.at == 5), ended, False, {}


def same_table(a: Agent, b: Agent) -> None:
    assert a.table.value.any()
    np.testing.assert_array_equal(a.table.value, b.table.value)
    np.testing.assert_array_equal(a.table.weight, b.table.weight)


def record_episodes(agent: Agent, episodes: int) -> list[tuple[list[int], list[int], list[float]]]:
    """What whole episodes were made of, with the agent learning from them."""
    agent.total_steps, found, current = 10**9, [], ([], [], [])
    observe = agent.observe

    def keep(transition) -> None:
        nonlocal current
        for kept, rows in zip(current, (transition.observation, transition.action, transition.reward), strict=True):
            kept.append(rows[0].item())
        if transition.terminated[0]:
            found.append(current)
            current = ([], [], [])
        observe(transition)

    agent.observe = keep
    train(agent, stop=lambda: agent.episodes >= episodes)
    return found
