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
option, except c1 to c3 and c5 (envs/scaled_actions.py), without which continuous actions would be others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

import minigrad as mg
from minigrad.distributions import Distribution

from ...core.hyperparameters import Count, Fraction, NonNegative, Positive, Sizes
from ...memory.rollout import Steps
from ...networks.bodies import ActivationName
from .gae import rollout_advantage
from .policy_losses import same_shape
from .rollout_agent import RolloutAgent, RolloutHyperparameters


@dataclass(frozen=True)
class TrustRegionHyperparameters(RolloutHyperparameters):
    learning_rate: Positive = 3e-4
    """Step size of Adam."""
    anneal_learning_rate: bool = False
    """Whether it falls in a straight line to 0 at the end of training."""
    gamma: Fraction = 0.99
    """Discount: what a reward is worth one step earlier."""
    gae_lambda: Fraction = 0.95
    """Advantages: 1 trusts what was got, 0 the value that was expected."""
    rollout_steps: Count = 2_048  # detail 1: the same number of every environment, episodes ending where they may
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
    orthogonal: bool = True  # detail 2
    """Whether weights start orthogonal, with a policy that is almost uniform."""
    initial_std: Positive = 1.0  # details c1 to c3
    """Continuous actions: the standard deviation of each number at first; it is learned from there on."""
    normalize_observations: bool = False  # details c6, c7
    """Whether observations are brought to mean 0 and variance 1, by running statistics."""
    normalize_rewards: bool = False  # details c8, c9
    """Whether rewards are divided by the standard deviation of the returns, by running statistics."""


class Batch(NamedTuple):
    """Steps to learn from, with what the old policy and value said about them. All of it is constant: no gradient flows
    to the old policy, and it stays what it was while the new one moves away."""

    observation: Any  # (batch, ...)
    action: Any  # (batch,) or (batch, ...)
    log_prob: Any  # (batch,)
    value: Any  # (batch,)
    advantage: Any  # (batch,)
    target: Any  # (batch,) what the value should have been
    policy: Any  # (batch, ...) the numbers that the old distribution is made of, for its head

    def map(self, function: Callable[[np.ndarray], Any]) -> Batch:
        """function(field) in the place of every field: the batch as tensors."""
        return Batch(*map(function, self))

    def minibatches(self, size: int, rng: np.random.Generator) -> Iterator[Batch]:
        """The steps in an order that is drawn anew, `size` at a time (detail 6)."""
        count = len(self.action)
        if count <= size:  # the order within a minibatch doesn't matter
            yield self
            return
        order = rng.permutation(count)
        for start in range(0, count, size):
            yield Batch(*(field.take(order[start : start + size], 0) for field in self))


def judge_rollout(agent: RolloutAgent, steps: Steps) -> Batch:
    """The rollout's valid steps, judged. What the old policy and value say is asked once for all of them, here: they
    are still the ones that acted, and a pass over many costs a fraction of many passes over few. The normalisers learn
    from the steps."""
    h, valid = agent.hyperparameters, steps.valid
    steps = agent.normalize_rewards(steps)
    observation, action = agent.see(steps.observation[valid]), steps.action[valid]
    with mg.no_grad():
        distribution, predicted = agent.network(observation)
        log_prob = mg.to_numpy(distribution.log_prob(agent.tensor(action)))
    value, next_value = mg.to_numpy(predicted), agent.state_values(steps.next_observation[valid])
    advantage = rollout_advantage(steps, value, next_value, h.gamma, h.gae_lambda)  # detail 5
    agent.learn_observations(steps)
    policy = agent.network.policy.head.numbers_of(distribution)
    return Batch(mg.to_numpy(observation), action, log_prob, value, advantage, value + advantage, policy)


def old_policy(agent: RolloutAgent, batch: Batch) -> Distribution:
    """The distribution that the actions were drawn from, with no gradient."""
    return agent.network.policy.head.distribution_of(batch.policy)


def log_ratio(new: Distribution, batch: Batch) -> mg.Tensor:
    """log r, (batch,)."""
    return new.log_prob(batch.action) - batch.log_prob


def advantage_of(agent: RolloutAgent, batch: Batch) -> mg.Tensor:
    """What the policy learns from, (batch,)."""
    return normalize_tensor(batch.advantage) if agent.hyperparameters.normalize_advantages else batch.advantage


def normalize(advantage: np.ndarray) -> np.ndarray:
    """With mean 0 and standard deviation 1 (detail 7). A minibatch of one has no deviation, and stays as it is."""
    if len(advantage) < 2:
        return advantage
    centred = advantage - advantage.mean()
    return centred / (np.sqrt(centred @ centred / len(centred)) + 1e-8)


normalize_tensor = mg.operation(normalize, name="normalize")


def surrogate(ratio: mg.Tensor, advantage: mg.Tensor) -> mg.Tensor:
    """mean(r A) of (batch,) each. Its gradient at r = 1 is the policy gradient."""
    same_shape("surrogate", ratio=ratio, advantage=advantage)
    return (ratio * advantage).mean()
