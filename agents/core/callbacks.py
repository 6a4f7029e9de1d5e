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

built_in_callbacks.py has those that are there already; runs/kept_callbacks.py says how a run keeps its callbacks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from envs import Transition, UsageError

from .contract import Learner

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


class CallFunction(Callback):
    """Calls `function(agent, figures)` at the end of every episode, with the figures of `on_episode`."""

    def __init__(self, function: Callable[[Any, Figures], Any]) -> None:
        self.function = function

    def on_episode(self, agent: Any, figures: Figures) -> None:
        self.function(agent, figures)


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
