"""What TRPO and both PPOs share: a rollout, judged once by the policy that acted; then an improvement that stays near
that policy.

    max_θ  mean( r(θ) A )   with θ near θ_old,    r(θ) = π(a | s; θ) / π(a | s; θ_old)

A2C throws a rollout away after one step, because the second would be off-policy. The ratio r corrects for that, but
only for the actions: the states are still the old policy's, and A is what an action was worth among the old policy's.
The further the new policy goes, the less this surrogate says about it; near the old one, improving the one improves
the other (Schulman et al., "Trust region policy optimization", ICML (2015), section 2). How they stay near is in the
algorithms' files: TRPO limits the KL divergence, one PPO charges for it, the other clips r.

A is from gae.py. What is called a detail here is one of Huang et al., "The 37 implementation details of proximal
policy optimization", ICLR blog track (2022): of its 13 core ones, or c1 to c9, those for continuous actions. Each is an
option, except c1 to c3 and c5 (policy_gradient.py clips the actions), without which continuous actions would be others.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
from gymnasium import spaces

import minigrad as mg
import minigrad.nn as nn
import minigrad.optim as optim
from envs import Transition, UsageError
from minigrad.distributions import Distribution

from ..core.annealing import AnnealedLearningRate
from ..core.hyperparameters import Count, Fraction, Hyperparameters, NonNegative, Positive, Sizes
from ..core.networks import ACTIVATIONS, ActivationName, is_picture
from ..core.normalization import ObservationNormalizer, RewardNormalizer
from ..core.policies import NormalHead
from ..core.rollout import Rollout, Steps, spread
from .critics import explained_variance
from .gae import gae
from .losses import same_shape
from .networks import actor_critic_network, orthogonal_initialization
from .policy_gradient import PolicyGradient


@dataclass(frozen=True)
class TrustRegionHyperparameters(Hyperparameters):
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
    normalize_advantages: bool = True
    """Whether the advantages that a step learns from are brought to mean 0 and standard deviation 1."""
    max_gradient_norm: NonNegative = 0.5
    """The gradient is scaled down to this norm; 0 leaves it as it is."""
    adam_epsilon: Positive = 1e-5
    """Adam: added to the denominator."""
    hidden: Sizes = (64, 64)
    """Units of each hidden layer."""
    activation: ActivationName = "tanh"
    """What follows each hidden layer."""
    orthogonal: bool = True
    """Whether weights start orthogonal, with a policy that is almost uniform."""
    initial_std: Positive = 1.0
    """Continuous actions: the standard deviation of each number at first; it is learned from there on."""
    normalize_observations: bool = False
    """Whether observations are brought to mean 0 and variance 1, by running statistics."""
    normalize_rewards: bool = False
    """Whether rewards are divided by the standard deviation of the returns, by running statistics."""


class Batch(NamedTuple):
    """Steps to learn from, with what the old policy and value said about them. All of it is constant: no gradient flows
    to the old policy, and it stays what it was while the new one moves away."""

    observation: np.ndarray  # (batch, ...)
    action: np.ndarray  # (batch,) or (batch, ...)
    log_prob: np.ndarray  # (batch,)
    value: np.ndarray  # (batch,)
    advantage: np.ndarray  # (batch,)
    target: np.ndarray  # (batch,) what the value should have been
    policy: np.ndarray  # (batch, ...) the numbers that the old distribution is made of, for its head

    def rows(self, at: np.ndarray) -> Batch:
        return Batch(*(field.take(at, 0) for field in self))


def surrogate(ratio: mg.Tensor, advantage: mg.Tensor) -> mg.Tensor:
    """mean(r A) of (batch,) each. Its gradient at r = 1 is the policy gradient."""
    same_shape("surrogate", ratio=ratio, advantage=advantage)
    return (ratio * advantage).mean()


def normalized(advantage: np.ndarray) -> np.ndarray:
    """With mean 0 and standard deviation 1 (detail 7). A minibatch of one has no deviation, and stays as it is."""
    if len(advantage) < 2:
        return advantage
    centred = advantage - advantage.mean()
    return centred / (np.sqrt(centred @ centred / len(centred)) + 1e-8)


class TrustRegion(AnnealedLearningRate, PolicyGradient):
    Hyperparameters: ClassVar[type[Hyperparameters]] = TrustRegionHyperparameters

    def build(self) -> None:
        h = self.hyperparameters
        self.observation_normalizer: ObservationNormalizer | None = None
        seen = self.observation_space
        if h.normalize_observations:  # details c6, c7
            if not isinstance(seen, spaces.Box) or is_picture(seen):
                raise UsageError(
                    f"normalize_observations is for numbers, and {self.environments.name} has the observations "
                    f"{seen}; leave it out: pictures and choices come to 0..1 anyway"
                )
            self.observation_normalizer = ObservationNormalizer(seen.shape)
            seen = self.observation_normalizer.space  # not bytes any more, which the network would divide by 255
        # Details c8, c9.
        self.reward_normalizer = RewardNormalizer(self.num_envs, h.gamma) if h.normalize_rewards else None
        self.network = actor_critic_network(
            self.shared, seen, self.action_space, h.hidden, ACTIVATIONS[h.activation]
        )
        if h.orthogonal:  # detail 2
            orthogonal_initialization(self.network)
        head = self.network.policy.head
        if isinstance(head, NormalHead):  # details c1 to c3
            nn.init.constant_(head.log_std, math.log(h.initial_std))
        self.network.to(self.device)
        self.weights = self.weights_of_adam()
        self.optimizer = optim.Adam(self.weights, lr=h.learning_rate, eps=h.adam_epsilon)  # detail 3
        # Detail 1: the same number of steps of every environment, episodes ending where they may.
        self.rollout = Rollout(h.rollout_steps, self.num_envs, self.observation_space, self.action_space)

    # -- what an algorithm defines

    @property
    def shared(self) -> bool:
        """Whether policy and value are two heads of one network (details 13, c4)."""
        return False

    def weights_of_adam(self) -> list[nn.Parameter]:
        return list(self.network.parameters())

    def improve(self, batch: Batch) -> list[float]:
        """Learns from a rollout. The figures for metrics.csv, in the order of `metric_names`, without the explained
        variance that comes last."""
        raise NotImplementedError

    def learn_from_minibatch(self, batch: Batch) -> Any:
        """A step of a pass, and its figures."""
        raise NotImplementedError

    # -- acting

    def choose(self, observation: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
        """Drawn from the policy; without `rng`, the most probable."""
        return self.network.policy.choose(self.seen(observation), rng)

    def state_values(self, observation: np.ndarray) -> np.ndarray:
        """V(s) of (k, ...) observations, (k,). With normalised rewards, of those."""
        with mg.no_grad():
            return mg.to_numpy(self.network.value(self.seen(observation)))

    def seen(self, observation: np.ndarray) -> mg.Tensor:
        """Observations as the network sees them."""
        normalizer = self.observation_normalizer
        return self.tensor(observation if normalizer is None else normalizer(observation))

    # -- learning

    def observe(self, transition: Transition) -> None:
        self.rollout.add(transition)

    def update(self, new_steps: int) -> None:
        if self.rollout.full:
            self.learn_from(self.rollout.take())

    def learn_from(self, steps: Steps) -> None:
        self.anneal()  # detail 4
        batch = self.batch(steps)
        figures = self.improve(batch)
        self.metrics.add(*figures, explained_variance(batch.value, batch.target))
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
            log_prob = mg.to_numpy(distribution.log_prob(self.tensor(action)))
        value = mg.to_numpy(predicted)
        next_value = self.state_values(steps.next_observation[valid])
        advantage = gae(  # detail 5
            reward,
            spread(value, valid),
            spread(next_value, valid),
            steps.terminated,
            steps.truncated,
            h.gamma,
            h.gae_lambda,
        )[valid]
        policy = self.network.policy.head.numbers_of(distribution)
        return Batch(mg.to_numpy(observation), action, log_prob, value, advantage, value + advantage, policy)

    def old_policy(self, batch: Batch) -> Distribution:
        """The distribution that the actions were drawn from, with no gradient."""
        return self.network.policy.head.distribution_of(self.tensor(batch.policy))

    def log_ratio(self, new: Distribution, batch: Batch) -> mg.Tensor:
        """log r, (batch,)."""
        return new.log_prob(self.tensor(batch.action)) - self.tensor(batch.log_prob)

    def advantage_of(self, batch: Batch) -> mg.Tensor:
        """What the policy learns from, (batch,)."""
        advantage = batch.advantage
        return self.tensor(normalized(advantage) if self.hyperparameters.normalize_advantages else advantage)

    def passes(self, batch: Batch) -> Iterator[Any]:
        """`epochs` passes over the batch, in minibatches drawn anew in each (detail 6). Each is learned from when its
        figures are asked for, and not before."""
        for _ in range(self.hyperparameters.epochs):
            for minibatch in self.minibatches(batch):
                yield self.learn_from_minibatch(minibatch)

    def minibatches(self, batch: Batch) -> Iterator[Batch]:
        count, size = len(batch.action), self.hyperparameters.batch_size
        if count <= size:  # the order within a minibatch doesn't matter
            yield batch
            return
        order = self.random["minibatches"].permutation(count)
        for start in range(0, count, size):
            yield batch.rows(order[start : start + size])

    def parts(self) -> dict[str, Any]:
        parts = {"network": self.network, "optimizer": self.optimizer, "rollout": self.rollout}
        normalizers = {"observations": self.observation_normalizer, "rewards": self.reward_normalizer}
        return {**parts, **{name: each for name, each in normalizers.items() if each is not None}}
