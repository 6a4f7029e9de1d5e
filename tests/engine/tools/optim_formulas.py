"""The optimizers' formulas, one parameter at a time and without any care for speed, and the settings to try them with.

Each function takes the parameter's start and the history of its gradients (None where it had none), and returns where
the parameter ends.
"""

from __future__ import annotations

import numpy as np


def adam(theta, gradients, *, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, amsgrad=False, maximize=False,
         decoupled_weight_decay=False):  # fmt: skip
    m = v = largest = np.zeros_like(theta)
    for t, g in enumerate((g for g in gradients if g is not None), 1):
        g = -g if maximize else g
        theta, g = decayed(theta, g, lr, weight_decay, decoupled_weight_decay)
        m, v = betas[0] * m + (1 - betas[0]) * g, betas[1] * v + (1 - betas[1]) * g * g
        largest = np.maximum(largest, v)
        m_hat, v_hat = m / (1 - betas[0] ** t), (largest if amsgrad else v) / (1 - betas[1] ** t)
        theta = theta - lr * m_hat / (np.sqrt(v_hat) + eps)
    return theta


def adamw(theta, gradients, *, weight_decay=1e-2, **settings):
    return adam(theta, gradients, weight_decay=weight_decay, **settings | {"decoupled_weight_decay": True})


def radam(theta, gradients, *, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, maximize=False,
          decoupled_weight_decay=False):  # fmt: skip
    m = v = np.zeros_like(theta)
    for t, g in enumerate((g for g in gradients if g is not None), 1):
        g = -g if maximize else g
        theta, g = decayed(theta, g, lr, weight_decay, decoupled_weight_decay)
        m, v = betas[0] * m + (1 - betas[0]) * g, betas[1] * v + (1 - betas[1]) * g * g
        m_hat = m / (1 - betas[0] ** t)
        longest = 2 / (1 - betas[1]) - 1
        length = longest - 2 * t * betas[1] ** t / (1 - betas[1] ** t)
        if length > 5:
            r2 = (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)
            m_hat = m_hat * np.sqrt(r2) * np.sqrt(1 - betas[1] ** t) / (np.sqrt(v) + eps)
        theta = theta - lr * m_hat
    return theta


def rmsprop(theta, gradients, *, lr=1e-2, alpha=0.99, eps=1e-8, weight_decay=0, momentum=0, centered=False,
            maximize=False):  # fmt: skip
    v = average = b = np.zeros_like(theta)
    for g in gradients:
        if g is None:
            continue
        theta, g = decayed(theta, -g if maximize else g, lr, weight_decay, False)
        v, average = alpha * v + (1 - alpha) * g * g, alpha * average + (1 - alpha) * g
        b = momentum * b + g / (np.sqrt(v - average**2 if centered else v) + eps)
        theta = theta - lr * b
    return theta


def adagrad(theta, gradients, *, lr=1e-2, lr_decay=0, weight_decay=0, initial_accumulator_value=0, eps=1e-10,
            maximize=False):  # fmt: skip
    total = np.full_like(theta, initial_accumulator_value)
    for t, g in enumerate((g for g in gradients if g is not None), 1):
        theta, g = decayed(theta, -g if maximize else g, lr, weight_decay, False)
        total = total + g * g
        theta = theta - lr / (1 + (t - 1) * lr_decay) * g / (np.sqrt(total) + eps)
    return theta


def sgd(theta, gradients, *, lr=1e-3, momentum=0, dampening=0, weight_decay=0, nesterov=False, maximize=False):
    b = None
    for g in gradients:
        if g is None:
            continue
        theta, g = decayed(theta, -g if maximize else g, lr, weight_decay, False)
        b = g if b is None else momentum * b + (1 - dampening) * g
        theta = theta - lr * (g + momentum * b if nesterov else b if momentum else g)
    return theta


def decayed(theta, g, lr, weight_decay, decoupled):
    return (theta * (1 - lr * weight_decay), g) if decoupled else (theta, g + weight_decay * theta)


BY_THE_BOOK = {"SGD": sgd, "Adam": adam, "AdamW": adamw, "RAdam": radam, "RMSprop": rmsprop, "Adagrad": adagrad}

SETTINGS = [
    *(("SGD", s) for s in (
        {}, {"lr": 0.1}, {"momentum": 0.9}, {"momentum": 0.9, "dampening": 0.5}, {"momentum": 0.9, "nesterov": True},
        {"weight_decay": 0.1}, {"maximize": True, "weight_decay": 0.1, "momentum": 0.5, "nesterov": True},
    )),
    *(("Adam", s) for s in (
        {}, {"lr": 0.1, "betas": (0.5, 0.9)}, {"eps": 1e-2}, {"weight_decay": 0.1}, {"amsgrad": True},
        {"maximize": True, "weight_decay": 0.1}, {"amsgrad": True, "weight_decay": 0.01, "betas": (0.0, 0.9)},
        {"lr": 0.1, "weight_decay": 0.1, "decoupled_weight_decay": True}, {"maximize": True},
    )),
    *(("AdamW", s) for s in (
        {}, {"lr": 0.1}, {"weight_decay": 0}, {"lr": 0.1, "weight_decay": 0.5, "amsgrad": True, "maximize": True},
    )),
    *(("RAdam", s) for s in (
        {}, {"lr": 0.1, "betas": (0.5, 0.9)}, {"betas": (0.9, 0.5)}, {"lr": 0.1, "betas": (0.9, 0.95), "eps": 1e-2},
        {"weight_decay": 0.1}, {"lr": 0.1, "weight_decay": 0.1, "decoupled_weight_decay": True, "maximize": True},
    )),
    *(("RMSprop", s) for s in (
        {}, {"lr": 0.1, "alpha": 0.5}, {"eps": 1e-2}, {"weight_decay": 0.1}, {"momentum": 0.9}, {"centered": True},
        {"maximize": True, "momentum": 0.5, "centered": True, "weight_decay": 0.1, "alpha": 0.9},
    )),
    *(("Adagrad", s) for s in (
        {}, {"lr": 0.5, "lr_decay": 0.1}, {"initial_accumulator_value": 0.5, "eps": 1e-2}, {"weight_decay": 0.1},
        {"maximize": True, "weight_decay": 0.1, "lr_decay": 0.5},
    )),
]  # fmt: skip
