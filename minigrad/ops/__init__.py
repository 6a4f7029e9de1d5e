"""The derivative book: every operation next to its rule, one chapter per family."""

from . import (
    arithmetic,
    convolution,
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
    "arithmetic",
    "convolution",
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
