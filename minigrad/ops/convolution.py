"""Convolution: the same small matrix of weights applied to every window of an image.

With x: (N, C, H, W), weight: (O, C / groups, kh, kw), strides s, dilations d and x zero outside of its bounds,

    y[n, o, p, q] = bias[o] + Σ c,i,j  x[n, c, s p + d i - top, s q + d j - left] · weight[o, c, i, j].

Without the bias, ⟨g, y⟩ = Σ g[n,o,p,q] x[n,c,·,·] weight[o,c,i,j] is linear in each of g, x and weight. Its
derivative by one of them is an operation on the other two, which makes three:

    by g       y       convolution(x, weight)                 (N, O, oh, ow)
    by x       x̄       convolution_input(g, weight)           (N, C, H, W)        the transposed convolution
    by weight  w̄       convolution_weight(g, x)               (O, C / groups, kh, kw)

Each is the rule of the other two, so derivatives of any order stay within the family (Dumoulin & Visin 2016, "A guide
to convolution arithmetic for deep learning", chapter 4, has the pictures).

How it is computed. Every window is copied into a row of a matrix, its *columns* ("im2col"); then all windows are
multiplied with all weights in one matrix product (Chellapilla, Puri & Simard 2006, "High performance convolutional
neural networks for document processing", section 3.1). What matters for speed (benchmarks/results/convolution.md has
the figures):
- Channels come last in a window, so that it is copied in runs of kw · C numbers. Outside of this file the channels come
  first, as everybody expects; turning a few images around, in the cache, costs little beside the product.
- A few images at a time, or a few rows of a large one: their columns stay in the cache, and memory does not grow with
  the batch. Keeping the columns for w̄ was tried: no faster, because so much memory has to be fetched again, and three
  times the memory.
- x̄, too, is made of windows, those of g (a gather). Adding columns onto x̄ instead (a scatter, "col2im") is as fast for
  many channels and six times slower for four.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .reductions import sum_
from .table import op, real
from .windows import Pair, Window

_CACHED = 1 << 21
"""Bytes of columns at a time on a CPU: about the size of a core's cache."""


