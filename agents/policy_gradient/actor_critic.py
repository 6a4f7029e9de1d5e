"""Actor-Critic: after every step, the action is judged by the TD error of a learned value.

    δ_t = r_t + γ V(s_{t+1}; w) - V(s_t; w)
    L(θ) = -δ_t log π(a_t | s_t; θ),    L(w) = δ_t²

with δ_t a constant in the first, and r_t + γ V(s_{t+1}) a constant in the second. On average δ_t is the advantage: how
much better the action was than what the policy does. REINFORCE waits for the episode's end to know; bootstrapping, one
step will do.

Sutton & Barto, "Reinforcement Learning" (2018), section 13.5, "One-step Actor-Critic". As nearly everywhere, the factor
γᵗ of their box is left out. Environments side by side take their step together, and the losses are the means.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

import minigrad as mg
import minigrad.nn.functional as F
import minigrad.optim as optim

from ..core.hyperparameters import Fraction, NonNegative, Positive, Sizes
from ..memory.rollout import Steps
from ..networks.bodies import ActivationName
from ..networks.critics import explained_variance
from .parts.actor_critic_networks import ActorCriticNetwork
from .parts.gradient_step import descend
from .parts.policy_losses import policy_gradient_loss
from .parts.rollout_agent import RolloutAgent, RolloutHyperparameters


@dataclass(frozen=True)
class ActorCriticHyperparameters(RolloutHyperparameters):
    learning_rate: Positive = 3e-4
    """Step size of Adam for the policy, and for a trunk that both share."""
    value_learning_rate: Positive = 1e-3
    """Step size of Adam for the value."""
    gamma: Fraction = 0.99
    """Discount: what a reward is worth one step earlier."""
    hidden: Sizes = (128,)
    """Units of each hidden layer."""
    activation: ActivationName = "tanh"
    """What follows each hidden layer."""
    shared: bool = False
    """Whether policy and value are two heads of one network, instead of two networks."""
    max_gradient_norm: NonNegative = 0.5
    """The gradient is scaled down to this norm; 0 leaves it as it is."""


class ActorCritic(RolloutAgent):
    name = "actor-critic"
    Hyperparameters = ActorCriticHyperparameters
    metric_names = ("policy_loss", "value_loss", "entropy", "explained_variance", "gradient_norm")

    def make_optimizer(self) -> optim.Optimizer:
        h = self.hyperparameters
        return adam_with_two_rates(self.network, h.learning_rate, h.value_learning_rate)

    def learn_from(self, steps: Steps) -> None:
        h, valid = self.hyperparameters, steps.valid
        distribution, value = self.network(self.tensor(steps.observation[valid]))  # value: (valid steps,)
        predicted = mg.to_numpy(value)
        delta = td_errors(steps, predicted, self.state_values(steps.next_observation[valid]), h.gamma)
        target = predicted + delta

        log_prob = distribution.log_prob(self.tensor(steps.action[valid]))
        policy_loss = policy_gradient_loss(log_prob, self.tensor(delta), len(delta))
        value_loss = F.mse_loss(value, self.tensor(target))
        entropy = distribution.entropy().mean()
        # Each network has a loss of its own, so their sum will do.
        norm = descend(policy_loss + value_loss, self.optimizer, self.weights, h.max_gradient_norm).item()

        explained = explained_variance(predicted, target)
        self.metrics.add(policy_loss.item(), value_loss.item(), entropy.item(), explained, norm)


def td_errors(steps: Steps, value: np.ndarray, next_value: np.ndarray, gamma: float) -> np.ndarray:
    """δ_t, (valid steps,), from V(s_t) and V(s_{t+1}) of that shape. An episode that was cut off goes on in V; one that
    terminated doesn't."""
    return steps.reward[steps.valid] + gamma * next_value * ~steps.terminated[steps.valid] - value


def adam_with_two_rates(network: ActorCriticNetwork, policy_rate: float, value_rate: float) -> optim.Optimizer:
    """Adam with a step size for the policy, and for a trunk that both share, and one for the value."""
    groups = [
        {"params": network.policy.parameters(), "lr": policy_rate},
        {"params": network.critic.parameters(), "lr": value_rate},
    ]
    return optim.Adam(groups)
