"""Presets of the agents that learn a model."""

from __future__ import annotations

from .preset import CONTINUOUS_PROBE, Preset

MODEL = {"model_learning_rate": 3e-3, "model_batch_size": 32, "model_every": 100}
QUICK = {"model_learning_rate": 0.01, "model_batch_size": 32, "model_epochs": 60, "members": 3, "elites": 3}

PRESETS: dict[tuple[str, str], Preset] = {
    ("pets", CONTINUOUS_PROBE): Preset(
        steps=300,
        hyperparameters={
            **QUICK,
            "learning_starts": 100,
            "model_every": 150,
            "model_hidden": (16,),
            "horizon": 1,
            "guesses": 100,
            "best": 10,
            "rounds": 6,
        },
    ),
    ("pets", "Pendulum-v1"): Preset(steps=2_000, hyperparameters=MODEL),
    ("mbpo", CONTINUOUS_PROBE): Preset(
        steps=250,
        hyperparameters={
            **QUICK,
            "learning_rate": 3e-3,
            "gamma": 0.5,
            "hidden": (32, 32),
            "batch_size": 64,
            "learning_starts": 100,
            "target_rate": 0.05,
            "model_every": 1_000,
            "model_hidden": (32,),
            "imagined_from": 1_000,
            "updates": 8,
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
