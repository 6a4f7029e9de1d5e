"""GridWorld: a map of cells to walk on, small enough to know everything about it.

The default map is the course's: four columns, three rows, an apple worth 1 that ends the episode, and a bomb worth -1
that doesn't. Any other map is given as text, one character a cell:

| character | cell                                                                                       |
|-----------|--------------------------------------------------------------------------------------------|
| `S`       | a start; where there are several, an episode starts at each of them with equal probability |
| `.`       | free                                                                                       |
| `#`       | a wall: walking into it, or off the map, is staying where one is                           |
| `G`       | a goal: `goal_reward`, and the episode ends                                                |
| `H`       | a hole: `hole_reward`, and the episode ends                                                |
| `B`       | a bomb: `bomb_reward`, and the episode goes on                                             |
| `C`       | a cliff: `cliff_reward`, and back to a start                                               |

The reward of a step is the one of the cell it enters (`step_reward` for `S` and `.`); staying at a cell is entering it
again. With probability `slip` a step goes to one of the two sides instead, to each equally often (Russell & Norvig,
"Artificial Intelligence: A Modern Approach", section on the 4×3 world, have 0.2).

The observation is the number of the cell, row * columns + column.
"""

from __future__ import annotations

import inspect
import math
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space

from .errors import UsageError
from .model import Model

THREE_BY_FOUR = """
...G
.#.B
S...
"""

ACTIONS = ("up", "down", "left", "right")  # their numbers are their places here
MOVES = ((-1, 0), (1, 0), (0, -1), (0, 1))  # (rows, columns)
SIDES = ((2, 3), (2, 3), (0, 1), (0, 1))  # where a step that slips goes

LEGEND = {
    "S": "start",
    ".": "free",
    "#": "wall",
    "G": "goal",
    "H": "hole",
    "B": "bomb",
    "C": "cliff",
}


class Grid:
    """A map and what walking on it does, as tables over its cells (`states` of them).

    rows, columns, states
    cells      (states,) the map's characters
    starts     the cells where episodes start
    entered    (states, 4) the cell that a step in each direction enters
    reward     (states,) for entering a cell
    ends       (states,) bool: entering it ends the episode
    cliff      (states,) bool: entering it leads back to a start
    visitable  (states,) bool: an agent can stand there and go on; not so on walls, cliffs, goals and holes
    slip       the probability that a step goes sideways

    Raises `UsageError` for a map that isn't one: lines of different lengths, unknown characters, no start, or
    a start from which no goal can be reached.
    """

    def __init__(
        self,
        map: str = THREE_BY_FOUR,
        *,
        step_reward: float = 0.0,
        goal_reward: float = 1.0,
        hole_reward: float = -1.0,
        bomb_reward: float = -1.0,
        cliff_reward: float = -100.0,
        slip: float = 0.0,
    ) -> None:
        lines = lines_of(map)
        rewards = {
            "S": step_reward, ".": step_reward, "#": 0.0,
            "G": goal_reward, "H": hole_reward, "B": bomb_reward, "C": cliff_reward,
        }  # fmt: skip
        for character, reward in rewards.items():
            if not math.isfinite(reward):
                raise UsageError(f"the reward of a {LEGEND[character]} must be finite, got {reward}")
        if not 0.0 <= slip <= 1.0:
            raise UsageError(f"slip is a probability, so it must be between 0 and 1, got {slip}")
        self.slip = slip
        self.rows, self.columns = len(lines), len(lines[0])
        self.states = self.rows * self.columns
        self.cells = np.array(list("".join(lines)))
        self.starts = np.flatnonzero(self.cells == "S")
        self.reward = np.array([rewards[cell] for cell in self.cells])
        self.ends = np.isin(self.cells, ["G", "H"])
        self.cliff = self.cells == "C"
        self.visitable = ~np.isin(self.cells, ["#", "C", "G", "H"])
        self.entered = self._cells_entered()
        self._check_goals()

    def _cells_entered(self) -> np.ndarray:
        """(states, 4)"""
        row, column = np.divmod(np.arange(self.states)[:, None], self.columns)
        down, right = np.array(MOVES).T
        row, column = row + down, column + right  # (states, 4)
        inside = (row >= 0) & (row < self.rows) & (column >= 0) & (column < self.columns)
        there = np.where(inside, row * self.columns + column, 0)
        blocked = ~inside | (self.cells[there] == "#")
        return np.where(blocked, np.arange(self.states)[:, None], there)

    def _check_goals(self) -> None:
        """A start without a way to a goal would make every episode endless, which is never meant."""
        if not len(self.starts):
            raise UsageError("the map has no start; mark a cell with S")
        leads_to_goal = self.cells == "G"
        for _ in range(self.states):  # no way is longer
            leads_to_goal = leads_to_goal | (self.visitable & leads_to_goal[self.entered].any(axis=1))
        for start in self.starts[~leads_to_goal[self.starts]]:
            raise UsageError(
                f"no goal can be reached from the start at {self.place(start)}; mark a goal with G and leave a "
                f"way to it"
            )

    def place(self, state: int) -> str:
        row, column = divmod(int(state), self.columns)
        return f"row {row}, column {column} (counted from 0)"

    def check_state(self, state: Any) -> None:
        """Raises `UsageError` unless an episode can start in `state`, one cell or an array of them."""
        given = np.asarray(state)
        if given.dtype.kind not in "iu" or (given < 0).any() or (given >= self.states).any():
            raise UsageError(
                f"a state is a whole number from 0 to {self.states - 1}, row * columns + column; got {state}"
            )
        for bad in given[~self.visitable[given]].flat:
            raise UsageError(
                f"no episode can start in state {bad}, {self.place(bad)}: it is a {LEGEND[self.cells[bad]]}"
            )

    def model(self) -> Model:
        """P(s' | s, a) and r(s, a). Nobody is ever inside a wall or on a cliff: there, as after a goal, nothing
        follows."""
        start = np.zeros(self.states)
        start[self.starts] = 1 / len(self.starts)
        # Where one finds oneself after entering a cell: there, but back at a start after a cliff.
        follows = np.where(self.cliff[:, None], start, np.eye(self.states))  # (states entered, states)
        direction = (1 - self.slip) * np.eye(4)  # (actions, directions)
        for action, sides in enumerate(SIDES):
            direction[action, list(sides)] += self.slip / 2
        probability = np.einsum("ad,sdt->sat", direction, follows[self.entered])
        reward = np.einsum("ad,sd->sa", direction, self.reward[self.entered])
        terminal = ~self.visitable
        probability[terminal] = np.eye(self.states)[terminal][:, None, :]
        reward[terminal] = 0.0
        return Model(probability, reward, terminal, start)


