"""Hooks: safety and speed assign these functions, which are looked up at each use. The defaults do nothing."""

from collections.abc import Sequence
from typing import Any

from .operation import Node, Operation


def before_call(operation: Operation, inputs: Sequence) -> None:
    """Before every call: may refuse the inputs, which are tensors, arrays and numbers."""


def explain(operation: Operation, values: Sequence, error: Exception) -> None:
    """The forward has raised `error`: may raise another that speaks of tensors. `values`: arrays and parameters."""
    raise error


def changed(node: Node) -> None:
    """Backward is about to use an array that was changed in place since `node` kept it: may refuse."""


def declared(operation: Operation) -> None:
    """There is a new row: may exchange the code of its function."""


def walk_usual_graph(tensors: Any, gradient: Any, retain_graph: bool) -> bool:
    """`backward` has been called, to reach all leaves and record nothing: may do it all. True if it has."""
    return False


class Observer:
    """Sees what one thread computes: `with Block(observer=...):`. A subclass overrides what it wants to know."""

    def called(self, operation: Operation, inputs: Sequence, parameters: Sequence, out: Any) -> None:
        """`operation` has computed the Tensor `out`. Its Node is there, if the call was recorded."""

    def ran(self, node: Node, input: int | None, g: Any, dx: Any) -> None:
        """A rule has made dx of the cotangent g, for the input at this position (None: the rule `y`, for them all)."""

    def did(self, what: str, *details: Any) -> None:
        """Something else has happened: a change in place, random numbers drawn, a value read, ... (see events.py)."""
