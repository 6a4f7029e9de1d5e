"""Presets of the agents that learn a model."""

from __future__ import annotations

from .preset import CONTINUOUS_PROBE, Preset

PRESETS: dict[tuple[str, str], Preset] = {
    ("pets", CONTINUOUS_PROBE): Preset(
        steps=300,
        hyperparameters={"learning_starts": 100, "horizon": 1, "guesses": 100, "best": 10, "model_hidden": (32,)},
    ),
    ("pets", "Pendulum-v1"): Preset(steps=2_000),
}
