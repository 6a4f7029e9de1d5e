"""SAC, soft actor-critic: the most reward with the most randomness.

The maximum-entropy objective pays for entropy as for reward, α a unit of it:

    J(π) = E[Σ_t γᵗ (r_t + α H(π(· | s_t)))],    H(π(· | s)) = E[-log π(a | s)]

So the value of a state is V(s) = E[Q(s, a) - α log π(a | s)] with a ~ π, and Q's Bellman equation gives the critics'
target. Of twin critics the smaller counts (Fujimoto et al. 2018), and they follow softly:

    y = r + γ (min_i Q_i⁻(s', a') - α log π(a' | s')),    a' ~ π(· | s')
    L(w) = Σ_i mean(½ (y - Q_i(s, a; w))²)

The best policy is π ∝ exp(Q / α). The nearest to it among the policies at hand has the least

    L(θ) = mean(α log π(a | s; θ) - min_i Q_i(s, a)),    a = tanh(m(s) + σ(s) ε),  ε ~ N(0, 1)

where the gradient flows through a, because ε is drawn apart from θ. How much randomness is right depends on how large
the rewards are, so α is learned: it rises while the entropy is below H̄ = -(number of an action's dimensions):

    L(log α) = -log α (mean(log π(a | s)) + H̄)

Haarnoja et al., "Soft actor-critic: off-policy maximum entropy deep reinforcement learning with a stochastic actor",
ICML (2018); Haarnoja et al., "Soft actor-critic algorithms and applications" (2018), algorithm 1, equations 5, 7 and 18
(there α stands in the place of log α, with the same zero).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

import minigrad as mg
import minigrad.nn as nn
import minigrad.optim as optim

from ..core.capturing import Update
from ..core.hyperparameters import NonNegative, Positive
from ..core.schedules import set_learning_rate
from ..memory.replay import Batch
from .parts.networks import Critics, held
from .parts.replay_actor_critic import ReplayActorCritic, ReplayHyperparameters
from .parts.squashed_actor import SquashedActor
from .parts.steps import descend, squared_error
from .parts.targets import Follower


@dataclass(frozen=True)
class EntropyHyperparameters(ReplayHyperparameters):
    """SAC's, and those of its discrete form."""

    alpha: Positive = 1.0
    """α at the start: what entropy is worth."""
    learn_alpha: bool = True
    """Whether α is learned, to hold the entropy at its target."""


@dataclass(frozen=True)
class SACHyperparameters(EntropyHyperparameters):
    target_entropy: NonNegative = 1.0
    """The entropy that α aims at is minus this, for each dimension of an action."""


class Figures(NamedTuple):
    """An update's, for metrics.csv."""

    critic_loss: float
    actor_loss: float
    q_value: float
    entropy: float
    alpha: float


class LogAlpha(nn.Module):
    """log α, one number that is learned."""

    def __init__(self, alpha: float) -> None:
        super().__init__()
        self.value = nn.Parameter(mg.tensor([math.log(alpha)]))

    def forward(self) -> float:
        """α."""
        return math.exp(self.value.item())

    def loss(self, entropy: mg.Tensor, target: float) -> mg.Tensor:
        """log α (H - H̄), (): down where there is more entropy than is aimed at. No gradient flows to the policy."""
        return (self.value * (entropy - target)).sum()


