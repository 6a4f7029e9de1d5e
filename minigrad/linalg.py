"""`minigrad.linalg`: norms under the names that PyTorch gives them there."""

from __future__ import annotations

from typing import Any

from .core.tensor import Tensor
from .dialect.functions import norm as _norm
from .dialect.functions import to


def vector_norm(x: Tensor, ord: Any = 2, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The vector norm of order `ord`, of all elements or over `dim`."""
    return _norm(x if dtype is None else to(x, dtype), ord, dim, keepdim)


def norm(A: Tensor, ord: Any = None, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The vector norm of all elements or over `dim`; of matrices the Frobenius norm only."""
    matrices = A.ndim == 2 if dim is None else isinstance(dim, tuple | list) and len(dim) == 2
    if ord not in (None, "fro") and matrices:
        raise NotImplementedError(
            f"norm: ord={ord!r} of matrices is not supported, only 'fro'; for vectors see vector_norm"
        )
    return vector_norm(A, 2 if ord in (None, "fro") else ord, dim, keepdim, dtype=dtype)
