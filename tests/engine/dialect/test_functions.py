"""The functions around the table: closed forms, second derivatives of compositions, and what is our own choice."""

from __future__ import annotations

import math

import numpy as np
import pytest

import minigrad as mg
import minigrad.nn.functional as F
from minigrad.errors import GradientError
from minigrad.gradcheck import gradcheck, gradgradcheck


def drawn(*shape: int, seed: int = 0, positive: bool = False) -> mg.Tensor:
    rng = np.random.default_rng([seed, *shape])
    x = rng.uniform(0.3, 2.0, shape) if positive else rng.permutation(int(np.prod(shape))).reshape(shape) * 0.37 - 1.1
    return mg.tensor(x.astype(np.float64), requires_grad=True)


INDEX = mg.tensor([1, 0, 1])
MASK = mg.tensor([[True, False, True], [False, True, True]])

COMPOSED = {
    "sort": (lambda x: x.sort(1, descending=True).values, [(2, 3)]),
    "topk": (lambda x: x.topk(2, 0)[0] ** 2, [(4, 3)]),
    "kthvalue": (lambda x: x.kthvalue(2, 1, keepdim=True).values, [(2, 3)]),
    "median": (lambda x: x.median() * x, [(5,)]),
    "scatter": (lambda x, y: x.scatter(1, mg.tensor([[0], [2]]), y) ** 2, [(2, 3), (2, 1)]),
    "index_add": (lambda x, y: x.index_add(0, INDEX, y, alpha=2.0) ** 2, [(2, 3), (3, 3)]),
    "index_copy": (lambda x, y: x.index_copy(1, mg.tensor([2, 0]), y) ** 2, [(2, 3), (2, 2)]),
    "index_fill": (lambda x: x.index_fill(0, mg.tensor([1]), 3.0) ** 2, [(3, 2)]),
    "masked_scatter": (lambda x, y: x.masked_scatter(MASK, y) ** 2, [(2, 3), (5,)]),
    "take_along_dim": (lambda x: mg.take_along_dim(x, mg.tensor([[1, 0, 0]]), 0) ** 2, [(2, 3)]),
    "repeat_interleave": (lambda x: x.repeat_interleave(mg.tensor([2, 0, 1]), 1) ** 2, [(2, 3)]),
    "diag": (lambda x: mg.diag(x, 1) ** 2, [(3,)]),
    "diagonal": (lambda x: mg.diagonal(x, 1, 0, 2) ** 2, [(3, 2, 4)]),
    "tril": (lambda x: mg.tril(x, -1) ** 2, [(3, 3)]),
    "einsum": (lambda x, y: mg.einsum("bij,bkj->bik", x, y), [(2, 3, 4), (2, 2, 4)]),
    "einsum of three": (lambda x, y, z: mg.einsum("ij,jk,ik->k", x, y, z), [(2, 3), (3, 4), (2, 4)]),
    "einsum of a diagonal": (lambda x: mg.einsum("iij->ij", x) ** 2, [(2, 2, 3)]),
    "addcdiv": (lambda x, y, z: mg.addcdiv(x, y, z, value=0.5), [(2, 3), (3,), (2, 1)]),
    "cumprod": (lambda x: x.cumprod(0), [(4,)]),
    "gelu by tanh": (lambda x: F.gelu(x, "tanh"), [(2, 3)]),
    "normalize": (lambda x: F.normalize(x, dim=1), [(2, 3)]),
    "cosine_similarity": (lambda x, y: F.cosine_similarity(x, y), [(2, 3), (2, 3)]),
    "kl_div": (lambda x, y: F.kl_div(x, y, reduction="batchmean"), [(2, 3), (2, 3)]),
    "poisson_nll_loss": (lambda x, y: F.poisson_nll_loss(x, y, full=True), [(2, 3), (2, 3)]),
    "gaussian_nll_loss": (lambda x, y, v: F.gaussian_nll_loss(x, y, v), [(2, 3), (2, 3), (2, 1)]),
    "layer_norm": (lambda x, w, b: F.layer_norm(x, (3,), w, b), [(2, 3), (3,), (3,)]),
    "embedding": (lambda w: F.embedding(mg.tensor([[0, 1], [1, 1]]), w) ** 2, [(3, 2)]),
    "pad": (lambda x: F.pad(x, (1, 2, -1, 1), value=2.0) ** 2, [(3, 2)]),
    "pad by reflecting": (lambda x: F.pad(x, (2, 1), mode="reflect") ** 2, [(1, 3)]),
    "glu": (lambda x: F.glu(x), [(2, 4)]),
    "hardswish": (lambda x: F.hardswish(x), [(5,)]),
    "celu": (lambda x: F.celu(x, 2.0), [(5,)]),
    "meshgrid": (lambda x, y: mg.stack(mg.meshgrid(x, y, indexing="xy")) ** 2, [(2,), (3,)]),
    "xlogy": (lambda x, y: mg.xlogy(x, y), [(2, 3), (3,)]),
    "baddbmm": (lambda x, a, b: mg.baddbmm(x, a, b, beta=0.5), [(2, 2), (2, 2, 3), (2, 3, 2)]),
}


