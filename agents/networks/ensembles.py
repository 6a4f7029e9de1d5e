"""Several networks of one shape as one: their weights lie side by side, and a product goes through all of them at once.

With small layers and many members this takes less time than one network after the other; with two wide ones it takes
more.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import minigrad as mg
import minigrad.nn as nn

from .bodies import mlp


class EnsembleLinear(nn.Module):
    """y_m = x_m W_m + b_m for every member m.

    weight: (members, inputs, outputs); bias: (members, 1, outputs). Each member starts as an nn.Linear of its own does.
    Shapes: (batch, inputs), the same for all members, or (members, batch, inputs) -> (members, batch, outputs).
    """

    def __init__(self, members: int, inputs: int, outputs: int) -> None:
        super().__init__()
        bound = 1 / math.sqrt(inputs)
        self.weight = nn.Parameter(mg.empty(members, inputs, outputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(mg.empty(members, 1, outputs).uniform_(-bound, bound))

    def forward(self, x: mg.Tensor) -> mg.Tensor:
        return x @ self.weight + self.bias


def ensemble_body(
    members: int, sizes: tuple[int, ...], activation: Callable[[], nn.Module] = nn.ReLU
) -> list[nn.Module]:
    """Layers sizes[0] -> sizes[1] -> ... of every member, with an activation after each."""
    return mlp(sizes, lambda inputs, outputs: EnsembleLinear(members, inputs, outputs), activation)