class SoftActorCritic:
    """What learns in SAC: actor, critics and α. MBPO learns with one, too, from other steps. `agent` has
    SACHyperparameters, the spaces and the generators."""

    def __init__(self, agent: Any) -> None:
        self.agent, h = agent, agent.hyperparameters
        sizes = (agent.observation_space, agent.action_space, h.hidden)
        self.actor, self.critics = SquashedActor(*sizes).to(agent.device), Critics(*sizes).to(agent.device)
        self.target_critics = Follower(self.critics, h.target_rate)
        self.log_alpha = LogAlpha(h.alpha).to(agent.device)
        self.target_entropy = -h.target_entropy * self.actor.numbers
        self.actor_optimizer = optim.Adam(self.actor.parameters(), lr=h.learning_rate)
        self.critic_optimizer = optim.Adam(self.critics.parameters(), lr=h.learning_rate)
        self.alpha_optimizer = optim.Adam(self.log_alpha.parameters(), lr=h.learning_rate)
        self.improve = Update(agent, self.improve_networks)

    def learn_from(self, batch: Batch) -> Figures:
        agent = self.agent
        for optimizer in (self.critic_optimizer, self.actor_optimizer, self.alpha_optimizer):
            set_learning_rate(optimizer, agent.hyperparameters, agent.progress)
        epsilons = [self.draw_epsilon(len(batch.reward)) for _ in range(2)]
        *figures, error = self.improve(batch.map(agent.tensor), *epsilons, alpha := self.log_alpha())
        agent.note_error(batch, error)
        critic_loss, actor_loss, value, entropy = (figure.item() for figure in figures)
        return Figures(critic_loss, actor_loss, value, entropy, alpha)

    def improve_networks(
        self, batch: Batch, next_epsilon: mg.Tensor, epsilon: mg.Tensor, alpha: float
    ) -> tuple[Any, ...]:
        """An update with a batch of tensors. Returns its figures and the errors."""
        values = self.critics(batch.observation, batch.action)
        target = self.target(batch, next_epsilon, alpha)
        critic_loss = squared_error(values, target, batch.weight) * 0.5
        descend(critic_loss, self.critic_optimizer)

        action, log_prob = self.actor.draw(batch.observation, epsilon)
        actor_loss = self.actor_loss(batch.observation, action, log_prob, alpha)
        descend(actor_loss, self.actor_optimizer)
        entropy = -log_prob.detach().mean()
        if self.agent.hyperparameters.learn_alpha:
            descend(self.log_alpha.loss(entropy, self.target_entropy), self.alpha_optimizer)
        self.target_critics.follow()
        return critic_loss, actor_loss, values[0].mean(), entropy, self.agent.error(values, target)

    def draw_epsilon(self, count: int) -> mg.Tensor:
        """ε, (count, numbers)."""
        shape = count, self.actor.numbers
        return self.agent.tensor(self.agent.random["policy"].standard_normal(shape, np.float32))

    def target(self, batch: Batch, epsilon: mg.Tensor, alpha: float) -> mg.Tensor:
        """y, (batch,). No gradient flows through it."""
        with mg.no_grad():
            next_action, log_prob = self.actor.draw(batch.next_observation, epsilon)
            next_value = self.target_critics.network.least(batch.next_observation, next_action) - alpha * log_prob
            return batch.reward + batch.discount * next_value

    def actor_loss(self, observation: mg.Tensor, action: mg.Tensor, log_prob: mg.Tensor, alpha: float) -> mg.Tensor:
        """mean(α log π(a | s) - min_i Q_i(s, a)), of actions that were drawn differentiably."""
        with held(self.critics):
            return (log_prob * alpha - self.critics.least(observation, action)).mean()

    def parts(self) -> dict[str, Any]:
        return {
            "actor": self.actor,
            "critics": self.critics,
            "target_critics": self.target_critics.network,
            "log_alpha": self.log_alpha,
            "actor_optimizer": self.actor_optimizer,
            "critic_optimizer": self.critic_optimizer,
            "alpha_optimizer": self.alpha_optimizer,
        }


class SAC(ReplayActorCritic):
    name = "sac"
    Hyperparameters = SACHyperparameters
    metric_names = Figures._fields

    def build_networks(self) -> None:
        self.learner = SoftActorCritic(self)

    def choose(self, observation: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
        """tanh(m(s) + σ(s) ε); without `rng`, ε = 0."""
        return self.learner.actor.choose(self.tensor(observation), rng)

    def explore(self, observation: np.ndarray) -> np.ndarray:
        """Nothing is added: the policy is random enough."""
        return self.choose(observation, self.random["exploration"])

    def learn_from(self, batch: Batch) -> None:
        self.metrics.add(*self.learner.learn_from(batch))

    def parts(self) -> dict[str, Any]:
        return {**self.learner.parts(), "replay": self.replay}
