"""The functions around the table on a GPU, without one: on the double, with the CPU's numbers and gradients."""

from __future__ import annotations

import numpy as np
import pytest
from on_device import numbers, on_double, same_on_both

import minigrad as mg
import minigrad.nn.functional as F
from minigrad.core.tensor import Tensor


def places(x: Tensor) -> Tensor:
    """The numbers of the rows of x in some order, beside x."""
    return x[:, 0].detach().argsort()


CALLS = {
    "sort": lambda x, y: x.sort(1, descending=True).values,
    "argsort": lambda x, y: x.argsort(0),
    "topk": lambda x, y: x.topk(2, 1),
    "kthvalue": lambda x, y: x.kthvalue(2, 0),
    "median": lambda x, y: x.median(),
    "unique": lambda x, y: (x > 0).detach().long().unique(return_counts=True),
    "bincount": lambda x, y: (x > 0).detach().long().reshape(-1).bincount(minlength=3),
    "searchsorted": lambda x, y: mg.searchsorted(x[0].detach().sort().values, y.detach()),
    "nonzero": lambda x, y: (x > 0).nonzero(),
    "count_nonzero": lambda x, y: (x > 0).count_nonzero(0),
    "scatter": lambda x, y: x.scatter(1, places(x).unsqueeze(1), 2.0),
    "scatter of a tensor": lambda x, y: x.scatter(1, places(x).unsqueeze(1), y),
    "index_add": lambda x, y: x.index_add(0, places(x), y, alpha=2.0),
    "index_copy": lambda x, y: x.index_copy(0, places(x), y),
    "index_fill": lambda x, y: x.index_fill(0, places(x)[:1], 2.0),
    "masked_scatter": lambda x, y: x.masked_scatter(x.detach() > 0, y),
    "take": lambda x, y: x.take(places(x)),
    "take_along_dim": lambda x, y: mg.take_along_dim(x, places(x).unsqueeze(1), 1),
    "repeat_interleave": lambda x, y: x.repeat_interleave(2, 1),
    "repeat_interleave by a tensor": lambda x, y: x.repeat_interleave(places(x), 0),
    "diag": lambda x, y: mg.diag(x[0], 1),
    "diagonal": lambda x, y: x.diagonal(1),
    "trace": lambda x, y: x.trace(),
    "tril": lambda x, y: x.tril(),
    "einsum": lambda x, y: mg.einsum("ij,kj->ik", x, y),
    "outer": lambda x, y: mg.outer(x[0], y[0]),
    "cumprod": lambda x, y: y.cumprod(1),
    "cumprod with a zero": lambda x, y: (y - y[:, 1:2]).cumprod(1),
    "fmod": lambda x, y: x.fmod(y),
    "frac": lambda x, y: x.frac(),
    "addcdiv": lambda x, y: x.addcdiv(x, y, value=0.5),
    "nan_to_num": lambda x, y: x.nan_to_num(),
    "xlogy": lambda x, y: mg.xlogy(x, 2.0) + mg.xlogy(x, y),
    "meshgrid": lambda x, y: mg.meshgrid(x[0], y[0], indexing="ij"),
    "vstack": lambda x, y: mg.vstack([x, y[0]]),
    "movedim": lambda x, y: x.movedim(0, 1),
    "new_zeros": lambda x, y: (x.new_zeros(2), x.new_full((2,), 3)),
    "stride": lambda x, y: x.t().stride(),
    "gelu": lambda x, y: F.gelu(x),
    "mish": lambda x, y: F.mish(x),
    "hardtanh": lambda x, y: F.hardtanh(x, -0.5, 0.5),
    "hardswish": lambda x, y: F.hardswish(x),
    "normalize": lambda x, y: F.normalize(x),
    "cosine_similarity": lambda x, y: F.cosine_similarity(x, y),
    "pad": lambda x, y: F.pad(x, (1, 2), value=3.0),
    "pad by reflecting": lambda x, y: F.pad(x, (1, 2), mode="reflect"),
    "pad in a circle": lambda x, y: F.pad(x, (1, 2), mode="circular"),
    "layer_norm": lambda x, y: F.layer_norm(x, (4,), y[0], y[1]),
    "kl_div": lambda x, y: F.kl_div(x, y, reduction="batchmean"),
    "binary_cross_entropy": lambda x, y: F.binary_cross_entropy(x.sigmoid(), y.sigmoid()),
    "poisson_nll_loss": lambda x, y: F.poisson_nll_loss(x, y, full=True),
    "gaussian_nll_loss": lambda x, y: F.gaussian_nll_loss(x, y, y),
}


@on_double
@pytest.mark.parametrize("name", CALLS)
def test_the_same_on_both(name):
    same_on_both(CALLS[name], numbers(3, 4), np.abs(numbers(3, 4, seed=1)) + 0.5, what=name)


@on_double
def test_what_is_drawn_is_the_hosts():
    x = mg.zeros(3, 4)
    draws = {
        "normal": lambda x: mg.normal(x, 1.0),
        "randint_like": lambda x: mg.randint_like(x, 5),
        "uniform_": lambda x: x.clone().uniform_(),
        "exponential_": lambda x: x.clone().exponential_(),
        "bernoulli_": lambda x: x.clone().bernoulli_(0.3),
        "random_": lambda x: x.clone().random_(9),
        "bernoulli": lambda x: x.bernoulli(0.5),
        "gumbel_softmax": lambda x: F.gumbel_softmax(x, hard=True),
    }
    for name, draw in draws.items():
        mg.manual_seed(1)
        expected = draw(x)
        mg.manual_seed(1)
        drawn = draw(x.to("cuda"))
        assert drawn.is_cuda, name
        assert drawn.cpu().equal(expected), name
