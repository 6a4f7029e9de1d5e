"""PPO, proximal policy optimisation: several passes over each rollout, with a loss that stops paying once the policy
has moved far enough.

    r(θ) = π(a | s; θ) / π(a | s; θ_old)
    L(θ) = -mean( min( r A, clip(r, 1 - ε, 1 + ε) A ) ) + c_v mean((R - V(s; θ))²) - c_e mean(H(π(· | s; θ)))

A2C throws a rollout away after one step, because the second would be off-policy. The ratio r corrects for that; and
since nothing is gained by moving it beyond 1 ± ε in the direction that the advantage A favours, the policy stays near
the one that the rollout is of. The minimum lets a step that went the wrong way be undone.

Schulman, Wolski, Dhariwal, Radford and Klimov, "Proximal policy optimization algorithms" (2017), equations 7 and 9.
A is from gae.py. Much of what makes PPO work is in no equation: Huang et al., "The 37 implementation details of
proximal policy optimization", ICLR blog track (2022). Those that are here are named where they are used, and can be
switched off.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from gymnasium import spaces

import minigrad as mg
import minigrad.nn as nn
import minigrad.nn.functional as F
import minigrad.optim as optim
from envs import Environments, Transition, UsageError
from minigrad.device import host

from ..core.agent import Agent
from ..core.hyperparameters import Count, Fraction, Hyperparameters, NonNegative, Positive, Sizes
from ..core.networks import ACTIVATIONS, ActivationName
from ..core.normalization import ObservationNormalizer, RewardNormalizer
from ..core.policies import with_clipped_actions
from ..core.rollout import Rollout, Steps, spread
from .critics import explained_variance
from .gae import gae
from .losses import same_shape
from .networks import actor_critic_network, orthogonal_initialization


@dataclass(frozen=True)
class PPOHyperparameters(Hyperparameters):
    learning_rate: Positive = 3e-4
    """Step size of Adam."""
    anneal_learning_rate: bool = False
    """Whether it falls in a straight line to 0 at the end of training."""
    gamma: Fraction = 0.99
    """Discount: what a reward is worth one step earlier."""
    gae_lambda: Fraction = 0.95
    """Advantages: 1 trusts what was got, 0 the value that was expected."""
    rollout_steps: Count = 2_048
    """Steps of each environment between updates."""
    batch_size: Count = 64
    """Steps in a minibatch."""
    epochs: Count = 10
    """Passes over each rollout."""
    clip: Positive = 0.2
    """How far the probability of an action may move from 1 times the old one before that stops paying."""
    anneal_clip: bool = False
    """Whether that falls in a straight line to 0 at the end of training."""
    value_clip: NonNegative = 0.0
    """How far a value may move from the old one before that stops paying; 0 is any distance."""
    target_kl: NonNegative = 0.0
    """The passes end early once the approximate KL divergence is 1.5 times this; 0 never ends them."""
    normalize_advantages: bool = True
    """Whether each minibatch's advantages are brought to mean 0 and standard deviation 1."""
    value_coefficient: NonNegative = 0.5
    """How much the value's loss counts."""
    entropy_coefficient: NonNegative = 0.0
    """How much entropy is worth."""
    max_gradient_norm: NonNegative = 0.5
    """The gradient is scaled down to this norm; 0 leaves it as it is."""
    adam_epsilon: Positive = 1e-5
    """Adam: added to the denominator."""
    hidden: Sizes = (64, 64)
    """Units of each hidden layer."""
    activation: ActivationName = "tanh"
    """What follows each hidden layer."""
    shared: bool = False
    """Whether policy and value are two heads of one network, instead of two networks."""
    orthogonal: bool = True
    """Whether weights start orthogonal, with a policy that is almost uniform."""
    normalize_observations: bool = False
    """Whether observations are brought to mean 0 and variance 1, by running statistics."""
    normalize_rewards: bool = False
    """Whether rewards are divided by the standard deviation of the returns, by running statistics."""


