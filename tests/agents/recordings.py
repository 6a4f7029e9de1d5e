"""Recorded steps for tests: random play, or what a rule does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from agents.memory.recorded import RecordedSteps, write_steps
from envs import Transition, make_environments
from envs.checking import shown


def record_play(
    env: Any, path: Path, steps: int = 60, choose: Callable[[np.ndarray], np.ndarray] | None = None
) -> Path:
    """Writes `steps` steps of one environment to `path`; the last is cut off. Without `choose`, actions are random."""
    environments = make_environments(env, 1)
    environments.reset(0)
    rng = np.random.default_rng(0)
    transitions: list[Transition] = []
    while len(transitions) < steps:
        action = choose(environments.observation) if choose is not None else environments.sample_actions(rng)
        step = environments.step(action)
        if len(step.env):
            transitions.append(step._replace(action=environments.for_env(step.action)))
    last = transitions[-1]
    transitions[-1] = last._replace(truncated=~last.terminated)
    spaces = [shown(space) for space in environments.env_spaces]
    write_steps(path, RecordedSteps.of(transitions, {"env": environments.name, "spaces": spaces}))
    return path
