"""Changes in place: what they do, what they record, and that backward notices those that come too late."""

import numpy as np
import pytest

import minigrad as mg

METHODS = {
    "add_": (lambda x: x.add_(2), lambda x: x + 2, lambda x: 1 + 0 * x),
    "sub_": (lambda x: x.sub_(2), lambda x: x - 2, lambda x: 1 + 0 * x),
    "mul_": (lambda x: x.mul_(3), lambda x: 3 * x, lambda x: 3 + 0 * x),
    "div_": (lambda x: x.div_(4), lambda x: x / 4, lambda x: 0.25 + 0 * x),
    "pow_": (lambda x: x.pow_(3), lambda x: x**3, lambda x: 3 * x**2),
    "neg_": (lambda x: x.neg_(), lambda x: -x, lambda x: -1 + 0 * x),
    "abs_": (lambda x: x.abs_(), np.abs, np.sign),
    "sqrt_": (lambda x: x.sqrt_(), np.sqrt, lambda x: 0.5 / np.sqrt(x)),
    "exp_": (lambda x: x.exp_(), np.exp, np.exp),
    "log_": (lambda x: x.log_(), np.log, lambda x: 1 / x),
    "tanh_": (lambda x: x.tanh_(), np.tanh, lambda x: 1 - np.tanh(x) ** 2),
    "sigmoid_": (lambda x: x.sigmoid_(), lambda x: 1 / (1 + np.exp(-x)), lambda x: np.exp(-x) / (1 + np.exp(-x)) ** 2),
    "relu_": (lambda x: x.relu_(), lambda x: np.maximum(x, 0), lambda x: 1.0 * (x > 0)),
    "clamp_": (lambda x: x.clamp_(0.6, 1.5), lambda x: np.clip(x, 0.6, 1.5), lambda x: 1.0 * ((x >= 0.6) & (x <= 1.5))),
    "lerp_": (lambda x: x.lerp_(mg.full_like(x, 5.0), 0.25), lambda x: x + 0.25 * (5 - x), lambda x: 0.75 + 0 * x),
    "zero_": (lambda x: x.zero_(), lambda x: 0 * x, lambda x: 0 * x),
    "fill_": (lambda x: x.fill_(7), lambda x: 7 + 0 * x, lambda x: 0 * x),
    "copy_": (lambda x: x.copy_(mg.ones(3)), lambda x: 1 + 0 * x, lambda x: 0 * x),
    "masked_fill_": (lambda x: x.masked_fill_(x > 1, 9.0), lambda x: np.where(x > 1, 9.0, x), lambda x: 1.0 * (x <= 1)),
    "scatter_add_": (
        lambda x: x.scatter_add_(0, mg.tensor([0, 0]), mg.ones(2, dtype=mg.float64)),
        lambda x: x + np.array([2.0, 0, 0]),
        lambda x: 1 + 0 * x,
    ),
}
VALUES = np.array([0.5, 1.25, 2.0])


@pytest.mark.parametrize(("change", "value", "slope"), METHODS.values(), ids=METHODS.keys())
def test_a_method_changes_the_memory_records_and_counts(change, value, slope):
    plain = mg.tensor(VALUES)
    version, memory = plain._version[0], plain.array
    assert change(plain) is plain
    assert plain.array is memory
    np.testing.assert_allclose(plain.numpy(), value(VALUES), rtol=1e-12)
    assert plain._version[0] == version + 1

    leaf = mg.tensor(VALUES, requires_grad=True)
    x = leaf * 1
    memory = x.array
    assert change(x) is x
    assert x.array is memory
    assert x.requires_grad
    assert x._version[0] == 1
    (x * mg.tensor([1.0, 10.0, 100.0])).sum().backward()
    np.testing.assert_allclose(leaf.grad.numpy(), slope(VALUES) * [1, 10, 100], rtol=1e-12)

    with pytest.raises(mg.GradientError, match="leaf"):
        change(leaf)
    with mg.no_grad():
        assert change(leaf) is leaf
    np.testing.assert_allclose(leaf.detach().numpy(), value(VALUES), rtol=1e-12)
    assert leaf.requires_grad
    assert leaf.is_leaf


