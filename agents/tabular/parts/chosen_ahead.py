"""The next action, chosen before it is taken: Sarsa learns from a' first, and then has to take it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from envs import Transition

from ...core.state import State

Choose = Callable[[np.ndarray], np.ndarray]  # observations (k,) to actions (k,)


class ChosenAhead(State):
    """`action` is (num_envs,): every environment's a', or -1 where an episode starts and none is chosen yet."""

    action: np.ndarray

    def __init__(self, num_envs: int) -> None:
        super().__init__(action=np.full(num_envs, -1))

    def take(self, observation: np.ndarray, choose: Choose) -> np.ndarray:
        """The actions to take now, (num_envs,). `choose` gives those that aren't chosen yet."""
        action = self.action.copy()
        (unchosen,) = (action < 0).nonzero()
        if len(unchosen):
            action[unchosen] = choose(observation[unchosen])
        return action

    def choose_next(self, transition: Transition, choose: Choose) -> np.ndarray:
        """a' for every row of the transition, (k,). Where the episode was truncated it is what would have been done
        there: it is learned from, but not kept, because the next episode starts elsewhere."""
        next_action = choose(transition.next_observation)
        ended = transition.terminated | transition.truncated
        self.action[transition.env] = np.where(ended, -1, next_action)
        return next_action
