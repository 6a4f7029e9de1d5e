"""Rows on a list of tensors, such as `cat`: one rule serves every tensor of the list."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

from ..core.call import bind
from ..core.operation import Operation, Plan


class ListOperation(Operation):
    """An operation whose input is a list of tensors, all promoted to one dtype.

    forward: a function of a list of arrays and then parameters.
    choose_kept: from the arrays' shapes and the parameters, the tuple that the rule needs.
    rule: rule(g, i, *kept) is the cotangent of the i-th tensor.
    """

    def __init__(self, name: str, forward: Callable, choose_kept: Callable, rule: Callable, cases: Any) -> None:
        super().__init__(name, forward, {}, cases=cases)
        self.choose_kept, self.rule, self.differentiable = choose_kept, rule, True
        self.promoted = range(sys.maxsize)  # type: ignore[assignment]  # all of them

    def split(self, arguments: Sequence) -> tuple[list, Sequence]:
        """The list of tensors, and the parameters."""
        return list(arguments[0]), arguments[1:]

    def compute(self, values: Sequence, parameters: Sequence) -> Any:
        """The output array."""
        return self.forward(values, *parameters)

    def plan(self, needed: int) -> Plan:
        """The rules for one call. They are not kept for the next, whose list may have another length."""
        return ListPlan(self, needed)


class ListPlan(Plan):
    """The plan of one call of a ListOperation."""

    roles = ()

    def __init__(self, operation: ListOperation, needed: int) -> None:
        self.operation: ListOperation = operation
        self.shared = None
        positions = [i for i in range(needed.bit_length()) if needed >> i & 1]
        self.rules = [(i, lambda g, kept, i=i: operation.rule(g, i, *kept)) for i in positions]  # type: ignore[misc]

    def keep(self, y: Any, *values: Any) -> tuple:
        """What the rule needs. `values`: the arrays and then the parameters."""
        n = len(values) - len(self.operation.parameters)
        return self.operation.choose_kept([a.shape for a in values[:n]], *values[n:])


def op_of_list(
    forward: Callable, *, keep: Callable, vjp: Callable, name: str | None = None, cases: Any = ()
) -> Callable[..., Any]:
    """Add an operation on a list of tensors to the table. Returns the function that computes and records it.

    forward, keep (choose_kept), vjp (rule): see `ListOperation`. In `cases` the first argument is a list of recipes.
    """
    return bind(ListOperation(name or forward.__name__.strip("_"), forward, keep, vjp, cases))
