"""Schedules together: in chains and sequences, and in groups that are added later."""

from __future__ import annotations

import pytest
from schedule_runs import CLOSED, optimizer, rates, run

import minigrad as mg
import minigrad.optim as optim
from minigrad.optim import lr_scheduler as schedules

# -- together -----------------------------------------------------------------------------------------------------


def test_chained_schedules_multiply():
    opt = optimizer(0.4)
    a, b = schedules.ExponentialLR(opt, 0.9), schedules.StepLR(opt, 2, 0.5)
    for epoch in range(8):
        assert rates(opt) == pytest.approx([0.4 * 0.9**epoch * 0.5 ** (epoch // 2)])
        opt.step()
        a.step()
        b.step()


def test_a_chained_scheduler_is_the_schedules_one_by_one():
    opt, other = optimizer(0.4), optimizer(0.4)
    chain = schedules.ChainedScheduler([schedules.ConstantLR(opt, 0.5, 3), schedules.ExponentialLR(opt, 0.9)])
    apart = [schedules.ConstantLR(other, 0.5, 3), schedules.ExponentialLR(other, 0.9)]
    for _ in range(6):
        opt.step(), other.step(), chain.step()
        for scheduler in apart:
            scheduler.step()
        assert rates(opt) == rates(other)


def test_a_sequence_starts_each_schedule_at_its_epoch_0():
    opt = optimizer(1.0)
    warm_up = schedules.LinearLR(opt, 0.5, 1.0, 4)
    scheduler = schedules.SequentialLR(opt, [warm_up, schedules.ExponentialLR(opt, 0.5)], [4])
    found = [r for (r,) in run(opt, scheduler, 8)]
    assert found == pytest.approx([0.5, 0.625, 0.75, 0.875, 1.0, 0.5, 0.25, 0.125])


def test_a_sequence_goes_on_at_the_milestone_although_the_warm_up_is_not_over():
    """The milestone's epoch is the second schedule's epoch 0, whatever the first would have done."""
    opt = optimizer(1.0)
    warm_up = schedules.LinearLR(opt, 0.5, 1.0, 10)
    chain = [warm_up, schedules.ExponentialLR(opt, 0.5), schedules.ConstantLR(opt, 0.25, 2)]
    scheduler = schedules.SequentialLR(opt, chain, [2, 5])
    found = [r for (r,) in run(opt, scheduler, 9)]
    assert found == pytest.approx([0.5, 0.55, 1.0, 0.5, 0.25, 0.25, 0.25, 1.0, 1.0])
    assert scheduler.last_epoch == 9


def a_sequence_twice(o):
    inner = schedules.SequentialLR(o, [schedules.ConstantLR(o, 0.5, 9), schedules.ExponentialLR(o, 0.1)], [1])
    return schedules.SequentialLR(o, [inner, schedules.ConstantLR(o, 0.25, 9), inner], [3, 4])


NESTED = {
    "a sequence twice": (a_sequence_twice, [0.5, 1.0, 0.1, 0.25, 0.5, 1.0]),
    "a milestone at once": (
        lambda o: schedules.SequentialLR(o, [schedules.ConstantLR(o, 0.5, 9), schedules.ExponentialLR(o, 0.5)], [0]),
        [1.0, 0.5, 0.25, 0.125, 0.0625, 0.03125],
    ),
    "a chain first": (
        lambda o: schedules.SequentialLR(
            o,
            [
                schedules.ChainedScheduler([schedules.ConstantLR(o, 0.5, 9), schedules.ExponentialLR(o, 0.5)]),
                schedules.ExponentialLR(o, 0.1),
            ],
            [3],
        ),
        [0.5, 0.25, 0.125, 1.0, 0.1, 0.01],
    ),
    "a chain second": (
        lambda o: schedules.SequentialLR(
            o,
            [
                schedules.ConstantLR(o, 0.1, 9),
                schedules.ChainedScheduler([schedules.ConstantLR(o, 0.5, 2), schedules.ExponentialLR(o, 0.5)]),
            ],
            [2],
        ),
        [0.1, 0.1, 0.5, 0.25, 0.25, 0.125],
    ),
    "a sequence first": (
        lambda o: schedules.SequentialLR(
            o,
            [
                schedules.SequentialLR(o, [schedules.ConstantLR(o, 0.5, 9), schedules.ExponentialLR(o, 0.5)], [2]),
                schedules.ExponentialLR(o, 0.1),
            ],
            [4],
        ),
        [0.5, 0.5, 1.0, 0.5, 1.0, 0.1],
    ),
    "a sequence second": (
        lambda o: schedules.SequentialLR(
            o,
            [
                schedules.ExponentialLR(o, 0.1),
                schedules.SequentialLR(o, [schedules.ConstantLR(o, 0.5, 9), schedules.ExponentialLR(o, 0.5)], [1]),
            ],
            [2],
        ),
        [1.0, 0.1, 0.5, 1.0, 0.5, 0.25],
    ),
}


@pytest.mark.parametrize("name", NESTED)
def test_sequences_and_chains_are_made_of_each_other(name):
    make, expected = NESTED[name]
    opt, other = optimizer(1.0), optimizer(1.0)
    scheduler = make(opt)
    assert scheduler.get_last_lr() == expected[:1]
    found = run(opt, scheduler, 3)
    resumed = make(other)
    resumed.load_state_dict(scheduler.state_dict())
    other.load_state_dict(opt.state_dict())
    assert run(other, resumed, 3) == (rest := run(opt, scheduler, 3))
    assert [r for (r,) in found + rest] == pytest.approx(expected)


# -- groups that are added later ----------------------------------------------------------------------------------


def add_group(opt, rate):
    opt.add_param_group({"params": [mg.ones(1, requires_grad=True)], "lr": rate})


AFTER_ADDING = {  # of a group with the rate 0.8, added after two steps: its rate in the five epochs from then on
    "StepLR": [0.8, 0.4, 0.4, 0.4, 0.2],
    "MultiStepLR": [0.8, 0.8, 0.8, 0.2, 0.2],
    "ExponentialLR": [0.8, 0.64, 0.512, 0.4096, 0.32768],
    "ConstantLR": [0.8, 0.8, 1.6, 1.6, 1.6],
}


@pytest.mark.parametrize("name", [*AFTER_ADDING, "LinearLR", "to zero", "CosineAnnealingLR"])
def test_a_group_that_is_added_takes_part(name):
    """The rates of old groups go on as if nothing had happened; the new one is multiplied by the same factors."""
    make, factor = CLOSED[name]
    opt = optimizer(0.4)
    scheduler = make(opt)
    run(opt, scheduler, 2)
    add_group(opt, 0.8)
    old, new = zip(*run(opt, scheduler, 14), strict=True)
    assert old == pytest.approx([0.4 * factor(e) for e in range(2, 16)], abs=1e-12)
    if name in AFTER_ADDING:
        assert new[:5] == pytest.approx(AFTER_ADDING[name])
    elif name != "CosineAnnealingLR":
        assert new == pytest.approx([0.8 * factor(e) / factor(2) for e in range(2, 16)], abs=1e-12)
    else:  # down to zero at 6; from there up to the rate that it had when the schedule first saw it
        assert new[:5] == pytest.approx([0.8 * factor(e) / factor(2) for e in range(2, 7)], abs=1e-12)
        assert new[10] == pytest.approx(0.8)
    assert scheduler.base_lrs == [0.4, 0.8]
    assert opt.param_groups[1]["initial_lr"] == 0.8


def test_nested_schedules_take_in_a_group_that_is_added():
    opt = optimizer(1.0)
    first = schedules.ChainedScheduler([schedules.ExponentialLR(opt, 0.5), schedules.StepLR(opt, 1, 0.5)])
    second = schedules.ChainedScheduler([schedules.ExponentialLR(opt, 0.1), schedules.StepLR(opt, 9)])
    scheduler = schedules.SequentialLR(opt, [first, second], [2])
    add_group(opt, 0.8)
    assert run(opt, scheduler, 4) == [[1.0, 0.8], [0.25, 0.2], [1.0, 0.8], [0.1, pytest.approx(0.08)]]


def test_lambda_lr_says_that_a_function_is_missing_and_goes_on_with_it():
    opt = optimizer(0.4)
    scheduler = schedules.LambdaLR(opt, lambda e: 0.5**e)
    add_group(opt, 1.0)
    opt.step()
    with pytest.raises(ValueError, match=r"lr_lambdas has 1 functions for 2 parameter groups, .*lr_lambdas\.append"):
        scheduler.step()
    scheduler.lr_lambdas.append(lambda e: 1 / (1 + e))
    scheduler.step()
    assert rates(opt) == [0.2, 0.5]
    assert scheduler.last_epoch == 1


def test_a_plateau_reduces_the_rate_of_an_added_group():
    opt = optimizer(0.1)
    schedule = schedules.ReduceLROnPlateau(opt, patience=0, min_lr=0.002)
    add_group(opt, 0.1)
    schedule.step(1.0)
    schedule.step(2.0)
    assert rates(opt) == pytest.approx([0.01, 0.01])
    schedule.step(2.0)
    assert rates(opt) == schedule.get_last_lr() == pytest.approx([0.002, 0.002])
    assert schedule.min_lrs == [0.002, 0.002]


def test_a_plateau_with_a_list_of_lowest_rates_says_that_one_is_missing():
    opt = optimizer(0.1)
    schedule = schedules.ReduceLROnPlateau(opt, patience=0, min_lr=[0.0])
    schedule.step(1.0)
    add_group(opt, 0.1)
    with pytest.raises(ValueError, match=r"min_lrs has 1 numbers for 2 parameter groups, .*min_lrs\.append"):
        schedule.step(2.0)
    schedule.min_lrs.append(0.05)
    schedule.step(2.0)
    assert rates(opt) == pytest.approx([0.01, 0.05])


def test_a_sequence_starts_an_added_group_from_its_own_rate():
    opt = optimizer(1.0)
    chain = [schedules.ConstantLR(opt, 0.5, 9), schedules.ExponentialLR(opt, 0.5)]
    scheduler = schedules.SequentialLR(opt, chain, [3])
    run(opt, scheduler, 1)
    add_group(opt, 0.8)
    found = run(opt, scheduler, 4)
    assert found == [[0.5, 0.8], [0.5, 0.8], [1.0, 0.8], [0.5, 0.4]]


def test_a_saved_schedule_is_not_changed_by_a_group_that_is_added():
    opt = optimizer(0.4)
    for scheduler in (schedules.ExponentialLR(opt, 0.5), schedules.ReduceLROnPlateau(opt)):
        saved = scheduler.state_dict()
        lists = {name: list(value) for name, value in saved.items() if isinstance(value, list)}
        add_group(opt, 1.0)
        opt.step()
        scheduler.step(*[1.0] * isinstance(scheduler, schedules.ReduceLROnPlateau))
        assert {name: saved[name] for name in lists} == lists


def test_a_plateau_saved_before_it_knew_added_groups_is_loaded():
    opt = optimizer(0.4)
    saved = schedules.ReduceLROnPlateau(opt, min_lr=0.3).state_dict()
    del saved["default_min_lr"]
    again = schedules.ReduceLROnPlateau(opt, min_lr=0.3)
    again.load_state_dict(saved)
    assert again.default_min_lr == 0.3


def test_a_rate_that_the_user_changes_stays_changed():
    opt = optimizer(0.4)
    scheduler = schedules.ExponentialLR(opt, 0.5)
    run(opt, scheduler, 2)
    opt.param_groups[0]["lr"] = 8.0
    assert run(opt, scheduler, 3) == [[8.0], [4.0], [2.0]]


def test_lambda_lr_overrules_the_user():
    opt = optimizer(0.4)
    scheduler = schedules.LambdaLR(opt, lambda e: 0.5**e)
    opt.param_groups[0]["lr"] = 8.0
    assert run(opt, scheduler, 3) == [[8.0], [0.2], [0.1]]


def test_the_rate_reaches_the_step():
    p = mg.zeros(1, requires_grad=True)
    opt = optim.SGD([p], lr=1.0)
    scheduler = schedules.StepLR(opt, 1, 0.1)
    for expected in (-1.0, -1.1, -1.11):
        p.grad = mg.ones(1)
        opt.step()
        scheduler.step()
        assert p.item() == pytest.approx(expected)
