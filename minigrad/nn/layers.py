"""Layers: the modules that compute, with the parameters they need."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import dtypes
from ..core.tensor import Tensor, wrap
from ..dialect.grad_modes import no_grad
from ..errors import GradientError
from ..ops.linalg import linear
from ..ops.normalization import layer_norm
from ..ops.shapes import axis, reshape
from . import functional as F
from . import init
from .functional.layers import check_embedding, check_probability, resolve_row
from .module import Module
from .parameter import Parameter


class Identity(Module):
    """Returns its input. Takes and ignores any arguments, so that it can stand in for any layer."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: Tensor) -> Tensor:
        """The input."""
        return input


class Linear(Module):
    """y = x Wᵀ + b.

    weight: (out_features, in_features); bias: (out_features,), or None. Both start uniform in ±1/√in_features, the
    weight by Kaiming's rule with a = √5, which comes to the same.

    Shapes: (*, in_features) -> (*, out_features). Raises RuntimeError for another last dimension, and ValueError for
    a negative number of features.
    """

    weight: Parameter
    bias: Parameter | None

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        for name, n in (("in_features", in_features), ("out_features", out_features)):
            check_size("Linear", name, n, 0)
        self.in_features, self.out_features = int(in_features), int(out_features)
        self.weight = Parameter(_empty((self.out_features, self.in_features), dtype))
        self.bias = Parameter(_empty((self.out_features,), dtype)) if bias else None
        self.reset_parameters()
        if device is not None:
            self.to(device)

    def reset_parameters(self) -> None:
        """Draw weight and bias anew."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(self.in_features) if self.in_features else 0.0
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Tensor) -> Tensor:
        """x Wᵀ + b."""
        return linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        """PyTorch's words."""
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


class Flatten(Module):
    """Makes one dimension of `start_dim` to `end_dim`, by default of all but the batch.

    Shapes: (batch, *) -> (batch, product of *).
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, input: Tensor) -> Tensor:
        """The input, reshaped. Raises IndexError if it has no such dimensions."""
        shape, ndim = input.shape, input.ndim
        if not -ndim <= self.start_dim < ndim or not -ndim <= self.end_dim < ndim:
            raise IndexError(
                f"Flatten: start_dim={self.start_dim}, end_dim={self.end_dim} do not exist in an input of shape "
                f"{shape}; give it a batch dimension, x.unsqueeze(0), or choose other dimensions"
            )
        first, last = self.start_dim % ndim, self.end_dim % ndim
        if first > last:
            raise RuntimeError(
                f"Flatten: start_dim={self.start_dim} comes after end_dim={self.end_dim} in an input of shape {shape}; "
                "swap them"
            )
        return reshape(input, (*shape[:first], math.prod(shape[first : last + 1]), *shape[last + 1 :]))

    def extra_repr(self) -> str:
        """PyTorch's words."""
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """Makes several dimensions of one, the inverse of Flatten: Unflatten(1, (3, 4)) takes (batch, 12) to (batch, 3, 4).

    unflattened_size: their sizes; one may be -1, for what is left.
    """

    def __init__(self, dim: int, unflattened_size: Sequence[int]) -> None:
        super().__init__()
        for n in unflattened_size:
            check_size("Unflatten", "each of unflattened_size", n, -1)
        if list(unflattened_size).count(-1) > 1:
            raise ValueError(f"Unflatten: unflattened_size={tuple(unflattened_size)}; only one of the sizes may be -1")
        self.dim, self.unflattened_size = dim, tuple(unflattened_size)

    def forward(self, input: Tensor) -> Tensor:
        """The input, reshaped. Raises IndexError if it has no such dimension, RuntimeError if the sizes don't fit."""
        shape, d = input.shape, axis(self.dim, input.ndim)
        known = math.prod(n for n in self.unflattened_size if n != -1)
        if shape[d] % max(known, 1) or (-1 not in self.unflattened_size and shape[d] != known):
            raise GradientError(
                f"Unflatten: dimension {self.dim} of the input {shape} has size {shape[d]}, which is not the "
                f"product of {self.unflattened_size}; give sizes that multiply to it, or -1 for one of them"
            )
        return reshape(input, (*shape[:d], *self.unflattened_size, *shape[d + 1 :]))

    def extra_repr(self) -> str:
        """PyTorch's words."""
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"


class Dropout(Module):
    """In training, each element 0 with probability p and divided by 1 - p otherwise; after `eval()`, the identity.

    (Srivastava et al. 2014, "Dropout: a simple way to prevent neural networks from overfitting", section 4.)
    """

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        check_probability("Dropout", p)
        self.p, self.inplace = p, inplace

    def forward(self, input: Tensor) -> Tensor:
        """The input with elements left out."""
        return F.dropout(input, self.p, self.training, self.inplace)

    def extra_repr(self) -> str:
        """PyTorch's words."""
        return f"p={self.p}, inplace={self.inplace}"


