"""A learned model of an environment: an ensemble of networks that say how sure they are.

Member m predicts a normal distribution of what an action a changes in a state s, and of the reward:

    (s' - s, r) ~ N(μ_m(s, a), diag σ_m²(s, a))

It learns by maximum likelihood, from a sample of its own of the steps (a bootstrap), so that the members agree where
there were many steps and differ where there were few. σ is the randomness of the environment; the members'
disagreement is what is not known yet.

    L_m = mean(((y - μ_m) / σ_m)² + log σ_m²)

Inputs and targets are brought to mean 0 and deviation 1 by statistics of the steps. log σ² is kept within two bounds,
softly, and the bounds are learned: far from the data a network says anything. Whether the episode ends is one more
output, a probability.

Chua, Calandra, McAllister & Levine, "Deep reinforcement learning in a handful of trials using probabilistic dynamics
models", NeurIPS (2018), section 4 and appendix A.1; the ensemble of networks after Lakshminarayanan, Pritzel &
Blundell, "Simple and scalable predictive uncertainty estimation using deep ensembles", NIPS (2017).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

import minigrad as mg
import minigrad.nn as nn
import minigrad.nn.functional as F

from ...networks.ensembles import EnsembleLinear, ensemble_body


class Prediction(NamedTuple):
    """Of E members for B steps, in units of the statistics."""

    mean: mg.Tensor  # (E, B, D + 1) of s' - s and r
    log_variance: mg.Tensor  # (E, B, D + 1)
    end: mg.Tensor  # (E, B) the logit of whether the episode ends


class Imagined(NamedTuple):
    """What the model says comes next, in the environment's units."""

    next_observation: np.ndarray  # (..., D)
    reward: np.ndarray  # (...)
    end: np.ndarray  # (...) bool


class Dynamics(nn.Module):
    """`members` networks from (s, a), D + A numbers, to the distribution of (s' - s, r). The best `elites` of them, or
    all, are asked for single steps."""

    input_mean: mg.Tensor
    input_std: mg.Tensor
    target_mean: mg.Tensor
    target_std: mg.Tensor
    elites: mg.Tensor

    def __init__(
        self, observations: int, actions: int, members: int, hidden: tuple[int, ...], elites: int | None = None
    ) -> None:
        super().__init__()
        self.members, self.targets = members, observations + 1
        inputs = observations + actions
        last = hidden[-1] if hidden else inputs
        self.layers = nn.Sequential(
            *ensemble_body(members, (inputs, *hidden), nn.Tanh), EnsembleLinear(members, last, 2 * self.targets + 1)
        )
        self.most = nn.Parameter(mg.full((self.targets,), 0.5))
        self.least = nn.Parameter(mg.full((self.targets,), -10.0))
        for name, size in (("input", inputs), ("target", self.targets)):
            self.register_buffer(f"{name}_mean", mg.zeros(size))
            self.register_buffer(f"{name}_std", mg.ones(size))
        self.register_buffer("elites", mg.arange(elites or members))  # the members that are asked, the best first

    def take_statistics(self, inputs: np.ndarray, targets: np.ndarray) -> None:
        """Mean and deviation of (N, D + A) inputs and (N, D + 1) targets. What never changes keeps its units."""
        for name, rows in (("input", inputs), ("target", targets)):
            std = rows.std(0)
            getattr(self, f"{name}_mean").copy_(mg.from_numpy(rows.mean(0).astype(np.float32)))
            getattr(self, f"{name}_std").copy_(mg.from_numpy(np.where(std > 1e-6, std, 1.0).astype(np.float32)))

    def forward(self, inputs: mg.Tensor) -> Prediction:
        """Of (B, D + A) rows, the same for all members, or (E, B, D + A)."""
        out = self.layers((inputs - self.input_mean) / self.input_std)
        d = self.targets
        log_variance = self.most - F.softplus(self.most - out[..., d : 2 * d])
        log_variance = self.least + F.softplus(log_variance - self.least)
        return Prediction(out[..., :d], log_variance, out[..., 2 * d])

    def scale(self, targets: mg.Tensor) -> mg.Tensor:
        """Targets (..., D + 1) in units of their statistics."""
        return (targets - self.target_mean) / self.target_std

    def losses(self, inputs: mg.Tensor, targets: mg.Tensor, ends: mg.Tensor) -> mg.Tensor:
        """Each member's, (E,), of (E, B, ...) rows or (B, ...) for all: twice the negative log-likelihood up to a
        constant, and the cross-entropy of the ends, (..., B) of 0 and 1."""
        prediction = self(inputs)
        error = (self.scale(targets) - prediction.mean).square()
        likelihood = (error * (-prediction.log_variance).exp() + prediction.log_variance).mean((1, 2))
        # log(1 + eˣ) - y x is -log of the probability of y.
        return likelihood + (F.softplus(prediction.end) - ends * prediction.end).mean(1)

    def bounds_loss(self) -> mg.Tensor:
        """Pulls the bounds of log σ² together (appendix A.1)."""
        return (self.most.sum() - self.least.sum()) * 0.01

    def imagine(self, observation: np.ndarray, action: np.ndarray, rng: np.random.Generator) -> Imagined:
        """One step of every member: (E, B, D) observations and (E, B, A) actions, row m by member m, drawn from what it
        says. Records no graph."""
        with mg.no_grad():
            rows = mg.from_numpy(np.concatenate([observation, action], -1, dtype=np.float32)).to(self.most.device)
            prediction = self(rows)
            mean, log_variance, end = (mg.to_numpy(part) for part in prediction)
            target_mean, target_std = mg.to_numpy(self.target_mean), mg.to_numpy(self.target_std)
        drawn = mean + np.exp(log_variance / 2) * rng.standard_normal(mean.shape, np.float32)
        change = drawn * target_std + target_mean
        return Imagined(observation + change[..., :-1], change[..., -1], end > 0)

    def imagine_once(self, observation: np.ndarray, action: np.ndarray, rng: np.random.Generator) -> Imagined:
        """One step of (B, D) observations and (B, A) actions, each by one of the elites, drawn for it."""
        all_members = lambda array: np.broadcast_to(array, (self.members, *array.shape))
        said = self.imagine(all_members(observation), all_members(action), rng)
        who = rng.choice(mg.to_numpy(self.elites), len(observation))
        rows = np.arange(len(observation))
        return Imagined(*(part[who, rows] for part in said))

    def disagreement(self, inputs: np.ndarray) -> float:
        """How far apart the members' means are, in units of the statistics: the deviation over members of (B, D + A)
        rows, averaged."""
        with mg.no_grad():
            means = self(mg.from_numpy(inputs.astype(np.float32)).to(self.most.device)).mean
        return float(mg.to_numpy(means).std(0).mean())
