"""What a thread switches belongs to it: recording, anomaly detection, what backward needs, and random numbers."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from threads import run_in_threads

import minigrad as mg
from minigrad.core import modes


@pytest.fixture
def quick_switches() -> Iterator[None]:
    """Python changes between threads as often as it can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


# -- trainings by hand ------------------------------------------------------------------------------------


class Training:
    """A network of two layers, trained by hand on random numbers of its own. `run` returns the bytes of its weights."""

    def __init__(self, seed: int, steps: int = 15) -> None:
        self.generator, self.steps = mg.Generator().manual_seed(seed), steps
        self.weights = [self.draw(3, 8), self.draw(8), self.draw(8, 2)]
        for weight in self.weights:
            weight.requires_grad_()

    def draw(self, *shape: int) -> mg.Tensor:
        return mg.randn(*shape, generator=self.generator)

    def compute_loss(self) -> mg.Tensor:
        x = self.draw(4, 3)
        hidden = (x @ self.weights[0] + self.weights[1]).tanh()
        return ((hidden @ self.weights[2] - x[:, :2]) ** 2).mean()

    def update(self) -> None:
        """A step down the gradient."""
        for weight in self.weights:
            weight.grad = None
        self.compute_loss().backward()
        with mg.no_grad():
            for weight in self.weights:
                weight.sub_(0.1 * weight.grad)

    def run(self) -> list[bytes]:
        for _ in range(self.steps):
            self.update()
        return [weight.detach().numpy().tobytes() for weight in self.weights]


class Switching(Training):
    """It switches as often as it can: no_grad, hooks, decorated generators, a penalty on the gradient."""

    @mg.no_grad()
    def measure(self) -> Iterator[mg.Tensor]:
        for weight in self.weights:
            yield weight * 2

    def update(self) -> None:
        assert all(not y.requires_grad for y in self.measure())
        handle = self.weights[0].register_hook(lambda g: g * 0.5)
        loss = self.compute_loss()
        slopes = mg.autograd.grad(loss, self.weights, create_graph=True)
        with mg.set_grad_enabled(False):
            assert not (self.weights[0] * 2).requires_grad
            with mg.enable_grad():
                penalty = sum((slope * slope).sum() for slope in slopes)
        assert penalty.requires_grad
        gradients = mg.autograd.grad(loss + 0.01 * penalty, self.weights)
        handle.remove()
        with mg.no_grad():
            for weight, gradient in zip(self.weights, gradients, strict=True):
                weight.sub_(0.1 * gradient)


class Watched(Training):
    """Anomaly detection is on, which sends it through the core."""

    def run(self) -> list[bytes]:
        with mg.autograd.detect_anomaly():
            return super().run()


def test_trainings_in_threads_give_the_weights_of_trainings_one_after_the_other(quick_switches):
    kinds = (Training, Switching, Watched)
    alone = [kind(seed).run() for seed, kind in enumerate(kinds)]
    assert alone[0] != Training(9).run()
    for _ in range(20):
        together = run_in_threads(*(kind(seed).run for seed, kind in enumerate(kinds)))
        assert together == alone
    assert not modes.paused
    assert not modes.observers


# -- one switch at a time: a thread is inside, and another one looks ---------------------------------------


def look() -> dict[str, Any]:
    """How things are in this thread."""
    x = mg.tensor([2.0], requires_grad=True)
    y = x * x
    return {
        "enabled": mg.is_grad_enabled(),
        "recorded": y.requires_grad,
        "observed": mg.autograd.is_anomaly_enabled(),
        "in a recorded backward": modes.get_ident() in modes.rules_see_tensors,
    }


USUAL = {"enabled": True, "recorded": True, "observed": False, "in a recorded backward": False}


def look_from_another_thread() -> dict[str, Any]:
    return run_in_threads(look)[0]


def inside_backward(seen: list, **options: Any) -> None:
    """Run a backward with a hook that looks from here and from elsewhere."""
    x = mg.tensor([1.0], requires_grad=True)
    x.register_hook(lambda g: seen.extend([look(), look_from_another_thread()]))
    (x * x).sum().backward(**options)


@pytest.mark.parametrize("observed", [False, True])
@pytest.mark.parametrize("create_graph", [False, True])
def test_backward_switches_nothing_for_other_threads(create_graph, observed):
    seen: list = []
    with mg.autograd.detect_anomaly() if observed else mg.enable_grad():
        inside_backward(seen, create_graph=create_graph)
    assert len(seen) == 2
    assert seen[0]["recorded"] is create_graph
    assert seen[0]["in a recorded backward"] is False  # a hook is no rule: it may convert to NumPy
    assert seen[1] == USUAL


@pytest.mark.parametrize(
    "block",
    [
        mg.no_grad,
        mg.inference_mode,
        mg.autograd.detect_anomaly,
        lambda: mg.set_grad_enabled(False),
        lambda: mg.autograd.set_detect_anomaly(True),
    ],
)
def test_a_block_switches_nothing_for_other_threads(block):
    with block():
        assert look() != USUAL
        assert look_from_another_thread() == USUAL
    assert look() == USUAL


