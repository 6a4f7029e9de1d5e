"""Schedules: their rates against closed forms and PyTorch; in chains and groups, interrupted, and meddled with."""

from __future__ import annotations

import inspect
import math
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from schedule_runs import CLOSED, optimizer, rates, run

import minigrad as mg
import minigrad.optim as optim
from minigrad.optim import lr_scheduler as schedules

# -- each against its closed form ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CLOSED)
def test_rates_are_the_closed_form(name):
    make, factor = CLOSED[name]
    opt = optimizer(0.4, 0.1)
    found = run(opt, make(opt), 16)
    for epoch, given_rates in enumerate(found):
        assert given_rates == pytest.approx([0.4 * factor(epoch), 0.1 * factor(epoch)], abs=1e-12)
    assert [group["initial_lr"] for group in opt.param_groups] == [0.4, 0.1]


def test_cosine_annealing_comes_down_to_eta_min():
    opt = optimizer(0.5)
    found = [r for (r,) in run(opt, schedules.CosineAnnealingLR(opt, 5, eta_min=0.1), 21)]
    expected = [0.1 + 0.4 * (1 + math.cos(math.pi * e / 5)) / 2 for e in range(21)]
    assert found == pytest.approx(expected, abs=1e-12)


def test_lambdas_may_differ_between_groups():
    opt = optimizer(1.0, 1.0)
    scheduler = schedules.LambdaLR(opt, [lambda e: 1 - e / 10, lambda e: 2.0])
    assert run(opt, scheduler, 3)[-1] == pytest.approx([0.8, 2.0])


# -- plateaus -----------------------------------------------------------------------------------------------------


def test_a_plateau_reduces_the_rate_once_patience_is_over():
    opt = optimizer(1.0, 0.1)
    scheduler = schedules.ReduceLROnPlateau(opt, factor=0.5, patience=1, cooldown=1, min_lr=[0.3, 0.0])
    found = []
    for loss in (3.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, mg.tensor(2.0), 1.0, 1.0):
        scheduler.step(loss)
        found.append(rates(opt)[0])
    assert found == [1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.3, 0.3, 0.3, 0.3]
    assert scheduler.get_last_lr() == rates(opt) == [0.3, 0.025]


def test_a_plateau_begins_anew_after_each_reduction():
    """Patience 1: every second of the epochs that are no better reduces."""
    opt = optimizer(1.0)
    scheduler = schedules.ReduceLROnPlateau(opt, factor=0.5, patience=1)
    found = []
    for _ in range(8):
        scheduler.step(3.0)
        found.append(rates(opt)[0])
    assert found == [1, 1, 0.5, 0.5, 0.25, 0.25, 0.125, 0.125]
    assert (scheduler.last_epoch, scheduler.num_bad_epochs) == (8, 1)


def test_a_better_epoch_makes_a_plateau_wait_again():
    opt = optimizer(1.0)
    scheduler = schedules.ReduceLROnPlateau(opt, mode="max", factor=0.5, patience=1)
    for metric in (-5.0, -6.0, -4.0, -6.0):
        scheduler.step(metric)
    assert rates(opt) == [1.0]
    assert (scheduler.best, scheduler.num_bad_epochs) == (-4.0, 1)
    scheduler.step(-6.0)
    assert rates(opt) == [0.5]


def test_a_plateau_makes_no_smaller_change_than_eps():
    opt = optimizer(1.0, 4.0)
    scheduler = schedules.ReduceLROnPlateau(opt, factor=0.5, patience=0, eps=0.5)
    for _ in range(2):
        scheduler.step(3.0)
    assert rates(opt) == [1.0, 2.0]


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize(("threshold_mode", "margin"), [("abs", 0.5), ("rel", 5)])
def test_a_metric_must_beat_the_best_by_more_than_the_threshold(mode, threshold_mode, margin):
    scheduler = schedules.ReduceLROnPlateau(optimizer(), mode, threshold=0.5, threshold_mode=threshold_mode)
    better = -1 if mode == "min" else 1
    assert not scheduler.is_better(10 + better * margin, 10)
    assert scheduler.is_better(10 + better * (margin + 0.25), 10)
    assert not scheduler.is_better(10 - better * (margin + 0.25), 10)


def test_a_plateau_of_negative_returns_is_one():
    """PyTorch multiplies a negative best by 1 + threshold, which makes a worse return count as better."""
    scheduler = schedules.ReduceLROnPlateau(optimizer(), mode="max", threshold=0.1)
    assert not scheduler.is_better(-104.0, -100.0)
    assert not scheduler.is_better(-95.0, -100.0)
    assert scheduler.is_better(-89.0, -100.0)


# -- state --------------------------------------------------------------------------------------------------------

STATEFUL = {
    **{name: make for name, (make, _) in CLOSED.items()},
    "SequentialLR": lambda o: schedules.SequentialLR(
        o, [schedules.LinearLR(o, 0.5, 1.0, 3), schedules.CosineAnnealingLR(o, 4)], [3]
    ),
    "ChainedScheduler": lambda o: schedules.ChainedScheduler(
        [schedules.ConstantLR(o, 0.5, 3), schedules.ExponentialLR(o, 0.9)]
    ),
}


