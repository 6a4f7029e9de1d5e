"""A2C, advantage actor-critic: several steps of several environments at once, with n-step returns and an entropy bonus.

    A_t = r_t + γ r_{t+1} + ... + γⁿ V(s_{t+n}) - V(s_t),    with n up to the rollout's end
    L = -mean(A_t log π(a_t | s_t)) + c_v mean((A_t + V_old(s_t) - V(s_t))²) - c_e mean(H(π(· | s_t)))

Environments side by side make the steps of an update less alike, which is what A3C's asynchronous workers were for; all
of them stepping together does the same. The entropy keeps the policy from deciding too early.

Mnih et al., "Asynchronous methods for deep reinforcement learning", ICML (2016), sections 4 and 5.1 and algorithm S3,
here without the asynchrony. λ below 1 puts generalised advantages (parts/gae.py) in the place of n-step returns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import minigrad as mg
import minigrad.nn as nn
import minigrad.nn.functional as F
import minigrad.optim as optim
from minigrad.distributions import Distribution

from ..core.hyperparameters import Count, Fraction, NonNegative, Positive, Sizes
from ..core.schedules import set_learning_rate
from ..memory.rollout import Steps
from ..networks.bodies import ActivationName
from ..networks.critics import explained_variance
from .parts.gae import rollout_advantage
from .parts.gradient_step import descend
from .parts.policy_losses import policy_gradient_loss
from .parts.rollout_agent import RolloutAgent, RolloutHyperparameters


@dataclass(frozen=True)
class AdvantageHyperparameters(RolloutHyperparameters):
    """A2C's and A3C's."""

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


@dataclass(frozen=True)
class A2CHyperparameters(AdvantageHyperparameters):
    normalize_observations: bool = False
    """Whether observations are brought to mean 0 and variance 1, by running statistics."""
    normalize_rewards: bool = False
    """Whether rewards are divided by the standard deviation of the returns, by running statistics."""


class Losses(NamedTuple):
    total: mg.Tensor  # () what is minimised
    policy: mg.Tensor  # ()
    value: mg.Tensor  # ()
    entropy: mg.Tensor  # () the mean over the steps


class A2C(RolloutAgent):
    name = "a2c"
    Hyperparameters = A2CHyperparameters
    metric_names = ("policy_loss", "value_loss", "entropy", "explained_variance", "gradient_norm")

    def make_optimizer(self) -> optim.Optimizer:
        return rmsprop(self.weights, self.hyperparameters)

    def learn_from(self, steps: Steps) -> None:
        h = self.hyperparameters
        set_learning_rate(self.optimizer, h, self.progress)
        steps = self.normalize_rewards(steps)
        losses, explained = judge_and_weigh(self, steps)
        norm = descend(losses.total, self.optimizer, self.weights, h.max_gradient_norm).item()
        self.learn_observations(steps)
        self.metrics.add(losses.policy.item(), losses.value.item(), losses.entropy.item(), explained, norm)


def judge_and_weigh(agent: RolloutAgent, steps: Steps) -> tuple[Losses, float]:
    """The losses of a rollout, and how much of the returns V explains."""
    h, valid = agent.hyperparameters, steps.valid
    distribution, value = agent.network(agent.see(steps.observation[valid]))  # value: (valid steps,)
    predicted, next_value = mg.to_numpy(value), agent.state_values(steps.next_observation[valid])
    advantage = rollout_advantage(steps, predicted, next_value, h.gamma, h.gae_lambda)
    target = predicted + advantage
    action, constants = agent.tensor(steps.action[valid]), (agent.tensor(advantage), agent.tensor(target))
    losses = a2c_losses(distribution, value, action, *constants, h.value_coefficient, h.entropy_coefficient)
    return losses, explained_variance(predicted, target)


def a2c_losses(
    distribution: Distribution,
    value: mg.Tensor,
    action: mg.Tensor,
    advantage: mg.Tensor,
    target: mg.Tensor,
    value_coefficient: float,
    entropy_coefficient: float,
) -> Losses:
    """The means over the steps, with `advantage` and `target`, (steps,), as constants."""
    policy_loss = policy_gradient_loss(distribution.log_prob(action), advantage, len(action))
    value_loss, entropy = F.mse_loss(value, target), distribution.entropy().mean()
    total = policy_loss + value_coefficient * value_loss
    if entropy_coefficient:
        total = total - entropy_coefficient * entropy
    return Losses(total, policy_loss, value_loss, entropy)


def rmsprop(weights: list[nn.Parameter], h: AdvantageHyperparameters) -> optim.Optimizer:
    return optim.RMSprop(weights, lr=h.learning_rate, alpha=h.rmsprop_alpha, eps=h.rmsprop_epsilon)
