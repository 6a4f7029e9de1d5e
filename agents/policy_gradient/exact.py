"""Exact policy gradient: where the model is known, the gradient that all other policy gradients estimate.

A softmax policy has a number for every state and action, its logits h,

    π(a | s) = exp h(s, a) / Σ_b exp h(s, b)

and there are two measures of how good it is:

    average value     v̄ = Σ_s d(s) v_π(s)              d: where one starts; the same whatever the policy
    average reward    r̄ = Σ_s d_π(s) r_π(s)            d_π: where one is in the long run, d_π = d_π P_π

The policy gradient theorem gives the gradient of both in one form: how often one is in a state, times how much an
action there changes what follows. For the softmax, ∂π(b | s)/∂h(s, a) = π(b | s) (1[a = b] - π(a | s)), so that

    ∂J/∂h(s, a) = μ(s) Σ_b ∂π(b | s)/∂h(s, a) q(s, b) = μ(s) π(a | s) A(s, a),      A(s, a) = q(s, a) - v(s)

    for v̄     μ(s) = Σ_t γᵗ P(s_t = s)    the discounted visits, μ = d (I - γ P_π)⁻¹; q and v are those of π
    for r̄     μ = d_π                      q and v are differential: sums of r - r̄, which need no discount

Only the advantage A counts: what is added to all the action values of a state changes nothing.

Sutton, McAllester, Singh & Mansour, "Policy gradient methods for reinforcement learning with function approximation",
NIPS (1999), theorem 1; Sutton & Barto, "Reinforcement Learning" (2018), sections 13.2 and 13.6; Zhao, "Mathematical
Foundations of Reinforcement Learning" (2025), sections 9.2 and 9.3.

A policy is the probability of every action, (states, actions), or the action of every state, (states,).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from gymnasium import spaces

from envs import Transition, UsageError
from envs.model import Model

from ..core.agent import Agent
from ..core.checkpoint import Memory
from ..core.hyperparameters import Fraction, Hyperparameters, Positive
from ..core.planning import action_values, evaluate_policy, first_best, linear_system, probabilities, transitions
from ..core.randomness import draw


def softmax(logits: np.ndarray) -> np.ndarray:
    """π(a | s), (states, actions), of logits of that shape."""
    # Only differences count; without the largest, nothing overflows.
    weights = np.exp(logits - logits.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True)


def policy_gradient(policy: np.ndarray, visits: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The policy gradient theorem for a softmax policy, (states, actions): ∂J/∂h(s, a) = μ(s) π(a | s) A(s, a), from
    the visits μ (states,) and the action values q (states, actions)."""
    advantage = values - (policy * values).sum(1, keepdims=True)
    return visits[:, None] * policy * advantage


# -- the average value


def average_value(model: Model, policy: np.ndarray, gamma: float, start: np.ndarray | None = None) -> float:
    """v̄ = Σ_s d(s) v_π(s), the expected discounted return. `start` is d, (states,); without it, the model's own."""
    return float(start_of(model, start) @ evaluate_policy(model, policy, gamma))


def average_value_gradient(
    model: Model, policy: np.ndarray, gamma: float, start: np.ndarray | None = None
) -> np.ndarray:
    """∂v̄/∂h, (states, actions), for the softmax policy of logits h."""
    policy = probabilities(policy, model)
    values = action_values(model, evaluate_policy(model, policy, gamma), gamma)
    return policy_gradient(policy, discounted_visits(model, policy, gamma, start), values)


def discounted_visits(model: Model, policy: np.ndarray, gamma: float, start: np.ndarray | None = None) -> np.ndarray:
    """μ(s) = Σ_t γᵗ P(s_t = s), (states,), if s_0 is drawn from `start`: how often the policy acts in s, later times
    counting less. It never acts in a terminal state, so those have 0.

    Times 1 - γ it is the discounted state distribution d^π of much of the literature, up to the terminal states, which
    there have what is missing to 1.

    Raises `UsageError` where `gamma` is 1 and the policy may go on for ever.
    """
    going_on, system = linear_system(model, policy, gamma)
    visits = np.zeros(len(model.terminal))
    # μ = d + γ μ P_π: here at the start, or from where one was before.
    visits[going_on] = np.linalg.solve(system.T, start_of(model, start)[going_on])
    return visits


def start_of(model: Model, start: np.ndarray | None) -> np.ndarray:
    if start is None:
        return model.start
    start = np.asarray(start, np.float64)
    if start.shape != model.start.shape or (start < 0).any() or abs(start.sum() - 1) > 1e-9:
        raise UsageError(
            f"start must be a probability for each of the {len(model.start)} states, not negative and with sum 1; got "
            f"shape {start.shape}, sum {start.sum():g}"
        )
    return start


def advantages(model: Model, policy: np.ndarray, gamma: float) -> np.ndarray:
    """A_π(s, a) = q_π(s, a) - v_π(s), (states, actions): how much better than the policy it is to take a first."""
    values = evaluate_policy(model, policy, gamma)
    return action_values(model, values, gamma) - values[:, None]


def performance_difference(
    model: Model, new: np.ndarray, old: np.ndarray, gamma: float, start: np.ndarray | None = None
) -> float:
    """v̄ of `new` minus v̄ of `old`, without evaluating `new`: where that one goes, the advantages of what it does there
    over what `old` would do,

        v̄(new) - v̄(old) = Σ_s μ_new(s) Σ_a new(a | s) A_old(s, a)

    Kakade & Langford, "Approximately optimal approximate reinforcement learning", ICML (2002), lemma 6.1.
    """
    gained = (probabilities(new, model) * advantages(model, old, gamma)).sum(1)
    return float(discounted_visits(model, new, gamma, start) @ gained)


