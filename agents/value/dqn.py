"""DQN: Q-learning with a neural network, kept stable by replay and a target network.

The optimal action values satisfy Q(s, a) = E[r + γ max_a' Q(s', a')]. DQN moves a network towards the
right-hand side,

    L(θ) = E over replayed (s, a, r, s') of  loss(r + γ max_a' Q(s', a'; θ⁻) - Q(s, a; θ))

where the target network θ⁻ is a copy of θ that is renewed only now and then, so that the target stands still
in between.

Mnih et al., "Human-level control through deep reinforcement learning", Nature 518 (2015), algorithm 1.

Four choices are open, each made by one component: the head (heads.py), the next action a' (next_action.py),
the replay (below, and core/replay.py) and the loss of a sample (losses.py). The variants of DQN are other
choices.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from gymnasium import spaces

import minigrad as mg
import minigrad.nn as nn
import minigrad.optim as optim
from envs import Environments, Transition
from envs.discrete_actions import DiscreteActions
from minigrad.device import host

from ..core.agent import Agent
from ..core.hyperparameters import Count, Fraction, Hyperparameters, Natural, NonNegative, Positive, Sizes
from ..core.networks import body
from ..core.replay import Batch, UniformReplay
from ..core.schedules import linear
from .heads import HEADS
from .losses import LOSSES
from .next_action import NEXT_ACTIONS

REPLAYS = {"uniform": UniformReplay}


@dataclass(frozen=True)
class DQNHyperparameters(Hyperparameters):
    """Every interval counts environment steps, over all environments together."""

    learning_rate: Positive = 1e-3
    """Step size of Adam."""
    anneal_learning_rate: bool = False
    """Whether it falls in a straight line to 0 at the end of training."""
    gamma: Fraction = 0.99
    """Discount: what a reward is worth one step earlier."""
    hidden: Sizes = (128,)
    """Units of each hidden layer."""
    actions: Count = 11
    """For continuous actions: into how many each dimension is divided."""
    batch_size: Count = 64
    """Transitions in an update."""
    replay_size: Count = 100_000
    """Transitions kept; the oldest is overwritten."""
    learning_starts: Natural = 1_000
    """Steps before the first update."""
    train_every: Count = 1
    """Steps between updates."""
    updates: Count = 1
    """Updates each time."""
    target_every: Count = 500
    """Steps between renewals of the target network."""
    epsilon_start: Fraction = 1.0
    """Probability of a random action at the start."""
    epsilon_end: Fraction = 0.05
    """Probability of a random action once it stops falling."""
    epsilon_fraction: Fraction = 0.2
    """Part of training over which it falls, in a straight line."""
    max_gradient_norm: NonNegative = 10.0
    """The gradient is scaled down to this norm; 0 leaves it as it is."""
    head: Literal["expected"] = "expected"
    """What the network says about an action."""
    next_action: Literal["target", "online"] = "target"
    """Which network chooses a' in the target: its own (DQN) or the online one (Double DQN)."""
    replay: Literal["uniform"] = "uniform"
    """How past transitions are drawn."""
    loss: Literal["huber", "mse"] = "huber"
    """The loss of one sample."""


