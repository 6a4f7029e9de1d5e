"""Callbacks that are there already: to stop a training, to save on the way, to do something now and then."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from envs import UsageError
from envs.errors import real_number, whole_number

from .callbacks import Callback, Figures


@dataclass(eq=False)
class StopAtReturn(Callback):
    """Stops when the mean return of the last `episodes` training episodes is at least `value`. They are played with
    exploration: an evaluation's return is usually higher."""

    value: float
    episodes: int = 100
    _returns: deque[float] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.value = real_number("value", self.value)
        self.episodes = whole_number("episodes", self.episodes, least=1)
        self._returns = deque(maxlen=self.episodes)

    def on_episode(self, agent: Any, figures: Figures) -> None:
        self._returns.append(figures["return"])
        mean = sum(self._returns) / len(self._returns)
        if len(self._returns) == self.episodes and mean >= self.value:
            agent.stop(f"the mean return of {self.episodes} episodes is {mean:g}, at least {self.value:g}")

    def state_dict(self) -> dict[str, Any]:
        return {"returns": list(self._returns)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._returns = deque(state["returns"], self.episodes)


@dataclass(eq=False)
class StopWithoutImprovement(Callback):
    """Stops when `evaluations` evaluations in a row were not better than the best one before. Needs a run."""

    evaluations: int = 5
    _best: float = field(init=False, repr=False, default=float("-inf"))
    _without: int = field(init=False, repr=False, default=0)

    def __post_init__(self) -> None:
        self.evaluations = whole_number("evaluations", self.evaluations, least=1)

    def on_start(self, agent: Any, figures: Figures) -> None:
        if not figures["evaluates"]:
            raise UsageError(
                "StopWithoutImprovement needs evaluations, and this training has none; give it a run, with "
                "evaluation_episodes above 0 and an environment that can be made again"
            )

    def on_evaluation(self, agent: Any, figures: Figures) -> None:
        if figures["mean"] > self._best:
            self._best, self._without = figures["mean"], 0
            return
        self._without += 1
        if self._without >= self.evaluations:
            agent.stop(f"{self._without} evaluations in a row were not better than {self._best:g}")

    def state_dict(self) -> dict[str, Any]:
        return {"best": self._best, "without": self._without}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._best, self._without = state["best"], state["without"]


class Periodic(Callback):
    """Does its work whenever `steps` more steps are done, counted from zero: a resumed run does so at the same ones."""

    steps: int
    _due: int

    def on_start(self, agent: Any, figures: Figures) -> None:
        self._due = (agent.steps // self.steps + 1) * self.steps

    def on_step(self, agent: Any, figures: Figures) -> None:
        if agent.steps >= self._due:
            self._due = (agent.steps // self.steps + 1) * self.steps
            self.work(agent, figures)

    def work(self, agent: Any, figures: Figures) -> None:
        raise NotImplementedError


@dataclass(eq=False)
class SaveEvery(Periodic):
    """Saves the agent every `steps` steps and keeps all of them: `directory/step-1000`, which `load` takes. Left out,
    the directory is `saved` in the run."""

    steps: int
    directory: str | None = None

    def __post_init__(self) -> None:
        self.steps = whole_number("steps", self.steps, least=1)
        self.directory = None if self.directory is None else str(self.directory)

    def on_start(self, agent: Any, figures: Figures) -> None:
        super().on_start(agent, figures)
        if self.directory is None and figures["run"] is None:
            raise UsageError("SaveEvery has no place to save; give it a directory, or give the training a run")
        self._where = Path(self.directory) if self.directory is not None else figures["run"] / "saved"

    def work(self, agent: Any, figures: Figures) -> None:
        agent.save(self._where / f"step-{agent.steps}")


class Every(Periodic):
    """Calls `function(agent, figures)` every `steps` steps, with the figures of `on_step`."""

    def __init__(self, steps: int, function: Callable[[Any, Figures], Any]) -> None:
        self.steps, self.function = whole_number("steps", steps, least=1), function

    def work(self, agent: Any, figures: Figures) -> None:
        self.function(agent, figures)


# Those that a run's file can name. A function of the user's is no setting that a file can hold.
BUILT_IN: dict[str, Any] = {kind.__name__: kind for kind in (StopAtReturn, StopWithoutImprovement, SaveEvery)}
