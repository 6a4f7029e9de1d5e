"""Network bodies: from an observation to features. The head that an algorithm puts on top is its own
business."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Literal

import gymnasium as gym
import numpy as np
from gymnasium import spaces

import minigrad as mg
import minigrad.nn as nn
import minigrad.nn.functional as F
from envs import UsageError

ActivationName = Literal["relu", "tanh"]
ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {"relu": nn.ReLU, "tanh": nn.Tanh}


class OneHot(nn.Module):
    """A whole number (batch,) to a vector (batch, n) with a one in its place."""

    def __init__(self, start: int, n: int) -> None:
        super().__init__()
        self.start, self.n = start, n

    def forward(self, number: mg.Tensor) -> mg.Tensor:
        return F.one_hot(number - self.start, self.n).float()


class ToFloat(nn.Module):
    """Whole numbers to float32, times `scale`. Images stay uint8 until here."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, x: mg.Tensor) -> mg.Tensor:
        return x.float() * self.scale


class ToVectors(nn.Module):
    """Single numbers (batch,) to vectors (batch, 1)."""

    def forward(self, number: mg.Tensor) -> mg.Tensor:
        return number.unsqueeze(-1)


class ToUnitRange(nn.Module):
    """Numbers between `low` and `high` to numbers between -1 and 1."""

    middle: mg.Tensor
    half: mg.Tensor

    def __init__(self, low: np.ndarray, high: np.ndarray) -> None:
        super().__init__()
        self.register_buffer("middle", mg.from_numpy(((low + high) / 2).astype(np.float32)))
        self.register_buffer("half", mg.from_numpy(((high - low) / 2).astype(np.float32)))

    def forward(self, x: mg.Tensor) -> mg.Tensor:
        return (x - self.middle) / self.half


def mlp(
    sizes: tuple[int, ...],
    linear: Callable[[int, int], nn.Module] = nn.Linear,
    activation: Callable[[], nn.Module] = nn.ReLU,
) -> list[nn.Module]:
    """Linear layers with an activation after each: sizes[0] -> sizes[1] -> ..."""
    layers: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise(sizes):
        layers += [linear(inputs, outputs), activation()]
    return layers


class ChannelsFirst(nn.Module):
    """Pictures (batch, H, W, C), as most environments have them, to (batch, C, H, W), as convolutions do."""

    def forward(self, x: mg.Tensor) -> mg.Tensor:
        return x.permute(0, 3, 1, 2)


def is_picture(space: gym.Space) -> bool:
    """Whether neighbouring numbers belong together: three dimensions of bytes or bools, and room for a 3×3 filter."""
    return (
        isinstance(space, spaces.Box)
        and np.dtype(space.dtype) in (np.uint8, np.bool_)
        and len(space.shape) == 3
        and min(picture_shape(space.shape)[1:]) >= 3
    )


def largest_of_bytes(space: gym.Space) -> float:
    """What whole numbers are divided by: 255 where they are bytes of the whole range, the largest number of another
    picture, else 1. The dtype alone says nothing: flags and one-hot vectors are often bytes, too."""
    if not isinstance(space, spaces.Box):
        return 1.0
    whole_range = space.dtype == np.uint8 and (space.low == 0).all() and (space.high == 255).all()
    return max(1.0, float(space.high.max())) if whole_range or is_picture(space) else 1.0


def picture_shape(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """(C, H, W) of (C, H, W) or (H, W, C): there are fewer channels than pixels a side."""
    first, middle, last = shape
    return (last, first, middle) if last < first else (first, middle, last)


def convolutions(channels: int, height: int, width: int) -> tuple[list[nn.Module], int]:
    """Layers from pictures (batch, C, H, W) to features, and how many features there are.

    Large ones: Mnih et al., "Human-level control through deep reinforcement learning", Nature 518 (2015), Methods.
    Small ones: Young & Tian, "MinAtar" (2019), section 3.
    """
    large = min(height, width) >= 36  # less, and nothing would be left for the third
    layers: list[nn.Module] = []
    for outputs, kernel, stride in [(32, 8, 4), (64, 4, 2), (64, 3, 1)] if large else [(16, 3, 1)]:
        layers += [nn.Conv2d(channels, outputs, kernel, stride), nn.ReLU()]
        channels, height, width = outputs, (height - kernel) // stride + 1, (width - kernel) // stride + 1
    return [*layers, nn.Flatten()], channels * height * width


def body(
    observation_space: gym.Space,
    hidden: tuple[int, ...],
    activation: Callable[[], nn.Module] = nn.ReLU,
    scale: bool = False,
) -> tuple[list[nn.Module], int]:
    """Layers from observations (batch, ...) to features, and how many features there are. Pictures go through
    convolutions, everything else is one vector; `hidden` are the layers after that, with `activation` after each. With
    `scale`, numbers come to the range -1 to 1 first; `UsageError` if the space doesn't say between which bounds they
    are."""
    layers: list[nn.Module] = []
    if isinstance(observation_space, spaces.Discrete):
        inputs = int(observation_space.n)
        layers.append(OneHot(int(observation_space.start), inputs))
    else:
        shape = observation_space.shape
        if shape is None:
            raise UsageError(f"no network for observations of {observation_space}")
        inputs = int(np.prod(shape))
        if np.dtype(observation_space.dtype).kind != "f":
            layers.append(ToFloat(1 / largest_of_bytes(observation_space)))
        elif scale:
            if not (isinstance(observation_space, spaces.Box) and observation_space.is_bounded()):
                raise UsageError(
                    f"observations can't be scaled to -1..1 without finite bounds, and they are {observation_space}; "
                    f"leave scale_observations out"
                )
            layers.append(ToUnitRange(observation_space.low, observation_space.high))
        if is_picture(observation_space):
            channels, height, width = picture_shape(shape)
            if shape != (channels, height, width):
                layers.append(ChannelsFirst())
            convolved, inputs = convolutions(channels, height, width)
            layers += convolved
        elif len(shape) != 1:
            layers.append(nn.Flatten() if shape else ToVectors())
    return layers + mlp((inputs, *hidden), activation=activation), hidden[-1] if hidden else inputs
