"""DQN: Q-learning with a neural network, kept stable by replay and a target network.

The optimal action values satisfy Q(s, a) = E[r + γ max_a' Q(s', a')]. DQN moves a network towards the
right-hand side,

    L(θ) = E over replayed (s, a, r, s') of  loss(r + γ max_a' Q(s', a'; θ⁻) - Q(s, a; θ))

where the target network θ⁻ is a copy of θ that is renewed only now and then, so that the target stands still
in between.

Mnih et al., "Human-level control through deep reinforcement learning", Nature 518 (2015), algorithm 1.

Four choices are open, each made by one component: the head and its layers (heads.py, categorical.py, dueling.py,
noisy.py), the next action a' (next_action.py), the replay (core/replay.py: in which order, how many steps) and the loss
of a sample (losses.py). The variants of DQN are other choices, and any of them go together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
from gymnasium import spaces

import minigrad as mg
import minigrad.nn as nn
import minigrad.optim as optim
from envs import Environments, Transition
from envs.discrete_actions import DiscreteActions

from ..core.annealing import AnnealedEpsilon, AnnealedLearningRate
from ..core.hyperparameters import Count, Fraction, Hyperparameters, Natural, NonNegative, Positive, Sizes
from ..memory.prioritized import Prioritized
from ..memory.replay import Batch, Order, Replay, Uniform
from ..networks.bodies import body, mlp
from ..networks.dueling import Dueling
from ..networks.noisy import Noise, NoisyLinear
from .parts.heads import HEADS
from .parts.next_action import NEXT_ACTIONS

ORDERS: dict[str, Callable[[Any, np.random.Generator], Order]] = {
    "uniform": lambda h, rng: Uniform(rng),
    "prioritized": lambda h, rng: Prioritized(h.replay_size, rng, alpha=h.priority_alpha, beta=h.priority_beta),
}


@dataclass(frozen=True)
class DQNHyperparameters(Hyperparameters):
    """Every interval counts environment steps, over all environments together."""

    learning_rate: Positive = 1e-3
    """Step size of Adam."""
    anneal_learning_rate: bool = False
    """Whether it falls in a straight line to 0 at the end of training."""
    adam_epsilon: Positive = 1e-8
    """What Adam adds to its divisor: the larger, the smaller a step along gradients that are small."""
    gamma: Fraction = 0.99
    """Discount: what a reward is worth one step earlier."""
    hidden: Sizes = (128,)
    """Units of each hidden layer."""
    actions: Count = 11
    """For continuous actions: into how many each dimension is divided."""
    scale_observations: bool = False
    """Whether numbers with finite bounds come to the range -1 to 1 before the network."""
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
    head: Literal["expected", "categorical"] = "expected"
    """What the network says about an action: its value, or the distribution of its return (C51)."""
    dueling: bool = False
    """Whether the last hidden layer splits in two streams, the state's value and the actions' advantages."""
    noisy: bool = False
    """Whether the dense layers have learned noise, which explores; so does ε, unless it is 0, as in noisy-dqn."""
    next_action: Literal["target", "online"] = "target"
    """Which network chooses a' in the target: its own (DQN) or the online one (Double DQN)."""
    replay: Literal["uniform", "prioritized"] = "uniform"
    """How past transitions are drawn: all alike, or more often where the error was large."""
    n_step: Count = 1
    """Rewards in a transition before the value of what follows."""
    loss: Literal["huber", "mse"] = "huber"
    """The loss of one sample. The categorical head has its own, the cross-entropy."""
    priority_alpha: Fraction = 0.5
    """Prioritised replay: 0 draws all alike, 1 in proportion to the error."""
    priority_beta: Fraction = 0.4
    """Prioritised replay: how much of the bias is corrected at the start; all of it at the end."""
    atoms: Count = 51
    """Categorical head: points of the distribution."""
    value_min: float = -10.0
    """Categorical head: the smallest return it can represent."""
    value_max: float = 10.0
    """Categorical head: the largest."""
    risk_from: Fraction = 0.0
    """Categorical head: the policy goes by the mean over a range of quantiles that starts here ..."""
    risk_to: Fraction = 1.0
    """... and ends here. 0 to 1 is the plain mean, 0 to 0.25 risk-averse, 0.75 to 1 risk-seeking."""
    noise_sigma: NonNegative = 0.5
    """Noisy layers: how large their noise is at the start."""


