"""PPO with a KL penalty: several passes over each rollout, with a loss that charges for the distance from the policy
that the rollout is of.

    L(θ) = -mean( r A ) + β mean( KL(π_old(· | s) ‖ π(· | s; θ)) ) + c_v mean((R - V(s; θ))²) - c_e mean(H(π(· | s; θ)))

What a good β is depends on the problem, and changes while it is learned. So it is adapted: once the passes over a
rollout are done, β is doubled if the divergence is above its target times 1.5, halved if below its target over 1.5.

Schulman, Wolski, Dhariwal, Radford and Klimov, "Proximal policy optimization algorithms" (2017), section 4 and
equation 8.

The divergence is exact, from both whole distributions, and not estimated from the actions that were drawn: it knows,
too, what became of those that weren't.

Of its two directions this is KL(old ‖ new), as in the paper and in TRPO, whose bound is in terms of it: an average over
the old policy's actions, as the rest of the loss is. It is large where the new policy hardly does any more what the
old one did, so that no single rollout rules an action out. Some notes write KL(new ‖ old), which is large where the
new policy does what the old one hardly did; `kl_direction` "new-old" is that one. Where the two policies are near each
other, so are the two divergences: they differ in the third order only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

import minigrad as mg
import minigrad.optim as optim
from minigrad.distributions import Distribution, kl_divergence

from ..core.capturing import Update
from ..core.hyperparameters import Positive
from ..core.schedules import set_learning_rate
from ..memory.rollout import Steps
from ..networks.critics import explained_variance
from .parts.gradient_step import descend
from .parts.rollout_agent import RolloutAgent
from .parts.trust_region import Batch, advantage_of, judge_rollout, log_ratio, old_policy, surrogate
from .ppo import ProximalHyperparameters, value_loss


@dataclass(frozen=True)
class PPOKLHyperparameters(ProximalHyperparameters):
    beta: Positive = 1.0
    """What a unit of KL divergence costs at the start; it adapts."""
    kl_target: Positive = 0.01
    """How far, as a KL divergence, the passes over a rollout should move the policy."""
    kl_direction: Literal["old-new", "new-old"] = "old-new"
    """Which divergence: KL(old ‖ new), or KL(new ‖ old)."""


class Losses(NamedTuple):
    total: mg.Tensor  # () what is minimised
    policy: mg.Tensor  # () without the penalty
    value: mg.Tensor  # ()
    entropy: mg.Tensor  # () of the policy, the mean over the steps
    kl: mg.Tensor  # () the mean over the steps


class Figures(NamedTuple):
    """A minibatch's, for metrics.csv."""

    policy_loss: float
    value_loss: float
    entropy: float
    gradient_norm: float


class Penalty:
    """β, saved with the agent."""

    # Halved again and again it would become 0, and stay that for ever however large the divergence.
    LEAST, MOST = 1e-6, 1e6

    def __init__(self, beta: float) -> None:
        self.beta = beta

    def adapt(self, kl: float, target: float) -> None:
        """To the divergence that a rollout's passes came to."""
        if kl > 1.5 * target:
            self.beta = min(2 * self.beta, self.MOST)
        elif kl < target / 1.5:
            self.beta = max(self.beta / 2, self.LEAST)

    def state_dict(self) -> dict[str, Any]:
        return {"beta": self.beta}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.beta = state["beta"]


class PPOKL(RolloutAgent):
    name = "ppo-kl"
    Hyperparameters = PPOKLHyperparameters
    metric_names = (*Figures._fields, "kl", "beta", "explained_variance")
    compares_policies = True

    def build(self) -> None:
        super().build()
        self.take_step = Update(self, self.improve_networks)
        self.penalty = Penalty(self.hyperparameters.beta)

    def make_optimizer(self) -> optim.Optimizer:
        h = self.hyperparameters
        return optim.Adam(self.weights, lr=h.learning_rate, eps=h.adam_epsilon)

    def learn_from(self, steps: Steps) -> None:
        set_learning_rate(self.optimizer, self.hyperparameters, self.progress)
        batch = judge_rollout(self, steps)
        self.metrics.add(*self.improve(batch), explained_variance(batch.value, batch.target))

    def improve(self, batch: Batch) -> list[float]:
        """Several passes over the rollout, with a step of Adam for each minibatch; then β adapts to how far the policy
        has come. The means of the figures, the divergence, and the β that there was."""
        h, beta = self.hyperparameters, self.penalty.beta
        figures: list[Figures] = []
        for _ in range(h.epochs):
            for minibatch in batch.minibatches(h.batch_size, self.random["minibatches"]):
                figures.append(Figures(*(x.item() for x in self.take_step(minibatch.map(self.tensor), beta))))
        with mg.no_grad():
            tensors = batch.map(self.tensor)
            kl = self.kl(self.network.policy(tensors.observation), tensors).item()
        self.penalty.adapt(kl, h.kl_target)
        return [*np.mean(figures, 0).tolist(), kl, beta]

    def improve_networks(self, batch: Batch, beta: float) -> tuple[mg.Tensor, ...]:
        """A step of Adam with a minibatch of tensors, and its figures."""
        losses = self.losses(batch, beta)
        norm = descend(losses.total, self.optimizer, self.weights, self.hyperparameters.max_gradient_norm)
        return losses.policy, losses.value, losses.entropy, norm

    def losses(self, batch: Batch, beta: float | None = None) -> Losses:
        """Of a minibatch of tensors. beta: the penalty's, as it is now, if left out."""
        h = self.hyperparameters
        distribution, value = self.network(batch.observation)
        ratio = log_ratio(distribution, batch).exp()
        policy_loss = -surrogate(ratio, advantage_of(self, batch))
        squared = value_loss(value, batch.value, batch.target, h.value_clip)
        entropy, kl = distribution.entropy().mean(), self.kl(distribution, batch)
        total = policy_loss + h.value_coefficient * squared
        if h.entropy_coefficient:
            total = total - h.entropy_coefficient * entropy
        weight = self.penalty.beta if beta is None else beta
        return Losses(total + weight * kl, policy_loss, squared, entropy, kl)

    def kl(self, new: Distribution, batch: Batch) -> mg.Tensor:
        """The mean over the steps, ()."""
        old = old_policy(self, batch)
        first, second = (old, new) if self.hyperparameters.kl_direction == "old-new" else (new, old)
        return kl_divergence(first, second).mean()

    def parts(self) -> dict[str, Any]:
        return {**super().parts(), "penalty": self.penalty}
