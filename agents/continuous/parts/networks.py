"""Networks of actions and observations: the actors, and critics Q(s, a)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import gymnasium as gym
import numpy as np

import minigrad as mg
import minigrad.nn as nn
from envs.scaled_actions import has_two_bounds

from ...networks.bodies import body, mlp


class Squash(nn.Module):
    """tanh for the dimensions of a box that have two bounds, which are -1 and 1 to the agent; the others stay as they
    are. (batch, numbers) to (batch, *shape)."""

    bounded: mg.Tensor

    def __init__(self, action_space: Any) -> None:
        super().__init__()
        bounded = has_two_bounds(action_space)
        self.shape, self.all = action_space.shape, bool(bounded.all())
        self.register_buffer("bounded", mg.from_numpy(bounded.ravel()))

    def forward(self, u: mg.Tensor) -> mg.Tensor:
        squashed = u.tanh() if self.all else mg.where(self.bounded, u.tanh(), u)
        return squashed.reshape(-1, *self.shape)


class Actor(nn.Module):
    """μ(s): observations (batch, ...) to actions (batch, *shape). `linear` makes a layer of the two numbers of its
    inputs and outputs."""

    def __init__(
        self,
        observation_space: gym.Space,
        action_space: Any,
        hidden: tuple[int, ...],
        linear: Callable[[int, int], nn.Module] = nn.Linear,
    ) -> None:
        super().__init__()
        layers, features = body(observation_space, ())
        layers += mlp((features, *hidden), linear)
        last = linear(hidden[-1] if hidden else features, int(np.prod(action_space.shape)))
        self.layers = nn.Sequential(*layers, last)
        self.squash = Squash(action_space)

    def forward(self, observation: mg.Tensor) -> mg.Tensor:
        return self.squash(self.layers(observation))


class Critic(nn.Module):
    """Q(s, a): observations (batch, ...) and actions (batch, *shape) to (batch,)."""

    def __init__(self, observation_space: gym.Space, action_space: Any, hidden: tuple[int, ...]) -> None:
        super().__init__()
        layers, features = body(observation_space, ())
        self.observation = nn.Sequential(*layers)
        inputs = features + int(np.prod(action_space.shape))
        self.layers = nn.Sequential(*mlp((inputs, *hidden)), nn.Linear(hidden[-1] if hidden else inputs, 1))

    def forward(self, observation: mg.Tensor, action: mg.Tensor) -> mg.Tensor:
        both = mg.cat([self.observation(observation), action.flatten(1)], 1)
        return self.layers(both).squeeze(1)


class Critics(nn.Module):
    """Twin critics, which start apart. One product for both (networks/ensembles.py) takes longer than two."""

    def __init__(self, *sizes: Any) -> None:
        super().__init__()
        self.members = nn.ModuleList([Critic(*sizes) for _ in range(2)])

    def forward(self, observation: mg.Tensor, action: mg.Tensor) -> list[mg.Tensor]:
        """Q₁(s, a) and Q₂(s, a), (batch,) each."""
        return [member(observation, action) for member in self.members]

    def least(self, observation: mg.Tensor, action: mg.Tensor) -> mg.Tensor:
        """min(Q₁, Q₂), (batch,)."""
        return mg.minimum(*self(observation, action))


@contextmanager
def held(network: nn.Module) -> Iterator[None]:
    """Inside, a gradient flows through the network and not to its weights, which saves a third of the work."""
    weights = list(network.parameters())
    for weight in weights:
        weight.requires_grad_(False)
    try:
        yield
    finally:
        for weight in weights:
            weight.requires_grad_(True)
