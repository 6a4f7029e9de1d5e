"""TRPO, trust region policy optimisation: the step that improves the policy most among those that change it little.

    max_θ  L(θ) = mean( r(θ) A )    with  mean( KL(π_old ‖ π_θ) ) ≤ δ

Near θ_old, L is linear with the gradient g, and the KL divergence ½ Δᵀ H Δ: its value and its slope are 0 there, and
its second derivative H is the Fisher information. Then the best step is along the natural gradient H⁻¹ g,

    Δ = √(2 δ / xᵀ H x) x    with  H x = g

The plain gradient is the steepest way in the weights, of which some hardly change what the policy does and some turn
it over; the natural gradient is the steepest way in what the policy does, however it is parametrised. H has the square
of the number of weights as entries, and is never formed: conjugate gradients (parts/conjugate_gradients.py) need only
H v, and

    H v = ∇( ∇KL · v )

is two backward passes. Both approximations are checked where they are used: a line search shortens the step until L
has improved and the exact KL divergence is within δ. If that never happens, the policy stays as it is.

Schulman, Levine, Moritz, Jordan and Abbeel, "Trust region policy optimization", ICML (2015), equation 14 and appendix
C; Kakade, "A natural policy gradient", NIPS (2001); Pearlmutter, "Fast exact multiplication by the Hessian", Neural
Computation 6 (1994). The value, which the paper leaves open, has Adam and several passes over the rollout; policy and
value are two networks, because a step of one must not move the other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

import minigrad as mg
import minigrad.nn as nn
import minigrad.nn.functional as F
import minigrad.optim as optim
from minigrad.autograd import grad
from minigrad.distributions import ParameterError, kl_divergence
from minigrad.nn.utils import parameters_to_vector, vector_to_parameters

from ..core.capturing import Update
from ..core.hyperparameters import Count, Fraction, NonNegative, Positive
from ..core.schedules import set_learning_rate
from ..memory.rollout import Steps
from ..networks.critics import explained_variance
from .parts.conjugate_gradients import conjugate_gradients
from .parts.gradient_step import descend
from .parts.rollout_agent import RolloutAgent
from .parts.trust_region import (
    Batch,
    TrustRegionHyperparameters,
    advantage_of,
    judge_rollout,
    log_ratio,
    old_policy,
    surrogate,
)


@dataclass(frozen=True)
class TRPOHyperparameters(TrustRegionHyperparameters):
    learning_rate: Positive = 1e-3
    """Step size of Adam, for the value: the policy's follows from the KL limit."""
    epochs: Count = 10
    """Passes over each rollout, to learn the value; the policy takes one step."""
    kl_limit: Positive = 0.01
    """δ, how far a step may move the policy, as a KL divergence."""
    conjugate_gradient_steps: Count = 10
    """How many products H v are spent on the natural gradient."""
    damping: NonNegative = 0.1
    """This times the identity is added to H, so that it can be inverted where data are few."""
    line_search_steps: Count = 10
    """How many lengths of the step are tried."""
    line_search_factor: Fraction = 0.8
    """Each is this times the one before."""


class Found(NamedTuple):
    """What a line search came to. With a fraction of 0 the policy stays as it is."""

    fraction: float  # of the step
    tried: int
    improvement: float  # of the surrogate
    kl: float


class Figures(NamedTuple):
    """A step's, for metrics.csv."""

    entropy: float  # before it
    kl: float  # exact
    expected_improvement: float  # of the surrogate, if it were a straight line
    improvement: float
    line_search_steps: int
    gradient_norm: float


def flat_gradient(output: mg.Tensor, weights: Sequence[mg.Tensor], **how: bool) -> mg.Tensor:
    """∇ output as one vector, (n,)."""
    return parameters_to_vector(grad(output, weights, materialize_grads=True, **how))  # type: ignore[arg-type]


def hessian_vector_product(
    output: mg.Tensor, weights: Sequence[mg.Tensor], damping: float
) -> Callable[[mg.Tensor], mg.Tensor]:
    """The function v ↦ (H + damping I) v of vectors (n,), with H the second derivatives of `output`, ()."""
    slope = flat_gradient(output, weights, create_graph=True)

    def product(v: mg.Tensor) -> mg.Tensor:
        return flat_gradient(slope @ v, weights, retain_graph=True) + damping * v

    return product