@pytest.mark.parametrize("name", STATEFUL)
@pytest.mark.parametrize("steps", [0, 1, 3, 5])
def test_a_resumed_schedule_is_the_uninterrupted_one(name, steps, tmp_path):
    opt = optimizer(0.4, 0.1, kind=optim.Adam)
    scheduler = STATEFUL[name](opt)
    run(opt, scheduler, steps)
    mg.save({"scheduler": scheduler.state_dict(), "optimizer": opt.state_dict()}, tmp_path / "state")

    again = optimizer(0.4, 0.1, kind=optim.Adam)
    resumed = STATEFUL[name](again)
    state = mg.load(tmp_path / "state")
    resumed.load_state_dict(state["scheduler"])
    again.load_state_dict(state["optimizer"])
    assert resumed.get_last_lr() == scheduler.get_last_lr()
    assert run(again, resumed, 8) == run(opt, scheduler, 8)


def test_a_callable_object_is_saved_by_its_attributes():
    class Decay:
        def __init__(self, rate):
            self.rate = rate

        def __call__(self, epoch):
            return self.rate**epoch

    scheduler = schedules.LambdaLR(optimizer(), Decay(0.5))
    resumed = schedules.LambdaLR(optimizer(), Decay(0.1))
    resumed.load_state_dict(scheduler.state_dict())
    assert resumed.lr_lambdas[0].rate == 0.5
    scheduler.load_state_dict(schedules.LambdaLR(optimizer(), lambda e: 1.0).state_dict())
    assert scheduler.lr_lambdas[0].rate == 0.5


@pytest.mark.parametrize("name", CLOSED)
def test_going_on_from_an_epoch_without_a_state(name):
    make, factor = CLOSED[name]
    kind = type(make(optimizer()))
    opt = optimizer(0.4)
    scheduler = make(opt)
    run(opt, scheduler, 4)
    arguments = {"StepLR": (3, 0.5), "MultiStepLR": ([2, 5, 5], 0.5), "ExponentialLR": (0.8,), "ConstantLR": (0.5, 4),
                 "LinearLR": (0.25, 0.75, 6), "CosineAnnealingLR": (6,), "LambdaLR": (lambda e: 0.9**e,)}  # fmt: skip
    again = kind(opt, *((1.0, 0.0, 8) if name == "to zero" else arguments[name]), last_epoch=4)
    assert again.last_epoch == 5
    if name != "ConstantLR":
        assert rates(opt) == pytest.approx([0.4 * factor(5)])


def test_cosine_annealing_goes_on_from_an_epoch_by_its_formula():
    """A fresh optimizer that knows where it started: 0.1 + 0.3 (1 + cos(π 3/6)) / 2."""
    opt = optimizer(0.4)
    opt.param_groups[0]["initial_lr"] = 0.4
    schedules.CosineAnnealingLR(opt, 6, eta_min=0.1, last_epoch=2)
    assert rates(opt) == pytest.approx([0.25])


def test_going_on_needs_initial_rates_even_from_epoch_0():
    with pytest.raises(KeyError, match="last_epoch=0 goes on"):
        schedules.StepLR(optimizer(), 2, last_epoch=0)


def test_a_sequence_goes_on_from_an_epoch_to_its_next_milestone():
    opt = optimizer(1.0)
    chain = [schedules.ConstantLR(opt, 0.5, 9), schedules.ExponentialLR(opt, 0.1)]
    scheduler = schedules.SequentialLR(opt, chain, [5], last_epoch=3)
    assert run(opt, scheduler, 3) == [[0.5], [1.0], [0.1]]
    assert scheduler.last_epoch == 7


DEFAULTS = {  # PyTorch's
    "StepLR": {"gamma": 0.1, "last_epoch": -1},
    "MultiStepLR": {"gamma": 0.1, "last_epoch": -1},
    "ConstantLR": {"factor": 1 / 3, "total_iters": 5, "last_epoch": -1},
    "LinearLR": {"start_factor": 1 / 3, "end_factor": 1.0, "total_iters": 5, "last_epoch": -1},
    "ExponentialLR": {"last_epoch": -1},
    "CosineAnnealingLR": {"eta_min": 0.0, "last_epoch": -1},
    "LambdaLR": {"last_epoch": -1},
    "SequentialLR": {"last_epoch": -1},
    "ReduceLROnPlateau": {
        "mode": "min", "factor": 0.1, "patience": 10, "threshold": 1e-4, "threshold_mode": "rel", "cooldown": 0,
        "min_lr": 0, "eps": 1e-8,
    },
}  # fmt: skip


@pytest.mark.parametrize("name", DEFAULTS)
def test_settings_have_pytorchs_defaults(name):
    parameters = inspect.signature(getattr(schedules, name)).parameters.values()
    assert {p.name: p.default for p in parameters if p.default is not p.empty} == DEFAULTS[name]


# -- order --------------------------------------------------------------------------------------------------------


