"""The derivative book: every operation next to its rule, one chapter per family."""

from . import arithmetic, indexing, joining, linalg, losses, normalization, reductions, shapes, special
from .table import op

__all__ = [
    "arithmetic",
    "indexing",
    "joining",
    "linalg",
    "losses",
    "normalization",
    "op",
    "reductions",
    "shapes",
    "special",
]
