"""All parameters as one vector, and back."""

from __future__ import annotations

from collections.abc import Iterable

from ...core.tensor import Tensor
from ...device import beside
from ...dialect.inplace import overwrite
from ...ops.joining import cat
from ...ops.shapes import reshape


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All parameters, flattened and joined: (number of elements,). Differentiable."""
    return cat([reshape(p, (-1,)) for p in parameters], 0)


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Copy the pieces of `vec` into the parameters, in place: the inverse of `parameters_to_vector`.

    Raises ValueError unless the vector has as many elements as the parameters together.
    """
    if not isinstance(vec, Tensor):
        raise TypeError(f"vector_to_parameters: expected a Tensor, got {type(vec).__name__}; wrap it with as_tensor")
    parameters = list(parameters)
    total = sum(p.numel() for p in parameters)
    if vec.shape != (total,):
        raise ValueError(
            f"vector_to_parameters: the vector has shape {vec.shape}, the parameters have {total} elements together; "
            f"expected shape ({total},), as parameters_to_vector gives it"
        )
    values = beside(vec.array, parameters[0].array) if parameters else vec.array
    start = 0
    for p in parameters:
        overwrite(p, values[start : start + p.numel()].reshape(p.shape))
        start += p.numel()
