"""GridWorld: one agent, or many, on a map that is small enough to know everything about it (grid.py has the map and its
options).

The observation is the number of the cell, row * columns + column.
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space

from .errors import UsageError
from .grid import SIDES, THREE_BY_FOUR, Grid
from .grid_pictures import map_as_picture, map_as_text
from .model import Model


class GridWorld(gym.Env[int, int]):
    """One agent on a `Grid`, which takes the same arguments.

    observation_space  Discrete(rows * columns)
    action_space       Discrete(4): 0 up, 1 down, 2 left, 3 right; Discrete(5) with `stay=True`: 4 stay

    `reset(options={"state": s})` starts in state `s`. By itself an episode ends at a goal or a hole only. Made by its
    id it is also cut off after 200 steps, so that a policy that walks into a wall comes to an end.
    """

    metadata: dict[str, Any] = {"render_modes": ["ansi", "rgb_array"], "render_fps": 4}

    def __init__(self, map: str = THREE_BY_FOUR, *, render_mode: str | None = None, **options: Any) -> None:
        self.grid = Grid(map, **options)
        self.render_mode = render_mode
        self.observation_space: Any = spaces.Discrete(self.grid.states)
        self.action_space: Any = spaces.Discrete(len(self.grid.actions))
        self.state = int(self.grid.starts[0])
        # A single step looks up single numbers, and lists are faster at it than arrays.
        self._entered: list[list[int]] = self.grid.entered.tolist()
        self._gained: list[list[float]] = self.grid.gained.tolist()
        self._ends: list[bool] = self.grid.ends.tolist()
        self._cliff: list[bool] = self.grid.cliff.tolist()
        self._starts: list[int] = self.grid.starts.tolist()

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        super().reset(seed=seed)
        if options and "state" in options:
            self.grid.check_state(options["state"])
            self.state = int(options["state"])
        else:
            self.state = self._start()
        return self.state, {}

    def step(self, action: int) -> tuple[int, float, bool, bool, dict[str, Any]]:
        names = self.grid.actions
        if not 0 <= action < len(names):  # -1 would be taken for the last one
            raise UsageError(f"an action is a number from 0 to {len(names) - 1} ({', '.join(names)}), got {action}")
        if self.grid.slip:
            u = self.np_random.random()
            if u < self.grid.slip:
                action = SIDES[action][u < self.grid.slip / 2]
        entered, gained = self._entered[self.state][action], self._gained[self.state][action]
        self.state = self._start() if self._cliff[entered] else entered
        return self.state, gained, self._ends[entered], False, {}

    def _start(self) -> int:
        starts = self._starts
        return starts[0] if len(starts) == 1 else starts[self.np_random.integers(len(starts))]

    def model(self) -> Model:
        return self.grid.model()

    def render(self) -> Any:
        return frame(self.grid, self.state, self.render_mode)

    def get_state(self) -> dict[str, Any]:
        """Everything the environment's future depends on, as JSON-able values."""
        return {"random": self.np_random.bit_generator.state, "state": self.state}

    def set_state(self, state: dict[str, Any]) -> None:
        self.np_random.bit_generator.state = state["random"]
        self.state = state["state"]


