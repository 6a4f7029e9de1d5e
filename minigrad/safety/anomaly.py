"""Anomaly mode: the first NaN or infinity is reported with the line of the forward pass that made it."""

from __future__ import annotations

import os.path
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import GradientError

if TYPE_CHECKING:
    from ..core.recording import Node, Operation

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


def _finite(arrays: Iterable[Any]) -> bool:
    for x in arrays:
        x = getattr(x, "array", x)
        if isinstance(x, float) and not np.isfinite(x):
            return False
        if getattr(x, "dtype", None) is not None and x.dtype.kind == "f" and not np.isfinite(x).all():
            return False
    return True


def call_stack() -> Any:
    import traceback  # 3 ms, and only anomaly mode needs it

    return traceback.extract_stack()[:-2]


def _where(trace: Any) -> str:
    """The user's line: the last frame outside this package and the functions that it writes (calling.py, Plan)."""
    engine = (os.path.dirname(os.path.dirname(__file__)), "<operation ", "<string>")
    outside = [f for f in trace or () if not f.filename.startswith(engine)]
    if not outside:
        return "an unknown line (it was recorded outside detect_anomaly)"
    frame = outside[-1]
    return f'{frame.filename}:{frame.lineno}: "{frame.line}"'


def check_forward(operation: Operation, arrays: list, y: Any, trace: Any) -> None:
    if not _finite([y]) and _finite(arrays):
        what = "its output has a NaN or infinity although its inputs are finite"
        raise GradientError(_report(operation, what, trace))


def check_backward(node: Node, g: Any, dx: Any) -> None:
    if not _finite([dx]) and _finite([g]):
        what = "its derivative gave a NaN or infinity from a finite cotangent"
        raise GradientError(_report(node.operation, what, node.trace, _zero_times_infinity(g, dx)))


def _zero_times_infinity(g: Any, dx: Any) -> bool:
    """Whether a NaN came where the cotangent is 0."""
    g, dx = getattr(g, "array", g), getattr(dx, "array", dx)
    return np.shape(g) == np.shape(dx) and bool(((g == 0) & np.isnan(dx)).any())


def _report(operation: Operation, what: str, trace: Any, unchosen: bool = False) -> str:
    idiom = _SAFE_IDIOMS.get(operation.name, "look at the values that go into it")
    if unchosen:
        idiom += "; " + _UNCHOSEN_BRANCH
    return f"anomaly: '{operation.name}' at {_where(trace)}: {what}; {idiom}"
