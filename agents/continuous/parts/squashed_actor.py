"""A normal distribution squashed into the box: the policy of SAC.

    a = tanh(u),  u = m(s) + σ(s) ε,  ε ~ N(0, 1)
    log π(a | s) = Σ_i [log N(u_i; m_i, σ_i) - log(1 - tanh²(u_i))]

The second term is the change of variables (Haarnoja et al. 2018, appendix C). Where |u| is large, 1 - tanh² is 0 to the
computer; 2 (log 2 - u - softplus(-2u)) is its logarithm everywhere.
"""

from __future__ import annotations

import math
from typing import Any

import gymnasium as gym
import numpy as np

import minigrad as mg
import minigrad.nn as nn
import minigrad.nn.functional as F

from ...networks.bodies import body
from .networks import Squash

# log σ stays in these bounds: a policy that is certain has no gradient, and one that is spread out is all bounds.
LEAST, MOST = -20.0, 2.0


class SquashedActor(nn.Module):
    """π(a | s), from observations (batch, ...). A dimension without two bounds isn't squashed."""

    def __init__(self, observation_space: gym.Space, action_space: Any, hidden: tuple[int, ...]) -> None:
        super().__init__()
        layers, features = body(observation_space, hidden)
        self.numbers = int(np.prod(action_space.shape))
        self.layers = nn.Sequential(*layers, nn.Linear(features, 2 * self.numbers))
        self.squash = Squash(action_space)

    def forward(self, observation: mg.Tensor) -> tuple[mg.Tensor, mg.Tensor]:
        """m(s) and log σ(s), (batch, numbers) each."""
        both = self.layers(observation)
        return both[:, : self.numbers], both[:, self.numbers :].clamp(LEAST, MOST)

    def draw(self, observation: mg.Tensor, epsilon: mg.Tensor) -> tuple[mg.Tensor, mg.Tensor]:
        """Actions (batch, *shape) and log π of each, (batch,), of ε (batch, numbers). Differentiable."""
        mean, log_std = self(observation)
        u = mean + log_std.exp() * epsilon
        log_normal = -0.5 * epsilon.square() - log_std - 0.5 * math.log(2 * math.pi)
        return self.squash(u), (log_normal - self.log_slope(u)).sum(1)

    def log_slope(self, u: mg.Tensor) -> mg.Tensor:
        """log(1 - tanh²(u)), or 0 where nothing is squashed."""
        slope = (-u - F.softplus(u * -2.0) + math.log(2)) * 2.0
        return slope if self.squash.all else mg.where(self.squash.bounded, slope, mg.zeros_like(slope))

    def choose(self, observation: mg.Tensor, rng: np.random.Generator | None) -> np.ndarray:
        """Actions (batch, *shape) drawn with `rng`; without one, tanh(m(s)). Records no graph."""
        with mg.no_grad():
            mean, log_std = self(observation)
            if rng is None:
                return mg.to_numpy(self.squash(mean))
            epsilon = mg.from_numpy(rng.standard_normal(mean.shape, np.float32)).to(mean.device)
            return mg.to_numpy(self.squash(mean + log_std.exp() * epsilon))
