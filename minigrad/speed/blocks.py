"""no_grad as it is mostly used: entered once, left in order, in one thread. Agents enter it for every action."""

from __future__ import annotations

from itertools import count
from typing import Any

from ..core.modes import Block, get_ident, marks, paused

serial = count()  # tells marks apart, as the core's object() does
RECORDED, DID_NOT = (True, ..., ...), (False, ..., ...)  # the modes to put back


def enter(self: Block) -> None:
    """What Block.__enter__ does, for a block that switches recording alone."""
    thread, entered = get_ident(), self._entered
    recording, recorded_rules, observer = self._modes
    if entered or thread not in marks or recorded_rules is not ... or observer is not ...:
        return enter_any(self)
    mark = thread, next(serial), DID_NOT if thread in paused else RECORDED, marks[thread]
    entered.append(mark)  # first, so that it is taken back whatever interrupts
    marks[thread] = mark
    if recording:
        paused.discard(thread)
    else:
        paused.add(thread)


def leave(self: Block, kind: Any = None, error: Any = None, traceback: Any = None) -> None:
    """What Block.__exit__ does, for a block that was entered once, and is the innermost of its thread."""
    entered = self._entered
    if len(entered) != 1:
        return leave_any(self)
    thread, _, before, around = mark = entered[0]
    if marks.get(thread) is not mark or (before is not RECORDED and before is not DID_NOT):
        return leave_any(self)
    if before is RECORDED:
        paused.discard(thread)
    else:
        paused.add(thread)
    marks[thread] = around
    entered.clear()


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
