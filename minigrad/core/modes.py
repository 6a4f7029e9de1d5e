"""Modes: whether this thread records what it computes. Every thread has its own, as in PyTorch."""

import threading
from typing import Any


class Modes:
    """What one thread has switched. `before`: what the block that has switched it will put back.

    recording: whether calls leave Nodes; False inside no_grad.
    rules_see_tensors: whether a backward with create_graph is running.
    observer: who is told of every call and every rule (see hooks.py).
    """

    __slots__ = ("before", "observer", "recording", "rules_see_tensors")

    def __init__(self, before: Any, recording: bool, rules_see_tensors: bool, observer: Any) -> None:
        self.before, self.recording = before, recording
        self.rules_see_tensors, self.observer = rules_see_tensors, observer


class Thread(threading.local):
    """The modes of one thread."""

    def __init__(self) -> None:
        self.modes = Modes(None, True, False, None)


here = Thread()
paused: set[Modes] = set()  # of threads that do not record: while it is empty, nobody need ask which thread this is
observed: set[Modes] = set()  # of threads that have an observer


def publish(modes: Modes) -> None:
    """Put the modes into the sets where they belong."""
    (paused.discard if modes.recording else paused.add)(modes)
    (observed.discard if modes.observer is None else observed.add)(modes)


class Block:
    """Switch modes of this thread for a block of code: `with Block(recording=False): ...`."""

    def __init__(self, **changes: Any) -> None:
        self._changes, self._entered = changes, []  # type: ignore[var-annotated]

    def __enter__(self) -> None:
        before = here.modes
        modes = Modes(before, before.recording, before.rules_see_tensors, before.observer)
        for name, value in self._changes.items():
            setattr(modes, name, value)
        self._entered.append(modes)  # before it is published, so that it is taken back whatever interrupts
        publish(modes)
        here.modes = modes

    def __exit__(self, *error: object) -> None:
        found = here.modes
        while found is not None and found not in self._entered:
            found = found.before  # from a block inside this one, which was not left in order
        here.modes = found.before if found else here.modes
        left = found or self._entered[-1]  # which another thread may be in
        left.recording, left.observer = True, None
        publish(left)
        self._entered.remove(left)

    def __del__(self) -> None:
        while getattr(self, "_entered", ()):  # a KeyboardInterrupt has come before or amid the lines above
            self.__exit__()
