"""Presets of the tables."""

from __future__ import annotations

from .preset import Preset

PRESETS: dict[tuple[str, str], Preset] = {
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
    **{
        (learner, "minigrad/GridWorld-v0"): Preset(steps=steps, hyperparameters={"gamma": 0.9})
        for learner, steps in (
            ("monte-carlo-prediction", 50_000),
            ("td-prediction", 50_000),
            ("n-step-td-prediction", 50_000),
            ("monte-carlo", 10_000),
            ("off-policy-monte-carlo", 10_000),
            ("sarsa", 5_000),
            ("n-step-sarsa", 5_000),
            ("off-policy-sarsa", 5_000),
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
        for learner in ("sarsa", "n-step-sarsa", "off-policy-sarsa", "expected-sarsa", "q-learning", "dyna-q")
        for env_id in ("minigrad/CliffWalking-v0", "CliffWalking-v1")
    },
}
