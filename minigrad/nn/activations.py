"""Activations as modules, for Sequential. Elementwise: (*) -> (*), except that softmax works along `dim`."""

from __future__ import annotations

from ..ops import arithmetic
from ..tensor import Tensor
from . import functional as F
from .module import Module


class ReLU(Module):
    """max(x, 0); the slope at 0 is 0. `inplace` is accepted and changes nothing."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()

    def forward(self, input: Tensor) -> Tensor:
        """max(x, 0)."""
        return arithmetic.relu(input)


class LeakyReLU(Module):
    """x for x > 0, negative_slope · x otherwise."""

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        super().__init__()
        self.negative_slope = negative_slope

    def forward(self, input: Tensor) -> Tensor:
        """x for x > 0, negative_slope · x otherwise."""
        return arithmetic.leaky_relu(input, self.negative_slope)

    def extra_repr(self) -> str:
        """PyTorch's words."""
        return f"negative_slope={self.negative_slope}"


class ELU(Module):
    """x for x > 0, alpha · (eˣ - 1) otherwise (Clevert et al. 2016)."""

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha = alpha

    def forward(self, input: Tensor) -> Tensor:
        """x for x > 0, alpha · (eˣ - 1) otherwise."""
        return arithmetic.elu(input, self.alpha)

    def extra_repr(self) -> str:
        """PyTorch's words."""
        return f"alpha={self.alpha}"


class Softplus(Module):
    """log(1 + e^(beta x)) / beta, and x itself where beta x > threshold."""

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta, self.threshold = beta, threshold

    def forward(self, input: Tensor) -> Tensor:
        """log(1 + e^(beta x)) / beta."""
        return arithmetic.softplus(input, self.beta, self.threshold)

    def extra_repr(self) -> str:
        """PyTorch's words."""
        return f"beta={self.beta}, threshold={self.threshold}"


class Tanh(Module):
    """tanh x."""

    def forward(self, input: Tensor) -> Tensor:
        """tanh x."""
        return arithmetic.tanh(input)


class Sigmoid(Module):
    """1 / (1 + e⁻ˣ)."""

    def forward(self, input: Tensor) -> Tensor:
        """1 / (1 + e⁻ˣ)."""
        return arithmetic.sigmoid(input)


class _AlongDim(Module):
    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def extra_repr(self) -> str:
        """PyTorch's words."""
        return f"dim={self.dim}"


class Softmax(_AlongDim):
    """eˣ / Σ eˣ along `dim`, which sums to one. dim=None chooses as PyTorch does, with a warning."""

    def forward(self, input: Tensor) -> Tensor:
        """eˣ / Σ eˣ along `dim`."""
        return F.softmax(input, self.dim)


class LogSoftmax(_AlongDim):
    """log of Softmax, without its overflow and underflow."""

    def forward(self, input: Tensor) -> Tensor:
        """x - log Σ eˣ along `dim`."""
        return F.log_softmax(input, self.dim)
