"""What layers compute, as functions of their inputs and parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ... import dtypes
from ...core.tensor import Tensor, wrap
from ...device import beside, namespace
from ...dialect import functions
from ...errors import GradientError
from ...events import compute, draw
from ...ops import arithmetic, indexing, linalg, normalization


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """input Wᵀ + b. input: (..., in), weight: (out, in), bias: (out,) or None; returns (..., out)."""
    return linalg.linear(input, weight, bias)


def layer_norm(
    input: Tensor,
    normalized_shape: int | Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """(input - mean) / √(variance + eps) · weight + bias, over the last dimensions, of the sizes normalized_shape."""
    sizes = (normalized_shape,) if isinstance(normalized_shape, int | np.integer) else tuple(normalized_shape)
    if not sizes or tuple(input.shape[-len(sizes) :]) != sizes:
        raise GradientError(
            f"layer_norm: normalized_shape is {sizes}, but the input has shape {input.shape}; "
            "expected the sizes of its last dimensions"
        )
    for name, x in (("weight", weight), ("bias", bias)):
        if x is not None and x.shape != sizes:
            raise GradientError(f"layer_norm: {name} has shape {x.shape}; expected normalized_shape, {sizes}")
    return normalization.layer_norm(input, weight, bias, len(sizes), eps)


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """int64 rows with a 1 at the class: shape (..., num_classes); -1 infers the number of classes."""
    if num_classes < -1 or (num_classes == -1 and not tensor.numel()):
        given = "an empty tensor has no largest class" if num_classes == -1 else f"got {num_classes}"
        raise GradientError(f"one_hot: {given}; give num_classes, the number of classes, or -1 for the largest plus 1")
    return indexing.one_hot(tensor, num_classes)


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Each element 0 with probability p, else divided by 1 - p, so that its mean stays (Srivastava et al. 2014).

    training: False returns the input as it is.
    """
    check_probability("dropout", p)
    if not training or p == 0:
        return input
    scale = wrap(beside(draw(draw_scale, None, input.shape, p, input.dtype), input.array))
    return input.mul_(scale) if inplace else arithmetic.multiply(input, scale)


def draw_scale(rng: np.random.Generator, shape: tuple, p: float, dtype: np.dtype) -> np.ndarray:
    """0 with probability p, else 1 / (1 - p)."""
    return ((rng.random(shape) >= p) / (1 - p if p < 1 else 1)).astype(dtype)


def check_probability(who: str, p: Any) -> None:
    """Refuse what is no probability of a zero."""
    if not isinstance(p, int | float | np.number) or not 0 <= p <= 1:
        raise ValueError(f"{who}: p={p!r}; expected the probability of a zero, between 0 and 1")


def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """The rows of `weight` (rows, features) that the integers `input` (*) name: (*, features).

    padding_idx: a row that gets no gradient, whoever names it.
    Rows named several times add their gradients up. max_norm, scale_grad_by_freq and sparse are not supported.
    """
    check_embedding("embedding", max_norm, scale_grad_by_freq, sparse)
    if padding_idx is not None and weight.ndim == 2:
        padding_idx = resolve_row("embedding", padding_idx, weight.shape[0])
    names = input.array
    if names.dtype.kind not in "iu":
        raise GradientError(f"embedding: the input is {input.dtype}; expected integers, the rows' numbers: use .long()")
    if weight.ndim != 2:
        raise GradientError(f"embedding: the weight has shape {weight.shape}; expected (rows, features)")
    compute(indexing.check_bounds, "embedding", names, 0, weight.shape[0])
    rows = indexing.index(weight, names)
    if padding_idx is None:
        return rows
    padding = wrap(compute(np.equal, names, padding_idx)[..., None])
    return arithmetic.where(padding, rows.detach(), rows)


def resolve_row(who: str, padding_idx: Any, rows: int) -> int:
    """The number of the row that `padding_idx` means, counted from the start; raises ValueError if there is none."""
    if not isinstance(padding_idx, int | np.integer) or not -rows <= padding_idx < rows:
        raise ValueError(
            f"{who}: padding_idx={padding_idx} is none of the {rows} rows; expected an int from {-rows} to {rows - 1}"
        )
    return int(padding_idx) % rows


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """x1·x2 / (|x1| |x2|) along `dim`, each norm at least eps."""
    if not eps >= 0:
        raise ValueError(f"cosine_similarity: eps={eps}; expected the least norm to divide by, at least 0")
    dtype = dtypes.result_type(x1.array, x2.array)
    x1, x2 = functions.broadcast_tensors(x1.to(dtype), x2.to(dtype))
    sizes = [functions.clamp_min(functions.norm(x, 2, dim), eps) for x in (x1, x2)]
    return functions.sum(x1 * x2, dim) / (sizes[0] * sizes[1])


