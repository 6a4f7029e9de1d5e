"""Importance sampling: what one policy would meet, from what another one met.

An episode's probability is that of its start and of its states' transitions, which no policy has a say in, times that
of its actions. So under the target π it is likelier than under the behaviour b, which played it, by

    ρ_{0:t} = Π_{k<=t} π(a_k | s_k) / b(a_k | s_k)

up to time t, and E_π[x] = E_b[ρ x] for whatever was known by then, if b may do all that π may. A reward r_t can be
weighted in two ways that are both unbiased:

    trajectory      ρ_{0:T-1} r_t     with the weight of the whole episode, T steps
    per decision    ρ_{0:t} r_t       the actions after it didn't make it: leaving them out leaves their noise out

The weighted estimate divides by the sum of the weights instead of their number: biased, less and less the more episodes
there are, but never beyond what was seen.

Of N episodes with weights w only so many are of use as the effective sample size says,

    (Σ w)² / Σ w²        N if all weigh the same, 1 if one outweighs the rest

Precup, Sutton & Singh, "Eligibility traces for off-policy policy evaluation", ICML (2000), for per-decision weights;
Sutton & Barto, "Reinforcement Learning" (2018), sections 5.5 and 5.9; Kong, Liu & Wong, "Sequential imputations and
Bayesian missing data problems", Journal of the American Statistical Association 89 (1994), for the effective sample
size.

Log-probabilities are (episodes, time), float64 to carry long products; after an episode's end both are 0, as nothing
is decided there any more (`padded`).
"""

from __future__ import annotations

import numpy as np


def padded(rows: list[np.ndarray]) -> np.ndarray:
    """Episodes of different lengths, (length,) each, as (episodes, time) float64, with zeros after their ends."""
    table = np.zeros((len(rows), max(len(row) for row in rows)))
    for line, row in zip(table, rows, strict=True):
        line[: len(row)] = row
    return table


def per_decision_log_weights(target: np.ndarray, behaviour: np.ndarray) -> np.ndarray:
    """log ρ_{0:t}, (episodes, time), from log π(a_t | s_t) and log b(a_t | s_t), both (episodes, time). Raises
    ValueError for two shapes."""
    if target.shape != behaviour.shape:
        raise ValueError(
            f"importance weights: the target's log-probabilities have shape {target.shape} but the behaviour's "
            f"{behaviour.shape}; both must be of the same actions"
        )
    return (target - behaviour).cumsum(1)


def trajectory_log_weights(target: np.ndarray, behaviour: np.ndarray) -> np.ndarray:
    """log ρ_{0:T-1}, (episodes, time): the same at all of an episode's times. Raises as the per-decision ones."""
    return np.broadcast_to(per_decision_log_weights(target, behaviour)[:, -1:], target.shape)


def ordinary(log_weights: np.ndarray) -> np.ndarray:
    """w, of the same shape. Their mean over the episodes is near 1, but may be far from it."""
    return np.exp(log_weights)


def weighted(log_weights: np.ndarray) -> np.ndarray:
    """w divided by its mean over the episodes, which are the first axis, at each time by itself: the mean of w x is
    then the weighted estimate Σ w x / Σ w. Those of a single episode are 1, which corrects nothing."""
    weights = np.exp(log_weights - log_weights.max(0))  # the scale cancels; so scaled, nothing overflows
    return weights / weights.mean(0)


def effective_sample_size(log_weights: np.ndarray) -> np.ndarray:
    """(Σ w)² / Σ w² over the episodes, the first axis: between 1 and their number."""
    weights = np.exp(log_weights - log_weights.max(0))
    return weights.sum(0) ** 2 / (weights**2).sum(0)
