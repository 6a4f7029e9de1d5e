"""How weights start: functions that fill a tensor in place and return it.

The idea behind all of them is to keep the variance of the signal from layer to layer. A layer that adds up `fan_in`
inputs multiplies the variance by fan_in · Var(w); going backwards, by fan_out · Var(w). Xavier (Glorot & Bengio 2010,
eq. 16) compromises between the two, Kaiming (He et al. 2015, eqs. 10 and 14) takes one of them and corrects, with the
*gain*, for what the activation takes away.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core.tensor import Tensor
from ..device import beside
from ..dialect.inplace import overwrite
from ..errors import GradientError
from ..events import report
from ..random import Generator
from ..random import generator as _engine_generator

_GAINS = {"linear": 1.0, "identity": 1.0, "sigmoid": 1.0, "tanh": 5 / 3, "relu": math.sqrt(2), "selu": 0.75}
_GAINS |= {f"conv{transposed}{n}d": 1.0 for transposed in ("", "_transpose") for n in (1, 2, 3)}  # linear, too


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor by which weights must be larger to make up for a nonlinearity.

    param: the negative slope of "leaky_relu" (0.01 by default). Raises ValueError for an unknown nonlinearity.
    """
    if nonlinearity == "leaky_relu":
        if param is not None and (isinstance(param, bool) or not isinstance(param, int | float)):
            raise ValueError(f"calculate_gain: param={param!r}; expected the negative slope of leaky_relu, a number")
        return math.sqrt(2 / (1 + (0.01 if param is None else param) ** 2))
    if nonlinearity not in _GAINS:
        known = ", ".join([*_GAINS, "leaky_relu"])
        raise ValueError(f"calculate_gain: no gain is known for {nonlinearity!r}; expected one of {known}")
    return _GAINS[nonlinearity]


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fill with numbers uniform in [a, b)."""
    _check_random("uniform_", tensor)
    if not (math.isfinite(a) and math.isfinite(b) and a <= b):
        raise GradientError(f"uniform_: the bounds are {a} and {b}; expected finite numbers, the lower one first")
    return _fill(tensor, _engine_generator(generator).uniform(a, b, tensor.shape))


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fill with normal numbers of the given mean and standard deviation."""
    _check_random("normal_", tensor)
    if not std >= 0:
        raise GradientError(f"normal_: std={std}; expected a standard deviation, at least 0")
    return _fill(tensor, _engine_generator(generator).standard_normal(tensor.shape) * std + mean)


def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Generator | None = None,
) -> Tensor:
    """Fill with normal numbers, drawn again until they fall into [a, b].

    Raises ValueError if [a, b] is empty or so far from the mean that next to none would fall into it.
    """
    _check_random("trunc_normal_", tensor)
    if not std > 0:
        raise ValueError(f"trunc_normal_: std={std}; expected a standard deviation above 0 (see constant_)")
    if a >= b or mean + 5 * std < a or mean - 5 * std > b:
        raise ValueError(
            f"trunc_normal_: [{a}, {b}] is empty or more than 5 standard deviations from the mean {mean} (std {std}); "
            "widen the bounds, which are values, not multiples of std"
        )
    draw = _engine_generator(generator)
    values = draw.standard_normal(tensor.shape) * std + mean
    while (outside := (values < a) | (values > b)).any():
        values[outside] = draw.standard_normal(int(outside.sum())) * std + mean
    return _fill(tensor, values)


def constant_(tensor: Tensor, val: float) -> Tensor:
    """Fill with `val`."""
    _check("constant_", tensor)
    return _fill(tensor, val)


def zeros_(tensor: Tensor) -> Tensor:
    """Fill with 0."""
    _check("zeros_", tensor)
    return _fill(tensor, 0.0)


def ones_(tensor: Tensor) -> Tensor:
    """Fill with 1."""
    _check("ones_", tensor)
    return _fill(tensor, 1.0)


