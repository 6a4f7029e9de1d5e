"""PPO, proximal policy optimisation: several passes over each rollout, with a loss that stops paying once the policy
has moved far enough.

    r(θ) = π(a | s; θ) / π(a | s; θ_old)
    L(θ) = -mean( min( r A, clip(r, 1 - ε, 1 + ε) A ) ) + c_v mean((R - V(s; θ))²) - c_e mean(H(π(· | s; θ)))

Since nothing is gained by moving r beyond 1 ± ε in the direction that the advantage A favours, the policy stays near
the one that the rollout is of (trust_region.py says why it must). The minimum lets a step that went the wrong way be
undone.

Schulman, Wolski, Dhariwal, Radford and Klimov, "Proximal policy optimization algorithms" (2017), equations 7 and 9.
Much of what makes PPO work is in no equation: Huang et al., "The 37 implementation details of proximal policy
optimization", ICLR blog track (2022). Those that are here are named where they are used, and can be switched off.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

import minigrad as mg
import minigrad.nn.functional as F

from ..core.hyperparameters import NonNegative, Positive
from .parts.policy_losses import same_shape
from .parts.trust_region import Batch, TrustRegion, TrustRegionHyperparameters


@dataclass(frozen=True)
class ProximalHyperparameters(TrustRegionHyperparameters):
    value_clip: NonNegative = 0.0
    """How far a value may move from the old one before that stops paying; 0 is any distance."""
    value_coefficient: NonNegative = 0.5
    """How much the value's loss counts."""
    entropy_coefficient: NonNegative = 0.0
    """How much entropy is worth."""
    shared: bool = False
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


class Proximal(TrustRegion):
    """What both PPOs are: passes over the rollout, with a loss that keeps the policy near and has the value's and the
    entropy's part in it."""

    @property
    def shared(self) -> bool:
        return self.hyperparameters.shared

    def value_loss(self, value: mg.Tensor, batch: Batch) -> mg.Tensor:
        return value_loss(value, self.tensor(batch.value), self.tensor(batch.target), self.hyperparameters.value_clip)

    def combined(self, losses: Any) -> mg.Tensor:
        """What is minimised (detail 10)."""
        h = self.hyperparameters
        loss = losses.policy + h.value_coefficient * losses.value
        return loss - h.entropy_coefficient * losses.entropy if h.entropy_coefficient else loss


class PPO(Proximal):
    name = "ppo"
    Hyperparameters = PPOHyperparameters
    metric_names = (*Figures._fields, "explained_variance")

    @property
    def clip(self) -> float:
        h = self.hyperparameters
        return h.clip * (1 - self.progress) if h.anneal_clip else h.clip

    def schedules(self) -> dict[str, float]:
        return {**super().schedules(), "clip": self.clip}

    @property
    def largest_kl(self) -> float:
        """Beyond this the passes over a rollout end."""
        return 1.5 * self.hyperparameters.target_kl or math.inf

    def improve(self, batch: Batch) -> list[float]:
        figures: list[Figures] = []
        for each in self.passes(batch):
            figures.append(each)
            if each.approx_kl > self.largest_kl:
                break
        return np.mean(figures, 0).tolist()

    def learn_from_minibatch(self, batch: Batch) -> Figures:
        """One step of Adam. If the policy has gone too far already, as `target_kl` has it, it goes no further."""
        losses = self.losses(batch)
        log_ratio = mg.to_numpy(losses.log_ratio)
        kl, clipped = approximate_kl(log_ratio), clip_fraction(log_ratio, self.clip)
        norm = self.descend(self.combined(losses)) if kl <= self.largest_kl else 0.0
        return Figures(losses.policy.item(), losses.value.item(), losses.entropy.item(), kl, clipped, norm)

    def losses(self, batch: Batch) -> Losses:
        distribution, value = self.network(self.tensor(batch.observation))
        log_ratio = self.log_ratio(distribution, batch)
        return Losses(
            clipped_surrogate(log_ratio.exp(), self.advantage_of(batch), self.clip),  # detail 8
            self.value_loss(value, batch),
            distribution.entropy().mean(),
            log_ratio,
        )