class Embedding(Module):
    """A vector for each of a number of things (states, tokens): the rows of `weight`, which is learnt.

    weight: (num_embeddings, embedding_dim), standard normal to begin with.
    padding_idx: the row of a thing that is nothing: it starts as zeros and gets no gradient.

    Shapes: integers (*) -> (*, embedding_dim). Raises IndexError for a number that is no row.
    """

    weight: Parameter

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        _weight: Tensor | None = None,
        _freeze: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        check_embedding("Embedding", max_norm, scale_grad_by_freq, sparse)
        for name, n in (("num_embeddings", num_embeddings), ("embedding_dim", embedding_dim)):
            check_size("Embedding", name, n, 0)
        self.num_embeddings, self.embedding_dim = int(num_embeddings), int(embedding_dim)
        self.padding_idx = None if padding_idx is None else resolve_row("Embedding", padding_idx, self.num_embeddings)
        if _weight is None:
            self.weight = Parameter(_empty((self.num_embeddings, self.embedding_dim), dtype))
            self.reset_parameters()
        elif _weight.shape != (num_embeddings, embedding_dim):
            raise ValueError(
                f"Embedding: _weight has shape {_weight.shape}; expected ({num_embeddings}, {embedding_dim}): see "
                "Embedding.from_pretrained"
            )
        else:
            self.weight = Parameter(_weight, requires_grad=not _freeze)
        if device is not None:
            self.to(device)

    @classmethod
    def from_pretrained(cls, embeddings: Tensor, freeze: bool = True, padding_idx: int | None = None) -> Embedding:
        """With given rows, (num_embeddings, embedding_dim), which stay as they are if `freeze`."""
        if embeddings.ndim != 2:
            raise ValueError(f"Embedding.from_pretrained: got shape {embeddings.shape}; expected a matrix of rows")
        rows, features = embeddings.shape
        return cls(rows, features, padding_idx, _weight=embeddings, _freeze=freeze)

    def reset_parameters(self) -> None:
        """Draw the rows anew."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            with no_grad():
                self.weight[self.padding_idx] = 0.0

    def forward(self, input: Tensor) -> Tensor:
        """The rows that the input names."""
        return F.embedding(input, self.weight, self.padding_idx)

    def extra_repr(self) -> str:
        """PyTorch's words."""
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{self.num_embeddings}, {self.embedding_dim}{padding}"


class CosineSimilarity(Module):
    """x·y / (|x| |y|) along `dim`, the norms at least eps."""

    def __init__(self, dim: int = 1, eps: float = 1e-8) -> None:
        super().__init__()
        self.dim, self.eps = dim, eps

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        """Shapes: two that broadcast -> that shape without `dim`."""
        return F.cosine_similarity(x1, x2, self.dim, self.eps)


class LayerNorm(Module):
    """y = (x - mean) / √(variance + eps) · weight + bias, with mean and variance over the last dimensions.

    (Ba, Kiros & Hinton 2016, "Layer normalization", eq. 4; the variance is the biased one.)

    normalized_shape: the sizes of those dimensions, an int for the last one alone. weight and bias have this shape;
    they start as ones and zeros.

    Shapes: (*, *normalized_shape) -> the same. Raises RuntimeError if the input does not end in normalized_shape.
    """

    weight: Parameter | None
    bias: Parameter | None

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        sizes = normalized_shape if isinstance(normalized_shape, tuple | list) else (normalized_shape,)
        for n in sizes:
            check_size("LayerNorm", "each of normalized_shape", n, 0)
        self.normalized_shape = tuple(int(n) for n in sizes)
        if not self.normalized_shape:
            raise ValueError("LayerNorm: normalized_shape is empty; give the sizes of the last dimensions")
        self.eps, self.elementwise_affine = eps, elementwise_affine
        self.weight = Parameter(_empty(self.normalized_shape, dtype)) if elementwise_affine else None
        self.bias = Parameter(_empty(self.normalized_shape, dtype)) if elementwise_affine and bias else None
        self.reset_parameters()
        if device is not None:
            self.to(device)

    def reset_parameters(self) -> None:
        """Weight 1, bias 0."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def forward(self, input: Tensor) -> Tensor:
        """The input, normalised over its last dimensions."""
        n = len(self.normalized_shape)
        if input.shape[-n:] != self.normalized_shape:
            raise GradientError(
                f"LayerNorm: the input has shape {input.shape}, which does not end in normalized_shape="
                f"{self.normalized_shape}; reshape the input or build LayerNorm({input.shape[-n:]})"
            )
        return layer_norm(input, self.weight, self.bias, n, self.eps)

    def extra_repr(self) -> str:
        """PyTorch's words."""
        affine = f"elementwise_affine={self.elementwise_affine}, bias={self.bias is not None}"
        return f"{self.normalized_shape}, eps={self.eps}, {affine}"


def check_size(who: str, name: str, n: Any, least: int) -> None:
    """Refuse what is no size of a dimension of at least `least`."""
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < least:
        raise ValueError(f"{who}: {name} must be an int of at least {least}, got {n!r}; give a dimension's size")


def _empty(shape: tuple[int, ...], dtype: Any) -> Tensor:
    return wrap(np.empty(shape, dtypes.get_default_dtype() if dtype is None else dtypes.as_dtype(dtype)))
