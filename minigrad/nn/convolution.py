"""Layers for images and sequences: convolutions and pooling (see dialect/convolution.py and dialect/pooling.py)."""

from __future__ import annotations

import math
from typing import Any

from ..core.tensor import Tensor
from ..dialect import pooling
from ..dialect.convolution import conv1d, conv2d, conv_transpose2d
from ..dialect.windows import sizes
from . import init
from .layers import _empty, check_size
from .module import Module
from .parameter import Parameter


class _Convolution(Module):
    """What the convolutions share: the arguments, the parameters and how they start."""

    dims = 2
    weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        kind = type(self).__name__
        for name, n in (("in_channels", in_channels), ("out_channels", out_channels), ("groups", groups)):
            check_size(kind, name, n, 1)
        if in_channels % groups or out_channels % groups:
            raise ValueError(
                f"{kind}: groups={groups} must divide in_channels={in_channels} and out_channels={out_channels}; "
                "choose a common divisor of both"
            )
        if padding_mode != "zeros":
            raise ValueError(
                f"{kind}: padding_mode={padding_mode!r} is not supported, only 'zeros'; pad the input yourself before "
                "the layer (functional.pad) and give it padding=0"
            )
        if isinstance(padding, str) and padding not in ("same", "valid"):
            raise ValueError(f"{kind}: padding={padding!r}; expected a number, a tuple of them, 'valid' or 'same'")
        self.in_channels, self.out_channels, self.groups = int(in_channels), int(out_channels), int(groups)
        self.kernel_size = self._check_sizes("kernel_size", kernel_size, 1)
        self.stride = self._check_sizes("stride", stride, 1)
        self.padding = padding if isinstance(padding, str) else self._check_sizes("padding", padding, 0)
        self.dilation = self._check_sizes("dilation", dilation, 1)
        if padding == "same" and any(s != 1 for s in self.stride):
            raise ValueError(f"{kind}: padding='same' needs stride=1, got {stride}; give the padding as numbers")
        self.padding_mode = padding_mode
        self.output_padding: tuple[int, ...] = (0,) * self.dims
        self.weight = Parameter(_empty(self._weight_shape(), dtype))
        self.bias = Parameter(_empty((self.out_channels,), dtype)) if bias else None
        self.reset_parameters()
        if device is not None:
            self.to(device)

    def _check_sizes(self, name: str, value: Any, least: int) -> tuple[int, ...]:
        try:
            return sizes(type(self).__name__, name, value, self.dims, least)[2 - self.dims :]
        except RuntimeError as error:
            raise ValueError(str(error)) from None

    def _weight_shape(self) -> tuple[int, ...]:
        return (self.out_channels, self.in_channels // self.groups, *self.kernel_size)

    def reset_parameters(self) -> None:
        """Draw weight and bias anew."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(math.prod(self.weight.shape[1:]))
            init.uniform_(self.bias, -bound, bound)

    def extra_repr(self) -> str:
        """PyTorch's words."""
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        if isinstance(self.padding, str) or any(self.padding):
            text += f", padding={self.padding}"
        if any(d != 1 for d in self.dilation):
            text += f", dilation={self.dilation}"
        if any(self.output_padding):
            text += f", output_padding={self.output_padding}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        return text + (", bias=False" if self.bias is None else "")


class Conv1d(_Convolution):
    """Convolution of sequences: y[n, o, p] = bias[o] + Σ c,j  x[n, c, stride p + dilation j - padding] weight[o, c, j].

    weight: (out_channels, in_channels / groups, kernel_size); bias: (out_channels,) or None. Arguments as in Conv2d.

    Shapes: (N, in_channels, L) or (in_channels, L) -> (N, out_channels, positions) or (out_channels, positions).
    """

    dims = 1

    def forward(self, input: Tensor) -> Tensor:
        """The convolution."""
        return conv1d(input, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)


class Conv2d(_Convolution):
    """Convolution of images: every output pixel is a weighted sum over a window of all input channels.

    weight: (out_channels, in_channels / groups, kernel height, kernel width); bias: (out_channels,) or None. Both start
    uniform in ±1/√(inputs of a window), the weight by Kaiming's rule with a = √5, which comes to the same.

    kernel_size, stride, padding, dilation: an int, or a pair (vertical, horizontal).
    padding: zeros on both sides; 'valid' for none, 'same' (with stride 1) for an output as large as the input.
    groups: divide channels and outputs into so many groups that know nothing of each other.
    padding_mode: 'zeros' only.

    Shapes: (N, in_channels, H, W) or (in_channels, H, W) -> (N, out_channels, h, w) or (out_channels, h, w) with
    h = ⌊(H + 2 padding - dilation (kernel_size - 1) - 1) / stride⌋ + 1. Raises ValueError for arguments out of range,
    and RuntimeError for an input that does not fit.
    """

    def forward(self, input: Tensor) -> Tensor:
        """The convolution."""
        return conv2d(input, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)


class ConvTranspose2d(_Convolution):
    """The adjoint of Conv2d as a layer, which makes images larger.

    weight: (in_channels, out_channels / groups, kernel height, kernel width); bias: (out_channels,) or None.
    output_padding: added to one side of the output, where several input sizes of Conv2d give the same output size.

    Shapes: (N, in_channels, H, W) -> (N, out_channels, h, w) with
    h = (H - 1) stride - 2 padding + dilation (kernel_size - 1) + output_padding + 1.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if isinstance(padding, str):
            raise ValueError(f"ConvTranspose2d: padding={padding!r}; expected a number or a pair of them")
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode, device, dtype
        )
        self.output_padding = self._check_sizes("output_padding", output_padding, 0)

    def _weight_shape(self) -> tuple[int, ...]:
        return (self.in_channels, self.out_channels // self.groups, *self.kernel_size)

    def forward(self, input: Tensor) -> Tensor:
        """The transposed convolution."""
        return conv_transpose2d(
            input, self.weight, self.bias, self.stride, self.padding, self.output_padding, self.groups, self.dilation
        )


# -- pooling ----------------------------------------------------------------------------------------------


class MaxPool2d(Module):
    """The largest element of every window; its gradient goes to that element, to the first among equals.

    stride: kernel_size by default. ceil_mode: let the last window stick out. return_indices: also give the places.

    Shapes: (N, C, H, W) or (C, H, W) -> (N, C, h, w) or (C, h, w) with
    h = ⌊(H + 2 padding - dilation (kernel_size - 1) - 1) / stride⌋ + 1.
    """

    _function: Any = staticmethod(pooling.max_pool2d)

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size, self.stride = kernel_size, kernel_size if stride is None else stride
        self.padding, self.dilation = padding, dilation
        self.return_indices, self.ceil_mode = return_indices, ceil_mode

    def forward(self, input: Tensor) -> Any:
        """The largest elements, and their places if return_indices."""
        return self._function(
            input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode, self.return_indices
        )

    def extra_repr(self) -> str:
        """PyTorch's words."""
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, dilation={self.dilation}, "
            f"ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(MaxPool2d):
    """The largest element of every window along the last dimension; see MaxPool2d.

    Shapes: (N, C, L) or (C, L) -> the same with fewer positions.
    """

    _function = staticmethod(pooling.max_pool1d)


class AvgPool2d(Module):
    """The mean of every window.

    count_include_pad: zeros of the padding count as elements. divisor_override: divide the sum by this instead.

    Shapes: (N, C, H, W) or (C, H, W) -> the same with h = ⌊(H + 2 padding - kernel_size) / stride⌋ + 1.
    """

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size, self.stride, self.padding = kernel_size, kernel_size if stride is None else stride, padding
        self.ceil_mode, self.count_include_pad, self.divisor_override = ceil_mode, count_include_pad, divisor_override

    def forward(self, input: Tensor) -> Tensor:
        """The means."""
        return pooling.avg_pool2d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )

    def extra_repr(self) -> str:
        """PyTorch's words."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AdaptiveAvgPool2d(Module):
    """The means of as many windows as make an output of `output_size`: an int, or a pair (None keeps a size).

    Shapes: (N, C, H, W) or (C, H, W) -> (N, C, *output_size) or (C, *output_size).
    """

    def __init__(self, output_size: Any) -> None:
        super().__init__()
        self.output_size = output_size

    def forward(self, input: Tensor) -> Tensor:
        """The means."""
        return pooling.adaptive_avg_pool2d(input, self.output_size)

    def extra_repr(self) -> str:
        """PyTorch's words."""
        return f"output_size={self.output_size}"
