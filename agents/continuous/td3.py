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

from ..core.components import Seam
from ..core.hyperparameters import Count, NonNegative
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

    def learn_from(self, batch: Batch) -> None:
        self.noise.draw(self.random["noise"])
        observation = self.tensor(batch.observation)
        values = self.critics(observation, self.tensor(batch.action))
        noise = self.random["smoothing"].standard_normal(batch.action.shape, np.float32)
        loss = squared_error(self, values, self.target(batch, noise), batch)
        critic_figure = descend(loss, self.critic_optimizer, self)
        self.state.updates += 1
        if self.state.updates % self.hyperparameters.actor_every == 0:
            self.state.actor_loss = descend(self.actor_loss(observation), self.actor_optimizer, self)
            self.target_actor.follow()
            self.target_critics.follow()
        self.metrics.add(critic_figure, self.state.actor_loss, values[0].mean().item())

    def target(self, batch: Batch, noise: np.ndarray) -> mg.Tensor:
        """y, (batch,), with `noise` of N(0, 1), (batch, *shape). No gradient flows through it."""
        h, next_observation = self.hyperparameters, self.tensor(batch.next_observation)
        smoothing = (h.smoothing_std * noise).clip(-h.smoothing_clip, h.smoothing_clip)
        with mg.no_grad():
            action = (self.target_actor(next_observation) + self.tensor(smoothing)).clamp(*self.bounds)
            next_value = self.target_critics.network.least(next_observation, action)
            return self.tensor(batch.reward) + self.tensor(batch.discount) * next_value

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