ONES = mg.ones(3, dtype=mg.float64)
ARGUMENTS = {
    "addcdiv_": (ONES, ONES * 2),
    "addcmul_": (ONES, ONES * 2),
    "clamp_max_": (1.0,),
    "clamp_min_": (1.0,),
    "cumprod_": (0,),
    "cumsum_": (0,),
    "floor_divide_": (0.4,),
    "fmod_": (0.4,),
    "index_add_": (0, mg.tensor([0, 2]), ONES[:2]),
    "index_copy_": (0, mg.tensor([0, 2]), ONES[:2]),
    "index_fill_": (0, mg.tensor([0, 2]), 9.0),
    "masked_scatter_": (mg.tensor([True, False, True]), ONES[:2]),
    "remainder_": (0.4,),
    "scatter_": (0, mg.tensor([0, 2]), ONES[:2]),
}
"""What the methods that have no row above are called with."""
OTHERS = {"requires_grad_", "detach_"}  # these change no values
RANDOM = {"uniform_", "normal_", "bernoulli_", "exponential_", "random_"}
MATRICES = {"addmm_", "tril_", "triu_", "fill_diagonal_"}
WHOLE = {"bitwise_and_", "bitwise_or_", "bitwise_xor_"}  # of integers
EVERY = {n for n in dir(mg.Tensor) if n.endswith("_") and not n.startswith("_")} - OTHERS


@pytest.mark.parametrize("name", sorted(EVERY - RANDOM - MATRICES - WHOLE - set(METHODS)))
def test_a_method_agrees_with_its_twin_without_the_underscore(name):
    arguments = ARGUMENTS.get(name, ())
    if name == "clip_":
        arguments = (0.6, 1.5)
    results = []
    for chosen in (name, name[:-1]):
        leaf = mg.tensor(VALUES, requires_grad=True)
        x = leaf * 1
        y = getattr(x, chosen)(*arguments)
        if chosen == name:
            assert y is x
            assert x._version[0] == 1
            with pytest.raises(mg.GradientError, match="leaf"):
                getattr(leaf, name)(*arguments)
        if y.requires_grad:
            (y * mg.tensor([1.0, 10.0, 100.0], dtype=mg.float64)).sum().backward()
        results.append((y.tolist(), None if leaf.grad is None else leaf.grad.tolist()))
    assert results[0] == results[1]


def test_random_filling():
    mg.manual_seed(0)
    x = mg.zeros(10_000)
    assert x.uniform_(-1, 3) is x
    assert x.min().item() >= -1
    assert x.max().item() < 3
    assert abs(x.mean().item() - 1) < 5 * (16 / 12 / 10_000) ** 0.5
    x.normal_(2, 0.5)
    assert abs(x.mean().item() - 2) < 5 * 0.5 / 100
    assert abs(x.std().item() - 0.5) < 5 * 0.5 / 20_000**0.5
    assert x._version[0] == 2


def test_parameters_are_updated_in_place_under_no_grad():
    p = mg.tensor([1.0, 2.0], requires_grad=True)
    same, memory = p, p.array
    (p * p).sum().backward()
    with mg.no_grad():
        p -= 0.1 * p.grad
        p *= 2
        p += 1
        p /= 2
        p **= 2
    assert p is same
    assert p.array is memory
    np.testing.assert_allclose(p.detach().numpy(), [(0.8 * 2 + 1) ** 2 / 4, (1.6 * 2 + 1) ** 2 / 4], rtol=1e-6)
    assert p.is_leaf
    assert p.requires_grad


def test_augmented_assignment_changes_what_takes_no_part_in_recording():
    x = mg.zeros(3)
    alias = x
    x += 1
    x[0] -= 5
    x[1:] *= 3
    assert alias is x
    assert alias.tolist() == [-4, 3, 3]


