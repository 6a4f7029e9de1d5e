"""`minigrad collect`: records what an agent does, as steps to learn from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from envs import Transition
from envs.checking import shown
from envs.errors import whole_number

from ..core.evaluation import EVALUATION_SEED, LONGEST_EPISODE, environments_for, training_left_alone
from ..core.names import qualified_name
from ..memory.recorded import RecordedSteps, write_steps


def collect(
    agent: Any,
    output: str | Path,
    episodes: int = 10,
    seed: int = EVALUATION_SEED,
    deterministic: bool = True,
) -> RecordedSteps:
    """Plays `episodes` episodes as `evaluate` does, writes every step of them to the file `output`, and returns them.

    An episode is cut off after 27,000 steps. `agents.train` and `--data` learn from such a file."""
    episodes, seed = whole_number("episodes", episodes, least=1), whole_number("seed", seed, least=0)
    environments = environments_for(agent, None)
    with training_left_alone(agent, environments, seed):
        try:
            # Without the agent's wrappers: what is recorded is what the environment shows and takes.
            transitions, returns = play(agent, environments.bottom, episodes, seed, deterministic)
        finally:
            if environments is not agent.environments:
                environments.close()
    about = {
        "env": environments.name,
        "env_options": agent.env_options,
        "spaces": [shown(space) for space in environments.env_spaces],
        "agent": qualified_name(type(agent)),
        "agent_seed": agent.seed,
        "agent_steps": agent.steps,
        "seed": seed,
        "episodes": episodes,
        "returns": returns,
    }
    steps = RecordedSteps.of(transitions, about)
    write_steps(Path(output), steps)
    return steps


def play(agent: Any, environments: Any, episodes: int, seed: int, deterministic: bool) -> tuple[list[Transition], list]:
    """The transitions of whole episodes, one after the other, and the return of each. Of several environments side by
    side, each plays the next episode as it comes."""
    under_way: list[list[Transition]] = [[] for _ in range(environments.num_envs)]
    whole: list[Transition] = []
    returns: list[float] = []
    environments.reset(seed)
    while len(returns) < episodes:
        action = agent.predict(environments.observation, deterministic)
        step = environments.step(environments.for_agent(action))
        step = step._replace(action=environments.for_env(step.action))
        for i, env in enumerate(step.env.tolist()):
            row = Transition(*(field[i : i + 1] for field in step))
            episode = under_way[env]
            if len(episode) + 1 == LONGEST_EPISODE and not row.terminated[0]:
                row = row._replace(truncated=np.ones(1, np.bool_))
            episode.append(row)
            if row.terminated[0] or row.truncated[0]:
                if len(returns) < episodes:
                    whole += episode
                    returns.append(float(sum(each.reward[0] for each in episode)))
                under_way[env] = []
        if any(len(episode) >= LONGEST_EPISODE for episode in under_way):
            environments.reset(seed + len(returns))
    return whole, returns
