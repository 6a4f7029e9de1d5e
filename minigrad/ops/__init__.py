"""The derivative book: every operation next to its rule, one chapter per family.

Which operations are rows? One of these must hold, or it is composed of rows in dialect/:

1. It cannot be composed: one function of NumPy's, or one way of choosing and placing elements.
2. Composed, it would lose digits, overflow, or have a wrong slope somewhere: log_softmax, logsumexp, norms, std, erfc.
3. Every training step calls it, and composed it would be several nodes with arrays of their own between: linear,
   addcmul, convolution, pooling, normalisation, losses, log-densities.
4. It is the adjoint of such a row: broadcast_to and sum_to, index and index_add, gather and scatter_add_zeros.
"""

from . import (
    activations,
    arithmetic,
    convolution,
    densities,
    indexing,
    joining,
    linalg,
    losses,
    normalization,
    pooling,
    reductions,
    shapes,
    special,
)
from .table import op

__all__ = [
    "activations",
    "arithmetic",
    "convolution",
    "densities",
    "indexing",
    "joining",
    "linalg",
    "losses",
    "normalization",
    "op",
    "pooling",
    "reductions",
    "shapes",
    "special",
]