def test_every_augmented_assignment_is_in_place():
    for text, value in {
        "x += 2": [5, 9],
        "x -= 2": [1, 5],
        "x *= 2": [6, 14],
        "x //= 2": [1, 3],
        "x %= 4": [3, 3],
        "x **= 2": [9, 49],
        "x &= 2": [2, 2],
        "x |= 8": [11, 15],
        "x ^= 1": [2, 6],
    }.items():
        x = mg.tensor([3, 7])
        names = {"x": x}
        exec(text, names)
        assert names["x"] is x, text
        assert x.tolist() == value, text
        with pytest.raises(mg.GradientError):
            exec(text.split()[0] + " " + text.split()[1] + " mg.tensor([[1, 1], [1, 1]])", {"x": x, "mg": mg})
    assert mg.tensor([3, 7]).bitwise_and_(mg.tensor([1, 2])).tolist() == [1, 2]


def test_a_single_element_is_a_view():
    for pick in (
        lambda x: x[0, 1],
        lambda x: x[0][1],
        lambda x: x[0].unbind()[1],
        lambda x: x[0].select(0, 1),
        lambda x: list(x[0])[1],
        lambda x: x[mg.tensor(0), mg.tensor(1)],
        lambda x: x[:, 1][0],
        lambda x: x[0, 1][None][0],
    ):
        x = mg.tensor([[1.0, 2.0]])
        y = pick(x)
        assert y.shape == ()
        x.mul_(3)
        assert y.item() == 6
        y.add_(1)
        assert x.tolist() == [[3, 7]]
    x = mg.tensor([[1.0, 2.0]])
    x[0, 1].mul_(10)
    assert x.tolist() == [[1, 20]]


def test_the_transpose_of_a_vector_is_a_view_and_no_leaf():
    for x in (mg.ones(3, requires_grad=True), mg.tensor(1.0, requires_grad=True)):
        y = x.t()
        assert not y.is_leaf
        y.sum().backward()
        assert x.grad.tolist() == np.ones(x.shape).tolist()
        assert np.shares_memory(y.array, x.array)


def test_an_empty_dimension_is_unflattened():
    assert mg.zeros(0, 3).unflatten(-1, (1, -1)).shape == (0, 1, 3)
    assert mg.zeros(2, 6).unflatten(1, (2, -1)).shape == (2, 2, 3)
    for sizes in ((4, -1), (-1, -1), (0, -1), (5,)):
        with pytest.raises(mg.GradientError):
            mg.zeros(2, 6).unflatten(1, sizes)


def test_what_pytorch_copies_is_no_view():
    for copied in (lambda x: x.flip(0), lambda x: x.flip(0, 1), lambda x: x.roll(0), lambda x: x[[0]], lambda x: -x):
        x = mg.ones(1, 2)
        copied(x).mul_(5)
        assert x.tolist() == [[1, 1]]


def test_augmented_assignment_binds_a_new_tensor_where_it_is_recorded():
    w = mg.tensor([1.0, 2.0], requires_grad=True)
    loss = 0
    for k in range(1, 4):
        loss += (k * w).sum()
    before = loss
    loss += w[0]
    assert before.item() == 18
    assert loss.item() == 19
    loss.backward()
    assert w.grad.tolist() == [7, 6]
    h = w.exp()  # keeps its output
    h *= 2
    h.sum().backward()
    np.testing.assert_allclose(w.grad.numpy(), [7 + 2 * np.e, 6 + 2 * np.e**2], rtol=1e-6)


def test_data_is_the_same_memory_outside_version_counting():
    x = mg.tensor([1.0, 2.0], requires_grad=True)
    y = (x * x).sum()
    x.data.mul_(3)
    x.data[0] = 10.0
    assert x.tolist() == [10, 6]
    assert not x.data.requires_grad
    y.backward()  # PyTorch does not notice this either
    assert x.grad.tolist() == [20, 12]
    x.data = mg.tensor([7.0, 8.0])
    assert x.tolist() == [7, 8]
    assert x.requires_grad


def test_detach_is_the_same_memory_and_counted():
    x = mg.tensor([1.0, 2.0], requires_grad=True)
    d = x.detach()
    assert d.array is x.array
    assert not d.requires_grad
    loss = (x * x).sum()
    d.add_(1)
    assert x.tolist() == [2, 3]
    with pytest.raises(mg.GradientError, match=r"'multiply' needs its input .* changed in place since"):
        loss.backward()


