"""The model of a finite environment: what dynamic programming plans on, and what learned values are compared with.

A Markov decision process with S states and A actions is two tables, P(s' | s, a) and r(s, a) = E[reward | s, a]
(Sutton & Barto, "Reinforcement Learning", 2018, section 3.1).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np

from .errors import UsageError


class Model(NamedTuple):
    """States and actions are counted from 0. A terminal state leads to itself and pays nothing, so that its
    value is 0."""

    probability: np.ndarray  # (states, actions, states) P(s' | s, a)
    reward: np.ndarray  # (states, actions) the expected reward of taking a in s
    terminal: np.ndarray  # (states,) bool: nothing follows
    start: np.ndarray  # (states,) the probability that an episode starts there


def model_of(env: gym.Env | gym.vector.VectorEnv) -> Model:
    """The model of `env`: its own `model()`, or made from the table `P` that gymnasium's toy-text environments
    have.

    Raises `UsageError` if it has neither.
    """
    core: Any = env.unwrapped
    if hasattr(core, "model"):
        return core.model()
    if hasattr(core, "P") and hasattr(core, "initial_state_distrib"):
        return from_table(core.P, np.asarray(core.initial_state_distrib, np.float64))
    raise UsageError(
        f"{env.spec.id if env.spec else type(core).__name__} has no model to plan on; it needs a method model() that "
        f"returns an envs.model.Model, as minigrad/GridWorld-v0 has; or learn without one (q-learning, sarsa)"
    )


def from_table(table: dict[int, dict[int, list[tuple]]], start: np.ndarray) -> Model:
    """From `table[s][a]`, a list of (probability, next state, reward, terminated)."""
    states, actions = len(table), len(table[0])
    probability = np.zeros((states, actions, states))
    reward = np.zeros((states, actions))
    terminal = np.zeros(states, np.bool_)
    for s, choices in table.items():
        for a, outcomes in choices.items():
            for p, following, gained, terminated in outcomes:
                probability[s, a, following] += p
                reward[s, a] += p * gained
                terminal[following] |= terminated
    # What the table says about a state in which nothing happens any more is no part of the problem.
    probability[terminal] = np.eye(states)[terminal][:, None, :]
    reward[terminal] = 0.0
    return Model(probability, reward, terminal, start)
