"""Anomaly mode: an observer that reports the first NaN or infinity, with the line of the forward pass that made it."""

from __future__ import annotations

import os.path
from collections.abc import Iterable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from ..core.hooks import Observer
from ..core.modes import Block, get_ident, observers, switch
from ..core.operation import Node, Operation
from ..errors import GradientError

_SAFE_IDIOMS = {
    "log": "keep its input above zero, e.g. x.clamp(min=1e-8).log(), or use log_softmax / log1p / logsigmoid",
    "sqrt": "its slope at 0 is infinite: use (x + 1e-12).sqrt()",
    "norm": "its slope at 0 is undefined: use (x.square().sum() + 1e-12).sqrt()",
    "divide": "keep the divisor away from zero, e.g. x / y.clamp(min=1e-8)",
    "exp": "bound its input, e.g. x.clamp(max=20).exp(), or use logsumexp / softmax",
    "pow": "the power's slope at 0 may be infinite; bound the base with clamp",
}
_UNCHOSEN_BRANCH = (
    "a cotangent of 0 met an infinite slope, as in a branch that `where` did not choose: make that branch finite "
    "first, where(mask, f(where(mask, x, 1)), 0)"
)
_PACKAGE = os.path.dirname(os.path.dirname(__file__))
_stacks: WeakKeyDictionary[Node, Any] = WeakKeyDictionary()  # where in the program each node was recorded


class AnomalyObserver(Observer):
    """Remembers where every node was recorded. Raises GradientError at the first NaN or infinity."""

    def __init__(self, check_nan: bool = True) -> None:
        self.check_nan = check_nan

    def called(self, operation: Operation, inputs: Sequence, parameters: Sequence, out: Any) -> None:
        """Check a call's result."""
        import traceback  # only anomaly mode needs it, and it takes long to import

        stack = traceback.extract_stack()[:-1]
        if out._node is not None:
            _stacks[out._node] = stack
        if self.check_nan and not is_finite([out]) and is_finite([*inputs, *parameters]):
            what = "its output has a NaN or infinity although its inputs are finite"
            raise GradientError(report(operation, what, stack))

    def ran(self, node: Node, input: int | None, g: Any, dx: Any) -> None:
        """Check a rule's result."""
        if self.check_nan and not is_finite([dx]) and is_finite([g]):
            what = "its derivative gave a NaN or infinity from a finite cotangent"
            raise GradientError(report(node.plan.operation, what, _stacks.get(node), is_zero_times_infinity(g, dx)))


class detect_anomaly(Block):
    """Name the line of the forward pass that made the first NaN or infinity, forwards or backwards.

    `with minigrad.autograd.detect_anomaly(): ...`. Slow, because every call remembers its stack: for debugging only.
    check_nan: False remembers the lines, and checks nothing.
    """

    def __init__(self, check_nan: bool = True) -> None:
        super().__init__(observer=AnomalyObserver(check_nan))


class set_detect_anomaly(Block):
    """Switch anomaly detection of this thread on or off, at once. As a context manager for the block."""

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        observer = AnomalyObserver(check_nan) if mode else None
        super().__init__(observer=observer)
        self._before = observers.get(get_ident())
        switch(get_ident(), observer=observer)

    def __enter__(self) -> None:
        switch(get_ident(), observer=self._before)  # what the block will put back
        super().__enter__()


def is_anomaly_enabled() -> bool:
    """Whether anomaly detection is on, in this thread."""
    return isinstance(observers.get(get_ident()), AnomalyObserver)


def is_finite(values: Iterable[Any]) -> bool:
    """Whether no number among these tensors, arrays and numbers is a NaN or infinite."""
    for x in values:
        x = getattr(x, "array", x)
        if isinstance(x, float) and not np.isfinite(x):
            return False
        if getattr(x, "dtype", None) is not None and x.dtype.kind == "f" and not np.isfinite(x).all():
            return False
    return True


def is_zero_times_infinity(g: Any, dx: Any) -> bool:
    """Whether a NaN came where the cotangent is 0."""
    g, dx = getattr(g, "array", g), getattr(dx, "array", dx)
    return np.shape(g) == np.shape(dx) and bool(((g == 0) & np.isnan(dx)).any())


def report(operation: Operation, what: str, stack: Any, unchosen: bool = False) -> str:
    """The message."""
    idiom = _SAFE_IDIOMS.get(operation.name, "look at the values that go into it")
    if unchosen:
        idiom += "; " + _UNCHOSEN_BRANCH
    return f"anomaly: '{operation.name}' at {find_users_line(stack)}: {what}; {idiom}"


def find_users_line(stack: Any) -> str:
    """The last line outside this package and outside the code that it has made of text."""
    outside = [f for f in stack or () if not f.filename.startswith((_PACKAGE, "<operation ", "<string>"))]
    if not outside:
        return "an unknown line (it was recorded outside detect_anomaly)"
    frame = outside[-1]
    return f'{frame.filename}:{frame.lineno}: "{frame.line}"'
