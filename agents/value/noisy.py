"""Noisy layers: weights with learned noise, which explores where the network is still unsure, in place of ε.

    y = (μ_w + σ_w ⊙ ε_w) x + μ_b + σ_b ⊙ ε_b,    ε_w = f(ε_out) f(ε_in)ᵀ,  ε_b = f(ε_out),  f(x) = sign(x) √|x|

Fortunato et al., "Noisy Networks for Exploration", ICLR (2018), equations 9 to 11 (factorised Gaussian noise), and
section 3.2 for how it starts.
"""

from __future__ import annotations

import math

import numpy as np

import minigrad as mg
import minigrad.nn as nn
import minigrad.nn.functional as F


class NoisyLinear(nn.Module):
    """A linear layer whose noise is drawn by `resample`, and left out after `still`."""

    def __init__(self, inputs: int, outputs: int, sigma: float = 0.5) -> None:
        super().__init__()
        bound = 1 / math.sqrt(inputs)
        self.weight = nn.Parameter(mg.empty(outputs, inputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(mg.empty(outputs).uniform_(-bound, bound))
        self.weight_sigma = nn.Parameter(mg.full((outputs, inputs), sigma * bound))
        self.bias_sigma = nn.Parameter(mg.full((outputs,), sigma * bound))
        self._weight_noise: mg.Tensor | None = None
        self._bias_noise: mg.Tensor | None = None

    def resample(self, rng: np.random.Generator) -> None:
        outputs, inputs = self.weight.shape
        noise = rng.standard_normal(inputs + outputs, np.float32)
        noise = np.copysign(np.sqrt(np.abs(noise)), noise)
        at_output = noise[inputs:]
        device = self.weight.device
        self._weight_noise = mg.from_numpy(np.outer(at_output, noise[:inputs])).to(device)
        self._bias_noise = mg.from_numpy(at_output).to(device)

    def still(self) -> None:
        """Only the means from here on: how a trained agent acts."""
        self._weight_noise = self._bias_noise = None

    def forward(self, x: mg.Tensor) -> mg.Tensor:
        if self._weight_noise is None:
            return F.linear(x, self.weight, self.bias)
        return F.linear(
            x,
            self.weight + self.weight_sigma * self._weight_noise,
            self.bias + self.bias_sigma * self._bias_noise,
        )


def noisy_layers(network: nn.Module) -> list[NoisyLinear]:
    return [module for module in network.modules() if isinstance(module, NoisyLinear)]