def pad(input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor:
    """The input with a border. pad: (before, after) of the last dimension, then of the last but one, and so on.

    mode: 'constant' fills the border with `value` (0), 'reflect' mirrors the inside without repeating the edge,
    'replicate' repeats the edge, 'circular' continues at the other end. Negative numbers cut off.
    """
    if not isinstance(pad, tuple | list) or not all(isinstance(n, int | np.integer) for n in pad):
        raise TypeError(f"pad: got {pad!r}; expected ints, (before, after) for each of the last dimensions")
    borders = [(int(a), int(b)) for a, b in zip(pad[::2], pad[1::2], strict=False)]
    if len(pad) % 2 or len(borders) > input.ndim:
        raise GradientError(
            f"pad: got {len(pad)} numbers for an input of shape {input.shape}; expected (before, after) for each of "
            f"its last dimensions, at most {2 * input.ndim}"
        )
    by_dim = dict(zip(range(input.ndim - 1, -1, -1), borders, strict=False))
    if mode == "constant":
        return pad_with_constant(input, by_dim, 0 if value is None else value)
    if mode not in ("reflect", "replicate", "circular"):
        raise ValueError(f"pad: mode={mode!r}; expected 'constant', 'reflect', 'replicate' or 'circular'")
    if value is not None:
        raise ValueError(f"pad: value={value} is for mode='constant'; leave it out, {mode!r} repeats the input")
    for d, (before, after) in by_dim.items():
        if before or after:
            input = indexing.index_select(input, d, find_shown_places(input, d, before, after, mode))
    return input


def pad_with_constant(x: Tensor, by_dim: dict[int, tuple[int, int]], value: Any) -> Tensor:
    shape, place = list(x.shape), [slice(None)] * x.ndim
    for d, (before, after) in by_dim.items():
        start, end = max(0, -before), x.shape[d] - max(0, -after)
        shape[d] += before + after
        if shape[d] < 0 or end < start:
            raise GradientError(f"pad: {before} and {after} cut off more than the {x.shape[d]} of dimension {d}")
        x = functions.narrow(x, d, start, end - start)
        place[d] = slice(max(0, before), max(0, before) + end - start)
    key = tuple(place)
    if value == 0:
        return indexing.index_add(x, tuple(shape), key)
    return indexing.assign(functions.to(wrap(np.full_like(x.array, value, shape=tuple(shape))), x.dtype), x, key)


def find_shown_places(x: Tensor, d: int, before: int, after: int, mode: str) -> Any:
    """For each element along the padded dimension d, the place of x that it shows: integers."""
    n = x.shape[d]
    start, stop = max(0, -before), n - max(0, -after)  # what a negative border leaves
    most = {"reflect": n - 1, "circular": stop - start, "replicate": max(before, after)}[mode]
    if max(before, after) > most or n + before + after < 1 or not n:
        raise GradientError(
            f"pad: ({before}, {after}) does not suit mode='{mode}' and dimension {d} of size {n}; expected "
            + (f"borders of at most {most}" if max(before, after) > most else "to leave at least one element")
        )
    xp = namespace(x)
    places = xp.arange(-before, n + after)
    if mode == "replicate":
        return xp.clip(places, 0, n - 1)
    if mode == "circular":  # what was cut off is not continued
        return start + (places - start) % (stop - start)
    return n - 1 - xp.abs(n - 1 - xp.abs(places))


def check_embedding(who: str, max_norm: float | None, scale_grad_by_freq: bool, sparse: bool) -> None:
    """Refuse what an embedding does not do."""
    asked = {"max_norm": max_norm is not None, "scale_grad_by_freq": scale_grad_by_freq, "sparse": sparse}
    for name, wanted in asked.items():
        if wanted:
            raise NotImplementedError(f"{who}: {name} is not supported; leave it out, change the weight yourself")