def line_search(attempt: Callable[[float], tuple[float, float]], kl_limit: float, factor: float, steps: int) -> Found:
    """The longest of 1, `factor`, `factor`², ... times a step that improves and stays within the limit. `attempt` takes
    such a fraction and says how much it improves and its KL divergence."""
    fraction = 1.0
    for tried in range(1, steps + 1):
        improvement, kl = attempt(fraction)
        if improvement > 0 and kl <= kl_limit:  # neither, if it is NaN
            return Found(fraction, tried, improvement, kl)
        fraction *= factor
    return Found(0.0, steps, 0.0, 0.0)


class TRPO(RolloutAgent):
    name = "trpo"
    Hyperparameters = TRPOHyperparameters
    metric_names = (*Figures._fields, "value_loss", "explained_variance")
    compares_policies = True

    def build(self) -> None:
        super().build()
        self.take_step = Update(self, self.improve_value)

    def list_weights(self) -> list[nn.Parameter]:
        """The value's; the policy's take steps without an optimizer."""
        return list(self.network.critic.parameters())

    def make_optimizer(self) -> optim.Optimizer:
        h = self.hyperparameters
        return optim.Adam(self.weights, lr=h.learning_rate, eps=h.adam_epsilon)

    def learn_from(self, steps: Steps) -> None:
        set_learning_rate(self.optimizer, self.hyperparameters, self.progress)
        batch = judge_rollout(self, steps)
        self.metrics.add(*self.improve(batch), explained_variance(batch.value, batch.target))

    def improve(self, batch: Batch) -> list[float]:
        """One step of the policy, several passes over the rollout for the value."""
        figures = self.improve_policy(batch.map(self.tensor))
        return [*figures, float(np.mean(self.fit_value(batch)))]

    def improve_policy(self, batch: Batch) -> Figures:
        h = self.hyperparameters
        weights = list(self.network.policy.parameters())
        old, advantage = old_policy(self, batch), advantage_of(self, batch)
        distribution = self.network.policy(batch.observation)
        before = surrogate(log_ratio(distribution, batch).exp(), advantage)
        gradient = flat_gradient(before, weights, retain_graph=True)
        step = self.natural_step(kl_divergence(old, distribution).mean(), weights, gradient)
        start = parameters_to_vector(weights).detach()

        def attempt(fraction: float) -> tuple[float, float]:
            vector_to_parameters(start + fraction * step, weights)
            try:
                new = self.network.policy(batch.observation)
            except ParameterError:  # so far off that it is no policy at all
                return math.nan, math.nan
            after = surrogate(log_ratio(new, batch).exp(), advantage)
            return after.item() - before.item(), kl_divergence(old, new).mean().item()

        with mg.no_grad():
            found = line_search(attempt, h.kl_limit, h.line_search_factor, h.line_search_steps)
            if not found.fraction:
                vector_to_parameters(start, weights)
        expected = found.fraction * (gradient @ step).item() if found.fraction else 0.0
        entropy, norm = distribution.entropy().mean().item(), (gradient @ gradient).item() ** 0.5
        return Figures(entropy, found.kl, expected, found.improvement, found.tried, norm)

    def natural_step(self, kl: mg.Tensor, weights: Sequence[mg.Tensor], gradient: mg.Tensor) -> mg.Tensor:
        """Δ, (n,): along the natural gradient, as far as δ allows if the KL divergence is ½ Δᵀ H Δ."""
        h = self.hyperparameters
        product = hessian_vector_product(kl, weights, h.damping)
        x = conjugate_gradients(product, gradient, h.conjugate_gradient_steps)
        curvature = (x @ product(x)).item()
        if not 0 < curvature < math.inf:  # no gradient, or one that too few data have made infinite or NaN
            return mg.zeros_like(gradient)
        return (2 * h.kl_limit / curvature) ** 0.5 * x

    def fit_value(self, batch: Batch) -> list[float]:
        """Several passes over the rollout, with a step of Adam for each minibatch. Returns their losses."""
        h = self.hyperparameters
        losses: list[float] = []
        for _ in range(h.epochs):
            for minibatch in batch.minibatches(h.batch_size, self.random["minibatches"]):
                losses.append(self.take_step(self.tensor(minibatch.observation), self.tensor(minibatch.target)).item())
        return losses

    def improve_value(self, observation: mg.Tensor, target: mg.Tensor) -> mg.Tensor:
        """A step of Adam, and the loss before it."""
        loss = F.mse_loss(self.network.value(observation), target)
        descend(loss, self.optimizer, self.weights, self.hyperparameters.max_gradient_norm)
        return loss
