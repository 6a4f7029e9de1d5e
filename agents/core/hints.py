"""What a training says at its end, if it did not do what the user waits for."""

from __future__ import annotations

import warnings
from typing import Any

from .contract import Learner


def warn_without_update(agent: Learner) -> None:
    """Warns if the agent has never learned: its policy is the one that it began with."""
    # Whether an agent that measures nothing has learned can't be seen.
    if agent.metric_names and agent.metrics.updates == 0:
        made = f"{agent.name} made no update in {agent.steps:,} steps"
        warnings.warn(f"{made}: {find_reason(agent)}; train for more steps, or set that lower", stacklevel=3)


def find_reason(agent: Learner) -> str:
    """What an update waits for, by the hyper-parameters that the agent has."""
    h: Any = agent.hyperparameters
    rollout, episodes = getattr(h, "rollout_steps", 0) * agent.environments.num_envs, getattr(h, "episodes", 1)
    if getattr(h, "learning_starts", 0) >= agent.steps:
        return f"it learns after learning_starts = {h.learning_starts:,} steps"
    if getattr(h, "train_every", 0) > agent.steps:
        return f"it learns every train_every = {h.train_every:,} steps"
    if rollout > agent.steps:
        return f"it learns from rollouts of {rollout:,} steps, {h.rollout_steps:,} (rollout_steps) in each environment"
    if agent.episodes < episodes:
        return f"it learns from whole episodes, {episodes:,} at a time, and {agent.episodes:,} ended"
    return "it has not got what an update needs"
