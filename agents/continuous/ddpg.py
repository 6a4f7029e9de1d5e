"""DDPG, deep deterministic policy gradient: Q-learning where there are too many actions to try them all.

The greedy action argmax_a Q(s, a) is itself learned, by a network μ(s; θ) that climbs Q:

    y = r + γ Q⁻(s', μ⁻(s'))                                        0 in the place of γ where the episode terminated
    L(w) = mean((y - Q(s, a; w))²)
    ∇_θ J = mean(∇_a Q(s, a; w) at a = μ(s)  ∇_θ μ(s; θ))           the deterministic policy gradient

Q⁻ and μ⁻ are copies that follow softly. μ has no randomness: to explore, noise is added to what it says, while it
learns (parts/noise.py).

Silver et al., "Deterministic policy gradient algorithms", ICML (2014), theorem 1; Lillicrap et al., "Continuous control
with deep reinforcement learning", ICLR (2016), algorithm 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import minigrad as mg
import minigrad.optim as optim

from ..core.capturing import Update
from ..core.components import Seam
from ..core.schedules import set_learning_rate
from ..memory.replay import REPLAY, Batch
from .parts.networks import Actor, Critic, held
from .parts.noise import NOISE
from .parts.replay_actor_critic import ReplayActorCritic, ReplayHyperparameters
from .parts.steps import descend, squared_error
from .parts.targets import Follower


@dataclass(frozen=True)
class DDPGHyperparameters(ReplayHyperparameters):
    seams: ClassVar[tuple[Seam, ...]] = (NOISE, REPLAY)

    noise: Any = "gaussian"
    """What is added to an action to explore."""


class DDPG(ReplayActorCritic):
    name = "ddpg"
    Hyperparameters = DDPGHyperparameters
    metric_names = ("critic_loss", "actor_loss", "q_value")

    def build_networks(self) -> None:
        h, sizes = self.hyperparameters, (self.observation_space, self.action_space, self.hyperparameters.hidden)
        self.noise = NOISE.make(self)
        self.actor = Actor(*sizes, self.noise.linear).to(self.device)
        self.critic = Critic(*sizes).to(self.device)
        self.noise.start(self.actor)
        self.target_actor = Follower(self.actor, h.target_rate)
        self.target_critic = Follower(self.critic, h.target_rate)
        self.actor_optimizer = optim.Adam(self.actor.parameters(), lr=h.learning_rate)
        self.critic_optimizer = optim.Adam(self.critic.parameters(), lr=h.learning_rate)
        self.improve = Update(self, self.improve_networks)

    def learn_from(self, batch: Batch) -> None:
        self.noise.draw(self.random["noise"])
        for optimizer in (self.critic_optimizer, self.actor_optimizer):
            set_learning_rate(optimizer, self.hyperparameters, self.progress)
        *figures, error = self.improve(batch.map(self.tensor))
        self.note_error(batch, error)
        self.metrics.add(*(figure.item() for figure in figures))

    def improve_networks(self, batch: Batch) -> tuple[Any, ...]:
        """An update with a batch of tensors. Returns its figures and the errors."""
        value, target = self.critic(batch.observation, batch.action), self.target(batch)
        critic_loss = squared_error([value], target, batch.weight)
        descend(critic_loss, self.critic_optimizer)
        actor_loss = self.actor_loss(batch.observation)
        descend(actor_loss, self.actor_optimizer)
        self.target_actor.follow()
        self.target_critic.follow()
        return critic_loss, actor_loss, value.mean(), self.error([value], target)

    def target(self, batch: Batch) -> mg.Tensor:
        """y, (batch,). No gradient flows through it."""
        with mg.no_grad():
            next_action = self.target_actor(batch.next_observation)
            return batch.reward + batch.discount * self.target_critic(batch.next_observation, next_action)

    def actor_loss(self, observation: mg.Tensor) -> mg.Tensor:
        """-mean Q(s, μ(s)): the chain rule is the theorem's gradient."""
        with held(self.critic):
            return -self.critic(observation, self.actor(observation)).mean()

    def parts(self) -> dict[str, Any]:
        return {
            "actor": self.actor,
            "critic": self.critic,
            "target_actor": self.target_actor.network,
            "target_critic": self.target_critic.network,
            "actor_optimizer": self.actor_optimizer,
            "critic_optimizer": self.critic_optimizer,
            "noise": self.noise,
            "replay": self.replay,
        }
