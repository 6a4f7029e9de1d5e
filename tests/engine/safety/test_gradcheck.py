"""The checker is checked: it passes what is right, and every kind of wrong derivative fails it."""

from __future__ import annotations

import numpy as np
import pytest
from rows import new_row

import minigrad
from minigrad import autograd
from minigrad.errors import GradientError
from minigrad.gradcheck import GradcheckError, NotDifferentiableError, gradcheck, gradgradcheck


def inputs(*shapes: tuple[int, ...], seed: int = 0) -> list[minigrad.Tensor]:
    rng = np.random.default_rng(seed)
    return [minigrad.tensor(rng.uniform(0.5, 2.0, shape)).requires_grad_() for shape in shapes]


def wrong(forward, **vjp):
    """An operation with rules of our own making, as a function of Tensors. It is not put in the table."""
    return new_row("wrong", forward, vjp, elementwise=False).apply


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


both_modes = pytest.mark.parametrize("fast_mode", [False, True])


# -- what is right passes ---------------------------------------------------------------------------------


@both_modes
@pytest.mark.parametrize(
    "function",
    [
        lambda x: x.tanh(),
        lambda x: x.softmax(dim=1),
        lambda x: (x.exp().sum(dim=0) * x.log()).mean(),
        lambda x: x @ x.T,
        lambda x: x.max(dim=1).values,  # a NamedTuple: the indices do not count
        lambda x: (x.square(), x.sum(), x.argmax()),
        lambda x: [x[0], x[1:] * 2],
        lambda x: x * 1e8,
        lambda x: x * 1e-8,
        lambda x: x.pow(3) * 1e6 - x,
        lambda x: (20 * x).tanh(),  # the slope, 1 - y², loses nearly all of its digits
    ],
)
def test_right_gradients_pass(function, fast_mode):
    (x,) = inputs((3, 4))
    assert gradcheck(function, x, fast_mode=fast_mode) is True
    assert gradgradcheck(function, x, fast_mode=fast_mode) is True


@both_modes
def test_several_inputs_and_what_is_no_tensor(fast_mode):
    a, b = inputs((3, 4), (4,))
    constant = minigrad.tensor(np.ones(4))
    assert gradcheck(lambda a, n, b, c: (a * b + c) ** n, (a, 3, b, constant), fast_mode=fast_mode)
    assert gradgradcheck(lambda a, n, b, c: (a * b + c) ** n, (a, 3, b, constant), fast_mode=fast_mode)
    assert constant.grad is None
    assert a.grad is None


def test_shapes_without_elements_and_without_dimensions():
    for x in inputs((), (0, 3), (1,)):
        assert gradcheck(lambda x: x.exp() * 2, x)
        assert gradgradcheck(lambda x: x.exp() * 2, x)


def test_views_and_captured_inputs():
    """The inputs are changed where they lie, so a function may also reach them in other ways than its arguments."""
    (x,) = inputs((4, 3))
    transposed = x.detach().T.requires_grad_()
    assert gradcheck(lambda y: y.tanh(), transposed)
    layer = minigrad.nn.Linear(3, 2).to(minigrad.float64)
    assert gradcheck(lambda *parameters: layer(x).tanh(), (x, *layer.parameters()))


def test_an_intermediate_may_be_checked():
    (x,) = inputs((3,))
    assert gradcheck(lambda y: y * y, x * 2)


def test_the_inputs_are_put_back_and_untouched():
    (x,) = inputs((3, 4))
    before, version = x.array.copy(), list(x._version)
    gradcheck(lambda x: x.exp(), x)
    gradgradcheck(lambda x: x.exp(), x)
    with pytest.raises(ZeroDivisionError):
        gradcheck(lambda x: x * (1 / 0 if x.array.sum() > before.sum() else 1), x)
    np.testing.assert_array_equal(x.array, before)
    assert list(x._version) == version
    assert x.grad is None


def test_given_cotangents():
    (x,) = inputs((3,))
    v = minigrad.tensor([1.0, 0.0, 2.0], dtype=minigrad.float64)
    assert gradgradcheck(lambda x: x**3, x, v)
    assert not v.requires_grad


def test_under_no_grad():
    (x,) = inputs((3,))
    with autograd.no_grad():
        assert gradcheck(lambda x: x.exp(), x)


