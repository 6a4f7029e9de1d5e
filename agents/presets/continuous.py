"""Presets of the actor-critics that learn from a replay.

Those of Pendulum, MountainCarContinuous and LunarLanderContinuous have small networks, which learn in minutes: their
figures are in benchmarks/results/learning.md. "Zoo" are the settings that RL Baselines3 Zoo publishes, each of a tuned
run, as far as this project has them. It has no state-dependent exploration (gSDE)."""

from __future__ import annotations

from .preset import CONTINUOUS_PROBE, PROBES, Preset

SMALL = {"hidden": (64, 64), "batch_size": 128}

# From an underpowered car, noise without a memory comes to nothing: it has to push for a while in one direction.
PUSHES = {**SMALL, "noise": "ornstein-uhlenbeck", "noise_std": 0.5}

ZOO_WALKER = {"gamma": 0.98, "replay_size": 200_000, "learning_starts": 10_000, "hidden": (400, 300)}
MUJOCO = ("HalfCheetah-v5", "Hopper-v5", "Walker2d-v5", "Ant-v5")

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
    ("sac", "LunarLanderContinuous-v3"): Preset(steps=300_000, hyperparameters={**SMALL, "target_rate": 0.01}),
    ("ddpg", "MountainCarContinuous-v0"): Preset(steps=50_000, hyperparameters=PUSHES),
    ("td3", "MountainCarContinuous-v0"): Preset(steps=50_000, hyperparameters=PUSHES),
    **{
        # Zoo.
        (learner, "BipedalWalker-v3"): Preset(steps=1_000_000, hyperparameters=ZOO_WALKER)
        for learner in ("ddpg", "td3")
    },
    # Zoo.
    ("sac", "BipedalWalker-v3"): Preset(
        steps=500_000,
        hyperparameters={
            **ZOO_WALKER,
            "learning_rate": 7.3e-4,
            "replay_size": 300_000,
            "target_rate": 0.02,
            "train_every": 64,
            "updates": 64,
        },
    ),
    # Zoo, as are their authors': the defaults of this project, after a longer start.
    **{
        (learner, env): Preset(steps=1_000_000, hyperparameters={"learning_rate": rate, "learning_starts": 10_000})
        for learner, rate in (("ddpg", 1e-3), ("td3", 1e-3), ("sac", 3e-4))
        for env in MUJOCO
    },
}
