"""Convolutions as PyTorch calls them: its arguments checked, and made the rows of ops/convolution.py."""

from __future__ import annotations

from typing import Any

from ..errors import GradientError
from ..ops.convolution import convolution, convolution_input
from ..ops.shapes import reshape
from ..ops.windows import Window
from .windows import as_images, sizes, too_large, window_of


def conv1d(
    input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Any:
    """Convolution along one dimension; see `conv2d`.

    input: (N, C, L) or (C, L); weight: (O, C / groups, k); bias: (O,) or None; returns (N, O, positions).
    """
    return _conv("conv1d", 1, input, weight, bias, stride, padding, dilation, groups)


def conv2d(
    input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Any:
    """Convolution: every output pixel is a weighted sum over a window of the input (equation above).

    input: (N, C, H, W) or (C, H, W); weight: (O, C / groups, kh, kw); bias: (O,) or None; returns (N, O, oh, ow) with
        oh = ⌊(H + 2 padding - dilation (kh - 1) - 1) / stride⌋ + 1.
    stride, padding, dilation: an int, or a pair (vertical, horizontal).
    padding: zeros on both sides; 'valid' for none, 'same' for so many that the output is as large as the input.
    groups: both channels and outputs are divided into so many groups that know nothing of each other.

    Raises RuntimeError for shapes or dtypes that do not go together.
    """
    return _conv("conv2d", 2, input, weight, bias, stride, padding, dilation, groups)


def conv_transpose2d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Any:
    """The adjoint of `conv2d`: its derivative by the input, used to make an image larger.

    input: (N, C, H, W) or (C, H, W); weight: (C, O / groups, kh, kw); bias: (O,) or None; returns (N, O, h, w) with
        h = (H - 1) stride - 2 padding + dilation (kh - 1) + output_padding + 1.
    output_padding: which of the `stride` sizes that conv2d maps to H is meant; less than stride or dilation.
    """
    name = "conv_transpose2d"
    window, batched, x = _prepare(name, 2, input, weight, stride, padding, dilation)
    if x.shape[1] != weight.shape[0] or groups < 1 or x.shape[1] % groups:
        raise GradientError(
            f"{name}: the input has {x.shape[1]} channels (shape {input.shape}), the weight of shape {weight.shape} "
            f"takes {weight.shape[0]}, in groups={groups}; the weight must be (in_channels, out_channels / groups, "
            "kernel height, kernel width) and groups must divide in_channels"
        )
    outputs = weight.shape[1] * groups
    _check_bias(name, bias, outputs, weight)
    extra = sizes(name, "output_padding", output_padding, 2, 0)
    if any(e >= max(s, d) for e, s, d in zip(extra, window.stride, window.dilation, strict=True)):
        raise GradientError(
            f"{name}: output_padding={output_padding} must be less than stride={window.stride} or "
            f"dilation={window.dilation}; enlarge the padding of a later layer instead"
        )
    top, bottom, left, right = window.padding
    (eh, ew), (sh, sw) = window.extent, window.stride
    size = (
        (x.shape[2] - 1) * sh + eh - top - bottom + extra[0],
        (x.shape[3] - 1) * sw + ew - left - right + extra[1],
    )
    if min(size) < 1:
        raise GradientError(f"{name}: the output would be of size {size}; make padding={padding} smaller")
    # The rows and columns that output_padding adds are no place for one more window.
    window = window._replace(padding=(top, bottom - extra[0], left, right - extra[1]))
    y = convolution_input(x, weight, size, window, groups)
    if bias is not None:
        y = y + reshape(bias, (outputs, 1, 1))
    return y if batched else reshape(y, y.shape[1:])


def _conv(
    name: str,
    dims: int,
    input: Any,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
) -> Any:
    window, batched, x = _prepare(name, dims, input, weight, stride, padding, dilation)
    outputs, c = weight.shape[:2]
    if groups < 1 or outputs % groups or x.shape[1] != c * groups:
        raise GradientError(_channels(name, input.shape, weight.shape, groups, batched))
    _check_bias(name, bias, outputs, weight)
    if dims == 1:
        weight = reshape(weight, (outputs, c, 1, weight.shape[2]))
    if min(window.outputs(*x.shape[2:])) < 1:
        raise GradientError(too_large(name, window, input.shape, dims))
    y = convolution(x, weight, bias, window, groups)
    shape = y.shape if batched else y.shape[1:]
    return y if batched and dims == 2 else reshape(y, (*shape[:-2], *shape[-dims:]))


def _prepare(
    name: str, dims: int, input: Any, weight: Any, stride: Any, padding: Any, dilation: Any
) -> tuple[Window, bool, Any]:
    """The window, whether there is a batch dimension, and the input as (N, C, H, W)."""
    batched, x = as_images(name, dims, input)
    if len(weight.shape) != dims + 2:
        raise GradientError(
            f"{name}: the weight has shape {tuple(weight.shape)}; expected {dims + 2} dimensions: "
            f"(out_channels, in_channels / groups, {'kernel height, kernel width' if dims == 2 else 'kernel size'})"
        )
    if input.dtype.kind == "b":
        raise GradientError(f"{name}: the input is {input.dtype}; expected numbers, convert it with .float()")
    if input.dtype != weight.dtype:
        hint = "scale it, as in input / 255, or convert it with .float()"
        raise GradientError(
            f"{name}: the input is {input.dtype}, the weight {weight.dtype}; they must be the same: "
            + (hint if input.dtype.kind != "f" else "convert one of them with .float() or .double()")
        )
    return window_of(name, dims, tuple(weight.shape[2:]), stride, padding, dilation), batched, x


def _channels(name: str, shape: Any, weight: Any, groups: int, batched: bool) -> str:
    expected, given = weight[1] * groups, shape[1 if batched else 0]
    if groups < 1 or weight[0] % groups:
        return (
            f"{name}: groups={groups} must divide the number of outputs, {weight[0]} in a weight of shape "
            f"{tuple(weight)}; choose another number of groups or outputs"
        )
    hint = "build the layer for that number of channels"
    if shape[-1] == expected:
        hint = f"channels come before the pixels: input.movedim(-1, {1 if batched else 0})"
    return (
        f"{name}: the input has {given} channels (shape {tuple(shape)}), but the weight of shape {tuple(weight)} "
        f"with groups={groups} takes {expected}; {hint}"
    )


def _check_bias(name: str, bias: Any, outputs: int, weight: Any) -> None:
    if bias is None:
        return
    if tuple(bias.shape) != (outputs,):
        raise GradientError(
            f"{name}: the bias has shape {tuple(bias.shape)}; expected ({outputs},), a number for each output channel"
        )
    if bias.dtype != weight.dtype:
        raise GradientError(
            f"{name}: input and weight are {weight.dtype}, the bias is {bias.dtype}; they must be the same: "
            "convert the bias, bias.to(weight.dtype)"
        )
