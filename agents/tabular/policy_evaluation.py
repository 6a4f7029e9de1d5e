"""Policy evaluation: how much every state is worth to a policy that stays what it is.

    v_{k+1}(s) = Σ_a π(a | s) ( r(s, a) + γ Σ_s' P(s' | s, a) v_k(s') )

Its fixed point also has a closed form, v_π = (I - γ P_π)⁻¹ r_π (`evaluate_policy` in parts/planning.py).

Sutton & Barto, "Reinforcement Learning" (2018), section 4.1, equation 4.5; Zhao, "Mathematical Foundations of
Reinforcement Learning" (2025), section 2.7.

Training plays the policy that is evaluated, so its returns can be compared with the values. What `predict` and
`evaluate` play is greedy for the values: that is one step of policy iteration, and already better.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core.hyperparameters import Fraction
from .parts.planner import Planner, PlannerHyperparameters
from .parts.planning import bellman_expectation, optimal_policy, probabilities, refuse_endless, uniform_policy


@dataclass(frozen=True)
class PolicyEvaluationHyperparameters(PlannerHyperparameters):
    epsilon: Fraction = 1.0
    """Which policy is evaluated: a random action with this probability, else the optimal one. 1 is the uniform
    random policy, 0 the optimal policy."""


class PolicyEvaluation(Planner):
    name = "policy-evaluation"
    Hyperparameters = PolicyEvaluationHyperparameters

    def build(self) -> None:
        super().build()
        h = self.hyperparameters
        self.best = np.zeros(len(self.model.terminal), np.int64)  # (states,)
        if h.epsilon < 1:
            self.best = optimal_policy(self.model, h.gamma)
        # (states, actions) π(a | s)
        self.policy = h.epsilon * uniform_policy(self.model) + (1 - h.epsilon) * probabilities(self.best, self.model)
        refuse_endless(self.model, self.policy, h.gamma)

    def choose(self, observation: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
        if rng is None:
            return super().choose(observation, rng)
        best = self.best[self.states_of(observation)]
        explores = rng.random(len(best)) < self.hyperparameters.epsilon
        return np.where(explores, rng.integers(self.action_space.n, size=len(best)), best)

    def advance(self) -> float:
        h = self.hyperparameters
        change = self.sweep(
            lambda values, states: bellman_expectation(self.model, self.policy, values, h.gamma, states)
        )
        self.plan.converged = change <= h.tolerance
        return change
