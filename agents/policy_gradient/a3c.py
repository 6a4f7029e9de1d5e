"""A3C, asynchronous advantage actor-critic: workers that play at the same time and change the same parameters.

Each worker, for ever:

    θ' ← θ                                              a copy of its own
    t_max steps with the policy π(· | s; θ')
    dθ ← ∇_θ' L(θ')                                     A2C's loss, of these steps
    g ← α g + (1 - α) dθ²,    θ ← θ - η dθ / (√g + ε)   RMSprop, in place

θ and g are in memory that all workers share, and no lock guards them (Hogwild): two workers that write the same number
at the same moment lose one of the two changes, which is rare and small, and waiting would cost more. While a worker
plays, θ moves on under the others' updates: dθ is taken at θ', a few updates old, and applied to θ as it is then. What
must not move is θ' during a rollout: its steps would come from several policies, and its gradient from yet another.

Workers play different episodes, so their updates are less alike than one worker's would be; that is what A2C's
environments side by side do, too, without processes. One worker alone is A2C, and the same run every time.

Mnih et al., "Asynchronous methods for deep reinforcement learning", ICML (2016): algorithm S3, and section 4 for g,
where one for all was more robust than one for each. (Its ε is inside the root; here, as in PyTorch, it is beside.)
Writing without a lock: Recht et al., "Hogwild!", NeurIPS (2011).
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, pairwise
from typing import Any, cast

import gymnasium as gym
import numpy as np

import minigrad as mg
import minigrad.nn as nn
import minigrad.optim as optim
from envs import Episode, UsageError
from envs.making import module_of

from ..core.hyperparameters import Count
from ..core.schedules import set_learning_rate
from ..core.training import train
from ..memory.rollout import Steps
from ..runs.workers import SPAWN, Work, Workers
from .a2c import A2C, AdvantageHyperparameters, judge_and_weigh, rmsprop
from .parts.rollout_agent import RolloutAgent


@dataclass(frozen=True)
class A3CHyperparameters(AdvantageHyperparameters):
    workers: Count = 2
    """Processes that learn at the same time, best one a core. With more than one, no two runs are the
    same, nor is a resumed one the uninterrupted one."""


class Shared:
    """What `workers` processes share: plain memory, with no lock, which is gone with the last of them."""

    def __init__(self, size: int, workers: int) -> None:
        self._parameters, self._square_average = SPAWN.RawArray("f", size), SPAWN.RawArray("f", size)
        self.steps = SPAWN.RawArray("q", workers)  # taken by each; nobody but itself writes a worker's number
        self.stopped = SPAWN.RawValue("b", False)

    @property
    def parameters(self) -> np.ndarray:
        """θ, (size,)."""
        return np.frombuffer(self._parameters, np.float32)

    @property
    def square_average(self) -> np.ndarray:
        """g, (size,)."""
        return np.frombuffer(self._square_average, np.float32)


class A3C(RolloutAgent):
    name = "a3c"
    Hyperparameters = A3CHyperparameters
    metric_names = A2C.metric_names
    others: Workers | None = None  # of worker 0, while it trains
    tell: Callable[[Episode], None] | None = None  # of each of the others: what worker 0 hears

    def __init__(self, env: Any, *, device: Any = "cpu", **more: Any) -> None:
        if device is not None and not str(device).startswith("cpu"):
            raise UsageError("a3c's workers share the CPU's memory: leave device out, or take a2c, which can use a GPU")
        super().__init__(env, device=device, **more)

    def build(self) -> None:
        super().build()
        self.local = self.weights  # θ'
        self.share(Shared(sum(p.numel() for p in self.local), self.hyperparameters.workers))
        self.push()

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise UsageError(
            "a3c can't be copied or pickled, because its workers share its memory; agent.save(path) keeps it, and "
            "A3C.load(path) makes another one"
        )

    def share(self, shared: Shared, worker: int = 0) -> None:
        """Be worker number `worker` of those that share θ and g."""
        self.shared, self.worker = shared, worker
        theta, bounds = shared.parameters, accumulate((p.numel() for p in self.local), initial=0)
        self.weights = [
            nn.Parameter(mg.from_numpy(theta[start:stop].reshape(p.shape)))
            for p, (start, stop) in zip(self.local, pairwise(bounds), strict=True)
        ]
        self.optimizer = self.make_optimizer()  # of `weights`: they lie end to end already, and stay where they are
        self.optimizer.remember_in(square_avg=shared.square_average)

    def make_optimizer(self) -> optim.Optimizer:
        return rmsprop(self.weights, self.hyperparameters)

    def learn_from(self, steps: Steps) -> None:
        """A2C's losses of this worker's steps, at θ'."""
        set_learning_rate(self.optimizer, self.hyperparameters, self.progress)
        losses, explained = judge_and_weigh(self, steps)
        norm = self.change_shared(losses.total)
        self.metrics.add(losses.policy.item(), losses.value.item(), losses.entropy.item(), explained, norm)

    def change_shared(self, loss: mg.Tensor) -> float:
        """The gradient at θ', applied to θ; then θ' ← θ, for the next rollout. Returns the gradient's norm."""
        self.network.zero_grad()
        loss.backward()
        largest = self.hyperparameters.max_gradient_norm or float("inf")
        norm = nn.utils.clip_grad_norm_(self.local, largest).item()
        for theta, local in zip(self.weights, self.local, strict=True):
            theta.grad = local.grad
        self.optimizer.step()
        self.pull()
        return norm

    def pull(self) -> None:
        """θ' ← θ."""
        with mg.no_grad():
            for theta, local in zip(self.weights, self.local, strict=True):
                local.copy_(theta)

    def push(self) -> None:
        """θ ← θ': what a training starts from."""
        with mg.no_grad():
            for theta, local in zip(self.weights, self.local, strict=True):
                theta.copy_(local)

    def update(self, new_steps: int) -> None:
        self.shared.steps[self.worker] += new_steps
        self.steps = sum(self.shared.steps)  # of all workers: by these the learning rate falls, and training ends
        super().update(new_steps)
        if self.tell is not None:
            for episode in self.environments.finished:
                self.tell(episode)  # there it counts as if the last step had ended it
        elif self.others is not None and self.steps >= self.total_steps:
            self.environments.finished += self.others.finish()
            self.steps = sum(self.shared.steps)
            self.pull()
        elif self.others is not None and not self.rollout.filled:  # it has just learned
            self.environments.finished += self.others.received()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self.shared.steps[:] = [self.steps] + [0] * (len(self.shared.steps) - 1)
        self.push()

    # -- the other workers

    @contextmanager
    def training(self) -> Iterator[None]:
        """Worker 0 is this process, which also evaluates and saves; the others are there while it trains."""
        if self.worker > 0 or self.hyperparameters.workers == 1:
            yield
            return
        self.shared.stopped.value = False
        with Workers(self.name, self.hyperparameters.workers - 1, *self.task(), self.stop_others) as self.others:
            yield

    def stop_others(self) -> None:
        self.others = None
        self.shared.stopped.value = True

    def task(self) -> tuple[Callable, bool]:
        """What every other worker does, and whether it needs the script that was started for it."""
        env: Any = self.env
        if (reason := self.environments.why_not_again) is not None:
            raise UsageError(
                f"a3c's workers need a {self.environments.name} each, and this one can't be made again "
                f"({reason}); give an id, a function that makes one, or workers=1"
            )
        if isinstance(env, gym.vector.VectorEnv):
            env = partial(gym.make_vec, cast(Any, env.spec))
        elif isinstance(env, gym.Env):
            env = partial(gym.make, cast(Any, env.spec))
        # An id that was registered here is not known there, unless it is one of those that are looked up.
        registered = gym.registry.get(env) if isinstance(env, str) and module_of(env) is None else None
        try:
            recipe = pickle.dumps((type(self), env, registered, self.own))
        except Exception as problem:
            raise UsageError(
                f"a3c's workers are processes that make their own environment and networks, and "
                f"{', '.join(map(repr, (env, *self.own.values())))} can't be sent to them ({problem}); give an id, a "
                f"function that is defined at the top of a module (no lambda), or workers=1"
            ) from problem
        settings = {"num_envs": self.num_envs, "env_options": self.env_options, **self.hyperparameters.plain()}
        task = partial(prepare, recipe, settings, self.seed, self.total_steps, self.shared)
        return task, b"__main__" in recipe


def prepare(recipe: bytes, settings: dict[str, Any], seed: int, total_steps: int, shared: Shared, worker: int) -> Work:
    """In a process of its own: the agent that is worker number `worker`, ready to train."""
    agent_type, env, registered, own = pickle.loads(recipe)
    if registered is not None:
        gym.registry.setdefault(registered.id, registered)
    agent = agent_type(env, seed=seed_of(worker, seed, sum(shared.steps)), **settings, **own)
    agent.share(shared, worker)
    agent.pull()
    agent.total_steps = total_steps
    parent = os.getppid()

    def work(send: Callable[[Any], None]) -> None:
        agent.tell = send
        try:
            train(agent, stop=lambda: shared.stopped.value or os.getppid() != parent)
        finally:
            agent.environments.close()  # some have processes of their own

    return work


def seed_of(worker: int, seed: int, steps: int) -> int:
    """No two workers play the same episodes, nor one the same again when training goes on after `steps`."""
    drawn = np.random.SeedSequence(seed, spawn_key=(worker, steps)).generate_state(1)[0]
    return int(drawn) // 4  # environments side by side count up from it, and some take 31 bits