def eye_(tensor: Tensor) -> Tensor:
    """Fill a matrix with the identity. Raises ValueError unless it has two dimensions."""
    _check("eye_", tensor)
    if tensor.ndim != 2:
        raise ValueError(f"eye_: expected a matrix, got shape {tensor.shape}; reshape it to two dimensions")
    return _fill(tensor, np.eye(tensor.shape[0], tensor.shape[1]))


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Uniform in ±gain √(6 / (fan_in + fan_out)) (Glorot & Bengio 2010, eq. 16)."""
    _check_gain("xavier_uniform_", gain)
    bound = gain * math.sqrt(6 / sum(count_fans("xavier_uniform_", tensor)))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Normal with standard deviation gain √(2 / (fan_in + fan_out)) (Glorot & Bengio 2010)."""
    _check_gain("xavier_normal_", gain)
    std = gain * math.sqrt(2 / sum(count_fans("xavier_normal_", tensor)))
    return normal_(tensor, 0.0, std, generator)


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Uniform in ±gain √(3 / fan) (He et al. 2015); `a` is the negative slope of leaky_relu."""
    bound = calculate_gain(nonlinearity, a) * math.sqrt(3 / choose_fan("kaiming_uniform_", tensor, mode))
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Normal with standard deviation gain / √fan (He et al. 2015, eq. 10)."""
    std = calculate_gain(nonlinearity, a) / math.sqrt(choose_fan("kaiming_normal_", tensor, mode))
    return normal_(tensor, 0.0, std, generator)


def orthogonal_(tensor: Tensor, gain: float = 1, generator: Generator | None = None) -> Tensor:
    """A random matrix with orthonormal rows or columns, whichever are fewer, times `gain`.

    (Saxe et al. 2013.) Dimensions after the first count as one. The Q of a normal matrix's QR decomposition is
    uniform over the orthogonal matrices once R's diagonal is made positive (Mezzadri 2007, section 5).
    Raises ValueError for fewer than two dimensions.
    """
    _check_random("orthogonal_", tensor)
    if tensor.ndim < 2:
        raise ValueError(
            f"orthogonal_: expected at least two dimensions, got shape {tensor.shape}; use normal_ or zeros_ for a bias"
        )
    if not tensor.numel():
        return tensor
    rows = tensor.shape[0]
    columns = tensor.numel() // rows
    draws = _engine_generator(generator).standard_normal((max(rows, columns), min(rows, columns)))
    q, r = np.linalg.qr(draws)
    q *= np.sign(np.diag(r))
    return _fill(tensor, gain * (q if rows >= columns else q.T).reshape(tensor.shape))


def count_fans(who: str, tensor: Tensor) -> tuple[int, int]:
    """How many numbers each output adds up, and to how many outputs each input contributes.

    A weight has shape (out, in, *kernel); every place of the kernel counts.
    """
    _check(who, tensor)
    if tensor.ndim < 2:
        raise ValueError(
            f"{who}: a weight needs at least two dimensions (out, in, ...), got shape {tensor.shape}; "
            "use uniform_ or zeros_ for a bias"
        )
    places = math.prod(tensor.shape[2:])
    return tensor.shape[1] * places, tensor.shape[0] * places


def choose_fan(who: str, tensor: Tensor, mode: str) -> int:
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"{who}: mode={mode!r}; expected 'fan_in' or 'fan_out'")
    fan_in, fan_out = count_fans(who, tensor)
    return max(fan_in if mode == "fan_in" else fan_out, 1)


def _check(who: str, tensor: Any) -> None:
    if not isinstance(tensor, Tensor):
        raise TypeError(f"{who}: expected a Tensor, got {type(tensor).__name__}; pass a layer's .weight or .bias")
    if not tensor.is_leaf:
        raise GradientError(
            f"{who}: this tensor was made by '{tensor._node.name}'; initialise the leaf it was computed from"
        )


def _check_random(who: str, tensor: Any) -> None:
    _check(who, tensor)
    if not tensor.is_floating_point():
        raise GradientError(f"{who}: this tensor is {tensor.dtype}, which cannot hold the numbers drawn; use .float()")


def _check_gain(who: str, gain: float) -> None:
    if not gain >= 0:
        raise ValueError(f"{who}: gain={gain}; expected a factor of at least 0, as calculate_gain gives it")


def _fill(tensor: Tensor, values: Any) -> Tensor:
    """Write in place, outside the graph, cast to the tensor's dtype."""
    if isinstance(values, np.ndarray):
        values = beside(values, tensor.array)
    report("refused", "an initialisation")
    overwrite(tensor, values)
    return tensor
