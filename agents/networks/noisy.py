"""Noisy layers: weights with learned noise, which explores where the network is still unsure, in place of ε.

    y = (μ_w + σ_w ⊙ ε_w) x + μ_b + σ_b ⊙ ε_b,    ε_w = f(ε_out) f(ε_in)ᵀ,  ε_b = f(ε_out),  f(x) = sign(x) √|x|

Fortunato et al., "Noisy Networks for Exploration", ICLR (2018), equations 9 to 11 (factorised Gaussian noise), and
section 3.2 for how it starts.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import minigrad as mg
import minigrad.nn as nn
import minigrad.nn.functional as F

# Up to so many rows, two thin products cost less than making the noisy weights: a quarter, for one row and 1024 × 256.
FEW_ROWS = 8


def _add_noise(noise: Any, mean: Any, sigma: Any) -> Any:
    y = sigma * noise
    y += mean
    return y


# Operations of the engine. `mg.addcmul` and `mg.outer` say the same, and take longer because they broadcast.
# μ + σ ⊙ ε, of a constant ε; μ and σ have the same shape.
add_noise = mg.operation(_add_noise, dict(mean=lambda g: g, sigma=lambda g, noise: g * noise), name="add_noise")
# a bᵀ, as the product of a column and a row.
outer_product = mg.operation(
    lambda a, b: a[:, None].dot(b[None]), dict(a=lambda g, b: g @ b, b=lambda g, a: a @ g), name="outer_product"
)


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
            return F.linear(x, self.weight, self.bias)
        if len(x) <= FEW_ROWS:
            # (σ_w ⊙ f_out f_inᵀ) x = f_out ⊙ σ_w (f_in ⊙ x)
            noisy = F.linear(x * noise.at_input, self.weight_sigma, self.bias_sigma)
            return add_noise(noise.at_output, F.linear(x, self.weight, self.bias), noisy)
        return F.linear(x, *self.noisy_parameters())

    def noisy_parameters(self) -> Sequence[mg.Tensor]:
        """μ + σ ⊙ ε, for the weights and for the biases.

        A forward that isn't recorded takes what a recorded one has just made of the same parameters and the same draw:
        Double DQN chooses a' with the network that is learning; Fortunato et al. draw once more for it. (A change by
        `.data`, which no tensor counts, goes unnoticed there.)"""
        noise = self.noise
        if noise.made is not None and not mg.is_grad_enabled():
            (parameters, changes, *made), noise.made = noise.made, None
            parameters_now, changes_now = self._state()
            if changes_now == changes and all(map(operator.is_, parameters_now, parameters)):
                return made
        weight = add_noise(noise.of_weight(), self.weight, self.weight_sigma)
        bias = add_noise(noise.at_output, self.bias, self.bias_sigma)
        if weight.requires_grad:
            noise.made = *self._state(), weight, bias
        return weight, bias

    def _state(self) -> tuple[list[nn.Parameter], list[int]]:
        """The parameters, and how often each has been changed in place."""
        parameters = [self.weight, self.weight_sigma, self.bias, self.bias_sigma]
        return parameters, list(map(mg.count_changes, parameters))


class FactorizedNoise:
    """What a layer has drawn: f(ε_in) (inputs,) and f(ε_out) (outputs,); nothing at first."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self.draw(None, None)

    def draw(self, at_input: Any, at_output: Any) -> None:
        self.at_input, self.at_output = at_input, at_output
        self._of_weight: mg.Tensor | None = None
        self.made: Any = None  # the layer's noisy parameters, and what they were made of

    def of_weight(self) -> mg.Tensor:
        """ε_w, (outputs, inputs), made when it is first asked for."""
        if self._of_weight is None:
            self._of_weight = outer_product(self.at_output, self.at_input)
        return self._of_weight


class Noise:
    """The noise of all noisy layers of a network."""

    def __init__(self, network: nn.Module, tensor: Callable[[np.ndarray], mg.Tensor]) -> None:
        self.network = network
        self.layers = [module for module in network.modules() if isinstance(module, NoisyLinear)]
        self._tensor = tensor
        sizes = [size for layer in self.layers for size in reversed(layer.weight.shape)]
        self._drawn = np.zeros(sum(sizes), np.float32)
        self._parts = np.split(self._drawn, np.cumsum(sizes[:-1]))
        self._look()

    def _look(self) -> None:
        """Make the tensors that the layers see. On the CPU they look at the memory that draws are written to."""
        tensors = [self._tensor(part) for part in self._parts]
        elsewhere = any(tensor.device.type != "cpu" for tensor in tensors)
        self._copied = [*zip(tensors, self._parts, strict=True)] if elsewhere else []
        both = zip(self.layers, tensors[::2], tensors[1::2], strict=False)
        self._shares = [(layer.noise, at_input, at_output) for layer, at_input, at_output in both]

    def __setstate__(self, state: dict[str, Any]) -> None:
        """A copy's tensors look at the copy's memory."""
        self.__dict__.update(state)
        self._parts = np.split(self._drawn, np.cumsum([len(part) for part in self._parts[:-1]]))
        self._look()
        for noise, at_input, at_output in self._shares:
            if noise.at_output is not None:
                noise.draw(at_input, at_output)

    def draw(self, rng: np.random.Generator) -> None:
        """New noise everywhere. Drawn in one call: three for every layer take more time than the numbers."""
        if not self._shares:
            return
        drawn = rng.standard_normal(len(self._drawn), np.float32)
        f = np.abs(drawn, out=self._drawn)
        np.sqrt(f, out=f)
        np.copysign(f, drawn, out=f)
        for tensor, part in self._copied:
            tensor.copy_(self._tensor(part))
        for noise, at_input, at_output in self._shares:
            noise.draw(at_input, at_output)

    def still(self) -> None:
        """Only the means from here on: how a trained agent acts."""
        for noise, _, _ in self._shares:
            noise.clear()