class Batch(NamedTuple):
    """Steps to learn from, with what the old policy and value said about them."""

    observation: np.ndarray  # (batch, ...)
    action: np.ndarray  # (batch,) or (batch, ...)
    log_prob: np.ndarray  # (batch,)
    value: np.ndarray  # (batch,)
    advantage: np.ndarray  # (batch,)
    target: np.ndarray  # (batch,) what the value should have been

    def rows(self, at: np.ndarray) -> Batch:
        return Batch(*(field.take(at, 0) for field in self))


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


def normalized(advantage: np.ndarray) -> np.ndarray:
    """With mean 0 and standard deviation 1 (detail 7). A minibatch of one has no deviation, and stays as it is."""
    if len(advantage) < 2:
        return advantage
    centred = advantage - advantage.mean()
    return centred / (np.sqrt(centred @ centred / len(centred)) + 1e-8)


def approximate_kl(log_ratio: np.ndarray) -> float:
    """KL(old ‖ new) from the old policy's own actions, as the mean of (r - 1) - log r: unlike the mean of -log r it is
    never negative, and varies less (Schulman, "Approximating KL divergence" (2020), k3; detail 12)."""
    log_ratio = log_ratio.astype(np.float64)  # the difference of two small numbers
    return float(np.add.reduce(np.expm1(log_ratio) - log_ratio)) / len(log_ratio)


def clip_fraction(log_ratio: np.ndarray, clip: float) -> float:
    """The part of the steps, (batch,), for which |r - 1| > ε: whose probability has moved further than pays (detail
    12)."""
    return np.count_nonzero(np.abs(np.expm1(log_ratio)) > clip) / len(log_ratio)


