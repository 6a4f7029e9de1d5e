"""Pooling: one number for every window of every plane (n, c) of an image: its largest, or its mean.

Max pooling chooses: y[n, c, p, q] = x[n, c, k] with k the place of the window's largest element, the first of equals
as in PyTorch. A small change of x does not change k, so the derivative is that of picking: `pool_pick` and its adjoint
`pool_put`, each the other's rule.

Summing over windows (of which the mean is a multiple) is linear; its adjoint adds every cotangent onto all places of
its window: `pool_sum` and `pool_spread`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .indexing import add_at_flat
from .table import distinct, integers, op, real
from .windows import Pair, Window


def list_overlaps(window: Window, size: Pair) -> Iterator[tuple[tuple, tuple]]:
    """For each place in a window, row by row: the keys of the windows that have a pixel there, and of these pixels.

    The others have padding there. size: height and width of the image.
    """
    outputs, along = window.outputs(*size), []
    for axis in (0, 1):
        k, s, d, n = window.kernel[axis], window.stride[axis], window.dilation[axis], size[axis]
        slices = []
        for offset in (i * d - window.padding[2 * axis] for i in range(k)):
            first, stop = max(0, -(offset // s)), min(outputs[axis], (n - 1 - offset) // s + 1)
            start = first * s + offset
            slices.append((slice(first, max(first, stop)), slice(start, start + max(0, stop - first) * s, s)))
        along.append(slices)
    for rows_of_windows, rows in along[0]:
        for columns_of_windows, columns in along[1]:
            yield (..., rows_of_windows, columns_of_windows), (..., rows, columns)


def _max_pool_index(x: Any, window: Window) -> Any:
    """Where in its plane (of H · W elements) each window's largest element is: int64 (N, C, oh, ow)."""
    h, w = x.shape[2:]
    shape = (*x.shape[:2], *window.outputs(h, w))
    largest, index = np.empty_like(x, shape=shape), np.full_like(x, -1, np.int64, shape=shape)
    places = np.arange(h * w, like=x).reshape(h, w)
    for windows, pixels in list_overlaps(window, (h, w)):
        value, so_far = x[pixels], largest[windows]
        larger = (value > so_far) | (value != value) | (index[windows] < 0)  # NaN counts as the largest
        largest[windows] = np.where(larger, value, so_far)
        index[windows] = np.where(larger, places[pixels[1:]], index[windows])
    return index


max_pool_index = op(
    _max_pool_index,
    cases=lambda: [
        (distinct(2, 2, 4, 5), Window((2, 2), (2, 2))),
        (distinct(1, 2, 5, 4), Window((3, 2), (1, 2), (1, 1, 1, 0))),
        (distinct(1, 1, 5, 5), Window((2, 2), (1, 1), (0, 0, 0, 0), (2, 3))),
        (distinct(0, 2, 2, 2), Window((2, 2))),
    ],
)


def _pool_pick(x: Any, index: Any, once: bool) -> Any:
    (n, c, h, w), places = x.shape, index.shape[2] * index.shape[3]
    return np.take_along_axis(x.reshape(n, c, h * w), index.reshape(n, c, places), 2).reshape(index.shape)


def _pool_put(g: Any, index: Any, size: Pair, once: bool) -> Any:
    (n, c, oh, ow), (h, w) = g.shape, size
    if once:  # no place was picked twice, because the windows do not overlap: nothing to add up
        x = np.zeros_like(g, shape=(n, c, h * w), order="C")
        np.put_along_axis(x, index.reshape(n, c, oh * ow), g.reshape(n, c, oh * ow), 2)
        return x.reshape(n, c, h, w)
    planes = np.arange(n * c, like=g).reshape(n, c, 1, 1) * (h * w)
    return add_at_flat(g, index + planes, (n, c, h, w)) if g.size else np.zeros_like(g, shape=(n, c, h, w))


pool_pick = op(
    _pool_pick,
    vjp=lambda g, x_shape, index, once: pool_put(g, index, x_shape[2:], once),
    cases=lambda: [
        (real(2, 2, 2, 3), integers(0, 6, 2, 2, 1, 5), False),
        (real(1, 2, 2, 2), np.array([[[[0, 3]], [[2, 1]]]]), True),
        (real(0, 2, 2, 2), np.zeros((0, 2, 1, 1), np.int64), False),
    ],
)
pool_put = op(
    _pool_put,
    vjp=lambda g_, index, once: pool_pick(g_, index, once),
    cases=lambda: [
        (real(2, 2, 1, 3), np.array([[[[0, 3, 3]], [[2, 1, 0]]]] * 2), (2, 2), False),
        (real(1, 2, 1, 2), np.array([[[[0, 3]], [[2, 1]]]]), (2, 2), True),
    ],
)


def _pool_sum(x: Any, window: Window) -> Any:
    y = np.zeros_like(x, shape=(*x.shape[:2], *window.outputs(*x.shape[2:])), order="C")
    for windows, pixels in list_overlaps(window, x.shape[2:]):
        y[windows] += x[pixels]
    return y


def _pool_spread(g: Any, size: Pair, window: Window) -> Any:
    x = np.zeros_like(g, shape=(*g.shape[:2], *size), order="C")
    for windows, pixels in list_overlaps(window, size):
        x[pixels] += g[windows]
    return x


pool_sum = op(
    _pool_sum,
    vjp=lambda g, x_shape, window: pool_spread(g, x_shape[2:], window),
    cases=lambda: [
        (real(2, 2, 4, 5), Window((2, 2), (2, 2))),
        (real(1, 2, 5, 4), Window((3, 2), (1, 2), (1, 1, 1, 0))),
        (real(1, 1, 2, 3), Window((3, 3), (2, 2), (1, 2, 2, 1))),
        (real(0, 2, 2, 2), Window((2, 2))),
    ],
)
pool_spread = op(
    _pool_spread,
    vjp=lambda g_, window: pool_sum(g_, window),
    cases=lambda: [
        (real(2, 1, 2, 2), (4, 5), Window((2, 2), (2, 2))),
        (real(1, 2, 5, 2), (5, 4), Window((3, 2), (1, 2), (1, 1, 1, 0))),
    ],
)
