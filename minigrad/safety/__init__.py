"""Safety: what refuses, and explains. A check may only refuse.

    inputs.py     before a call: views that are out of date, two devices, bools that are subtracted
    explain.py    after a call: NumPy's complaints, in terms of tensors
    versions.py   in backward: arrays that were changed in place since they were kept
    anomaly.py    where the first NaN or infinity came from
    gradcheck.py  whether a gradient is right: finite differences

What is needed only once something is wrong is imported then.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..core.operation import Node, Operation


def install_checks() -> None:
    """Plug the checks into the core."""
    from ..core import hooks
    from .inputs import check_inputs

    hooks.before_call, hooks.explain, hooks.changed = check_inputs, explain_complaint, refuse_change


def explain_complaint(operation: Operation, values: Sequence, error: Exception) -> None:
    """The hook `explain`."""
    from .explain import explain_error

    explain_error(operation, values, error)


def refuse_change(node: Node) -> None:
    """The hook `changed`."""
    from .versions import refuse_changed

    refuse_changed(node)
