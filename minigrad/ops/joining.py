"""Joining tensors. These operations take a list, so each has one rule for all: the cotangent of the i-th tensor."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import numpy as np

from ..errors import GradientError
from .indexing import index
from .shapes import axis, narrow
from .table import op_of_list, real


def _cat(arrays: Sequence[Any], dim: int) -> Any:
    if not arrays:
        raise GradientError("cat: expected at least one tensor, got an empty list; check that something was collected")
    first = arrays[0]
    for i, a in enumerate(arrays):
        if a.ndim != first.ndim or any(
            n != m for d, (n, m) in enumerate(zip(a.shape, first.shape, strict=True)) if d != dim % max(first.ndim, 1)
        ):
            raise GradientError(
                f"cat: tensor 0 has shape {first.shape}, tensor {i} {a.shape}; "
                f"they must agree in every dimension but {dim}"
            )
        if not a.ndim:
            raise GradientError("cat: 0-d tensors cannot be concatenated; use stack")
    return np.concatenate(arrays, axis=axis(dim, first.ndim))


def find_pieces(shapes: list[tuple[int, ...]], dim: int) -> tuple:
    """Where each tensor lies in the result: (dimension, starts, lengths)."""
    d = dim % len(shapes[0])
    lengths = [s[d] for s in shapes]
    return d, [0, *accumulate(lengths)], lengths


cat = op_of_list(
    _cat,
    keep=find_pieces,
    vjp=lambda g, i, dim, starts, lengths: narrow(g, dim, starts[i], lengths[i]),
    cases=lambda: [
        ([real(2, 3), real(1, 3)], 0),
        ([real(2, 3), real(2, 1), real(2, 2)], -1),
        ([real(2), real(0), real(3)], 0),
        ([real(2, 3)], 1),
    ],
)


def _stack(arrays: Sequence[Any], dim: int) -> Any:
    if not arrays:
        raise GradientError(
            "stack: expected at least one tensor, got an empty list; check that something was collected"
        )
    shape = arrays[0].shape
    for i, a in enumerate(arrays):
        if a.shape != shape:
            raise GradientError(
                f"stack: tensor 0 has shape {shape}, tensor {i} {a.shape}; "
                "all must have the same shape: pad them, or use cat"
            )
    return np.stack(arrays, axis=axis(dim, len(shape) + 1))


stack = op_of_list(
    _stack,
    keep=lambda shapes, dim: (dim % (len(shapes[0]) + 1),),
    vjp=lambda g, i, dim: index(g, (slice(None),) * dim + (i,)),
    cases=lambda: [([real(2, 3), real(2, 3)], 0), ([real(2, 3), real(2, 3), real(2, 3)], -1), ([real(), real()], 0)],
)
