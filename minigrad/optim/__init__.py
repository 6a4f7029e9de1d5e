"""Optimizers: how gradients change parameters; and schedules, how an optimizer's settings change (lr_scheduler)."""

from . import lr_scheduler
from .adagrad import Adagrad
from .adam import Adam, AdamW
from .optimizer import Optimizer
from .radam import RAdam
from .rmsprop import RMSprop
from .sgd import SGD

__all__ = ["SGD", "Adagrad", "Adam", "AdamW", "Optimizer", "RAdam", "RMSprop", "lr_scheduler"]
