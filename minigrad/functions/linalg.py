"""Matrix products."""

from __future__ import annotations

from ..ops import linalg
from ..tensor import Tensor


def matmul(input: Tensor, other: Tensor) -> Tensor:
    """The matrix product, of vectors, matrices and stacks of matrices."""
    for name, x in (("first", input), ("second", other)):
        if not hasattr(x, "ndim"):
            raise TypeError(
                f"matmul: the {name} operand is a {type(x).__name__}; a matrix product needs two tensors: "
                "use * for a number"
            )
    return linalg.matmul(input, other)
