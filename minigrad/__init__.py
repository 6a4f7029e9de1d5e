"""minigrad: reverse-mode automatic differentiation small enough to read in an evening, in PyTorch's dialect.

    import minigrad as mg

    x = mg.tensor([1.0, 2.0, 3.0], requires_grad=True)
    loss = (x * x).sum()
    loss.backward()
    x.grad            # tensor([2., 4., 6.])

Where to read on: tensor.py (what a Tensor is), autograd.py (recording and backward), ops/ (the derivative book).
"""

from __future__ import annotations

import importlib
from typing import Any

from . import autograd, random
from . import methods as _methods  # gives Tensor its operators and methods
from .autograd import enable_grad, inference_mode, is_grad_enabled, no_grad, set_grad_enabled
from .creation import (
    arange,
    as_tensor,
    empty,
    empty_like,
    eye,
    from_numpy,
    full,
    full_like,
    linspace,
    ones,
    ones_like,
    rand,
    rand_like,
    randint,
    randn,
    randn_like,
    randperm,
    tensor,
    zeros,
    zeros_like,
)
from .device import device
from .dtypes import (
    bool,
    double,
    float,
    float32,
    float64,
    get_default_dtype,
    int,
    int8,
    int16,
    int32,
    int64,
    long,
    set_default_dtype,
    short,
    uint8,
)
from .errors import GradientError
from .functions import (
    add,
    all,
    allclose,
    amax,
    amin,
    any,
    argmax,
    argmin,
    bernoulli,
    cat,
    chunk,
    clamp,
    clone,
    cumsum,
    div,
    equal,
    flatten,
    flip,
    gather,
    index_select,
    is_tensor,
    isclose,
    lerp,
    logsumexp,
    masked_fill,
    masked_select,
    matmul,
    max,
    mean,
    min,
    multinomial,
    narrow,
    norm,
    permute,
    prod,
    repeat,
    reshape,
    roll,
    round,
    scatter_add,
    split,
    squeeze,
    stack,
    std,
    sub,
    sum,
    t,
    transpose,
    unbind,
    unsqueeze,
    var,
    where,
)
from .gradcheck import gradcheck, gradgradcheck  # not lazily: the functions must hide the module of that name
from .ops.arithmetic import (
    absolute,
    bitwise_and,
    bitwise_or,
    bitwise_xor,
    ceil,
    exp,
    expm1,
    floor,
    floor_divide,
    greater,
    greater_equal,
    isfinite,
    isinf,
    isnan,
    less,
    less_equal,
    log,
    log1p,
    logical_and,
    logical_not,
    logical_or,
    maximum,
    minimum,
    multiply,
    negative,
    not_equal,
    relu,
    remainder,
    sigmoid,
    sign,
    sqrt,
    square,
    tanh,
)
from .ops.arithmetic import power as pow
from .ops.special import (
    atan,
    atan2,
    atanh,
    cos,
    erf,
    erfc,
    erfinv,
    log10,
    log2,
    logaddexp,
    reciprocal,
    rsqrt,
    sin,
    tan,
)
from .random import Generator, manual_seed
from .random import get_state as get_rng_state
from .random import set_state as set_rng_state
from .tensor import Tensor

abs = absolute
arctan, arctan2, arctanh = atan, atan2, atanh
neg = negative
mul = multiply
subtract = sub
divide = true_divide = div
clip = clamp
concat = concatenate = cat
gt, ge, lt, le, ne, eq = greater, greater_equal, less, less_equal, not_equal, _methods.a.equal
inf, nan = float64.type("inf").item(), float64.type("nan").item()

# Parts that not every program needs are imported when they are first asked for.
_LAZY = {
    "nn": "minigrad.nn",
    "distributions": "minigrad.distributions",
    "optim": "minigrad.optim",
    "save": ("minigrad.serialization", "save"),
    "load": ("minigrad.serialization", "load"),
    "softmax": ("minigrad.nn.functional", "softmax"),
    "log_softmax": ("minigrad.nn.functional", "log_softmax"),
    "backends": "minigrad.backends",
    "cuda": "minigrad.cuda",
}


def __getattr__(name: str) -> Any:
    place = _LAZY.get(name)
    if place is None:
        raise AttributeError(f"module 'minigrad' has no attribute {name!r}")
    if isinstance(place, str):
        return importlib.import_module(place)
    return getattr(importlib.import_module(place[0]), place[1])