class PPO(Agent):
    name = "ppo"
    Hyperparameters = PPOHyperparameters
    action_spaces = (spaces.Discrete, spaces.Box)
    metric_names = (*Figures._fields, "explained_variance")

    def make_environments(self, env: Any, num_envs: int = 1) -> Environments:
        return with_clipped_actions(super().make_environments(env, num_envs))

    def build(self) -> None:
        h = self.hyperparameters
        self.network = actor_critic_network(
            h.shared, self.observation_space, self.action_space, h.hidden, ACTIVATIONS[h.activation]
        )
        if h.orthogonal:  # detail 2
            orthogonal_initialization(self.network)
        self.network.to(self.device)
        self.weights = list(self.network.parameters())
        self.optimizer = optim.Adam(self.weights, lr=h.learning_rate, eps=h.adam_epsilon)  # detail 3
        self.rollout = Rollout(h.rollout_steps, self.num_envs, self.observation_space, self.action_space)
        self.observation_normalizer: ObservationNormalizer | None = None
        if h.normalize_observations:
            if not isinstance(self.observation_space, spaces.Box):
                raise UsageError(f"normalize_observations needs Box observations, not {self.observation_space}")
            self.observation_normalizer = ObservationNormalizer(self.observation_space.shape)
        self.reward_normalizer = RewardNormalizer(self.num_envs, h.gamma) if h.normalize_rewards else None

    # -- acting

    def choose(self, observation: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
        """Drawn from the policy; without `rng`, the most probable."""
        return self.network.policy.choose(self.seen(observation), rng)

    def state_values(self, observation: np.ndarray) -> np.ndarray:
        """V(s) of (k, ...) observations, (k,). With normalised rewards, of those."""
        with mg.no_grad():
            return host(self.network.value(self.seen(observation)).array)

    def seen(self, observation: np.ndarray) -> mg.Tensor:
        """Observations as the network sees them."""
        normalizer = self.observation_normalizer
        return self.tensor(observation if normalizer is None else normalizer(observation))

    @property
    def clip(self) -> float:
        h = self.hyperparameters
        return h.clip * (1 - self.progress) if h.anneal_clip else h.clip

    def schedules(self) -> dict[str, float]:
        return {"clip": self.clip}

    # -- learning

    def observe(self, transition: Transition) -> None:
        self.rollout.add(transition)

    def update(self, new_steps: int) -> None:
        if self.rollout.full:
            self.learn_from(self.rollout.take())

    def learn_from(self, steps: Steps) -> None:
        h = self.hyperparameters
        if h.anneal_learning_rate:  # detail 4
            self.optimizer.param_groups[0]["lr"] = h.learning_rate * (1 - self.progress)
        batch = self.batch(steps)
        figures = self.improve(batch)
        explained = explained_variance(batch.value, batch.target)
        self.metrics.add(*np.mean(figures, 0).tolist(), explained)
        if self.observation_normalizer is not None:
            self.observation_normalizer.learn_from(steps.observation[steps.valid])

    def batch(self, steps: Steps) -> Batch:
        """The rollout's valid steps. What the old policy and value say is asked once for all of them, here: they are
        still the ones that acted, and a pass over many costs a fraction of many passes over few."""
        h, valid = self.hyperparameters, steps.valid
        reward = steps.reward
        if self.reward_normalizer is not None:
            self.reward_normalizer.learn_from(reward, steps.terminated | steps.truncated, valid)
            reward = self.reward_normalizer(reward)
        observation = self.seen(steps.observation[valid])
        action = steps.action[valid]
        with mg.no_grad():
            distribution, predicted = self.network(observation)
            log_prob = host(distribution.log_prob(self.tensor(action)).array)
        value = host(predicted.array)
        next_value = self.state_values(steps.next_observation[valid])
        advantage = gae(
            reward,
            spread(value, valid),
            spread(next_value, valid),
            steps.terminated,
            steps.truncated,
            h.gamma,
            h.gae_lambda,
        )[valid]
        return Batch(host(observation.array), action, log_prob, value, advantage, value + advantage)

    def improve(self, batch: Batch) -> list[Figures]:
        """`epochs` passes over the batch, in minibatches drawn anew in each (detail 6)."""
        h = self.hyperparameters
        figures = []
        for _ in range(h.epochs):
            for minibatch in self.minibatches(batch):
                figures.append(self.learn_from_minibatch(minibatch))
                if h.target_kl and figures[-1].approx_kl > 1.5 * h.target_kl:
                    return figures
        return figures

    def minibatches(self, batch: Batch) -> Iterator[Batch]:
        count, size = len(batch.action), self.hyperparameters.batch_size
        if count <= size:  # the order within a minibatch doesn't matter
            yield batch
            return
        order = self.random["minibatches"].permutation(count)
        for start in range(0, count, size):
            yield batch.rows(order[start : start + size])

    def learn_from_minibatch(self, batch: Batch) -> Figures:
        """One step of Adam. If the policy has gone too far already, as `target_kl` has it, it goes no further."""
        h = self.hyperparameters
        losses = self.losses(batch)
        log_ratio = host(losses.log_ratio.array)
        kl, clipped = approximate_kl(log_ratio), clip_fraction(log_ratio, self.clip)
        norm = 0.0
        if not h.target_kl or kl <= 1.5 * h.target_kl:
            self.optimizer.zero_grad()
            self.combined(losses).backward()
            norm = nn.utils.clip_grad_norm_(self.weights, h.max_gradient_norm or float("inf")).item()  # detail 11
            self.optimizer.step()
        return Figures(losses.policy.item(), losses.value.item(), losses.entropy.item(), kl, clipped, norm)

    def losses(self, batch: Batch) -> Losses:
        h = self.hyperparameters
        distribution, value = self.network(self.tensor(batch.observation))
        log_ratio = distribution.log_prob(self.tensor(batch.action)) - self.tensor(batch.log_prob)
        advantage = normalized(batch.advantage) if h.normalize_advantages else batch.advantage
        return Losses(
            clipped_surrogate(log_ratio.exp(), self.tensor(advantage), self.clip),  # detail 8
            value_loss(value, self.tensor(batch.value), self.tensor(batch.target), h.value_clip),
            distribution.entropy().mean(),
            log_ratio,
        )

    def combined(self, losses: Losses) -> mg.Tensor:
        """What is minimised (detail 10)."""
        h = self.hyperparameters
        loss = losses.policy + h.value_coefficient * losses.value
        return loss - h.entropy_coefficient * losses.entropy if h.entropy_coefficient else loss

    def parts(self) -> dict[str, Any]:
        parts = {"network": self.network, "optimizer": self.optimizer, "rollout": self.rollout}
        normalizers = {"observations": self.observation_normalizer, "rewards": self.reward_normalizer}
        return {**parts, **{name: each for name, each in normalizers.items() if each is not None}}
