"""PPO, proximal policy optimisation: several passes over each rollout, with a loss that stops paying once the policy
has moved far enough.

    r(θ) = π(a | s; θ) / π(a | s; θ_old)
    L(θ) = -mean( min( r A, clip(r, 1 - ε, 1 + ε) A ) ) + c_v mean((R - V(s; θ))²) - c_e mean(H(π(· | s; θ)))

Since nothing is gained by moving r beyond 1 ± ε in the direction that the advantage A favours, the policy stays near
the one that the rollout is of (parts/trust_region.py says why it must). The minimum lets a step that went the wrong way
be undone.

Schulman, Wolski, Dhariwal, Radford and Klimov, "Proximal policy optimization algorithms" (2017), equations 7 and 9.
Much of what makes PPO work is in no equation: Huang et al., "The 37 implementation details of proximal policy
optimization", ICLR blog track (2022). Those that are here are named where they are used, and can be switched off.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

import minigrad as mg
import minigrad.nn.functional as F
import minigrad.optim as optim

from ..core.capturing import Update
from ..core.hyperparameters import NonNegative, Positive
from ..core.schedules import set_learning_rate
from ..memory.rollout import Steps
from ..networks.critics import explained_variance
from .parts.gradient_step import descend
from .parts.policy_losses import same_shape
from .parts.rollout_agent import RolloutAgent
from .parts.trust_region import Batch, TrustRegionHyperparameters, advantage_of, judge_rollout, log_ratio


@dataclass(frozen=True)
class ProximalHyperparameters(TrustRegionHyperparameters):
    value_clip: NonNegative = 0.0
    """How far a value may move from the old one before that stops paying; 0 is any distance."""
    value_coefficient: NonNegative = 0.5
    """How much the value's loss counts."""
    entropy_coefficient: NonNegative = 0.0
    """How much entropy is worth."""
    shared: bool = False  # details 13, c4
    """Whether policy and value are two heads of one network, instead of two networks."""


@dataclass(frozen=True)
class PPOHyperparameters(ProximalHyperparameters):
    clip: Positive = 0.2
    """How far the probability of an action may move from 1 times the old one before that stops paying."""
    anneal_clip: bool = False
    """Whether that falls in a straight line to 0 at the end of training."""
    target_kl: NonNegative = 0.0
    """The passes end early once the approximate KL divergence is 1.5 times this; 0 never ends them."""


class Losses(NamedTuple):
    total: mg.Tensor  # () what is minimised (detail 10)
    policy: mg.Tensor  # ()
    value: mg.Tensor  # ()
    entropy: mg.Tensor  # () of the policy, the mean over the steps
    log_ratio: mg.Tensor  # (batch,)


class Figures(NamedTuple):
    """A minibatch's, for metrics.csv."""

    policy_loss: float
    value_loss: float
    entropy: float
    approx_kl: float
    clip_fraction: float
    gradient_norm: float


def clipped_surrogate(ratio: mg.Tensor, advantage: mg.Tensor, clip: float) -> mg.Tensor:
    """-mean(min(r A, clip(r, 1 - ε, 1 + ε) A)) of (batch,) each."""
    same_shape("clipped_surrogate", ratio=ratio, advantage=advantage)
    # The clipped term is the smaller one only beyond the bound that A favours, where it is A + ε |A|, a constant.
    return -mg.minimum(ratio * advantage, advantage + clip * advantage.abs()).mean()


def value_loss(value: mg.Tensor, old: mg.Tensor, target: mg.Tensor, clip: float) -> mg.Tensor:
    """mean((R - V)²) of (batch,) each. With `clip`, V counts as no further than that from the old one, unless that
    makes the loss smaller (detail 9)."""
    same_shape("value_loss", value=value, old=old, target=target)
    if not clip:
        return F.mse_loss(value, target)
    near = old + (value - old).clamp(-clip, clip)
    return mg.maximum((value - target).square(), (near - target).square()).mean()


