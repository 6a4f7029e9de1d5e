"""Mistakes with convolution, pooling and batch normalisation: what is done, what it raises, what it must say."""

from __future__ import annotations

from collections.abc import Callable

import minigrad as mg
import minigrad.nn as nn
import minigrad.nn.functional as F

FRAMES = (2, 4, 84, 84)


def image(*shape):
    """An image of zeros."""
    return mg.zeros(*shape)


MISTAKES: list[tuple[str, Callable[[], object], type[Exception], list[str]]] = [
    (
        "an image with its channels last",
        lambda: nn.Conv2d(3, 8, 3)(image(1, 64, 48, 3)),
        RuntimeError,
        ["conv2d", "64 channels (shape (1, 64, 48, 3))", "takes 3", "movedim(-1, 1)"],
    ),
    (
        "the wrong number of channels",
        lambda: nn.Conv2d(1, 8, 3)(image(*FRAMES)),
        RuntimeError,
        ["conv2d", "4 channels", "takes 1", "build the layer"],
    ),
    (
        "an image without a dimension for the channel",
        lambda: nn.Conv2d(1, 8, 3)(image(84, 84)),
        RuntimeError,
        ["conv2d", "(84, 84)", "(channels, height, width)", "unsqueeze(0)"],
    ),
    (
        "a sequence of stacked frames as one input",
        lambda: nn.Conv2d(4, 8, 3)(image(5, *FRAMES)),
        RuntimeError,
        ["conv2d", "(5, 2, 4, 84, 84)", "(batch, channels, height, width)", ".flatten(0, 1)"],
    ),
    (
        "frames that are still bytes",
        lambda: nn.Conv2d(4, 8, 3)(mg.zeros(*FRAMES, dtype=mg.uint8)),
        RuntimeError,
        ["conv2d", "uint8", "float32", "input / 255"],
    ),
    (
        "a kernel larger than the image",
        lambda: nn.Conv2d(4, 8, 8)(image(1, 4, 5, 5)),
        RuntimeError,
        ["conv2d", "(8, 8)", "(5, 5)", "smaller kernel"],
    ),
    ("a stride of 0", lambda: nn.Conv2d(4, 8, 3, stride=0), ValueError, ["Conv2d", "stride=0", "at least 1"]),
    ("a padding below 0", lambda: nn.Conv2d(4, 8, 3, padding=-1), ValueError, ["Conv2d", "padding=-1", "at least 0"]),
    (
        "a kernel of three sizes",
        lambda: nn.Conv2d(4, 8, (3, 3, 3)),
        ValueError,
        ["Conv2d", "kernel_size=(3, 3, 3)", "pair"],
    ),
    (
        "groups that do not divide the channels",
        lambda: nn.Conv2d(4, 8, 3, groups=3),
        ValueError,
        ["Conv2d", "groups=3", "in_channels=4", "common divisor"],
    ),
    (
        "padding by reflection",
        lambda: nn.Conv2d(4, 8, 3, padding=1, padding_mode="reflect"),
        ValueError,
        ["padding_mode='reflect'", "'zeros'", "functional.pad"],
    ),
    (
        "padding='same' with a stride",
        lambda: nn.Conv2d(4, 8, 3, stride=2, padding="same"),
        ValueError,
        ["padding='same'", "stride=1, got 2", "numbers"],
    ),
    (
        "a weight with its dimensions the other way round",
        lambda: F.conv2d(image(*FRAMES), mg.zeros(4, 8, 3, 3)),
        RuntimeError,
        ["conv2d", "4 channels", "(4, 8, 3, 3)", "takes 8"],
    ),
    (
        "pooling more than there is",
        lambda: nn.MaxPool2d(4)(image(1, 8, 3, 3)),
        RuntimeError,
        ["max_pool2d", "(4, 4)", "(3, 3)", "smaller kernel"],
    ),
    (
        "more padding than half the pooling window",
        lambda: F.max_pool2d(image(*FRAMES), 2, padding=2),
        RuntimeError,
        ["max_pool2d", "padding=2", "half of kernel_size=2", "functional.pad"],
    ),
    (
        "batch normalisation of one sample",
        lambda: nn.BatchNorm1d(3)(mg.ones(1, 3)),
        ValueError,
        ["batch_norm", "(1, 3)", "one value per channel", ".eval()"],
    ),
    (
        "batch normalisation of another number of channels",
        lambda: nn.BatchNorm2d(3)(image(*FRAMES)),
        RuntimeError,
        ["batch_norm", "4 channels", "running_mean has shape (3,)", "build the layer for 4"],
    ),
    (
        "images for BatchNorm1d",
        lambda: nn.BatchNorm1d(4)(image(*FRAMES)),
        RuntimeError,
        ["BatchNorm1d", "(2, 4, 84, 84)", "(batch, channels)", "BatchNorm2d"],
    ),
    (
        "a bias of another dtype",
        lambda: F.conv1d(mg.ones(1, 1, 3), mg.ones(1, 1, 1), mg.ones(1, dtype=mg.float64)),
        RuntimeError,
        ["conv1d", "float32", "bias is float64", "bias.to(weight.dtype)"],
    ),
    (
        "the same for a transposed convolution of integers",
        lambda: F.conv_transpose2d(*[mg.ones(1, 1, 2, 2, dtype=mg.int64)] * 2, mg.ones(1)),
        RuntimeError,
        ["conv_transpose2d", "int64", "bias is float32", "convert the bias"],
    ),
    (
        "a mask for a convolution",
        lambda: F.conv1d(mg.ones(1, 1, 3, dtype=mg.bool), mg.ones(1, 1, 1, dtype=mg.bool)),
        RuntimeError,
        ["conv1d", "bool", "expected numbers", ".float()"],
    ),
    (
        "a pooling window that steps over the whole image",
        lambda: F.max_pool2d(mg.ones(1, 1, 2, 2), 2, stride=1, padding=1, dilation=3),
        RuntimeError,
        ["max_pool2d", "dilation=(3, 3)", "(2, 2)", "smaller dilation"],
    ),
    (
        "pooling without channels",
        lambda: F.max_pool1d(mg.ones(0, 10), 1),
        RuntimeError,
        ["max_pool1d", "(0, 10)", "only the batch may be empty", "the layer before"],
    ),
    (
        "adaptive pooling of an image without rows",
        lambda: F.adaptive_avg_pool2d(mg.ones(1, 2, 0, 3), 1),
        RuntimeError,
        ["adaptive_avg_pool2d", "(1, 2, 0, 3)", "only the batch may be empty"],
    ),
    (
        "adaptive pooling of integers",
        lambda: F.adaptive_avg_pool2d(mg.ones(1, 1, 2, 2, dtype=mg.int64), 1),
        RuntimeError,
        ["adaptive_avg_pool2d", "int64", ".float()"],
    ),
    (
        "adaptive pooling to three sizes",
        lambda: F.adaptive_avg_pool2d(image(1, 1, 4, 4), (1, 2, 3)),
        RuntimeError,
        ["adaptive_avg_pool2d", "output_size", "a pair"],
    ),
    (
        "batch normalisation with eps = 0",
        lambda: nn.BatchNorm1d(2, eps=0.0)(mg.randn(4, 2)),
        ValueError,
        ["batch_norm", "eps=0.0", "above 0 in training"],
    ),
    (
        "a negative eps in evaluation",
        lambda: F.batch_norm(mg.ones(3, 2), mg.ones(2), mg.ones(2), eps=-0.5),
        ValueError,
        ["batch_norm", "eps=-0.5", "at least 0"],
    ),
    (
        "batch normalisation of integers",
        lambda: F.batch_norm(mg.ones(3, 2, dtype=mg.int64), None, None, training=True),
        RuntimeError,
        ["batch_norm", "int64", ".float()"],
    ),
    (
        "statistics of another dtype",
        lambda: nn.BatchNorm1d(2).double()(mg.ones(3, 2)),
        RuntimeError,
        ["batch_norm", "float32", "running_mean is float64", ".double()"],
    ),
]
