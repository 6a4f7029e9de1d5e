"""Noisy layers: weights with learned noise, which explores where the network is still unsure, in place of ε.

    y = (μ_w + σ_w ⊙ ε_w) x + μ_b + σ_b ⊙ ε_b,    ε_w = f(ε_out) f(ε_in)ᵀ,  ε_b = f(ε_out),  f(x) = sign(x) √|x|

Fortunato et al., "Noisy Networks for Exploration", ICLR (2018), equations 9 to 11 (factorised Gaussian noise), and
section 3.2 for how it starts.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

import minigrad as mg
import minigrad.nn as nn
from minigrad.ops.arithmetic import addcmul, multiply
from minigrad.ops.linalg import linear
from minigrad.tensor import wrap

# Up to so many rows, two thin products cost less than making the noisy weights: a quarter, for one row and 1024 × 256.
FEW_ROWS = 8


class NoisyLinear(nn.Module):
    """A linear layer with noise on its weights, once it has drawn some; none at first, and none after `still`."""

    def __init__(self, inputs: int, outputs: int, sigma: float = 0.5) -> None:
        super().__init__()
        bound = 1 / math.sqrt(inputs)
        self.weight = nn.Parameter(mg.empty(outputs, inputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(mg.empty(outputs).uniform_(-bound, bound))
        self.weight_sigma = nn.Parameter(mg.full((outputs, inputs), sigma * bound))
        self.bias_sigma = nn.Parameter(mg.full((outputs,), sigma * bound))
        self.noise = FactorizedNoise()

    def forward(self, x: mg.Tensor) -> mg.Tensor:
        noise = self.noise
        if noise.at_output is None:
            return linear(x, self.weight, self.bias)
        if len(x) <= FEW_ROWS:
            # (σ_w ⊙ f_out f_inᵀ) x = f_out ⊙ σ_w (f_in ⊙ x)
            noisy = linear(multiply(x, noise.at_input), self.weight_sigma, self.bias_sigma)
            return addcmul(linear(x, self.weight, self.bias), noisy, noise.at_output)
        return linear(x, *noise.added_to(self))


class FactorizedNoise:
    """What a layer has drawn: f(ε_in) (inputs,) and f(ε_out) (outputs,), or nothing."""

    at_input: Any = None  # a Tensor
    at_output: Any = None

    def draw(self, at_input: Any, at_output: Any) -> None:
        self.at_input, self.at_output = at_input, at_output
        self._of_weight: mg.Tensor | None = None
        self._added: tuple[list[int], Any, Any] | None = None

    def of_weight(self) -> mg.Tensor:
        """ε_w, (outputs, inputs), made when it is first asked for."""
        if self._of_weight is None:
            self._of_weight = wrap(self.at_output.array[:, None] * self.at_input.array)
        return self._of_weight

    def added_to(self, layer: NoisyLinear) -> tuple[Any, Any]:
        """The noisy weights and biases. Where nothing is recorded, those that are there from another forward will do,
        unless the parameters have changed since: Double DQN, which chooses a' with the network that is learning."""
        parameters = (layer.weight, layer.weight_sigma, layer.bias, layer.bias_sigma)
        versions = [p._version[0] for p in parameters]
        if self._added is not None and self._added[0] == versions and not mg.is_grad_enabled():
            return self._added[1:]
        weight = addcmul(layer.weight, layer.weight_sigma, self.of_weight())
        bias = addcmul(layer.bias, layer.bias_sigma, self.at_output)
        self._added = versions, weight.array, bias.array
        return weight, bias


class Noise:
    """The noise of all noisy layers of a network."""

    def __init__(self, network: nn.Module, tensor: Callable[[np.ndarray], mg.Tensor]) -> None:
        self.layers = [module for module in network.modules() if isinstance(module, NoisyLinear)]
        self._tensor = tensor
        self._size = 0
        self._places: list[tuple[FactorizedNoise, slice, slice]] = []  # what of a draw is whose
        for layer in self.layers:
            outputs, inputs = layer.weight.shape
            middle, end = self._size + inputs, self._size + inputs + outputs
            self._places.append((layer.noise, slice(self._size, middle), slice(middle, end)))
            self._size = end

    def draw(self, rng: np.random.Generator) -> None:
        """New noise everywhere. Drawn in one call: three for every layer took 40 µs more on CartPole."""
        if not self._places:
            return
        drawn = rng.standard_normal(self._size, np.float32)
        f = np.copysign(np.sqrt(np.abs(drawn)), drawn)
        tensor = self._tensor
        for noise, at_input, at_output in self._places:
            noise.draw(tensor(f[at_input]), tensor(f[at_output]))

    def still(self) -> None:
        """Only the means from here on: how a trained agent acts."""
        for noise, _, _ in self._places:
            noise.draw(None, None)
