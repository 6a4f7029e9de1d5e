"""What an agent calls while it trains: to look, to write down, to stop.

    agent.learn(100_000, callbacks=[StopAtReturn(475), Every(1_000, show)])

A callback is a `Callback` or a function. Each of its methods gets the agent and the figures, a dictionary:

    on_start        the training begins                step, total_steps, run (its directory or None), evaluates
    on_update       the agent has learned              step, and the agent's metrics of this update
    on_episode      an episode has ended               a row of metrics.csv: step, episode, return, length, ...
    on_step         a step is done                     step, transition
    on_evaluation   greedy episodes were played        a row of evaluations.csv: step, mean, std
    on_end          the training ends                  step, finished, reason (why it was stopped, or None)

A function is called as `on_episode`. `step` counts the steps of all environments since the agent was made. In a step
they are called in this order. An agent is saved in `on_step`, when all that the step has changed is counted.
Evaluations are played in a training with a run alone. `on_end` is not called where an exception ends the training.

`agent.stop("the reason")` ends the training when this step is done. What a callback returns is not looked at.

A callback that only looks leaves the training as it would have been, bit for bit. It must then draw no random number
from the agent or from the engine, and change nothing that it is given.

A run keeps its callbacks. A built-in one is stored by its name and its settings, and its `state_dict` is in every
checkpoint: a resumed run goes on with it. One of your own can't be made again from a file; give it again,
`learn(steps, run=the_same, callbacks=[...])`, and its state is restored.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from envs import Transition, UsageError
from envs.errors import real_number, whole_number

from ..runs.config import config_path, read_config
from .contract import Learner
from .names import qualified_name

Figures = dict[str, Any]
HOOKS = ("on_start", "on_update", "on_episode", "on_step", "on_evaluation", "on_end")


class Callback:
    """Define the methods that you need; the others cost nothing. What must survive a crash is in `state_dict`, as
    arrays and plain values."""

    def on_start(self, agent: Any, figures: Figures) -> None: ...

    def on_update(self, agent: Any, figures: Figures) -> None: ...

    def on_episode(self, agent: Any, figures: Figures) -> None: ...

    def on_step(self, agent: Any, figures: Figures) -> None: ...

    def on_evaluation(self, agent: Any, figures: Figures) -> None: ...

    def on_end(self, agent: Any, figures: Figures) -> None: ...

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None: ...


# -- built in


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


class CallFunction(Callback):
    """Calls `function(agent, figures)` at the end of every episode, with the figures of `on_episode`."""

    def __init__(self, function: Callable[[Any, Figures], Any]) -> None:
        self.function = function

    def on_episode(self, agent: Any, figures: Figures) -> None:
        self.function(agent, figures)


# Those that a run's file can name. A function of the user's is no setting that a file can hold.
BUILT_IN: dict[str, Any] = {kind.__name__: kind for kind in (StopAtReturn, StopWithoutImprovement, SaveEvery)}


# -- in a training


class Callbacks:
    """The callbacks of one training, by what they listen to. An empty list of listeners costs the loop one look."""

    def __init__(self, agent: Learner, callbacks: Sequence[Callback]) -> None:
        self.agent, self.all = agent, callbacks
        self.on_start, self.on_update, self.on_episode, self.on_step, self.on_evaluation, self.on_end = (
            [getattr(callback, hook) for callback in callbacks if is_defined(callback, hook)] for hook in HOOKS
        )

    def start(self, run: Path | None, evaluates: bool) -> None:
        total = self.agent.total_steps
        self.call(self.on_start, total_steps=total, run=run, evaluates=evaluates)

    def step(self, transition: Transition) -> None:
        self.call(self.on_step, transition=transition)

    def update(self, metrics: Figures) -> None:
        self.call(self.on_update, **metrics)

    def end(self, finished: bool) -> None:
        self.call(self.on_end, finished=finished, reason=self.agent.stopped)

    def call(self, listeners: list[Callable], **figures: Any) -> None:
        for listener in listeners:
            # One dictionary each: what one writes into it, the next doesn't read.
            listener(self.agent, {"step": self.agent.steps, **figures})

    def state_dict(self) -> list[dict[str, Any]]:
        """What they are and the state of each, for a checkpoint."""
        return [{**describe(callback), "state": callback.state_dict()} for callback in self.all]


def is_defined(callback: Callback, hook: str) -> bool:
    return getattr(getattr(callback, hook), "__func__", None) is not getattr(Callback, hook)


def make_callbacks(given: Any) -> list[Callback]:
    """The callbacks of `learn(callbacks=given)`, a function in a `CallFunction`."""
    if not isinstance(given, list | tuple):
        raise UsageError(f"callbacks must be a list, got {given!r}; give [{type(given).__name__}(...)]")
    made = []
    for callback in given:
        if isinstance(callback, Callback):
            made.append(callback)
        elif isinstance(callback, type) or not callable(callback):
            hint = f"; give {callback.__name__}(...)" if isinstance(callback, type) else ""
            raise UsageError(f"a callback is a Callback or a function of (agent, figures), got {callback!r}{hint}")
        else:
            made.append(CallFunction(callback))
    return made


def list_callbacks(given: Any, run: str | Path | None) -> list[Callback]:
    """The callbacks of `learn(callbacks=given, run=run)`. `None` is none, in a run that is there already, the run's."""
    if given is not None:
        return make_callbacks(given)
    if run is None or not config_path(run).exists():
        return []
    return make_again(read_config(run).get("callbacks", []), run)


# -- on disk


def describe_all(callbacks: Sequence[Callback]) -> list[dict[str, Any]]:
    """What config.json says of them."""
    return [describe(callback) for callback in callbacks]


def describe(callback: Callback) -> dict[str, Any]:
    """A built-in one's name and settings; of the user's own, which class or function it is."""
    kind = type(callback)
    if BUILT_IN.get(kind.__name__) is kind:
        settings = {name: value for name, value in asdict(callback).items() if name[0] != "_"}  # type: ignore[call-overload]
        return {"name": kind.__name__, "settings": settings}
    what = callback.function if isinstance(callback, Every | CallFunction) else kind
    return {"own": qualified_name(what)}


def make_again(described: list[dict[str, Any]], where: Any) -> list[Callback]:
    """The callbacks of the run `where`, new; raises `UsageError` if one of them is the user's own."""
    own = [one["own"] for one in described if "own" in one]
    if own:
        raise UsageError(
            f"{where} was trained with callbacks of your own, which no file can bring back: {', '.join(own)}; give "
            f"them again from Python, learn(steps, run={str(where)!r}, callbacks=[...]), or callbacks=[] to go on "
            f"without"
        )
    made = []
    for one in described:
        if one["name"] not in BUILT_IN:
            raise UsageError(f"{where} names the callback {one['name']!r}, which this version of minigrad doesn't have")
        try:
            made.append(BUILT_IN[one["name"]](**one["settings"]))
        except TypeError as problem:
            raise UsageError(f"{where} is damaged: its callback {one['name']} can't be made again: {problem}") from None
    return made


def restore(callbacks: Sequence[Callback], saved: Sequence[dict[str, Any]]) -> None:
    """Gives every callback the state that the run `saved` of the same one; of two that are the same, in their order."""
    left = list(saved)
    for callback in callbacks:
        what = describe(callback)
        same = next((one for one in left if {k: v for k, v in one.items() if k != "state"} == what), None)
        if same is not None:
            left.remove(same)
            callback.load_state_dict(same["state"])