class GridWorldVector(gym.vector.VectorEnv):
    """`num_envs` agents on copies of one `Grid`, all stepped by the same few array operations.

    An agent whose episode ends is at its next start already when `step` returns (`AutoresetMode.SAME_STEP`); the
    state in which the episode ended is in `infos["final_obs"]`. `max_episode_steps` cuts episodes off, as
    gymnasium's `TimeLimit` does for one environment.
    """

    metadata: dict[str, Any] = {
        **GridWorld.metadata,
        "autoreset_mode": AutoresetMode.SAME_STEP,
    }

    def __init__(
        self,
        map: str = THREE_BY_FOUR,
        *,
        num_envs: int = 1,
        max_episode_steps: int | None = None,
        render_mode: str | None = None,
        **options: Any,
    ) -> None:
        if num_envs < 1:
            raise UsageError(f"num_envs must be at least 1, got {num_envs}")
        self.grid = Grid(map, **options)
        self.num_envs = num_envs
        self.max_episode_steps = max_episode_steps
        self.render_mode = render_mode
        self.single_observation_space: Any = spaces.Discrete(self.grid.states)
        self.single_action_space: Any = spaces.Discrete(len(self.grid.actions))
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.state = np.full(num_envs, self.grid.starts[0])
        self._elapsed = np.zeros(num_envs, np.int64)
        self._has_cliff = bool(self.grid.cliff.any())
        self._sides = np.array(SIDES)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        """`options={"state": s}` starts in `s`, one state for all of them or one each."""
        super().reset(seed=seed)
        if options and "state" in options:
            self.grid.check_state(options["state"])
            self.state = np.full(self.num_envs, options["state"], np.int64)
        else:
            self.state = self._start(self.num_envs)
        self._elapsed = np.zeros(self.num_envs, np.int64)
        return self.state.copy(), {}

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        grid = self.grid
        actions = np.asarray(actions)
        names = grid.actions
        if actions.shape != (self.num_envs,) or actions.min() < 0 or actions.max() >= len(names):
            raise UsageError(
                f"actions must be {self.num_envs} numbers from 0 to {len(names) - 1} ({', '.join(names)}), "
                f"got {actions}"
            )
        if grid.slip:
            u = self.np_random.random(self.num_envs)
            sideways = self._sides[actions, (u < grid.slip / 2).astype(np.intp)]
            actions = np.where(u < grid.slip, sideways, actions)
        place = len(names) * self.state + actions
        entered, reward = grid.entered.take(place), grid.gained.take(place)
        terminated = grid.ends.take(entered)
        after = entered
        if self._has_cliff:
            fell = grid.cliff.take(entered)
            if fell.any():
                after = entered.copy()
                after[fell] = self._start(int(np.count_nonzero(fell)))

        self._elapsed += 1
        if self.max_episode_steps is None:
            truncated = np.zeros(self.num_envs, np.bool_)
        else:
            truncated = self._elapsed >= self.max_episode_steps
        ended = terminated | truncated
        infos: dict[str, Any] = {}
        if ended.any():
            infos = {"final_obs": after, "_final_obs": ended}
            after = after.copy()
            after[ended] = self._start(int(np.count_nonzero(ended)))
            self._elapsed[ended] = 0
        self.state = after
        return after.copy(), reward, terminated, truncated, infos  # a copy is safe to write to

    def _start(self, count: int) -> np.ndarray:
        """(count,) states to start in"""
        starts = self.grid.starts
        if len(starts) == 1:
            return np.full(count, starts[0])
        return starts[self.np_random.integers(len(starts), size=count)]

    def model(self) -> Model:
        """Of one environment."""
        return self.grid.model()

    def render(self) -> tuple[Any, ...]:
        return tuple(frame(self.grid, state, self.render_mode) for state in self.state.tolist())

    def get_state(self) -> dict[str, Any]:
        """Everything the environments' future depends on."""
        return {
            "random": self.np_random.bit_generator.state,
            "state": self.state.copy(),
            "elapsed": self._elapsed.copy(),
        }

    def set_state(self, state: dict[str, Any]) -> None:
        self.np_random.bit_generator.state = state["random"]
        self.state = np.array(state["state"])
        self._elapsed = np.array(state["elapsed"])


def frame(grid: Grid, state: int, render_mode: str | None) -> Any:
    """The map with the agent on it, as text or as a picture."""
    if render_mode is None:
        raise UsageError('there is nothing to render to; make the environment with render_mode="ansi" or "rgb_array"')
    return map_as_text(grid, state) if render_mode == "ansi" else map_as_picture(grid, state)