class DQN(AnnealedLearningRate, AnnealedEpsilon):
    name = "dqn"
    Hyperparameters = DQNHyperparameters
    action_spaces = (spaces.Discrete, spaces.Box)
    metric_names = ("loss", "q_value", "max_q", "gradient_norm")

    def make_environments(self, env: Any, num_envs: int = 1) -> Environments:
        environments = super().make_environments(env, num_envs)
        if isinstance(environments.action_space, spaces.Box):
            return DiscreteActions(environments, self.hyperparameters.actions)
        return environments

    def build(self) -> None:
        h = self.hyperparameters
        self.head = HEADS[h.head](h)
        self.next_action = NEXT_ACTIONS[h.next_action]
        self.replay = Replay(
            h.replay_size,
            self.observation_space,
            self.action_space,
            h.gamma,
            ORDERS[h.replay](h, self.random["replay"]),
            h.n_step,
            self.num_envs,
            self.environments.stacked_frames,
        )
        self.network = self.make_network()
        self.target_network = self.make_network()
        self.target_network.requires_grad_(False)
        self.renew_target()
        self.weights = list(self.network.parameters())  # walking the modules at every update would cost 5 µs
        self.optimizer = optim.Adam(self.weights, lr=h.learning_rate, eps=h.adam_epsilon)
        self.noise = Noise(self.network, self.tensor)
        self.target_noise = Noise(self.target_network, self.tensor)
        self.max_q = 0.0  # max_a Q(s, a), the mean over the states last acted in

    def make_network(self) -> nn.Module:
        h = self.hyperparameters
        actions = int(self.action_space.n)
        linear = partial(NoisyLinear, sigma=h.noise_sigma) if h.noisy else nn.Linear
        output: nn.Module
        layers, features = body(self.observation_space, (), scale=h.scale_observations)
        if h.dueling:
            *shared, streams = h.hidden or (features,)
            layers += mlp((features, *shared), linear)
            output = Dueling(shared[-1] if shared else features, streams, actions, self.head.numbers, linear)
        else:
            layers += mlp((features, *h.hidden), linear)
            output = linear(h.hidden[-1] if h.hidden else features, actions * self.head.numbers)
        return nn.Sequential(*layers, output).to(self.device)

    # -- acting

    def choose(self, observation: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
        """ε-greedy: a random action with probability ε, else the one that is worth most. Noisy layers draw noise
        where the action may be random, the same for all the environments."""
        if rng is None:
            self.noise.still()
        else:
            self.noise.draw(rng)
        with mg.no_grad():
            preferences = mg.to_numpy(self.head.preferences(self.network(self.tensor(observation))))
        best = preferences.argmax(1)
        if rng is None:
            return best
        if len(best) == 1:  # the same without arrays: 5 µs less
            self.max_q = preferences[0, best[0]]
            if rng.random() < self.epsilon:
                best[0] = rng.integers(self.action_space.n)
            return best
        self.max_q = preferences.max(1).mean()
        (explores,) = (rng.random(len(best)) < self.epsilon).nonzero()
        if len(explores):  # seldom, and drawing what isn't needed would cost 6 µs a step
            best[explores] = rng.integers(self.action_space.n, size=len(explores))
        return best

    def action_values(self, observation: np.ndarray) -> np.ndarray:
        """Q(s, ·) of (k, ...) observations, (k, actions)."""
        self.noise.still()
        with mg.no_grad():
            return mg.to_numpy(self.head.values(self.network(self.tensor(observation))))

    # -- learning

    def observe(self, transition: Transition) -> None:
        self.replay.add(transition)

    def update(self, new_steps: int) -> None:
        h = self.hyperparameters
        # One step after the other, so that no interval depends on how many environments take theirs at once.
        for step in range(self.steps - new_steps + 1, self.steps + 1):
            # n steps are kept when they are complete: with few `learning_starts` there may be nothing to draw yet.
            if step > h.learning_starts and step % h.train_every == 0 and len(self.replay):
                for _ in range(h.updates):
                    self.learn_from(self.replay.sample(h.batch_size, self.progress))
            if step % h.target_every == 0:
                self.renew_target()

    def learn_from(self, batch: Batch) -> None:
        for noise in (self.noise, self.target_noise):  # each network has its own
            noise.draw(self.random["noise"])
        prediction, target = self.prediction(batch), self.target(batch)
        loss = self.loss(prediction, target, batch.weight)
        self.optimizer.zero_grad()
        loss.backward()
        h = self.hyperparameters
        norm = nn.utils.clip_grad_norm_(self.weights, h.max_gradient_norm or float("inf"))
        self.anneal()
        self.optimizer.step()
        if self.replay.wants_errors:
            self.replay.feedback(batch.rows, self.head.error(prediction, target))
        self.metrics.add(loss.item(), self.head.mean(prediction), float(self.max_q), norm.item())

    def prediction(self, batch: Batch) -> mg.Tensor:
        """What the network says about a: Q(s, a), (batch, 1), or log p(s, a), (batch, atoms)."""
        action = self.tensor(batch.action[:, None])  # gather wants (batch, 1)
        return self.head.of_action(self.network(self.tensor(batch.observation)), action)

    def target(self, batch: Batch) -> mg.Tensor:
        """What that should have been: r + γ Q⁻(s', a'), (batch, 1), or its distribution. A constant: no gradient
        flows through it."""
        next_observation = self.tensor(batch.next_observation)
        next_output = self.target_network(next_observation)  # none of its weights requires a gradient
        next_action = self.next_action(self.head, self.network, next_output, next_observation)
        target = self.head.target(batch.reward, batch.discount, mg.to_numpy(next_output), next_action)
        return self.tensor(target)

    def loss(self, prediction: mg.Tensor, target: mg.Tensor, weight: np.ndarray | None) -> mg.Tensor:
        """The mean over the batch, of samples that may count differently."""
        if weight is None:
            return self.head.loss(prediction, target, reduction="mean")
        return (self.tensor(weight[:, None]) * self.head.loss(prediction, target, reduction="none")).mean()

    def renew_target(self) -> None:
        self.target_network.load_state_dict(self.network.state_dict())

    def parts(self) -> dict[str, Any]:
        return {
            "network": self.network,
            "target_network": self.target_network,
            "optimizer": self.optimizer,
            "replay": self.replay,
        }
