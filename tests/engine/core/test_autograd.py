"""backward, grad, hooks and higher derivatives against closed forms; and what a graph costs: linear time, no cycles."""

import gc
import itertools
import time
import weakref

import numpy as np
import pytest

import minigrad as mg
import minigrad.nn.functional as F

grad = mg.autograd.grad


def leaf(*values):
    return mg.tensor(values[0] if len(values) == 1 else list(values), dtype=mg.float64).requires_grad_()


# -- backward ---------------------------------------------------------------------------------------------


def test_gradients_accumulate_on_leaves_only():
    x = leaf(1.0, 2.0)
    y = x * x
    for k in (1, 2, 3):
        (y * 1).sum().backward(retain_graph=True)
        assert x.grad.tolist() == [2.0 * k, 4.0 * k]
    assert y.grad is None
    assert y.grad_fn is not None
    assert x.grad_fn is None
    x.grad.zero_()
    x.grad = None


def test_sixteen_passes_over_four_samples_are_one_over_sixty_four():
    rng = np.random.default_rng(0)
    inputs, targets = mg.tensor(rng.standard_normal((64, 4))), mg.tensor(rng.standard_normal((64, 1)))
    start = [rng.standard_normal(s) for s in ((8, 4), (8,), (1, 8), (1,))]

    def gradients(batch):
        w1, b1, w2, b2 = parameters = [mg.tensor(p, requires_grad=True) for p in start]
        for i in range(0, 64, batch):
            hidden = F.linear(inputs[i : i + batch], w1, b1).tanh()
            loss = F.mse_loss(F.linear(hidden, w2, b2), targets[i : i + batch])
            (loss * (batch / 64)).backward()
        return [p.grad.numpy() for p in parameters]

    for many, once in zip(gradients(4), gradients(64), strict=True):
        np.testing.assert_allclose(many, once, rtol=1e-12, atol=1e-14)


def test_backward_from_a_given_cotangent():
    x = leaf(1.0, 2.0, 3.0)
    (x**3).backward(gradient=mg.tensor([1.0, 10.0, 100.0], dtype=mg.float64))
    assert x.grad.tolist() == [3, 120, 2700]
    x.grad = None
    mg.autograd.backward([x.sum(), x * x], [None, mg.tensor([1.0, 0.0, 2.0], dtype=mg.float64)])
    assert x.grad.tolist() == [3, 1, 13]
    one = leaf([[2.0]])
    (one * 3).backward()  # one element is enough
    assert one.grad.tolist() == [[3]]


def test_backward_of_a_leaf_itself():
    x = leaf(2.0)
    x.backward()
    x.backward()
    assert x.grad.item() == 2


def test_inputs_restricts_where_gradients_go():
    a, b, c = leaf(1.0), leaf(2.0), leaf(3.0)
    (a * b + b * c).backward(inputs=[a, c])
    assert (a.grad.item(), b.grad, c.grad.item()) == (2, None, 2)
    (a * b).backward(inputs=b)
    assert b.grad.item() == 1


def test_retain_graph():
    x = leaf(3.0)
    y = x * x
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.item() == 12
    with pytest.raises(mg.GradientError, match="freed by an earlier backward"):
        y.backward()


def test_two_losses_over_a_shared_trunk():
    x = leaf(0.5, -1.0)
    hidden = x.tanh()
    policy, value = (hidden * 2).sum(), (hidden**2).sum()
    policy.backward(retain_graph=True)
    value.backward()
    t = np.tanh([0.5, -1.0])
    np.testing.assert_allclose(x.grad.numpy(), (2 + 2 * t) * (1 - t * t), rtol=1e-12)


def test_detach_cuts_and_constants_get_nothing():
    x, y = leaf(2.0), mg.tensor(5.0, dtype=mg.float64)
    (x * x.detach() * y).backward()
    assert x.grad.item() == 10
    assert y.grad is None
    assert not (x.detach() * y).requires_grad
    z = x * 3
    z.detach_()
    assert z.is_leaf
    assert not z.requires_grad


def test_a_tensor_used_many_times():
    x = leaf(2.0)
    total = x + x + x * x + x * x * x
    total.backward()
    assert x.grad.item() == 2 + 2 * 2 + 3 * 4


