"""Anomaly mode: the first NaN or infinity is reported with the line of the forward pass that made it."""

from __future__ import annotations

import os.path
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import GradientError

if TYPE_CHECKING:
    from .recording import Node, Operation

_SAFE_IDIOMS = {
    "log": "keep its input above zero, e.g. x.clamp(min=1e-8).log(), or use log_softmax / log1p / logsigmoid",
    "sqrt": "its slope at 0 is infinite: use (x + 1e-12).sqrt()",
    "norm": "its slope at 0 is undefined: use (x.square().sum() + 1e-12).sqrt()",
    "divide": "keep the divisor away from zero, e.g. x / y.clamp(min=1e-8)",
    "exp": "bound its input, e.g. x.clamp(max=20).exp(), or use logsumexp / softmax",
    "pow": "the power's slope at 0 may be infinite; bound the base with clamp",
    "where": "a NaN or infinity in the branch not chosen still meets the gradient as 0 * inf: make that branch finite "
    "first, where(mask, f(where(mask, x, 1)), 0)",
}


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
    """The user's line: the last frame outside this package."""
    package = os.path.dirname(__file__)
    outside = [f for f in trace or () if not f.filename.startswith(package)]
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
        raise GradientError(_report(node.operation, what, node.trace))


def _report(operation: Operation, what: str, trace: Any) -> str:
    idiom = _SAFE_IDIOMS.get(operation.name, "look at the values that go into it")
    return f"anomaly: '{operation.name}' at {_where(trace)}: {what}; {idiom}"
