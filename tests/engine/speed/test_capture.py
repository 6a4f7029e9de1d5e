"""What capture takes for a part of the signature, what it notices, and what it leaves as it was."""

from __future__ import annotations

import gc
import threading
import tracemalloc
import warnings
from typing import Any, NamedTuple

import numpy as np
import pytest
from capturing import bits, call_often, replays

import minigrad as mg
import minigrad.nn as nn
import minigrad.nn.functional as F
from minigrad import autograd, optim
from minigrad.core.modes import observers, paused
from minigrad.errors import CaptureError


def tensors(*arrays: Any) -> list[mg.Tensor]:
    return [mg.tensor(np.asarray(a, np.float32)) for a in arrays]


# -- signatures


def test_two_recordings_then_replays():
    calls = []

    @mg.capture
    def double(x: Any) -> Any:
        """Twice."""
        calls.append(1)
        return x * 2

    assert double.__name__ == "double"
    assert double.__doc__ == "Twice."
    assert "not been recorded" in double.source
    for i in range(6):
        (x,) = tensors([i, i + 1])
        assert double(x).tolist() == [2 * i, 2 * i + 2]
    assert len(calls) == 2
    assert replays(double) == 4
    assert double.eager(x).tolist() == [10, 12]
    assert "replayed 4 times" in repr(double)
    assert "multiply(x0, 2)" in double.source
    assert "(2,) float32" in double.source


def test_shapes_dtypes_ints_and_objects_are_the_signature():
    made = []

    def f(x: Any, n: Any, thing: Any) -> Any:
        made.append(n)
        return x.sum() * n if thing else x.mean() * n

    step = mg.capture(f)
    for x in (mg.ones(2), mg.ones(3), mg.ones(3).double(), mg.ones(2, 2)[:, 0]):
        for n in (1, 2, True):
            for thing in (None, "a", False):
                expected = f(x, n, thing)
                for _ in range(3):
                    assert bits(step(x, n, thing)) == bits(expected)
    assert replays(step) == 36
    assert len(made) == 36 * 3


def test_arguments_may_be_nested_and_named():
    class Pair(NamedTuple):
        first: Any
        second: Any

    @mg.capture
    def f(pair: Any, *, others: Any, scale: float = 1.0) -> Any:
        total = pair.first - pair.second + others["a"][0]
        return {"total": total * scale, "pair": Pair(total, [pair.first]), "none": None, "n": 3}

    for i in range(5):
        x, y, z = (mg.full((2,), float(i + k)) for k in range(3))
        result = f(Pair(x, y), others={"a": (z,)}, scale=i + 0.5)
        assert result["total"].tolist() == [(i + 1) * (i + 0.5)] * 2
        assert type(result["pair"]).__name__ == "Pair"
        assert result["pair"].second[0] is x
        assert (result["none"], result["n"]) == (None, 3)
    assert replays(f) == 3


def test_arrays_are_arguments_and_results():
    @mg.capture
    def f(x: np.ndarray) -> Any:
        return mg.from_numpy(x).square().sum(), mg.tensor(x) + 1

    for i in range(5):
        array = np.arange(3.0) + i
        a, b = f(array)
        assert a.item() == (array**2).sum()
        assert np.array_equal(b.numpy(), array + 1)
    assert replays(f) == 3


def test_the_same_tensor_twice_is_another_signature():
    f = mg.capture(lambda x, y: x * y)
    x, y = tensors([2.0], [5.0])
    assert [call_often(f, x, x).item(), call_often(f, x, y).item(), f(y, y).item(), f(y, x).item()] == [4, 10, 25, 10]


def test_names_are_a_part_of_the_signature():
    """A tuple and a dict that are given are not the arguments and their names."""
    f = mg.capture(lambda *args, **named: args[0] * 2 if named else args[0][0] * 3)
    x = mg.ones(2)
    assert call_often(f, (x,), {"k": x}).tolist() == [3, 3]
    assert [f(x, k=x).tolist() for _ in range(4)] == [[2, 2]] * 4


