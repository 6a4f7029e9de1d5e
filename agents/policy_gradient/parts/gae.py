"""Generalised advantage estimation: how much better an action was than expected, between two extremes.

    δ_t = r_t + γ V(s_{t+1}) - V(s_t)
    A_t = δ_t + γ λ A_{t+1} = Σ_k (γ λ)^k δ_{t+k}

λ = 0 is the TD error, which trusts V for all that follows; λ = 1 is the return minus V(s_t), which trusts V only where
the rollout stops. In between it is the mixture (1 - λ) Σ_n λ^{n-1} A⁽ⁿ⁾_t of the n-step advantages.

Schulman et al., "High-dimensional continuous control using generalized advantage estimation", ICLR (2016), equations 16
to 18.

An episode's end is two things. Where it *terminated*, nothing follows: no γ V(s_{t+1}). Where it was *truncated*, V of
its final observation stands for what would have followed. At either, the recursion stops, because the next step is
another episode's. If both are set, it terminated.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...memory.rollout import Steps, spread


def gae(
    reward: np.ndarray,
    value: np.ndarray,
    next_value: np.ndarray,
    terminated: np.ndarray,
    truncated: np.ndarray,
    gamma: float,
    lam: float,
) -> np.ndarray:
    """A_t of a rollout, (T, N), from T steps of N environments, all of shape (T, N).

    value         V(s_t)
    next_value    V of the observation that the step led to, at the end of an episode the final one

    Raises ValueError for two shapes: (T, N) against (T, N, 1) would broadcast to (T, N, N).
    """
    given = dict(reward=reward, value=value, next_value=next_value, terminated=terminated, truncated=truncated)
    for name, array in given.items():
        if array.ndim != 2 or array.shape != reward.shape:
            raise ValueError(
                f"gae: {name} has shape {array.shape}, but the rewards {reward.shape}; all must be (time, environments)"
            )
    delta = reward + gamma * next_value * ~terminated - value
    decay = gamma * lam * ~(terminated | truncated)
    advantage = np.empty_like(delta)
    following: Any = 0.0
    for t in reversed(range(len(delta))):
        advantage[t] = following = delta[t] + decay[t] * following
    return advantage


def rollout_advantage(steps: Steps, value: np.ndarray, next_value: np.ndarray, gamma: float, lam: float) -> np.ndarray:
    """A_t of a rollout's valid steps, (valid steps,), from V(s_t) and V(s_{t+1}) of the same shape."""
    values = spread(value, steps.valid), spread(next_value, steps.valid)
    return gae(steps.reward, *values, steps.terminated, steps.truncated, gamma, lam)[steps.valid]
