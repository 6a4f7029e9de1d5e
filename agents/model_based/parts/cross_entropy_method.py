"""The cross-entropy method: the best of many guesses say where to guess next.

    x_1 ... x_N ~ N(μ, diag σ²);    μ, σ ← mean and deviation of the best K

Rubinstein & Kroese, "The cross-entropy method" (2004), algorithm 4.2.1; as in Chua et al. (2018), section 5, the
guesses stay in a box, and the new μ and σ are mixed with the old ones.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np


def search(
    score: Callable[[np.ndarray], np.ndarray],
    mean: np.ndarray,
    std: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    rng: np.random.Generator,
    *,
    guesses: int = 200,
    best: int = 20,
    rounds: int = 4,
    inertia: float = 0.1,
) -> np.ndarray:
    """The μ of the last round, of the shape of `mean`. `score` takes (guesses, *shape) and returns (guesses,), the
    higher the better; `low` and `high` broadcast to the shape; `inertia` is the part of the old μ and σ that stays."""
    for _ in range(rounds):
        noise = rng.standard_normal((guesses, *mean.shape), np.float32)
        guess = (mean + std * noise).clip(low, high)
        elite = guess[np.argsort(-score(guess), kind="stable")[:best]]
        mean = inertia * mean + (1 - inertia) * elite.mean(0)
        std = inertia * std + (1 - inertia) * elite.std(0)
    return mean.astype(np.float32)
