"""Signals that end a training are noted first, so that it can stop between two steps and save."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# Ctrl-C, the polite kill, and the terminal that is closed (which Windows doesn't have).
SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
HANG_UP: int = getattr(signal, "SIGHUP", 0)
OUR_HANDLERS = (signal.SIG_DFL, signal.default_int_handler, signal.SIG_IGN)


class Interruption:
    """What came: called, it says whether training should stop."""

    def __init__(self) -> None:
        self.signal: int | None = None

    def __call__(self) -> bool:
        return self.signal is not None

    @property
    def exit_code(self) -> int:
        """What a shell expects of a command that a signal ended: 130 of Ctrl-C."""
        return 128 + self.signal if self.signal is not None else 0

    def note(self, number: int, frame: Any) -> None:
        if self.signal is not None:  # a second one ends at once
            raise KeyboardInterrupt
        self.signal = number

    def deliver(self) -> None:
        """Does what the signal would have done at first: others than Ctrl-C end the process."""
        if self.signal is None:
            return
        if self.signal != signal.SIGINT:
            signal.raise_signal(self.signal)
        raise KeyboardInterrupt


@contextmanager
def interruption() -> Iterator[Interruption]:
    """Inside, the first Ctrl-C, SIGTERM or SIGHUP is only noted. A signal that somebody else handles stays theirs, and
    so does every signal where this is not the main thread, which alone hears them. What is ignored is noted, too: a
    script's shell lets its background jobs ignore Ctrl-C, and their `kill -INT` is meant. A hang-up that is ignored
    (nohup) stays ignored."""
    noted = Interruption()
    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        before = {number: handler for number in SIGNALS if (handler := signal.getsignal(number)) in OUR_HANDLERS}
        if before.get(HANG_UP) is signal.SIG_IGN:
            del before[HANG_UP]
        for number in before:
            signal.signal(number, noted.note)
    try:
        yield noted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
