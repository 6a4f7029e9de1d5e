"""TD3, twin delayed DDPG: three repairs of DDPG, whose actor climbs the errors of its critic.

    ε ~ clip(N(0, σ²), -c, c)
    a' = clip(μ⁻(s') + ε, -1, 1)                     target policy smoothing: a sharp peak of Q counts little
    y = r + γ min(Q₁⁻(s', a'), Q₂⁻(s', a'))          twin critics: of two values the smaller, against overestimation
    L(w) = Σ_i mean((y - Q_i(s, a; w))²)
    ∇_θ J = mean(∇_a Q₁(s, a; w) at a = μ(s)  ∇_θ μ(s; θ))      delayed: at every second update, with the targets

Fujimoto, van Hoof & Meger, "Addressing function approximation error in actor-critic methods", ICML (2018), algorithm 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

import minigrad as mg
import minigrad.optim as optim

from ..core.capturing import Update
from ..core.components import Seam
from ..core.hyperparameters import Count, NonNegative
from ..core.schedules import set_learning_rate
from ..core.state import State
from ..memory.replay import REPLAY, Batch
from .parts.networks import Actor, Critics, held
from .parts.noise import NOISE
from .parts.replay_actor_critic import ReplayActorCritic, ReplayHyperparameters
from .parts.steps import descend, squared_error
from .parts.targets import Follower


@dataclass(frozen=True)
class TD3Hyperparameters(ReplayHyperparameters):
    seams: ClassVar[tuple[Seam, ...]] = (NOISE, REPLAY)

    noise: Any = "gaussian"
    """What is added to an action to explore."""
    smoothing_std: NonNegative = 0.2
    """σ, the standard deviation of the noise on the target's action."""
    smoothing_clip: NonNegative = 0.5
    """c, the largest that this noise can be."""
    actor_every: Count = 2
    """Updates of the critics for one of the actor and of the targets."""


class TD3(ReplayActorCritic):
    name = "td3"
    Hyperparameters = TD3Hyperparameters
    metric_names = ("critic_loss", "actor_loss", "q_value")

    def build_networks(self) -> None:
        h, sizes = self.hyperparameters, (self.observation_space, self.action_space, self.hyperparameters.hidden)
        self.noise = NOISE.make(self)
        self.actor = Actor(*sizes, self.noise.linear).to(self.device)
        self.critics = Critics(*sizes).to(self.device)
        self.noise.start(self.actor)
        self.target_actor = Follower(self.actor, h.target_rate)
        self.target_critics = Follower(self.critics, h.target_rate)
        self.actor_optimizer = optim.Adam(self.actor.parameters(), lr=h.learning_rate)
        self.critic_optimizer = optim.Adam(self.critics.parameters(), lr=h.learning_rate)
        self.bounds = self.tensor(self.action_space.low), self.tensor(self.action_space.high)
        self.state = State(updates=0, actor_loss=0.0)
        self.improve = Update(self, self.improve_networks)

    def learn_from(self, batch: Batch) -> None:
        self.noise.draw(self.random["noise"])
        for optimizer in (self.critic_optimizer, self.actor_optimizer):
            set_learning_rate(optimizer, self.hyperparameters, self.progress)
        noise = self.random["smoothing"].standard_normal(batch.action.shape, np.float32)
        self.state.updates += 1
        moves_actor = self.state.updates % self.hyperparameters.actor_every == 0
        critic_loss, actor_loss, value, error = self.improve(batch.map(self.tensor), self.tensor(noise), moves_actor)
        if actor_loss is not None:
            self.state.actor_loss = actor_loss.item()
        self.note_error(batch, error)
        self.metrics.add(critic_loss.item(), self.state.actor_loss, value.item())

    def improve_networks(self, batch: Batch, noise: mg.Tensor, moves_actor: bool) -> tuple[Any, ...]:
        """An update with a batch of tensors and noise of N(0, 1), (batch, *shape). Returns its figures and the
        errors."""
        values, target = self.critics(batch.observation, batch.action), self.target(batch, noise)
        critic_loss, actor_loss = squared_error(values, target, batch.weight), None
        descend(critic_loss, self.critic_optimizer)
        if moves_actor:
            actor_loss = self.actor_loss(batch.observation)
            descend(actor_loss, self.actor_optimizer)
            self.target_actor.follow()
            self.target_critics.follow()
        return critic_loss, actor_loss, values[0].mean(), self.error(values, target)

    def target(self, batch: Batch, noise: mg.Tensor) -> mg.Tensor:
        """y, (batch,). No gradient flows through it."""
        h = self.hyperparameters
        smoothing = (noise * h.smoothing_std).clamp(-h.smoothing_clip, h.smoothing_clip)
        with mg.no_grad():
            action = (self.target_actor(batch.next_observation) + smoothing).clamp(*self.bounds)
            next_value = self.target_critics.network.least(batch.next_observation, action)
            return batch.reward + batch.discount * next_value

    def actor_loss(self, observation: mg.Tensor) -> mg.Tensor:
        """-mean Q₁(s, μ(s))."""
        first = self.critics.members[0]
        with held(first):
            return -first(observation, self.actor(observation)).mean()

    def parts(self) -> dict[str, Any]:
        return {
            "actor": self.actor,
            "critics": self.critics,
            "target_actor": self.target_actor.network,
            "target_critics": self.target_critics.network,
            "actor_optimizer": self.actor_optimizer,
            "critic_optimizer": self.critic_optimizer,
            "state": self.state,
            "noise": self.noise,
            "replay": self.replay,
        }