def test_broadcasting_is_undone():
    a, b, c = leaf([[1.0], [2.0]]), leaf(3.0, 4.0, 5.0), leaf(6.0)
    (a * b + c).sum().backward()
    assert a.grad.tolist() == [[12], [12]]
    assert b.grad.tolist() == [3, 3, 3]
    assert c.grad.item() == 6


def test_retain_grad_keeps_the_gradient_of_a_result():
    x = leaf(1.0, 2.0)
    y = x * 3
    y.retain_grad()
    y.retain_grad()
    z = (y * y).sum()
    z.retain_grad()
    assert (x.retains_grad, y.retains_grad, z.retains_grad) == (False, True, True)
    z.backward()
    assert y.grad.tolist() == [6, 12]
    assert z.grad.item() == 1
    x.retain_grad()  # nothing to do for a leaf


# -- hooks ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("of_a_leaf", [True, False])
def test_hooks_see_and_replace_gradients(of_a_leaf):
    x = leaf(1.0, 2.0)
    y = x * 3
    seen = []
    watched = x if of_a_leaf else y
    looking = watched.register_hook(lambda g: seen.append(g.tolist()))
    halving = watched.register_hook(lambda g: g / 2)
    watched.register_hook(lambda g: seen.append(g.tolist()))
    y.sum().backward(retain_graph=True)
    upstream = [3.0, 3.0] if of_a_leaf else [1.0, 1.0]
    assert seen == [upstream, [v / 2 for v in upstream]]
    assert x.grad.tolist() == [1.5, 1.5]
    looking.remove()
    looking.remove()
    halving.remove()
    seen.clear()
    y.sum().backward()
    assert seen == [upstream]
    assert x.grad.tolist() == [4.5, 4.5]


def test_a_hook_sees_the_sum_of_all_uses_once():
    x = leaf(2.0)
    y = x * 1
    seen = []
    y.register_hook(lambda g: seen.append(g.item()))
    (y * y + y).backward()
    assert seen == [5.0]


def test_a_hook_may_clip_and_the_result_may_not_alias():
    x = leaf(1.0, 2.0)
    kept = []
    x.register_hook(lambda g: (kept.append(g), g.clamp(-1, 1))[1])
    (x * 5).sum().backward()
    assert x.grad.tolist() == [1, 1]
    assert kept[0].tolist() == [5, 5]


# -- autograd.grad ----------------------------------------------------------------------------------------


def test_grad_returns_and_touches_nothing():
    a, b = leaf(2.0), leaf(3.0)
    da, db = grad(a * a * b, [a, b])
    assert (da.item(), db.item()) == (12, 4)
    assert a.grad is None
    assert b.grad is None
    (only,) = grad(a * b, a)
    assert only.item() == 3


def test_grad_of_several_outputs_with_cotangents():
    x = leaf(1.0, 2.0)
    (dx,) = grad([x * 2, (x * x).sum()], x, grad_outputs=[mg.tensor([1.0, 10.0], dtype=mg.float64), None])
    assert dx.tolist() == [4, 24]


def test_grad_with_respect_to_results_and_the_unused():
    x = leaf(2.0)
    y = x * x
    z = y * 3
    dy, dx = grad(z, [y, x], retain_graph=True)
    assert (dy.item(), dx.item()) == (3, 12)
    other = leaf(1.0, 2.0)
    assert grad(z, [x, other], allow_unused=True, retain_graph=True)[1] is None
    zeros = grad(z, [x, other], materialize_grads=True, retain_graph=True)[1]
    assert zeros.tolist() == [0, 0]
    with pytest.raises(mg.GradientError, match="allow_unused=True"):
        grad(z, [x, other])
    (same,) = grad(y, y)
    assert same.item() == 1


# -- higher derivatives -----------------------------------------------------------------------------------

