"""Activation functions. With inplace=True they overwrite their input, where recording allows it."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from ...core.tensor import Tensor, wrap
from ...dialect import functions
from ...dialect.functions import clamp_min, softplus
from ...dialect.inplace import in_place
from ...errors import GradientError
from ...events import draw
from ...ops import activations, arithmetic, losses
from ...ops.shapes import axis

tanh, sigmoid = arithmetic.tanh, arithmetic.sigmoid


def _apply(inplace: bool, operation: Callable[..., Tensor], input: Tensor, *settings: Any) -> Tensor:
    if inplace:
        return in_place(f"{operation.__name__}_", operation)(input, *settings)
    return operation(input, *settings)


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """max(input, 0); the slope at 0 is 0."""
    return input.relu_() if inplace else arithmetic.relu(input)


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """input where positive, negative_slope * input elsewhere."""
    return _apply(inplace, functions.leaky_relu, input, negative_slope)


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """input where positive, alpha * (exp(input) - 1) elsewhere."""
    return _apply(inplace, functions.elu, input, alpha)


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """1.0507 elu(input, 1.6733): keeps mean 0 and variance 1 from layer to layer (Klambauer et al. 2017)."""
    return _apply(inplace, _selu, input)


def _selu(input: Tensor) -> Tensor:
    return functions.elu(input, 1.6732632423543772848170429916717) * 1.0507009873554804934193349852946


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """input where positive, alpha * (exp(input / alpha) - 1) elsewhere: an elu whose slope is continuous.

    alpha: above 0, or the two halves would not meet so.
    """
    if not alpha > 0:
        raise ValueError(f"celu: alpha={alpha}; expected a number above 0")
    return _apply(inplace, _celu, input, alpha)


def _celu(input: Tensor, alpha: float) -> Tensor:
    return functions.elu(input / alpha, 1.0) * alpha


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """input · Φ(input), Φ the normal distribution function; approximate='tanh' is the older formula with tanh."""
    if approximate == "none":
        return activations.gelu(input)
    if approximate != "tanh":
        raise ValueError(f"gelu: approximate={approximate!r}; expected 'none' or 'tanh'")
    return 0.5 * input * (1 + arithmetic.tanh(math.sqrt(2 / math.pi) * (input + 0.044715 * (input * input * input))))


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """input · sigmoid(input), also called swish."""
    return _apply(inplace, activations.silu, input)


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """input · tanh(softplus(input)) (Misra 2019)."""
    return _apply(inplace, activations.mish, input)


def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    """input limited to [min_val, max_val]; at the limits the slope is 0 (clamp's is 1)."""
    if not min_val <= max_val:
        raise ValueError(f"hardtanh: min_val={min_val} is above max_val={max_val}; exchange them")
    return _apply(inplace, activations.hardtanh, input, min_val, max_val)


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """min(max(input, 0), 6)."""
    return hardtanh(input, 0.0, 6.0, inplace)


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """input / 6 + 1/2 limited to [0, 1]."""
    return _apply(inplace, _hardsigmoid, input)


def _hardsigmoid(input: Tensor) -> Tensor:
    return activations.hardtanh(input + 3, 0.0, 6.0) / 6


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """input · hardsigmoid(input)."""
    return _apply(inplace, _hardswish, input)


def _hardswish(input: Tensor) -> Tensor:
    return input * _hardsigmoid(input)


def softsign(input: Tensor) -> Tensor:
    """input / (1 + |input|)."""
    return input / (1 + arithmetic.absolute(input))


def tanhshrink(input: Tensor) -> Tensor:
    """input - tanh(input)."""
    return input - arithmetic.tanh(input)


def logsigmoid(input: Tensor) -> Tensor:
    """log sigmoid(input) = -softplus(-input), without overflow."""
    return -softplus(-input)


def glu(input: Tensor, dim: int = -1) -> Tensor:
    """a · sigmoid(b), where a and b are the halves of the input along `dim` (Dauphin et al. 2017)."""
    n = input.shape[axis(dim, input.ndim)] if input.ndim else 1
    if n % 2:
        raise GradientError(
            f"glu: dimension {dim} of {input.shape} has {n} elements; expected an even number, two halves"
        )
    return functions.narrow(input, dim, 0, n // 2) * arithmetic.sigmoid(functions.narrow(input, dim, n // 2, n // 2))


def normalize(input: Tensor, p: float = 2.0, dim: Any = 1, eps: float = 1e-12) -> Tensor:
    """input divided by its p-norm along `dim`, or by eps where that is larger."""
    return input / clamp_min(functions.norm(input, p, dim, True), eps)


def choose_dim(name: str, dim: int | None, ndim: int) -> int:
    """`dim`; or, with a warning, the dimension PyTorch takes without one: 0 for 0, 1 or 3 dimensions, otherwise 1."""
    if dim is not None:
        return axis(dim, ndim)
    chosen = 0 if ndim in (0, 1, 3) else 1
    warnings.warn(
        f"{name}: without dim, dimension {chosen} of a {ndim}-d tensor is taken; say which one sums to 1, dim=-1 for "
        "the last",
        stacklevel=3,
    )
    return chosen


def softmax(input: Tensor, dim: int | None = None, *, dtype: Any = None) -> Tensor:
    """exp(input) / Σ exp(input) along `dim` (without one: dimension 0 of 0-, 1- and 3-d tensors, otherwise 1)."""
    input = input if dtype is None else input.to(dtype)
    ndim = input.array.ndim
    d = choose_dim("softmax", dim, ndim) if dim is None else axis(dim, ndim)
    return losses.softmax(input, d) if ndim else arithmetic.exp(input - input)


def softmin(input: Tensor, dim: int | None = None, *, dtype: Any = None) -> Tensor:
    """softmax of -input."""
    return softmax(-input, choose_dim("softmin", dim, input.ndim), dtype=dtype)


def log_softmax(input: Tensor, dim: int | None = None, *, dtype: Any = None) -> Tensor:
    """log softmax(input), computed without forming the softmax, so that no probability underflows to log 0."""
    input = input if dtype is None else input.to(dtype)
    ndim = input.array.ndim
    d = choose_dim("log_softmax", dim, ndim) if dim is None else axis(dim, ndim)
    return losses.log_softmax(input, d) if ndim else input - input


def draw_gumbel(rng: np.random.Generator, shape: tuple, dtype: np.dtype) -> np.ndarray:
    """-log of a standard exponential number has Gumbel's distribution."""
    return np.asarray(-np.log(rng.standard_exponential(shape))).astype(dtype)


def gumbel_softmax(logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1) -> Tensor:
    """A draw from the categorical distribution of the logits, softened by tau so that it has a derivative.

    softmax((logits + Gumbel noise) / tau) (Jang et al. 2017, eq. 2). hard: one-hot going forward, the soft draw's
    derivative going back. eps has no effect (as in PyTorch).
    """
    soft = softmax((logits + wrap(draw(draw_gumbel, None, logits.shape, logits.dtype)).to(logits.device)) / tau, dim)
    if not hard:
        return soft
    index = functions.argmax(soft, dim, True)
    one_hot = functions.scatter(soft.detach() * 0, axis(dim, soft.ndim), index, 1.0)
    return one_hot - soft.detach() + soft
