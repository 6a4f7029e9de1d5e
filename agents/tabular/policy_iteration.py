"""Policy iteration: evaluate the policy, make it greedy for its values, and again, until it stays the same.

    evaluation      v = T_π v, that is v = (I - γ P_π)⁻¹ r_π
    improvement     π'(s) = argmax_a ( r(s, a) + γ Σ_s' P(s' | s, a) v(s') )

Every improvement is at least as good in every state, v_π' >= v_π, and there are only so many policies: it ends, as a
rule after very few.

Truncated policy iteration evaluates by k sweeps instead, from the values it has. That is value iteration for k = 1,
and policy iteration for k = ∞; it is the same idea with another balance.

Sutton & Barto, "Reinforcement Learning" (2018), section 4.3; Zhao, "Mathematical Foundations of Reinforcement
Learning" (2025), sections 4.2 and 4.3.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core.hyperparameters import Natural
from .parts.planner import Planner, PlannerHyperparameters
from .parts.planning import bellman_expectation, evaluate_policy, greedy_policy, refuse_endless


@dataclass(frozen=True)
class PolicyIterationHyperparameters(PlannerHyperparameters):
    evaluation_sweeps: Natural = 0
    """Sweeps of evaluation between two improvements, fewer if the values stop changing; 0 solves the linear
    system instead."""


class PolicyIteration(Planner):
    name = "policy-iteration"
    Hyperparameters = PolicyIterationHyperparameters
    metric_names = (*Planner.metric_names, "improvements")

    def build(self) -> None:
        super().build()
        self.plan.policy = np.zeros(len(self.plan.values), np.int64)  # (states,)
        self.plan.improvements = 0
        self.plan.sweeps = 0  # of evaluation since the last one
        self.plan.change = 0.0  # of the last sweep

    def advance(self) -> float:
        """One sweep of evaluation (or its closed form), or an improvement."""
        h, plan = self.hyperparameters, self.plan
        evaluated = plan.sweeps >= 1 and plan.change <= h.tolerance
        if plan.sweeps < max(1, h.evaluation_sweeps) and not evaluated:
            plan.sweeps += 1
            plan.change = self.evaluate_exactly() if h.evaluation_sweeps == 0 else self.evaluate_once()
            return plan.change
        policy = greedy_policy(self.model, plan.values, h.gamma)
        stays = np.array_equal(policy, plan.policy)
        plan.converged = stays and (h.evaluation_sweeps == 0 or evaluated)
        if plan.converged:
            refuse_endless(self.model, policy, h.gamma)
        plan.policy, plan.sweeps = policy, 0
        plan.improvements += not stays
        return 0.0

    def evaluate_exactly(self) -> float:
        before = self.plan.values
        self.plan.values = evaluate_policy(self.model, self.plan.policy, self.hyperparameters.gamma)
        return float(np.abs(self.plan.values - before).max())

    def evaluate_once(self) -> float:
        gamma = self.hyperparameters.gamma
        return self.sweep(
            lambda values, states: bellman_expectation(self.model, self.plan.policy, values, gamma, states)
        )

    def measured(self, change: float) -> tuple[float, ...]:
        return (*super().measured(change), self.plan.improvements)
