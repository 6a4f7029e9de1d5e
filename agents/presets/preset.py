"""What a preset is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Preset:
    """How long to train, on how many environments, and what differs from the algorithm's defaults.

    `preset_for` adds where it was found (`source`: "dqn on CartPole-v1", empty if nowhere) and, apart from the
    components of a variant, the hyper-parameters that are from there (`tuned`).
    """

    steps: int = 100_000
    num_envs: int = 1
    hyperparameters: dict[str, Any] = field(default_factory=dict)
    source: str = field(default="", compare=False)
    tuned: dict[str, Any] = field(default_factory=dict, compare=False)


# Those whose actions are choices, in the order of their use, and the one whose action is a number.
PROBES = [
    f"minigrad/Probe{name}-v0" for name in ("Constant", "Observation", "Discount", "Action", "Both", "Truncation")
]
CONTINUOUS_PROBE = "minigrad/ProbeContinuous-v0"
