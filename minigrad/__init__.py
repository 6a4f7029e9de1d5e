"""minigrad: reverse-mode automatic differentiation small enough to read in an evening, in PyTorch's dialect.

    import minigrad as mg

    x = mg.tensor([1.0, 2.0, 3.0], requires_grad=True)
    loss = (x * x).sum()
    loss.backward()
    x.grad            # tensor([2., 4., 6.])

Where to read on: core/ is the engine, in its order of reading; ops/ is the derivative book; docs/tour.md walks through.
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as _np

from . import ops  # the rows of the table
from .dialect import bind_words
from .safety import install_checks
from .speed import take_shortcuts

bind_words()
install_checks()
take_shortcuts()

from . import random
from .core.tensor import Tensor
from .device import device, to_numpy
from .dialect import functions as _functions
from .dialect.attributes import count_changes
from .dialect.creation import (
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
from .dialect.functions import (
    add,
    addcdiv,
    addcmul,
    addmm,
    addmv,
    all,
    allclose,
    amax,
    amin,
    any,
    argmax,
    argmin,
    argsort,
    atleast_1d,
    atleast_2d,
    baddbmm,
    bernoulli,
    bincount,
    bmm,
    broadcast_tensors,
    broadcast_to,
    bucketize,
    cat,
    chunk,
    clamp,
    clamp_max,
    clamp_min,
    clone,
    count_nonzero,
    cumprod,
    cumsum,
    diag,
    diag_embed,
    diagonal,
    div,
    dot,
    equal,
    flatten,
    flip,
    floor_divide,
    fmod,
    frac,
    gather,
    hstack,
    index_add,
    index_copy,
    index_fill,
    index_select,
    is_tensor,
    isclose,
    kthvalue,
    lerp,
    logsumexp,
    masked_fill,
    masked_scatter,
    masked_select,
    matmul,
    max,
    mean,
    median,
    meshgrid,
    min,
    mm,
    movedim,
    multinomial,
    mv,
    nan_to_num,
    narrow,
    nonzero,
    norm,
    normal,
    outer,
    permute,
    positive,
    prod,
    randint_like,
    ravel,
    remainder,
    repeat,
    repeat_interleave,
    reshape,
    roll,
    round,
    scatter,
    scatter_add,
    searchsorted,
    select,
    sort,
    split,
    squeeze,
    stack,
    std,
    std_mean,
    sub,
    sum,
    swapaxes,
    t,
    take,
    take_along_dim,
    tile,
    topk,
    trace,
    transpose,
    tril,
    triu,
    unbind,
    unflatten,
    unique,
    unsqueeze,
    var,
    var_mean,
    vstack,
    where,
    xlogy,
)
from .dialect.grad_modes import enable_grad, inference_mode, is_grad_enabled, no_grad, set_grad_enabled
from .dialect.gradients import operation
from .dialect.layout import is_floating_point, is_nonzero, numel
from .dialect.size import Size
from .dtypes import (
    bool,
    double,
    finfo,
    float,
    float32,
    float64,
    get_default_dtype,
    iinfo,
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
    logical_xor,
    maximum,
    minimum,
    multiply,
    negative,
    not_equal,
    relu,
    sigmoid,
    sign,
    sqrt,
    square,
    tanh,
    trunc,
)
from .ops.arithmetic import invert as bitwise_not
from .ops.arithmetic import left_shift as bitwise_left_shift
from .ops.arithmetic import power as pow
from .ops.arithmetic import right_shift as bitwise_right_shift
from .ops.special import (
    atan,
    atan2,
    atanh,
    cos,
    erf,
    erfc,
    erfinv,
    log2,
    log10,
    logaddexp,
    reciprocal,
    rsqrt,
    sin,
    tan,
)
from .random import Generator, get_rng_state, initial_seed, manual_seed, seed, set_rng_state

abs = absolute
arctan, arctan2, arctanh = atan, atan2, atanh
neg = negative
mul = multiply
subtract = sub
divide = true_divide = div
clip = clamp
fix, sgn = trunc, sign
ger = outer
moveaxis, swapdims = movedim, transpose
concat = concatenate = cat
gt, ge, lt, le, ne, eq = greater, greater_equal, less, less_equal, not_equal, ops.arithmetic.equal
dtype = _np.dtype
newaxis = None
e, pi = _np.e, _np.pi
inf, nan = float64.type("inf").item(), float64.type("nan").item()

# As functions these may be given anything; as methods they have their tensor.
_OF_TENSORS = (
    "addmm addmv amax amin argmax argmin argsort atleast_1d atleast_2d baddbmm bernoulli bincount bmm "
    "broadcast_tensors broadcast_to chunk clamp clone count_nonzero cumprod cumsum diag diag_embed diagonal dot "
    "flatten flip gather index_add index_copy index_fill index_select kthvalue lerp logsumexp masked_fill "
    "masked_scatter masked_select mean median meshgrid mm movedim multinomial mv nan_to_num narrow nonzero norm "
    "outer permute positive prod randint_like ravel repeat repeat_interleave reshape roll round scatter scatter_add "
    "searchsorted select sort split squeeze std std_mean sub sum swapaxes t take take_along_dim tile topk trace "
    "transpose tril triu unbind unflatten unique unsqueeze var var_mean where xlogy"
)
for _name in _OF_TENSORS.split():
    globals()[_name] = _functions.explain(globals()[_name])
for _name, _value in [*globals().items()]:
    if callable(_value) and hasattr(_value, "operation"):  # a row: here pickle finds it
        _value.__module__, _value.__qualname__ = __name__, _name

# Parts that not every program needs are imported when they are first asked for.
_LAZY = {
    "autograd": "minigrad.autograd",
    "nn": "minigrad.nn",
    "distributions": "minigrad.distributions",
    "optim": "minigrad.optim",
    "save": ("minigrad.serialization", "save"),
    "load": ("minigrad.serialization", "load"),
    "softmax": ("minigrad.nn.functional", "softmax"),
    "log_softmax": ("minigrad.nn.functional", "log_softmax"),
    "capture": ("minigrad.speed.capture", "capture"),
    "einsum": ("minigrad.dialect.functions.einsum", "einsum"),
    "backends": "minigrad.backends",
    "cuda": "minigrad.cuda",
    "linalg": "minigrad.linalg",
}
for _name in ("Float", "Double", "Long", "Int", "Short", "Char", "Byte", "Bool"):
    _LAZY[f"{_name}Tensor"] = ("minigrad.dialect.typed", f"{_name}Tensor")
_SETTINGS = (
    "set_printoptions get_num_threads set_num_threads use_deterministic_algorithms are_deterministic_algorithms_enabled"
)
for _name in _SETTINGS.split():
    _LAZY[_name] = ("minigrad.dialect.settings", _name)


def __getattr__(name: str) -> Any:
    place = _LAZY.get(name)
    if place is None:
        raise AttributeError(f"module 'minigrad' has no attribute {name!r}")
    if isinstance(place, str):
        return importlib.import_module(place)
    globals()[name] = value = getattr(importlib.import_module(place[0]), place[1])  # so it is asked for only once
    return value
