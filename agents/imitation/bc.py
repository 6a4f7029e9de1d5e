"""Behaviour cloning: do as somebody did, by supervised learning from recorded steps (s, a).

    choices    L(θ) = -mean(log π(a | s; θ))        the cross-entropy of what was done
    numbers    L(θ) = mean((a - μ(s; θ))²)          what -log π is of a normal distribution, up to its width

There are no rewards in it. Where the policy errs it comes to states that nobody has recorded, and errs more: over T
steps the errors may grow as T² (Ross & Bagnell, "Efficient reductions for imitation learning", AISTATS (2010), theorem
2.1).

Pomerleau, "ALVINN: an autonomous land vehicle in a neural network", NIPS (1988).

The training loop drives it like a planner: one step of the environment is one update, and the episodes on the way show
how good the policy is by then. What happens in them teaches it nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces

import minigrad as mg
import minigrad.nn.functional as F
import minigrad.optim as optim
from envs import Environments, Transition, UsageError

from ..core.agent import Agent
from ..core.hyperparameters import Count, Fraction, Hyperparameters, Positive, Sizes
from ..core.schedules import list_learning_rate, set_learning_rate
from ..memory.recorded import RecordedSteps
from ..networks.policies import make_own_policy, make_policy, with_scaled_actions


@dataclass(frozen=True)
class BCHyperparameters(Hyperparameters):
    learning_rate: Positive = 1e-3
    """Step size of Adam."""
    anneal_learning_rate: bool = False
    """Whether it falls in a straight line to 0 at the end of training."""
    hidden: Sizes = (64, 64)
    """Units of each hidden layer."""
    batch_size: Count = 64
    """Steps in an update."""
    held_out: Fraction = 0.1
    """The part of the steps that it never learns from, to see how well it does on others."""


class BC(Agent):
    name = "bc"
    Hyperparameters = BCHyperparameters
    action_spaces = (spaces.Discrete, spaces.Box)
    own_networks = ("policy",)
    takes_data = needs_data = True
    metric_names = ("loss", "held_out_loss", "held_out_error")

    def make_environments(self, env: Any, num_envs: int = 1) -> Environments:
        return with_scaled_actions(super().make_environments(env, num_envs))

    def build(self) -> None:
        h, both = self.hyperparameters, (self.observation_space, self.action_space)
        if "policy" in self.own:
            self.policy = make_own_policy(self.own["policy"], *both, self.device)
        else:
            self.policy = make_policy(*both, h.hidden).to(self.device)
        self.optimizer = optim.Adam(self.policy.parameters(), lr=h.learning_rate)
        self._steps: tuple[RecordedSteps, np.ndarray, np.ndarray] | None = None

    def choose(self, observation: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
        """Drawn from the policy; without `rng`, the most probable action."""
        return self.policy.choose(self.tensor(observation), rng)

    def observe(self, transition: Transition) -> None:
        pass

    def update(self, new_steps: int) -> None:
        for _ in range(new_steps):
            self.learn_from(*self.divide_steps())

    def divide_steps(self) -> tuple[RecordedSteps, np.ndarray, np.ndarray]:
        """The recorded steps, and the rows to learn from and those held out. They are read when they are first needed:
        who only acts needs no file."""
        if self._steps is None:
            assert self.data is not None  # it needs one
            steps = self.data.read().for_agent(self.environments)
            # Drawn from the seed alone, so that a resumed training holds out the same ones.
            rows = np.random.default_rng(self.seed).permutation(len(steps))
            count = int(self.hyperparameters.held_out * len(rows))
            if count == len(rows):
                raise UsageError(f"held_out {self.hyperparameters.held_out:g} leaves nothing to learn from")
            self._steps = steps, rows[count:], rows[:count]
        return self._steps

    def prepare(self) -> None:
        self.divide_steps()  # a file that can't be read is said at once

    def learn_from(self, steps: RecordedSteps, rows: np.ndarray, held_out: np.ndarray) -> None:
        h, rng = self.hyperparameters, self.random["batches"]
        learned = rng.choice(rows, h.batch_size)
        loss = self.loss(steps, learned)
        self.optimizer.zero_grad()
        loss.backward()
        set_learning_rate(self.optimizer, h, self.progress)
        self.optimizer.step()
        others = rng.choice(held_out, h.batch_size) if len(held_out) else learned
        with mg.no_grad():
            self.metrics.add(loss.item(), self.loss(steps, others).item(), self.error(steps, others))

    def error(self, steps: RecordedSteps, rows: np.ndarray) -> float:
        """How far the clone is from the expert: the part of the steps in which it chooses something else; of numbers,
        the root of the mean squared difference."""
        done, expert = self.policy.choose(self.tensor(steps.observation[rows]), None), steps.action[rows]
        if isinstance(self.action_space, spaces.Discrete):
            return float((done != expert).mean())
        return float(np.sqrt(np.square(done - expert).mean()))

    def loss(self, steps: RecordedSteps, rows: np.ndarray) -> mg.Tensor:
        features = self.policy.body(self.tensor(steps.observation[rows]))
        action = self.tensor(steps.action[rows])
        if isinstance(self.action_space, spaces.Discrete):
            return -self.policy.head(features).log_prob(action).mean()
        return F.mse_loss(self.policy.head(features).mean, action)

    def schedules(self) -> dict[str, float]:
        return list_learning_rate(self.hyperparameters, self.progress)

    def parts(self) -> dict[str, Any]:
        return {"policy": self.policy, "optimizer": self.optimizer}
