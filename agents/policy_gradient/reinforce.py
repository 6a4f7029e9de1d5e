"""REINFORCE: an action is praised only for the rewards that came after it, the reward-to-go.

    L(θ) = -1/N Σ_τ Σ_t G_t log π(a_t | s_t; θ),    G_t = Σ_{k>=t} γ^{k-t} r_k

Earlier rewards don't depend on the action, so on average they add nothing to the gradient, only noise
(simple_policy_gradient.py has it).

Williams, "Simple statistical gradient-following algorithms for connectionist reinforcement learning", Machine Learning
8 (1992); Sutton & Barto, "Reinforcement Learning" (2018), section 13.3. As nearly everywhere, the γᵗ of their box
is left out: with it, the later an action comes, the less is learned about it.
"""

from __future__ import annotations

import numpy as np

from ..memory.rollout import Trajectory
from .parts.rewards_to_go import rewards_to_go
from .simple_policy_gradient import SimplePolicyGradient


class Reinforce(SimplePolicyGradient):
    name = "reinforce"

    def credit(self, trajectories: list[Trajectory]) -> np.ndarray:
        """G_t of every step, (steps of all trajectories,)."""
        return np.concatenate([rewards_to_go(one.reward, self.hyperparameters.gamma) for one in trajectories])
