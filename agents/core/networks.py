"""Network bodies: from an observation to features. The head that an algorithm puts on top is its own
business."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import gymnasium as gym
import numpy as np
from gymnasium import spaces

import minigrad as mg
import minigrad.nn as nn
import minigrad.nn.functional as F
from envs import UsageError


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


def mlp(sizes: tuple[int, ...], linear: Callable[[int, int], nn.Module] = nn.Linear) -> list[nn.Module]:
    """Linear layers with a ReLU after each: sizes[0] -> sizes[1] -> ..."""
    layers: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise(sizes):
        layers += [linear(inputs, outputs), nn.ReLU()]
    return layers


def body(observation_space: gym.Space, hidden: tuple[int, ...]) -> tuple[list[nn.Module], int]:
    """Layers from observations (batch, ...) to features, and how many features there are."""
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
            is_image = isinstance(observation_space, spaces.Box) and observation_space.dtype == np.uint8
            layers.append(ToFloat(1 / 255 if is_image else 1.0))
        if len(shape) != 1:
            layers.append(nn.Flatten())
    return layers + mlp((inputs, *hidden)), hidden[-1] if hidden else inputs
