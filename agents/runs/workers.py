"""Processes that work beside this one: started together, heard, and gone with it, however it ends.

Each is a new Python (multiprocessing's "spawn"), because a copy of this one (its "fork") may hang where the original
has threads. Ctrl-C reaches every process of a terminal; here only the first one heeds it, and stops the others.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.resource_tracker import ensure_running
from types import ModuleType
from typing import Any, NamedTuple

from envs import UsageError

SPAWN = get_context("spawn")
Work = Callable[[Callable[[Any], None]], None]
PATIENCE = 5.0  # seconds for a process that was told to stop
LONGEST_START = 120.0  # seconds in which no worker is heard while they start
LONGEST_SILENCE = 30.0  # seconds in which no worker is heard after the end
ONE_AT_A_TIME = threading.Lock()


class Ready(NamedTuple):
    """A worker could begin; sent back to it, it may."""


class Done(NamedTuple):
    """A worker came to its end."""


class Failed(NamedTuple):
    """A worker raised an exception."""

    is_usage_error: bool
    message: str
    traceback: str


class WorkerTraceback(Exception):
    """Where in a worker an exception came from: the cause of the one that is raised here."""

    def __str__(self) -> str:
        return f"\n\n{self.args[0]}"


class Workers:
    """`workers` processes, number 1, 2, ..., as long as this context lasts.

    prepare(number)     makes, in the worker, the function that does the work; that takes `send`, for messages to here.
                        It has to be one that pickle can name or copy
    imports_main        whether the workers need the script that was started, and so have to import it, too
    stop                called here when the context ends, for whatever reason: tells the workers to come to an end

    Raises `ChildProcessError` (from `__enter__`, `received` and `finish`) if one of them fails or dies, or if
    they don't start. One that is ended by SIGTERM, or is silent when the others are done, is gone with a warning.
    """

    def __init__(
        self,
        name: str,
        workers: int,
        prepare: Callable[[int], Work],
        imports_main: bool,
        stop: Callable[[], None],
    ) -> None:
        self.name, self._prepare, self._stop, self._imports_main = name, prepare, stop, imports_main
        self._numbers = range(1, workers + 1)
        self._processes: dict[int, Any] = {}
        self._connections: dict[Connection, int] = {}  # to those at work, with their numbers

    def __enter__(self) -> Workers:
        processes, cores = len(self._numbers) + 1, count_cores()
        if processes > cores:
            warnings.warn(
                f"{self.name}: {processes} workers share {cores} cores and wait for each other; give at most "
                f"{cores} workers",
                stacklevel=3,
            )
        try:
            with signals_withheld(), main_script(hidden=not self._imports_main):
                for number in self._numbers:
                    here, there = SPAWN.Pipe()
                    self._connections[here] = number
                    process = SPAWN.Process(target=run, args=(self._prepare, number, there))
                    process.start()
                    there.close()  # or the end of the process would not be the end of the pipe
                    self._processes[number] = process
            waiting = len(self._numbers)
            while waiting:
                if not wait(list(self._connections), LONGEST_START):
                    raise ChildProcessError(
                        f"{self.name}: {waiting} of {len(self._numbers)} workers have not started: nothing was heard "
                        f"for {LONGEST_START:g} s; take fewer"
                    )
                waiting -= len(list(self._messages()))
            for connection in self._connections:  # all at once
                with suppress(ConnectionError):  # one that is gone already is found out by listening
                    connection.send(Ready())
        except BaseException:
            self.close()
            raise
        return self

    def received(self) -> list[Any]:
        """What the workers have sent since the last call."""
        return list(self._messages())

    def finish(self) -> list[Any]:
        """Waits until every worker has come to its end; returns their last messages."""
        last: list[Any] = []
        while self._connections:
            if not wait(list(self._connections), LONGEST_SILENCE):
                self._give_up()
            last += self._messages()
        return last

    def _give_up(self) -> None:
        """Ends the workers that don't come to their end: they are stopped (SIGSTOP), or hang."""
        for connection, number in self._connections.items():
            self._processes[number].kill()
            connection.close()
            self._warn(number, f"was silent for {LONGEST_SILENCE:g} s after the end, and was killed")
        self._connections = {}

    def _warn(self, number: int, what: str) -> None:
        warnings.warn(f"{self.name}: worker {number} (process {self._processes[number].pid}) {what}", stacklevel=4)

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """No process is left after this."""
        self._stop()
        for connection in self._connections:
            connection.close()  # whoever waits for it to be read is let go
        self._connections = {}
        for process in self._processes.values():
            process.join(PATIENCE)
            if process.is_alive():
                process.kill()
                process.join()
            process.close()
        self._processes = {}

    def _messages(self) -> Iterator[Any]:
        for connection in wait(list(self._connections), 0.0):
            assert isinstance(connection, Connection)
            number = self._connections[connection]
            try:
                while connection.poll():
                    match connection.recv():
                        case Done():
                            del self._connections[connection]
                            connection.close()
                            break
                        case Failed() as failed:
                            self._raise(number, failed)
                        case message:
                            yield message
            except (EOFError, ConnectionResetError):
                self._processes[number].join(PATIENCE)
                if self._processes[number].exitcode != -signal.SIGTERM:
                    self._raise(number, None)
                # Meant for it alone; or for all processes, and then this one stops in a moment, too, and saves.
                self._warn(number, "was ended by SIGTERM; the others go on")
                del self._connections[connection]
                connection.close()

    def _raise(self, number: int, failed: Failed | None) -> None:
        process = self._processes[number]
        which = f"{self.name}: worker {number} (process {process.pid})"
        if failed is not None:
            if failed.is_usage_error:
                raise UsageError(failed.message) from WorkerTraceback(failed.traceback)
            raise ChildProcessError(f"{which} failed: {failed.message}") from WorkerTraceback(failed.traceback)
        code = process.exitcode
        if code is not None and code < 0:
            raise ChildProcessError(f"{which} was killed by {signal.Signals(-code).name}")
        raise ChildProcessError(
            f"{which} ended with exit code {code}; what it said about it is above. A script that is imported by its "
            f"workers, because the environment is defined in it, must train under `if __name__ == '__main__':`"
        )


