"""Writes a training's files: rows of the tables, evaluations, checkpoints. run.py says which files there are."""

from __future__ import annotations

import time
import warnings

from envs import Episode

from ..core.contract import Learner
from ..core.evaluation import evaluate
from .run import Run, command_line


class Recorder:
    """Writes the files of one training of `agent` into `run`."""

    def __init__(self, agent: Learner, run: Run) -> None:
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
        row = {
            "step": self.agent.steps,
            "episode": self.agent.episodes,
            "return": episode.total_reward,
            "length": episode.length,
            **self.agent.schedules(),
            **figures,
        }
        with self.run.saying_how_to_go_on(self.agent.steps):
            self.run.metrics.write(row)

    def checkpoint(self) -> int:
        """Evaluates, remembers the best weights, saves. Returns when to do so next."""
        self.run.check_is_there(self.agent.steps)
        if self.evaluation_episodes and self.agent.environments.can_be_made_again:
            result = evaluate(self.agent, episodes=self.evaluation_episodes)
            self.run.evaluations.write({"step": self.agent.steps, "mean": result.mean, "std": result.std})
            # The later of two equals: it has seen more.
            if self.run.best is None or result.mean >= self.run.best["mean"]:
                name = self.run.checkpoints.name(self.agent.steps)
                self.run.best = {"step": self.agent.steps, "mean": result.mean, "checkpoint": name}
        seconds = time.perf_counter() - self._started
        speed = round((self.agent.steps - self._first) / seconds, 1)
        self.run.timing.write({"step": self.agent.steps, "seconds": round(seconds, 3), "steps_per_second": speed})
        self.save()
        return self.due

    def save(self) -> None:
        self.run.save(self.agent.steps, self.agent.state_dict())

    def save_after(self, problem: Exception) -> None:
        """Saves where the environment raised `problem` in a step, and adds to its message how to go on. Not the
        uninterrupted run: the action that was drawn for this step is drawn anew."""
        name, steps = self.agent.environments.name, self.agent.steps
        try:
            self.save()
            saved = f"the run is saved there, and `{command_line('resume', self.run.directory)}` goes on"
        except Exception as second:  # such as: an environment that is gone can't say where it was
            saved = (
                f"the run could not be saved there ({type(second).__name__}: {second}); "
                f"`{command_line('resume', self.run.directory)}` goes on from its last checkpoint"
            )
        problem.add_note(f"The environment {name} raised this after step {steps:,}; {saved}.")
