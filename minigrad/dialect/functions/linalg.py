"""Matrix products, and what is special about two dimensions: diagonals and triangles."""

from __future__ import annotations

from typing import Any

from ...core.tensor import Tensor
from ...device import namespace
from ...errors import GradientError
from ...events import report
from ...ops import arithmetic, linalg, reductions, shapes
from ...ops.shapes import axis
from .shapes import reshape

# -- products ---------------------------------------------------------------------------------------------


def matmul(input: Tensor, other: Tensor) -> Tensor:
    """The matrix product, of vectors, matrices and stacks of matrices."""
    for name, x in (("first", input), ("second", other)):
        if not hasattr(x, "ndim"):
            raise TypeError(
                f"matmul: the {name} operand is a {type(x).__name__}; a matrix product needs two tensors: "
                "use * for a number"
            )
    return linalg.matmul(input, other)


def multiply_matrices(name: str, a: Tensor, b: Tensor, a_ndim: int, b_ndim: int) -> Tensor:
    words = {1: "a vector", 2: "a matrix", 3: "a stack of matrices (3-d)"}
    if a.ndim != a_ndim or b.ndim != b_ndim:
        raise GradientError(
            f"{name}: expected {words[a_ndim]} and {words[b_ndim]}, got shapes {a.shape} and {b.shape}; "
            "use matmul for others"
        )
    if a_ndim == 3 and a.shape[0] != b.shape[0]:
        raise GradientError(f"{name}: got {a.shape[0]} matrices and {b.shape[0]}; expected as many; matmul broadcasts")
    return linalg.matmul(a, b)


def dot(input: Tensor, tensor: Tensor) -> Tensor:
    """Σ inputᵢ tensorᵢ for two vectors."""
    return multiply_matrices("dot", input, tensor, 1, 1)


def mv(input: Tensor, vec: Tensor) -> Tensor:
    """A matrix times a vector."""
    return multiply_matrices("mv", input, vec, 2, 1)


def mm(input: Tensor, mat2: Tensor) -> Tensor:
    """A matrix times a matrix."""
    return multiply_matrices("mm", input, mat2, 2, 2)


def bmm(input: Tensor, mat2: Tensor) -> Tensor:
    """A stack of matrices times a stack of as many: (b, n, m) and (b, m, p) give (b, n, p)."""
    return multiply_matrices("bmm", input, mat2, 3, 3)


def outer(input: Tensor, vec2: Tensor) -> Tensor:
    """The matrix inputᵢ vec2ⱼ of two vectors."""
    if input.ndim != 1 or vec2.ndim != 1:
        raise GradientError(f"outer: expected two vectors, got shapes {input.shape} and {vec2.shape}; flatten them")
    return arithmetic.multiply(reshape(input, -1, 1), vec2)


def addmm(input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """beta * input + alpha * (mat1 @ mat2), of two matrices."""
    return add_scaled(input, multiply_matrices("addmm", mat1, mat2, 2, 2), beta, alpha)


def addmv(input: Tensor, mat: Tensor, vec: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """beta * input + alpha * (mat @ vec), of a matrix and a vector."""
    return add_scaled(input, multiply_matrices("addmv", mat, vec, 2, 1), beta, alpha)


def baddbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """beta * input + alpha * (batch1 @ batch2), of stacks of matrices."""
    return add_scaled(input, multiply_matrices("baddbmm", batch1, batch2, 3, 3), beta, alpha)


def add_scaled(x: Tensor, product: Tensor, beta: Any, alpha: Any) -> Tensor:
    scaled = product if alpha == 1 else arithmetic.multiply(product, alpha)
    if isinstance(beta, int | float) and beta == 0:  # as in PyTorch, what is in x does not matter: not even NaN
        return scaled
    return arithmetic.add(x if beta == 1 else arithmetic.multiply(x, beta), scaled)


# -- diagonals and triangles ------------------------------------------------------------------------------


def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """The elements of a diagonal of the dimensions dim1 and dim2, as the last dimension; a view."""
    d1, d2 = axis(dim1, input.ndim), axis(dim2, input.ndim)
    if d1 == d2:
        raise GradientError(f"diagonal: dim1={dim1} and dim2={dim2} are the same dimension; give two")
    return shapes.diagonal(input, offset, d1, d2)


def diag(input: Tensor, diagonal: int = 0) -> Tensor:
    """A copy of the diagonal of a matrix, or the matrix with a vector on its diagonal."""
    if input.ndim == 2:
        return arithmetic.clone(shapes.diagonal(input, diagonal, 0, 1))
    if input.ndim != 1:
        raise GradientError(
            f"diag: expected a vector or a matrix, got shape {input.shape}; see diagonal and diag_embed"
        )
    return diag_embed(input, diagonal)


def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Matrices with the last dimension of `input` on their diagonal: (..., n) gives (..., n, n).

    dim1, dim2: where the rows and the columns of these matrices are in the result.
    """
    if not input.ndim:
        raise GradientError("diag_embed: expected at least one dimension, got a 0-d tensor; reshape it to (1,)")
    d1, d2 = axis(dim1, input.ndim + 1), axis(dim2, input.ndim + 1)
    if d1 == d2:
        raise GradientError(f"diag_embed: dim1={dim1} and dim2={dim2} are the same dimension; give two")
    sizes = list(input.shape[:-1])
    for d in sorted((d1, d2)):
        sizes.insert(d, input.shape[-1] + abs(offset))
    return shapes.place_diagonal(input, tuple(sizes), offset, d1, d2)


def fill_diagonal_(input: Tensor, fill_value: Any, wrap: bool = False) -> Tensor:
    """Set the main diagonal to `fill_value`, in place; returns the tensor.

    input: a matrix, or a tensor of more dimensions that all have the same size.
    wrap: in a tall matrix start anew below the diagonal's end, with one row left out.
    """
    if input.ndim < 2 or (input.ndim > 2 and len(set(input.shape)) > 1):
        raise GradientError(
            f"fill_diagonal_: expected a matrix, or dimensions of one size, got shape {input.shape}; "
            "for stacks of matrices use diagonal(dim1=-2, dim2=-1).fill_(...)"
        )
    steps = namespace(input).arange(min(input.shape))
    key = (steps,) * input.ndim
    if wrap and input.ndim == 2:
        places = namespace(input).arange(0, input.numel(), input.shape[1] + 1)
        key = (places // input.shape[1], places % input.shape[1])
    input[key] = fill_value
    return input


def trace(input: Tensor) -> Tensor:
    """The sum of the diagonal of a matrix."""
    if input.ndim != 2:
        raise GradientError(f"trace: expected a matrix, got shape {input.shape}; for stacks use diagonal(...).sum(-1)")
    return reductions.sum_(diagonal(input), None, False)


def keep_triangle(name: str, x: Tensor, diagonal: int, upper: bool) -> Tensor:
    if x.ndim < 2:
        raise GradientError(f"{name}: expected at least 2 dimensions, got shape {x.shape}; unsqueeze it")
    below = namespace(x).tri(x.shape[-2], x.shape[-1], diagonal - upper, dtype=bool)
    below = ~below if upper else below
    report("created", below)
    return arithmetic.where(below, x, x.array.dtype.type(0))


def tril(input: Tensor, diagonal: int = 0) -> Tensor:
    """The lower triangle of matrices, 0 above it; `diagonal` says how far above the main one it ends."""
    return keep_triangle("tril", input, diagonal, False)


def triu(input: Tensor, diagonal: int = 0) -> Tensor:
    """The upper triangle of matrices, 0 below it; `diagonal` says how far above the main one it begins."""
    return keep_triangle("triu", input, diagonal, True)
