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

from ..core.tensor import Tensor, wrap
from ..errors import GradientError
from .indexing import add_at_flat
from .linalg import matmul
from .shapes import reshape
from .table import distinct, integers, op, real
from .windows import Pair, Window, as_images, sizes, too_large, window_of


def _overlaps(window: Window, size: Pair) -> Iterator[tuple[tuple, tuple]]:
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
    for windows, pixels in _overlaps(window, (h, w)):
        value, so_far = x[pixels], largest[windows]
        larger = (value > so_far) | (value != value) | (index[windows] < 0)  # NaN counts as the largest
        largest[windows] = np.where(larger, value, so_far)
        index[windows] = np.where(larger, places[pixels[1:]], index[windows])
    return index


max_pool_index = op(
    _max_pool_index,
    cases=[
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
    cases=[
        (real(2, 2, 2, 3), integers(0, 6, 2, 2, 1, 5), False),
        (real(1, 2, 2, 2), np.array([[[[0, 3]], [[2, 1]]]]), True),
        (real(0, 2, 2, 2), np.zeros((0, 2, 1, 1), np.int64), False),
    ],
)
pool_put = op(
    _pool_put,
    vjp=lambda g_, index, once: pool_pick(g_, index, once),
    cases=[
        (real(2, 2, 1, 3), np.array([[[[0, 3, 3]], [[2, 1, 0]]]] * 2), (2, 2), False),
        (real(1, 2, 1, 2), np.array([[[[0, 3]], [[2, 1]]]]), (2, 2), True),
    ],
)


def _pool_sum(x: Any, window: Window) -> Any:
    y = np.zeros_like(x, shape=(*x.shape[:2], *window.outputs(*x.shape[2:])), order="C")
    for windows, pixels in _overlaps(window, x.shape[2:]):
        y[windows] += x[pixels]
    return y


def _pool_spread(g: Any, size: Pair, window: Window) -> Any:
    x = np.zeros_like(g, shape=(*g.shape[:2], *size), order="C")
    for windows, pixels in _overlaps(window, size):
        x[pixels] += g[windows]
    return x


pool_sum = op(
    _pool_sum,
    vjp=lambda g, x_shape, window: pool_spread(g, x_shape[2:], window),
    cases=[
        (real(2, 2, 4, 5), Window((2, 2), (2, 2))),
        (real(1, 2, 5, 4), Window((3, 2), (1, 2), (1, 1, 1, 0))),
        (real(1, 1, 2, 3), Window((3, 3), (2, 2), (1, 2, 2, 1))),
        (real(0, 2, 2, 2), Window((2, 2))),
    ],
)
pool_spread = op(
    _pool_spread,
    vjp=lambda g_, window: pool_sum(g_, window),
    cases=[
        (real(2, 1, 2, 2), (4, 5), Window((2, 2), (2, 2))),
        (real(1, 2, 5, 2), (5, 4), Window((3, 2), (1, 2), (1, 1, 1, 0))),
    ],
)


# -- as PyTorch calls them --------------------------------------------------------------------------------


def max_pool1d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest element of every window along the last dimension; see `max_pool2d`. input: (N, C, L) or (C, L)."""
    return _max_pool("max_pool1d", 1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool2d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest element of every window; the whole cotangent goes to it, to the first among equals.

    input: (N, C, H, W) or (C, H, W); returns (N, C, oh, ow) with
        oh = ⌊(H + 2 padding - dilation (kernel_size - 1) - 1) / stride⌋ + 1.
    stride: kernel_size by default. The padding, at most half the kernel, is never chosen.
    ceil_mode: round up instead, so that a window may stick out at the end.
    return_indices: also give the places of the chosen elements in their plane, an int64 tensor.
    """
    return _max_pool("max_pool2d", 2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def avg_pool1d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Any:
    """The mean of every window along the last dimension; see `avg_pool2d`. input: (N, C, L) or (C, L)."""
    return _avg_pool("avg_pool1d", 1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


def avg_pool2d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Any:
    """The mean of every window. Shapes and arguments are those of `max_pool2d`.

    count_include_pad: zeros of the padding count as elements (what sticks out beyond it with ceil_mode does not).
    divisor_override: divide the sum by this instead.
    """
    return _avg_pool(
        "avg_pool2d", 2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


def adaptive_avg_pool2d(input: Any, output_size: Any) -> Any:
    """The means of so many windows that the output has `output_size`, an int or a pair (None keeps a size).

    Window p of m covers ⌊p H / m⌋ to ⌈(p + 1) H / m⌉. The mean over a rectangle is a mean of means, so pooling is one
    matrix product from the left and one from the right.
    """
    name = "adaptive_avg_pool2d"
    batched, x = as_images(name, 2, input)
    wanted = output_size if isinstance(output_size, tuple | list) else (output_size,) * 2
    size = sizes(name, "output_size", [n if m is None else m for n, m in zip(x.shape[2:], wanted, strict=False)], 2, 1)
    left, right = (_means(x, n, m) for n, m in zip(x.shape[2:], size, strict=True))
    y = matmul(matmul(left, x), right.T)
    return y if batched else reshape(y, y.shape[1:])


def _means(x: Any, n: int, m: int) -> Any:
    """The matrix (m, n) whose row p takes the mean over window p."""
    x = x.array if isinstance(x, Tensor) else x
    matrix = np.zeros_like(x, shape=(m, n))
    for p in range(m):
        start, stop = p * n // m, -(-(p + 1) * n // m)
        matrix[p, start:stop] = 1 / (stop - start)
    return wrap(matrix)


def _max_pool(
    name: str,
    dims: int,
    input: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
    return_indices: bool,
) -> Any:
    batched, x = as_images(name, dims, input)
    window = _window(name, dims, x, input.shape, kernel_size, stride, padding, dilation, ceil_mode)
    index = max_pool_index(x, window)
    extent, steps = window.extent, window.stride
    y = pool_pick(x, getattr(index, "array", index), extent[0] <= steps[0] and extent[1] <= steps[1])
    shape = y.shape if batched else y.shape[1:]
    shape = (*shape[:-2], *shape[-dims:])
    y = y if y.shape == shape else reshape(y, shape)
    return (y, reshape(index, shape)) if return_indices else y


def _avg_pool(
    name: str,
    dims: int,
    input: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor: int | None,
) -> Any:
    batched, x = as_images(name, dims, input)
    window = _window(name, dims, x, input.shape, kernel_size, stride, padding, 1, ceil_mode)
    count: Any = divisor
    if divisor is None:
        count = window.kernel[0] * window.kernel[1]
        if ceil_mode or (any(window.padding) and not count_include_pad):
            count = wrap(_counts(x, window, padding, dims, count_include_pad))
    elif not divisor:
        raise GradientError(f"{name}: divisor_override={divisor}; expected a number other than 0, or None")
    y = pool_sum(x, window) / count
    shape = y.shape if batched else y.shape[1:]
    return y if batched and dims == 2 else reshape(y, (*shape[:-2], *shape[-dims:]))


def _counts(x: Any, window: Window, padding: Any, dims: int, count_include_pad: bool) -> Any:
    """How many elements each window has: (oh, ow), of x's dtype and on its device."""
    size = x.shape[2:]
    if count_include_pad:  # as if the padding were a part of the image; what sticks out beyond it is not
        _, bottom, _, right = window.padding
        ph, pw = sizes("avg_pool", "padding", padding, dims, 0)
        size = (size[0] + 2 * ph, size[1] + 2 * pw)
        window = window._replace(padding=(0, bottom - ph, 0, right - pw))
    array = x.array if isinstance(x, Tensor) else x
    return _pool_sum(np.ones_like(array, shape=(1, 1, *size)), window)[0, 0]


def _window(
    name: str,
    dims: int,
    x: Any,
    shape: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
) -> Window:
    """PyTorch's arguments as a Window; with ceil_mode the padding at the end grows until the last window fits."""
    no_stride = stride is None or stride == () or stride == []
    window = window_of(name, dims, kernel_size, kernel_size if no_stride else stride, padding, dilation)
    for p, k in zip(window.padding[::2], window.kernel, strict=True):
        if p > k / 2:
            raise GradientError(
                f"{name}: padding={padding} is more than half of kernel_size={kernel_size}: windows of nothing but "
                "padding would be pooled; pad the input first, with functional.pad"
            )
    if ceil_mode:
        ends = []
        for axis in (0, 1):
            n, (begin, end) = x.shape[2 + axis], window.padding[2 * axis : 2 * axis + 2]
            e, s = window.extent[axis], window.stride[axis]
            windows = -(-(n + begin + end - e) // s) + 1
            if (windows - 1) * s >= n + begin:  # the last one must start inside
                windows -= 1
            ends.append(max(end, (windows - 1) * s + e - n - begin))
        window = window._replace(padding=(window.padding[0], ends[0], window.padding[2], ends[1]))
    if min(window.outputs(*x.shape[2:])) < 1:
        raise GradientError(too_large(name, window, shape, dims))
    return window
