"""What a preset is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Preset:
    """How long to train, on how many environments, and what differs from the algorithm's defaults."""

    steps: int = 100_000
    num_envs: int = 1
    hyperparameters: dict[str, Any] = field(default_factory=dict)


PROBES = [
    f"minigrad/Probe{name}-v0" for name in ("Constant", "Observation", "Discount", "Action", "Both", "Truncation")
]