X0 = 0.7
T0 = np.tanh(X0)
CHAINS = {
    "tanh": (lambda x: x.tanh(), [T0, 1 - T0**2, -2 * T0 * (1 - T0**2), (1 - T0**2) * (6 * T0**2 - 2)]),
    "exp": (lambda x: (2 * x).exp(), [np.exp(2 * X0) * 2**k for k in range(4)]),
    "pow": (lambda x: x**4, [X0**4, 4 * X0**3, 12 * X0**2, 24 * X0]),
    "log": (lambda x: x.log(), [np.log(X0), 1 / X0, -1 / X0**2, 2 / X0**3]),
    "divide": (lambda x: 1 / x, [1 / X0, -1 / X0**2, 2 / X0**3, -6 / X0**4]),
    "sqrt": (lambda x: x.sqrt(), [X0**0.5, 0.5 * X0**-0.5, -0.25 * X0**-1.5, 0.375 * X0**-2.5]),
    "2 ** x": (lambda x: 2**x, [2**X0 * np.log(2) ** k for k in range(4)]),
    "x ** x": (
        lambda x: x**x,
        [
            X0**X0,
            X0**X0 * (1 + np.log(X0)),
            X0**X0 * ((1 + np.log(X0)) ** 2 + 1 / X0),
            X0**X0 * ((1 + np.log(X0)) ** 3 + 3 * (1 + np.log(X0)) / X0 - 1 / X0**2),
        ],
    ),
    "logistic, from softmax": (
        lambda x: F.softmax(mg.stack([x, 0 * x]), 0)[0],
        (lambda s: [s, s * (1 - s), s * (1 - s) * (1 - 2 * s), s * (1 - s) * (1 - 6 * s + 6 * s * s)])(
            1 / (1 + np.exp(-X0))
        ),
    ),
    "logsumexp": (
        lambda x: mg.stack([x, 0 * x]).logsumexp(0),
        (lambda s: [np.log1p(np.exp(X0)), s, s * (1 - s), s * (1 - s) * (1 - 2 * s)])(1 / (1 + np.exp(-X0))),
    ),
    "gather and matmul": (
        lambda x: mg.stack([x * x, x]).gather(0, mg.tensor([0])).unsqueeze(0).matmul(mg.stack([x]))[0],
        [X0**3, 3 * X0**2, 6 * X0, 6.0],
    ),
}


@pytest.mark.parametrize(("f", "expected"), CHAINS.values(), ids=CHAINS.keys())
def test_derivatives_up_to_the_third(f, expected):
    x = leaf(X0)
    y = f(x)
    values = [y.item()]
    for _ in range(3):
        (y,) = grad(y, x, create_graph=True, materialize_grads=True)
        values.append(y.item())
    np.testing.assert_allclose(values, expected, rtol=1e-11, atol=1e-12)


def test_ten_derivatives_of_an_exponential():
    x = leaf(0.3)
    y = (1.5 * x).exp()
    for k in range(1, 11):
        (y,) = grad(y, x, create_graph=True)
        assert y.item() == pytest.approx(1.5**k * np.exp(0.45), rel=1e-12)


def test_create_graph_in_backward_and_a_gradient_penalty():
    x, w = leaf(1.0, -2.0), leaf(0.5, 3.0)
    ((w * x) ** 2).sum().backward(create_graph=True)  # the slope by x is 2 w² x
    assert x.grad.requires_grad
    penalty = (x.grad**2).sum()  # 4 w⁴ x²
    (dw,) = grad(penalty, w)
    np.testing.assert_allclose(dw.numpy(), 16 * np.array([0.5, 3.0]) ** 3 * np.array([1.0, -2.0]) ** 2, rtol=1e-12)


def test_a_hessian_vector_product():
    a = np.array([[2.0, 1.0], [1.0, 3.0]])
    x, v = leaf(1.0, -1.0), mg.tensor([0.5, 2.0], dtype=mg.float64)
    (g,) = grad(0.5 * (x @ mg.tensor(a) @ x), x, create_graph=True)
    (hv,) = grad((g * v).sum(), x)
    np.testing.assert_allclose(hv.numpy(), a @ [0.5, 2.0], rtol=1e-12)


# -- conventions ------------------------------------------------------------------------------------------

