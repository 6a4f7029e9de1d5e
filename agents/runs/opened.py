"""A run while `Agent.learn` trains into it: begun or gone on with, with its callbacks, and closed whatever happens."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from envs.errors import UsageError

from ..core.callbacks import Callback
from .interruption import Interruption, interruption
from .kept_callbacks import describe_all, list_callbacks, restore
from .run import Run


@contextmanager
def open_run(
    directory: str | Path, agent: Any, total_steps: int, callbacks: Sequence[Callback | Callable] | None
) -> Iterator[tuple[Run, list[Callback], Interruption]]:
    """The run that `agent` trains into until it has done `total_steps`, the callbacks with their states, and what says
    whether a signal came. Such a signal does its work afterwards, when all is saved. Raises `UsageError` where the run
    is not the agent's."""
    made = list_callbacks(callbacks, directory)
    before, agent.total_steps = agent.total_steps, total_steps
    try:
        run = Run.begin(directory, agent, preset=agent.preset_values(), callbacks=describe_all(made))
    except UsageError:
        agent.total_steps = before
        raise
    try:
        restore(made, run.callbacks)
        with interruption() as interrupted:
            yield run, made, interrupted
    finally:
        run.close()
    interrupted.deliver()
