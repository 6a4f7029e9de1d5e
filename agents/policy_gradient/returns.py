"""The reward-to-go: what an episode brought from each of its steps on."""

from __future__ import annotations

import numpy as np


def rewards_to_go(reward: np.ndarray, gamma: float, value: float = 0.0) -> np.ndarray:
    """G_t = r_t + γ r_{t+1} + ... + γ^{L-t} V, (L,), of an episode's rewards (L,); `value` is that of what would have
    followed its last step, V."""
    following = value
    returns = np.empty(len(reward))
    for t in reversed(range(len(reward))):
        returns[t] = following = reward[t] + gamma * following
    return returns
