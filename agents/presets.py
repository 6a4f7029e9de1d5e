"""Hyper-parameters that work, by algorithm and environment. A variant without its own takes its parent's."""

from __future__ import annotations

from dataclasses import dataclass, field
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
}


def preset_for(agent: type, env: Any) -> Preset:
    """The preset of the agent's class, or of the nearest class it is a variant of; else the defaults."""
    env_id = env if isinstance(env, str) else env.spec.id if isinstance(env, gym.Env) and env.spec else None
    for ancestor in agent.__mro__:
        preset = PRESETS.get((vars(ancestor).get("name", ""), env_id or ""))
        if preset is not None:
            return preset
    return Preset()
