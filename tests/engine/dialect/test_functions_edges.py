"""The functions where they are easy to get wrong: NaN, zeros, repeated places, dtypes, numbers that do not fit.

The expected values are PyTorch's (2.13) or follow from the definition.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from compare import same, slope

import minigrad as mg
from minigrad.errors import GradientError
from minigrad.gradcheck import gradcheck

NAN, INF = math.nan, math.inf


# -- NaN --------------------------------------------------------------------------------------------------


def test_the_median_of_what_holds_a_nan_is_nan():
    same(mg.tensor([3.0, NAN, 1.0]).median(), NAN)
    values, indices = mg.tensor([[3.0, NAN, 1.0], [3.0, 2.0, 1.0], [NAN, 5.0, NAN]]).median(1)
    same(values, [NAN, 2.0, NAN])
    assert indices.tolist() == [1, 1, 0]
    values, indices = mg.tensor([[3.0, NAN], [1.0, 2.0], [2.0, 0.0]]).median(0, keepdim=True)
    same(values, [[2.0, NAN]])
    assert indices.tolist() == [[2, 0]]
    same(mg.tensor([INF, -INF, 1.0]).median(), 1.0)
    same(mg.tensor(NAN).median(0).values, NAN)
    assert mg.tensor([5, 1, 9]).median(0).indices.item() == 0
    assert (mg.tensor([NAN, 1.0], requires_grad=True) * 1).median().requires_grad
    same(slope(lambda x: x.median(), [4.0, 1.0, 2.0, 2.0])[0], [0, 0, 0.5, 0.5])
    same(slope(lambda x: x.median(0).values, [4.0, 1.0, 3.0, 2.0])[0], [0, 0, 0, 1])


def test_other_statistics_of_a_nan():
    x = mg.tensor([3.0, NAN, 1.0])
    for name in ("sum", "mean", "std", "var", "max", "min", "amax", "amin", "prod", "norm"):
        same(getattr(x, name)(), NAN)
    assert x.argmax().item() == x.argmin().item() == x.max(0).indices.item() == 1
    same(x.sort().values, [1, 3, NAN])
    same(x.topk(1).values, [NAN])
    same(x.kthvalue(2).values, 3)
    same(x.clamp(0, 2), [2, NAN, 1])
    same(x.clamp(mg.tensor(0.0), mg.tensor(2.0)), [2, NAN, 1])
    same(mg.logsumexp(x, 0), NAN)
    same(x.cumsum(0), [3, NAN, NAN])
    same(x.nan_to_num(7.0), [3, 7, 1])
    assert not mg.allclose(x, x)
    assert mg.allclose(x, x, equal_nan=True)
    assert mg.isclose(x, x).tolist() == [True, False, True]
    assert not mg.equal(x, x)


def test_two_nan_are_different_elements():
    values, inverse, counts = mg.tensor([NAN, 3.0, 1.0, NAN, 3.0]).unique(return_inverse=True, return_counts=True)
    same(values, [1, 3, NAN, NAN])
    assert (inverse.tolist(), counts.tolist()) == ([2, 1, 0, 3, 1], [1, 2, 1, 1])


@pytest.mark.parametrize("right", [False, True])
def test_nan_is_searched_for_as_the_largest_number(right):
    x = mg.tensor([[0.0, 5.0, NAN]])
    vector, rows = mg.tensor([0.0, 1.0, 2.0]), mg.tensor([[0.0, 1.0, 2.0]])
    expected = [[int(right), 3, 3]]
    assert mg.searchsorted(vector, x, right=right).tolist() == expected
    assert mg.searchsorted(rows, x, right=right).tolist() == expected
    assert mg.bucketize(x, vector, right=right).tolist() == expected
    with_nan = mg.tensor([[0.0, 1.0, NAN]])
    assert mg.searchsorted(with_nan, x, right=right).tolist() == [[int(right), 2, 3 if right else 2]]
    assert mg.searchsorted(with_nan[0], x, right=right).tolist() == [[int(right), 2, 3 if right else 2]]


def test_a_nan_passes_the_gradient_on():
    for function in (mg.maximum, mg.minimum):
        a, b = slope(function, [NAN, 2.0, 1.0, NAN], [1.0, NAN, 1.0, NAN])
        same(a, [1, 1, 0.5, 1])
        same(b, [1, 1, 0.5, 1])
    same(slope(mg.relu, [NAN, -1.0, 0.0, 2.0])[0], [1, 0, 0, 1])
    same(slope(lambda x: mg.nn.functional.hardtanh(x), [NAN, -1.0, 0.5, 1.0, 2.0])[0], [1, 0, 1, 0, 0])
    layer = mg.nn.Sequential(mg.nn.Linear(1, 1), mg.nn.ReLU())  # one node
    layer[0].weight.data.fill_(NAN)
    layer(mg.ones(1, 1)).sum().backward()
    same(layer[0].bias.grad, [1])


def test_xlogy_keeps_a_nan():
    same(mg.xlogy(mg.tensor([0.0, 0.0, NAN]), mg.tensor([NAN, 0.0, 1.0])), [NAN, 0, NAN])
    same(mg.xlogy(0.0, mg.tensor([NAN, INF])), [NAN, 0])


# -- slopes where a formula has 0 * ∞ ---------------------------------------------------------------------


@pytest.mark.parametrize("p", [0.5, 1, 1.5, 2, 2.5, 3, 4, INF, -INF, -1, -2.5])
def test_the_slope_of_every_norm_at_0_is_0(p):
    for function in (lambda x: x.norm(p), lambda x: x.norm(p, 0), lambda x: mg.linalg.vector_norm(x, p)):
        same(slope(function, [0.0, 0.0])[0], [0, 0])
    (gradient,) = slope(lambda x: x.norm(p, 1), [[0.0, 0.0], [3.0, -4.0]])
    same(gradient[0], [0, 0])
    expected = {INF: [0, -1], -INF: [1, 0]}.get(p)
    if expected is None:
        total = (3.0**p + 4.0**p) ** (1 / p)
        expected = [(3.0 / total) ** (p - 1), -((4.0 / total) ** (p - 1))]
    same(gradient[1], np.asarray(expected, np.float32))


def test_the_slope_of_a_norm_at_one_zero():
    same(slope(lambda x: x.norm(0.5), [0.0, 4.0])[0], [0, 1])
    same(slope(lambda x: x.norm(3), [0.0, -4.0])[0], [0, -1])
    same(slope(lambda x: x.norm(-1), [0.0, 2.0])[0], [0, 0])  # the norm is 0


def test_a_power_of_0_has_the_slope_0():
    same(slope(lambda x: x**0, [0.0, NAN, INF, 2.0])[0], [0, 0, 0, 0])
    same(slope(lambda x: x ** mg.tensor(0.0), [0.0, NAN, INF, 2.0])[0], [0, 0, 0, 0])


def test_the_slope_of_the_angle_at_the_origin_is_0():
    a, b = slope(mg.atan2, [0.0, 0.0, 3.0], [0.0, 2.0, 4.0])
    same(a, [0, 0.5, 0.16])
    same(b, [0, 0, -0.12])


@np.errstate(over="ignore")  # NumPy notices the squares
def test_var_and_std_in_the_whole_range_of_float32():
    large, small = mg.tensor([1e20, 2e20, 4e20]), mg.tensor([1e-25, 2e-25, 4e-25])
    same(large.std(), 1.5275252e20)
    same(small.std(), 1.5275252e-25)
    same(small.std(correction=0), 1.2472191e-25)
    same(mg.stack([large, small, mg.ones(3)]).std(1), np.float32([1.5275252e20, 1.5275252e-25, 0]))
    same(mg.stack([large, small]).std(1, keepdim=True), np.float32([[1.5275252e20], [1.5275252e-25]]))
    same(mg.tensor([3e38, 3e38, 1e38]).std(), 1.1547005e38)
    same(large.var(), INF)
    same(mg.tensor([1e-18, 3e-18]).var(), 2e-36)
    same(mg.ones(4).var(), 0)
    for x in (large, small):
        leaf = x.clone().requires_grad_()
        leaf.std().backward()
        same(leaf.grad, [-0.43643578, -0.10910894, 0.54554473])


# -- repeated places --------------------------------------------------------------------------------------


def test_the_gradient_of_a_filled_value_counts_elements_not_mentions():
    value = mg.tensor(2.0, requires_grad=True)
    x = mg.zeros(2, 3, requires_grad=True)
    y = x.index_fill(1, mg.tensor([0, -1, 0, 2]), value)
    same(y, [[2, 0, 2], [2, 0, 2]])
    y.sum().backward()
    same(value.grad, 4)
    same(x.grad, [[0, 1, 0], [0, 1, 0]])
    assert mg.tensor(1.0).scatter(0, mg.tensor(0), 5.0).item() == 5
    assert mg.tensor(1.0).index_fill(0, mg.tensor([0]), 5.0).item() == 5
    same(mg.zeros(2).index_fill(0, mg.tensor([], dtype=mg.int64), 5.0), [0, 0])


@pytest.mark.parametrize(
    ("function", "of_x", "of_source"),
    [
        (lambda x, s, i: x.index_copy(0, i, s), [0, 1, 0], [1, 1, 1]),
        (lambda x, s, i: x.index_add(0, i, s), [1, 1, 1], [1, 1, 1]),
        (lambda x, s, i: x.scatter(0, i, s), [0, 1, 0], [1, 1, 1]),
        (lambda x, s, i: x.scatter_add(0, i, s), [1, 1, 1], [1, 1, 1]),
        (lambda x, s, i: x.masked_scatter(i > 0, s), [1, 0, 1], [1, 0, 0]),
        (lambda x, s, i: x.take(i), [2, 0, 1], None),
        (lambda x, s, i: x[i], [2, 0, 1], None),
        (lambda x, s, i: x.gather(0, i), [2, 0, 1], None),
        (lambda x, s, i: x.index_select(0, i), [2, 0, 1], None),
        (lambda x, s, i: mg.take_along_dim(x, i - 3, 0), [2, 0, 1], None),
        (lambda x, s, i: x.repeat_interleave(i + 1, 0), [1, 3, 1], None),
    ],
)
def test_gradients_where_an_index_repeats(function, of_x, of_source):
    x, source = mg.zeros(3, requires_grad=True), mg.zeros(3, requires_grad=True)
    function(x, source, mg.tensor([0, 2, 0])).sum().backward()
    same(x.grad, of_x)
    assert source.grad is None if of_source is None else source.grad.tolist() == of_source


def test_masked_scatter_broadcasts_input_and_mask():
    source = mg.tensor([1.0, 2.0, 3.0, 4.0])
    same(mg.zeros(2).masked_scatter(mg.tensor([[True, False], [False, True]]), source), [[1, 0], [0, 2]])
    same(mg.zeros(2, 2).masked_scatter(mg.tensor([True, False]), source), [[1, 0], [2, 0]])


def test_scatter_multiplies():
    x, index = mg.full((2, 4), 2.0), mg.tensor([[2], [3]])
    same(x.scatter(1, index, 1.23, reduce="multiply"), [[2, 2, 2.46, 2], [2, 2, 2, 2.46]])  # PyTorch's example
    x.scatter_(1, index, mg.tensor([[3.0, 9.0], [4.0, 9.0]]), reduce="multiply")  # a src larger than the index
    same(x, [[2, 2, 6, 2], [2, 2, 2, 8]])
    same(mg.tensor([2, 3]).scatter(-1, mg.tensor([1, 1, 0, 1]), mg.tensor([2, 3, 5, 7]), reduce="multiply"), [10, 126])
    same(mg.tensor(2.0).scatter(0, mg.tensor(0), 5.0, reduce="multiply"), 10.0)
    with pytest.raises(ValueError, match="'mean'; expected None, 'add' or 'multiply'"):
        x.scatter(1, index, 1.0, reduce="mean")


def test_the_slope_of_a_product_of_several_factors_at_one_place():
    of_x, of_source = slope(
        lambda x, source: x.scatter(0, mg.tensor([1, 1, 0]), source, reduce="multiply"),
        [2.0, 3.0, 4.0],
        [0.0, 5.0, 7.0],
    )
    same(of_x, [7, 0, 1])  # ∂(7 x0 + 0 · 5 x1 + x2)
    same(of_source, [15, 0, 2])  # x1 · 5, x1 · 0, x0


# -- dtypes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [mg.int8, mg.uint8, mg.int32, mg.int64, mg.float32, mg.float64])
def test_a_reduction_has_the_dtype_asked_for(dtype):
    for x in (mg.tensor([1, 2, 3]), mg.tensor([1.5, 2.0, 3.5])):
        whole = x.to(dtype).tolist()
        same(x.sum(dtype=dtype), sum(whole), dtype)
        same(x.sum(0, dtype=dtype), sum(whole), dtype)
        same(x.prod(dtype=dtype), math.prod(whole), dtype)
        same(x.prod(0, True, dtype=dtype), [math.prod(whole)], dtype)
        same(x.cumsum(0, dtype=dtype), np.cumsum(whole), dtype)
        same(x.cumprod(0, dtype=dtype), np.cumprod(whole), dtype)
        same(x[2].cumsum(0, dtype=dtype), whole[2], dtype)
        same(x[2].cumprod(0, dtype=dtype), whole[2], dtype)
    assert mg.tensor([200, 100]).sum(dtype=mg.uint8).item() == 44  # modulo 256
    assert mg.tensor([2, 0]).sum(dtype=mg.bool).item() is True


def test_a_mean_or_norm_has_no_integer_dtype():
    x = mg.ones(2)
    for function in (x.mean, x.norm, lambda dtype: mg.linalg.vector_norm(x, dtype=dtype)):
        with pytest.raises(GradientError, match="dtype=int64"):
            function(dtype=mg.int64)
    same(mg.tensor([1, 2]).mean(dtype=mg.float64), 1.5, mg.float64)
    same(mg.tensor([0, 1]).softmax(0, dtype=mg.float64), [0.2689414213699951, 0.7310585786300049], mg.float64)
    same(mg.tensor([0, 1]).log_softmax(0, mg.float64), [-1.3132616875182228, -0.31326168751822286], mg.float64)


def test_var_mean_reads_its_arguments_once():
    x = mg.tensor([[1.0, 2.0, 3.0], [5.0, 6.0, 10.0]])
    for arguments, keywords, spread, mean in (
        ((False,), {}, 53.5 / 6, 4.5),
        ((), {}, 10.7, 4.5),
        ((1,), {}, [1, 7], [2, 7]),
        ((1, False), {}, [2 / 3, 14 / 3], [2, 7]),
        ((1, True, True), {}, [[1], [7]], [[2], [7]]),
        ((), {"axis": 1}, [1, 7], [2, 7]),
        ((), {"dim": (0, 1), "correction": 0}, 53.5 / 6, 4.5),
        ((), {"dim": 0, "keepdims": True}, [[8, 8, 24.5]], [[3, 4, 6.5]]),
    ):
        for function, expected in ((mg.var_mean, spread), (mg.std_mean, np.sqrt(spread))):
            found, middle = function(x, *arguments, **keywords)
            same(found, np.asarray(expected, np.float32))
            same(middle, np.asarray(mean, np.float32))


def test_a_copy_is_made_when_it_is_asked_for():
    x = mg.zeros(2)
    for copied in (
        x.to(mg.float32, False, True),
        x.to("cpu", mg.float32, False, True),
        x.to(x, False, True),
        x.to(mg.float32, copy=True),
        x.to(mg.float32, non_blocking=True, copy=True),
    ):
        copied.add_(1)
    same(x, [0, 0])
    assert x.to(mg.float32, True) is x
    with pytest.raises(TypeError, match="blocking"):
        x.to(mg.float32, blocking=True)


def test_extremes_of_nothing():
    for function in (mg.max, mg.min, mg.amax, mg.amin, mg.argmax, mg.argmin):
        for x, dim in ((mg.zeros(0), None), (mg.zeros(0, 3), None), (mg.zeros(0, 3), 0), (mg.zeros(2, 0), -1)):
            with pytest.raises(GradientError, match="no element to choose"):
                function(x, dim)
        found = function(mg.zeros(0, 1), 1)
        assert getattr(found, "values", found).shape == (0,)


# -- arguments --------------------------------------------------------------------------------------------


def test_pytorchs_keywords():
    x = mg.arange(6.0).reshape(2, 3)
    same(mg.flip(x, dims=(0,)), [[3, 4, 5], [0, 1, 2]])
    same(x.flip(dims=(0, 1)), [[5, 4, 3], [2, 1, 0]])
    assert x.repeat(repeats=(2, 1)).shape == (4, 3)
    assert x.reshape(shape=(3, 2)).shape == mg.reshape(x, shape=[3, 2]).shape == x.view(size=(3, 2)).shape == (3, 2)
    assert x.view(dtype=mg.int32).dtype == mg.int32
    assert x.permute(dims=(1, 0)).shape == (3, 2)
    assert x.expand(size=(2, 2, 3)).shape == x.broadcast_to(2, 2, 3).shape == (2, 2, 3)
    assert mg.broadcast_to(x, size=(1, 2, 3)).shape == mg.broadcast_to(x, shape=(1, 2, 3)).shape == (1, 2, 3)
    assert x.tile(dims=(2,)).shape == (2, 6)
    assert x.swapaxes(axis0=0, axis1=1).shape == (3, 2)
    assert x[None, :, None].squeeze(0, 2).shape == x[None, :, None].squeeze(dim=(0, 2)).shape == (2, 3)
    assert [len(part) for part in x.split(split_size=1)] == [1, 1]
    same(mg.max(x, other=mg.tensor(3.0)), [[3, 3, 3], [3, 4, 5]])
    same(x.min(other=mg.tensor(3.0)), [[0, 1, 2], [3, 3, 3]])
    assert x.count_nonzero(0, 1).item() == x.count_nonzero(dim=(0, 1)).item() == 5
    assert mg.randint_like(x, 0, 9, generator=mg.Generator().manual_seed(0)).tolist() == (
        mg.randint_like(x, 0, 9, generator=mg.Generator().manual_seed(0)).tolist()
    )
    with pytest.raises(TypeError, match="both"):
        x.reshape(6, shape=(3, 2))
    with pytest.raises(TypeError, match="dims is missing"):
        x.flip()
    with pytest.raises(TypeError, match="keepdim is 1"):
        x.sum(0, 1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mg.mean([1.0, 2.0]), "mean: input must be a Tensor, got list; wrap it with as_tensor"),
        (lambda: mg.argmax(np.ones(3)), "argmax: input must be a Tensor, got ndarray"),
        (lambda: mg.sum(3), "sum: input must be a Tensor, got int"),
        (lambda: mg.dot(mg.ones(2), [1, 2]), "dot: tensor must be a Tensor, got list"),
        (lambda: mg.gather([1.0], 0, mg.tensor([0])), "gather: input must be a Tensor, got list"),
        (lambda: mg.broadcast_tensors(mg.ones(2), 3), "broadcast_tensors: tensors must be a Tensor, got int"),
        (lambda: mg.split([1, 2], 1), "split: tensor must be a Tensor, got list"),
        (lambda: mg.cat(3), "cat: expected a list or tuple of tensors, got int"),
        (lambda: mg.ones(2).allclose(2), "allclose: other must be a Tensor, got int"),
    ],
)
def test_what_is_no_tensor_is_named(call, message):
    with pytest.raises(TypeError, match=message):
        call()


def test_places_may_be_counted_from_the_end():
    x = mg.tensor([[1.0, 2.0], [3.0, 4.0]])
    same(mg.take_along_dim(x, mg.tensor([[-1, 0]]), 0), [[3, 2]])
    same(mg.take_along_dim(x, mg.tensor([-1, -4])), [4, 1])
    with pytest.raises(IndexError, match="take_along_dim: index -3"):
        mg.take_along_dim(x, mg.tensor([[-3]]), 0)
    with pytest.raises(GradientError, match=r"float32.*\.long\(\)"):
        mg.take_along_dim(x, mg.tensor([[0.0]]), 0)


def test_searchsorted_with_a_sorter():
    jumbled, order = mg.tensor([[5, 1, 3], [2, 9, 4]]), mg.tensor([[1, 2, 0], [0, 2, 1]])
    assert mg.searchsorted(jumbled, mg.tensor([[4], [4]]), sorter=order).tolist() == [[2], [1]]
    assert mg.searchsorted(jumbled[0], 4, sorter=order[0]).item() == 2
    assert mg.searchsorted(mg.tensor([1, 3]), 3, side="left").item() == 1
    with pytest.raises(GradientError, match="opposite"):
        mg.searchsorted(mg.tensor([1, 3]), 3, right=True, side="left")


def test_repeat_interleave_of_counts_and_its_size():
    assert mg.repeat_interleave(mg.tensor([1, 0, 2])).tolist() == [0, 2, 2]
    assert mg.tensor([7, 8]).repeat_interleave(mg.tensor([1, 2]), output_size=3).tolist() == [7, 8, 8]
    with pytest.raises(GradientError, match="output_size=4"):
        mg.tensor([7, 8]).repeat_interleave(mg.tensor([1, 2]), output_size=4)
    with pytest.raises(GradientError, match="repeats"):
        mg.tensor([7, 8]).repeat_interleave(mg.tensor([[1, 2]]))


def test_a_factor_of_0_leaves_the_summand_out():
    hole = mg.tensor(NAN)
    same(mg.addmm(hole, mg.ones(2, 2), mg.ones(2, 2), beta=0), [[2, 2], [2, 2]])
    same(mg.baddbmm(hole, mg.ones(1, 2, 2), mg.ones(1, 2, 2), beta=0, alpha=3), [[[6, 6], [6, 6]]])
    same(mg.addmv(hole, mg.ones(2, 2), mg.ones(2), beta=0.0), [2, 2])
    same(mg.baddbmm(mg.ones(1, 2, 2), mg.ones(1, 2, 3), mg.ones(1, 3, 2)), [[[4, 4], [4, 4]]])
    same(mg.addmm(mg.ones(2, 2), mg.ones(2, 3), mg.ones(3, 2)), [[4, 4], [4, 4]])
    same(mg.addmv(mg.ones(2), mg.ones(2, 3), mg.ones(3)), [4, 4])
    same(mg.addmv(mg.ones(2), mg.ones(2, 2), mg.ones(2), beta=0.5, alpha=2), [4.5, 4.5])


def test_norms_of_matrices():
    a = mg.tensor([[1.0, -2.0], [3.0, 4.0]])
    for order, expected in ((1, 6), (-1, 4), (INF, 7), (-INF, 3), ("fro", math.sqrt(30)), (None, math.sqrt(30))):
        same(mg.linalg.norm(a, order), np.float32(expected))
        same(mg.linalg.norm(mg.stack([a, a * 2]), order, (1, 2)), np.float32([expected, 2 * expected]))
        same(mg.linalg.norm(mg.stack([a, a * 2], 2), order, (0, 1), True), np.float32([[[expected, 2 * expected]]]))
    same(mg.linalg.norm(a, INF, 0), [3, 4])
    same(mg.linalg.norm(a, 3, 1), np.float32([9 ** (1 / 3), 91 ** (1 / 3)]))
    same(mg.linalg.norm(mg.ones(2, 2, 2)), np.float32(math.sqrt(8)))
    same(mg.linalg.norm(mg.tensor([3, 4]), dtype=mg.float64), 5.0, mg.float64)
    assert gradcheck(
        lambda x: mg.linalg.norm(x, 1), mg.tensor([[1.0, -2.5], [3.0, 4.0]], dtype=mg.float64, requires_grad=True)
    )
    for wrong, message in (
        (lambda: mg.linalg.norm(a, 2), "'fro', 1, -1, inf"),
        (lambda: mg.linalg.norm(a, "nuc"), "'fro', 1, -1, inf"),
        (lambda: mg.linalg.norm(a, "fro", 0), "'fro'"),
        (lambda: mg.linalg.norm(mg.ones(2, 2, 2), 1), "two for matrices"),
        (lambda: mg.linalg.vector_norm(a, "fro"), "expected a number"),
        (lambda: mg.norm(a, "nuc"), "'nuc'"),
    ):
        with pytest.raises((GradientError, NotImplementedError, ValueError), match=message):
            wrong()


def test_plus_leaves_a_tensor_as_it_is():
    x = mg.ones(2, requires_grad=True)
    assert +x is x
    with pytest.raises(GradientError, match="bool"):
        +mg.tensor([True])


# -- random choices ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fill", "message"),
    [
        (lambda x: x.normal_(0, -1), "normal_: std=-1"),
        (lambda x: x.normal_(0, NAN), "normal_: std=nan"),
        (lambda x: x.uniform_(3, -1), "uniform_: the bounds are 3 and -1"),
        (lambda x: x.exponential_(0), "exponential_: lambd=0"),
        (lambda x: x.random_(5, 5), r"\[5, 5\) is empty"),
        (lambda x: x.random_(-2), r"\[0, -2\) is empty"),
    ],
)
def test_a_distribution_that_is_none_is_refused(fill, message):
    x = mg.ones(2)
    with pytest.raises((GradientError, ValueError), match=message):
        fill(x)
    same(x, [1, 1])
    same(x.normal_(3, 0), [3, 3])
    same(x.uniform_(2, 2), [2, 2])


def test_without_replacement_the_likely_come_first():
    mg.manual_seed(0)
    weights = mg.tensor([1.0, 1.0, 20.0])
    drawn = mg.stack([mg.multinomial(weights, 2) for _ in range(500)])
    assert 0.87 < (drawn[:, 0] == 2).float().mean().item() < 0.95  # 20 / 22 = 0.909
    assert (drawn[:, 0] != drawn[:, 1]).all().item()
    second = drawn[drawn[:, 0] == 2, 1]
    assert 0.4 < (second == 0).float().mean().item() < 0.6
    rows = mg.multinomial(mg.tensor([[0.0, 1.0, 1.0], [1.0, 0.0, 1.0]]).repeat(100, 1), 2)
    assert (rows[::2] != 0).all().item()
    assert (rows[1::2] != 1).all().item()


def test_with_replacement_each_is_drawn_by_its_weight():
    mg.manual_seed(0)
    for weights in (mg.tensor([1.0, 0.0, 3.0]), mg.tensor([[1.0, 0.0, 3.0]] * 2)):
        drawn = mg.multinomial(weights, 2000, replacement=True)
        assert drawn.shape == (*weights.shape[:-1], 2000)
        assert not (drawn == 1).any().item()
        assert abs((drawn == 2).float().mean().item() - 0.75) < 0.04
