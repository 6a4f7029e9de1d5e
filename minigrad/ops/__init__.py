"""The derivative book: every operation next to its rule, one chapter per family."""

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