def approximate_kl(log_ratio: np.ndarray) -> float:
    """KL(old ‖ new) from the old policy's own actions, as the mean of (r - 1) - log r: unlike the mean of -log r it is
    never negative, and varies less (Schulman, "Approximating KL divergence" (2020), k3; detail 12)."""
    log_ratio = log_ratio.astype(np.float64)  # the difference of two small numbers
    return float(np.add.reduce(np.expm1(log_ratio) - log_ratio)) / len(log_ratio)


def clip_fraction(log_ratio: np.ndarray, clip: float) -> float:
    """The part of the steps, (batch,), for which |r - 1| > ε: whose probability has moved further than pays (detail
    12)."""
    return np.count_nonzero(np.abs(np.expm1(log_ratio)) > clip) / len(log_ratio)


class PPO(RolloutAgent):
    name = "ppo"
    Hyperparameters = PPOHyperparameters
    metric_names = (*Figures._fields, "explained_variance")

    def build(self) -> None:
        super().build()
        self.take_step = Update(self, self.improve_networks)

    def make_optimizer(self) -> optim.Optimizer:
        h = self.hyperparameters
        return optim.Adam(self.weights, lr=h.learning_rate, eps=h.adam_epsilon)  # detail 3

    def learn_from(self, steps: Steps) -> None:
        set_learning_rate(self.optimizer, self.hyperparameters, self.progress)  # detail 4
        batch = judge_rollout(self, steps)
        figures = np.mean(self.improve(batch), 0).tolist()
        self.metrics.add(*figures, explained_variance(batch.value, batch.target))

    def improve(self, batch: Batch) -> list[Figures]:
        """Several passes over the rollout, with a step of Adam for each minibatch. They end early where the policy has
        gone too far, as `target_kl` has it: it goes no further."""
        h = self.hyperparameters
        largest_kl = 1.5 * h.target_kl or math.inf
        figures: list[Figures] = []
        for _ in range(h.epochs):
            for minibatch in batch.minibatches(h.batch_size, self.random["minibatches"]):
                tensors = minibatch.map(self.tensor)
                if h.target_kl and self.distance(tensors) > largest_kl:
                    figures.append(self.list_figures(self.losses(tensors), 0.0))
                    return figures
                *losses, norm = self.take_step(tensors, self.clip)
                figures.append(self.list_figures(Losses(*losses), norm.item()))
        return figures

    def improve_networks(self, batch: Batch, clip: float) -> tuple[mg.Tensor, ...]:
        """A step of Adam with a minibatch of tensors: the losses, and the gradient's norm."""
        losses = self.losses(batch, clip)
        norm = descend(losses.total, self.optimizer, self.weights, self.hyperparameters.max_gradient_norm)
        return *losses, norm

    def distance(self, batch: Batch) -> float:
        """How far the policy has gone from the one that acted, in a minibatch of tensors."""
        with mg.no_grad():
            return approximate_kl(mg.to_numpy(log_ratio(self.network(batch.observation)[0], batch)))

    def list_figures(self, losses: Losses, norm: float) -> Figures:
        """What metrics.csv says of a minibatch."""
        moved = mg.to_numpy(losses.log_ratio)
        means = losses.policy.item(), losses.value.item(), losses.entropy.item()
        return Figures(*means, approximate_kl(moved), clip_fraction(moved, self.clip), norm)

    def losses(self, batch: Batch, clip: float | None = None) -> Losses:
        """Of a minibatch of tensors. clip: ε, that of this moment if left out."""
        h = self.hyperparameters
        distribution, value = self.network(batch.observation)
        moved = log_ratio(distribution, batch)
        bound = self.clip if clip is None else clip
        policy_loss = clipped_surrogate(moved.exp(), advantage_of(self, batch), bound)  # detail 8
        squared = value_loss(value, batch.value, batch.target, h.value_clip)
        entropy = distribution.entropy().mean()
        total = policy_loss + h.value_coefficient * squared
        if h.entropy_coefficient:
            total = total - h.entropy_coefficient * entropy
        return Losses(total, policy_loss, squared, entropy, moved)

    @property
    def clip(self) -> float:
        """ε, as it is at this moment of the training."""
        h = self.hyperparameters
        return h.clip * (1 - self.progress) if h.anneal_clip else h.clip

    def schedules(self) -> dict[str, float]:
        return {**super().schedules(), "clip": self.clip}
