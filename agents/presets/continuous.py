"""Presets of the actor-critics that learn from a replay."""

from __future__ import annotations

from .preset import CONTINUOUS_PROBE, PROBES, Preset

SMALL = {"hidden": (64, 64), "batch_size": 128}

PROBE = {"learning_rate": 1e-3, "gamma": 0.5, "hidden": (64, 64), "batch_size": 64, "learning_starts": 250}

PRESETS: dict[tuple[str, str], Preset] = {
    **{
        (learner, CONTINUOUS_PROBE): Preset(steps=2_000, hyperparameters={**PROBE, "noise_std": 0.3})
        for learner in ("ddpg", "td3")
    },
    ("sac", CONTINUOUS_PROBE): Preset(
        steps=1_000,
        hyperparameters={
            "learning_rate": 3e-3,
            "gamma": 0.5,
            "hidden": (16,),
            "batch_size": 32,
            "learning_starts": 200,
            "target_rate": 0.05,
        },
    ),
    **{
        ("sac-discrete", probe): Preset(
            steps=1_000,
            hyperparameters={
                "learning_rate": 1e-2,
                "gamma": 0.5,
                "hidden": (16,),
                "batch_size": 32,
                "learning_starts": 100,
                "target_rate": 0.1,
                "alpha": 1e-3,
                "learn_alpha": False,
            },
        )
        for probe in PROBES
    },
    ("sac-discrete", "CartPole-v1"): Preset(steps=50_000, hyperparameters={**SMALL, "target_rate": 0.01}),
    ("ddpg", "Pendulum-v1"): Preset(steps=20_000, hyperparameters={**SMALL, "gamma": 0.98}),
    ("td3", "Pendulum-v1"): Preset(steps=20_000, hyperparameters={**SMALL, "gamma": 0.98}),
    ("sac", "Pendulum-v1"): Preset(steps=20_000, hyperparameters={**SMALL, "gamma": 0.98}),
}
