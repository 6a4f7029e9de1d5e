"""After a call: NumPy's complaint about the inputs of an operation, in terms of tensors."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.operation import Operation
from ..errors import GradientError
from .inputs import refuse_two_devices


def explain_error(operation: Operation, values: Sequence, error: Exception) -> None:
    """The hook `explain`. Raises `error` itself where there is nothing to add."""
    refuse_two_devices(operation, values)
    explained = find_explanation(operation, values[: len(operation.inputs)], error)
    if explained is None:
        raise error
    raise explained from None


def find_explanation(operation: Operation, inputs: Sequence, error: Exception) -> Exception | None:
    """An error that says what was given, what was expected and how to mend it."""
    name = operation.name
    if name == "matmul" and not isinstance(error, GradientError):
        return explain_matmul(inputs)
    if not operation.elementwise:
        return None
    if "broadcast" in str(error):
        shapes = " and ".join(str(getattr(x, "shape", ())) for x in inputs)
        return GradientError(
            f"{name}: shapes {shapes} cannot be broadcast together; counted from the last dimension, sizes "
            "must be equal or 1: reshape, unsqueeze or transpose one of them"
        )
    if "negative integer powers" in str(error):
        return GradientError(
            f"{name}: integers cannot be raised to a negative power, because the results would be fractions; "
            "convert the base with .float()"
        )
    if isinstance(error, TypeError):
        kinds = " and ".join(str(getattr(x, "dtype", type(x).__name__)) for x in inputs)
        return GradientError(
            f"{name}: not defined for {kinds}; expected numbers of a dtype that it takes: convert with .float()"
        )
    return None


def explain_matmul(operands: Sequence) -> Exception | None:
    """Why two things cannot be multiplied as matrices."""
    for which, x in zip(("first", "second"), operands, strict=True):
        if not hasattr(x, "ndim"):
            return TypeError(
                f"matmul: the {which} operand is a {type(x).__name__}; a matrix product needs two tensors: "
                "use * for a number"
            )
    a, b = operands
    return GradientError(
        f"matmul: cannot multiply shapes {a.shape} and {b.shape}: the last dimension of the first must be the "
        "last but one of the second (or its only one); transpose or reshape one of them"
    )