def test_a_float_is_an_argument():
    f = mg.capture(lambda x, rate: (x * rate + (1 - rate) ** 2).clamp(-rate, 2 * rate) / (rate + 1))
    (x,) = tensors([-3.0, 0.1, 3.0])
    for i in range(8):
        rate = 0.3 + i / 10
        assert bits(f(x, rate)) == bits(f.eager(x, rate))
    assert replays(f) == 6
    assert "1 - x1" in f.source


def test_a_float_that_never_changed_is_recorded_anew_when_it_does():
    """One value can't show whether the program depends on it in other ways."""
    import math

    f = mg.capture(lambda x, rate: x * math.sqrt(rate))
    (x,) = tensors([1.0])
    for rate in (4.0, 4.0, 4.0, 9.0, 16.0, 16.0, 4.0, 25.0):
        assert f(x, rate).item() == rate**0.5


@pytest.mark.parametrize(
    ("use", "what"),
    [
        (lambda x, r: x * 2 if r > 0.5 else x, "a comparison"),
        (lambda x, r: x * max(r, 0.1), "a comparison"),
        (lambda x, r: x * int(r), "the value"),
        (lambda x, r: x * float(r), "the value"),
        (lambda x, r: x if r else x * 2, "the value"),
        (lambda x, r: (x, f"{r:.2f}"), "the value"),
        (lambda x, r: x * abs(r), "the value"),
    ],
)
def test_a_float_does_not_decide(use, what):
    (x,) = tensors([1.0])
    with pytest.raises(CaptureError, match=f"{what} of the float argument x1 was asked for"):
        mg.capture(use)(x, 0.7)
    use(x, 0.7)


# -- what makes it record anew


def train_to_zero(net: nn.Module, optimizer: optim.Optimizer) -> Any:
    """A step towards a network that says 0."""

    def step(x: Any) -> Any:
        optimizer.zero_grad()
        loss = net(x).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    return step


def make_step() -> tuple[nn.Module, optim.Optimizer, Any]:
    mg.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Dropout(0.5), nn.Linear(4, 1))
    optimizer = optim.Adam(net.parameters(), lr=0.01)
    return net, optimizer, train_to_zero(net, optimizer)


def exchange_weights(net: Any, optimizer: Any) -> None:
    net[0].weight.data = net[0].weight.data.clone() + 1


CHANGES = {
    "eval": lambda net, optimizer: net.eval(),
    "train of a part": lambda net, optimizer: net[2].train(False),
    "another layer": lambda net, optimizer: setattr(net, "0", nn.Linear(3, 4)),
    "another array": exchange_weights,
    "frozen": lambda net, optimizer: net[0].requires_grad_(False),
    "double and back": lambda net, optimizer: net.double().float(),
    "another rate": lambda net, optimizer: optimizer.param_groups[0].update(lr=0.5),
    "other weights": lambda net, optimizer: net.load_state_dict({k: v * 2 for k, v in net.state_dict().items()}),
    "no gradient": lambda net, optimizer: net.zero_grad(),
    "loaded optimizer": lambda net, optimizer: optimizer.load_state_dict(optimizer.state_dict()),
}


@pytest.mark.parametrize("name", CHANGES)
def test_changes_between_calls_are_noticed(name):
    """The captured step does what eager does after the change, too, and goes on to replay."""
    found = []
    for wrap in (lambda f: f, mg.capture):
        net, optimizer, step = make_step()
        step, losses = wrap(step), []
        for i in range(12):
            if i == 5:
                mg.manual_seed(1)  # what making a layer draws, both draw
                CHANGES[name](net, optimizer)
            losses.append(bits(step(mg.full((2, 3), float(i)))))
        found.append((losses, [bits(p) for p in net.parameters()], [bits(p.grad) for p in net.parameters()]))
    assert found[0] == found[1]
    assert replays(step) >= 12 - 4


