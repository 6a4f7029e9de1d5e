"""Fitting a model to the steps in a replay: bootstrap samples, held-out steps, an early stop, elites."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

import minigrad as mg
import minigrad.optim as optim

from ...core.hyperparameters import Count, Fraction, Hyperparameters, NonNegative, Positive, Sizes
from ...memory.replay import Replay
from .dynamics import Dynamics


@dataclass(frozen=True)
class ModelHyperparameters(Hyperparameters):
    members: Count = 5
    """Networks in the ensemble."""
    elites: Count = 5
    """Those of them that are asked: the best on held-out steps."""
    model_hidden: Sizes = (64, 64)
    """Units of each hidden layer of the model."""
    model_learning_rate: Positive = 1e-3
    """Step size of Adam for the model."""
    model_decay: NonNegative = 1e-5
    """Weight decay of the model."""
    model_batch_size: Count = 64
    """Steps in an update of the model, for each member."""
    model_every: Count = 250
    """Steps of the environments between fits of the model."""
    model_epochs: Count = 200
    """Passes over the steps in a fit, at most."""
    patience: Count = 10
    """A fit ends after so many passes in which no member became better on held-out steps."""
    held_out: Fraction = 0.1
    """The part of the steps that the model never learns from in a fit."""


class Fit(NamedTuple):
    """How well the model does on held-out steps."""

    loss: float  # the mean over members
    error: float  # root mean squared, in units of the targets' deviation: 1 is the mean's own
    disagreement: float
    epochs: int


def steps_of(replay: Replay) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Inputs (N, D + A), targets (N, D + 1) and ends (N,) of all steps. The replay's γ must be above 0:
    an end is where the discount is 0."""
    ring = replay.ring
    rows = ring.rows(ring.oldest, ring.total)
    observation = rows["observation"]
    action = rows["action"].reshape(len(observation), -1)
    change = rows["next_observation"] - observation
    targets = np.concatenate([change, rows["reward"][:, None]], 1)
    return np.concatenate([observation, action], 1), targets, (rows["discount"] == 0).astype(np.float32)


def fit(model: Dynamics, optimizer: optim.Optimizer, replay: Replay, h: Any, rng: np.random.Generator) -> Fit:
    """Goes on fitting from the weights that the model has. They end as those that did best on held-out steps, member by
    member."""
    device = model.most.device
    tensor = lambda array: mg.from_numpy(np.ascontiguousarray(array, np.float32)).to(device)
    steps = steps_of(replay)
    order = rng.permutation(len(steps[0]))
    count = max(1, int(h.held_out * len(order)))
    rows, held_out = order[count:], order[:count]
    model.take_statistics(*(part[rows] for part in steps[:2]))
    validation = [tensor(part[held_out]) for part in steps]
    # (E, N): each member's own sample, with replacement.
    bootstrap = rng.choice(rows, (model.members, len(rows)))
    best, kept, without, epochs = judge(model, validation), Weights(model), 0, 0
    while without < h.patience and epochs < h.model_epochs:
        epochs += 1
        bootstrap = rng.permuted(bootstrap, axis=1)
        for start in range(0, len(rows), h.model_batch_size):
            batch = bootstrap[:, start : start + h.model_batch_size]
            loss = model.losses(*(tensor(part[batch]) for part in steps)).sum() + model.bounds_loss()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        now = judge(model, validation)
        better = now < best - 0.01 * np.abs(best)
        kept.take(better)
        best = np.where(better, now, best)
        without = 0 if better.any() else without + 1
    kept.give_back()
    model.elites.copy_(mg.from_numpy(np.argsort(best)[: len(model.elites)]))
    return Fit(float(best.mean()), error_of(model, validation), model.disagreement(steps[0][held_out]), epochs)


def judge(model: Dynamics, validation: list[mg.Tensor]) -> np.ndarray:
    """Each member's loss on the held-out steps, (E,)."""
    with mg.no_grad():
        return mg.to_numpy(model.losses(*validation)).astype(np.float64)


def error_of(model: Dynamics, validation: list[mg.Tensor]) -> float:
    inputs, targets, _ = validation
    with mg.no_grad():
        mean = model(inputs).mean.mean(0)
        return float((model.scale(targets) - mean).square().mean().sqrt().item())


class Weights:
    """Copies of the members' weights, each of the time when it did best. The bounds of log σ² belong to all members,
    and stay as they are."""

    def __init__(self, model: Dynamics) -> None:
        self.weights = list(model.layers.parameters())
        self.kept = [mg.to_numpy(weight).copy() for weight in self.weights]

    def take(self, members: np.ndarray) -> None:
        """Of those members, (E,) bool, the weights that they have now."""
        for kept, weight in zip(self.kept, self.weights, strict=True):
            kept[members] = mg.to_numpy(weight)[members]

    def give_back(self) -> None:
        with mg.no_grad():
            for kept, weight in zip(self.kept, self.weights, strict=True):
                weight.copy_(mg.from_numpy(kept))
