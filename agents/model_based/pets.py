"""PETS: plan with a learned model, and do the first action of the plan (model predictive control).

At every step the best sequence of actions is searched by the cross-entropy method. A sequence's worth is what the model
says that it brings, by particles: every member of the ensemble has one, and draws its next state at each step.

    a_{t:t+H} = argmax E[Σ_k r̂_{t+k}],    ŝ_{k+1} ~ N(ŝ_k + μ_m(ŝ_k, a_k), σ_m²(ŝ_k, a_k))

The search at the next step begins at the rest of this plan. There is no policy and no value, so what comes after H
steps doesn't count.

Chua, Calandra, McAllister & Levine, "Deep reinforcement learning in a handful of trials using probabilistic dynamics
models", NeurIPS (2018), algorithm 1; particles change their member at each step (TS1) or never (TS∞).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from envs import Environments, Transition, UsageError

from ..core.agent import Agent
from ..core.hyperparameters import Count, Fraction, Natural
from ..core.state import State
from ..memory.replay import Replay, Uniform
from ..networks.policies import with_scaled_actions
from .parts.cross_entropy_method import search
from .parts.fitting import ModelHyperparameters, fit
from .parts.models import check_vectors, make_model

# Of the search's first guesses: half of the way from the middle of the box to its bounds.
FIRST_STD = 0.5


@dataclass(frozen=True)
class PETSHyperparameters(ModelHyperparameters):
    """Every interval counts environment steps, over all environments together."""

    replay_size: Count = 100_000
    """Steps kept; the oldest is overwritten."""
    learning_starts: Natural = 200
    """Steps before the first fit. Their actions are random, all alike."""
    horizon: Count = 20
    """Steps of a plan."""
    guesses: Count = 200
    """Plans that are tried in each round of the search."""
    best: Count = 20
    """Those of them that say where to look next."""
    rounds: Count = 4
    """Rounds of the search."""
    inertia: Fraction = 0.1
    """The part of the search's old mean and deviation that stays in each round."""
    change_members: bool = False
    """Whether a particle draws another member at each step (TS1), or stays with one (TS∞)."""


class PETS(Agent):
    name = "pets"
    Hyperparameters = PETSHyperparameters
    observation_spaces: ClassVar[tuple[type[gym.Space], ...]] = (spaces.Box,)
    action_spaces: ClassVar[tuple[type[gym.Space], ...]] = (spaces.Box,)
    default_env = "Pendulum-v1"
    takes_data = True
    metric_names = ("model_loss", "model_error", "disagreement")

    def make_environments(self, env: Any, num_envs: int = 1) -> Environments:
        return with_scaled_actions(super().make_environments(env, num_envs))

    def build(self) -> None:
        h = self.hyperparameters
        if h.best > h.guesses:
            raise UsageError(f"best must be at most guesses, which is {h.guesses}, got {h.best}")
        check_vectors(self)
        # γ = 1: of the discount it keeps only whether an episode ended.
        order = Uniform(self.random["replay"])
        self.replay = Replay(h.replay_size, self.observation_space, self.action_space, 1.0, order)
        self.model, self.model_optimizer = make_model(self)
        self.actions = int(np.prod(self.action_space.shape))
        # What each environment's search begins at.
        self.plans = State(actions=np.zeros((self.num_envs, h.horizon, self.actions), np.float32), fitted=False)

    # -- acting

    def act(self, observation: np.ndarray) -> np.ndarray:
        rng = self.random["exploration"]
        if not self.plans.fitted:
            return self.environments.sample_actions(rng)
        actions = np.empty((len(observation), *self.action_space.shape), np.float32)
        for i, start in enumerate(observation):
            plan = self.plan(start, self.plans.actions[i], rng)
            actions[i] = plan[0].reshape(self.action_space.shape)
            self.plans.actions[i] = np.concatenate([plan[1:], np.zeros_like(plan[:1])])
        return actions

    def choose(self, observation: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
        """The first actions of plans that begin at nothing. The search draws from `rng`, else from the same numbers
        each time. Before the first fit there is nothing to plan with, and the action is the middle of the box."""
        if not self.plans.fitted:
            return np.zeros((len(observation), *self.action_space.shape), np.float32).clip(
                self.action_space.low, self.action_space.high
            )
        nothing = np.zeros_like(self.plans.actions[0])
        plans = [self.plan(start, nothing, rng or np.random.default_rng(0)) for start in observation]
        return np.stack([plan[0].reshape(self.action_space.shape) for plan in plans])

    def plan(self, start: np.ndarray, mean: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The best actions found from the state `start` (D,), (horizon, numbers), searched around `mean`."""
        h, space = self.hyperparameters, self.action_space
        return search(
            lambda guess: self.worth(start, guess, rng),
            mean,
            np.full_like(mean, FIRST_STD),
            space.low.ravel(),
            space.high.ravel(),
            rng,
            guesses=h.guesses,
            best=h.best,
            rounds=h.rounds,
            inertia=h.inertia,
        )

    def worth(self, start: np.ndarray, plans: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """What the plans (guesses, horizon, numbers) bring from `start`, (guesses,): the mean over particles."""
        members, guesses = self.model.members, len(plans)
        state = np.broadcast_to(start, (members, guesses, *start.shape)).astype(np.float32)
        total, going_on = np.zeros((members, guesses), np.float32), np.ones((members, guesses), np.bool_)
        for k in range(plans.shape[1]):
            said = self.model.imagine(state, np.broadcast_to(plans[:, k], (members, *plans[:, k].shape)), rng)
            total += said.reward * going_on
            going_on &= ~said.end
            state = said.next_observation
            if self.hyperparameters.change_members:
                who = rng.permuted(np.tile(np.arange(members)[:, None], guesses), axis=0)
                state = np.take_along_axis(state, who[..., None], 0)
                total, going_on = np.take_along_axis(total, who, 0), np.take_along_axis(going_on, who, 0)
        return total.mean(0)

    # -- learning

    def observe(self, transition: Transition) -> None:
        self.replay.add(transition)
        ended = transition.env[transition.terminated | transition.truncated]
        self.plans.actions[ended] = 0.0

    def update(self, new_steps: int) -> None:
        h = self.hyperparameters
        for step in range(self.steps - new_steps + 1, self.steps + 1):
            if len(self.replay) < 2:  # one to learn from, and one that is held out
                continue
            if step % h.model_every == 0 if self.plans.fitted else step >= h.learning_starts:
                self.learn_from(self.replay)

    def learn_from(self, replay: Replay) -> None:
        found = fit(self.model, self.model_optimizer, replay, self.hyperparameters, self.random["model"])
        self.plans.fitted = True
        self.metrics.add(found.loss, found.error, found.disagreement)

    def parts(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "model_optimizer": self.model_optimizer,
            "plans": self.plans,
            "replay": self.replay,
        }
