"""A distribution of returns for every action, on a fixed grid: the head of C51.

The random return Z(s, a) obeys Z(s, a) = r + γ Z(s', a') in distribution. Z is modelled by the probabilities
p_i(s, a) of N atoms z_i = z_min + i Δ. Shifted and shrunk by the Bellman equation, the next state's atoms no longer
lie on the grid; each one's probability is shared between its two neighbours there, the nearer getting more:

    m_i = Σ_j clip(1 - |clip(r + γ z_j, z_min, z_max) - z_i| / Δ, 0, 1)  p_j(s', a')

and the loss is the cross-entropy  -Σ_i m_i log p_i(s, a).

Bellemare, Dabney & Munos, "A Distributional Perspective on Reinforcement Learning", ICML (2017), equation 7 and
algorithm 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import minigrad as mg
import minigrad.nn.functional as F
from envs import UsageError

TINY = np.finfo(np.float32).tiny  # in the place of 0, where its logarithm is asked for


def project(
    reward: np.ndarray, discount: np.ndarray, probability: np.ndarray, atoms: np.ndarray
) -> np.ndarray:
    """The distribution of r + γ Z on the grid `atoms` (N,): m, (batch, N), from reward and discount (batch,) and
    the probabilities (batch, N) of Z. Rows keep their sum.

    An atom between the neighbours i and i + 1 has two terms in the sum above, so they are added where they belong:
    N operations a row in place of N²."""
    batch, size = probability.shape
    step = (atoms[-1] - atoms[0]) / (size - 1)
    # In steps from the first atom, (batch, N).
    moved = ((reward - atoms[0]) / step)[:, None] + discount[:, None] * (atoms / step)
    moved.clip(0, size - 1, out=moved)
    lower = moved.astype(np.int64)
    moved -= lower
    # Nothing where an atom falls exactly on the grid; so nothing leaves a row at its last atom.
    to_upper = moved * probability
    lower += size * np.arange(batch)[:, None]
    at, end = lower.ravel(), batch * size
    m = np.bincount(at, (probability - to_upper).ravel(), end)
    m[1:] += np.bincount(at, to_upper.ravel(), end)[:-1]  # one place further up
    return m.reshape(batch, size).astype(probability.dtype)


def quantile_weights(probability: np.ndarray, low: float, high: float) -> np.ndarray:
    """How much of each atom's probability (..., N) lies between the quantiles `low` and `high`, as a part of all
    that does. Their mean over [0, α] is the conditional value at risk of level α."""
    above = np.cumsum(probability, axis=-1)
    inside = np.minimum(above, high) - np.maximum(above - probability, low)
    return np.maximum(inside, 0) / (high - low)


def _cross_entropy(m: Any, log_p: Any) -> Any:
    """The sum over the atoms as a product with ones: BLAS takes a tenth of a reduction's time."""
    return -np.dot(m * log_p, np.ones_like(m, shape=m.shape[1:]))[:, None]


# -Σ_i m_i log p_i, (batch, 1), of a constant m (batch, N) and log p: an operation of the engine, in one node for three.
cross_entropy = mg.operation(_cross_entropy, dict(log_p=lambda g, m: -g * m), name="cross_entropy")


class Categorical:
    """The head. `risk` is the range of quantiles whose mean the policy goes by: (0, 1) is the mean of all,
    (0, 0.25) that of the worst quarter (risk-averse), (0.75, 1) that of the best (risk-seeking). It can be
    changed after training, too."""

    def __init__(
        self, atoms: int, value_min: float, value_max: float, risk: tuple[float, float] = (0.0, 1.0)
    ) -> None:
        if atoms < 2 or value_min >= value_max:
            raise UsageError(
                f"a distribution needs at least 2 atoms between value_min and a larger value_max, got atoms={atoms}, "
                f"value_min={value_min:g}, value_max={value_max:g}"
            )
        self.numbers = atoms
        self.atoms = np.linspace(value_min, value_max, atoms, dtype=np.float32)
        self.risk = risk

    @property
    def risk(self) -> tuple[float, float]:
        return self._risk

    @risk.setter
    def risk(self, quantiles: tuple[float, float]) -> None:
        low, high = quantiles
        if not 0 <= low < high <= 1:
            raise UsageError(f"risk is a range of quantiles, 0 <= from < to <= 1, got from {low:g} to {high:g}")
        self._risk = (low, high)

    def probabilities(self, output: mg.Tensor) -> np.ndarray:
        """p(s, ·), (batch, actions, N)."""
        return mg.to_numpy(F.softmax(self.logits(output), 2))

    def logits(self, output: mg.Tensor) -> mg.Tensor:
        """(batch, actions, N)."""
        return output if output.ndim == 3 else output.reshape(len(output), -1, self.numbers)

    def values(self, output: mg.Tensor) -> mg.Tensor:
        """Q(s, ·) = Σ_i z_i p_i(s, ·), (batch, actions)."""
        return mg.from_numpy(self.probabilities(output).dot(self.atoms))

    def preferences(self, output: mg.Tensor) -> mg.Tensor:
        """The mean over the quantiles `risk`, (batch, actions)."""
        if self.risk == (0.0, 1.0):
            return self.values(output)
        return mg.from_numpy(quantile_weights(self.probabilities(output), *self.risk) @ self.atoms)

    def of_action(self, output: mg.Tensor, action: mg.Tensor) -> mg.Tensor:
        """log p(s, a), (batch, N), of actions (batch, 1)."""
        rows, chosen = np.arange(len(action)), mg.to_numpy(action)[:, 0]
        return F.log_softmax(self.logits(output)[rows, chosen], 1)

    def target(
        self, reward: np.ndarray, discount: np.ndarray, next_output: np.ndarray, next_action: np.ndarray
    ) -> np.ndarray:
        """m, (batch, N). Where the episode terminated γ is 0, and all atoms move to r."""
        logits = next_output.reshape(len(next_output), -1, self.numbers)[np.arange(len(next_action)), next_action]
        return project(reward, discount, mg.to_numpy(F.softmax(mg.from_numpy(logits), 1)), self.atoms)

    def loss(self, prediction: mg.Tensor, target: mg.Tensor, reduction: str) -> mg.Tensor:
        """The cross-entropy of distributions (batch, N), (batch, 1), or its mean."""
        if prediction.shape != target.shape:  # (batch, 1) would count for every atom
            raise ValueError(f"cross-entropy: log p has shape {prediction.shape} but the target has {target.shape}")
        losses = cross_entropy(target, prediction)
        return losses if reduction == "none" else losses.mean()

    def mean(self, prediction: mg.Tensor) -> float:
        """The mean of Q(s, a) over the batch."""
        return np.add.reduce(np.exp(mg.to_numpy(prediction)).dot(self.atoms)).item() / len(prediction)

    def error(self, prediction: mg.Tensor, target: mg.Tensor) -> np.ndarray:
        """KL(m ‖ p), (batch,): what a prioritised replay goes by (Hessel et al. 2018, "The Integrated Agent")."""
        m = mg.to_numpy(target)
        terms = np.log(np.maximum(m, TINY))
        terms -= mg.to_numpy(prediction)
        terms *= m
        return np.maximum(np.add.reduce(terms, 1), 0)
