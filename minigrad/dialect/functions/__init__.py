"""The public functions in PyTorch's dialect: its argument names, defaults and return types.

The mathematics is in ops/; here is what PyTorch's users expect around it, one file per family. Most functions whose
first argument is a tensor are methods of Tensor too (methods.py). NumPy's `axis` and `keepdims` are accepted for `dim`
and `keepdim`.
"""

from .arithmetic import (
    add,
    addcdiv,
    addcmul,
    clamp,
    clamp_max,
    clamp_min,
    div,
    elu,
    floor_divide,
    fmod,
    frac,
    leaky_relu,
    lerp,
    nan_to_num,
    positive,
    remainder,
    round,
    softplus,
    sub,
    xlogy,
)
from .comparing import allclose, equal, is_tensor, isclose
from .converting import clone, contiguous, to
from .explaining import explain
from .gathering import (
    gather,
    index_select,
    masked_fill,
    masked_select,
    repeat_interleave,
    select,
    take,
    take_along_dim,
    where,
)
from .joining import atleast_1d, atleast_2d, cat, chunk, hstack, meshgrid, narrow, split, stack, unbind, vstack
from .linalg import (
    addmm,
    addmv,
    baddbmm,
    bmm,
    diag,
    diag_embed,
    diagonal,
    dot,
    fill_diagonal_,
    matmul,
    mm,
    mv,
    outer,
    trace,
    tril,
    triu,
)
from .reductions import (
    ValuesAndIndices,
    all,
    amax,
    amin,
    any,
    argmax,
    argmin,
    cumprod,
    cumsum,
    logsumexp,
    max,
    mean,
    min,
    norm,
    prod,
    std,
    std_mean,
    sum,
    var,
    var_mean,
)
from .sampling import bernoulli, multinomial, normal, randint_like
from .scattering import index_add, index_copy, index_fill, masked_scatter, scatter, scatter_add
from .shapes import (
    broadcast_tensors,
    broadcast_to,
    expand,
    expand_as,
    flatten,
    flip,
    movedim,
    permute,
    ravel,
    repeat,
    reshape,
    roll,
    squeeze,
    swapaxes,
    t,
    tile,
    transpose,
    unflatten,
    unsqueeze,
    view,
)
from .sorting import (
    argsort,
    bincount,
    bucketize,
    count_nonzero,
    kthvalue,
    median,
    nonzero,
    searchsorted,
    sort,
    topk,
    unique,
)
