"""no_grad as it is mostly used: entered once, left in order, in one thread. Agents enter it for every action."""

from __future__ import annotations

from itertools import count
from typing import Any

from ..core.modes import Block, get_ident, paused, threads

serial = count()  # tells marks apart, as the core's object() does
RECORDED, DID_NOT = (True, ..., ...), (False, ..., ...)  # the modes to put back


def enter(self: Block) -> None:
    """What Block.__enter__ does, for a block that switches recording alone."""
    entered, thread = self._entered, threads.get(get_ident())
    recording, recorded_rules, observer = self._modes
    if entered or thread is None or recorded_rules is not ... or observer is not ...:
        return enter_any(self)
    number, around = thread
    mark = thread, next(serial), DID_NOT if number in paused else RECORDED, around
    entered.append(mark)  # first, so that it is taken back whatever interrupts
    thread[1] = mark
    if recording:
        paused.discard(number)
    else:
        paused.add(number)


def leave(self: Block, kind: Any = None, error: Any = None, traceback: Any = None) -> None:
    """What Block.__exit__ does, for a block that was entered once, and is the innermost of its thread."""
    entered = self._entered
    if len(entered) != 1:
        return leave_any(self)
    thread, _, before, around = mark = entered[0]
    number, innermost = thread
    if innermost is not mark:
        return leave_any(self)
    if before is RECORDED:
        paused.discard(number)
    elif before is DID_NOT:
        paused.add(number)
    else:  # enter_any has made the mark
        return leave_any(self)
    thread[1] = around
    entered.remove(mark)  # another thread may have entered the same object by now


def end(self: Block) -> None:
    """What Block.__del__ does. Mostly there is nothing to take back."""
    try:
        entered = self._entered
    except AttributeError:  # interrupted before it was made
        return
    if entered:
        end_any(self)


enter_any, leave_any, end_any = Block.__enter__, Block.__exit__, Block.__del__


def quicken_blocks() -> None:
    """Exchange what a Block does."""
    Block.__enter__, Block.__exit__, Block.__del__ = enter, leave, end  # type: ignore[assignment,method-assign]