def lines_of(map: str) -> list[str]:
    """The rows of a map; blank lines around it and indentation are layout."""
    if not isinstance(map, str):
        raise UsageError(f"a map is text, one line a row, got {type(map).__name__}")
    lines = [line.rstrip() for line in inspect.cleandoc(map).splitlines()]
    if not any(lines):
        raise UsageError(f"the map is empty; draw it with {legend()}")
    for row, line in enumerate(lines):
        if len(line) != len(lines[0]):
            raise UsageError(
                f"the map's rows must be equally long: row 0 has {len(lines[0])} cells, row {row} has {len(line)}"
            )
        for column, character in enumerate(line):
            if character not in LEGEND:
                raise UsageError(
                    f"unknown cell {character!r} in row {row}, column {column} (counted from 0) of the map; "
                    f"there are {legend()}"
                )
    return lines


def legend() -> str:
    return ", ".join(f"{character} ({meaning})" for character, meaning in LEGEND.items())


class GridWorld(gym.Env[int, int]):
    """One agent on a `Grid`, which takes the same arguments.

    observation_space  Discrete(rows * columns)
    action_space       Discrete(4): 0 up, 1 down, 2 left, 3 right

    `reset(options={"state": s})` starts in state `s`. By itself an episode ends at a goal or a hole only; made by its
    id it is also cut off after 200 steps, so that a policy that walks into a wall comes to an end.
    """

    metadata: dict[str, Any] = {"render_modes": ["ansi", "rgb_array"], "render_fps": 4}  # noqa: RUF012

    def __init__(self, map: str = THREE_BY_FOUR, *, render_mode: str | None = None, **options: float) -> None:
        self.grid = Grid(map, **options)
        self.render_mode = render_mode
        self.observation_space: Any = spaces.Discrete(self.grid.states)
        self.action_space: Any = spaces.Discrete(len(ACTIONS))
        self.state = int(self.grid.starts[0])
        # A single step looks up single numbers, and lists are faster at it than arrays.
        self._entered: list[list[int]] = self.grid.entered.tolist()
        self._reward: list[float] = self.grid.reward.tolist()
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
        if not 0 <= action < len(ACTIONS):  # -1 would be taken for the last one
            raise UsageError(f"an action is 0, 1, 2 or 3 ({', '.join(ACTIONS)}), got {action}")
        if self.grid.slip:
            u = self.np_random.random()
            if u < self.grid.slip:
                action = SIDES[action][u < self.grid.slip / 2]
        entered = self._entered[self.state][action]
        self.state = self._start() if self._cliff[entered] else entered
        return self.state, self._reward[entered], self._ends[entered], False, {}

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

    metadata: dict[str, Any] = {  # noqa: RUF012
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
        **options: float,
    ) -> None:
        if num_envs < 1:
            raise UsageError(f"num_envs must be at least 1, got {num_envs}")
        self.grid = Grid(map, **options)
        self.num_envs = num_envs
        self.max_episode_steps = max_episode_steps
        self.render_mode = render_mode
        self.single_observation_space: Any = spaces.Discrete(self.grid.states)
        self.single_action_space: Any = spaces.Discrete(len(ACTIONS))
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
        # 0 to 3 are the numbers without any bit but the last two.
        if actions.shape != (self.num_envs,) or (actions & ~3).any():
            raise UsageError(
                f"actions must be {self.num_envs} numbers from 0 to 3 ({', '.join(ACTIONS)}), got {actions}"
            )
        if grid.slip:
            u = self.np_random.random(self.num_envs)
            sideways = self._sides[actions, (u < grid.slip / 2).astype(np.intp)]
            actions = np.where(u < grid.slip, sideways, actions)
        entered = grid.entered.take(len(ACTIONS) * self.state + actions)
        reward, terminated = grid.reward.take(entered), grid.ends.take(entered)
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
    from .grid_pictures import map_as_picture, map_as_text

    if render_mode is None:
        raise UsageError('there is nothing to render to; make the environment with render_mode="ansi" or "rgb_array"')
    return map_as_text(grid, state) if render_mode == "ansi" else map_as_picture(grid, state)
