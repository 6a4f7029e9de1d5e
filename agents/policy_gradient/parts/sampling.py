"""The policy gradient of a table, estimated from episodes that are played in the model: what is in closed form in
exact_policy_gradient.py, as the agents see it.

Every estimator is a credit c for each action, and the estimate of one episode is

    Σ_t c_t ∇ log π(a_t | s_t)       where, of the softmax, ∂ log π(a | s) / ∂h(s, b) = 1[a = b] - π(b | s)

Here are all episodes at once, so that estimators can be compared on the same ones: their bias against the truth, and
their variance (benchmarks/variance.py).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from envs import UsageError
from envs.model import Model

from ...core.randomness import draw
from ...tabular.parts.planning import probabilities


class Episodes(NamedTuple):
    """N episodes of at most T steps, (N, T). After its end an episode stays where it is, takes action 0 and gains
    nothing."""

    state: np.ndarray
    action: np.ndarray
    reward: np.ndarray  # the expected one, as the model has it
    next_state: np.ndarray
    going_on: np.ndarray  # bool: False after the end


def play(model: Model, policy: np.ndarray, episodes: int, rng: np.random.Generator, longest: int = 10_000) -> Episodes:
    """`episodes` of `policy` in `model`, each to its end. Raises `UsageError` where one takes more than `longest`
    steps: cut off, it would bias every estimate."""
    policy = probabilities(policy, model)
    state = draw(np.broadcast_to(model.start, (episodes, len(model.start))), rng)
    steps: list[tuple[np.ndarray, ...]] = []
    while not model.terminal[state].all():
        if len(steps) == longest:
            raise UsageError(f"after {longest} steps some episodes have not ended; give a larger `longest`")
        going_on = ~model.terminal[state]
        action, next_state = np.zeros_like(state), state.copy()
        action[going_on] = draw(policy[state[going_on]], rng)
        next_state[going_on] = draw(model.probability[state[going_on], action[going_on]], rng)
        steps.append((state, action, np.where(going_on, model.reward[state, action], 0.0), next_state, going_on))
        state = next_state
    return Episodes(*(np.stack(column, axis=1) for column in zip(*steps, strict=True)))


def log_probabilities(policy: np.ndarray, episodes: Episodes) -> np.ndarray:
    """log π(a_t | s_t), (N, T), of `policy` (states, actions); 0 after an episode's end."""
    chosen = np.where(episodes.going_on, policy[episodes.state, episodes.action], 1.0)
    return np.log(chosen)


def gradients(policy: np.ndarray, episodes: Episodes, credit: np.ndarray) -> np.ndarray:
    """Σ_t c_t ∇ log π(a_t | s_t) of each episode, (N, states, actions), for the softmax policy `policy` (states,
    actions) and a credit (N, T)."""
    credit = np.where(episodes.going_on, credit, 0.0)
    shape = (len(credit), *policy.shape)
    episode = np.broadcast_to(np.arange(len(credit))[:, None], credit.shape)
    place = np.ravel_multi_index((episode, episodes.state, episodes.action), shape)
    total = np.bincount(place.ravel(), credit.ravel(), np.prod(shape)).reshape(shape)  # Σ_t c_t [s_t = s, a_t = a]
    # The other term, Σ_t c_t [s_t = s] π(a | s).
    return total - total.sum(2, keepdims=True) * policy