ANY = {
    "StepLR": lambda o: schedules.StepLR(o, 2),
    "SequentialLR": lambda o: schedules.SequentialLR(o, [schedules.StepLR(o, 2), schedules.StepLR(o, 2)], [3]),
    "ChainedScheduler": lambda o: schedules.ChainedScheduler([schedules.StepLR(o, 2)]),
}


@pytest.mark.parametrize("name", ANY)
@pytest.mark.parametrize("stepped", [False, True])
def test_stepping_the_schedule_first_warns_once(name, stepped):
    opt = optimizer()
    if stepped:
        opt.step()  # before there was a schedule: its first rate is not used by that
    scheduler = ANY[name](opt)
    with pytest.warns(UserWarning, match=rf"{name}.step\(\) was called before optimizer.step\(\)"):
        scheduler.step()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scheduler.step()
        other = optimizer()
        scheduler = ANY[name](other)
        other.step()
        scheduler.step()
        scheduler.step()


def test_an_optimizer_with_a_step_of_its_own_is_not_warned_of():
    class Own(optim.SGD):
        def step(self):
            pass

    opt = optimizer(kind=Own)
    scheduler = schedules.StepLR(opt, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        opt.step()
        scheduler.step()


# -- against PyTorch ----------------------------------------------------------------------------------------------

KINDS = st.sampled_from([
    ("StepLR", (2, 0.5)), ("MultiStepLR", ([1, 3, 3], 0.3)), ("ExponentialLR", (0.7,)), ("LinearLR", (0.5, 1.0, 4)),
    ("LinearLR", (1.0, 0.0, 5)), ("LinearLR", ()), ("CosineAnnealingLR", (4, 0.05)), ("ConstantLR", (0.5, 3)),
    ("CosineAnnealingLR", (3,)), ("LambdaLR", (lambda e: 1 / (1 + e),)), ("ConstantLR", ()),
])  # fmt: skip
ACTIONS = st.lists(st.one_of(st.just("step"), st.floats(0.01, 1.0), st.integers(0, 2)), min_size=5, max_size=25)


@pytest.mark.oracle
@given(kinds=st.lists(KINDS, min_size=1, max_size=3), actions=ACTIONS, sequential=st.booleans())
@settings(max_examples=150, deadline=None)
def test_rates_are_pytorchs(kinds, actions, sequential):
    """Chains of schedules, stepped together or one by one, with the user changing the rate in between."""
    torch = pytest.importorskip("torch")
    found = []
    for lib in (mg, torch):
        module = lib.optim.lr_scheduler
        opt = optimizer(0.4, 0.1, kind=lib.optim.SGD, lib=lib)
        chain = [getattr(module, kind)(opt, *arguments) for kind, arguments in kinds]
        if sequential and len(chain) > 1:
            chain = [module.SequentialLR(opt, chain, [3, 6][: len(chain) - 1])]
        opt.step()
        seen = [rates(opt)]
        for action in actions:
            if action == "step":
                for scheduler in chain:
                    scheduler.step()
            elif isinstance(action, float):
                opt.param_groups[0]["lr"] = action
            else:
                chain[action % len(chain)].step()
            seen.append([*rates(opt), *chain[-1].get_last_lr()])
        found.append(seen)
    for ours, theirs in zip(*found, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-9, abs=1e-12)


@pytest.mark.oracle
@given(
    metrics=st.lists(st.floats(0.0, 5.0), min_size=3, max_size=40),
    patience=st.integers(0, 3),
    cooldown=st.integers(0, 3),
    mode=st.sampled_from(["min", "max"]),
    threshold_mode=st.sampled_from(["rel", "abs"]),
)
@settings(max_examples=100, deadline=None)
def test_plateaus_are_pytorchs(metrics, patience, cooldown, mode, threshold_mode):
    torch = pytest.importorskip("torch")
    found = []
    for lib in (mg, torch):
        opt = optimizer(0.4, 0.1, kind=lib.optim.SGD, lib=lib)
        scheduler = lib.optim.lr_scheduler.ReduceLROnPlateau(
            opt, mode, 0.5, patience, 0.1, threshold_mode, cooldown, min_lr=0.01
        )
        seen = []
        for metric in metrics:
            scheduler.step(metric)
            seen.append([*rates(opt), scheduler.best, scheduler.num_bad_epochs, scheduler.cooldown_counter])
        found.append(seen)
    assert found[0] == found[1]


@pytest.mark.oracle
def test_states_are_exchanged_with_pytorch():
    torch = pytest.importorskip("torch")
    ours, theirs = optimizer(0.4), optimizer(0.4, kind=torch.optim.SGD, lib=torch)
    a, b = schedules.LinearLR(ours, 0.5, 1.0, 6), torch.optim.lr_scheduler.LinearLR(theirs, 0.5, 1.0, 6)
    theirs.step()
    for _ in range(3):
        b.step()
    a.load_state_dict(b.state_dict())
    ours.load_state_dict(theirs.state_dict())
    b.load_state_dict(a.state_dict())
    for _ in range(5):
        assert rates(ours) == pytest.approx(rates(theirs))
        a.step()
        b.step()
