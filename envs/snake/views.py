"""What an agent sees of Snake: numbers for a fully connected network, or an image for a convolutional one.

Both are turned so that the snake always faces up. The actions are relative, too, so what is learned about one
heading holds for all four.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces

from .rules import COLUMNS, LEFT, RIGHT, ROWS, SIGHT, STRAIGHT, Games

ALL = slice(None)


class Features:
    """Numbers about the head's surroundings, (34,) float32 between -1 and 1:

    24   the cells up to two steps away, row by row from the upper left: 0 free, 1 a wall, and of the body's
         cells how much of its length must still pass before they are free (1/length for the tail)
    2    the food, how far ahead and how far to the right, in units of the longest way
    2    the signs of these
    3    the way to the wall on the left, ahead and on the right
    2    the tail, as the food
    1    the length, as part of the board
    """

    def __init__(self, games: Games) -> None:
        self.games = games
        sight = np.arange(-SIGHT, SIGHT + 1)
        ahead, right = (axis.ravel() for axis in np.meshgrid(-sight, sight, indexing="ij"))
        not_head = (ahead != 0) | (right != 0)
        # What each of the cells around a head adds to its number, for each direction.
        self._around = (
            np.outer(games.steps, ahead[not_head]) + np.outer(np.roll(games.steps, -1), right[not_head])
        )  # (4, 24)
        self._seen = self._around.shape[1]
        # Cells by their numbers, in units of the longest way from one to another; walls, too.
        rows, columns = np.indices((games.width, games.width)).reshape(2, -1) - SIGHT
        self._row, self._column = rows / (games.size - 1), columns / (games.size - 1)
        # (4, width²) the way from every cell to the wall in every direction.
        self._way = np.stack([self._row, 1 - self._column, 1 - self._row, self._column])
        self.space = spaces.Box(-1.0, 1.0, (self._seen + 10,), np.float32)

    def see(self, which: Any = ALL) -> np.ndarray:
        """The features of `which` games (an index), (k, features)."""
        games = self.games
        head, direction, clock = games.head[which], games.direction[which], games.clock[which]
        length = games.length[which]
        features = np.empty((len(head), *self.space.shape), np.float32)

        around = self._around[direction]
        around += (games.board_starts[which] + head)[:, None]
        surroundings = features[:, : self._seen]
        np.subtract(games.free_at.ravel().take(around), clock[:, None], out=surroundings)
        surroundings /= length[:, None]
        surroundings.clip(0.0, 1.0, out=surroundings)

        food, walls, tail = features[:, -10:-6], features[:, -6:-3], features[:, -3:-1]
        self._toward(games.food[which], head, direction, out=food)
        np.sign(food[:, :2], out=food[:, 2:])
        for action in (LEFT, STRAIGHT, RIGHT):
            walls[:, action] = self._way[(direction + action - STRAIGHT) & 3, head]
        is_tail = games.free_at[which][:, games.inside] == clock[:, None] + 1
        self._toward(games.inside[is_tail.argmax(1)], head, direction, out=tail)
        features[:, -1] = length / games.cells
        return features

    def _toward(self, cell: np.ndarray, head: np.ndarray, direction: np.ndarray, out: np.ndarray) -> None:
        """How far ahead of the head, and how far to its right, a cell is."""
        down, along = self._row[cell] - self._row[head], self._column[cell] - self._column[head]
        row_step, column_step = ROWS[direction], COLUMNS[direction]
        out[:, 0] = down * row_step + along * column_step
        out[:, 1] = down * column_step - along * row_step


class Image:
    """The whole board in three planes, (3, size, size) uint8: the head, 255; the body, for every cell how much of
    its length must still pass before it is free, from 255 under the head down to the tail; the food, 255."""

    def __init__(self, games: Games) -> None:
        self.games = games
        size = games.size
        turned = [np.rot90(np.arange(games.cells).reshape(size, size), direction) for direction in range(4)]
        self._order = np.stack([view.ravel() for view in turned])  # (4, cells) which cell is where in the view
        self._cells = games.inside[self._order]  # the same, in the numbers of the board
        self._place = np.zeros((4, games.width**2), np.int64)  # and back: where in the view a cell is
        np.put_along_axis(self._place, self._cells, np.arange(games.cells)[None], 1)
        self.space = spaces.Box(0, 255, (3, size, size), np.uint8)

    def see(self, which: Any = ALL) -> np.ndarray:
        """The images of `which` games (an index), (k, 3, size, size)."""
        games = self.games
        direction = games.direction[which]
        k = len(direction)
        planes = np.zeros((k, 3, games.cells), np.uint8)
        rows = np.arange(k)
        planes[rows, 0, self._place[direction, games.head[which]]] = 255
        planes[rows, 2, self._place[direction, games.food[which]]] = 255
        cells = self._cells[direction]
        cells += games.board_starts[which, None]
        left = games.free_at.ravel().take(cells) - games.clock[which, None]
        planes[:, 1] = left.clip(0) * 255 // games.length[which, None]
        return planes.reshape(k, *self.space.shape)


VIEWS = {"features": Features, "image": Image}
