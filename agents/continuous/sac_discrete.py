"""Discrete SAC: soft actor-critic where actions are choices.

Of a choice among n actions the policy π(· | s) is n numbers, and so is Q(s, ·). What SAC estimates with one drawn
action is here a sum over all of them, and nothing has to be drawn:

    V⁻(s') = Σ_a π(a | s') (min_i Q_i⁻(s', a) - α log π(a | s'))
    y = r + γ V⁻(s'),    L(w) = Σ_i mean(½ (y - Q_i(s, a; w))²)
    L(θ) = mean(Σ_a π(a | s; θ) (α log π(a | s; θ) - min_i Q_i(s, a)))
    L(log α) = log α mean(H(π(· | s)) - H̄),    H̄ a part of log n, the most entropy there is

Christodoulou, "Soft actor-critic for discrete action settings" (2019), equations 10 to 12.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
from gymnasium import spaces

import minigrad as mg
import minigrad.nn as nn
import minigrad.nn.functional as F
import minigrad.optim as optim

from ..core.capturing import Update
from ..core.hyperparameters import Fraction
from ..core.schedules import set_learning_rate
from ..memory.replay import Batch
from ..networks.bodies import body
from .parts.replay_actor_critic import ReplayActorCritic
from .parts.steps import descend, squared_error
from .parts.targets import Follower
from .sac import EntropyHyperparameters, Figures, LogAlpha


@dataclass(frozen=True)
class SACDiscreteHyperparameters(EntropyHyperparameters):
    target_entropy: Fraction = 0.5
    """The entropy that α aims at, as a part of the most that there is."""


class SACDiscrete(ReplayActorCritic):
    name = "sac-discrete"
    Hyperparameters = SACDiscreteHyperparameters
    action_spaces: ClassVar[tuple[type[gym.Space], ...]] = (spaces.Discrete,)
    default_env = "CartPole-v1"
    metric_names = Figures._fields

    def build_networks(self) -> None:
        h = self.hyperparameters
        self.actor = self.make_network()
        self.critics = nn.ModuleList([self.make_network(), self.make_network()])
        self.target_critics = Follower(self.critics, h.target_rate)
        self.log_alpha = LogAlpha(h.alpha).to(self.device)
        self.target_entropy = h.target_entropy * math.log(self.action_space.n)
        self.actor_optimizer = optim.Adam(self.actor.parameters(), lr=h.learning_rate)
        self.critic_optimizer = optim.Adam(self.critics.parameters(), lr=h.learning_rate)
        self.alpha_optimizer = optim.Adam(self.log_alpha.parameters(), lr=h.learning_rate)
        self.improve = Update(self, self.improve_networks)

    def make_network(self) -> nn.Module:
        """Observations (batch, ...) to a number for each action, (batch, actions)."""
        layers, features = body(self.observation_space, self.hyperparameters.hidden)
        return nn.Sequential(*layers, nn.Linear(features, int(self.action_space.n))).to(self.device)

    # -- acting

    def choose(self, observation: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
        """Drawn from π; without `rng`, the most probable."""
        with mg.no_grad():
            logits = mg.to_numpy(self.actor(self.tensor(observation)))
        # The largest of the logits with Gumbel noise is an action drawn from their softmax.
        return (logits if rng is None else logits + rng.gumbel(size=logits.shape)).argmax(1)

    def explore(self, observation: np.ndarray) -> np.ndarray:
        return self.choose(observation, self.random["exploration"])

    # -- learning

    def learn_from(self, batch: Batch) -> None:
        for optimizer in (self.critic_optimizer, self.actor_optimizer, self.alpha_optimizer):
            set_learning_rate(optimizer, self.hyperparameters, self.progress)
        *figures, error = self.improve(batch.map(self.tensor), alpha := self.log_alpha())
        self.note_error(batch, error)
        self.metrics.add(*(figure.item() for figure in figures), alpha)

    def improve_networks(self, batch: Batch, alpha: float) -> tuple[Any, ...]:
        """An update with a batch of tensors. Returns its figures and the errors."""
        action, target = batch.action.unsqueeze(1), self.target(batch, alpha)  # gather wants (batch, 1)
        outputs = [critic(batch.observation) for critic in self.critics]
        values = [output.gather(1, action).squeeze(1) for output in outputs]
        critic_loss = squared_error(values, target, batch.weight) * 0.5
        descend(critic_loss, self.critic_optimizer)

        log_pi = F.log_softmax(self.actor(batch.observation), 1)
        least = mg.minimum(*outputs).detach()  # Q before its step: the same batch need not be asked again
        actor_loss = negative_values(log_pi, least, alpha).mean()
        descend(actor_loss, self.actor_optimizer)
        entropy = -(log_pi.exp() * log_pi).detach().sum(1).mean()
        if self.hyperparameters.learn_alpha:
            descend(self.log_alpha.loss(entropy, self.target_entropy), self.alpha_optimizer)
        self.target_critics.follow()
        return critic_loss, actor_loss, values[0].mean(), entropy, self.error(values, target)

    def target(self, batch: Batch, alpha: float) -> mg.Tensor:
        """y, (batch,). No gradient flows through it."""
        with mg.no_grad():
            log_pi = F.log_softmax(self.actor(batch.next_observation), 1)
            least = mg.minimum(*(critic(batch.next_observation) for critic in self.target_critics.network))
            return batch.reward - batch.discount * negative_values(log_pi, least, alpha)

    def parts(self) -> dict[str, Any]:
        return {
            "actor": self.actor,
            "critics": self.critics,
            "target_critics": self.target_critics.network,
            "log_alpha": self.log_alpha,
            "actor_optimizer": self.actor_optimizer,
            "critic_optimizer": self.critic_optimizer,
            "alpha_optimizer": self.alpha_optimizer,
            "replay": self.replay,
        }


def negative_values(log_pi: mg.Tensor, q: mg.Tensor, alpha: float) -> mg.Tensor:
    """Σ_a π(a | s) (α log π(a | s) - Q(s, a)), (batch,): -V(s). Both are (batch, actions)."""
    return (log_pi.exp() * (log_pi * alpha - q)).sum(1)