def test_the_switch_of_one_thread_is_not_the_others():
    def switch_and_look() -> dict[str, Any]:
        mg.set_grad_enabled(False)
        mg.autograd.set_detect_anomaly(True)
        seen = look()
        mg.set_grad_enabled(True)
        mg.autograd.set_detect_anomaly(False)
        return seen

    expected = {"enabled": False, "recorded": False, "observed": True, "in a recorded backward": False}
    assert run_in_threads(switch_and_look, switch_and_look) == [expected, expected]
    assert look() == USUAL


def test_an_object_of_no_grad_may_be_used_by_two_threads_at_once():
    mode, first_inside, last_inside, first_left = mg.no_grad(), *(threading.Event() for _ in range(3))

    def leave_first() -> list:
        with mode:
            first_inside.set()
            last_inside.wait()
            inside = look()
        first_left.set()
        return [inside["recorded"], look()]

    def leave_last() -> list:
        first_inside.wait()
        with mode:
            last_inside.set()
            first_left.wait()
            inside = look()
        return [inside["recorded"], look()]

    assert run_in_threads(leave_first, leave_last) == [[False, USUAL]] * 2


@pytest.mark.parametrize("stays", [True, False])
def test_another_thread_may_use_the_same_object_between_any_two_lines_of_this_one(stays):
    def meet(number: int) -> bool:
        """Another thread enters before the line of this number. Whether there was such a line."""
        mode, entered, may_leave, lines, seen = mg.no_grad(), threading.Event(), threading.Event(), 0, []

        def enter_and_leave() -> None:
            with mode:
                entered.set()
                assert may_leave.wait(10)
                seen.append(mg.is_grad_enabled())
            seen.append(mg.is_grad_enabled())

        def trace(frame: Any, event: str, argument: Any) -> Callable | None:
            nonlocal lines
            lines += event == "line"
            if event == "line" and lines == number:
                other.start()
                assert entered.wait(10)
                if not stays:
                    may_leave.set()
                    other.join(10)
            return trace if "minigrad" in frame.f_code.co_filename else None

        other, before = threading.Thread(target=enter_and_leave), sys.gettrace()
        sys.settrace(trace)
        try:
            with mode:
                seen.append(mg.is_grad_enabled())
            seen.append(mg.is_grad_enabled())
        finally:
            sys.settrace(before)
            may_leave.set()
        if other.ident is None:
            return False
        other.join(10)
        assert sorted(seen) == [False, False, True, True], f"before line {number}"
        assert not modes.paused, f"before line {number}"
        return True

    number = 1
    while meet(number):
        number += 1
    assert number > 15


def test_a_block_that_outlives_its_thread_puts_nothing_back():
    """Another thread may have the number by then: mostly the next one gets it."""
    mode = mg.no_grad()
    run_in_threads(mode.__enter__)
    assert not modes.paused

    def leave_the_other() -> bool:
        with mg.no_grad():
            mode.__exit__()
            return mg.is_grad_enabled()

    assert run_in_threads(leave_the_other) == [False]
    assert look() == USUAL


def test_a_block_that_another_thread_ends_leaves_nobody_unrecorded():
    """As when the garbage collector closes a generator that was left inside of a block."""

    def leave_open() -> Iterator[None]:
        with mg.no_grad():
            yield

    generator = leave_open()
    next(generator)
    assert not look()["recorded"]
    run_in_threads(generator.close)
    assert look() == USUAL
    assert not modes.paused
    with mg.no_grad():
        assert not look()["recorded"]
    assert look() == USUAL


def test_hooks_of_two_threads_do_not_replace_each_other(quick_switches):
    """Each hook has a key of its own, wherever it was registered."""

    def register() -> int:
        x = mg.tensor(1.0, requires_grad=True)
        for _ in range(300):
            x.register_hook(lambda g: None)
        return len(x._hooks)

    assert run_in_threads(register, register, register) == [300] * 3


def test_the_first_calls_of_a_row_in_two_threads(quick_switches):
    """Each row's code is written at its first call."""
    for _ in range(20):
        row = mg.operation(lambda x, factor: x * factor, vjp=lambda g, factor: g * factor, name="scale")

        def differentiate(row: Callable = row) -> list:
            x = mg.tensor([1.0, 2.0], requires_grad=True)
            row(x, 3.0).sum().backward()
            return x.grad.tolist()

        assert run_in_threads(differentiate, differentiate) == [[3, 3]] * 2


def test_threads_compute_the_same_at_once_as_alone(quick_switches):
    """What is kept from call to call (columns, ones, zeros, windows) is only read."""

    def compute(seed: int) -> bytes:
        generator = mg.Generator().manual_seed(seed)
        outputs = []
        for n in range(1, 40):
            x = mg.randn(n, 70, generator=generator).requires_grad_()
            images = x[:, :64].reshape(n, 1, 8, 8)
            kernel = mg.randn(2, 1, 3, 3, generator=generator)
            y = mg.nn.functional.conv2d(images, kernel, padding=n % 2).relu().sum((1, 2, 3))
            y = y + x.relu().softmax(1).gather(1, mg.full((n, 1), n)).squeeze(1) + mg.einsum("ij,ij->i", x, x)
            y.sum().backward()
            outputs += [y.detach().numpy().tobytes(), x.grad.numpy().tobytes()]
        return b"".join(outputs)

    alone = [compute(seed) for seed in range(3)]
    assert alone[0] != alone[1]
    for _ in range(3):
        assert run_in_threads(*(lambda seed=seed: compute(seed) for seed in range(3))) == alone
