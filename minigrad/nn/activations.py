"""Activations as modules, for Sequential. Elementwise: (*) -> (*), except that softmax works along `dim`."""

from __future__ import annotations

from ..core.tensor import Tensor
from ..ops import arithmetic
from . import functional as F
from .module import Module


class _InPlace(Module):
    """An activation that overwrites its input if `inplace`, where recording allows it."""

    inplace = False  # an instance has an entry of its own only once it differs

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        if inplace:
            self.inplace = True

    def extra_repr(self) -> str:
        """PyTorch's words."""
        return "inplace=True" if self.inplace else ""

    def _join(self, settings: str) -> str:
        return f"{settings}, inplace=True" if self.inplace else settings


class ReLU(_InPlace):
    """max(x, 0); the slope at 0 is 0."""

    def forward(self, input: Tensor) -> Tensor:
        """max(x, 0)."""
        return input.relu_() if self.inplace else arithmetic.relu(input)


class LeakyReLU(_InPlace):
    """x for x > 0, negative_slope · x otherwise."""

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.negative_slope = negative_slope

    def forward(self, input: Tensor) -> Tensor:
        """x for x > 0, negative_slope · x otherwise."""
        if self.inplace:
            return F.leaky_relu(input, self.negative_slope, inplace=True)
        return arithmetic.leaky_relu(input, self.negative_slope)

    def extra_repr(self) -> str:
        """PyTorch's words."""
        return self._join(f"negative_slope={self.negative_slope}")


class ELU(_InPlace):
    """x for x > 0, alpha · (eˣ - 1) otherwise (Clevert et al. 2016)."""

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.alpha = alpha

    def forward(self, input: Tensor) -> Tensor:
        """x for x > 0, alpha · (eˣ - 1) otherwise."""
        return F.elu(input, self.alpha, inplace=True) if self.inplace else arithmetic.elu(input, self.alpha)

    def extra_repr(self) -> str:
        """PyTorch's words."""
        return self._join(f"alpha={self.alpha}")


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


class _Plain(Module):
    """A function without settings."""

    _function: staticmethod

    def forward(self, input: Tensor) -> Tensor:
        """The function of each element."""
        return self._function(input)


class _PlainInPlace(_InPlace):
    """A function without settings but `inplace`."""

    _function: staticmethod

    def forward(self, input: Tensor) -> Tensor:
        """The function of each element."""
        return self._function(input, self.inplace)


class LogSigmoid(_Plain):
    """log sigmoid(x) = -log(1 + e⁻ˣ), without overflow."""

    _function = staticmethod(F.logsigmoid)


class SiLU(_PlainInPlace):
    """x sigmoid(x), also called swish (Elfwing, Uchibe & Doya 2018)."""

    _function = staticmethod(F.silu)


class Mish(_PlainInPlace):
    """x tanh(softplus(x)) (Misra 2020)."""

    _function = staticmethod(F.mish)


class SELU(_PlainInPlace):
    """1.0507 ELU(x, 1.6733), which keeps mean 0 and variance 1 from layer to layer (Klambauer et al. 2017)."""

    _function = staticmethod(F.selu)


class Softsign(_Plain):
    """x / (1 + |x|)."""

    _function = staticmethod(F.softsign)


class Tanhshrink(_Plain):
    """x - tanh x."""

    _function = staticmethod(F.tanhshrink)


class Hardsigmoid(_PlainInPlace):
    """x / 6 + ½ limited to [0, 1]."""

    _function = staticmethod(F.hardsigmoid)

    def extra_repr(self) -> str:
        """PyTorch's words: none."""
        return ""


class Hardswish(_PlainInPlace):
    """x Hardsigmoid(x)."""

    _function = staticmethod(F.hardswish)

    def extra_repr(self) -> str:
        """PyTorch's words: none."""
        return ""


class GELU(Module):
    """x Φ(x) with the normal distribution function Φ (Hendrycks & Gimpel 2016); approximate="tanh" for their eq. 2."""

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate

    def forward(self, input: Tensor) -> Tensor:
        """x Φ(x)."""
        return F.gelu(input, approximate=self.approximate)

    def extra_repr(self) -> str:
        """PyTorch's words."""
        return f"approximate={self.approximate!r}"


class Hardtanh(_InPlace):
    """x limited to [min_val, max_val]; the slope at the bounds is 0."""

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> None:
        super().__init__(inplace)
        if not min_val < max_val:
            raise ValueError(f"{type(self).__name__}: min_val={min_val} must be below max_val={max_val}; swap them")
        self.min_val, self.max_val = min_val, max_val

    def forward(self, input: Tensor) -> Tensor:
        """x limited to [min_val, max_val]."""
        return F.hardtanh(input, self.min_val, self.max_val, self.inplace)

    def extra_repr(self) -> str:
        """PyTorch's words."""
        return self._join(f"min_val={self.min_val}, max_val={self.max_val}")


class ReLU6(Hardtanh):
    """min(max(x, 0), 6)."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__(0.0, 6.0, inplace)

    def extra_repr(self) -> str:
        """PyTorch's words."""
        return "inplace=True" if self.inplace else ""


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


class Softmin(_AlongDim):
    """Softmax of -x."""

    def forward(self, input: Tensor) -> Tensor:
        """e⁻ˣ / Σ e⁻ˣ along `dim`."""
        return F.softmin(input, self.dim)
