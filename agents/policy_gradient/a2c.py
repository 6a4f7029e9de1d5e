"""A2C, advantage actor-critic: several steps of several environments at once, with n-step returns and an entropy bonus.

    A_t = r_t + γ r_{t+1} + ... + γⁿ V(s_{t+n}) - V(s_t),    with n up to the rollout's end
    L = -mean(A_t log π(a_t | s_t)) + c_v mean((A_t + V_old(s_t) - V(s_t))²) - c_e mean(H(π(· | s_t)))

Environments side by side make the steps of an update less alike, which is what A3C's asynchronous workers were for; all
of them stepping together does the same. The entropy keeps the policy from deciding too early.

Mnih et al., "Asynchronous methods for deep reinforcement learning", ICML (2016), sections 4 and 5.1 and algorithm S3,
here without the asynchrony. λ below 1 puts generalised advantages (gae.py) in the place of n-step returns.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

import minigrad as mg
import minigrad.optim as optim

from ..core.annealing import AnnealedLearningRate
from ..core.hyperparameters import Count, Fraction, Hyperparameters, NonNegative, Positive, Sizes
from ..memory.rollout import Steps
from ..networks.bodies import ActivationName
from .actor_critic import ActorCritic
from .parts.actor_critic_networks import ActorCriticNetwork, orthogonal_initialization
from .parts.gae import gae


@dataclass(frozen=True)
class A2CHyperparameters(Hyperparameters):
    learning_rate: Positive = 7e-4
    """Step size of RMSprop."""
    anneal_learning_rate: bool = False
    """Whether it falls in a straight line to 0 at the end of training."""
    gamma: Fraction = 0.99
    """Discount: what a reward is worth one step earlier."""
    gae_lambda: Fraction = 1.0
    """1 takes n-step returns, 0 TD errors, and what is between a mixture."""
    rollout_steps: Count = 5
    """Steps of each environment between updates."""
    hidden: Sizes = (64, 64)
    """Units of each hidden layer."""
    activation: ActivationName = "tanh"
    """What follows each hidden layer."""
    shared: bool = False
    """Whether policy and value are two heads of one network, instead of two networks."""
    orthogonal: bool = True
    """Whether weights start orthogonal, with a policy that is almost uniform."""
    value_coefficient: NonNegative = 0.5
    """How much the value's loss counts."""
    entropy_coefficient: NonNegative = 0.0
    """How much entropy is worth."""
    max_gradient_norm: NonNegative = 0.5
    """The gradient is scaled down to this norm; 0 leaves it as it is."""
    rmsprop_alpha: Fraction = 0.99
    """RMSprop: how much of the squared gradients' average is kept at each step."""
    rmsprop_epsilon: Positive = 1e-5
    """RMSprop: added to the denominator; large against PyTorch's 1e-8, so that rare gradients make no leap."""


class A2C(AnnealedLearningRate, ActorCritic):
    name = "a2c"
    Hyperparameters = A2CHyperparameters

    @property
    def rollout_steps(self) -> int:
        return self.hyperparameters.rollout_steps

    def make_network(self) -> ActorCriticNetwork:
        network = super().make_network()
        if self.hyperparameters.orthogonal:
            orthogonal_initialization(network)
        return network

    def make_optimizer(self) -> optim.Optimizer:
        h = self.hyperparameters
        return optim.RMSprop(self.weights, lr=h.learning_rate, alpha=h.rmsprop_alpha, eps=h.rmsprop_epsilon)

    def learn_from(self, steps: Steps) -> None:
        self.anneal()
        super().learn_from(steps)

    def advantage(self, steps: Steps, value: np.ndarray, next_value: np.ndarray) -> np.ndarray:
        """n-step returns minus V(s_t), (T, N)."""
        h = self.hyperparameters
        return gae(steps.reward, value, next_value, steps.terminated, steps.truncated, h.gamma, h.gae_lambda)

    def combined(self, policy_loss: mg.Tensor, value_loss: mg.Tensor, entropy: mg.Tensor) -> mg.Tensor:
        h = self.hyperparameters
        loss = policy_loss + h.value_coefficient * value_loss
        return loss - h.entropy_coefficient * entropy if h.entropy_coefficient else loss
