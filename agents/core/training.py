"""The training loop, the one that every agent that learns from experience runs in.

Act, step the environments, hand over the transitions, learn. On-policy agents collect their rollout in
`observe` and learn when it is full; off-policy ones fill their replay. Everything else here is about the run:
rows of metrics.csv, evaluations, checkpoints, progress; none of it draws a random number, so a run is the
same with and without it.
"""

from __future__ import annotations

import ctypes
import math
import os
import platform
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from envs import Episode, UsageError
from minigrad.distributions import ParameterError

from .evaluation import evaluate
from .progress import Progress, Returns
from .runs import Run

if TYPE_CHECKING:
    from .agent import Agent


def train(
    agent: Agent,
    run: Run | None = None,
    progress: Progress | Returns | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> bool:
    """Trains until `agent.steps` reaches `agent.total_steps` (then returns True) or `stop()` (then False). Raises
    `UsageError` where the agent has diverged."""
    environments = agent.environments
    recorder = Recorder(agent, run) if run is not None else None
    due = recorder.due if recorder else agent.total_steps
    keep_freed_memory()
    with one_blas_thread(), agent.random.engine(), agent.training(), divergence_named(agent):
        while agent.steps < agent.total_steps and not stop():
            transition = environments.step(agent.act(environments.observation))
            new_steps = len(transition.env)
            agent.steps += new_steps
            agent.observe(transition)
            agent.update(new_steps)

            if environments.finished:
                for episode in environments.finished:
                    agent.episodes += 1
                    refuse_divergence(agent)
                    if progress is None and recorder is None:
                        continue
                    figures = agent.metrics.take()
                    if progress is not None:
                        progress.episode(episode.total_reward, figures)
                    if recorder is not None:
                        recorder.episode(episode, figures)
            if progress is not None:
                progress.update(agent.steps)
            if agent.steps >= due and recorder is not None:
                due = recorder.checkpoint()
        finished = agent.steps >= agent.total_steps
        if recorder is not None and not finished:
            recorder.save()
    if progress is not None:
        progress.update(agent.steps, force=True)
    return finished


class Recorder:
    """Writes a training's files: see runs.py for which."""

    def __init__(self, agent: Agent, run: Run) -> None:
        self.agent, self.run = agent, run
        config = run.config
        self.every = config.get("checkpoint_every") or max(1, agent.total_steps // 10)
        self.evaluation_episodes = config.get("evaluation_episodes", 10)
        self._started, self._first = time.perf_counter(), agent.steps
        reason = agent.environments.why_not_resumable()
        if reason is not None:
            warnings.warn(
                f"{agent.environments.name} can't be resumed exactly: {reason}. A resumed run starts new "
                f"episodes and will differ from an uninterrupted one.",
                stacklevel=2,
            )

    @property
    def due(self) -> int:
        """The step of the next checkpoint; counted from zero, so that a resumed run has the same ones."""
        return min((self.agent.steps // self.every + 1) * self.every, self.agent.total_steps)

    def episode(self, episode: Episode, figures: dict[str, float | None]) -> None:
        self.run.metrics.write(
            {
                "step": self.agent.steps,
                "episode": self.agent.episodes,
                "return": episode.total_reward,
                "length": episode.length,
                **self.agent.schedules(),
                **figures,
            }
        )

    def checkpoint(self) -> int:
        """Evaluates, remembers the best weights, saves. Returns when to do so next."""
        if self.evaluation_episodes and self.agent.environments.can_be_made_again:
            result = evaluate(self.agent, episodes=self.evaluation_episodes)
            self.run.evaluations.write({"step": self.agent.steps, "mean": result.mean, "std": result.std})
            # The later of two equals: it has seen more.
            if self.run.best is None or result.mean >= self.run.best["mean"]:
                name = self.run.checkpoints.name(self.agent.steps)
                self.run.best = {"step": self.agent.steps, "mean": result.mean, "checkpoint": name}
        seconds = time.perf_counter() - self._started
        speed = round((self.agent.steps - self._first) / seconds, 1)
        self.run.timing.write(
            {"step": self.agent.steps, "seconds": round(seconds, 3), "steps_per_second": speed}
        )
        self.save()
        return self.due

    def save(self) -> None:
        self.run.save(self.agent.steps, self.agent.state_dict())


@contextmanager
def divergence_named(agent: Agent) -> Iterator[None]:
    """A policy's distribution refuses NaN. That is not the caller's mistake who made it, but of steps too large."""
    try:
        yield
    except ParameterError as problem:
        raise divergence(agent, str(problem)) from problem


def refuse_divergence(agent: Agent) -> None:
    """Values go on where a distribution stops: the best of actions that are all worth NaN is the first."""
    for name, total in agent.metrics.sums():
        if not math.isfinite(total):
            raise divergence(agent, f"its {name} is {total}")


def divergence(agent: Agent, sign: str) -> UsageError:
    return UsageError(
        f"{agent.name} has diverged, after {agent.steps:,} steps: {sign}; give a smaller learning_rate, or "
        f"observations and rewards that are nearer to 1"
    )


M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # <malloc.h>


def keep_freed_memory() -> None:
    """What one update frees, the next one needs again. glibc (Linux) hands the end of its heap back to the system in
    between, and gets it again page by page: without this, PPO on CartPole has 3,400 page faults in 1,000 steps, which
    is an eighth of its time. For the whole process, and as long as it lives."""
    if platform.libc_ver()[0] != "glibc" or "MALLOC_TRIM_THRESHOLD_" in os.environ:
        return
    mallopt = ctypes.CDLL(None).mallopt
    mallopt(M_TRIM_THRESHOLD, 256 << 20)  # bytes that may lie free there
    mallopt(M_MMAP_THRESHOLD, 32 << 20)  # the largest there is: arrays below it come from the heap


class BlasLimit:
    """One thread for BLAS while at least one training goes on. The number belongs to the process: the first training
    sets it, and the last one puts back what was there."""

    def __init__(self) -> None:
        self.trainings, self.lock = 0, threading.Lock()
        self.limit: Any = None

    def enter(self) -> None:
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

        with self.lock:
            if not self.trainings:
                self.limit = threadpool_limits(1, user_api="blas")
            self.trainings += 1

    def leave(self) -> None:
        with self.lock:
            self.trainings -= 1
            if not self.trainings:
                self.limit.restore_original_limits()


blas_limit = BlasLimit()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """At these sizes two threads cost more in waiting for each other than they compute."""
    blas_limit.enter()
    try:
        yield
    finally:
        blas_limit.leave()
