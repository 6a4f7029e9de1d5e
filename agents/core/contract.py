"""What the training loop and an evaluation need of an agent. Agent (agent.py) is all of it.

It stands apart so that nothing imports in a circle: the agent imports the loop, and the loop imports this.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, ClassVar, Protocol

import numpy as np

from envs import Environments, Transition

from .metrics import Means
from .randomness import RandomTree


class Player(Protocol):
    """What an evaluation needs: a policy, and how its environments are made."""

    name: ClassVar[str]
    env: Any
    env_options: dict[str, Any]
    environments: Environments

    def predict_batch(self, observation: np.ndarray, deterministic: bool = True) -> np.ndarray: ...

    def make_environments(self, env: Any, num_envs: int = 1) -> Environments: ...

    def note_whereabouts(self) -> None: ...


class Learner(Player, Protocol):
    """What the training loop drives."""

    metric_names: ClassVar[tuple[str, ...]]
    hyperparameters: Any
    steps: int
    total_steps: int
    episodes: int
    stopped: str | None
    metrics: Means
    random: RandomTree

    def prepare(self) -> None: ...

    def act(self, observation: np.ndarray) -> np.ndarray: ...

    def observe(self, transition: Transition) -> None: ...

    def update(self, new_steps: int) -> None: ...

    def training(self) -> AbstractContextManager: ...

    def schedules(self) -> dict[str, float]: ...

    def state_dict(self) -> dict[str, Any]: ...