# -- the average reward


def continuing(model: Model) -> Model:
    """The same task without an end: what would lead to a terminal state leads to a start, which is what one sees who
    plays episode after episode. Its average reward is the reward per step; without this, it would be 0."""
    probability = model.probability.copy()
    probability[..., model.terminal] = 0.0
    ending = model.probability[..., model.terminal].sum(-1)
    return model._replace(
        probability=probability + ending[..., None] * model.start, terminal=np.zeros_like(model.terminal)
    )


def stationary_distribution(model: Model, policy: np.ndarray) -> np.ndarray:
    """d_π, (states,): the part of the time that is spent in every state in the long run, d_π = d_π P_π.

    Raises `UsageError` where that depends on where one starts, because the states fall apart in several groups that are
    never left.
    """
    transition = transitions(model, policy)
    reaches = np.eye(len(transition), dtype=bool) | (transition > 0)
    for _ in range(len(transition).bit_length()):  # ways of 1 step, then of 2, 4, 8, ...
        reaches = reaches @ reaches
    if not reaches.all(0).any():
        raise UsageError(
            "with this policy the states fall apart in groups that are never left, so there is no one long run; "
            "for episodes that end, give continuing(model)"
        )
    # d (I - P) = 0 leaves the scale open, d 1 = 1 sets it; added to every column it makes d (I - P + 1 1ᵀ) = 1ᵀ.
    ones = np.ones(len(transition))
    return np.linalg.solve((np.eye(len(transition)) - transition + 1.0).T, ones)


def average_reward(model: Model, policy: np.ndarray) -> float:
    """r̄ = Σ_s d_π(s) Σ_a π(a | s) r(s, a): the reward per step in the long run. Raises as
    `stationary_distribution` does."""
    return float(stationary_distribution(model, policy) @ (probabilities(policy, model) * model.reward).sum(1))


def differential_values(model: Model, policy: np.ndarray) -> np.ndarray:
    """v(s), (states,): how much more than r̄ a step one gains in all by starting in s. It solves the Poisson equation
    v = r_π - r̄ + P_π v, which leaves a constant open; here Σ_s d_π(s) v(s) = 0."""
    distribution, transition = stationary_distribution(model, policy), transitions(model, policy)
    reward = (probabilities(policy, model) * model.reward).sum(1)
    return np.linalg.solve(np.eye(len(transition)) - transition + distribution, reward - distribution @ reward)


def differential_action_values(model: Model, policy: np.ndarray) -> np.ndarray:
    """q(s, a) = r(s, a) - r̄ + Σ_s' P(s' | s, a) v(s'), (states, actions)."""
    return action_values(model, differential_values(model, policy), 1.0) - average_reward(model, policy)


def average_reward_gradient(model: Model, policy: np.ndarray) -> np.ndarray:
    """∂r̄/∂h, (states, actions), for the softmax policy of logits h."""
    policy = probabilities(policy, model)
    return policy_gradient(
        policy, stationary_distribution(model, policy), differential_action_values(model, policy)
    )


# -- the agent


@dataclass(frozen=True)
class ExactPolicyGradientHyperparameters(Hyperparameters):
    objective: Literal["value", "reward"] = "value"
    """What is made as large as possible: the average value v̄ of where episodes start, or the average reward r̄ a step
    of playing episode after episode, which has no discount."""
    gamma: Fraction = 0.99
    """Discount: what a reward is worth one step earlier."""
    learning_rate: Positive = 1.0
    """Step size."""


class ExactPolicyGradient(Agent):
    """Gradient ascent on the model: `table.logits`, (states, actions). As for the planners, one step of the environment
    is one update, and the episodes only show how good the policy is by then."""

    name = "exact-policy-gradient"
    Hyperparameters = ExactPolicyGradientHyperparameters
    observation_spaces = (spaces.Discrete,)
    default_env = "minigrad/GridWorld-v0"
    metric_names = ("objective", "gradient_norm")

    def build(self) -> None:
        self.model = self.environments.model()
        self.endless = continuing(self.model)
        self.table = Memory(logits=np.zeros(self.model.reward.shape))  # every action equally likely

    @property
    def policy(self) -> np.ndarray:
        """π(a | s), (states, actions)."""
        return softmax(self.table.logits)

    def choose(self, observation: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
        policy = self.policy[self.states_of(observation)]
        return first_best(policy) if rng is None else draw(policy, rng)

    def observe(self, transition: Transition) -> None:
        pass

    def update(self, new_steps: int) -> None:
        for _ in range(new_steps):
            gradient = self.gradient()
            self.metrics.add(self.objective(), float(np.linalg.norm(gradient)))
            self.table.logits = self.table.logits + self.hyperparameters.learning_rate * gradient

    def objective(self) -> float:
        h = self.hyperparameters
        if h.objective == "reward":
            return average_reward(self.endless, self.policy)
        return average_value(self.model, self.policy, h.gamma)

    def gradient(self) -> np.ndarray:
        h = self.hyperparameters
        if h.objective == "reward":
            return average_reward_gradient(self.endless, self.policy)
        return average_value_gradient(self.model, self.policy, h.gamma)

    def parts(self) -> dict[str, Any]:
        return {"table": self.table}
