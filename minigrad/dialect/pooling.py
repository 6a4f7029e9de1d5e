"""Pooling as PyTorch calls it: its arguments checked, and made the rows of ops/pooling.py."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.tensor import Tensor, wrap
from ..errors import GradientError
from ..ops.linalg import matmul
from ..ops.pooling import max_pool_index, pool_pick, pool_sum
from ..ops.shapes import reshape
from ..ops.windows import Window
from .windows import as_images, sizes, too_large, window_of


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
    _refuse_empty_images(name, x, input.shape)
    if input.dtype.kind != "f":
        raise GradientError(f"{name}: the input is {input.dtype}, and means are fractions; convert it with .float()")
    wanted = output_size if isinstance(output_size, tuple | list) else (output_size,) * 2
    kept = [*x.shape[2:], *[1] * len(wanted)]
    size = sizes(name, "output_size", [n if m is None else m for n, m in zip(kept, wanted, strict=False)], 2, 1)
    left, right = (make_mean_matrix(x, n, m) for n, m in zip(x.shape[2:], size, strict=True))
    y = matmul(matmul(left, x), right.T)
    return y if batched else reshape(y, y.shape[1:])


def make_mean_matrix(x: Any, n: int, m: int) -> Any:
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
    window = read_window(name, dims, x, input.shape, kernel_size, stride, padding, dilation, ceil_mode)
    if window.dilation != (1, 1):
        _refuse_empty_windows(name, window, x.shape[2:], dims)
    index = max_pool_index(x, window)
    extent, steps = window.extent, window.stride
    y = pool_pick(x, getattr(index, "array", index), extent[0] <= steps[0] and extent[1] <= steps[1])
    shape = y.shape if batched else y.shape[1:]
    shape = (*shape[:-2], *shape[-dims:])
    y = y if y.shape == shape else reshape(y, shape)
    return (y, reshape(index, shape)) if return_indices else y


def _refuse_empty_images(name: str, x: Any, shape: Any) -> None:
    """An empty batch is fine; images of nothing come from a mistake before."""
    if 0 in x.shape[1:]:
        raise GradientError(
            f"{name}: the input has shape {tuple(shape)}; only the batch may be empty, not the channels or the image: "
            "look at the layer before"
        )


def _refuse_empty_windows(name: str, window: Window, size: Any, dims: int) -> None:
    """A dilated window may step over the whole image, from the padding before it to that behind it."""
    for axis in range(2 - dims, 2):
        starts = np.arange(window.outputs(*size)[axis]) * window.stride[axis] - window.padding[2 * axis]
        places = starts[:, None] + np.arange(window.kernel[axis]) * window.dilation[axis]
        if not ((places >= 0) & (places < size[axis])).any(1).all():
            raise GradientError(
                f"{name}: with dilation={window.dilation[2 - dims :]} and padding={window.padding[4 - 2 * dims :: 2]} "
                f"a window on an image of {tuple(size[2 - dims :])} holds nothing but padding, so it has no largest "
                "element; use a smaller dilation, or pad the input first, with functional.pad"
            )


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
    window = read_window(name, dims, x, input.shape, kernel_size, stride, padding, 1, ceil_mode)
    count: Any = divisor
    if divisor is None:
        count = window.kernel[0] * window.kernel[1]
        if ceil_mode or (any(window.padding) and not count_include_pad):
            count = wrap(count_elements(x, window, padding, dims, count_include_pad))
    elif not divisor:
        raise GradientError(f"{name}: divisor_override={divisor}; expected a number other than 0, or None")
    y = pool_sum(x, window) / count
    shape = y.shape if batched else y.shape[1:]
    return y if batched and dims == 2 else reshape(y, (*shape[:-2], *shape[-dims:]))


def count_elements(x: Any, window: Window, padding: Any, dims: int, count_include_pad: bool) -> Any:
    """How many elements each window has: (oh, ow), of x's dtype and on its device."""
    size = x.shape[2:]
    if count_include_pad:  # as if the padding were a part of the image; what sticks out beyond it is not
        _, bottom, _, right = window.padding
        ph, pw = sizes("avg_pool", "padding", padding, dims, 0)
        size = (size[0] + 2 * ph, size[1] + 2 * pw)
        window = window._replace(padding=(0, bottom - ph, 0, right - pw))
    array = x.array if isinstance(x, Tensor) else x
    return pool_sum(np.ones_like(array, shape=(1, 1, *size)), window)[0, 0]


def read_window(
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
    _refuse_empty_images(name, x, shape)
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
