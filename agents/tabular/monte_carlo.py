"""Monte Carlo control: play an episode, average the returns, act better in the next.

    Q(s, a) = average of G_t over the times t at which s_t = s and a_t = a

There is no bootstrapping: an action is worth what really followed it. Every action must be tried in every state, or
there is nothing to average. Either the policy goes on exploring (it is ε-greedy), or every episode starts with a random
action in a random state (exploring starts) and the policy may be greedy, with an ε of 0.

The average counts returns of policies that have been improved since; a constant step size forgets them.

Where an episode was truncated, its return isn't known to the end. The value of the final state, Σ_a π(a | s) Q(s, a),
stands for the rest: leaving such episodes out would leave out all that don't find the goal in time.

Sutton & Barto, "Reinforcement Learning" (2018), sections 5.3 and 5.4; Zhao, "Mathematical Foundations of Reinforcement
Learning" (2025), sections 5.3 and 5.4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import gymnasium as gym
import numpy as np

from envs import Transition, UsageError
from envs.making import make_by_id
from envs.model import model_of

from ..core.state import State
from .parts.control import ControlHyperparameters, TabularControl
from .parts.multi_step import Path, first_visits
from .parts.table import move_estimate, steps_of


@dataclass(frozen=True)
class MonteCarloHyperparameters(ControlHyperparameters):
    visits: Literal["first", "every"] = "first"
    """Which visits to a state and action in an episode count."""
    exploring_starts: bool = False
    """Whether training episodes start with a random action in a random state; evaluation's never do."""


class MonteCarlo(TabularControl):
    name = "monte-carlo"
    Hyperparameters = MonteCarloHyperparameters
    components = {"step_size": "average"}

    def build(self) -> None:
        super().build()
        self.paths = State(steps=[[] for _ in range(self.num_envs)])  # [state, action, reward] each
        if self.hyperparameters.exploring_starts:
            env = self.env
            if not isinstance(env, str):
                raise UsageError("exploring starts need an environment given by its id")
            make = lambda: RandomStart(make_by_id(env, **self.env_options))
            self.environments = self.make_environments(make, self.num_envs)

    def act(self, observation: np.ndarray) -> np.ndarray:
        action = super().act(observation)
        if self.hyperparameters.exploring_starts:
            starting = [not path for path in self.paths.steps]
            action[starting] = self.random["exploration"].integers(int(self.action_space.n), size=sum(starting))
        return action

    def observe(self, transition: Transition) -> None:
        for step in steps_of(self, transition):
            path = self.paths.steps[step.env]
            path.append([step.state, step.action, step.reward])
            if step.terminated or step.truncated:
                self.learn_from(path, 0.0 if step.terminated else self.expected_value(step.next_state))
                path.clear()

    def learn_from(self, path: Path, value: float) -> None:
        """From an episode, after which `value` would have followed."""
        h = self.hyperparameters
        counts = [h.visits == "every" or first for first in first_visits([(s, a) for s, a, _ in path])]
        total = value
        for (state, action, reward), wanted in zip(reversed(path), reversed(counts), strict=True):
            total = reward + h.gamma * total
            if wanted:
                move_estimate(self, (state, action), total)


class RandomStart(gym.Wrapper):
    """Starts every episode in a state drawn uniformly from those after which something follows.

    The environment must have a model, and take `reset(options={"state": s})` or keep its state as `s`, as gymnasium's
    toy-text environments do; else `UsageError`.
    """

    def __init__(self, env: gym.Env) -> None:
        super().__init__(env)
        self.starts = np.flatnonzero(~model_of(env).terminal)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        if seed is not None:
            self.env.reset(seed=seed)
        # The environment's own generator, which is saved and restored with it.
        state = int(self.starts[self.np_random.integers(len(self.starts))])
        observation, info = self.env.reset(options={"state": state})
        core: Any = self.unwrapped
        if hasattr(core, "s"):
            core.s = observation = state
        if observation != state:
            name = self.spec.id if self.spec else type(core).__name__
            raise UsageError(
                f"exploring starts: {name} was asked to start in state {state} and started in {observation}; its reset "
                f"must take options={{'state': s}}"
            )
        return observation, info