def run(prepare: Callable[[int], Work], number: int, connection: Connection) -> None:
    """The whole life of a worker."""

    def send(message: Any) -> None:
        with nobody_there_is_the_end():
            connection.send(message)

    try:
        work = prepare(number)
        send(Ready())
        with nobody_there_is_the_end():
            connection.recv()
        heed_termination()
        work(send)
        send(Done())
    except Exception as problem:
        frames = traceback.extract_tb(problem.__traceback__)
        message = f"{type(problem).__name__}: {problem} (in {frames[-1].filename}, line {frames[-1].lineno})"
        usage = isinstance(problem, UsageError)
        send(Failed(usage, str(problem) if usage else message, traceback.format_exc()))


@contextmanager
def nobody_there_is_the_end() -> Iterator[None]:
    """If the process that started this one is gone, or doesn't listen any more."""
    try:
        yield
    except (EOFError, ConnectionError):
        sys.exit()


def count_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def heed_termination() -> None:
    """SIGTERM ends this process from here on."""
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})


@contextmanager
def signals_withheld() -> Iterator[None]:
    """A process that is started here never hears of Ctrl-C or a closed terminal, and of SIGTERM when it works. This one
    hears of them afterwards."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    ensure_running()  # multiprocessing's own process; to start it on the way would let the signals through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def main_script(hidden: bool) -> Iterator[None]:
    """A process that is started here imports the script that was started, under another name, unless it is hidden: a
    script may train as soon as it is imported, and so start processes, too. It is hidden from all threads, so one
    thread starts processes at a time."""
    with ONE_AT_A_TIME:
        main = sys.modules["__main__"]
        if hidden:
            sys.modules["__main__"] = ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = main