@pytest.mark.parametrize("name", COMPOSED)
def test_first_and_second_derivatives(name):
    function, shapes = COMPOSED[name]
    positive = name in ("kl_div", "poisson_nll_loss", "gaussian_nll_loss", "addcdiv", "xlogy", "cumprod")
    inputs = [drawn(*shape, seed=i, positive=positive) for i, shape in enumerate(shapes)]
    assert gradcheck(function, inputs)
    assert gradgradcheck(function, inputs)


# -- closed forms -----------------------------------------------------------------------------------------


def test_sorting_is_stable_in_both_directions_and_nan_is_the_largest():
    x = mg.tensor([2.0, 1.0, 2.0, math.nan, 1.0])
    assert x.argsort().tolist() == [1, 4, 0, 2, 3]
    assert x.argsort(descending=True).tolist() == [3, 0, 2, 1, 4]
    values, indices = x[:3].sort()
    assert (values.tolist(), indices.tolist()) == ([1.0, 2.0, 2.0], [1, 0, 2])
    assert x[:3].topk(2).indices.tolist() == [0, 2]


def test_median_shares_among_equal_elements():
    x = mg.tensor([3.0, 1.0, 3.0, 5.0, 3.0], requires_grad=True)
    x.median().backward()
    assert x.grad.tolist() == pytest.approx([1 / 3, 0, 1 / 3, 0, 1 / 3])


def test_nothing_of_a_weight_is_lost_when_an_index_is_named_twice():
    """The projection of C51 and the hindsight of a replay rely on it."""
    m = mg.zeros(2, 3)
    m.view(-1).index_add_(0, mg.tensor([0, 0, 4]), mg.tensor([1.0, 2.0, 4.0]))
    assert m.tolist() == [[3.0, 0.0, 0.0], [0.0, 4.0, 0.0]]


@pytest.mark.parametrize(
    "equation",
    [*("ij,jk->ik", "ij,kj->ik", "ji,jk", "ij,ij->", "ij,ij->i", "i...,...j->ij...", "aij,ajk->aik", "ii->i", "iji->j")]
    + ["ij,jk,kl->il", "ij,k->kji", "a,b,c->cab", "ab,bc,ab->ac"],
)
def test_einsum_is_numpys(equation):
    rng = np.random.default_rng(0)
    sizes = dict(zip("ijklabc", (2, 3, 4, 5, 2, 3, 4), strict=True))
    shapes = [[sizes[c] for c in term.replace("...", "")] for term in equation.split("->")[0].split(",")]
    arrays = [rng.standard_normal(shape) for shape in shapes]
    np.testing.assert_allclose(mg.einsum(equation, *map(mg.tensor, arrays)).numpy(), np.einsum(equation, *arrays))


def test_losses_at_known_points():
    p = mg.tensor([[0.25, 0.75]], dtype=mg.float64)
    uniform = mg.tensor([[0.5, 0.5]], dtype=mg.float64)
    expected = 0.5 * math.log(0.5 / 0.25) + 0.5 * math.log(0.5 / 0.75)
    assert F.kl_div(p.log(), uniform, reduction="batchmean").item() == pytest.approx(expected)
    assert F.kl_div(p.log(), uniform.log(), reduction="sum", log_target=True).item() == pytest.approx(expected)
    assert F.binary_cross_entropy(mg.tensor([0.0]), mg.tensor([1.0])).item() == 100.0
    x, t, var = mg.tensor([1.0]), mg.tensor([3.0]), mg.tensor([4.0])
    assert F.gaussian_nll_loss(x, t, var, full=True).item() == pytest.approx(
        0.5 * math.log(2 * math.pi * 4) + 0.5, rel=1e-6
    )
    with pytest.warns(UserWarning, match="batchmean"):
        F.kl_div(p.log(), uniform)


def test_dropout_keeps_the_mean_and_gumbel_softmax_draws_in_proportion():
    mg.manual_seed(0)
    x = mg.ones(100_000)
    kept = F.dropout(x, 0.25)
    assert kept.unique().tolist() == pytest.approx([0.0, 4 / 3])
    assert kept.mean().item() == pytest.approx(1, abs=0.01)
    logits = mg.tensor([0.2, 0.3, 0.5]).log().expand(20_000, 3)
    drawn = F.gumbel_softmax(logits, tau=0.7, hard=True)
    assert drawn.sum(-1).unique().tolist() == [1.0]
    np.testing.assert_allclose(drawn.mean(0).numpy(), [0.2, 0.3, 0.5], atol=0.015)


