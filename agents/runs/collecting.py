"""`minigrad collect`: records what an agent does, as steps to learn from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from envs import Environments, Transition
from envs.checking import shown
from envs.errors import whole_number
from envs.wrapped import WrappedEnvironments

from ..core.evaluation import EVALUATION_SEED, environments_for, play, training_left_alone
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

    An episode is cut off after 27,000 steps: it is truncated. `BC(env, data=output)`, or `--data`, learns from such a
    file."""
    episodes, seed = whole_number("episodes", episodes, least=1), whole_number("seed", seed, least=0)
    environments = environments_for(agent, None)
    # Below the agent's wrappers: what is recorded is what the environment shows and takes.
    recorder = Recorder(environments.bottom)
    with training_left_alone(agent, environments, seed):
        try:
            play(agent, agent.make_environments(recorder), episodes, seed, deterministic)
        finally:
            if environments is not agent.environments:
                environments.close()
    played = recorder.take(episodes)
    about = {
        "env": environments.name,
        "env_options": agent.env_options,
        "spaces": [shown(space) for space in environments.env_spaces],
        "agent": qualified_name(type(agent)),
        "agent_seed": agent.seed,
        "agent_steps": agent.steps,
        "seed": seed,
        "episodes": episodes,
        "returns": [float(sum(step.reward[0] for step in episode)) for episode in played],
    }
    steps = RecordedSteps.of([step for episode in played for step in episode], about)
    write_steps(Path(output), steps)
    return steps


class Recorder(WrappedEnvironments):
    """`environments`, and the steps of every episode that was played in each of them."""

    def __init__(self, environments: Environments) -> None:
        super().__init__(environments, environments.observation_space, environments.action_space)
        self._episodes: list[list[list[Transition]]] = [[[]] for _ in range(self.num_envs)]

    def reset(self, seed: int) -> None:
        self._cut_off()
        super().reset(seed)

    def step(self, action: np.ndarray) -> Transition:
        transition = super().step(action)
        taken = transition._replace(action=self.for_env(transition.action))
        for i, env in enumerate(transition.env.tolist()):
            # A copy: a vector environment may hand out the same array at every step.
            self._episodes[env][-1].append(Transition(*(np.array(field[i : i + 1]) for field in taken)))
            if transition.terminated[i] or transition.truncated[i]:
                self._episodes[env].append([])
        return transition

    def _cut_off(self) -> None:
        """Ends the episodes that are under way."""
        for episodes in self._episodes:
            if episodes[-1]:
                episodes[-1][-1] = episodes[-1][-1]._replace(truncated=np.ones(1, np.bool_))
                episodes.append([])

    def take(self, count: int) -> list[list[Transition]]:
        """The steps of `count` episodes, of each environment its share, as `play` counts them."""
        self._cut_off()
        shares = [len(range(i, count, self.num_envs)) for i in range(self.num_envs)]
        return [episode for of, share in zip(self._episodes, shares, strict=True) for episode in of[:share]]