class DQN(Agent):
    name = "dqn"
    Hyperparameters = DQNHyperparameters
    action_spaces = (spaces.Discrete, spaces.Box)
    metric_names = ("loss", "q_value", "gradient_norm")

    def make_environments(self, env: Any, num_envs: int = 1) -> Environments:
        environments = super().make_environments(env, num_envs)
        if isinstance(environments.action_space, spaces.Box):
            return DiscreteActions(environments, self.hyperparameters.actions)
        return environments

    def build(self) -> None:
        h = self.hyperparameters
        self.head = HEADS[h.head]()
        self.next_action = NEXT_ACTIONS[h.next_action]
        self.sample_loss = LOSSES[h.loss]
        self.replay = REPLAYS[h.replay](
            h.replay_size, self.observation_space, self.action_space, h.gamma, self.random["replay"]
        )
        self.network = self.make_network()
        self.target_network = self.make_network()
        self.target_network.requires_grad_(False)
        self.renew_target()
        self.weights = list(self.network.parameters())  # walking the modules at every update would cost 5 µs
        self.optimizer = optim.Adam(self.weights, lr=h.learning_rate)

    def make_network(self) -> nn.Module:
        layers, features = body(self.observation_space, self.hyperparameters.hidden)
        return nn.Sequential(*layers, *self.head.layers(features, int(self.action_space.n))).to(self.device)

    # -- acting

    def choose(self, observation: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
        """ε-greedy: a random action with probability ε, else the one that is worth most."""
        best = self.action_values(observation).argmax(1)
        if rng is None:
            return best
        (explores,) = (rng.random(len(best)) < self.epsilon).nonzero()
        if len(explores):  # seldom, and drawing what isn't needed would cost 6 µs a step
            best[explores] = rng.integers(self.action_space.n, size=len(explores))
        return best

    def action_values(self, observation: np.ndarray) -> np.ndarray:
        """Q(s, ·) of (k, ...) observations, (k, actions)."""
        with mg.no_grad():
            return host(self.head.values(self.network(self.tensor(observation))).array)

    @property
    def epsilon(self) -> float:
        h = self.hyperparameters
        return linear(h.epsilon_start, h.epsilon_end, h.epsilon_fraction, self.progress)

    def schedules(self) -> dict[str, float]:
        return {"epsilon": self.epsilon}

    # -- learning

    def observe(self, transition: Transition) -> None:
        self.replay.add(transition)

    def update(self, new_steps: int) -> None:
        h = self.hyperparameters
        # One step after the other, so that no interval depends on how many environments take theirs at once.
        for step in range(self.steps - new_steps + 1, self.steps + 1):
            if step > h.learning_starts and step % h.train_every == 0:
                for _ in range(h.updates):
                    self.learn_from(self.replay.sample(h.batch_size))
            if step % h.target_every == 0:
                self.renew_target()

    def learn_from(self, batch: Batch) -> None:
        prediction, target = self.prediction(batch), self.target(batch)
        loss = self.loss(prediction, target, batch.weight)
        self.optimizer.zero_grad()
        loss.backward()
        h = self.hyperparameters
        norm = nn.utils.clip_grad_norm_(self.weights, h.max_gradient_norm or float("inf"))
        if h.anneal_learning_rate:
            self.optimizer.param_groups[0]["lr"] = h.learning_rate * (1 - self.progress)
        self.optimizer.step()
        if self.replay.wants_errors:
            self.replay.feedback(batch.rows, self.head.error(prediction, target))
        q_value = np.add.reduce(prediction.array, axis=None).item() / len(batch.rows)
        self.metrics.add(loss.item(), q_value, norm.item())

    def prediction(self, batch: Batch) -> mg.Tensor:
        """Q(s, a), (batch, 1)."""
        action = self.tensor(batch.action[:, None])  # gather wants (batch, 1)
        return self.head.of_action(self.network(self.tensor(batch.observation)), action)

    def target(self, batch: Batch) -> mg.Tensor:
        """r + γ Q⁻(s', a'), (batch, 1). A constant: no gradient flows through it."""
        next_observation = self.tensor(batch.next_observation)
        next_output = self.target_network(next_observation)  # none of its weights requires a gradient
        next_action = self.next_action(self.head, self.network, next_output, next_observation)
        target = self.head.target(batch.reward, batch.discount, host(next_output.array), host(next_action))
        return self.tensor(target)

    def loss(self, prediction: mg.Tensor, target: mg.Tensor, weight: np.ndarray | None) -> mg.Tensor:
        """The mean over the batch, of samples that may count differently."""
        if weight is None:
            return self.sample_loss(prediction, target, reduction="mean")
        return (
            self.tensor(weight[:, None]) * self.sample_loss(prediction, target, reduction="none")
        ).mean()

    def renew_target(self) -> None:
        self.target_network.load_state_dict(self.network.state_dict())

    def parts(self) -> dict[str, Any]:
        return {
            "network": self.network,
            "target_network": self.target_network,
            "optimizer": self.optimizer,
            "replay": self.replay,
        }
