"""REINFORCE with a baseline: an action is praised for what came after it beyond what was to be expected.

    L(θ) = -1/N Σ_τ Σ_t (G_t - b) log π(a_t | s_t; θ)

Since E[∇ log π(a | s)] = 0, no b that is independent of the action changes the gradient's mean; a good one takes much
of its variance away. Two are here:

    "constant"   the number with the least variance. An episode's gradient is A - b B with A = Σ_t G_t ∇ log π and
                 B = Σ_t ∇ log π, so Var = E|A - b B|² - |E A|² is least at

                     b* = E[A · B] / E[B · B]

                 both expectations estimated from the episodes before, or b would depend on the actions it judges.
    "value"      V(s_t), learned by least squares from the returns.

Williams, "Simple statistical gradient-following algorithms for connectionist reinforcement learning", Machine Learning
8 (1992); Greensmith, Bartlett and Baxter, "Variance reduction techniques for gradient estimates in reinforcement
learning", JMLR 5 (2004), for the optimal constant; Sutton & Barto, "Reinforcement Learning" (2018), section 13.4, for
V(s).

An episode that was cut off would have gone on: with V there is an estimate of what it would have brought, and the
returns include it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

import minigrad as mg
import minigrad.nn as nn
import minigrad.nn.functional as F
import minigrad.optim as optim
from envs import UsageError
from minigrad.autograd import grad

from ..core.hyperparameters import Fraction, Positive
from ..memory.rollout import Trajectory, joined
from ..networks.bodies import ACTIVATIONS
from ..networks.critics import Critic, explained_variance, make_own_critic
from ..networks.policies import Policy
from .parts.rewards_to_go import rewards_to_go
from .simple_policy_gradient import SimplePolicyGradient, SimplePolicyGradientHyperparameters


@dataclass(frozen=True)
class ReinforceWithBaselineHyperparameters(SimplePolicyGradientHyperparameters):
    baseline: Literal["constant", "value"] = "value"
    """What is to be expected: one number for all states, or a learned value of each."""
    value_learning_rate: Positive = 3e-3
    """Value baseline: step size of its Adam."""
    baseline_decay: Fraction = 0.9
    """Constant baseline: how much of its estimate is kept at each update."""


class ReinforceWithBaseline(SimplePolicyGradient):
    name = "reinforce-with-baseline"
    Hyperparameters = ReinforceWithBaselineHyperparameters
    own_networks = ("policy", "value")
    metric_names = (*SimplePolicyGradient.metric_names, "explained_variance")

    def build(self) -> None:
        super().build()
        h = self.hyperparameters
        self.baseline: ConstantBaseline | ValueBaseline
        if h.baseline == "constant":
            if "value" in self.own:
                raise UsageError("a constant baseline has no network; leave value out, or set baseline to value")
            self.baseline = ConstantBaseline(self.policy, h.baseline_decay, self.tensor)
        else:
            critic: nn.Module = Critic(self.observation_space, h.hidden, ACTIVATIONS[h.activation])
            if "value" in self.own:
                critic = make_own_critic(self.own["value"], self.observation_space, self.action_space, self.device)
            self.baseline = ValueBaseline(critic.to(self.device), h.value_learning_rate, self.tensor)

    def credit(self, trajectories: list[Trajectory]) -> np.ndarray:
        """G_t - b of every step, (steps of all trajectories,), by the baseline as it was before these episodes, from
        which it then learns."""
        following = self.baseline.after(trajectories)
        gamma = self.hyperparameters.gamma
        returns = [rewards_to_go(one.reward, gamma, value) for one, value in zip(trajectories, following, strict=True)]
        every = np.concatenate(returns)
        expected = self.baseline.expected(trajectories)
        self.figures = (explained_variance(expected, every),)
        self.baseline.learn_from(trajectories, returns)
        return every - expected

    def state_values(self, observation: np.ndarray) -> np.ndarray:
        """V(s) of (k, ...) observations, (k,)."""
        if isinstance(self.baseline, ConstantBaseline):
            raise UsageError("a constant baseline knows no state's value; set baseline to value")
        return self.baseline.values(observation)

    def parts(self) -> dict[str, Any]:
        return {**super().parts(), "baseline": self.baseline}


class ConstantBaseline:
    """b* = E[A · B] / E[B · B], by moving averages of both; 0 before the first update."""

    def __init__(self, policy: Policy, decay: float, tensor: Callable[[np.ndarray], mg.Tensor]) -> None:
        self.policy, self.decay, self.tensor = policy, decay, tensor
        self.weights = list(policy.parameters())
        self.ab = self.bb = 0.0

    @property
    def value(self) -> float:
        return self.ab / self.bb if self.bb > 0 else 0.0

    def after(self, trajectories: list[Trajectory]) -> list[float]:
        """What would have followed each trajectory: nothing is known of it."""
        return [0.0] * len(trajectories)

    def expected(self, trajectories: list[Trajectory]) -> np.ndarray:
        """b of every step, (steps of all trajectories,)."""
        return np.full(sum(len(one.reward) for one in trajectories), self.value)

    def learn_from(self, trajectories: list[Trajectory], returns: list[np.ndarray]) -> None:
        products = np.array([self.products(one, g) for one, g in zip(trajectories, returns, strict=True)])
        ab, bb = products.mean(0).tolist()
        self.ab += (1 - self.decay) * (ab - self.ab)
        self.bb += (1 - self.decay) * (bb - self.bb)

    def products(self, trajectory: Trajectory, returns: np.ndarray) -> tuple[float, float]:
        """A · B and B · B of one episode."""
        log_prob = self.policy(self.tensor(trajectory.observation)).log_prob(self.tensor(trajectory.action))
        weighted = (self.tensor(returns.astype(log_prob.dtype)) * log_prob).sum()
        a = grad(weighted, self.weights, retain_graph=True)
        b = grad(log_prob.sum(), self.weights)
        a_flat, b_flat = (np.concatenate([mg.to_numpy(part).ravel() for part in parts]) for parts in (a, b))
        return float(a_flat @ b_flat), float(b_flat @ b_flat)

    def state_dict(self) -> dict[str, Any]:
        return {"ab": self.ab, "bb": self.bb}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.ab, self.bb = state["ab"], state["bb"]


class ValueBaseline:
    """V(s) by a step of least squares on each update's returns."""

    def __init__(self, critic: nn.Module, learning_rate: float, tensor: Callable[[np.ndarray], mg.Tensor]) -> None:
        self.critic, self.tensor = critic, tensor
        self.optimizer = optim.Adam(critic.parameters(), lr=learning_rate)

    def values(self, observation: np.ndarray) -> np.ndarray:
        """V(s), (k,), of (k, ...)."""
        with mg.no_grad():
            return mg.to_numpy(self.critic(self.tensor(observation)))

    def after(self, trajectories: list[Trajectory]) -> list[float]:
        """V of each trajectory's final observation, 0 if it terminated there."""
        values = self.values(np.stack([one.final_observation for one in trajectories]))
        return [0.0 if one.terminated else float(v) for one, v in zip(trajectories, values, strict=True)]

    def expected(self, trajectories: list[Trajectory]) -> np.ndarray:
        """V(s_t) of every step, (steps of all trajectories,)."""
        return self.values(joined(trajectories)[0])

    def learn_from(self, trajectories: list[Trajectory], returns: list[np.ndarray]) -> None:
        value = self.critic(self.tensor(joined(trajectories)[0]))
        loss = F.mse_loss(value, self.tensor(np.concatenate(returns).astype(value.dtype)))
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()

    def state_dict(self) -> dict[str, Any]:
        return {"critic": self.critic.state_dict(), "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.critic.load_state_dict(state["critic"])
        self.optimizer.load_state_dict(state["optimizer"])
