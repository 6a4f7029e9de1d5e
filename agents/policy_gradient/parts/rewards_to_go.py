"""The reward-to-go: what an episode brought from each of its steps on."""

from __future__ import annotations

import numpy as np


def rewards_to_go(reward: np.ndarray, gamma: float, value: float = 0.0) -> np.ndarray:
    """G_t = r_t + γ r_{t+1} + ... + γ^{L-t} V, (L,), of an episode's rewards (L,), or of several episodes' (L, N);
    `value` is that of what would have followed the last step, V."""
    following: float | np.ndarray = value
    returns = np.empty(reward.shape)
    for t in reversed(range(len(reward))):
        returns[t] = following = reward[t] + gamma * following
    return returns
