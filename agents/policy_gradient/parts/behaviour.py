"""A fixed behaviour policy b, which plays while another one, the target π, learns from what it meets: what the
off-policy agents share. What b does differently from π, importance weights put right (importance.py).

    Discrete    b(a | s) is the same for every action
    Box         b(a | s) = N(a; m, diag(s²)), from the middle of the box, as wide as the box is on either side
"""

from __future__ import annotations

import math
from typing import ClassVar

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from envs import UsageError

from ...core.agent import Agent
from ...core.randomness import draw


class BehaviourPolicy(Agent):
    """It explores uniformly; for another behaviour policy, define `behaviour` in a class of your own:

    class Cautious(OffPolicyActorCritic):
        def behaviour(self, observation):
            return np.tile([0.7, 0.1, 0.1, 0.1], (len(observation), 1))
    """

    action_spaces: ClassVar[tuple[type[gym.Space], ...]] = (spaces.Discrete, spaces.Box)

    def behaviour(self, observation: np.ndarray) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
        """Of (k, ...) observations: for Discrete actions b(a | s), (k, actions); for Box actions mean and standard
        deviation of a normal distribution, (k, ...) each. It must not change during training, and give every action
        that the target may take a chance."""
        space = self.action_space
        if isinstance(space, spaces.Discrete):
            return np.full((len(observation), int(space.n)), 1 / int(space.n))
        bounded = space.bounded_below & space.bounded_above
        low, high = np.where(bounded, space.low, -1.0), np.where(bounded, space.high, 1.0)
        # At least as wide as the target is at the start: weights of a target √2 times as wide as the behaviour have no
        # finite variance.
        of_one = (low + high) / 2, np.maximum((high - low) / 2, 1.0)
        mean, std = (np.broadcast_to(each, (len(observation), *space.shape)) for each in of_one)
        return mean, std

    def probabilities(self, observation: np.ndarray) -> np.ndarray:
        """b(a | s) of Discrete actions, (k, actions). Raises `UsageError` if `behaviour` gives something else."""
        given = self.behaviour(observation)
        probability = np.asarray(np.nan if isinstance(given, tuple) else given, np.float64)
        shape = (len(observation), int(self.action_space.n))
        if probability.shape != shape or (probability < 0).any() or np.abs(probability.sum(1) - 1).max() > 1e-6:
            raise UsageError(
                f"behaviour must give the probability of every action for every observation: {shape}, not negative, "
                f"with sum 1 in each row; got shape {probability.shape}"
                + (f", sums {probability.sum(1)}" if probability.shape == shape else "")
            )
        return probability

    def mean_and_deviation(self, observation: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of Box actions, (k, ...) each. Raises `UsageError` if `behaviour` gives something else."""
        given = self.behaviour(observation)
        shape = (len(observation), *self.action_space.shape)
        parts = [np.asarray(part, np.float64) for part in given] if isinstance(given, tuple) else []
        if [part.shape for part in parts] != [shape, shape] or not (parts[1] > 0).all():
            raise UsageError(
                f"behaviour must give a tuple of mean and standard deviation of the actions for every observation, "
                f"{shape} each, the second above 0; got {[part.shape for part in parts] or type(given).__name__}"
            )
        return parts[0], parts[1]

    def act(self, observation: np.ndarray) -> np.ndarray:
        rng = self.random["exploration"]
        if isinstance(self.action_space, spaces.Discrete):
            return draw(self.probabilities(observation), rng)
        mean, deviation = self.mean_and_deviation(observation)
        return (mean + deviation * rng.standard_normal(mean.shape)).astype(np.float32)

    def log_behaviour(self, observation: np.ndarray, action: np.ndarray) -> np.ndarray:
        """log b(a | s) of (k, ...) observations and as many actions, (k,) float64."""
        if isinstance(self.action_space, spaces.Discrete):
            return np.log(self.probabilities(observation)[np.arange(len(action)), action])
        mean, deviation = self.mean_and_deviation(observation)
        each = -(((action - mean) / deviation) ** 2) / 2 - np.log(deviation) - math.log(2 * math.pi) / 2
        return each.reshape(len(action), -1).sum(1)
