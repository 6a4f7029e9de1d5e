"""C51: DQN that learns the distribution of the return, on 51 atoms, and not only its mean.

    Z(s, a) = r + γ Z(s', a')  in distribution,    a' = argmax_a E[Z⁻(s', a)]

Z is modelled by the probabilities p_i(s, a) of N atoms z_i = z_min + i Δ. Shifted and shrunk by the Bellman equation,
the next state's atoms no longer lie on the grid; each one's probability is shared between its two neighbours there, the
nearer getting more:

    m_i = Σ_j clip(1 - |clip(r + γ z_j, z_min, z_max) - z_i| / Δ, 0, 1)  p_j(s', a')

and the loss is the cross-entropy  -Σ_i m_i log p_i(s, a).

Bellemare, Dabney & Munos, "A Distributional Perspective on Reinforcement Learning", ICML (2017), equation 7 and
algorithm 1.

Knowing the distribution, it can also go by a part of it: `risk_to=0.25` acts by the mean of the worst quarter of
returns (risk-averse), `risk_from=0.75` by that of the best.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

import minigrad as mg
import minigrad.nn.functional as F
from envs import UsageError

from ..core.hyperparameters import Count
from .dqn import DQN
from .parts.risk import Risk, RiskSettings, quantile_weights
from .parts.seams import HEAD

TINY = np.finfo(np.float32).tiny  # in the place of 0, where its logarithm is asked for


def project(reward: np.ndarray, discount: np.ndarray, probability: np.ndarray, atoms: np.ndarray) -> np.ndarray:
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


def _cross_entropy(m: Any, log_p: Any) -> Any:
    """The sum over the atoms as a product with ones: BLAS takes a tenth of a reduction's time."""
    return -np.dot(m * log_p, np.ones_like(m, shape=m.shape[1:]))[:, None]


# Σ_i z_i p_i of atoms z (N,) and probabilities p (..., N), and the mean over a range of quantiles alone.
expected_value = mg.operation(lambda p, atoms: p.dot(atoms), name="expected_value")
expected_in_range = mg.operation(
    lambda p, atoms, low, high: quantile_weights(p, low, high) @ atoms, name="expected_in_range"
)
project_tensor = mg.operation(lambda p, reward, discount, atoms: project(reward, discount, p, atoms), name="project")


def _divergence(m: np.ndarray, log_p: np.ndarray) -> np.ndarray:
    terms = np.log(np.maximum(m, TINY))
    terms -= log_p
    terms *= m
    return np.maximum(np.add.reduce(terms, 1), 0)


divergence = mg.operation(_divergence, name="divergence")  # KL(m ‖ p), (batch,)

# -Σ_i m_i log p_i, (batch, 1), of a constant m (batch, N) and log p: an operation of the engine, in one node for three.
cross_entropy = mg.operation(_cross_entropy, dict(log_p=lambda g, m: -g * m), name="cross_entropy")


class Categorical(Risk):
    """The head: the distribution of returns for every action, on a fixed grid of `atoms` points."""

    def __init__(self, atoms: int, value_min: float, value_max: float, risk: tuple[float, float] = (0.0, 1.0)) -> None:
        super().__init__(risk)
        if atoms < 2 or value_min >= value_max:
            raise UsageError(
                f"a distribution needs at least 2 atoms between value_min and a larger value_max, got atoms={atoms}, "
                f"value_min={value_min:g}, value_max={value_max:g}"
            )
        self.numbers = atoms
        self.atoms = np.linspace(value_min, value_max, atoms, dtype=np.float32)

    def probabilities(self, output: mg.Tensor) -> mg.Tensor:
        """p(s, ·), (batch, actions, N)."""
        return F.softmax(self.logits(output), 2).detach().cpu()  # where the atoms are

    def logits(self, output: mg.Tensor) -> mg.Tensor:
        """(batch, actions, N)."""
        return output if output.ndim == 3 else output.reshape(len(output), -1, self.numbers)

    def values(self, output: mg.Tensor) -> mg.Tensor:
        """Q(s, ·) = Σ_i z_i p_i(s, ·), (batch, actions)."""
        return expected_value(self.probabilities(output), self.atoms).to(output.device)

    def preferences(self, output: mg.Tensor) -> mg.Tensor:
        """The mean over the quantiles `risk`, (batch, actions)."""
        if self.risk == (0.0, 1.0):
            return self.values(output)
        return expected_in_range(self.probabilities(output), self.atoms, *self.risk).to(output.device)

    def of_action(self, output: mg.Tensor, action: mg.Tensor) -> mg.Tensor:
        """log p(s, a), (batch, N), of actions (batch, 1)."""
        return F.log_softmax(self.logits(output)[mg.arange(len(action)), action.squeeze(1)], 1)

    def target(
        self, reward: mg.Tensor, discount: mg.Tensor, next_output: mg.Tensor, next_action: mg.Tensor
    ) -> mg.Tensor:
        """m, (batch, N). Where the episode terminated γ is 0, and all atoms move to r."""
        logits = self.logits(next_output)[mg.arange(len(next_action)), next_action]
        p = F.softmax(logits, 1).cpu()
        return project_tensor(p, mg.to_numpy(reward), mg.to_numpy(discount), self.atoms).to(next_output.device)

    def loss(self, prediction: mg.Tensor, target: mg.Tensor, reduction: str) -> mg.Tensor:
        """The cross-entropy of distributions (batch, N), (batch, 1), or its mean."""
        if prediction.shape != target.shape:  # (batch, 1) would count for every atom
            raise ValueError(f"cross-entropy: log p has shape {prediction.shape} but the target has {target.shape}")
        losses = cross_entropy(target, prediction)
        return losses if reduction == "none" else losses.mean()

    def mean(self, prediction: mg.Tensor) -> mg.Tensor:
        """The mean of Q(s, a) over the batch."""
        return expected_value(prediction.detach().exp().cpu(), self.atoms).mean()

    def error(self, prediction: mg.Tensor, target: mg.Tensor) -> mg.Tensor:
        """KL(m ‖ p), (batch,): what a prioritised replay goes by (Hessel et al. 2018, "The Integrated Agent")."""
        return divergence(target.cpu(), mg.to_numpy(prediction))

    def average(self, outputs: Sequence[mg.Tensor]) -> mg.Tensor:
        """Logits of the mean of the probabilities, (batch, actions, N). The mean of logits would be another
        distribution, whose mean is not the mean of theirs."""
        p = mg.stack([F.softmax(self.logits(output), 2) for output in outputs]).mean(0)
        return p.clamp(min=float(TINY)).log()


@dataclass(frozen=True)
class CategoricalSettings(RiskSettings):
    head_atoms: Count = 51
    """Points of the distribution."""
    head_value_min: float = -10.0
    """The smallest return that the distribution can represent."""
    head_value_max: float = 10.0
    """The largest."""

    aliases: ClassVar[Mapping[str, str]] = {
        **RiskSettings.aliases,
        "atoms": "head_atoms",
        "value_min": "head_value_min",
        "value_max": "head_value_max",
    }


@HEAD.option("categorical", CategoricalSettings)
def categorical(agent: Any) -> Categorical:
    h = agent.hyperparameters
    return Categorical(h.head_atoms, h.head_value_min, h.head_value_max, (h.head_risk_from, h.head_risk_to))


class C51(DQN):
    name = "c51"
    components = {"head": "categorical"}
