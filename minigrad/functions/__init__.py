"""The public functions in PyTorch's dialect: its argument names, defaults and return types.

The mathematics is in ops/; here is what PyTorch's users expect around it, one file per family. Most functions whose
first argument is a tensor are methods of Tensor too (methods.py). NumPy's `axis` and `keepdims` are accepted for `dim`
and `keepdim`.
"""

from .arithmetic import add, clamp, div, elu, leaky_relu, lerp, round, softplus, sub
from .comparing import allclose, equal, is_tensor, isclose
from .conversion import clone, contiguous, to
from .joining import cat, chunk, narrow, split, stack, unbind
from .linalg import matmul
from .picking import gather, index_select, masked_fill, masked_select, scatter_add, where
from .reductions import (
    Extremes,
    all,
    amax,
    amin,
    any,
    argmax,
    argmin,
    cumsum,
    logsumexp,
    max,
    mean,
    min,
    norm,
    prod,
    std,
    sum,
    var,
)
from .sampling import bernoulli, multinomial
from .shapes import (
    expand,
    expand_as,
    flatten,
    flip,
    permute,
    repeat,
    reshape,
    roll,
    squeeze,
    t,
    transpose,
    unsqueeze,
    view,
)
