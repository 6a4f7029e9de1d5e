"""Presets of the agents that learn a model."""

from __future__ import annotations

from .preset import CONTINUOUS_PROBE, Preset

MODEL = {"model_learning_rate": 3e-3, "model_batch_size": 32, "model_every": 100}

PRESETS: dict[tuple[str, str], Preset] = {
    ("pets", CONTINUOUS_PROBE): Preset(
        steps=300,
        hyperparameters={"learning_starts": 100, "horizon": 1, "guesses": 100, "best": 10, "model_hidden": (32,)},
    ),
    ("pets", "Pendulum-v1"): Preset(steps=2_000, hyperparameters=MODEL),
    ("mbpo", CONTINUOUS_PROBE): Preset(
        steps=400,
        hyperparameters={
            "learning_rate": 3e-3,
            "gamma": 0.5,
            "hidden": (16,),
            "batch_size": 32,
            "learning_starts": 100,
            "model_every": 100,
            "model_hidden": (32,),
            "imagined_from": 200,
            "updates": 2,
            "target_rate": 0.05,
        },
    ),
    ("mbpo", "Pendulum-v1"): Preset(
        steps=1_600,
        hyperparameters={
            "gamma": 0.98,
            "hidden": (64, 64),
            "batch_size": 128,
            **MODEL,
            "imagined_steps": 2,
        },
    ),
}
