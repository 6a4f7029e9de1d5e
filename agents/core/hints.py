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
        reason, remedy = find_reason(agent)
        warnings.warn(f"{made}: {reason}; {remedy}", stacklevel=3)


def find_reason(agent: Learner) -> tuple[str, str]:
    """What an update waits for, by the hyper-parameters that the agent has, and what helps."""
    h: Any = agent.hyperparameters
    longer = "train for more steps"
    lower = f"{longer}, or set that lower"
    rollout, episodes = getattr(h, "rollout_steps", 0) * agent.environments.num_envs, getattr(h, "episodes", 1)
    if getattr(h, "learning_starts", 0) >= agent.steps:
        return f"it learns after learning_starts = {h.learning_starts:,} steps", lower
    if getattr(h, "train_every", 0) > agent.steps:
        return f"it learns every train_every = {h.train_every:,} steps", lower
    if rollout > agent.steps:
        where = f"{h.rollout_steps:,} (rollout_steps) in each environment"
        return f"it learns from rollouts of {rollout:,} steps, {where}", lower
    if agent.episodes < episodes:
        whole = "it learns from whole episodes"
        if episodes == 1:
            return f"{whole}, and none ended", longer
        return f"{whole}, {episodes:,} (episodes) at a time, and {agent.episodes:,} ended", lower
    return "it has not got what an update needs", longer
