"""no_grad as it is mostly used: entered once, left in order, in one thread. Agents enter it for every action."""

from __future__ import annotations

from ..core.modes import Block, get_ident, marks, paused


def enter(self: Block) -> None:
    """What Block.__enter__ does, for a block that switches recording alone."""
    thread, modes, entered = get_ident(), self._modes, self._entered
    if entered or thread not in marks or modes[1] is not ... or modes[2] is not ...:
        return enter_any(self)
    mark = thread, object(), (thread not in paused, ..., ...), marks[thread]
    entered.append(mark)  # first, so that it is taken back whatever interrupts
    marks[thread] = mark
    if modes[0]:
        paused.discard(thread)
    else:
        paused.add(thread)


def leave(self: Block, *error: object) -> None:
    """What Block.__exit__ does, for the innermost block of this thread."""
    thread, _, before, around = mark = self._entered[-1]
    if thread != get_ident() or marks[thread] is not mark or before[1] is not ... or before[2] is not ...:
        return leave_any(self)
    if before[0]:
        paused.discard(thread)
    else:
        paused.add(thread)
    marks[thread] = around
    del self._entered[-1]


enter_any, leave_any = Block.__enter__, Block.__exit__


def quicken_blocks() -> None:
    """Exchange what a Block does."""
    Block.__enter__, Block.__exit__ = enter, leave  # type: ignore[method-assign]