def test_random_fills():
    mg.manual_seed(0)
    x = mg.empty(50_000)
    assert x.normal_(2.0, 3.0).mean().item() == pytest.approx(2, abs=0.06)
    assert x.exponential_(2.0).mean().item() == pytest.approx(0.5, abs=0.02)
    assert x.bernoulli_(0.3).mean().item() == pytest.approx(0.3, abs=0.01)
    assert set(x.random_(2, 5).unique().tolist()) == {2, 3, 4}
    assert mg.normal(mg.tensor([-5.0, 5.0]), 0.1).sign().tolist() == [-1, 1]
    weights = mg.tensor([1.0, 0.0, 3.0])
    counts = weights.multinomial(40_000, replacement=True).bincount(minlength=3) / 40_000
    np.testing.assert_allclose(counts.numpy(), [0.25, 0, 0.75], atol=0.01)
    generator = mg.Generator().manual_seed(3)
    first = mg.zeros(4).uniform_(generator=generator)
    assert first.equal(mg.zeros(4).uniform_(generator=mg.Generator().manual_seed(3)))


def test_a_padding_row_gets_no_gradient():
    weight = mg.ones(3, 2).requires_grad_()
    F.embedding(mg.tensor([0, 2, 2]), weight, padding_idx=2).sum().backward()
    assert weight.grad.tolist() == [[1, 1], [0, 0], [0, 0]]


# -- shapes, types, settings ------------------------------------------------------------------------------


def test_a_shape_is_a_tuple_that_can_count():
    x = mg.zeros(2, 3, 4)
    assert x.shape == (2, 3, 4) == x.size()
    assert isinstance(x.shape, mg.Size)
    assert isinstance(x.shape, tuple)
    assert (x.shape.numel(), x.shape[1:].numel(), (x.shape + (5,)).numel()) == (24, 12, 120)
    assert repr(x.shape) == "(2, 3, 4)"
    assert {x.shape: 1}[(2, 3, 4)] == 1
    assert mg.zeros(()).shape.numel() == 1


def test_typed_tensors():
    assert mg.FloatTensor(np.array([1.5, 2.0])).dtype == mg.float32
    assert mg.LongTensor([1, 2]).dtype == mg.int64
    assert mg.FloatTensor(2, 3).shape == (2, 3)
    assert isinstance(mg.zeros(1), mg.FloatTensor)
    assert not isinstance(mg.zeros(1), mg.LongTensor)
    assert not isinstance([1.0], mg.FloatTensor)
    x = mg.zeros(2)
    assert x.type() == "minigrad.FloatTensor"
    assert x.type(mg.LongTensor).dtype == mg.int64
    assert x.type("torch.DoubleTensor").dtype == mg.float64
    assert x.type(x.type()) is x


def test_finfo_and_iinfo_give_python_numbers():
    assert type(mg.finfo(mg.float32).max) is float
    assert mg.finfo(mg.float32).eps == np.finfo(np.float32).eps
    assert type(mg.iinfo(mg.int64).max) is int
    assert mg.iinfo(mg.uint8).max == 255
    with pytest.raises(AttributeError, match="nmant"):
        _ = mg.finfo(mg.float32).nmant


def test_the_number_of_threads():
    before = mg.get_num_threads()
    try:
        mg.set_num_threads(1)
        assert mg.get_num_threads() == 1
    finally:
        mg.set_num_threads(before)
    mg.use_deterministic_algorithms(True)


def test_memory():
    x = mg.zeros(4, 3)
    part = x[1:, ::2]
    assert (part.stride(), part.storage_offset(), part.stride(-1)) == ((3, 2), 3, 2)
    assert part.data_ptr() == x.data_ptr() + 3 * x.element_size()
    assert (x.itemsize, x.nbytes, x.nelement(), x.is_cuda, x.is_cpu, x.get_device()) == (4, 48, 12, False, True, -1)


def test_new_tensors_take_after_the_old_one():
    x = mg.zeros(2, dtype=mg.float64)
    for made in (x.new_zeros(3), x.new_ones((3,)), x.new_full((3,), 2), x.new_tensor([1, 2, 3]), x.new_empty(3)):
        assert (made.dtype, made.shape) == (mg.float64, (3,))
    assert x.new_zeros(2, dtype=mg.int64).dtype == mg.int64
    assert x.new_ones(2, requires_grad=True).requires_grad


def test_changes_in_place_are_recorded_and_leaves_refuse_them():
    x = mg.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = x * 2
    y.scatter_(0, mg.tensor([0]), 7.0).index_add_(0, mg.tensor([1, 1]), x[:2]).addcmul_(x, x)
    assert y.tolist() == [8.0, 11.0, 15.0]
    y.sum().backward()  # 7 + x0², 2 x1 + x0 + x1 + x1², 2 x2 + x2²
    assert x.grad.tolist() == [3.0, 7.0, 8.0]
    with pytest.raises(GradientError, match="leaf"):
        x.index_fill_(0, mg.tensor([0]), 1.0)
