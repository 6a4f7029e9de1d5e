"""Dynamic programming as pure functions on a model: the Bellman operators, the sweeps over the states, and what
they converge to.

    (T_π v)(s) = Σ_a π(a | s) (r(s, a) + γ Σ_s' P(s' | s, a) v(s'))     the Bellman equation is v = T_π v
    (T v)(s)   = max_a        (r(s, a) + γ Σ_s' P(s' | s, a) v(s'))     the optimality equation is v = T v

For γ < 1 both bring any two value functions closer by at least the factor γ in the maximum norm, so each has
one fixed point, and applying it again and again leads there from anywhere.

Sutton & Barto, "Reinforcement Learning" (2018), chapter 4; Zhao, "Mathematical Foundations of Reinforcement
Learning" (2025), chapters 2 to 4.

A value function is (states,); a policy is the action of every state, (states,), or the probability of every
action, (states, actions).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from envs import UsageError
from envs.model import Model

# Actions whose values differ by less are equally good: they differ by rounding.
TIE = 1e-9
EVERY_STATE = slice(None)


# -- the Bellman operators, on all states or on some


def action_values(model: Model, values: np.ndarray, gamma: float, states: Any = EVERY_STATE) -> np.ndarray:
    """q(s, a) = r(s, a) + γ Σ_s' P(s' | s, a) v(s'), (states, actions)."""
    return model.reward[states] + gamma * (model.probability[states] @ values)


def bellman_optimality(model: Model, values: np.ndarray, gamma: float, states: Any = EVERY_STATE) -> np.ndarray:
    """T v, (states,): the value of the best action now, if what comes after is worth `values`."""
    return action_values(model, values, gamma, states).max(-1)


def bellman_expectation(
    model: Model, policy: np.ndarray, values: np.ndarray, gamma: float, states: Any = EVERY_STATE
) -> np.ndarray:
    """T_π v, (states,): what `policy` gains now, if what comes after is worth `values`."""
    policy = probabilities(policy, model)
    return (policy[states] * action_values(model, values, gamma, states)).sum(-1)


# -- sweeps: an operator once over all the states


Backup = Callable[[np.ndarray, Any], np.ndarray]  # from values (states,) and some states to their new values


def two_array_sweep(backup: Backup, values: np.ndarray) -> np.ndarray:
    """Every new value from the old ones: the operator as it is written."""
    return backup(values, EVERY_STATE)


def in_place_sweep(backup: Backup, values: np.ndarray) -> np.ndarray:
    """State by state, each from the newest values there are (Gauss-Seidel): the same fixed point, mostly in fewer
    sweeps."""
    values = values.copy()
    for state in range(len(values)):
        values[state] = backup(values, state)
    return values


SWEEPS = {"two-array": two_array_sweep, "in-place": in_place_sweep}


# -- policies and their values


def uniform_policy(model: Model) -> np.ndarray:
    """Every action equally likely, (states, actions)."""
    return np.full(model.reward.shape, 1 / model.reward.shape[1])


def greedy_policy(model: Model, values: np.ndarray, gamma: float) -> np.ndarray:
    """The best action of every state, (states,), if what comes after is worth `values`. Of equally good ones it
    is the first, so that policies can be compared."""
    return first_best(action_values(model, values, gamma))


def first_best(values: np.ndarray) -> np.ndarray:
    """The first action, (states,), that is as good as the best; `values` is (states, actions)."""
    return (values >= values.max(-1, keepdims=True) - TIE).argmax(-1)


def probabilities(policy: np.ndarray, model: Model) -> np.ndarray:
    """`policy` as π(a | s), (states, actions)."""
    policy = np.asarray(policy)
    shape = model.reward.shape
    if policy.shape == shape:
        return policy
    if policy.shape == shape[:1] and policy.dtype.kind in "iu":
        return np.eye(shape[1])[policy]
    raise UsageError(
        f"a policy is a whole number for every state, {shape[:1]}, or the probability of every action, {shape}; "
        f"got {policy.dtype} {policy.shape}"
    )


def transitions(model: Model, policy: np.ndarray) -> np.ndarray:
    """P_π(s' | s) = Σ_a π(a | s) P(s' | s, a), (states, states)."""
    return np.einsum("sa,sat->st", probabilities(policy, model), model.probability)


def evaluate_policy(model: Model, policy: np.ndarray, gamma: float) -> np.ndarray:
    """v_π, (states,), exactly: v = r_π + γ P_π v is linear, so v = (I - γ P_π)⁻¹ r_π (Zhao 2025, section 2.7).

    Raises `UsageError` where `gamma` is 1 and the policy may go on for ever: then there is no such v.
    """
    policy = probabilities(policy, model)
    going_on, system = linear_system(model, policy, gamma)
    values = np.zeros(len(model.terminal))  # nothing follows a terminal state, so it is worth 0
    values[going_on] = np.linalg.solve(system, (policy * model.reward).sum(1)[going_on])
    return values


def linear_system(model: Model, policy: np.ndarray, gamma: float) -> tuple[np.ndarray, np.ndarray]:
    """The k states where something follows, as (states,) bool, and I - γ P_π between them, (k, k). Raises as
    `evaluate_policy` does, where the system has no solution."""
    refuse_endless(model, policy, gamma)
    going_on = ~model.terminal
    transition = transitions(model, policy)[np.ix_(going_on, going_on)]
    return going_on, np.eye(len(transition)) - gamma * transition


def refuse_endless(model: Model, policy: np.ndarray, gamma: float) -> None:
    """Raises `UsageError` where `gamma` is 1 and `policy` may go on for ever.

    A greedy policy may do so for values that are right. Without a discount the way to the goal is worth as much as a
    loop that can still leave for it, and of equally good actions the greedy policy takes the first.
    """
    going_on = ~model.terminal
    if gamma == 1 and not ends_from_everywhere(transitions(model, policy)[np.ix_(going_on, going_on)]):
        raise UsageError(
            "with gamma 1 this policy's values don't exist, because from some state it never ends; give a gamma below 1"
        )


def ends_from_everywhere(transition: np.ndarray) -> bool:
    """Whether every state of a chain that loses probability where it ends, (states, states), leads to an end."""
    leads_to_end = transition.sum(1) < 1 - 1e-12
    for _ in range(len(transition)):
        leads_to_end = leads_to_end | (transition[:, leads_to_end] > 0).any(1)
    return bool(leads_to_end.all())


def optimal_values(model: Model, gamma: float) -> np.ndarray:
    """v*, (states,), to rounding: policy iteration with exact evaluation, which ends after finitely many policies;
    where `gamma` is 1, value iteration, since a policy on the way may never end.

    Raises `UsageError` where `gamma` is 1 and values grow without end.
    """
    values = np.zeros(len(model.terminal))
    if gamma == 1:
        for _ in range(100_000):
            following = bellman_optimality(model, values, gamma)
            if np.abs(following - values).max() <= 1e-13 * max(1.0, np.abs(values).max()):
                return following
            values = following
        raise UsageError("with gamma 1 the optimal values don't converge; give a gamma below 1")
    policy = action_values(model, values, gamma).argmax(1)
    while True:
        values = evaluate_policy(model, policy, gamma)
        gained = action_values(model, values, gamma)
        better = gained.max(1) > values + 1e-12 * max(1.0, np.abs(values).max())
        if not better.any():
            return values
        # Only where something is better: changing between equally good actions could go round in circles.
        policy = np.where(better, gained.argmax(1), policy)


def optimal_policy(model: Model, gamma: float) -> np.ndarray:
    """The best action of every state, (states,). Raises as `optimal_values` and `refuse_endless` do."""
    policy = greedy_policy(model, optimal_values(model, gamma), gamma)
    refuse_endless(model, policy, gamma)
    return policy


def plan_horizon(model: Model, horizon: int, gamma: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """The best that can be done in a number of steps that is known: values (horizon + 1, states), row k with k steps
    to go, and the best actions (horizon, states), row k with k + 1 to go. With few steps left another action may be
    best than with many. It is backward induction,

        v_0 = 0,    v_{k+1} = T v_k

    so value iteration's k-th sweep is the answer for k steps. Puterman, "Markov Decision Processes" (1994), section
    4.5.
    """
    values = np.zeros((horizon + 1, len(model.terminal)))
    policy = np.zeros((horizon, len(model.terminal)), np.int64)
    for k in range(horizon):
        values[k + 1] = bellman_optimality(model, values[k], gamma)
        policy[k] = greedy_policy(model, values[k], gamma)
    return values, policy
