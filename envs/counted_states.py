"""Several whole numbers as one state, for agents that keep a table.

With n₁, n₂, ... values each, counted from 0, the observation (o₁, o₂, o₃) is state (o₁ n₂ + o₂) n₃ + o₃: the last
varies fastest. Blackjack's hand, card and ace have 32, 11 and 2 values, which makes 704 states.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from gymnasium import spaces

from .checking import shown
from .errors import UsageError
from .model import Model
from .transitions import Environments, Transition
from .wrapped import WrappedEnvironments

# A table has a row for each, and most would never be visited.
MOST_STATES = 1_000_000


class CountedStates(WrappedEnvironments):
    """`environments` with observations 0, 1, ... in place of a MultiDiscrete or MultiBinary of them."""

    def __init__(self, environments: Environments) -> None:
        space: Any = environments.observation_space
        if isinstance(space, spaces.MultiBinary):
            values, self._start = np.full(space.shape, 2), np.zeros(space.shape, np.int64)
        else:
            values, self._start = space.nvec, space.start
        count = math.prod(values.ravel().tolist())
        if count > MOST_STATES:
            raise UsageError(
                f"{environments.name}: observations of {shown(space)} make {count:,} states, and {MOST_STATES:,} are the "
                f"most for a table; observe less, or use an agent with a network"
            )
        # How many states further one more of each number leads, in the shape of an observation.
        strides = [math.prod(values.ravel()[i + 1 :].tolist()) for i in range(values.size)]
        self._strides = np.array(strides, np.int64).reshape(values.shape)
        super().__init__(environments, spaces.Discrete(count), environments.action_space)

    def around(self, environments: Environments) -> Environments:
        return CountedStates(environments)

    def step(self, action: np.ndarray) -> Transition:
        before = self.observation
        transition = super().step(action)
        after = self.states_in(transition.next_observation)
        return transition._replace(observation=before[transition.env], next_observation=after)

    def states_in(self, observation: np.ndarray, by_user: bool = False) -> np.ndarray:
        """(k, ...) observations as (k,) states."""
        self._inner.observations.check_bounds(observation, by_user)
        counted = observation.reshape(len(observation), self._start.size) - self._start.ravel()
        return counted @ self._strides.ravel()

    def from_env(self, observation: Any) -> Any:
        given, shape = self._inner.from_env(observation), self._start.shape
        if given.shape == shape:
            return self.states_in(given[None], by_user=True)[0]
        if given.shape[1:] == shape:
            return self.states_in(given, by_user=True)
        self._inner.observations.refuse(f"an observation of shape {given.shape}", by_user=True)

    def for_env(self, action: Any) -> Any:
        return self._inner.for_env(action)

    def model(self) -> Model:
        return self._inner.model()

    def _show(self) -> None:
        self.observation = self.states_in(self._inner.observation)
        self.finished = self._inner.finished


def count_states(environments: Environments) -> Environments:
    """`environments`, with one state for an observation of several whole numbers."""
    several = isinstance(environments.observation_space, spaces.MultiDiscrete | spaces.MultiBinary)
    return CountedStates(environments) if several else environments