TIES = {
    "max along a dimension: the first": (lambda x: x.max(0).values, [3.0, 3.0, 1.0], [1, 0, 0]),
    "min along a dimension: the first": (lambda x: x.min(0)[0], [3.0, 1.0, 1.0], [0, 1, 0]),
    "max of everything: shared": (lambda x: x.max(), [3.0, 3.0, 1.0], [0.5, 0.5, 0]),
    "min of everything: shared": (lambda x: x.min(), [1.0, 1.0, 1.0], [1 / 3] * 3),
    "amax: shared": (lambda x: x.amax(0), [3.0, 3.0, 1.0], [0.5, 0.5, 0]),
    "maximum: shared": (lambda x: mg.maximum(x, mg.ones(3)), [0.0, 1.0, 2.0], [0, 0.5, 1]),
    "minimum: shared": (lambda x: mg.minimum(x, mg.ones(3)), [0.0, 1.0, 2.0], [1, 0.5, 0]),
    "relu: 0": (lambda x: x.relu(), [-1.0, 0.0, 1.0], [0, 0, 1]),
    "abs: 0": (lambda x: x.abs(), [-1.0, 0.0, 1.0], [-1, 0, 1]),
    "clamp: the bounds are inside": (lambda x: x.clamp(0, 1), [0.0, 1.0, 2.0], [1, 1, 0]),
    "clamp by tensors": (lambda x: x.clamp(mg.tensor(0.0), mg.tensor(1.0)), [0.0, 1.0, 2.0], [1, 1, 0]),
    "sqrt at 0: infinite": (lambda x: x.sqrt(), [0.0, 1.0, 4.0], [np.inf, 0.5, 0.25]),
    "norm at 0: 0": (lambda x: x.norm(), [0.0, 0.0, 0.0], [0, 0, 0]),
    "x ** 0 at 0: 0": (lambda x: x**0, [0.0, 1.0, 2.0], [0, 0, 0]),
    "prod with a zero": (lambda x: x.prod(), [0.0, 2.0, 3.0], [6, 0, 0]),
    "huber at delta": (lambda x: F.huber_loss(x, mg.zeros(3), "sum"), [-1.0, 0.0, 1.0], [-1, 0, 1]),
    "l1 at 0: 0": (lambda x: F.l1_loss(x, mg.zeros(3), "sum"), [-1.0, 0.0, 1.0], [-1, 0, 1]),
    "masked_fill": (lambda x: x.masked_fill(x > 1, -np.inf)[:2], [0.0, 1.0, 2.0], [1, 1, 0]),
}


@pytest.mark.parametrize(("f", "values", "slopes"), TIES.values(), ids=TIES.keys())
def test_ties_and_kinks_are_pytorchs(f, values, slopes):
    x = mg.tensor(values, requires_grad=True)
    with np.errstate(divide="ignore"):
        f(x).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), slopes, rtol=1e-6)


@pytest.mark.parametrize(("shape", "dim"), [((), 0), ((4,), 0), ((3, 4), 1), ((2, 3, 4), 0), ((2, 3, 4, 5), 1)])
def test_softmax_without_a_dimension_normalises_the_one_that_pytorch_chooses(shape, dim):
    x = mg.tensor(np.random.default_rng(0).standard_normal(shape))
    total = F.softmax(x).numpy().sum(dim) if shape else F.softmax(x).numpy()
    np.testing.assert_allclose(total, np.ones_like(total), rtol=1e-12)
    np.testing.assert_allclose(F.log_softmax(x).numpy(), np.log(F.softmax(x).numpy()), rtol=1e-9, atol=1e-12)


def test_cross_entropy_weighs_classes():
    logits, target = leaf([[1.0, 2.0, 0.5], [0.0, -1.0, 3.0]]), mg.tensor([1, 2])
    weight = mg.tensor([1.0, 2.0, 5.0], dtype=mg.float64)
    log_p = logits.detach().numpy() - np.log(np.exp(logits.detach().numpy()).sum(1, keepdims=True))
    expected = -(2 * log_p[0, 1] + 5 * log_p[1, 2]) / 7
    loss = F.cross_entropy(logits, target, weight=weight)
    assert loss.item() == pytest.approx(expected, rel=1e-12)
    loss.backward()
    one_hot = np.eye(3)[[1, 2]]
    np.testing.assert_allclose(logits.grad.numpy(), (np.exp(log_p) - one_hot) * [[2 / 7], [5 / 7]], rtol=1e-12)
    advantage = mg.tensor([0.5, -2.0], dtype=mg.float64)
    per_sample = F.cross_entropy(logits, target, reduction="none") * advantage
    np.testing.assert_allclose(per_sample.detach().numpy(), [-0.5 * log_p[0, 1], 2 * log_p[1, 2]], rtol=1e-12)


# -- what a graph costs -----------------------------------------------------------------------------------


def chain(n):
    x = y = mg.ones((), requires_grad=True)
    for _ in range(n):
        y = y + 1.0
    return x, y