# -- what is wrong fails ----------------------------------------------------------------------------------

WRONG = {
    "sign": wrong(lambda x: x**2, x=lambda g, x: -g * 2 * x),
    "factor two": wrong(lambda x: x**2, x=lambda g, x: g * x),
    "one part in a thousand": wrong(lambda x: x**2, x=lambda g, x: g * 2.002 * x),
    "zero": wrong(lambda x: x**2, x=lambda g, x: g * x * 0),
    "not a number": wrong(lambda x: x**2, x=lambda g, x: g * x * np.nan),
    "a missing term": wrong(lambda x: x**2 + x, x=lambda g, x: g * 2 * x),
    "a missing factor": wrong(lambda x: x**3, x=lambda g, x: g * 3 * x),
    "transposed": wrong(lambda x: 2 * x, x=lambda g: 2 * g.T),
    "reversed": wrong(lambda x: np.cumsum(x, axis=0), x=lambda g: np.cumsum(g, axis=0)),
    "one element": wrong(lambda x: x * 1.0, x=lambda g: g * (np.arange(9).reshape(3, 3) != 4)),
    "one element, by little": wrong(lambda x: x * 1.0, x=lambda g: g + 1e-3 * (np.arange(9).reshape(3, 3) == 4)),
    "right under .sum() only": wrong(softmax, x=lambda g, y: 0 * y),
    "off the diagonal": wrong(softmax, x=lambda g, y: g * y * (1 - y)),
    "on the diagonal": wrong(softmax, x=lambda g, y: -y * ((g * y).sum(-1, keepdims=True) - g * y)),
    "right for constant cotangents only": wrong(lambda x: x * 1.0, x=lambda g: 0 * g + g.mean()),
    "right for positive cotangents only": wrong(lambda x: x * 1.0, x=lambda g: np.abs(g)),
    "not linear in the cotangent": wrong(lambda x: x * 1.0, x=lambda g: g * g * g),
    "tiny, and zero": wrong(lambda x: 1e-9 * x, x=lambda g: 0 * g),
    "tiny, and doubled": wrong(lambda x: 1e-9 * x**2, x=lambda g, x: 4e-9 * g * x),
    "huge, and off": wrong(lambda x: 1e9 * x, x=lambda g: 1.001e9 * g),
    "a constant cotangent": wrong(lambda x: x**2, x=lambda g, x: 2 * x + 0 * g),
}


@both_modes
@pytest.mark.parametrize("kind", WRONG)
def test_wrong_gradients_fail(kind, fast_mode):
    (x,) = inputs((3, 3))
    with pytest.raises(GradcheckError, match="the gradient with respect to input 0"):
        gradcheck(WRONG[kind], x, fast_mode=fast_mode)
    assert gradcheck(WRONG[kind], x, fast_mode=fast_mode, raise_exception=False) is False


@both_modes
def test_the_wrong_input_is_named(fast_mode):
    a, b, c = inputs((3,), (3,), (3,))
    product = wrong(lambda a, b: a * b, a=lambda g, b: g * b, b=lambda g, b: g * b)
    with pytest.raises(GradcheckError, match="input 2 "):
        gradcheck(lambda c, a, b: c * product(a, b), (c, a, b), fast_mode=fast_mode)


@both_modes
def test_swapped_inputs_fail(fast_mode):
    swapped = wrong(lambda a, b: a * b, a=lambda g, a: g * a, b=lambda g, b: g * b)
    with pytest.raises(GradcheckError, match="input 0"):
        gradcheck(swapped, inputs((3,), (3,)), fast_mode=fast_mode)


@both_modes
def test_one_wrong_output_of_several_fails(fast_mode):
    (x,) = inputs((3, 3))
    with pytest.raises(GradcheckError):
        gradcheck(lambda x: (x.exp(), WRONG["sign"](x), x.sum()), x, fast_mode=fast_mode)


@both_modes
def test_a_detached_part_fails(fast_mode):
    (x,) = inputs((3,))
    with pytest.raises(GradcheckError):
        gradcheck(lambda x: x * x.detach(), x, fast_mode=fast_mode)


