"""A map of cells to walk on, and what walking on it does.

The default map is the course's: four columns, three rows, an apple worth 1 that ends the episode, and a bomb worth -1
that doesn't. Any other map is given as text, one character a cell:

| character | cell                                                                                       |
|-----------|--------------------------------------------------------------------------------------------|
| `S`       | a start; where there are several, an episode starts at each of them with equal probability |
| `.`       | free                                                                                       |
| `#`       | a wall: walking into it, or off the map, is staying where one is                           |
| `G`       | a goal: `goal_reward`, and the episode ends, or goes on with `goal_ends=False`             |
| `H`       | a hole: `hole_reward`, and the episode ends                                                |
| `B`       | a bomb: `bomb_reward`, and the episode goes on                                             |
| `X`       | forbidden, but it can be entered: `forbidden_reward`, and the episode goes on              |
| `C`       | a cliff: `cliff_reward`, and back to a start                                               |

The reward of a step is the one of the cell it enters (`step_reward` for `S` and `.`); staying at a cell is entering it
again. A step off the map can have a reward of its own, `boundary_reward`. With `stay=True` there is a fifth action,
which stays where one is. With probability `slip` a step goes to one of the two sides instead, to each equally often
(Russell & Norvig, "Artificial Intelligence: A Modern Approach", section on the 4×3 world, have 0.2). Staying never
slips.

The grids of Zhao, "Mathematical Foundations of Reinforcement Learning" (2025), need four of these. This is its first:

    Grid("SX\n.G", stay=True, goal_ends=False, boundary_reward=-1.0)

A state is the number of a cell, row * columns + column.
"""

from __future__ import annotations

import inspect
import math
from typing import Any

import numpy as np

from .errors import UsageError
from .model import Model

THREE_BY_FOUR = """
...G
.#.B
S...
"""

ACTIONS = ("up", "down", "left", "right", "stay")  # their numbers are their places here; not every grid has the last
MOVES = ((-1, 0), (1, 0), (0, -1), (0, 1), (0, 0))  # (rows, columns)
SIDES = ((2, 3), (2, 3), (0, 1), (0, 1), (4, 4))  # where a step that slips goes

LEGEND = {
    "S": "start",
    ".": "free",
    "#": "wall",
    "G": "goal",
    "H": "hole",
    "B": "bomb",
    "X": "forbidden cell",
    "C": "cliff",
}


class Grid:
    """A map and what walking on it does, as tables over its cells (`states` of them).

    rows, columns, states
    cells      (states,) the map's characters
    starts     the cells where episodes start
    actions    their names, in the order of their numbers; there are A
    entered    (states, A) the cell that a step enters
    gained     (states, A) the reward of a step
    reward     (states,) for entering a cell
    ends       (states,) bool: entering it ends the episode
    cliff      (states,) bool: entering it leads back to a start
    visitable  (states,) bool: an agent can stand there and go on; not so on walls, cliffs, holes, and goals that end
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
        forbidden_reward: float = -1.0,
        cliff_reward: float = -100.0,
        boundary_reward: float | None = None,
        goal_ends: bool = True,
        stay: bool = False,
        slip: float = 0.0,
    ) -> None:
        lines = lines_of(map)
        rewards = {
            "S": step_reward, ".": step_reward, "#": 0.0,
            "G": goal_reward, "H": hole_reward, "B": bomb_reward, "X": forbidden_reward, "C": cliff_reward,
        }  # fmt: skip
        for character, reward in rewards.items():
            if not math.isfinite(reward):
                raise UsageError(f"the reward of a {LEGEND[character]} must be finite, got {reward}")
        if boundary_reward is not None and not math.isfinite(boundary_reward):
            raise UsageError(f"boundary_reward must be finite, or None for the cell's reward, got {boundary_reward}")
        for name, flag in (("goal_ends", goal_ends), ("stay", stay)):
            if not isinstance(flag, bool):
                raise UsageError(f"{name} must be True or False, got {flag!r}")
        if not 0.0 <= slip <= 1.0:
            raise UsageError(f"slip is a probability, so it must be between 0 and 1, got {slip}")
        self.slip = slip
        self.rows, self.columns = len(lines), len(lines[0])
        self.states = self.rows * self.columns
        self.cells = np.array(list("".join(lines)))
        self.starts = np.flatnonzero(self.cells == "S")
        self.reward = np.array([rewards[cell] for cell in self.cells])
        self.ends = np.isin(self.cells, ["G", "H"] if goal_ends else ["H"])
        self.cliff = self.cells == "C"
        self.visitable = ~(self.ends | self.cliff | (self.cells == "#"))
        self.actions = ACTIONS if stay else ACTIONS[:-1]
        self.entered, leaves_map = self._follow_moves()
        self.gained = self.reward[self.entered]
        if boundary_reward is not None:
            self.gained[leaves_map] = boundary_reward
        self._check_goals()

    def _follow_moves(self) -> tuple[np.ndarray, np.ndarray]:
        """(states, A) each: the cell that a step enters, and whether it would have left the map."""
        row, column = np.divmod(np.arange(self.states)[:, None], self.columns)
        down, right = np.array(MOVES[: len(self.actions)]).T
        row, column = row + down, column + right  # (states, A)
        inside = (row >= 0) & (row < self.rows) & (column >= 0) & (column < self.columns)
        there = np.where(inside, row * self.columns + column, 0)
        blocked = ~inside | (self.cells[there] == "#")
        return np.where(blocked, np.arange(self.states)[:, None], there), ~inside

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
        direction = (1 - self.slip) * np.eye(len(self.actions))  # (actions, directions)
        for action, sides in enumerate(SIDES[: len(self.actions)]):
            for side in sides:
                direction[action, side] += self.slip / 2
        probability = np.einsum("ad,sdt->sat", direction, follows[self.entered])
        reward = np.einsum("ad,sd->sa", direction, self.gained)
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
