"""A KeyboardInterrupt, wherever it comes, leaves recording as it was. It is raised at each line in turn."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import minigrad as mg
from minigrad.core import modes

PACKAGE = str(Path(mg.__file__).parent)


class Interruption:
    """Raises KeyboardInterrupt before one of the lines of minigrad that are run: `with Interruption(number): ...`."""

    def __init__(self, number: int) -> None:
        self.lines, self.number = 0, number

    def __enter__(self) -> Interruption:
        self.before, self.hook = sys.gettrace(), sys.unraisablehook
        sys.unraisablehook = lambda _: None  # Python prints what is raised in a __del__, and goes on
        sys.settrace(self.trace)
        return self

    def __exit__(self, *error: object) -> None:
        sys.settrace(self.before)
        sys.unraisablehook = self.hook

    def trace(self, frame: Any, event: str, argument: Any) -> Callable | None:
        """Called at each call of a function."""
        file = frame.f_code.co_filename
        return self.trace_line if file.startswith((PACKAGE, "<operation ")) else None

    def trace_line(self, frame: Any, event: str, argument: Any) -> Callable:
        """Called before each line. When it raises, Python ends the tracing."""
        if event == "line":
            self.lines += 1
            if self.lines == self.number:
                raise KeyboardInterrupt
        return self.trace_line


def cube() -> tuple[mg.Tensor, mg.Tensor]:
    """A leaf x, and the sum of x³."""
    x = mg.tensor([1.0, 2.0], requires_grad=True)
    return x, (x * x * x).sum()


def run_backward() -> None:
    x, loss = cube()
    x.register_hook(lambda g: g * 2)
    loss.backward()
    assert x.grad.tolist() == [6, 24]


def run_backward_to_inputs() -> None:
    x, loss = cube()
    x.register_hook(lambda g: g * 2)
    loss.backward(inputs=[x])
    assert x.grad.tolist() == [6, 24]


def run_recorded_backward() -> None:
    x, loss = cube()
    x.register_hook(lambda g: g * 2)
    loss.backward(create_graph=True)
    (curvature,) = mg.autograd.grad(x.grad.sum(), x)
    assert curvature.tolist() == [24, 48]  # the hook is there again


def run_no_grad() -> None:
    x, _ = cube()
    with mg.no_grad():
        y = x * 2
        with mg.enable_grad():
            z = x * 2
        y.add_(1)
    assert (y.requires_grad, z.requires_grad, y.tolist()) == (False, True, [3, 5])


def run_decorated_function() -> None:
    @mg.no_grad()
    def double(x: mg.Tensor) -> mg.Tensor:
        return x * 2

    x, _ = cube()
    assert not double(x).requires_grad


def run_decorated_generator() -> None:
    @mg.no_grad()
    def multiply(x: mg.Tensor) -> Any:
        factor = 1
        while factor:
            try:
                factor = yield x * factor
            except KeyError:
                factor = yield x * 10

    x, _ = cube()
    generator = multiply(x)
    outputs = [next(generator), generator.send(2), generator.throw(KeyError)]
    assert (x * 2).requires_grad
    generator.close()
    assert [y.tolist() for y in outputs] == [[1, 2], [2, 4], [10, 20]]
    assert not any(y.requires_grad for y in outputs)


def run_anomaly_detection() -> None:
    with mg.autograd.detect_anomaly():
        x, loss = cube()
        loss.backward()
    assert x.grad.tolist() == [3, 12]


def run_training_step() -> None:
    x, loss = cube()
    optimizer = mg.optim.SGD([x], lr=1.0)
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    assert x.tolist() == [-2, -10]


def interrupt(program: Callable[[], None], number: int) -> bool:
    """Run `program`, interrupted before the line of this number. Whether there was such a line."""
    interruption = Interruption(number)
    try:
        with interruption:
            program()
    except KeyboardInterrupt:
        pass
    return interruption.lines >= number


def check_that_all_is_well() -> None:
    """Recording is on, nobody observes, and a training step gives the right gradient."""
    assert mg.is_grad_enabled()
    assert not mg.autograd.is_anomaly_enabled()
    assert modes.threads[modes.get_ident()][1] is None
    assert not modes.rules_see_tensors
    assert not modes.paused, "no later call need ask which thread this is"
    assert not modes.observers
    x, loss = cube()
    loss.backward()
    assert x.grad.tolist() == [3, 12]
    assert not x.grad.requires_grad


PROGRAMS = [
    run_backward,
    run_backward_to_inputs,
    run_recorded_backward,
    run_no_grad,
    run_decorated_function,
    run_decorated_generator,
    run_anomaly_detection,
    run_training_step,
]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_an_interrupt_at_any_line_leaves_recording_as_it_was(program):
    program()  # the first calls write the shortcuts
    number = 1
    while interrupt(program, number):
        try:
            check_that_all_is_well()
        except AssertionError as error:
            raise AssertionError(f"interrupted before line {number}") from error
        number += 1
    assert number > 20


@pytest.mark.parametrize(
    ("switch", "usual", "ask"),
    [
        (mg.set_grad_enabled, True, mg.is_grad_enabled),
        (mg.autograd.set_detect_anomaly, False, mg.autograd.is_anomaly_enabled),
    ],
)
def test_an_interrupt_in_the_block_of_a_switch_puts_back_what_was_there(switch, usual, ask):
    """The block begins when the switch has happened already, as by a function. An interrupt between leaves it so."""
    entered = False

    def run_block() -> None:
        nonlocal entered
        entered = False
        with switch(not usual):
            entered = True
            assert ask() != usual
            cube()

    run_block()
    number, between = 1, 0
    while interrupt(run_block, number):
        if not entered:
            _, loss = cube()
            assert loss.requires_grad == mg.is_grad_enabled(), "what is said is what is done"
            between += ask() != usual
            switch(usual)
        check_that_all_is_well()
        number += 1
    assert entered
    assert between <= 8
