"""Presets of the policy gradients.

"Zoo" are the settings that RL Baselines3 Zoo publishes, each of a tuned run, as far as this project has them. It has no
state-dependent exploration (gSDE)."""

from __future__ import annotations

from .preset import CONTINUOUS_PROBE, PROBES, Preset

PRESETS: dict[tuple[str, str], Preset] = {
    # V of the start is 0.655 then, of 0.6561: a softmax policy comes near the best one as slowly as 1 / updates.
    ("exact-policy-gradient", "minigrad/GridWorld-v0"): Preset(
        steps=500, hyperparameters={"gamma": 0.9, "learning_rate": 10.0}
    ),
    # About a thousand episodes each.
    ("simple-policy-gradient", "CartPole-v1"): Preset(steps=80_000),
    ("reinforce", "CartPole-v1"): Preset(steps=250_000),
    ("reinforce-with-baseline", "CartPole-v1"): Preset(steps=350_000),
    # From random play alone, about 4,500 episodes: greedily 86 to 500, the median 338, over ten seeds.
    ("off-policy-policy-gradient", "CartPole-v1"): Preset(
        steps=100_000, num_envs=8, hyperparameters={"learning_rate": 3e-3, "updates": 4}
    ),
    ("off-policy-policy-gradient", "minigrad/GridWorld-v0"): Preset(
        steps=50_000, num_envs=8, hyperparameters={"learning_rate": 0.05, "gamma": 0.9, "hidden": ()}
    ),
    **{
        ("simple-policy-gradient", probe): Preset(
            steps=2_000, hyperparameters={"learning_rate": 0.02, "gamma": 0.5, "hidden": (16,), "episodes": 8}
        )
        for probe in PROBES
    },
    **{
        (proximal, "CartPole-v1"): Preset(
            steps=100_000,
            num_envs=8,
            hyperparameters={
                "learning_rate": 1e-3,
                "anneal_learning_rate": True,
                "gamma": 0.98,
                "gae_lambda": 0.8,
                "rollout_steps": 32,
                "batch_size": 256,
                "epochs": 20,
                **more,
            },
        )
        for proximal, more in (("ppo-kl", {}), ("ppo", {"anneal_clip": True}))
    },
    **{
        (proximal, "Pendulum-v1"): Preset(
            steps=300_000,
            num_envs=4,
            hyperparameters={
                "learning_rate": 1e-3,
                "anneal_learning_rate": True,
                "gamma": 0.95,
                "initial_std": 1.0,  # as wide as the torque's range: a narrower one may never swing up
                "rollout_steps": 1_024,
                "batch_size": 256,
                "normalize_observations": True,
                "normalize_rewards": True,
            },
        )
        for proximal in ("ppo-kl", "ppo")
    },
    ("trpo", "CartPole-v1"): Preset(
        steps=100_000, num_envs=8, hyperparameters={"rollout_steps": 128, "batch_size": 128}
    ),
    ("trpo", "Pendulum-v1"): Preset(
        steps=300_000,
        num_envs=4,
        hyperparameters={
            "learning_rate": 3e-3,
            "gamma": 0.95,
            "initial_std": 1.0,
            "rollout_steps": 1_024,
            "batch_size": 256,
            "kl_limit": 0.02,
            "damping": 0.1,
            "normalize_observations": True,
            "normalize_rewards": True,
        },
    ),
    ("ppo", "Acrobot-v1"): Preset(
        steps=500_000,
        num_envs=16,
        hyperparameters={
            "learning_rate": 1e-3,
            "anneal_learning_rate": True,
            "gae_lambda": 0.94,
            "rollout_steps": 256,
            "batch_size": 256,
            "epochs": 4,
            "normalize_observations": True,
        },
    ),
    **{
        ("ppo", lander): Preset(
            steps=1_000_000,
            num_envs=16,
            hyperparameters={
                "learning_rate": 5e-4,
                "anneal_learning_rate": True,
                "gamma": 0.999,
                "gae_lambda": 0.98,
                "rollout_steps": 1_024,
                "batch_size": 64,
                "epochs": 4,
                "entropy_coefficient": 0.01,
                "normalize_observations": True,
                "normalize_rewards": True,
            },
        )
        for lander in ("LunarLander-v3", "LunarLanderContinuous-v3")
    },
    # With σ = 1 at first, as wide as the actions' range, it comes to half as much.
    ("ppo", "HalfCheetah-v5"): Preset(
        steps=1_000_000,
        hyperparameters={
            "learning_rate": 3e-4,
            "anneal_learning_rate": True,
            "gamma": 0.98,
            "gae_lambda": 0.92,
            "rollout_steps": 512,
            "batch_size": 64,
            "epochs": 10,
            "initial_std": 0.37,
            "normalize_observations": True,
            "normalize_rewards": True,
        },
    ),
    # Zoo.
    ("ppo", "MountainCar-v0"): Preset(
        steps=1_000_000,
        num_envs=16,
        hyperparameters={
            "gae_lambda": 0.98,
            "rollout_steps": 16,
            "epochs": 4,
            "normalize_observations": True,
            "normalize_rewards": True,
        },
    ),
    # Zoo.
    ("ppo", "BipedalWalker-v3"): Preset(
        steps=5_000_000,
        num_envs=32,
        hyperparameters={
            "gamma": 0.999,
            "clip": 0.18,
            "normalize_observations": True,
            "normalize_rewards": True,
        },
    ),
    # The defaults, annealed and normalised, as Huang et al. (2022) have them: 1,670 greedily, one seed. Zoo's settings
    # came to 511 here.
    ("ppo", "Hopper-v5"): Preset(
        steps=1_000_000,
        hyperparameters={
            "learning_rate": 3e-4,
            "anneal_learning_rate": True,
            "normalize_observations": True,
            "normalize_rewards": True,
        },
    ),
    # Zoo; not yet trained here to the end, nor are BipedalWalker and Ant.
    ("ppo", "Walker2d-v5"): Preset(
        steps=1_000_000,
        hyperparameters={
            "learning_rate": 5e-5,
            "rollout_steps": 512,
            "batch_size": 32,
            "epochs": 20,
            "clip": 0.1,
            "entropy_coefficient": 5.9e-4,
            "value_coefficient": 0.87,
            "max_gradient_norm": 1.0,
            "normalize_observations": True,
            "normalize_rewards": True,
        },
    ),
    # Zoo: the defaults, normalised.
    ("ppo", "Ant-v5"): Preset(
        steps=1_000_000, hyperparameters={"normalize_observations": True, "normalize_rewards": True}
    ),
    # Greedily a mean length of about 18 of 36, in 30 seconds on one core.
    ("ppo", "minigrad/Snake-v0"): Preset(
        steps=500_000,
        num_envs=16,
        hyperparameters={
            "learning_rate": 1e-3,
            "anneal_learning_rate": True,
            "gamma": 0.97,
            "rollout_steps": 128,
            "batch_size": 256,
            "epochs": 4,
            "entropy_coefficient": 0.01,
            "hidden": (128, 128),
        },
    ),
    **{
        (proximal, probe): Preset(
            steps=2_000,
            num_envs=2,
            hyperparameters={
                "learning_rate": 0.01,
                "anneal_learning_rate": True,
                "gamma": 0.5,
                "rollout_steps": 16,
                "batch_size": 16,
                "epochs": 4,
                "hidden": (16,),
            },
        )
        for proximal in ("trpo", "ppo-kl", "ppo")
        for probe in (*PROBES, CONTINUOUS_PROBE)
    },
    ("actor-critic", "CartPole-v1"): Preset(steps=300_000, num_envs=8),
    # From random play alone: greedily 257 to 361, the median 270, over five seeds. With 300,000 steps it is less again.
    ("off-policy-actor-critic", "CartPole-v1"): Preset(
        steps=200_000,
        num_envs=8,
        hyperparameters={
            "learning_rate": 1e-4,
            "value_learning_rate": 3e-3,
            "gamma": 0.98,
            "rollout_steps": 64,
            "updates": 8,
        },
    ),
    ("off-policy-actor-critic", "minigrad/GridWorld-v0"): Preset(
        steps=40_000,
        num_envs=8,
        hyperparameters={
            "learning_rate": 0.02,
            "value_learning_rate": 0.02,
            "gamma": 0.9,
            "hidden": (),
            "rollout_steps": 16,
            "updates": 2,
        },
    ),
    ("a2c", "CartPole-v1"): Preset(steps=500_000, num_envs=8),
    # Zoo.
    ("a2c", "LunarLander-v3"): Preset(
        steps=200_000,
        num_envs=8,
        hyperparameters={
            "learning_rate": 8.3e-4,
            "anneal_learning_rate": True,
            "gamma": 0.995,
            "entropy_coefficient": 1e-5,
        },
    ),
    # Zoo.
    **{
        ("a2c", env): Preset(
            steps=steps,
            num_envs=16,
            hyperparameters={"normalize_observations": True, "normalize_rewards": True},
        )
        for env, steps in (("Acrobot-v1", 500_000), ("MountainCar-v0", 1_000_000))
    },
    **{
        (learner, probe): Preset(
            steps=3_000,
            num_envs=2,
            hyperparameters={"learning_rate": 0.01, "value_learning_rate": 0.01, "gamma": 0.5, "hidden": (16,)},
        )
        for learner in ("actor-critic", "off-policy-actor-critic")
        for probe in PROBES
    },
    ("a3c", "CartPole-v1"): Preset(steps=500_000, hyperparameters={"anneal_learning_rate": True}),
    **{
        (learner, probe): Preset(
            steps=4_000,
            num_envs=2,
            hyperparameters={
                "learning_rate": 0.01,
                "anneal_learning_rate": True,
                "gamma": 0.5,
                "hidden": (16,),
                **alone,
            },
        )
        for learner, alone in (("a2c", {}), ("a3c", {"workers": 1}))
        for probe in (*PROBES, CONTINUOUS_PROBE)
    },
}
