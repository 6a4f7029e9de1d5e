"""In backward: refuse to compute with an array that was changed in place since a Node kept it."""

from __future__ import annotations

from ..core.operation import Node
from ..errors import GradientError


def refuse_changed(node: Node) -> None:
    """The hook `changed`."""
    operation, roles, kept = node.plan.operation, node.plan.roles, node.kept or ()
    changed = []
    for counter, count, role in sorted(node.versions, key=lambda version: version[2] % (len(operation.inputs) + 1)):
        if counter[0] != count:
            name = "output" if role == -1 else f"input '{operation.inputs[role]}'"
            changed.append(f"{name} of shape {kept[roles.index(role)].shape}")
    raise GradientError(
        f"backward: '{operation.name}' needs its {' and '.join(changed)} as it was in the forward pass, "
        "but it was changed in place since (by an optimizer step, or a method that ends in '_'); "
        "call backward before the change, or compute from a .clone()"
    )
