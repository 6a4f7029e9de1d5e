"""`minigrad.linalg`: norms under the names that PyTorch gives them there."""

from __future__ import annotations

from typing import Any

from .core.tensor import Tensor
from .dialect.functions import amax, amin, to
from .dialect.functions import norm as _norm
from .dialect.functions import sum as _sum
from .errors import GradientError
from .ops.shapes import axis

_INFINITY = float("inf")


def vector_norm(x: Tensor, ord: Any = 2, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The vector norm of order `ord`, a number, of all elements or over `dim`."""
    if isinstance(ord, str):
        raise ValueError(f"vector_norm: ord={ord!r}; expected a number, inf or -inf (see norm for 'fro')")
    return _norm(x, ord, dim, keepdim, dtype)


def norm(A: Tensor, ord: Any = None, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The vector norm of all elements or over `dim`; with `ord` and a matrix, or two dimensions, the matrix norm.

    ord of matrices: 'fro' (the root of the sum of squares), 1 and inf (the largest sum of sizes in a column, a row),
    -1 and -inf (the smallest). The orders 2, -2 and 'nuc' need singular values, which are not here.
    """
    if dim is None and ord is not None and A.ndim > 2:
        raise GradientError(f"norm: ord={ord!r} with shape {A.shape}; name one dimension for vectors, two for matrices")
    places = tuple(range(A.ndim)) if dim is None else tuple(dim) if isinstance(dim, tuple | list) else (dim,)
    if ord == "fro" and len(places) == 2:
        ord = None
    if ord is None:
        return _norm(A, 2, dim, keepdim, dtype)
    if len(places) != 2:
        return vector_norm(A, ord, dim, keepdim, dtype=dtype)
    if ord not in (1, -1, _INFINITY, -_INFINITY):
        raise NotImplementedError(
            f"norm: ord={ord!r} of matrices is not supported, only 'fro', 1, -1, inf and -inf; "
            "for vectors see vector_norm"
        )
    rows, columns = (axis(d, A.ndim) for d in places)
    summed, compared = (rows, columns) if ord in (1, -1) else (columns, rows)
    sizes = _sum((A if dtype is None else to(A, dtype)).abs(), summed, keepdim=True)
    found = (amax if ord > 0 else amin)(sizes, compared, keepdim=True)
    return found if keepdim else found.squeeze((summed, compared))
