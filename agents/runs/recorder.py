"""Writes a training's files: rows of the tables, evaluations, checkpoints. run.py says which files there are."""

from __future__ import annotations

import time
import warnings
from typing import Any

from envs.errors import UsageError

from ..core.callbacks import Callbacks
from ..core.contract import Learner
from ..core.evaluation import Evaluation, evaluate
from .kept_callbacks import describe_with_states
from .run import Run, way_to_go_on


class Recorder:
    """Writes the files of one training of `agent` into `run`."""

    def __init__(self, agent: Learner, run: Run, listeners: Callbacks) -> None:
        self.agent, self.run, self.listeners = agent, run, listeners
        self.saved_at: int | None = None
        config = run.config
        self.every = config.get("checkpoint_every") or max(1, agent.total_steps // 10)
        self.evaluation_episodes = config.get("evaluation_episodes", 10)
        self.evaluates = bool(self.evaluation_episodes) and agent.environments.can_be_made_again
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

    def write_episode(self, row: dict[str, Any]) -> None:
        """A row of metrics.csv."""
        with self.run.saying_how_to_go_on(self.agent.steps):
            self.run.metrics.write(row)

    def checkpoint(self) -> int:
        """Evaluates, remembers the best weights, saves. Returns when to do so next."""
        self.run.check_is_there(self.agent.steps)
        if self.evaluates:
            result = self.evaluate()
            row = {"step": self.agent.steps, "mean": result.mean, "std": result.std}
            self.run.evaluations.write(row)
            # The later of two equals: it has seen more.
            if self.run.best is None or result.mean >= self.run.best["mean"]:
                name = self.run.checkpoints.name(self.agent.steps)
                self.run.best = {"step": self.agent.steps, "mean": result.mean, "checkpoint": name}
            self.listeners.call(self.listeners.on_evaluation, **row)
        if self.run.keeps_time:
            seconds = time.perf_counter() - self._started
            speed = round((self.agent.steps - self._first) / seconds, 1)
            self.run.timing.write({"step": self.agent.steps, "seconds": round(seconds, 3), "steps_per_second": speed})
        self.save()
        return self.due

    def evaluate(self) -> Evaluation:
        try:
            return evaluate(self.agent, episodes=self.evaluation_episodes)
        except UsageError:
            raise
        except Exception as problem:
            self.save_after(problem, " in an evaluation")
            raise

    def save(self) -> None:
        self.run.save(self.agent.steps, self.agent.state_dict(), describe_with_states(self.listeners.all))
        self.saved_at = self.agent.steps

    def close(self, finished: bool) -> None:
        """The last checkpoint. The end of the training has one already; one that a callback stopped is evaluated."""
        if self.saved_at != self.agent.steps:
            if finished:
                self.checkpoint()
            else:
                self.save()

    def save_after(self, problem: Exception, where: str = "") -> None:
        """Saves where the environment raised `problem`, in a step or `where` else, and adds to its message how to go
        on. Not the uninterrupted run: the action that was drawn for this step is drawn anew."""
        name, steps = self.agent.environments.name, self.agent.steps
        way = way_to_go_on(self.run.config, self.run.directory, isinstance(self.agent.env, str))
        try:
            self.save()
            saved = f"the run is saved there, and `{way}` goes on"
        except Exception as second:  # such as: an environment that is gone can't say where it was
            saved = (
                f"the run could not be saved there ({type(second).__name__}: {second}); "
                f"`{way}` goes on from its last checkpoint"
            )
        problem.add_note(f"The environment {name} raised this{where} after step {steps:,}; {saved}.")
