"""Presets of the agents that learn from recorded steps."""

from __future__ import annotations

from .preset import Preset

PRESETS: dict[tuple[str, str], Preset] = {
    ("bc", "CartPole-v1"): Preset(steps=5_000),
    ("bc", "Pendulum-v1"): Preset(steps=10_000),
}
