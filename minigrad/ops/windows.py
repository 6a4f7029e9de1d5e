"""Where the windows of a convolution or a pooling lie."""

from __future__ import annotations

from typing import NamedTuple

Pair = tuple[int, int]


class Window(NamedTuple):
    """Where the windows lie. Sizes are (vertical, horizontal); padding is (top, bottom, left, right).

    A negative padding at the bottom or the right: so many rows or columns of the image that no window reaches.
    """

    kernel: Pair
    stride: Pair = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: Pair = (1, 1)

    @property
    def extent(self) -> Pair:
        """The size of a window from its first row (column) to its last."""
        (kh, kw), (dh, dw) = self.kernel, self.dilation
        return dh * (kh - 1) + 1, dw * (kw - 1) + 1

    def pad_size(self, h: int, w: int) -> Pair:
        """The size of an image of h × w with its padding."""
        top, bottom, left, right = self.padding
        return h + top + bottom, w + left + right

    def outputs(self, h: int, w: int) -> Pair:
        """How many windows fit into an image of h × w."""
        (h, w), (eh, ew), (sh, sw) = self.pad_size(h, w), self.extent, self.stride
        return (h - eh) // sh + 1, (w - ew) // sw + 1
