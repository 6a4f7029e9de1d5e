"""no_grad and its kin, and anomaly detection."""

import functools

import numpy as np
import pytest

import minigrad as mg


@pytest.fixture
def x():
    return mg.tensor([1.0, 2.0], requires_grad=True)


def test_no_grad_records_nothing(x):
    with mg.no_grad():
        y = x * 2
        assert not mg.is_grad_enabled()
    assert mg.is_grad_enabled()
    assert not y.requires_grad
    assert y.is_leaf


def test_decorators(x):
    @mg.no_grad()
    def quiet(a, *, b=1):
        """Doc."""
        return a * b

    @mg.no_grad
    def bare(a):
        return a * 2

    @mg.enable_grad()
    def loud(a):
        return a * 2

    assert not quiet(x, b=3).requires_grad
    assert quiet.__name__ == "quiet"
    assert quiet.__doc__ == "Doc."
    assert not bare(x).requires_grad
    with mg.no_grad():
        assert loud(x).requires_grad
        assert not (x * 2).requires_grad
    assert mg.is_grad_enabled()


def test_nesting_and_reuse(x):
    mode = mg.no_grad()
    with mode:
        with mg.enable_grad():
            assert (x * 2).requires_grad
            with mode:
                assert not mg.is_grad_enabled()
            assert mg.is_grad_enabled()
        assert not mg.is_grad_enabled()
    assert mg.is_grad_enabled()


@pytest.mark.parametrize("mode", [mg.no_grad, mg.inference_mode, lambda: mg.set_grad_enabled(False)])
def test_an_exception_restores_the_mode(mode):
    def fail():
        with mode():
            raise KeyError("inside")

    with pytest.raises(KeyError):
        fail()
    assert mg.is_grad_enabled()


def test_an_exception_in_a_decorated_function_restores_the_mode():
    @mg.no_grad()
    def fail():
        raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert mg.is_grad_enabled()


def test_an_exception_in_backward_restores_the_mode(x):
    y = (x * x).sum()
    y.backward()
    with mg.no_grad(), pytest.raises(mg.GradientError):
        y.backward(create_graph=True)
    assert mg.is_grad_enabled()


def test_set_grad_enabled_works_at_once_and_as_a_block(x):
    for training in (True, False):
        with mg.set_grad_enabled(training):
            assert (x * 2).requires_grad is training
        assert mg.is_grad_enabled()
    mg.set_grad_enabled(False)
    assert not mg.is_grad_enabled()
    mg.set_grad_enabled(True)
    assert mg.is_grad_enabled()


def test_set_grad_enabled_as_a_decorator_is_about_the_function_alone(x):
    @mg.set_grad_enabled(False)
    def quiet(a):
        return a * 2

    assert mg.is_grad_enabled()
    assert not quiet(x).requires_grad
    assert mg.is_grad_enabled()


def test_a_leaf_made_under_no_grad_may_require_a_gradient():
    with mg.no_grad():
        w = mg.zeros(2, requires_grad=True)
    (w * 3).sum().backward()
    assert w.grad.tolist() == [3, 3]


def test_backward_works_inside_no_grad(x):
    y = (x * x).sum()
    with mg.no_grad():
        y.backward()
    assert x.grad.tolist() == [2, 4]
    assert not x.grad.requires_grad


# -- generators ------------------------------------------------------------------------------------------


def watch(log, count=2):
    """A generator that says in `log` whether it records. It yields the same, `count` times."""
    try:
        for _ in range(count):
            try:
                got = yield mg.is_grad_enabled()
                log.append((got, mg.is_grad_enabled()))
            except KeyError:
                log.append(("caught", mg.is_grad_enabled()))
                yield "after the error"
        return "result"
    finally:
        log.append(("finally", mg.is_grad_enabled()))


@pytest.mark.parametrize(
    "decorate",
    [
        mg.no_grad,
        mg.no_grad(),
        mg.inference_mode(),
        lambda function: mg.set_grad_enabled(False)(function),
        lambda function: mg.no_grad()(functools.partial(function)),
        lambda function: mg.enable_grad()(mg.no_grad()(function)),
    ],
)
def test_a_decorated_generator_has_the_mode_and_its_caller_has_not(decorate):
    log = []
    generator = decorate(watch)(log)
    assert mg.is_grad_enabled()
    assert next(generator) is False
    assert mg.is_grad_enabled()
    assert generator.send("sent") is False
    assert mg.is_grad_enabled()
    with pytest.raises(StopIteration) as end:
        generator.send("last")
    assert end.value.value == "result"
    assert log == [("sent", False), ("last", False), ("finally", False)]
    assert mg.is_grad_enabled()


def test_what_is_thrown_into_a_decorated_generator_arrives_in_its_mode():
    log = []
    generator = mg.no_grad()(watch)(log)
    next(generator)
    assert generator.throw(KeyError) == "after the error"
    assert mg.is_grad_enabled()
    with pytest.raises(ZeroDivisionError):
        generator.throw(ZeroDivisionError)
    assert mg.is_grad_enabled()
    assert log == [("caught", False), ("finally", False)]
    with pytest.raises(StopIteration):
        next(generator)


@pytest.mark.parametrize("end", ["close", "forget"])
def test_a_decorated_generator_is_closed_in_its_mode(end):
    log = []
    generator = mg.no_grad()(watch)(log)
    next(generator)
    if end == "close":
        generator.close()
    del generator
    assert log == [("finally", False)]
    assert mg.is_grad_enabled()


