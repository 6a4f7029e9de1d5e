"""stdout and stderr as a command finds them: closed, broken, or unable to write a letter."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# Nobody reads any more: `| head` has seen enough, or the terminal was closed.
GONE = (errno.EPIPE, errno.EIO)


class Output:
    """A stream that goes on without its reader: what is written after the reader has gone is thrown away."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        return self._unless_gone(self._stream.write, text) or len(text)

    def flush(self) -> None:
        self._unless_gone(self._stream.flush)

    def _unless_gone(self, function: Any, *arguments: Any) -> Any:
        try:
            return function(*arguments)
        except OSError as problem:
            if problem.errno not in GONE:
                raise OSError(problem.errno, problem.strerror, self._stream.name) from problem
            # Or Python complains when it ends, about what is left in the buffer.
            with open(os.devnull, "wb") as nothing:
                os.dup2(nothing.fileno(), self._stream.fileno())
            return None


@contextmanager
def forgiving_streams() -> Iterator[None]:
    """Inside, a missing stream takes everything, one whose reader has gone goes on, and a letter that it can't write is
    replaced."""
    before = sys.stdout, sys.stderr
    open_standard_descriptors()
    streams = []
    for stream in before:
        if stream is None:  # a daemon's, or pythonw's
            stream = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
        elif stream.errors in ("strict", "surrogateescape") and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
        streams.append(Output(stream))
    sys.stdout, sys.stderr = streams  # type: ignore[assignment]
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
        for stream in streams:  # or Python does it when it ends, and complains of a reader that has gone
            stream.flush()


def open_standard_descriptors() -> None:
    """Where 0, 1 or 2 is closed, the next file that is opened gets its number, and what a library says on stderr goes
    into a table."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free: this one
