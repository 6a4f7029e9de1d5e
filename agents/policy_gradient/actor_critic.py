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
from typing import Any, ClassVar

import numpy as np

import minigrad as mg
import minigrad.nn.functional as F
import minigrad.optim as optim
from envs import Transition
from minigrad.distributions import Distribution

from ..core.hyperparameters import Fraction, Hyperparameters, NonNegative, Positive, Sizes
from ..memory.rollout import Rollout, Steps, spread
from ..networks.bodies import ACTIVATIONS, ActivationName
from ..networks.critics import explained_variance
from .parts.actor_critic_networks import ActorCriticNetwork, actor_critic_network
from .parts.policy_gradient import PolicyGradient
from .parts.policy_losses import policy_gradient_loss


@dataclass(frozen=True)
class ActorCriticHyperparameters(Hyperparameters):
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


class ActorCritic(PolicyGradient):
    name = "actor-critic"
    Hyperparameters: ClassVar[type[Hyperparameters]] = ActorCriticHyperparameters
    metric_names: ClassVar[tuple[str, ...]] = (
        "policy_loss",
        "value_loss",
        "entropy",
        "explained_variance",
        "gradient_norm",
    )

    def build(self) -> None:
        self.network = self.make_network().to(self.device)
        self.weights = list(self.network.parameters())
        self.optimizer = self.make_optimizer()
        self.rollout = Rollout(self.rollout_steps, self.num_envs, self.observation_space, self.action_space)

    @property
    def rollout_steps(self) -> int:
        """Steps of each environment between updates."""
        return 1

    def make_network(self) -> ActorCriticNetwork:
        h = self.hyperparameters
        return actor_critic_network(
            h.shared, self.observation_space, self.action_space, h.hidden, ACTIVATIONS[h.activation]
        )

    def make_optimizer(self) -> optim.Optimizer:
        h = self.hyperparameters
        policy, value = self.network.policy.parameters(), self.network.critic.parameters()
        groups = [{"params": policy, "lr": h.learning_rate}, {"params": value, "lr": h.value_learning_rate}]
        return optim.Adam(groups)

    def choose(self, observation: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
        """Drawn from the policy; without `rng`, the most probable."""
        return self.network.policy.choose(self.tensor(observation), rng)

    def state_values(self, observation: np.ndarray) -> np.ndarray:
        """V(s) of (k, ...) observations, (k,)."""
        with mg.no_grad():
            return mg.to_numpy(self.network.value(self.tensor(observation)))

    def observe(self, transition: Transition) -> None:
        self.rollout.add(transition)

    def update(self, new_steps: int) -> None:
        if self.rollout.full:
            self.learn_from(self.rollout.take())

    def learn_from(self, steps: Steps) -> None:
        valid = steps.valid
        distribution, value = self.network(self.tensor(steps.observation[valid]))  # value: (valid steps,)
        predicted = mg.to_numpy(value)
        next_value = self.state_values(steps.next_observation[valid])
        advantage = self.advantage(steps, spread(predicted, valid), spread(next_value, valid))[valid]
        target = predicted + advantage
        policy_loss, value_loss, entropy = self.losses(distribution, value, steps.action[valid], advantage, target)
        norm = self.descend(self.combined(policy_loss, value_loss, entropy))
        explained = explained_variance(predicted, target)
        self.metrics.add(policy_loss.item(), value_loss.item(), entropy.item(), explained, norm, *self.figures)

    def advantage(self, steps: Steps, value: np.ndarray, next_value: np.ndarray) -> np.ndarray:
        """How much better each action was than expected, (T, N), from V(s_t) and V(s_{t+1}), (T, N): the TD error. An
        episode that was cut off goes on in V; one that terminated doesn't."""
        return steps.reward + self.hyperparameters.gamma * next_value * ~steps.terminated - value

    def losses(
        self,
        distribution: Distribution,
        value: mg.Tensor,
        action: np.ndarray,
        advantage: np.ndarray,
        target: np.ndarray,
    ) -> tuple[mg.Tensor, mg.Tensor, mg.Tensor]:
        """The policy's loss, the value's, and the entropy: the means over the steps, with `advantage` and `target`,
        (steps,), as constants."""
        log_prob = distribution.log_prob(self.tensor(action))
        policy_loss = policy_gradient_loss(log_prob, self.tensor(advantage), len(action))
        return policy_loss, F.mse_loss(value, self.tensor(target)), distribution.entropy().mean()

    def combined(self, policy_loss: mg.Tensor, value_loss: mg.Tensor, entropy: mg.Tensor) -> mg.Tensor:
        """What is minimised: each network has a loss of its own, so their sum will do."""
        return policy_loss + value_loss

    def parts(self) -> dict[str, Any]:
        return {"network": self.network, "optimizer": self.optimizer, "rollout": self.rollout}
