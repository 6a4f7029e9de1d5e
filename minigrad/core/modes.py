"""Modes: whether this thread records what it computes. Every thread has its own, as in PyTorch."""

from _thread import _local, get_ident  # `threading` has them, too, and takes long to import
from typing import Any

# Threads, by their number. While such a set is empty, nobody need ask which thread this is.
paused: set[int] = set()  # those that do not record, inside no_grad
rules_see_tensors: set[int] = set()  # those in which a backward with create_graph is running
observers: dict[int, Any] = {}  # who is told of every call and every rule of a thread (see hooks.py)
threads: dict[int, Any] = {}  # [number, innermost Block's mark: (thread, an object, modes to put back, mark around)]
this_thread = _local()


class ThreadEnd:
    """Forgets what a thread has switched, when the thread ends: another one may get its number."""

    def __init__(self, thread: list) -> None:
        self.thread, self.held = thread, (paused, rules_see_tensors, observers, threads)

    def __del__(self) -> None:
        number, self.thread[1] = self.thread[0], None  # a Block that outlives the thread has nothing to put back
        for held in self.held:
            held.discard(number) if isinstance(held, set) else held.pop(number, None)


def switch(number: int, recording: Any = ..., recorded_rules: Any = ..., observer: Any = ...) -> Any:
    """Switch modes of a thread until further notice. What is left out stays as it is. Returns threads[number]."""
    if number not in threads:
        threads[number], this_thread.end = (thread := [number, None]), ThreadEnd(thread)
    if recording is not ...:
        (paused.discard if recording else paused.add)(number)
    if recorded_rules is not ...:
        (rules_see_tensors.add if recorded_rules else rules_see_tensors.discard)(number)
    if observer is not ...:
        observers.pop(number, None) if observer is None else observers.update({number: observer})
    return threads[number]


class Block:
    """Switch modes of this thread for a block of code: `with Block(recording=False): ...`."""

    __slots__ = ("_entered", "_modes")

    def __init__(self, recording: Any = ..., recorded_rules: Any = ..., observer: Any = ...) -> None:
        self._entered, self._modes = [], (recording, recorded_rules, observer)  # type: ignore[var-annotated]

    def __enter__(self) -> None:
        number, around = thread = switch(get_ident())
        held = number not in paused, number in rules_see_tensors, observers.get(number)
        before = [old if new is not ... else ... for old, new in zip(held, self._modes, strict=True)]
        self._entered.append(mark := (thread, object(), before, around))  # first: taken back whatever interrupts
        thread[1] = mark
        switch(number, *self._modes)

    def __exit__(self, *error: object) -> None:
        own_mark = ([mark for mark in self._entered if mark[0] is threads.get(get_ident())] or self._entered)[-1]
        marks_to_undo, mark = [], own_mark[0][1]
        while mark is not None and own_mark not in marks_to_undo:
            marks_to_undo.append(mark)  # first those of the Blocks inside this one, which have not ended in order
            mark = mark[3]
        for thread, _, before, around in marks_to_undo if own_mark in marks_to_undo else ():
            switch(thread[0], *before)
            thread[1] = around
        self._entered.remove(own_mark)

    def __del__(self) -> None:
        while getattr(self, "_entered", ()):  # a KeyboardInterrupt has come before or amid the lines above
            self.__exit__()


def tell(what: str, *arguments: Any) -> None:
    """Tell the observer of this thread, if there is one. It is switched off while it computes something itself."""
    if (observer := observers.get(get_ident())) is not None:
        with Block(recorded_rules=False, observer=None):
            getattr(observer, what)(*arguments)