def _columns(x: Any, window: Window, groups: int) -> Iterator[tuple[slice, slice, Any]]:
    """The windows of x: (N, C, H, W) as rows of matrices (groups, windows, kh · kw · C / groups).

    Yields as many as the cache holds at a time: which images, which rows of windows, and their columns. The same memory
    is used again for the next.
    """
    n, c, h, w = x.shape
    (oh, ow), (kh, kw), (sh, sw), (dh, dw) = window.outputs(h, w), window.kernel, window.stride, window.dilation
    top, _, left, _ = window.padding
    per_row = ow * kh * kw * c * x.dtype.itemsize
    at_a_time = max(1, _CACHED // max(per_row, 1)) if type(x) is np.ndarray else max(1, n * oh)  # rows
    rows, images = split_equally(oh, at_a_time), split_equally(n, max(1, at_a_time // oh))
    padded = np.zeros_like(x, shape=(images, *window.pad_size(h, w), groups, c // groups), order="C")
    windows = np.lib.stride_tricks.sliding_window_view(padded, window.extent, (1, 2))
    windows = windows[:, ::sh, ::sw, :, :, ::dh, ::dw].transpose(3, 0, 1, 2, 5, 6, 4)
    memory = np.empty_like(x, shape=(images * rows * ow * kh * kw * c,), order="C")
    for start in range(0, n, images):
        part = x[start : start + images]
        m = len(part)
        inside = padded[:m, top : top + h, left : left + w]
        inner = part[:, :, : inside.shape[1], : inside.shape[2]]  # all of it, unless a padding is negative
        inside[...] = inner.reshape(m, groups, c // groups, *inner.shape[2:]).transpose(0, 3, 4, 1, 2)
        for row in range(0, oh, rows):
            some = windows[:, :m, row : row + rows]
            columns = memory[: some.size].reshape(some.shape)
            columns[...] = some
            matrix = columns.reshape(groups, some.shape[1] * some.shape[2] * ow, kh * kw * c // groups)
            yield slice(start, start + m), slice(row, row + rows), matrix


def split_equally(n: int, most: int) -> int:
    """How many of n to take at a time, at most `most`, so that the parts are as equal as can be."""
    return -(-n // -(-n // most)) if n else 1


def _convolution(x: Any, weight: Any, bias: Any, window: Window, groups: int) -> Any:
    n, (outputs, c, kh, kw), (oh, ow) = len(x), weight.shape, window.outputs(*x.shape[2:])
    o = outputs // groups
    matrix = weight.reshape(groups, o, c, kh, kw).transpose(0, 3, 4, 2, 1).reshape(groups, kh * kw * c, o)
    y = np.empty_like(x, shape=(n, groups, o, oh, ow), order="C")
    for images, rows, columns in _columns(x, window, groups):
        product = np.matmul(columns, matrix)  # (groups, windows, o)
        if bias is not None:
            product += bias.reshape(groups, 1, o)
        part = y[images, :, :, rows]
        part[...] = product.reshape(groups, len(part), -1, ow, o).transpose(1, 0, 4, 2, 3)
    return y.reshape(n, outputs, oh, ow)


def _convolution_input(g: Any, weight: Any, size: Pair, window: Window, groups: int) -> Any:
    """x̄[s r + m] = Σ l  g[r - l] · weight[s l + m], for the remainders m = 0 … s - 1 (one dimension, no padding).

    So the windows of g, with the weights in reversed order, give s × s neighbouring pixels of x̄ each.
    """
    n, (outputs, c, kh, kw), (h, w) = len(g), weight.shape, size
    o, (sh, sw), (top, _, left, _) = outputs // groups, window.stride, window.padding
    dh, dw = window.dilation
    if (sh > 1 and dh > 1) or (sw > 1 and dw > 1):  # rare: write the gaps out as weights of zero
        eh, ew = window.extent
        spread = np.zeros_like(weight, shape=(outputs, c, eh, ew))
        spread[:, :, ::dh, ::dw] = weight
        weight, kh, kw, dh, dw = spread, eh, ew, 1, 1
    lh, lw = -(-kh // sh), -(-kw // sw)
    if (kh, kw) != (lh * sh, lw * sw):
        whole = np.zeros_like(weight, shape=(outputs, c, lh * sh, lw * sw))
        whole[:, :, :kh, :kw] = weight
        weight = whole
    reversed_ = weight.reshape(groups, o, c, lh, sh, lw, sw)[:, :, :, ::-1, :, ::-1]
    matrix = reversed_.transpose(0, 3, 5, 1, 4, 6, 2).reshape(groups, lh * lw * o, sh * sw * c)

    (hp, wp), (oh, ow) = window.pad_size(h, w), g.shape[2:]
    rh, rw = -(-max(hp, top + h) // sh), -(-max(wp, left + w) // sw)
    around = Window((lh, lw), (1, 1), ((lh - 1) * dh, rh - oh, (lw - 1) * dw, rw - ow), (dh, dw))
    x = np.empty_like(g, shape=(n, groups, c, rh, sh, rw, sw), order="C")
    for images, rows, columns in _columns(g, around, groups):
        part = x[images, :, :, rows]
        product = np.matmul(columns, matrix).reshape(groups, len(part), -1, rw, sh, sw, c)
        part[...] = product.transpose(1, 0, 6, 2, 4, 3, 5)
    return x.reshape(n, groups * c, rh * sh, rw * sw)[:, :, top : top + h, left : left + w]


def _convolution_weight(g: Any, x: Any, window: Window, groups: int) -> Any:
    outputs, c = g.shape[1], x.shape[1] // groups
    o = outputs // groups
    total = np.zeros_like(x, shape=(groups, o, window.kernel[0] * window.kernel[1] * c), order="C")
    for images, rows, columns in _columns(x, window, groups):
        part = g[images, :, rows]
        cotangents = part.reshape(len(part), groups, o, part.shape[2] * part.shape[3]).transpose(1, 2, 0, 3)
        total += np.matmul(cotangents.reshape(groups, o, -1), columns)
    return total.reshape(outputs, *window.kernel, c).transpose(0, 3, 1, 2).copy()


convolution = op(
    _convolution,
    vjp=dict(
        x=lambda g, x_shape, weight, window, groups: convolution_input(g, weight, x_shape[2:], window, groups),
        weight=lambda g, x, window, groups: convolution_weight(g, x, window, groups),
        bias=lambda g: sum_(g, (0, 2, 3), False),
    ),
    cases=lambda: [
        (real(2, 2, 4, 5), real(3, 2, 2, 3), real(3), Window((2, 3)), 1),
        (real(1, 1, 6, 5), real(2, 1, 3, 2), None, Window((3, 2), (2, 3), (1, 0, 0, 2)), 1),
        (real(2, 4, 4, 3), real(2, 2, 2, 2), real(2), Window((2, 2), (1, 1), (0, 1, 1, 0), (2, 1)), 2),
        (real(1, 1, 5, 6), real(1, 1, 2, 2), None, Window((2, 2), (2, 2), dilation=(3, 2)), 1),
        (real(2, 2, 2, 3), real(2, 2, 1, 1), real(2), Window((1, 1)), 1),
        (real(1, 2, 5, 4), real(2, 2, 1, 2), None, Window((1, 2), (3, 2)), 1),
        (real(0, 2, 3, 3), real(2, 2, 2, 2), real(2), Window((2, 2)), 1),
        (real(1, 1, 5, 4), real(1, 1, 2, 2), real(1), Window((2, 2), (2, 1), (1, -2, 0, -1)), 1),
    ],
)
convolution_input = op(
    _convolution_input,
    vjp=dict(
        g=lambda g, weight, window, groups: convolution(g, weight, None, window, groups),
        weight=lambda g_, g, window, groups: convolution_weight(g, g_, window, groups),
    ),
    cases=lambda: [
        (real(2, 2, 2, 3), real(2, 1, 2, 3), (3, 5), Window((2, 3)), 1),
        (real(1, 2, 3, 2), real(2, 1, 3, 2), (6, 5), Window((3, 2), (2, 3), (1, 0, 0, 2)), 1),
        (real(1, 2, 3, 3), real(2, 2, 2, 2), (4, 3), Window((2, 2), (1, 1), (0, 1, 1, 0), (2, 1)), 2),
        (real(1, 1, 1, 2), real(1, 1, 2, 2), (5, 6), Window((2, 2), (2, 2), dilation=(3, 2)), 1),
        (real(1, 1, 2, 2), real(1, 1, 2, 2), (8, 8), Window((2, 2), (2, 2), (1, -2, 0, -2), (4, 3)), 1),
        (real(1, 2, 2, 1), real(2, 1, 2, 2), (4, 5), Window((2, 2), (1, 2), (0, -1, 0, -3)), 1),
    ],
)
convolution_weight = op(
    _convolution_weight,
    vjp=dict(
        g=lambda v, x, window, groups: convolution(x, v, None, window, groups),
        x=lambda v, g, x_shape, window, groups: convolution_input(g, v, x_shape[2:], window, groups),
    ),
    cases=lambda: [
        (real(2, 2, 2, 1), real(2, 1, 3, 3), Window((2, 3)), 1),
        (real(1, 2, 3, 2), real(1, 1, 6, 5), Window((3, 2), (2, 3), (1, 0, 0, 2)), 1),
        (real(1, 2, 3, 3), real(1, 4, 4, 3), Window((2, 2), (1, 1), (0, 1, 1, 0), (2, 1)), 2),
        (real(1, 1, 2, 2), real(1, 1, 8, 8), Window((2, 2), (2, 2), (1, -2, 0, -2), (4, 3)), 1),
    ],
)
