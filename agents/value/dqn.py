"""DQN: Q-learning with a neural network, kept stable by replay and a target network.

The optimal action values satisfy Q(s, a) = E[r + γ max_a' Q(s', a')]. DQN moves a network towards the
right-hand side,

    L(θ) = E over replayed (s, a, r, s') of  loss(r + γ max_a' Q(s', a'; θ⁻) - Q(s, a; θ))

where the target network θ⁻ is a copy of θ that is renewed only now and then, so that the target stands still
in between.

Mnih et al., "Human-level control through deep reinforcement learning", Nature 518 (2015), algorithm 1.

Six choices are open, and a component makes each: the head, the next action a', the replay's order, the loss of a
sample, the network and the target. parts/seams.py says what each does; parts/plain.py and parts/targets.py are what
stands there in plain DQN. The variants of DQN are other choices. Any of them go together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from gymnasium import spaces

import minigrad as mg
import minigrad.nn as nn
import minigrad.optim as optim
from envs import Environments, Transition, UsageError

from ..core.agent import Agent
from ..core.capturing import Update
from ..core.components import ComposedHyperparameters, Seam
from ..core.hyperparameters import Count, Fraction, Natural, NonNegative, Positive, Sizes, check
from ..core.schedules import decay_epsilon, list_learning_rate, set_learning_rate
from ..memory.replay import REPLAY, Batch, Replay
from ..networks.noisy import Noise
from ..networks.own import check_output, make_own_network
from .parts import plain as plain
from .parts import targets as targets
from .parts.seams import HEAD, LOSS, NETWORK, NEXT_ACTION, TARGET


@dataclass(frozen=True)
class DQNHyperparameters(ComposedHyperparameters):
    """Every interval counts environment steps, over all environments together."""

    seams: ClassVar[tuple[Seam, ...]] = (HEAD, NETWORK, NEXT_ACTION, TARGET, REPLAY, LOSS)
    switches: ClassVar[tuple[str, ...]] = ("dueling", "noisy")

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
    epsilon_start: Fraction = 1.0
    """Probability of a random action at the start."""
    epsilon_end: Fraction = 0.05
    """Probability of a random action once it stops falling."""
    epsilon_fraction: Fraction = 0.2
    """Part of training over which it falls, in a straight line."""
    max_gradient_norm: NonNegative = 10.0
    """The gradient is scaled down to this norm; 0 leaves it as it is."""
    n_step: Count = 1
    """Rewards in a transition before the value of what follows."""
    head: Any = "expected"
    """What the network says about an action: its value, or the distribution of its return (C51, QR-DQN)."""
    network: Any = "plain"
    """Its last layers. Dueling: two streams, the state's value and the actions' advantages. Noisy: with learned noise,
    which explores; so does ε, unless it is 0, as in noisy-dqn. (--dueling and --noisy say the same.)"""
    next_action: Any = "target"
    """What chooses a' in the target: the target itself (DQN) or the online network (Double DQN)."""
    target: Any = "copied"
    """What the value of a' comes from: a copy of the network, the mean of several, or one that follows softly."""
    replay: Any = "uniform"
    """How past transitions are drawn: all alike, or more often where the error was large."""
    loss: Any = "huber"
    """The loss of one sample. The categorical and the quantile head have their own."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.replay_size < self.batch_size:
            raise UsageError(
                f"replay_size must be at least batch_size, which is {self.batch_size}, got {self.replay_size}"
            )

    @classmethod
    def rename(cls, values: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
        """`dueling` and `noisy` are switches of the network, each on its own."""
        values = dict(values)
        switches = {name: check(name, values.pop(name), bool) for name in cls.switches if name in values}
        if switches and "network" in values:
            raise UsageError(f"network already says what {' and '.join(switches)} would; give one of them")
        if switches:
            now = before.get("network", "plain")
            dueling, noisy = (switches.get(name, name in now.split("-")) for name in ("dueling", "noisy"))
            values["network"] = "-".join(["noisy"] * noisy + ["dueling"] * dueling) or "plain"
        return super().rename(values, before)

    @property
    def dueling(self) -> bool:
        return self.network in ("dueling", "noisy-dueling")

    @property
    def noisy(self) -> bool:
        return self.network in ("noisy", "noisy-dueling")


class DQN(Agent):
    name = "dqn"
    Hyperparameters = DQNHyperparameters
    action_spaces = (spaces.Discrete, spaces.Box)
    takes_data = True
    metric_names = ("loss", "q_value", "max_q", "gradient_norm")

    def make_environments(self, env: Any, num_envs: int = 1) -> Environments:
        environments = super().make_environments(env, num_envs)
        if isinstance(environments.action_space, spaces.Box):
            from envs.discrete_actions import DiscreteActions

            return DiscreteActions(environments, self.hyperparameters.actions)
        return environments

    def build(self) -> None:
        h = self.hyperparameters
        self.head = HEAD.make(self)
        self.next_action = NEXT_ACTION.make(self)
        self.replay = Replay(
            h.replay_size,
            self.observation_space,
            self.action_space,
            h.gamma,
            REPLAY.make(self),
            h.n_step,
            self.num_envs,
            self.environments.stacked_frames,
        )
        self.network = self.make_network()
        self.target_network = TARGET.make(self)
        self.target_network.start(self.network, self.make_network)
        self.weights = list(self.network.parameters())  # walking the modules at every update would take longer
        self.optimizer = optim.Adam(self.weights, lr=h.learning_rate, eps=h.adam_epsilon)
        self._noise = Noise(self.network, self.tensor)
        self._target_noise = Noise(self.target_network, self.tensor)
        self.improve = Update(self, self.improve_network)
        self.max_q = 0.0  # max_a Q(s, a), the mean over the states last acted in

    def make_network(self) -> nn.Module:
        """A network with weights of its own: (batch, ...) observations to (batch, actions × numbers of the head)."""
        chosen = self.hyperparameters.network
        if isinstance(chosen, str):
            network = NETWORK.make(self)
        else:
            network = make_own_network(chosen, "network", self.observation_space, self.action_space)
        network.to(self.device)
        if not isinstance(chosen, str):
            actions, numbers = int(self.action_space.n), self.head.numbers
            shapes = ((actions,),) if numbers == 1 else ((actions * numbers,), (actions, numbers))
            meaning = f"{'a number' if numbers == 1 else f'{numbers} numbers'} for each of {actions} actions"
            check_output(network, "network", self.observation_space, shapes, meaning, self.tensor)
        return network

    @property
    def noise(self) -> Noise:
        """That of the network, whichever it is now: a subclass may have put another in its place."""
        if self._noise.network is not self.network:
            self._noise = Noise(self.network, self.tensor)
        return self._noise

    @property
    def target_noise(self) -> Noise:
        if self._target_noise.network is not self.target_network:
            self._target_noise = Noise(self.target_network, self.tensor)
        return self._target_noise

    @property
    def epsilon(self) -> float:
        """The probability of a random action, now."""
        return decay_epsilon(self.hyperparameters, self.progress)

    def schedules(self) -> dict[str, float]:
        return {"epsilon": self.epsilon, **list_learning_rate(self.hyperparameters, self.progress)}

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
        if len(best) == 1:  # the same without arrays, which takes less time
            self.max_q = preferences[0, best[0]]
            if rng.random() < self.epsilon:
                best[0] = rng.integers(self.action_space.n)
            return best
        self.max_q = preferences.max(1).mean()
        (explores,) = (rng.random(len(best)) < self.epsilon).nonzero()
        if len(explores):  # seldom: what isn't needed is not drawn
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
            self.target_network.follow(self.network, step)

    def learn_from(self, batch: Batch) -> None:
        for noise in (self.noise, self.target_noise):  # each network has its own
            noise.draw(self.random["noise"])
        set_learning_rate(self.optimizer, self.hyperparameters, self.progress)
        loss, value, norm, error = self.improve(batch.map(self.tensor))
        if error is not None:
            self.replay.feedback(batch.rows, mg.to_numpy(error))
        self.metrics.add(loss.item(), value.item(), float(self.max_q), norm.item())

    def improve_network(self, batch: Batch) -> tuple[Any, ...]:
        """An update with a batch of tensors: the loss, the mean of Q(s, a), the gradient's norm, and the errors if the
        replay wants them."""
        prediction, target = self.prediction(batch), self.target(batch)
        loss = self.loss(prediction, target, batch.weight)
        self.optimizer.zero_grad()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.weights, self.hyperparameters.max_gradient_norm or float("inf"))
        self.optimizer.step()
        prediction = prediction.detach()
        error = self.head.error(prediction, target) if self.replay.wants_errors else None
        return loss, self.head.mean(prediction), norm, error

    def prediction(self, batch: Batch) -> mg.Tensor:
        """What the network says about a: Q(s, a), (batch, 1), or log p(s, a), (batch, atoms)."""
        return self.head.of_action(self.network(batch.observation), batch.action.unsqueeze(1))

    def target(self, batch: Batch) -> mg.Tensor:
        """What that should have been: r + γ Q⁻(s', a'), (batch, 1), or its distribution. A constant: no gradient
        flows through it."""
        next_output = self.target_network(batch.next_observation)  # none of its weights requires a gradient
        next_action = mg.as_tensor(self.next_action(self.head, self.network, next_output, batch.next_observation))
        return self.head.target(batch.reward, batch.discount, next_output, next_action)

    def loss(self, prediction: mg.Tensor, target: mg.Tensor, weight: mg.Tensor | None) -> mg.Tensor:
        """The mean over the batch, of samples that may count differently."""
        if weight is None:
            return self.head.loss(prediction, target, reduction="mean")
        return (weight.unsqueeze(1) * self.head.loss(prediction, target, reduction="none")).mean()

    def parts(self) -> dict[str, Any]:
        return {
            "network": self.network,
            "target_network": self.target_network,
            "optimizer": self.optimizer,
            "replay": self.replay,
        }