def test_modes_go_back_and_forth():
    net = nn.Dropout(0.5)
    f = mg.capture(lambda x: net(x))
    x = mg.ones(50)
    for i in range(12):
        net.train(i % 2 == 0)
        assert (f(x).tolist() == x.tolist()) is (i % 2 == 1)
    assert replays(f) == 8


def test_no_grad_outside_is_a_part_of_the_signature():
    w = mg.ones(2, requires_grad=True)

    def f(x: Any) -> Any:
        y = (w * x).sum()
        return (y.detach(), y.requires_grad)

    step = mg.capture(f)
    for _ in range(4):
        assert step(mg.ones(2))[1] is True
        with mg.no_grad():
            assert step(mg.ones(2))[1] is False
    assert replays(step) == 4


def test_a_buffer_that_is_written_outside_is_read_anew():
    table, f = mg.zeros(3), None
    f = mg.capture(lambda x: x + table)
    for i in range(5):
        table.fill_(i)
        assert f(mg.ones(3)).tolist() == [i + 1] * 3
    assert replays(f) == 3


def test_what_does_not_repeat_runs_eagerly_and_says_so_once():
    noise = np.random.default_rng(0)
    f = mg.capture(lambda x: x + mg.from_numpy(noise.standard_normal(2)))
    with pytest.warns(UserWarning, match="runs eagerly from now on.*is neither an argument"):
        results = [f(mg.ones(2)).tolist() for _ in range(6)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        results += [f(mg.ones(2)).tolist() for _ in range(4)]
    assert len({tuple(r) for r in results}) == 10
    assert "eager, because" in repr(f)


def test_a_number_that_changes_outside_is_named():
    rate = iter(np.linspace(0.0, 1.0, 100).tolist())
    f = mg.capture(lambda x: x * next(rate))
    with pytest.warns(UserWarning, match=r"multiply at .*test_capture.py:\d+: the number 0.05.* was 0.04"):
        call_often(f, mg.ones(2), times=6)


# -- results, gradients, memory


def test_results_and_gradients_are_not_overwritten():
    w = mg.tensor([1.0, 2.0], requires_grad=True)

    def f(x: Any) -> Any:
        w.grad = None
        y = w * x
        y.sum().backward()
        return y.detach(), w.grad, mg.zeros(2)

    step = mg.capture(f)
    kept = []
    for i in range(8):
        y, g, zeros = step(mg.full((2,), float(i)))
        assert w.grad is not None
        kept.append((y, g, w.grad, zeros))
        zeros += 1
    for i, (y, g, grad, zeros) in enumerate(kept):
        assert y.tolist() == [i, 2 * i]
        assert g.tolist() == grad.tolist() == [i, i]
        assert zeros.tolist() == [1, 1]
    assert replays(step) == 6


def test_gradients_accumulate_across_calls():
    for wrap in (lambda f: f, mg.capture):
        w = mg.tensor([1.0, 2.0], requires_grad=True)
        step = wrap(lambda x, w=w: (w * x).sum().backward())
        for i in range(6):
            step(mg.full((2,), float(i)))
        assert w.grad.tolist() == [15, 15]


def test_grad_gives_memory_of_its_own():
    w = mg.tensor([1.0, 2.0], requires_grad=True)
    f = mg.capture(lambda x: autograd.grad((w * x).sum(), [w])[0])
    found = [f(mg.full((2,), float(i))) for i in range(5)]
    assert [g.tolist() for g in found] == [[i, i] for i in range(5)]


def test_changes_in_place_are_counted():
    w, x = mg.zeros(2), mg.ones(2)
    f = mg.capture(lambda x: w.add_(x))
    counts = []
    for _ in range(5):
        before = w._version[0]
        f(x)
        counts.append(w._version[0] - before)
    assert counts == [1] * 5
    assert w.tolist() == [5, 5]


def test_memory_is_no_more_than_eager_needs():
    net = nn.Sequential(*[layer for _ in range(6) for layer in (nn.Linear(64, 64), nn.Tanh())])
    step = train_to_zero(net, optim.SGD(net.parameters(), lr=0.1))
    captured, peaks = mg.capture(step), []
    x = mg.randn(512, 64)
    for function in (step, captured):
        call_often(function, x)
        gc.collect()
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        function(x)
        peaks.append(tracemalloc.get_traced_memory()[1] - before)
        tracemalloc.stop()
    assert peaks[1] <= peaks[0], peaks


def test_recordings_keep_no_arrays_alive():
    """Neither what a call was given nor what it has made."""
    net = nn.Sequential(*[layer for _ in range(6) for layer in (nn.Linear(64, 64), nn.Tanh())])
    step = mg.capture(lambda x: net(x).square().mean().backward())
    call_often(net, mg.ones(1, 64))
    tracemalloc.start()
    step(mg.randn(512, 64))
    step(mg.randn(512, 64))
    net.zero_grad()
    gc.collect()
    kept = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert kept < 512 * 64 * 4, kept  # less than one activation


# -- errors, threads, checks


def test_an_error_in_a_replay_names_the_line():
    table = mg.randn(5, 2)
    f = mg.capture(lambda i: table.index_select(0, i) * 2)
    call_often(f, mg.tensor([0, 4]))
    with pytest.raises(IndexError, match="index 7 is out of bounds") as caught:
        f(mg.tensor([0, 7]))
    (note,) = caught.value.__notes__
    assert "index_select(p0, 0, " in note
    assert f"recorded at {__file__}:" in note
    assert not observers
    assert f(mg.tensor([0, 1])).shape == (2, 2)


def test_an_integer_division_by_zero_is_found_in_a_replay():
    f = mg.capture(lambda x, y: x // y)
    call_often(f, mg.tensor([4, 6]), mg.tensor([2, 3]))
    with pytest.raises(ZeroDivisionError):
        f(mg.tensor([4, 6]), mg.tensor([2, 0]))


def test_an_error_while_recording_leaves_nothing():
    broken = [True]

    def f(x: Any) -> Any:
        with mg.no_grad():
            if broken[0]:
                raise KeyboardInterrupt
            return x * 2

    step = mg.capture(f)
    with pytest.raises(KeyboardInterrupt):
        step(mg.ones(2))
    assert not observers
    assert not paused
    broken[0] = False
    assert call_often(step, mg.ones(2)).tolist() == [2, 2]
    assert replays(step) == 2


def test_captured_functions_inside_each_other():
    inner = mg.capture(lambda x: x * 2)
    outer = mg.capture(lambda x: inner(x) + 1)
    assert call_often(outer, mg.ones(2)).tolist() == [3, 3]
    assert replays(outer) == 2
    assert replays(inner) == 0
    assert call_often(inner, mg.ones(2)).tolist() == [2, 2]


def test_methods():
    class Learner:
        def __init__(self, w: float) -> None:
            self.w = mg.full((2,), w)

        @mg.capture
        def step(self, x: Any) -> Any:
            return x * self.w

    a, b = Learner(2.0), Learner(3.0)
    for _ in range(4):
        assert a.step(mg.ones(2)).tolist() == [2, 2]
        assert b.step(mg.ones(2)).tolist() == [3, 3]
    assert replays(Learner.step) == 4


def make_smooth_step() -> Any:
    net, _, step = make_step()
    net[2] = nn.Identity()  # draws of several threads have no order
    return step


def test_two_threads_capture_at_once():
    found: dict[int, list] = {}
    shared = mg.capture(lambda x, w: (x * w).sum())

    def work(k: int, step: Any) -> None:
        results = []
        for i in range(60):
            results.append(step(mg.full((2, 3), float(i + k))).item())
            assert shared(mg.ones(3), float(k + i)).item() == 3 * (k + i)
        found[k] = results

    threads = [threading.Thread(target=work, args=(k, mg.capture(make_smooth_step()))) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [0, 1, 2, 3]
    for k, results in found.items():
        step = make_smooth_step()
        assert [step(mg.full((2, 3), float(i + k))).item() for i in range(60)] == results


def test_other_threads_are_not_recorded():
    inside, go_on = threading.Event(), threading.Event()

    def f(x: Any) -> Any:
        y = x * 2
        inside.set()
        go_on.wait(5)
        return y + 1

    step = mg.capture(f)
    thread = threading.Thread(target=lambda: step(mg.ones(2)))
    thread.start()
    inside.wait(5)
    assert (mg.ones(2) * 5).sum().item() == 10  # item() is not refused here
    go_on.set()
    thread.join()
    assert call_often(step, mg.ones(2)).tolist() == [3, 3]
    assert "5" not in step.source


def test_check_every_finds_a_number_that_changed_slowly():
    scale = [2.0]
    f = mg.capture(lambda x: x * scale[0], check_every=3)
    for _ in range(10):
        assert f(mg.ones(2)).tolist() == [2, 2]
    scale[0] = 3.0
    with pytest.raises(CaptureError, match=r"the result is another than eager's \(\[2. 2.\], not \[3. 3.\]\)"):
        call_often(f, mg.ones(2), times=3)


def test_check_every_leaves_what_eager_leaves():
    """Weights, memories, schedules and generators go one step, not two."""
    found = []
    for wrap in (lambda f: f, lambda f: mg.capture(f, check_every=1)):
        net, optimizer, step = make_step()
        schedule = optim.lr_scheduler.StepLR(optimizer, 3)

        def both(x: Any, step: Any = step, schedule: Any = schedule) -> Any:
            loss = step(x)
            schedule.step()
            return loss

        both = wrap(both)
        losses = [bits(both(mg.full((2, 3), float(i)))) for i in range(10)]
        state = bits(optimizer.state_dict()["state"])
        found.append((losses, [bits(p) for p in net.parameters()], state, schedule.last_epoch, mg.random.get_state()))
    assert found[0] == found[1]


def test_the_loss_of_a_mistaken_replay_is_not_hidden():
    """check_every compares weights and gradients, too, not only results."""
    w, sign = nn.Parameter(mg.ones(2)), [1.0]

    def f(x: Any) -> Any:
        w.grad = None
        (sign[0] * w * x).sum().backward()
        return x

    step = mg.capture(f, check_every=2)
    call_often(step, mg.ones(2))
    sign[0] = -1.0
    with pytest.raises(CaptureError, match="the gradient of a tensor"):
        call_often(step, mg.ones(2), times=2)


def test_shapes_of_losses():
    """The usual losses, with each reduction, captured."""
    for reduction in ("mean", "sum", "none"):
        f = mg.capture(lambda x, y, r=reduction: F.mse_loss(x, y, reduction=r))
        for i in range(4):
            x, y = mg.full((3,), float(i)), mg.ones(3)
            assert bits(f(x, y)) == bits(f.eager(x, y))


def test_data_and_detach_are_other_names_of_a_tensor():
    """`p.data` is another object at every call, and p may be given another array."""
    p, q = nn.Parameter(mg.ones(2)), mg.zeros(2)

    def step(x: Any) -> Any:
        p.data.mul_(0.5)
        q.data.add_(p.detach() * x)
        return (p.data * 1.0).sum()

    captured = mg.capture(step)
    found = []
    for function in (step, captured):
        p.data, q.data = mg.ones(2), mg.zeros(2)
        results = []
        for i in range(9):
            if i == 6:
                p.data = mg.full((2,), 8.0)
            results.append(function(mg.full((2,), float(i))).item())
        found.append((results, bits(p), bits(q)))
    assert found[0] == found[1]
    assert replays(captured) >= 5