@both_modes
def test_a_missing_unbroadcast_fails(fast_mode):
    """Without the engine's help the rule for b must sum over the rows."""
    forgot = wrong(lambda a, b: a * b, a=lambda g, b: g * b, b=lambda g, a: g * a)
    with pytest.raises(GradcheckError, match=r"'wrong' .*shape \(3, 4\).*a leaf of shape \(4,\)"):
        gradcheck(forgot, inputs((3, 4), (4,)), fast_mode=fast_mode)


def test_a_gradient_of_another_dtype_fails():
    narrowed = wrong(lambda x: x * 1.0, x=lambda g: g.astype(np.float32))
    with pytest.raises(GradcheckError, match="float32"):
        gradcheck(narrowed, inputs((3,)))


def test_second_derivatives_that_are_wrong_fail():
    """Right at first order, detached at second: the mistake that a saved array makes."""
    for rule in (
        lambda g, x: g * 3 * x.detach() ** 2 if isinstance(x, minigrad.Tensor) else g * 3 * x**2,
        lambda g, x: (g.detach() if isinstance(g, minigrad.Tensor) else g) * 3 * x**2,
    ):
        cube = wrong(lambda x: x**3, x=rule)
        (x,) = inputs((3,))
        assert gradcheck(cube, x)
        with pytest.raises(GradcheckError):
            gradgradcheck(cube, x)
        with pytest.raises(GradcheckError):
            gradgradcheck(cube, x, fast_mode=True)


def test_a_recorded_backward_that_differs_fails():
    def rule(g, x):
        return g * 3 * x**2 if isinstance(x, minigrad.Tensor) else g * 2 * x

    with pytest.raises(GradcheckError, match="create_graph"):
        gradgradcheck(wrong(lambda x: x**2, x=rule), inputs((3,)))


def test_changed_inputs_and_cotangents_fail():
    def spoil(x, value):
        x[...] = x + 1
        return value

    for function, message in (
        (wrong(lambda x: spoil(x, x * 1.0), x=lambda g: g), "input 0 .*changed by the forward"),
        (wrong(lambda x: x**2, x=lambda g, x: spoil(x, 2 * g * (x - 1))), "input 0 .*changed by the backward"),
        (wrong(lambda x: x * 1.0, x=lambda g: spoil(g, g * 1.0)), "cotangent of output 0 was changed"),
    ):
        with pytest.raises(GradcheckError, match=message):
            gradcheck(function, inputs((3,)), nondet_tol=10)


def test_chance_in_backward_fails():
    rng = np.random.default_rng(0)
    noisy = wrong(lambda x: x * 1.0, x=lambda g: g + 1e-9 * rng.standard_normal(g.shape))
    with pytest.raises(GradcheckError, match="not deterministic"):
        gradcheck(noisy, inputs((3,)))
    assert gradcheck(noisy, inputs((3,)), nondet_tol=1e-7)


# -- where there is no derivative -------------------------------------------------------------------------


@both_modes
@pytest.mark.parametrize("offset", [0.0, 1e-7, 1e-6 / 3, 5e-7, -5e-7, 9e-7])
@pytest.mark.parametrize(
    "function", [lambda x: x.relu(), lambda x: x.abs(), lambda x: x.clamp(min=0), lambda x: x.floor() * x]
)
def test_kinks_and_jumps_are_noticed(function, offset, fast_mode):
    x = minigrad.tensor(np.array([1.5, 0.0 + offset, 2.5])).requires_grad_()
    with pytest.raises(NotDifferentiableError, match="kink or a jump") as error:
        gradcheck(function, x, fast_mode=fast_mode)
    if not fast_mode:
        assert "element [1]" in str(error.value)


def test_a_kink_is_noticed_even_if_the_gradient_happens_to_agree():
    x = minigrad.zeros(3, dtype=minigrad.float64).requires_grad_()
    with pytest.raises(NotDifferentiableError):
        gradcheck(lambda x: x.abs(), x)  # central difference 0, gradient 0
    assert gradcheck(lambda x: x.abs(), x, raise_exception=False) is False


def test_ties_are_kinks():
    x = minigrad.tensor(np.array([1.0, 2.0, 2.0])).requires_grad_()
    with pytest.raises(NotDifferentiableError):
        gradcheck(lambda x: x.max(), x)


