"""PyTorch's arguments of convolutions and pooling (kernel_size, stride, padding, dilation) as a Window."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from ..errors import GradientError
from ..ops.shapes import reshape
from ..ops.windows import Pair, Window


def as_images(name: str, dims: int, input: Any) -> tuple[bool, Any]:
    """Whether `input` has a batch dimension, and `input` as (N, C, H, W); H is 1 if there is one dimension only."""
    ndim = len(input.shape)
    if ndim not in (dims + 1, dims + 2):
        names = "channels, height, width" if dims == 2 else "channels, length"
        hint = "flatten is for after it" if ndim < dims + 1 else "merge the leading dimensions with .flatten(0, 1)"
        if ndim == dims:
            hint = "input.unsqueeze(0) adds the dimension of one channel"
        raise GradientError(
            f"{name}: the input has shape {tuple(input.shape)}; expected (batch, {names}) or ({names}): {hint}"
        )
    batched = ndim == dims + 2
    if batched and dims == 2:
        return True, input
    n, (c, *space) = input.shape[0] if batched else 1, input.shape[-dims - 1 :]
    return batched, reshape(input, (n, c, *((1,) * (2 - dims)), *space))


def sizes(name: str, what: str, value: Any, dims: int, least: int) -> Pair:
    """An int or a sequence of `dims` ints as a pair (vertical, horizontal), each at least `least`."""
    given = value if isinstance(value, tuple | list) else (value,) * dims
    if len(given) == 1:
        given = (*given,) * dims
    if len(given) != dims or not all(isinstance(n, int | np.integer) and n >= least for n in given):
        raise GradientError(
            f"{name}: {what}={value!r}; expected an int of at least {least}{', or a pair of them' if dims == 2 else ''}"
        )
    first, last = (int(n) for n in (given if dims == 2 else (1 if least else 0, given[0])))
    return first, last


def window_of(name: str, dims: int, *arguments: Any) -> Window:
    """PyTorch's kernel_size, stride, padding and dilation as a Window."""
    return read_window(name, dims, *(tuple(a) if isinstance(a, list) else a for a in arguments))


@functools.lru_cache(maxsize=256, typed=True)  # a layer asks for the same one at every step
def read_window(name: str, dims: int, kernel: Any, stride: Any, padding: Any, dilation: Any) -> Window:
    kh, kw = sizes(name, "kernel_size", kernel, dims, 1)
    sh, sw = sizes(name, "stride", stride, dims, 1)
    dh, dw = sizes(name, "dilation", dilation, dims, 1)
    if padding == "same":
        if (sh, sw) != (1, 1):
            raise GradientError(f"{name}: padding='same' needs stride=1, got {stride}; give the padding as numbers")
        vertical, horizontal = dh * (kh - 1), dw * (kw - 1)
        sides = (vertical // 2, vertical - vertical // 2, horizontal // 2, horizontal - horizontal // 2)
    elif isinstance(padding, str) and padding != "valid":
        raise GradientError(f"{name}: padding={padding!r}; expected a number, a pair of them, 'valid' or 'same'")
    else:
        ph, pw = (0, 0) if padding == "valid" else sizes(name, "padding", padding, dims, 0)
        sides = (ph, ph, pw, pw)
    return Window((kh, kw), (sh, sw), sides, (dh, dw))


def too_large(name: str, window: Window, shape: Any, dims: int) -> str:
    """The message for an image that is smaller than a window."""
    kernel, extent, padding = window.kernel[2 - dims :], window.extent[2 - dims :], window.padding[4 - 2 * dims :]
    dilated = f", by dilation {extent}" if extent != kernel else ""
    return (
        f"{name}: a kernel of {kernel}{dilated} does not fit into an input of {tuple(shape[-dims:])} with padding "
        f"{padding}; use a smaller kernel, more padding, or fewer layers before it that make the image smaller"
    )