def test_a_decorated_generator_keeps_its_mode_when_the_caller_changes_his():
    generator = mg.enable_grad()(watch)([], count=3)
    with mg.no_grad():
        assert next(generator) is True
        assert not mg.is_grad_enabled()
    assert next(generator) is True
    assert mg.is_grad_enabled()


def test_decorated_generators_inside_each_other():
    def outer(log):
        log.append(("outer", mg.is_grad_enabled()))
        result = yield from mg.enable_grad()(watch)(log, count=1)
        log.append((result, mg.is_grad_enabled()))
        yield mg.is_grad_enabled()

    log = []
    assert list(mg.no_grad()(outer)(log)) == [True, False]
    assert log == [("outer", False), (None, True), ("finally", True), ("result", False)]
    assert mg.is_grad_enabled()


def test_a_block_inside_an_undecorated_generator_lasts_while_the_caller_runs():
    """As in PyTorch. The end of the outer block ends the inner one, too: nobody is left in no_grad."""

    def leave_open():
        with mg.no_grad():
            yield

    first, second = leave_open(), leave_open()
    next(first)
    assert not mg.is_grad_enabled()
    next(second)
    first.close()
    assert mg.is_grad_enabled()
    second.close()
    assert mg.is_grad_enabled()


def test_a_block_that_ended_long_ago_is_not_taken_for_its_like():
    """Two blocks that were entered alike, one after the other. The end of the first one is not the second one's."""

    def leave_open():
        with mg.enable_grad():
            yield

    generator = leave_open()
    with mg.no_grad():
        next(generator)
    with mg.no_grad(), mg.enable_grad():
        generator.close()
        assert mg.is_grad_enabled()
    assert mg.is_grad_enabled()


# -- anomaly detection ------------------------------------------------------------------------------------


def report(compute, *, forward_only=False):
    """What anomaly detection says about `compute`, which makes a NaN or infinity."""

    def run():
        y = compute()
        if forward_only:
            raise AssertionError("the forward pass should have been noticed")
        y.sum().backward()

    with mg.autograd.detect_anomaly(), np.errstate(all="ignore"), pytest.raises(mg.GradientError) as caught:
        run()
    return str(caught.value)


@pytest.mark.parametrize(
    ("compute", "operation", "idiom"),
    [
        (lambda x: x.log(), "'log'", "x.clamp(min=1e-8).log()"),
        (lambda x: 1 / x, "'divide'", "clamp(min=1e-8)"),
        (lambda x: (x + 200).exp(), "'exp'", "clamp(max=20)"),
        (lambda x: x**-0.5, "'pow'", "bound the base"),
    ],
)
def test_anomaly_names_the_forward_line_of_a_bad_value(compute, operation, idiom):
    x = mg.zeros(2, requires_grad=True)
    message = report(lambda: compute(x), forward_only=True)
    assert operation in message
    assert "although its inputs are finite" in message
    assert idiom in message
    assert "test_modes.py" in message


def test_anomaly_names_the_line_of_the_forward_pass_for_a_bad_gradient():
    x = mg.zeros(2, requires_grad=True)

    def model():
        root = x.sqrt()  # the culprit
        return root * 2

    message = report(model)
    assert "test_modes.py" in message
    assert '"root = x.sqrt()  # the culprit"' in message
    assert "from a finite cotangent" in message
    assert "(x + 1e-12).sqrt()" in message


def test_anomaly_explains_the_nan_from_the_branch_not_chosen():
    x = mg.tensor([0.0, 4.0], requires_grad=True)

    def model():
        return mg.where(x > 0, x.sqrt(), 0.0)

    with np.errstate(all="ignore"):
        model().sum().backward()
    assert np.isnan(x.grad.numpy()).tolist() == [True, False]  # 0 * inf, as in PyTorch
    message = report(model)
    assert "'sqrt'" in message
    assert "where(mask, f(where(mask, x, 1)), 0)" in message
    x.grad = None
    with mg.autograd.detect_anomaly():  # the idiom it names
        mg.where(x > 0, mg.where(x > 0, x, 1.0).sqrt(), 0.0).sum().backward()
    assert x.grad.tolist() == [0, 0.25]


def test_the_norm_at_zero_has_slope_zero_and_the_written_out_one_is_explained():
    x = mg.zeros(3, requires_grad=True)
    with mg.autograd.detect_anomaly():
        x.norm().backward()
    assert x.grad.tolist() == [0, 0, 0]
    message = report(lambda: x.square().sum().sqrt())
    assert "'sqrt'" in message
    assert "1e-12" in message


def test_anomaly_mode_is_switched_off_again():
    x = mg.zeros(2)
    with np.errstate(all="ignore"):
        with pytest.raises(mg.GradientError), mg.autograd.detect_anomaly():
            x.log()
        assert x.log().tolist() == [-np.inf, -np.inf]
        mg.autograd.set_detect_anomaly(True)
        try:
            with pytest.raises(mg.GradientError):
                x.log()
        finally:
            mg.autograd.set_detect_anomaly(False)
        with mg.autograd.detect_anomaly(False):
            x.log()


def test_finite_programs_run_unchanged():
    x = mg.tensor([1.0, 2.0], requires_grad=True)
    with mg.autograd.detect_anomaly():
        (x.log() * mg.tensor([-np.inf, 1.0]).clamp(min=0)).sum().backward()
    assert x.grad.tolist() == [0, 0.5]
