"""How good an agent is: whole episodes with its deterministic policy, in environments it never trained in."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np

from envs import Environments, Episode
from envs.making import make_by_id

from .contract import Player

# Far from training seeds, which are small numbers counted up from the run's.
EVALUATION_SEED = 1_000_000
# Some environments have no step limit, and a greedy policy may walk into a wall for ever.
LONGEST_EPISODE = 27_000


@dataclass(frozen=True)
class Evaluation:
    """The undiscounted return and the length of every episode."""

    returns: np.ndarray
    lengths: np.ndarray

    @property
    def mean(self) -> float:
        return float(self.returns.mean())

    @property
    def std(self) -> float:
        """Over episodes: how much they differ from each other, not how uncertain the mean is."""
        return float(self.returns.std())

    def __str__(self) -> str:
        return f"{self.mean:.1f} ± {self.std:.1f} over {len(self.returns)} episodes"


def evaluate(
    agent: Player,
    env: Any = None,
    episodes: int = 20,
    seed: int = EVALUATION_SEED,
    deterministic: bool = True,
) -> Evaluation:
    """Plays `episodes` episodes. `env` is what `make_environments` takes; left out, a new one of the agent's
    own."""
    environments = environments_for(agent, env)
    # Each environment plays its share. Taking whichever episodes end first would favour the short ones.
    share = [len(range(i, episodes, environments.num_envs)) for i in range(environments.num_envs)]
    finished: list[Episode] = []
    without_end = 0  # steps
    try:
        environments.reset(seed)
        while len(finished) < episodes:
            environments.step(agent.predict_batch(environments.observation, deterministic))
            without_end = 0 if environments.finished else without_end + 1
            if without_end == LONGEST_EPISODE:
                warnings.warn(
                    f"no episode of {environments.name} has ended for {LONGEST_EPISODE:,} steps, and evaluating waits "
                    f"for one; if it has no end, wrap the environment in gymnasium.wrappers.TimeLimit",
                    stacklevel=2,
                )
            for episode in environments.finished:
                if share[episode.env] > 0:
                    share[episode.env] -= 1
                    finished.append(episode)
    finally:
        if env is None:
            environments.close()
    return Evaluation(
        np.array([episode.total_reward for episode in finished]),
        np.array([episode.length for episode in finished]),
    )


def environments_for(agent: Player, env: Any) -> Environments:
    """`env`, or like the agent's own but not the ones it is training in."""
    if env is None and not isinstance(agent.env, str):
        return agent.environments.another()
    options = agent.env_options if env is None else {}
    env = agent.env if env is None else env
    return agent.make_environments(partial(make_with_limit, env, **options) if isinstance(env, str) else env)


def make_with_limit(env_id: str, **options: Any) -> Any:
    """The environment itself, as `make_by_id` makes it, which may be another one than agents learn from."""
    env = make_by_id(env_id, **options)
    if isinstance(env, gym.vector.VectorEnv) or env.spec.max_episode_steps is not None:
        return env
    return gym.wrappers.TimeLimit(env, LONGEST_EPISODE)
