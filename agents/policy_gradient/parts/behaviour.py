"""A fixed behaviour policy b, which plays while another one, the target π, learns from what it meets: what the
off-policy agents share. What b does differently from π, importance weights put right (importance.py).

An agent's method `behaviour(observation)` says b of (k, ...) observations:

    Discrete    b(a | s), (k, actions)
    Box         a tuple of mean and standard deviation of a normal distribution, (k, ...) each

It must not change during training, and give every action that the target may take a chance.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from gymnasium import spaces

from envs import UsageError

from ...core.randomness import draw

Behaviour = np.ndarray | tuple[np.ndarray, np.ndarray]


def explore_uniformly(action_space: Any, observation: np.ndarray) -> Behaviour:
    """The behaviour of an agent that defines no other one: every Discrete action is equally probable. A Box's are drawn
    around its middle, as wide as the box is on either side."""
    if isinstance(action_space, spaces.Discrete):
        return np.full((len(observation), int(action_space.n)), 1 / int(action_space.n))
    bounded = action_space.bounded_below & action_space.bounded_above
    low, high = np.where(bounded, action_space.low, -1.0), np.where(bounded, action_space.high, 1.0)
    # At least as wide as the target is at the start: weights of a target √2 times as wide as the behaviour have no
    # finite variance.
    of_one = (low + high) / 2, np.maximum((high - low) / 2, 1.0)
    mean, std = (np.broadcast_to(each, (len(observation), *action_space.shape)) for each in of_one)
    return mean, std


def draw_actions(action_space: Any, given: Behaviour, count: int, rng: np.random.Generator) -> np.ndarray:
    """An action for each of `count` observations, of which `given` is the behaviour."""
    if isinstance(action_space, spaces.Discrete):
        return draw(check_probabilities(given, (count, int(action_space.n))), rng)
    mean, deviation = check_moments(given, (count, *action_space.shape))
    return (mean + deviation * rng.standard_normal(mean.shape)).astype(np.float32)


def log_probability(action_space: Any, given: Behaviour, action: np.ndarray) -> np.ndarray:
    """log b(a | s) of (k, ...) actions, (k,) float64, if `given` is the behaviour where they were taken."""
    count = len(action)
    if isinstance(action_space, spaces.Discrete):
        return np.log(check_probabilities(given, (count, int(action_space.n)))[np.arange(count), action])
    mean, deviation = check_moments(given, (count, *action_space.shape))
    each = -(((action - mean) / deviation) ** 2) / 2 - np.log(deviation) - math.log(2 * math.pi) / 2
    return each.reshape(count, -1).sum(1)


def check_probabilities(given: Behaviour, shape: tuple[int, int]) -> np.ndarray:
    """b(a | s), float64. Raises `UsageError` if a method `behaviour` gave something else."""
    probability = np.asarray(np.nan if isinstance(given, tuple) else given, np.float64)
    if probability.shape != shape or (probability < 0).any() or np.abs(probability.sum(1) - 1).max() > 1e-6:
        raise UsageError(
            f"behaviour must give the probability of every action for every observation: {shape}, not negative, "
            f"with sum 1 in each row; got shape {probability.shape}"
            + (f", sums {probability.sum(1)}" if probability.shape == shape else "")
        )
    return probability


def check_moments(given: Behaviour, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation, float64. Raises `UsageError` if a method `behaviour` gave something else."""
    moments = [np.asarray(part, np.float64) for part in given] if isinstance(given, tuple) else []
    if [part.shape for part in moments] != [shape, shape] or not (moments[1] > 0).all():
        raise UsageError(
            f"behaviour must give a tuple of mean and standard deviation of the actions for every observation, "
            f"{shape} each, the second above 0; got {[part.shape for part in moments] or type(given).__name__}"
        )
    return moments[0], moments[1]
