"""Hyper-parameters that work, by algorithm and environment. A variant without its own takes its parent's."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any

import gymnasium as gym


@dataclass(frozen=True)
class Preset:
    """How long to train, on how many environments, and what differs from the algorithm's defaults."""

    steps: int = 100_000
    num_envs: int = 1
    hyperparameters: dict[str, Any] = field(default_factory=dict)


PROBES = [
    f"minigrad/Probe{name}-v0"
    for name in ("Constant", "Observation", "Discount", "Action", "Both", "Truncation")
]

SNAKE = Preset(
    steps=100_000,
    hyperparameters={
        "anneal_learning_rate": True,
        "gamma": 0.97,
        "hidden": (128, 128),
        "batch_size": 128,
        "train_every": 2,
        "epsilon_end": 0.02,  # a random move kills a long snake
    },
)

# An update of 32 at every fourth frame, with a step size that falls to 0. On Breakout, 300,000 frames, median of three
# seeds: 15.9. An update at every frame, of step size 5e-4, had 15.1 and took nearly four times as long.
RAINBOW_ON_MINATAR = {
    "learning_rate": 1e-3,
    "anneal_learning_rate": True,
    "hidden": (128,),
    "batch_size": 32,
    "learning_starts": 5_000,
    "train_every": 4,
    "target_every": 1_000,
    "noise_sigma": 0.1,
}


