"""The rules of Snake, for any number of boards at once: what the single and the vectorised environment share.

A board is a row of numbers, one for each cell: the time at which the cell becomes free. A snake's clock ticks
with every move on which it doesn't eat. A head that enters a cell at time t with length L writes t + L there,
and the cell is occupied while that is more than the clock: for L ticks, which is how long a body of length L takes
to pass. So a move writes one number, whatever the length; and eating, which makes the body longer by one, is a
move on which the clock stands still. A border of walls, which never become free, goes around the cells, so that looking
anywhere near a head needs no bounds.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import UsageError

SMALLEST = 6
START_LENGTH = 3
LEFT, STRAIGHT, RIGHT = range(3)
# What the agent sees of the board's cells without an image: this far to every side of the head.
SIGHT = 2
WALL = np.iinfo(np.int32).max  # the time at which a wall becomes free: never

# Directions count clockwise: up, right, down, left. The step of each, in rows and columns.
ROWS = np.array([-1, 0, 1, 0])
COLUMNS = np.array([0, 1, 0, -1])


class Games:
    """`count` games of Snake side by side, each with its own stream of random numbers.

    A game goes on as if nothing had happened if it is moved after its end; who plays must `start` it again.
    """

    # What the future depends on: one array each, with a row for every game.
    STATE = ("free_at", "clock", "length", "head", "direction", "food", "hunger", "stream")

    def __init__(self, count: int, size: int) -> None:
        if isinstance(size, bool) or not isinstance(size, int | np.integer) or size < SMALLEST:
            raise UsageError(f"Snake's size must be a whole number from {SMALLEST} up, got {size!r}")
        self.count, self.size = count, int(size)
        self.cells = self.size**2
        # A way through every cell finds the food in as many steps as there are cells; twice as many is going round
        # in circles.
        self.patience = 2 * self.cells
        self.width = self.size + 2 * SIGHT
        self.inside = self.cell(*np.indices((self.size, self.size))).ravel()  # (cells,) row by row
        self.steps = ROWS * self.width + COLUMNS  # (4,) what a direction adds to a cell's number

        middle = self.size // 2
        body = self.cell(middle, middle - np.arange(START_LENGTH))  # head first, heading right
        self._first_head = body[0]
        self._first_board = np.full(self.width**2, WALL, np.int32)
        self._first_board[self.inside] = 0
        self._first_board[body] = np.arange(START_LENGTH, 0, -1)

        self._all = np.arange(count)
        self.board_starts = self._all * self.width**2  # where each game's board begins in `free_at.ravel()`
        self.free_at = np.tile(self._first_board, (count, 1))  # (count, width²)
        self.clock = np.zeros(count, np.int32)
        self.length = np.zeros(count, np.int32)
        self.head = np.zeros(count, np.int64)
        self.direction = np.zeros(count, np.int64)
        self.food = np.zeros(count, np.int64)
        self.hunger = np.zeros(count, np.int64)  # steps since it last ate
        self.stream = np.zeros(count, np.uint64)

    def cell(self, row: Any, column: Any) -> Any:
        """The number of a cell, counted in rows and columns from the upper left one inside the walls."""
        return (row + SIGHT) * self.width + column + SIGHT

    def seed(self, generators: list[np.random.Generator]) -> None:
        """Begins every game's stream of random numbers, each from its own generator."""
        self.stream = np.array([g.integers(2**64, dtype=np.uint64) for g in generators])

    def start(self, games: np.ndarray) -> None:
        """Puts these games, (k,) of their numbers, at their beginning."""
        self.free_at[games] = self._first_board
        self.clock[games] = 0
        self.length[games] = START_LENGTH
        self.head[games] = self._first_head
        self.direction[games] = 1
        self.hunger[games] = 0
        self.place_food(games)

    def move(self, action: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Takes an action, (count,) of `LEFT`, `STRAIGHT`, `RIGHT`, in every game. Returns the rewards, and whose
        game terminated and whose was truncated, (count,) each. Who dies stays where it was."""
        self.direction += action - STRAIGHT
        self.direction &= 3
        ahead = self.head + self.steps[self.direction]
        ate = ahead == self.food
        at = ahead + self.board_starts
        # The cell that the tail is about to leave is free to enter: the body moves all at once. Food never
        # lies on a tail, so who eats needn't be told apart here.
        died = self.free_at.ravel().take(at) > self.clock + 1
        stays = ate | died
        self.clock += ~stays
        self.length += ate
        self.head = np.where(died, self.head, ahead)
        # A dead head's cell gets the number that is there already.
        self.free_at.ravel()[self.head + self.board_starts] = self.clock + self.length
        self.hunger += 1
        if ate.any():
            eaters = ate.nonzero()[0]
            self.hunger[eaters] = 0
            self.place_food(eaters)
        terminated = died | (self.length == self.cells)
        truncated = (self.hunger >= self.patience) & ~terminated
        return np.subtract(ate, died, dtype=np.float64), terminated, truncated

    def place_food(self, games: np.ndarray) -> None:
        """New food on any free cell of these games' boards, each cell as likely as another. On a full board it
        stays where it was just eaten, under the head."""
        free = self.free_at[games[:, None], self.inside] <= self.clock[games, None]  # (k, cells)
        chosen = (self.uniform(games) * (self.cells - self.length[games])).astype(np.int64)
        nth_free = free.cumsum(1) > chosen[:, None]
        self.food[games] = np.where(nth_free[:, -1], self.inside[nth_free.argmax(1)], self.head[games])

    def uniform(self, games: np.ndarray) -> np.ndarray:
        """The next random number of these games, (k,) in [0, 1).

        SplitMix64 (Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014, figure
        16): of all the games at once, where a generator object for each would have to be called in a loop.
        """
        z = self.stream[games] + np.uint64(0x9E3779B97F4A7C15)
        self.stream[games] = z
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return ((z ^ (z >> np.uint64(31))) >> np.uint64(11)) * 2.0**-53

    def body(self, game: int = 0) -> np.ndarray:
        """The rows and columns of a snake's cells, (length, 2), the head first."""
        left = self.free_at[game, self.inside] - self.clock[game]
        order = np.argsort(-left)[: self.length[game]]
        return np.stack(np.divmod(order, self.size), 1)

    def get_state(self) -> dict[str, Any]:
        return {name: getattr(self, name).copy() for name in self.STATE}

    def set_state(self, state: dict[str, Any]) -> None:
        for name in self.STATE:
            mine = getattr(self, name)
            mine[:] = np.asarray(state[name], mine.dtype)
