"""What all distributions share: shapes, checks, and the methods in terms of each other.

As in PyTorch, a tensor of values has the shape

    sample_shape + batch_shape + event_shape

`sample_shape` is how many draws were asked for, `batch_shape` how many distributions there are side by side (one a
state, say) and `event_shape` the shape of one value: `()` for a number, `(n,)` for a vector of n that is one action.
`log_prob` returns one number for each event.

Stricter than PyTorch, because both are silent there and a policy then quietly doesn't learn:

- `log_prob(value)` refuses a value that is not of that shape. A `(64,)` of actions against a batch of `(64, 1)` would
  broadcast to `(64, 64)`: every action judged under every state's policy. A single number (0-d) is welcome.
- NaN among the parameters is one error, here, that names the parameter; not a NaN loss some steps later.
"""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np

from .. import dtypes
from ..core.tensor import Tensor, wrap
from ..device import device_of, put
from ..dialect.creation import as_tensor, draw_normal
from ..events import draw
from ..ops import arithmetic, shapes
from .constraints import Constraint


class ParameterError(ValueError):
    """No distribution has these parameters: there is NaN among them, or a scale below 0."""


class Distribution:
    """The base class. A distribution defines `log_prob`, and `rsample` if its draws are differentiable, else `sample`.

    validate_args: check the parameters now, and values when they come; on unless switched off here or for all with
        `Distribution.set_default_validate_args(False)`. The check of a value's *shape* can't be switched off.
    """

    arg_constraints: ClassVar[dict[str, Constraint]] = {}
    has_rsample: Any = False
    has_enumerate_support: Any = False
    _validates_by_default = True

    def __init__(self, batch_shape: tuple = (), event_shape: tuple = (), validate_args: bool | None = None) -> None:
        self._batch_shape, self._event_shape = batch_shape, event_shape
        self._validate_args = Distribution._validates_by_default if validate_args is None else validate_args
        if self._validate_args:
            for name, constraint in self.arg_constraints.items():
                value = self.__dict__.get(name, self.__dict__.get(f"_{name}"))
                if value is not None and not constraint.check(value):
                    raise ParameterError(self._bad_parameter(name, value, constraint))

    @staticmethod
    def set_default_validate_args(value: bool) -> None:
        """Whether distributions made from now on check what they are given."""
        Distribution._validates_by_default = bool(value)

    # -- shapes -------------------------------------------------------------------------------------------

    @property
    def batch_shape(self) -> tuple[int, ...]:
        """The shape of the distributions side by side."""
        return self._batch_shape

    @property
    def event_shape(self) -> tuple[int, ...]:
        """The shape of a single value."""
        return self._event_shape

    def expand(self, batch_shape: Any) -> Self:
        """The same distribution repeated (without copying) to a larger batch shape."""
        raise self._report_missing("expand")

    def _repeat_sample(self, batch_shape: Any, **parameters: Tensor | None) -> Self:
        """A copy with other parameters, which are known to be fine."""
        new = object.__new__(type(self))
        new.__dict__.update(self.__dict__, **parameters, _batch_shape=tuple(batch_shape))
        return new

    def _shape(self, sample_shape: Any) -> tuple[int, ...]:
        """The shape of a tensor of draws."""
        if sample_shape == ():
            return self._batch_shape + self._event_shape
        if not isinstance(sample_shape, tuple | list):
            raise TypeError(
                f"{self._name}: sample_shape must be a tuple of ints, got {sample_shape!r}; for n draws pass (n,)"
            )
        for n in sample_shape:
            if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 0:
                raise ValueError(f"{self._name}: sample_shape is {sample_shape!r}; expected ints of at least 0")
        return (*sample_shape, *self._batch_shape, *self._event_shape)

    # -- what a distribution says about itself ------------------------------------------------------------

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Draws of shape sample_shape + batch_shape + event_shape, through which no gradient flows."""
        return self.rsample(sample_shape).detach()

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """Draws as a differentiable function of the parameters and of noise (the reparameterisation trick)."""
        raise NotImplementedError(
            f"{self._name}.rsample: a draw from {self._name} can't be differentiated; use sample() and a gradient of "
            "log_prob (REINFORCE), or a distribution with has_rsample"
        )

    def log_prob(self, value: Any) -> Tensor:
        """The logarithm of the density (or probability) at `value`: one number an event.

        value: sample_shape + batch_shape + event_shape, or a single number. Anything else raises ValueError where
        PyTorch broadcasts, because `(64,)` against `(64, 1)` gives `(64, 64)` numbers, nearly all of them for an action
        under some other state's policy; their mean is a loss that goes down while nothing is learned.
        """
        raise self._report_missing("log_prob")

    def rsample_and_log_prob(self, sample_shape: Any = ()) -> tuple[Tensor, Tensor]:
        """rsample() and its log_prob(), for losses that need both; SquashedNormal does it without inverting tanh."""
        value = self.rsample(sample_shape)
        return value, self.log_prob(value)

    def entropy(self) -> Tensor:
        """The expectation of -log_prob, of shape batch_shape."""
        raise self._report_missing("entropy")

    def perplexity(self) -> Tensor:
        """exp(entropy)."""
        return arithmetic.exp(self.entropy())

    def cdf(self, value: Any) -> Tensor:
        """The probability of a draw of at most `value`."""
        raise self._report_missing("cdf")

    def icdf(self, value: Any) -> Tensor:
        """The quantile: where `cdf` is `value`."""
        raise self._report_missing("icdf")

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """All possible values, along a new first dimension."""
        raise self._report_missing("enumerate_support")

    @property
    def support(self) -> Constraint | None:
        """What a value can be."""
        raise self._report_missing("support")

    @property
    def mean(self) -> Tensor:
        """The expectation."""
        raise self._report_missing("mean")

    @property
    def mode(self) -> Tensor:
        """The most probable value."""
        raise self._report_missing("mode")

    @property
    def variance(self) -> Tensor:
        """The expected squared distance from the mean."""
        raise self._report_missing("variance")

    @property
    def stddev(self) -> Tensor:
        """The square root of the variance."""
        return arithmetic.sqrt(self.variance)

    # -- help for the distributions -----------------------------------------------------------------------

    @property
    def _name(self) -> str:
        return type(self).__name__

    def _report_missing(self, what: str) -> NotImplementedError:
        return NotImplementedError(f"{self._name} has no {what}; see its class for what it has")

    def _value(self, method: str, value: Any, like: Tensor, checked: bool = True) -> Tensor:
        """`value` as a tensor that fits: its shape always, its elements if this distribution validates."""
        if not isinstance(value, Tensor):
            value = as_tensor(value, like.dtype if isinstance(value, float | int) else None, like.device)
        ours = self._batch_shape + self._event_shape
        shape = value.array.shape
        if shape != ours and shape[max(len(shape) - len(ours), 0) :] != ours and (shape or self._event_shape):
            raise ValueError(
                f"{self._name}.{method}: value has shape {shape}, but this distribution has batch_shape "
                f"{self._batch_shape} and event_shape {self._event_shape}, so {ours} was expected, or more dimensions "
                "before it; reshape one of them (.unsqueeze(-1) or .squeeze(-1)), because broadcasting would compare "
                "every value with every distribution"
            )
        if checked and self._validate_args and (support := self.support) is not None and not support.check(value):
            raise ValueError(
                f"{self._name}.{method}: the value must be {support.words} everywhere; {describe_example(value)}"
            )
        return value

    def _bad_parameter(self, name: str, value: Tensor, constraint: Constraint) -> str:
        if np.isnan(value.array).any():
            problem, way_out = "has NaN in it", "; minigrad.autograd.detect_anomaly() names the line that made it"
        else:
            problem, way_out = f"must be {constraint.words}", ""
        return f"{self._name}: {name} (shape {value.shape}) {problem}; {describe_example(value)}{way_out}"

    def __repr__(self) -> str:
        tensors = [(n, v) for n, v in self.__dict__.items() if isinstance(v, Tensor)]
        shown = [f"{n.lstrip('_')}: {v.item() if v.numel() == 1 else v.shape}" for n, v in tensors]
        return f"{self._name}({', '.join(shown)})"


def describe_example(value: Tensor) -> str:
    x = value.array
    missing = np.isnan(x)
    if not missing.any():
        return f"its elements go from {x.min()} to {x.max()}"
    place = [int(i[0]) for i in np.nonzero(missing)] if x.ndim else []
    return f"the first NaN is at {place}, and there are {int(missing.sum())} among {x.size} elements"


def parameters(*given: Any) -> tuple[Tensor, ...]:
    """Numbers and tensors as floating-point tensors of one shape."""
    tensors = [x for x in given if isinstance(x, Tensor)]
    same = len(tensors) == len(given)
    for x in tensors:
        same = same and x.array.shape == tensors[0].array.shape and x.array.dtype.kind == "f"
    if same:
        return given
    floating = [x for x in tensors if x.array.dtype.kind == "f"]
    dtype = floating[0].dtype if floating else dtypes.get_default_dtype()
    device = tensors[0].device if tensors else None
    found = [as_tensor(x, None if isinstance(x, Tensor) else dtype, device) for x in given]
    found = [x if x.array.dtype.kind == "f" else x.to(dtype) for x in found]
    try:
        full = np.broadcast_shapes(*[x.shape for x in found])
    except ValueError:
        raise ValueError(
            f"the parameters of a distribution have shapes {' and '.join(str(x.shape) for x in found)}, which do not "
            "broadcast; give them one shape, or one number for all"
        ) from None
    return tuple(x if x.shape == full else shapes.broadcast_to(x, full) for x in found)


def one_of(name: str, probs: Any, logits: Any) -> None:
    """Refuse both of `probs` and `logits`, and neither."""
    if (probs is None) == (logits is None):
        raise ValueError(f"{name}: give either probs or logits, got {'neither' if probs is None else 'both'}")


def clamp_probs(probs: Tensor) -> Tensor:
    """p kept a rounding error away from 0 and 1, as PyTorch does, so that its logarithm is finite."""
    eps = float(np.finfo(probs.dtype).eps)
    return arithmetic.clamp(probs, eps, 1 - eps)


def normal_noise(shape: tuple[int, ...], like: Tensor) -> Any:
    """Standard normal numbers as a raw array, in the dtype and on the device of `like`."""
    array = like.array
    noise = draw(draw_normal, None, shape, array.dtype)
    return noise if type(array) is np.ndarray else put(noise, device_of(array))


def on_device_of(drawn: Any, like: Any) -> Any:
    """Random numbers, drawn on the host, where the array `like` is."""
    return drawn if type(like) is np.ndarray else put(drawn, device_of(like))


def constant(array: Any) -> Tensor:
    """A raw result as a tensor without a gradient."""
    return wrap(np.asarray(array) if isinstance(array, np.generic) else array)