@pytest.mark.parametrize(
    ("compute", "named"),
    [
        (lambda x: x * x, "'multiply' needs its input 'a'"),
        (lambda x: x.exp(), None),
        (lambda x: x.log(), "'log' needs its input 'x'"),
        (lambda x: x + 1, None),
        (lambda x: x.sum(), None),
        (lambda x: x.view(3, 1) ** 2, "'pow' needs its input 'a'"),
    ],
)
def test_only_what_a_rule_needs_may_not_change(compute, named):
    leaf = mg.tensor([1.0, 2.0, 3.0], requires_grad=True)
    x = leaf * 1
    loss = compute(x).sum()
    x.detach().fill_(5)
    if named is None:
        loss.backward()
        assert leaf.grad is not None
    else:
        with pytest.raises(mg.GradientError, match=named):
            loss.backward()


def test_a_changed_output_is_noticed():
    x = mg.ones(3, requires_grad=True)
    y = x.tanh()
    z = y * 1
    y.detach().zero_()
    with pytest.raises(mg.GradientError, match="'tanh' needs its output"):
        z.sum().backward()


def test_a_change_through_a_view_counts_for_its_base():
    leaf = mg.ones(3, requires_grad=True)
    x = leaf * 1
    loss = (x * x).sum()
    x.detach()[:1].add_(1)
    with pytest.raises(mg.GradientError, match="changed in place"):
        loss.backward()


def test_a_chain_of_changes_is_differentiated():
    leaf = mg.tensor([0.5, 1.0], dtype=mg.float64, requires_grad=True)
    x = leaf * 1
    x.mul_(3).add_(1).pow_(2)
    x[0] = x[1].clone() * leaf[0]  # x[1] itself is a view, which the assignment counts as changed
    x.sum().backward()
    # x1 = (3 b + 1)^2, x0 = x1 a: the slope by a is x1, by b (1 + a) 6 (3 b + 1)
    np.testing.assert_allclose(leaf.grad.numpy(), [16.0, 1.5 * 6 * 4], rtol=1e-12)


def test_in_place_between_two_recorded_tensors():
    a = mg.tensor([1.0, 2.0], requires_grad=True)
    b = mg.tensor([3.0, 4.0], requires_grad=True)
    x = a * 1
    x.mul_(b)
    x.sum().backward()
    assert a.grad.tolist() == [3, 4]
    assert b.grad.tolist() == [1, 2]
    buffer = mg.zeros(2)
    buffer.add_(a * 2)
    assert buffer.requires_grad
    buffer.sum().backward()
    assert a.grad.tolist() == [5, 6]


def test_a_recorded_change_after_its_value_was_kept_is_noticed():
    x = mg.tensor([1.0, 2.0], requires_grad=True)
    y = x * 1
    loss = (y * y).sum()
    y[0] = 5.0
    with pytest.raises(mg.GradientError, match="changed in place since"):
        loss.backward()


# -- counted ----------------------------------------------------------------------------------------------


def test_changes_are_counted():
    x = mg.ones(3, requires_grad=True)
    assert mg.count_changes(x) == 0
    optimizer = mg.optim.SGD([x], lr=0.1)
    (2 * x).sum().backward()
    assert mg.count_changes(x) == 0  # a forward and a backward change nothing
    optimizer.step()
    assert mg.count_changes(x) == 1
    with mg.no_grad():
        x.mul_(2)
        x[0] = 5
        x.copy_(mg.zeros(3))
    assert mg.count_changes(x) == 4


def test_tensors_on_one_memory_have_one_count():
    x = mg.zeros(2, 3)
    row, same, other = x[0], x.detach(), x.clone()
    row.add_(1)
    assert [mg.count_changes(y) for y in (x, row, same, other)] == [1, 1, 1, 0]
    x.data.add_(1)  # behind its back
    assert mg.count_changes(x) == 1
