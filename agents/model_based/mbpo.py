"""MBPO: SAC that learns from imagined steps, a few from each state that was really seen.

A model is learned from the real steps (parts/dynamics.py). From states of the replay the policy then acts in the model,
k steps far and no further: the model's errors add up with k.

    s_0 ~ replay;    a_j ~ π(· | s_j),    s_{j+1}, r_j ~ model(s_j, a_j),    j < k, or until the model says it ends

These steps fill a replay of their own. SAC learns from batches of which a part is real, many times for each real step:
the model, and not the environment, pays for that.

Janner, Fu, Zhang & Levine, "When to trust your model: model-based policy optimization", NeurIPS (2019), algorithm 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from envs import Transition, UsageError

from ..continuous.parts.replay_actor_critic import ReplayActorCritic
from ..continuous.sac import SACHyperparameters, SoftActorCritic
from ..core.hyperparameters import Count, Fraction, Natural
from ..core.state import State
from ..memory.replay import Batch, Replay, Uniform
from .parts.fitting import ModelHyperparameters, fit
from .parts.models import check_vectors, make_model


@dataclass(frozen=True)
class MBPOHyperparameters(SACHyperparameters, ModelHyperparameters):
    learning_starts: Natural = 200
    """Steps before the first fit and the first update. Their actions are random, all alike."""
    updates: Count = 10
    """Updates of SAC each time."""
    imagined_from: Count = 2_000
    """States of the replay from which it imagines steps after a fit of the model."""
    imagined_steps: Count = 1
    """k, the most steps that it imagines from each."""
    imagined_kept: Count = 2
    """Fits after which imagined steps are forgotten: those of older models."""
    real_ratio: Fraction = 0.05
    """The part of a batch that is real steps."""


class MBPO(ReplayActorCritic):
    name = "mbpo"
    Hyperparameters = MBPOHyperparameters
    observation_spaces: ClassVar[tuple[type[gym.Space], ...]] = (spaces.Box,)
    metric_names = ("critic_loss", "actor_loss", "q_value", "entropy", "alpha", "model_error")

    def build_networks(self) -> None:
        h = self.hyperparameters
        check_vectors(self)
        if h.replay != "uniform":
            raise UsageError(f"mbpo draws real and imagined steps all alike; leave replay out, got {h.replay!r}")
        self.model, self.model_optimizer = make_model(self)
        self.learner = SoftActorCritic(self)
        size = max(h.batch_size, h.imagined_from * h.imagined_steps * h.imagined_kept)
        order = Uniform(self.random["imagined"])
        self.imagined = Replay(size, self.observation_space, self.action_space, h.gamma, order)
        self.found = State(error=0.0)  # of the last fit

    # -- acting, as SAC

    def choose(self, observation: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
        return self.learner.actor.choose(self.tensor(observation), rng)

    def explore(self, observation: np.ndarray) -> np.ndarray:
        return self.choose(observation, self.random["exploration"])

    # -- learning

    def update(self, new_steps: int) -> None:
        h = self.hyperparameters
        for step in range(self.steps - new_steps + 1, self.steps + 1):
            if step < h.learning_starts or len(self.replay) < 2:
                continue
            if not len(self.imagined) or step % h.model_every == 0:
                self.learn_model()
            if step % h.train_every == 0:
                for _ in range(h.updates):
                    self.learn_from(self.mixed_batch())

    def learn_model(self) -> None:
        """Fits the model to all real steps, and imagines steps with it."""
        found = fit(self.model, self.model_optimizer, self.replay, self.hyperparameters, self.random["model"])
        self.found.error = found.error
        self.imagine()

    def imagine(self) -> None:
        """Steps of the policy in the model, from states of the replay. A row that has ended goes no further."""
        h, rng = self.hyperparameters, self.random["model"]
        observation = self.replay.sample(h.imagined_from).observation
        for _ in range(h.imagined_steps):
            action = self.choose(observation, rng)
            said = self.model.imagine_once(observation, action.reshape(len(action), -1), rng)
            after = said.next_observation.astype(observation.dtype)
            never, env = np.zeros(len(action), np.bool_), np.zeros(len(action), np.int64)
            self.imagined.add(Transition(observation, action, said.reward, said.end, never, after, env))
            observation = after[~said.end]
            if not len(observation):
                break

    def mixed_batch(self) -> Batch:
        """Real steps and imagined ones."""
        h = self.hyperparameters
        count = round(h.real_ratio * h.batch_size)
        parts = [replay.sample(n) for replay, n in ((self.replay, count), (self.imagined, h.batch_size - count)) if n]
        fields = [np.concatenate([getattr(part, name) for part in parts]) for name in Batch._fields[:-1]]
        return Batch(*fields)

    def learn_from(self, batch: Batch) -> None:
        self.metrics.add(*self.learner.learn_from(batch), self.found.error)

    def parts(self) -> dict[str, Any]:
        return {
            **self.learner.parts(),
            "model": self.model,
            "model_optimizer": self.model_optimizer,
            "found": self.found,
            "imagined": self.imagined,
            "replay": self.replay,
        }
