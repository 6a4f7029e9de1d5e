"""Modes: whether this thread records what it computes. Every thread has its own, as in PyTorch."""

from _thread import _local, get_ident  # `threading` has them, too, and takes long to import
from typing import Any

# Threads, by their number. While such a set is empty, nobody need ask which thread this is.
paused: set[int] = set()  # those that do not record, inside no_grad
rules_see_tensors: set[int] = set()  # those in which a backward with create_graph is running
observers: dict[int, Any] = {}  # who is told of every call and every rule of a thread (see hooks.py)
marks: dict[int, Any] = {}  # of the innermost Block: (thread, what tells it apart, modes to put back, the mark around)
this_thread = _local()


class ThreadEnd:
    """Forgets what a thread has switched, when the thread ends: another one may get its number."""

    def __init__(self, thread: int) -> None:
        self.thread, self.held = thread, (paused, rules_see_tensors, observers, marks)

    def __del__(self) -> None:
        for held in self.held:
            held.discard(self.thread) if isinstance(held, set) else held.pop(self.thread, None)


def switch(thread: int, recording: Any = ..., recorded_rules: Any = ..., observer: Any = ...) -> None:
    """Switch modes of a thread, until further notice. What is left out stays as it is."""
    if thread not in marks:
        marks[thread], this_thread.end = None, ThreadEnd(thread)
    if recording is not ...:
        (paused.discard if recording else paused.add)(thread)
    if recorded_rules is not ...:
        (rules_see_tensors.add if recorded_rules else rules_see_tensors.discard)(thread)
    if observer is not ...:
        observers.pop(thread, None) if observer is None else observers.update({thread: observer})


class Block:
    """Switch modes of this thread for a block of code: `with Block(recording=False): ...`."""

    __slots__ = ("_entered", "_modes")

    def __init__(self, recording: Any = ..., recorded_rules: Any = ..., observer: Any = ...) -> None:
        self._entered, self._modes = [], (recording, recorded_rules, observer)  # type: ignore[var-annotated]

    def __enter__(self) -> None:
        thread = get_ident()
        switch(thread)  # so that there is a mark
        held = thread not in paused, thread in rules_see_tensors, observers.get(thread)
        before = [old if new is not ... else ... for old, new in zip(held, self._modes, strict=True)]
        self._entered.append((thread, object(), before, marks[thread]))  # first: it is taken back whatever interrupts
        marks[thread] = self._entered[-1]
        switch(thread, *self._modes)

    def __exit__(self, *error: object) -> None:
        own_mark = ([mark for mark in self._entered if mark[0] == get_ident()] or self._entered)[-1]
        marks_to_undo, mark = [], marks.get(own_mark[0])
        while mark is not None and own_mark not in marks_to_undo:
            marks_to_undo.append(mark)  # first those of the Blocks inside this one, which have not ended in order
            mark = mark[3]
        for thread, _, before, around in marks_to_undo if own_mark in marks_to_undo else ():
            switch(thread, *before)
            marks[thread] = around
        self._entered.remove(own_mark)

    def __del__(self) -> None:
        while getattr(self, "_entered", ()):  # a KeyboardInterrupt has come before or amid the lines above
            self.__exit__()


def tell(what: str, *arguments: Any) -> None:
    """Tell the observer of this thread, if there is one. It is switched off while it computes something itself."""
    observer = observers.get(get_ident())
    if observer is not None:
        with Block(recorded_rules=False, observer=None):
            getattr(observer, what)(*arguments)
