"""Off-policy policy gradient: a fixed behaviour policy b plays, and the target policy π learns from its episodes.

    L(θ) = -1/N Σ_τ Σ_t ( Σ_{k>=t} γ^{k-t} ρ_{0:k} r_k ) log π(a_t | s_t; θ)

    ρ_{0:k} = Π_{j<=k} π(a_j | s_j) / b(a_j | s_j)

The weights ρ are constants to the loss: with them, the mean over b's episodes is the policy gradient that REINFORCE
estimates from π's own. parts/importance.py has the weights, and their other forms.

What is played doesn't depend on what is learned, so the same episodes serve for several updates, each with new weights.
The price is variance: the further π goes from b and the longer the episodes, the fewer of them count. The metric
`effective_sample_size` says how many of the update's do; when it is near 1, the gradient is that of a single episode.

Peshkin & Shelton, "Learning from scarce experience", ICML (2002), learn a policy from another's episodes in this way;
Precup, Sutton & Singh, "Eligibility traces for off-policy policy evaluation", ICML (2000), for per-decision weights. As
in REINFORCE, γᵗ is left out, and an episode that was cut off counts as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

import minigrad as mg
from envs import UsageError

from ..core.hyperparameters import Count
from ..memory.rollout import Trajectory, joined
from .parts.behaviour import Behaviour, draw_actions, explore_uniformly, log_probability
from .parts.importance import (
    effective_sample_size,
    ordinary,
    padded,
    per_decision_log_weights,
    trajectory_log_weights,
    weighted,
)
from .parts.rewards_to_go import rewards_to_go
from .simple_policy_gradient import SimplePolicyGradient, SimplePolicyGradientHyperparameters

LOG_WEIGHTS = {"per-decision": per_decision_log_weights, "trajectory": trajectory_log_weights}
IMPORTANCE_SAMPLING = {"weighted": weighted, "ordinary": ordinary}


@dataclass(frozen=True)
class OffPolicyPolicyGradientHyperparameters(SimplePolicyGradientHyperparameters):
    episodes: Count = 16
    """Episodes in an update; each environment plays its share, at least one."""
    updates: Count = 1
    """Updates from the same episodes."""
    weights: Literal["per-decision", "trajectory"] = "per-decision"
    """What weighs a reward: the actions up to it, or those of the whole episode."""
    importance_sampling: Literal["weighted", "ordinary"] = "weighted"
    """Whether weighted rewards are divided by the sum of the weights (biased, far less noisy) or by their number."""


class OffPolicyPolicyGradient(SimplePolicyGradient):
    """It explores uniformly; for another behaviour policy, define `behaviour` in a class of your own, as for
    OffPolicyActorCritic."""

    name = "off-policy-policy-gradient"
    Hyperparameters = OffPolicyPolicyGradientHyperparameters
    metric_names = (*SimplePolicyGradient.metric_names, "effective_sample_size")

    def build(self) -> None:
        super().build()
        h = self.hyperparameters
        if h.importance_sampling == "weighted" and self.trajectories.share * self.num_envs == 1:
            raise UsageError(
                "with one episode an update, weighted importance sampling corrects nothing, because a single weight "
                "divided by itself is 1; set episodes higher, or importance_sampling to ordinary"
            )

    def behaviour(self, observation: np.ndarray) -> Behaviour:
        """b of (k, ...) observations; parts/behaviour.py says in which form."""
        return explore_uniformly(self.action_space, observation)

    def act(self, observation: np.ndarray) -> np.ndarray:
        behaviour = self.behaviour(observation)
        return draw_actions(self.action_space, behaviour, len(observation), self.random["exploration"])

    def learn_from(self, trajectories: list[Trajectory]) -> None:
        for _ in range(self.hyperparameters.updates):
            super().learn_from(trajectories)

    def credit(self, trajectories: list[Trajectory]) -> np.ndarray:
        """Σ_{k>=t} γ^{k-t} ρ_{0:k} r_k of every step, (steps of all trajectories,)."""
        h = self.hyperparameters
        log_weights = LOG_WEIGHTS[h.weights](*self.log_probabilities(trajectories))  # (episodes, time)
        self.figures = (float(effective_sample_size(log_weights[:, -1])),)
        reward = padded([one.reward for one in trajectories])
        credit = rewards_to_go((IMPORTANCE_SAMPLING[h.importance_sampling](log_weights) * reward).T, h.gamma).T
        return np.concatenate([row[: len(one.reward)] for row, one in zip(credit, trajectories, strict=True)])

    def log_probabilities(self, trajectories: list[Trajectory]) -> tuple[np.ndarray, np.ndarray]:
        """log π(a_t | s_t) and log b(a_t | s_t), both (episodes, time)."""
        observation, action = joined(trajectories)
        with mg.no_grad():
            target = mg.to_numpy(self.policy(self.tensor(observation)).log_prob(self.tensor(action)))
        behaviour = log_probability(self.action_space, self.behaviour(observation), action)
        ends = np.cumsum([len(one.reward) for one in trajectories])[:-1]
        of_target, of_behaviour = (padded(np.split(column, ends)) for column in (target, behaviour))
        return of_target, of_behaviour
