"""What an on-policy agent collects before it learns, all of it with the policy it is about to improve.

    Trajectories    whole episodes, for methods that need an episode's return
    Rollout         the same number of steps of every environment, (time, environments), for those that bootstrap

A vector environment that resets itself in a step of its own (gymnasium's NEXT_STEP) hands over fewer transitions than
there are environments. A rollout's place is then empty: `valid` says so, and the place before it is always the end of
an episode, so that no recursion over time ever reaches it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np

from envs import Transition
from envs.checking import array_dtype

from ..networks.policies import action_layout


class Trajectory(NamedTuple):
    """A whole episode of L steps."""

    observation: np.ndarray  # (L, ...)
    action: np.ndarray  # (L,) or (L, ...)
    reward: np.ndarray  # (L,) float64
    terminated: bool  # else it was cut off
    final_observation: np.ndarray  # (...)


class Trajectories:
    """Whole episodes, until each of `num_envs` environments has played its share of `episodes`, one at least.

    Learning from whichever episodes end first would favour the short ones. An episode that was under way when the
    policy changed belongs to no policy, and is left out.
    """

    def __init__(self, num_envs: int, episodes: int) -> None:
        self.share = -(-episodes // num_envs)
        self._steps: list[list[tuple[Any, Any, Any]]] = [[] for _ in range(num_envs)]
        self._finished: list[list[Trajectory]] = [[] for _ in range(num_envs)]
        self._in_episode = [False] * num_envs
        self._left_out = [False] * num_envs  # the episode under way

    def add(self, transition: Transition) -> None:
        for i, env in enumerate(transition.env.tolist()):
            terminated = bool(transition.terminated[i])
            ended = terminated or bool(transition.truncated[i])
            if not self._left_out[env] and len(self._finished[env]) < self.share:
                steps = self._steps[env]
                steps.append((transition.observation[i], transition.action[i], transition.reward[i]))
                if ended:
                    observation, action, reward = stacked(steps)
                    final = transition.next_observation[i]
                    self._finished[env].append(Trajectory(observation, action, reward, terminated, final))
                    steps.clear()
            self._in_episode[env] = not ended
            if ended:
                self._left_out[env] = False

    @property
    def complete(self) -> bool:
        return all(len(finished) == self.share for finished in self._finished)

    def take(self) -> list[Trajectory]:
        """The episodes; and starts again, for the next policy."""
        taken = [trajectory for finished in self._finished for trajectory in finished]
        self._finished = [[] for _ in self._finished]
        self._left_out = list(self._in_episode)
        return taken

    def state_dict(self) -> dict[str, Any]:
        return {
            "steps": [stacked(steps) if steps else None for steps in self._steps],
            "finished": [[list(trajectory) for trajectory in finished] for finished in self._finished],
            "in_episode": list(self._in_episode),
            "left_out": list(self._left_out),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._steps = [list(zip(*steps, strict=True)) if steps else [] for steps in state["steps"]]
        self._finished = [[Trajectory(*saved) for saved in finished] for finished in state["finished"]]
        self._in_episode, self._left_out = list(state["in_episode"]), list(state["left_out"])


def stacked(steps: list[tuple[Any, Any, Any]]) -> list[np.ndarray]:
    """Observations (L, ...), actions (L, ...) and rewards (L,) of steps."""
    return [np.array(column) for column in zip(*steps, strict=True)]


def joined(trajectories: list[Trajectory]) -> tuple[np.ndarray, np.ndarray]:
    """The observations and the actions of all steps of all trajectories, one after the other."""
    return (
        np.concatenate([trajectory.observation for trajectory in trajectories]),
        np.concatenate([trajectory.action for trajectory in trajectories]),
    )


class Steps(NamedTuple):
    """A rollout: T steps of N environments. Where `valid` is False the other fields are 0."""

    observation: np.ndarray  # (T, N, ...)
    action: np.ndarray  # (T, N) or (T, N, ...)
    reward: np.ndarray  # (T, N) float32
    terminated: np.ndarray  # (T, N) bool
    truncated: np.ndarray  # (T, N) bool
    next_observation: np.ndarray  # (T, N, ...), at the end of an episode the final one
    valid: np.ndarray  # (T, N) bool


class Rollout:
    """`steps` steps of `num_envs` environments. The arrays are made once; `take` lends them until the next `add`."""

    def __init__(self, steps: int, num_envs: int, observation_space: gym.Space, action_space: gym.Space) -> None:
        observation = (observation_space.shape or (), array_dtype("rollout", observation_space))
        layouts = (
            observation,
            action_layout(action_space),
            ((), np.float32),
            ((), np.bool_),
            ((), np.bool_),
            observation,
            ((), np.bool_),
        )
        self.arrays = Steps(*(np.zeros((steps, num_envs, *shape), dtype) for shape, dtype in layouts))
        self.steps, self.num_envs = steps, num_envs
        self.filled = 0

    def add(self, transition: Transition) -> None:
        if not len(transition.env):  # all of them reset themselves
            return
        row, arrays = self.filled, self.arrays
        at: Any = slice(None)  # costs half of what indexing with all the environments does
        if len(transition.env) < self.num_envs:
            at = transition.env
            for field in arrays:
                field[row] = 0
        arrays.observation[row, at] = transition.observation
        arrays.action[row, at] = transition.action
        arrays.reward[row, at] = transition.reward
        arrays.terminated[row, at] = transition.terminated
        arrays.truncated[row, at] = transition.truncated
        arrays.next_observation[row, at] = transition.next_observation
        arrays.valid[row, at] = True
        self.filled += 1

    @property
    def full(self) -> bool:
        return self.filled == self.steps

    def take(self) -> Steps:
        """The rollout; and starts again."""
        self.filled = 0
        return self.arrays

    def state_dict(self) -> dict[str, Any]:
        return {"arrays": {name: field[: self.filled].copy() for name, field in self.arrays._asdict().items()}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.filled = len(state["arrays"]["valid"])
        for name, rows in state["arrays"].items():
            getattr(self.arrays, name)[: self.filled] = rows


def spread(values: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Values of the valid steps, (valid steps,), where they belong in (T, N); 0 elsewhere. The inverse of indexing with
    `valid`."""
    found = np.zeros(valid.shape, values.dtype)
    found[valid] = values
    return found