# An environment is an id, or a pattern for a family of ids; of several that fit, the first counts.
PRESETS: dict[tuple[str, str], Preset] = {
    ("dqn", "CartPole-v1"): Preset(
        steps=50_000,
        hyperparameters={
            "learning_rate": 1.5e-3,
            "anneal_learning_rate": True,  # or what was learned by half-time is half forgotten at the end
            "gamma": 0.98,
            "hidden": (256,),
            "batch_size": 128,
            "replay_size": 20_000,
            "target_every": 100,
            "epsilon_end": 0.1,
            "epsilon_fraction": 0.1,
            "value_min": 0.0,
            "value_max": 50.0,  # 1 at every step for ever, discounted
        },
    ),
    # A step is a sweep over all the states: more than enough to converge, and some episodes to see it.
    **{
        (planner, env_id): Preset(steps=steps, hyperparameters={"gamma": gamma})
        for planner in ("policy-evaluation", "policy-iteration", "value-iteration")
        for env_id, steps, gamma in (
            ("minigrad/GridWorld-v0", 500, 0.9),
            ("minigrad/CliffWalking-v0", 1_000, 0.9),
            ("FrozenLake-v1", 2_000, 0.99),
            ("CliffWalking-v1", 2_000, 0.99),
        )
    },
    # V of the start is 0.655 then, of 0.6561: a softmax policy comes near the best one as slowly as 1 / updates.
    ("exact-policy-gradient", "minigrad/GridWorld-v0"): Preset(
        steps=500, hyperparameters={"gamma": 0.9, "learning_rate": 10.0}
    ),
    ("dqn", "Pendulum-v1"): Preset(
        steps=40_000,
        hyperparameters={
            "learning_rate": 3e-3,
            "anneal_learning_rate": True,
            "gamma": 0.95,  # the pendulum is up within a second, and hundreds are hard to tell apart
            "hidden": (64, 64),
            "replay_size": 20_000,
            "target_every": 200,
            "epsilon_end": 0.02,
            "epsilon_fraction": 0.1,
            "loss": "mse",
            "max_gradient_norm": 100.0,
            "value_min": -200.0,
            "value_max": 0.0,
        },
    ),
    ("dqn", "Acrobot-v1"): Preset(
        steps=100_000,
        hyperparameters={
            "learning_rate": 6.3e-4,
            "anneal_learning_rate": True,
            "hidden": (128, 128),
            "batch_size": 128,
            "replay_size": 50_000,
            "train_every": 4,
            "updates": 4,
            "target_every": 250,
            "epsilon_end": 0.1,
            "epsilon_fraction": 0.12,
            "value_min": -100.0,
            "value_max": 0.0,
        },
    ),
    ("dqn", "MountainCar-v0"): Preset(
        steps=120_000,
        hyperparameters={
            "learning_rate": 4e-3,
            "anneal_learning_rate": True,
            "gamma": 0.98,
            "hidden": (256, 256),
            "batch_size": 128,
            "replay_size": 10_000,
            "train_every": 16,
            "updates": 8,
            "target_every": 600,
            "epsilon_end": 0.07,
            "epsilon_fraction": 0.2,
            "value_min": -50.0,
            "value_max": 0.0,
        },
    ),
    ("dqn", "LunarLander-v3"): Preset(
        steps=300_000,
        hyperparameters={
            "learning_rate": 6.3e-4,
            "anneal_learning_rate": True,
            "hidden": (128, 128),
            "batch_size": 128,
            "train_every": 4,
            "updates": 2,
            "target_every": 250,
            "epsilon_end": 0.05,
            "epsilon_fraction": 0.12,
            "value_min": -300.0,
            "value_max": 300.0,
        },
    ),
    # The course's own. The state-action form finds the way later, on some seeds after 130,000 steps.
    ("neural-q-learning", "minigrad/GridWorld-v0"): Preset(steps=40_000),
    # Young & Tian, "MinAtar" (2019), section 3: their DQN, with Adam for RMSprop.
    ("dqn", "MinAtar/*"): Preset(
        steps=1_000_000,
        hyperparameters={
            "learning_rate": 2.5e-4,
            "hidden": (128,),
            "batch_size": 32,
            "learning_starts": 5_000,
            "target_every": 1_000,
            "epsilon_end": 0.1,
            "epsilon_fraction": 0.1,
        },
    ),
    # What Asterix's player does in one frame can be taken back in the next, so actions differ little in value: the best
    # from the second by 0.02, where Q is 0.75. A near horizon makes that more of the whole, and fine atoms helped. The
    # greedy return after 100,000 frames, on one seed: 1.1, 1.4, 1.8, 1.4 by 51, 101, 201, 401 atoms; 0.9 with γ = 0.97.
    ("rainbow", "MinAtar/Asterix-*"): Preset(
        steps=1_000_000,
        num_envs=4,
        hyperparameters={
            **RAINBOW_ON_MINATAR,
            "gamma": 0.95,
            "n_step": 2,
            "atoms": 201,
            "value_min": 0.0,
            "value_max": 5.0,
        },
    ),
    ("rainbow", "MinAtar/*"): Preset(
        steps=1_000_000,
        num_envs=4,
        hyperparameters={
            **RAINBOW_ON_MINATAR,
            "value_min": 0.0,
            "value_max": 20.0,
        },
    ),
    # Mnih et al., "Human-level control through deep reinforcement learning", Nature 518 (2015), extended data table 1,
    # with Adam for RMSprop, a bounded gradient, and a target renewed every 10,000 steps, where the table has updates.
    ("dqn", "ALE/*-v5"): Preset(
        steps=10_000_000,
        hyperparameters={
            "learning_rate": 6.25e-5,
            "hidden": (512,),
            "batch_size": 32,
            "replay_size": 1_000_000,
            "learning_starts": 50_000,
            "train_every": 4,
            "target_every": 10_000,
            "epsilon_end": 0.1,
            "epsilon_fraction": 0.1,
        },
    ),
    # The first: greedily a mean length of about 20 of 36, in 20 seconds on one core.
    ("dqn", "minigrad/Snake-v0"): SNAKE,
    ("dqn", "minigrad/SnakeImage-v0"): SNAKE,
    # n-step and off-policy Sarsa take Sarsa's, Dyna-Q takes Q-learning's.
    **{
        (learner, "minigrad/GridWorld-v0"): Preset(steps=steps, hyperparameters={"gamma": 0.9})
        for learner, steps in (
            ("monte-carlo-prediction", 50_000),
            ("td-prediction", 50_000),
            ("n-step-td-prediction", 50_000),
            ("monte-carlo", 10_000),
            ("off-policy-monte-carlo", 10_000),
            ("sarsa", 5_000),
            ("expected-sarsa", 5_000),
            ("q-learning", 5_000),
            ("dyna-q", 2_000),
        )
    },
    **{
        (learner, env_id): Preset(
            steps=20_000,
            hyperparameters={
                "gamma": 1.0,
                "learning_rate": 0.3,
                "step_size": "linear",  # a fall shakes an on-policy learner's values for ever if it isn't
                "epsilon_start": 0.1,
            },
        )
        for learner in ("sarsa", "expected-sarsa", "q-learning")
        for env_id in ("minigrad/CliffWalking-v0", "CliffWalking-v1")
    },
    # Small and quick, so that the answers are exact to a few hundredths within a second.
    **{
        ("dqn", probe): Preset(
            steps=1_000,
            hyperparameters={
                "learning_rate": 1e-2,
                "gamma": 0.5,
                "hidden": (16,),
                "batch_size": 32,
                "learning_starts": 100,
                "target_every": 20,
                "epsilon_end": 1.0,
            },
        )
        for probe in PROBES
    },
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
                "initial_std": 2.0,  # as wide as the torque's range: a narrower one may never swing up
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
            "gamma": 0.9,
            "rollout_steps": 512,
            "batch_size": 256,
            "kl_limit": 0.02,
            "damping": 0.02,
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
        for probe in PROBES
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
    **{
        ("actor-critic", probe): Preset(
            steps=3_000,
            num_envs=2,
            hyperparameters={"learning_rate": 0.01, "value_learning_rate": 0.01, "gamma": 0.5, "hidden": (16,)},
        )
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
        for probe in PROBES
    },
    **{
        ("neural-q-learning", probe): Preset(
            steps=1_000,
            hyperparameters={"learning_rate": 0.05, "gamma": 0.5, "hidden": (16,), "epsilon": 1.0},
        )
        for probe in PROBES
    },
}


def preset_for(agent: type, env: Any) -> Preset:
    """The preset of the agent's class, or of the nearest class it is a variant of, with the components that make it
    a variant; else those alone."""
    spec = env.spec if isinstance(env, gym.Env | gym.vector.VectorEnv) else None
    env_id = env if isinstance(env, str) else spec.id if spec else None
    found: Preset | None = None
    variant: dict[str, Any] = {}  # the components of the classes looked at so far, the nearest first
    for ancestor in agent.__mro__:
        own = vars(ancestor)
        for (algorithm, pattern), preset in PRESETS.items():
            if found is None and algorithm == own.get("name") and fnmatchcase(env_id or "", pattern):
                found = preset
                variant = {**preset.hyperparameters, **variant}
        variant = {**own.get("components", {}), **variant}
    found = replace(found or Preset(), hyperparameters=variant)
    # A vector environment brings its own number.
    return replace(found, num_envs=1) if isinstance(env, gym.vector.VectorEnv) else found
