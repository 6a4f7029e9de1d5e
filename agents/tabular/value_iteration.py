"""Value iteration: apply the Bellman optimality equation until the values stop changing.

    v_{k+1}(s) = max_a ( r(s, a) + γ Σ_s' P(s' | s, a) v_k(s') )

The error falls by at least the factor γ at every sweep; the greedy policy for v_k is optimal long before v_k is
exact.

Sutton & Barto, "Reinforcement Learning" (2018), section 4.4, equation 4.10; Zhao, "Mathematical Foundations of
Reinforcement Learning" (2025), section 4.1.
"""

from __future__ import annotations

from .parts.planner import Planner
from .parts.planning import bellman_optimality, greedy_policy, refuse_endless


class ValueIteration(Planner):
    name = "value-iteration"

    def advance(self) -> float:
        h = self.hyperparameters
        change = self.sweep(lambda values, states: bellman_optimality(self.model, values, h.gamma, states))
        self.plan.converged = change <= h.tolerance
        if self.plan.converged:
            refuse_endless(self.model, greedy_policy(self.model, self.plan.values, h.gamma), h.gamma)
        return change