def test_the_edge_of_the_domain_is_noticed():
    x = minigrad.tensor(np.array([1.0, 0.0])).requires_grad_()
    with pytest.raises(NotDifferentiableError, match="edge of its domain"):
        gradcheck(lambda x: x.sqrt(), x)
    with pytest.raises(GradcheckError, match="NaN or infinity"), np.errstate(all="ignore"):
        gradcheck(lambda x: x.log(), x)


@both_modes
def test_strong_curvature_is_no_kink(fast_mode):
    x = minigrad.tensor(np.array([1e-3, 2e-3, 1.0])).requires_grad_()
    assert gradcheck(lambda x: 1 / x, x, eps=1e-8, fast_mode=fast_mode)
    y = minigrad.tensor(np.array([0.1, 1.0, 2.0])).requires_grad_()
    assert gradcheck(lambda x: (100 * x).tanh() + (30 * x * x).exp() * 1e-50, y, fast_mode=fast_mode)
    assert gradcheck(lambda x: x**3 * 1e3, y - 1, fast_mode=fast_mode)


# -- messages and misuse ----------------------------------------------------------------------------------


def test_the_message_says_where_and_what():
    (x,) = inputs((3, 3))
    with pytest.raises(GradcheckError) as error:
        gradcheck(WRONG["one element"], x)
    message = str(error.value)
    assert "wrong in 1 of 9 elements" in message
    assert "element [1, 1]: analytic 0, numeric" in message


@pytest.mark.parametrize(
    ("kind", "hint"),
    [
        ("sign", "-1 times"),
        ("factor two", "0.5 times"),
        ("zero", "zero everywhere: was something detached"),
        ("transposed", "transpose"),
        ("not a number", "not finite"),
    ],
)
def test_the_message_guesses_the_mistake(kind, hint):
    with pytest.raises(GradcheckError, match=hint):
        gradcheck(WRONG[kind], inputs((3, 3)))


@pytest.mark.parametrize("check", [gradcheck, gradgradcheck])
def test_misuse(check):
    (x,) = inputs((3,))
    with pytest.raises(ValueError, match=r"float32.*\.double\(\)"):
        check(lambda x: x * 2, minigrad.ones(3).requires_grad_())
    with pytest.raises(ValueError, match="none of the inputs requires a gradient"):
        check(lambda x: x * 2, x.detach())
    with pytest.raises(ValueError, match="none of the inputs"):
        check(lambda x: x * 2, [1.0])
    with pytest.raises(ValueError, match="no output of the function requires a gradient"):
        check(lambda x: x.detach() * 2, x)
    with pytest.raises(ValueError, match="no output"):
        check(lambda x: 3.0, x)
    with pytest.raises(ValueError, match="expanded view"):
        check(lambda x: x * 2, x.detach()[:1].expand(4).requires_grad_())


def test_misuse_raises_even_without_raise_exception():
    with pytest.raises(ValueError, match="float32"):
        gradcheck(lambda x: x, minigrad.ones(3).requires_grad_(), raise_exception=False)


def test_errors_are_gradient_errors():
    assert issubclass(NotDifferentiableError, GradcheckError)
    assert issubclass(GradcheckError, GradientError)


def test_tolerances_are_what_they_say():
    (x,) = inputs((3,))
    off = wrong(lambda x: 2 * x, x=lambda g: 2.0001 * g)  # by 5e-5 of itself
    with pytest.raises(GradcheckError):
        gradcheck(off, x, rtol=2e-5)
    assert gradcheck(off, x, rtol=1e-4)
    assert gradcheck(off, x, rtol=0, atol=1e-3)
    with pytest.raises(GradcheckError):
        gradcheck(off, x, rtol=0, atol=2e-5)


def test_the_seed_decides():
    """The same call gives the same verdict and the same message."""
    (x,) = inputs((3, 3))
    messages = set()
    for _ in range(3):
        with pytest.raises(GradcheckError) as error:
            gradcheck(WRONG["sign"], x, seed=5)
        messages.add(str(error.value))
    assert len(messages) == 1


def test_public_names():
    for _ in range(2):  # the functions, not the module of the same name, also when asked again
        assert minigrad.gradcheck is gradcheck
        assert minigrad.gradgradcheck is gradgradcheck
