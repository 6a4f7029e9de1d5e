"""How good an agent is: whole episodes, greedy ones unless asked otherwise. They leave no trace in its training: they
are played in environments of their own, or in the agent's, which then go back to where they were."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from envs import Environments, Episode, UsageError
from envs.checking import shown
from envs.errors import whole_number
from envs.making import make_by_id

from .contract import Player

# Nobody trains with it.
EVALUATION_SEED = 1_000_000
# Some environments have no step limit, and a greedy policy may walk into a wall for ever.
LONGEST_EPISODE = 27_000
# Wrappers that learn from what passes through them, each copy on its own.
NORMALIZERS = ("NormalizeObservation", "NormalizeReward")


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
    """Plays `episodes` episodes, with the best actions known, or with `deterministic=False` with actions drawn from the
    policy. An episode is cut off after 27,000 steps, with a warning.

    `env` is what `make_environments` takes. Left out, it is a new one of the agent's own, or the agent's own where
    nobody can make a second; training goes on afterwards as if nothing had been played in it.

    Raises `UsageError` where the environment's spaces aren't those that the agent was trained with.
    """
    episodes, seed = whole_number("episodes", episodes, least=1), whole_number("seed", seed, least=0)
    environments = environments_for(agent, env)
    check_spaces(agent, environments)
    warn_of_normalizers(environments)
    with training_left_alone(agent, environments, seed):
        try:
            finished = play(agent, environments, episodes, seed, deterministic)
        finally:
            if env is None and environments is not agent.environments:
                environments.close()
    return Evaluation(
        np.array([episode.total_reward for episode in finished]),
        np.array([episode.length for episode in finished]),
    )


def play(
    agent: Player, environments: Environments, episodes: int, seed: int, deterministic: bool = True
) -> list[Episode]:
    """The first `episodes` episodes. Each environment plays its share: taking whichever episodes end first would favour
    the short ones."""
    n = environments.num_envs
    share = [len(range(i, episodes, n)) for i in range(n)]
    total, length = np.zeros(n), np.zeros(n, np.int64)  # of the episodes under way
    counts = np.ones(n, np.bool_)  # not where an episode has been cut off, until the next one starts
    until = LONGEST_EPISODE  # steps in which none can become too long
    finished: list[Episode] = []
    warned = False

    def take(episode: Episode) -> None:
        if share[episode.env] > 0:
            share[episode.env] -= 1
            finished.append(episode)

    environments.reset(seed)
    while len(finished) < episodes:
        step = environments.step(agent.predict_batch(environments.observation, deterministic))
        total[step.env] += step.reward
        length[step.env] += 1
        for episode in environments.finished:
            if counts[episode.env]:
                take(episode)
            total[episode.env], length[episode.env], counts[episode.env] = 0.0, 0, True
        until -= 1
        if until:
            continue
        for i in np.flatnonzero(counts & (length >= LONGEST_EPISODE)).tolist():
            if not warned:
                warned = True
                warnings.warn(
                    f"an episode of {environments.name} was cut off after {LONGEST_EPISODE:,} steps; if it has no end, "
                    f"wrap the environment in gymnasium.wrappers.TimeLimit",
                    stacklevel=3,
                )
            take(Episode(i, float(total[i]), int(length[i])))
            counts[i] = False
        # An environment can't be reset alone. Once all that have more to play are beyond their limits, all are.
        if len(finished) < episodes and not any(counts[i] for i in range(n) if share[i] > 0):
            seed += n
            environments.reset(seed)
            total[:], length[:], counts[:] = 0.0, 0, True
        until = LONGEST_EPISODE - int(length[counts].max(initial=0))
    return finished


# -- where it is played


def environments_for(agent: Player, env: Any) -> Environments:
    """`env`, or like the agent's own, or its own where there is no other way."""
    if env is None and not isinstance(agent.env, str):
        return agent.environments.another() if agent.environments.can_be_made_again else agent.environments
    if env is agent.environments:
        return agent.environments
    options = agent.env_options if env is None else {}
    env = agent.env if env is None else env
    # The environment itself, as `make_by_id` makes it, which may be another one than agents learn from.
    return agent.make_environments(partial(make_by_id, env, **options) if isinstance(env, str) else env)


@contextmanager
def training_left_alone(agent: Player, environments: Environments, seed: int) -> Iterator[None]:
    """Afterwards the agent's environments are where they were, if `environments` are the same, or are made of the
    same."""
    own = agent.environments
    if environments is not own and not any(env is mine for env in environments.instances() for mine in own.instances()):
        yield
        return
    before = own.state_dict()
    try:
        yield
    finally:
        if not own.go_back(before):
            warnings.warn(
                f"{own.name} could not be put back to where its training was: it goes on with a new episode, and a "
                f"return over several steps may join the two. Give evaluate an environment of its own",
                stacklevel=4,
            )
            own.reset(seed + environments.num_envs)
            agent.note_whereabouts()


def check_spaces(agent: Player, environments: Environments) -> None:
    trained, given = agent.environments.env_spaces, environments.env_spaces
    if trained != given:
        raise UsageError(
            f"{agent.name} was trained with observations of {shown(trained[0])} and actions of {shown(trained[1])}, "
            f"but {environments.name} has {shown(given[0])} and {shown(given[1])}; evaluate it in an environment with "
            f"the same spaces"
        )


def warn_of_normalizers(environments: Environments) -> None:
    for name in (type(layer).__name__ for layer in environments.layers()):
        if name in NORMALIZERS:
            kind = "observations" if name == "NormalizeObservation" else "rewards"
            warnings.warn(
                f"{environments.name} is wrapped in {name}. Every copy of it has statistics of its own, so the {kind} "
                f"of an evaluation are not those of the training; leave the wrapper out, and give the agent "
                f"normalize_{kind}=True, which a2c, ppo, ppo-kl and trpo have",
                stacklevel=3,
            )
