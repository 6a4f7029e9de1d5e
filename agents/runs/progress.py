"""Progress of a long training: the return, steps per second, the time left, and below them the figures that tell why
the return is what it is."""

from __future__ import annotations

import sys
import time
from collections import deque
from typing import Any

from ..core.process import is_watched

REFRESH_SECONDS = 0.2
LINE_SECONDS = 5.0


class Progress:
    """A bar in a terminal; elsewhere (a file, a pipe) a plain line every few seconds."""

    def __init__(self, label: str, done: int, total: int) -> None:
        self.label, self.total = label, total
        self._started, self._first = time.perf_counter(), done
        self._returns: deque[float] = deque(maxlen=100)
        self._figures: dict[str, float] = {}
        self._bar: Any = None
        self._interval = LINE_SECONDS
        if is_watched():
            from rich.console import Console, Group
            from rich.live import Live
            from rich.progress import BarColumn, TextColumn
            from rich.progress import Progress as Bar
            from rich.text import Text

            self._interval = REFRESH_SECONDS
            columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[text]}"))
            self._bar = Bar(*columns)
            self._task = self._bar.add_task(label, total=total, completed=done, text="")
            both = lambda: Group(self._bar, Text(self.figures(), style="dim"))
            self._live = Live(get_renderable=both, console=Console(stderr=True), auto_refresh=False)
            self._live.start()
        self._next = self._started + self._interval  # the first rate would be the start-up's

    def episode(self, total_reward: float, figures: dict[str, float | None]) -> None:
        """One has ended; `figures` are the agent's metrics, None where there was nothing to measure since the last."""
        self._returns.append(total_reward)
        self._figures |= {name: value for name, value in figures.items() if value is not None}

    def update(self, step: int, force: bool = False) -> None:
        """Shows where training is, if the last time is long enough ago."""
        now = time.perf_counter()
        if now < self._next and not force:
            return
        self._next = now + self._interval
        text = self.text(step, now - self._started)
        if self._bar is not None:
            self._bar.update(self._task, completed=step, text=text)
            self._live.refresh()
        else:
            figures = self.figures()
            print(f"{self.label}: {text}{figures and f' · {figures}'}", file=sys.stderr, flush=True)

    def text(self, step: int, seconds: float) -> str:
        rate = (step - self._first) / max(seconds, 1e-9)
        left = (self.total - step) / rate if rate else float("inf")
        parts = [f"{step:,}/{self.total:,} steps"]
        if self._returns:
            parts.append(f"return {sum(self._returns) / len(self._returns):.1f}")
        if rate:
            parts += [f"{rate:,.0f} steps/s", f"{duration(left)} left"]
        return " · ".join(parts)

    def figures(self) -> str:
        """The latest of each of the agent's metrics."""
        return " · ".join(f"{name} {value:.3g}" for name, value in self._figures.items())

    def close(self) -> None:
        if self._bar is not None:
            self._live.stop()


class Returns(list[float]):
    """Stands where a `Progress` would, shows nothing, and keeps the return of every episode."""

    def episode(self, total_reward: float, figures: dict[str, float | None]) -> None:
        self.append(total_reward)

    def update(self, step: int, force: bool = False) -> None:
        pass


def duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
