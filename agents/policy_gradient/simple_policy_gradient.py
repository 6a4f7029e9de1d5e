"""The simple policy gradient: make every action of an episode more probable, in proportion to what the episode brought.

    ∇J(θ) = E[ R(τ) Σ_t ∇ log π(a_t | s_t; θ) ],    R(τ) = Σ_t γᵗ r_t

estimated from N whole episodes, as the gradient of

    L(θ) = -1/N Σ_τ Σ_t R(τ) log π(a_t | s_t; θ)

An environment's dynamics don't depend on θ, so they drop out: only the policy has to be differentiated.

Williams, "Simple statistical gradient-following algorithms for connectionist reinforcement learning", Machine Learning
8 (1992), episodic REINFORCE (section 5); Sutton & Barto, "Reinforcement Learning" (2018), section 13.2. An action is
praised here for rewards that came before it, too: reinforce.py leaves those out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
from gymnasium import spaces

import minigrad as mg
import minigrad.optim as optim
from envs import Environments, Transition
from minigrad.distributions import Distribution

from ..core.agent import Agent
from ..core.hyperparameters import Count, Fraction, Hyperparameters, NonNegative, Positive, Sizes
from ..memory.rollout import Trajectories, Trajectory, joined
from ..networks.bodies import ACTIVATIONS, ActivationName
from ..networks.policies import make_own_policy, make_policy, with_scaled_actions
from .parts.gradient_step import descend
from .parts.policy_losses import policy_gradient_loss


@dataclass(frozen=True)
class SimplePolicyGradientHyperparameters(Hyperparameters):
    learning_rate: Positive = 1e-3
    """Step size of Adam."""
    gamma: Fraction = 0.99
    """Discount: what a reward is worth one step earlier."""
    hidden: Sizes = (128,)
    """Units of each hidden layer."""
    activation: ActivationName = "relu"
    """What follows each hidden layer."""
    episodes: Count = 1
    """Episodes in an update; each environment plays its share, at least one."""
    max_gradient_norm: NonNegative = 0.0
    """The gradient is scaled down to this norm; 0 leaves it as it is."""


class SimplePolicyGradient(Agent):
    name = "simple-policy-gradient"
    Hyperparameters: ClassVar[type[Hyperparameters]] = SimplePolicyGradientHyperparameters
    action_spaces: ClassVar[tuple[type[gym.Space], ...]] = (spaces.Discrete, spaces.Box)
    metric_names: ClassVar[tuple[str, ...]] = ("loss", "entropy", "gradient_norm")
    own_networks: ClassVar[tuple[str, ...]] = ("policy",)  # networks/policies.py says what it must give
    figures: tuple[float, ...] = ()  # a variant's own metrics of the update under way

    def make_environments(self, env: Any, num_envs: int = 1) -> Environments:
        return with_scaled_actions(super().make_environments(env, num_envs))

    def build(self) -> None:
        h = self.hyperparameters
        both = self.observation_space, self.action_space
        if "policy" in self.own:
            self.policy = make_own_policy(self.own["policy"], *both, self.device)
        else:
            self.policy = make_policy(*both, h.hidden, ACTIVATIONS[h.activation])
        self.policy.to(self.device)
        self.weights = list(self.policy.parameters())
        self.optimizer = optim.Adam(self.weights, lr=h.learning_rate)
        self.trajectories = Trajectories(self.num_envs, h.episodes)

    def choose(self, observation: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
        """Drawn from the policy; without `rng`, the most probable."""
        return self.policy.choose(self.tensor(observation), rng)

    def observe(self, transition: Transition) -> None:
        self.trajectories.add(transition)

    def update(self, new_steps: int) -> None:
        if self.trajectories.complete:
            self.learn_from(self.trajectories.take())

    def learn_from(self, trajectories: list[Trajectory]) -> None:
        observation, action = joined(trajectories)
        distribution = self.policy(self.tensor(observation))
        loss = self.loss(distribution, action, self.credit(trajectories), len(trajectories))
        norm = descend(loss, self.optimizer, self.weights, self.hyperparameters.max_gradient_norm).item()
        with mg.no_grad():
            entropy = distribution.entropy().mean()
        self.metrics.add(loss.item(), entropy.item(), norm, *self.figures)

    def credit(self, trajectories: list[Trajectory]) -> np.ndarray:
        """What each action is weighted by, (steps of all trajectories,): R(τ), the same for all of an episode's."""
        gamma = self.hyperparameters.gamma
        returns = [gamma ** np.arange(len(one.reward)) @ one.reward for one in trajectories]
        return np.repeat(returns, [len(one.reward) for one in trajectories])

    def loss(self, distribution: Distribution, action: np.ndarray, credit: np.ndarray, episodes: int) -> mg.Tensor:
        """-1/N Σ credit · log π(a | s), over the steps of N episodes."""
        log_prob = distribution.log_prob(self.tensor(action))
        return policy_gradient_loss(log_prob, self.tensor(credit.astype(log_prob.dtype)), episodes)

    def parts(self) -> dict[str, Any]:
        return {"policy": self.policy, "optimizer": self.optimizer, "trajectories": self.trajectories}
