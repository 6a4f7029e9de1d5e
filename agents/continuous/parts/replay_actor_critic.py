"""What the actor-critics share that learn from a replay: DDPG, TD3, SAC and those that are built on them.

They act with an actor, keep what happened in a replay, and learn from a batch of it (`learn_from`) at every step. How
they learn is in the algorithm's file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
from gymnasium import spaces

import minigrad as mg
import minigrad.nn as nn
from envs import Environments, Transition, UsageError

from ...core.agent import Agent
from ...core.components import ComposedHyperparameters, Seam
from ...core.hyperparameters import Count, Fraction, Natural, Positive, Sizes
from ...core.schedules import list_learning_rate
from ...memory.replay import REPLAY, Batch, Replay
from ...networks.policies import with_scaled_actions


@dataclass(frozen=True)
class ReplayHyperparameters(ComposedHyperparameters):
    """Every interval counts environment steps, over all environments together."""

    seams: ClassVar[tuple[Seam, ...]] = (REPLAY,)

    learning_rate: Positive = 1e-3
    """Step size of Adam, for the actor and for the critics."""
    anneal_learning_rate: bool = False
    """Whether it falls in a straight line to 0 at the end of training."""
    gamma: Fraction = 0.99
    """Discount: what a reward is worth one step earlier."""
    hidden: Sizes = (256, 256)
    """Units of each hidden layer."""
    batch_size: Count = 256
    """Transitions in an update."""
    replay_size: Count = 1_000_000
    """Transitions kept; the oldest is overwritten."""
    learning_starts: Natural = 1_000
    """Steps before the first update. Their actions are random, all alike."""
    train_every: Count = 1
    """Steps between updates."""
    updates: Count = 1
    """Updates each time."""
    target_rate: Fraction = 0.005
    """τ, the part of the way to the network that its target goes after an update."""
    replay: Any = "uniform"
    """How past transitions are drawn: all alike, or more often where the error was large."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.replay_size < self.batch_size:
            raise UsageError(
                f"replay_size must be at least batch_size, which is {self.batch_size}, got {self.replay_size}"
            )


class ReplayActorCritic(Agent):
    action_spaces: ClassVar[tuple[type[gym.Space], ...]] = (spaces.Box,)
    default_env = "Pendulum-v1"
    takes_data = True

    # -- what an algorithm defines

    def build_networks(self) -> None:
        """Its networks, their targets and optimizers."""
        raise NotImplementedError

    def learn_from(self, batch: Batch) -> None:
        """An update, and its figures for `metrics`."""
        raise NotImplementedError

    def error(self, values: list[mg.Tensor], target: mg.Tensor) -> mg.Tensor | None:
        """|y - Q_i(s, a)|, (batch,), the mean over the critics, if the replay goes by it."""
        if not self.replay.wants_errors:
            return None
        return mg.stack([(value.detach() - target).abs() for value in values]).mean(0)

    def note_error(self, batch: Batch, error: mg.Tensor | None) -> None:
        """Tell the replay, if it wants to know."""
        if error is not None:
            self.replay.feedback(batch.rows, mg.to_numpy(error))

    # -- acting, as a deterministic policy; SAC's is another

    actor: nn.Module
    noise: Any = None

    def choose(self, observation: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
        """μ(s); there is nothing random in it."""
        self.noise.still()
        with mg.no_grad():
            return mg.to_numpy(self.actor(self.tensor(observation)))

    def explore(self, observation: np.ndarray) -> np.ndarray:
        """Actions to learn from, (num_envs, ...), once learning has started."""
        return self.noise.explore(observation, self.random["exploration"])

    # -- what they share

    def make_environments(self, env: Any, num_envs: int = 1) -> Environments:
        return with_scaled_actions(super().make_environments(env, num_envs))

    def build(self) -> None:
        h = self.hyperparameters
        self.replay = Replay(
            h.replay_size,
            self.observation_space,
            self.action_space,
            h.gamma,
            REPLAY.make(self),
            num_envs=self.num_envs,
            stacked_frames=self.environments.stacked_frames,
        )
        self.build_networks()

    def act(self, observation: np.ndarray) -> np.ndarray:
        if self.steps < self.hyperparameters.learning_starts:
            return self.environments.sample_actions(self.random["exploration"])
        return self.explore(observation)

    def observe(self, transition: Transition) -> None:
        self.replay.add(transition)
        if self.noise is not None:
            self.noise.observe(transition)

    def update(self, new_steps: int) -> None:
        h = self.hyperparameters
        # One step after the other, so that no interval depends on how many environments take theirs at once.
        for step in range(self.steps - new_steps + 1, self.steps + 1):
            if step > h.learning_starts and step % h.train_every == 0:
                for _ in range(h.updates):
                    self.learn_from(self.replay.sample(h.batch_size, self.progress))

    def schedules(self) -> dict[str, float]:
        return list_learning_rate(self.hyperparameters, self.progress)
