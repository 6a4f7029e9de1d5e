"""n-step transitions: n rewards in one, so that news of a reward reaches the states before it n times as fast.

    R = Σ_{k<n} γᵏ r_{t+k},    target = R + γⁿ Q⁻(s_{t+n}, a')

Sutton & Barto, "Reinforcement Learning" (2018), equation 7.1; Hessel et al., "Rainbow" (2018), section "Multi-step
learning". An episode's last steps hold fewer than n rewards: the discount has the power of the number that there
were, and is 0 only if the episode terminated.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np

from envs import Transition


class NStep:
    """Takes single steps and gives steps of `n`, or of fewer where an episode ends. Each environment has its own
    steps in waiting."""

    def __init__(self, n: int, gamma: float, num_envs: int) -> None:
        self.n, self.gamma = n, gamma
        # Each: observation, action, the discounted rewards so far, γ to the number of them.
        self._waiting: list[deque[list[Any]]] = [deque() for _ in range(num_envs)]
        # The observation that each one's last step led to; None where the next one begins an episode.
        self._after: list[Any] = [None] * num_envs

    def add(self, transition: Transition) -> tuple[Transition, np.ndarray]:
        """The transitions that are now complete, and the discount (k,) of the value at their next observation."""
        complete: list[tuple[Any, ...]] = []
        ended = transition.terminated | transition.truncated
        for i, env in enumerate(transition.env.tolist()):
            waiting, reward = self._waiting[env], transition.reward[i]
            # An environment that can't be restored starts again without an end, when a run is resumed.
            after = self._after[env]
            if after is not None and after.tobytes() != transition.observation[i].tobytes():
                waiting.clear()
            waiting.append([transition.observation[i], transition.action[i], 0.0, 1.0])
            for step in waiting:
                step[2] += step[3] * reward
                step[3] *= self.gamma
            following, terminated = transition.next_observation[i], transition.terminated[i]
            self._after[env] = None if ended[i] else following
            if ended[i]:
                complete += [(*step, terminated, following, env) for step in waiting]
                waiting.clear()
            elif len(waiting) == self.n:
                complete.append((*waiting.popleft(), terminated, following, env))
        if not complete:
            return Transition(*(field[:0] for field in transition)), np.empty(0)
        observation, action, reward, discount, terminated, following, env = map(np.array, zip(*complete, strict=True))
        # Where it ended within the n steps, its own end is not told apart: only the discount is used from here on.
        whole = Transition(observation, action, reward, terminated, np.zeros_like(terminated), following, env)
        return whole, discount * ~terminated

    def state_dict(self) -> dict[str, Any]:
        return {
            "waiting": [[list(step) for step in waiting] for waiting in self._waiting],
            "after": [None if after is None else np.asarray(after) for after in self._after],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._waiting = [deque(list(step) for step in waiting) for waiting in state["waiting"]]
        self._after = list(state.get("after", self._after))  # older checkpoints don't have it
