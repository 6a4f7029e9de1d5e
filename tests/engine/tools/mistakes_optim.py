"""Mistakes with optimizers' options and with schedules; see mistakes_nn.py."""

from __future__ import annotations

from collections.abc import Callable

from mistakes_files import net

import minigrad as mg
import minigrad.optim as optim
from minigrad.optim import lr_scheduler as schedules


def sgd(**settings):
    return optim.SGD(net().parameters(), lr=0.1, **settings)


def some_names():
    named = list(net().named_parameters())
    return optim.SGD([named[0], *(p for _, p in named[1:])])


def names_in_one_group():
    a, b = net(), net()
    return optim.SGD([{"params": a.named_parameters()}, {"params": b.parameters()}])


def schedule_of_another_kind():
    schedules.CosineAnnealingLR(sgd(), 5).load_state_dict(schedules.StepLR(sgd(), 5).state_dict())


def two_optimizers():
    return schedules.ChainedScheduler([schedules.StepLR(sgd(), 5), schedules.StepLR(sgd(), 5)])


def one_milestone_too_many():
    optimizer = sgd()
    schedules.SequentialLR(optimizer, [schedules.StepLR(optimizer, 5)], [3])


def a_group_without_a_function():
    optimizer = sgd()
    schedule = schedules.LambdaLR(optimizer, lambda epoch: 0.9**epoch)
    optimizer.add_param_group({"params": net().parameters()})
    optimizer.step()
    schedule.step()


def a_moment_of_another_shape():
    optimizer = optim.Adam(net().parameters())
    optimizer.state[optimizer.param_groups[0]["params"][0]]["exp_avg"] = mg.zeros(3)
    optimizer.step()


OPTIM_MISTAKES: list[tuple[str, Callable[[], object], type[Exception], list[str]]] = [
    (
        "names for some parameters only",
        some_names,
        ValueError,
        ["SGD", "with their names and some without", ".named_parameters() or .parameters()"],
    ),
    (
        "named parameters in one group of two",
        names_in_one_group,
        ValueError,
        ["with their names and some without", "for all of them"],
    ),
    (
        "a tuple that is no named parameter",
        lambda: optim.SGD([(0, mg.ones(2))]),
        TypeError,
        ["got tuple", "(name, tensor)"],
    ),
    (
        "a set of parameters",
        lambda: optim.SGD([{"params": set(net().parameters())}]),
        TypeError,
        ["SGD", "set", "order", "list"],
    ),
    (
        "a differentiable step",
        lambda: sgd(differentiable=True),
        NotImplementedError,
        ["SGD", "differentiable=True", "with operators"],
    ),
    (
        "a capturable step",
        lambda: optim.Adam(net().parameters(), capturable=True),
        NotImplementedError,
        ["Adam", "capturable=True", "leave it out"],
    ),
    (
        "RMSprop's alpha out of range",
        lambda: optim.RMSprop(net().parameters(), alpha=1.0),
        ValueError,
        ["RMSprop", "alpha=1.0", "[0, 1)", "0.99"],
    ),
    (
        "AdamW's betas out of range",
        lambda: optim.AdamW(net().parameters(), betas=(0.9, 1.5)),
        ValueError,
        ["AdamW", "betas=(0.9, 1.5)", "[0, 1)"],
    ),
    (
        "Adagrad's negative decay",
        lambda: optim.Adagrad(net().parameters(), lr_decay=-0.1),
        ValueError,
        ["Adagrad", "lr_decay=-0.1", "at least 0"],
    ),
    (
        "a schedule of a network",
        lambda: schedules.StepLR(net(), 5),
        TypeError,
        ["StepLR", "got Sequential", "optimizer"],
    ),
    (
        "a schedule whose steps have no length",
        lambda: schedules.StepLR(sgd(), 0),
        ValueError,
        ["StepLR", "step_size=0", "at least 1"],
    ),
    (
        "a cosine of no length",
        lambda: schedules.CosineAnnealingLR(sgd(), 0),
        ValueError,
        ["CosineAnnealingLR", "T_max=0", "at least 1"],
    ),
    (
        "a line that starts at zero",
        lambda: schedules.LinearLR(sgd(), start_factor=0.0),
        ValueError,
        ["LinearLR", "start_factor=0.0", "above 0"],
    ),
    (
        "a line that ends below zero",
        lambda: schedules.LinearLR(sgd(), end_factor=-1.0),
        ValueError,
        ["LinearLR", "end_factor=-1.0", "between 0 and 1"],
    ),
    (
        "a constant factor of zero",
        lambda: schedules.ConstantLR(sgd(), factor=0.0),
        ValueError,
        ["ConstantLR", "factor=0.0", "above 0"],
    ),
    (
        "two lambdas for one group",
        lambda: schedules.LambdaLR(sgd(), [lambda e: 1.0, lambda e: 1.0]),
        ValueError,
        ["2 functions for 1 parameter groups", "one for all"],
    ),
    (
        "a loss given to a schedule that takes none",
        lambda: schedules.StepLR(sgd(), 5).step(0.3),
        TypeError,
        ["StepLR.step", "got float", "ReduceLROnPlateau"],
    ),
    (
        "going on with a schedule from nowhere",
        lambda: schedules.StepLR(sgd(), 5, last_epoch=10),
        KeyError,
        ["last_epoch=10", "'initial_lr'", "load the optimizer's state_dict first"],
    ),
    (
        "the state of another schedule",
        schedule_of_another_kind,
        ValueError,
        ["CosineAnnealingLR", "T_max", "step_size", "kind of schedule"],
    ),
    ("schedules of two optimizers", two_optimizers, ValueError, ["several optimizers", "on this one"]),
    (
        "a milestone too many",
        one_milestone_too_many,
        ValueError,
        ["1 schedules and 1 milestones", "between each two"],
    ),
    (
        "an optimizer that defines no step",
        lambda: type("Mine", (optim.Optimizer,), {})(net().parameters(), {"lr": 0.1}).step(),
        NotImplementedError,
        ["Mine", "define step(self, closure=None)", "p.grad", "self.state[p]"],
    ),
    (
        "three betas",
        lambda: optim.Adam(net().parameters(), betas=(0.9, 0.99, 0.999)),
        ValueError,
        ["Adam", "betas=(0.9, 0.99, 0.999)", "two numbers", "(0.9, 0.999)"],
    ),
    (
        "a moment of another shape",
        a_moment_of_another_shape,
        ValueError,
        ["Adam", "'exp_avg'", "(3,)", "(8, 4)", "zeros_like(parameter)"],
    ),
    (
        "a schedule without a function for a group that was added",
        a_group_without_a_function,
        ValueError,
        ["LambdaLR", "1 functions for 2 parameter groups", "lr_lambdas.append"],
    ),
    (
        "a plateau in a sequence",
        lambda: schedules.ChainedScheduler([schedules.ReduceLROnPlateau(sgd())]),
        ValueError,
        ["ChainedScheduler", "ReduceLROnPlateau", "takes a metric", "by itself"],
    ),
    (
        "a plateau that raises the rate",
        lambda: schedules.ReduceLROnPlateau(sgd(), factor=2.0),
        ValueError,
        ["factor=2.0", "below 1"],
    ),
    (
        "a plateau of an unknown mode",
        lambda: schedules.ReduceLROnPlateau(sgd(), mode="best"),
        ValueError,
        ["mode='best'", "'min' or 'max'"],
    ),
    (
        "a schedule without get_lr",
        lambda: schedules.LRScheduler(sgd()),
        NotImplementedError,
        ["LRScheduler", "get_lr"],
    ),
]