def wide(n):
    x = mg.ones((), requires_grad=True)
    return x, mg.stack([x * 1.0 for _ in range(n)]).sum()


def diamonds(n):
    x = y = mg.ones((), requires_grad=True)
    for _ in range(n):
        y = 0.5 * y + 0.5 * y
    return x, y


def seconds(build, n):
    """The best of three runs of forward and backward, without the collector."""
    best = np.inf
    gc.collect()
    gc.disable()
    try:
        for _ in range(3):
            start = time.process_time()
            x, y = build(n)
            y.backward()
            best = min(best, time.process_time() - start)
            del x, y
    finally:
        gc.enable()
    return best


def assert_linear(build, n):
    """Four times the graph takes about four times the time; quadratic work would take sixteen."""
    for attempt in itertools.count():
        ratio = seconds(build, 4 * n) / seconds(build, n)
        if ratio < 8:
            return
        assert attempt < 3, f"{build.__name__}: {ratio:.1f} times the time for 4 times the graph"


@pytest.mark.parametrize(("build", "n", "slope"), [(chain, 20_000, 1), (wide, 20_000, 20_000), (diamonds, 1_000, 1)])
def test_backward_is_iterative_and_right(build, n, slope):
    x, y = build(n)
    y.backward()
    assert x.grad.item() == slope


@pytest.mark.parametrize(("build", "n"), [(chain, 5_000), (wide, 5_000), (diamonds, 1_000)])
def test_time_is_linear_in_the_graph(build, n):
    assert_linear(build, n)


@pytest.mark.slow
@pytest.mark.parametrize(("build", "n", "slope"), [(chain, 1_000_000, 1), (wide, 100_000, 100_000)])
def test_a_million_operations_and_a_hundred_thousand_branches(build, n, slope):
    x, y = build(n)
    y.backward()
    assert x.grad.item() == slope
    assert_linear(build, n // 8)


def test_a_second_derivative_through_a_long_chain():
    x = leaf(0.5)
    y = x * x
    for _ in range(3_000):
        y = y + 0.0
    (dy,) = grad(y, x, create_graph=True)
    (ddy,) = grad(dy, x)
    assert ddy.item() == 2


def test_a_long_chain_is_freed_without_recursion():
    x, y = chain(200_000)
    del y
    assert x.grad is None


# -- memory -----------------------------------------------------------------------------------------------


@pytest.fixture
def no_collector():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def build_everything():
    x = mg.ones(4, 3, requires_grad=True)
    w = mg.ones(2, 3, requires_grad=True)
    h = F.linear(x, w).tanh()
    h.retain_grad()
    h.register_hook(lambda g: g * 1)
    y = mg.stack([h, h * 2]).max(0).values.softmax(1)[:, 0]
    return x, w, h, F.mse_loss(y, mg.zeros(4))


@pytest.mark.parametrize("what", ["forward only", "backward", "backward, graph retained", "create_graph"])
def test_there_are_no_reference_cycles(no_collector, what):
    x, w, h, loss = build_everything()
    if what == "create_graph":
        grads = grad(loss, [x, w], create_graph=True)
        died = [weakref.ref(g) for g in grads] + [weakref.ref(g.grad_fn) for g in grads]
        del grads
    else:
        died = []
        if what != "forward only":
            loss.backward(retain_graph="retained" in what)
    died += [weakref.ref(t) for t in (x, w, h, loss, h.grad_fn, loss.grad_fn)]
    del x, w, h, loss
    assert [ref() for ref in died] == [None] * len(died)


def test_backward_frees_what_the_rules_kept(no_collector):
    x = mg.ones(3, requires_grad=True)
    y = x * 2
    kept = weakref.ref(y)
    z = (y * y).sum()
    del y
    memory = weakref.ref(z.grad_fn)
    assert kept() is None  # the graph holds arrays, not tensors
    z.backward()
    assert memory() is not None
    del z
    assert memory() is None


def test_gradients_share_no_memory():
    a, b = leaf(1.0, 2.0), leaf(3.0, 4.0)
    s = a + b
    s.retain_grad()
    (s * 1).sum().backward()
    arrays = [a.grad.array, b.grad.array, s.grad.array]
    for p, q in itertools.combinations(arrays, 2):
        assert not np.shares_memory(p, q)
    a.grad.add_(100)
    assert b.grad.tolist() == [1, 1]
