"""What an agent sees of Snake: numbers for a fully connected network, or an image for a convolutional one.

Both are turned so that the snake always faces up. The actions are relative, too, so what is learned about one
heading holds for all four.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces

from .rules import COLUMNS, ROWS, SIGHT, Games

ALL = slice(None)


class Features:
    """Numbers about the head's surroundings, (27,) float32 between -1 and 1:

    24   the cells up to two steps away, row by row from the upper left: 0 free, 1 a wall, and of the body's
         cells how much of its length must still pass before they are free (1/length for the tail)
    2    the food: how far ahead and how far to the right, in units of the longest way
    1    the length, as part of the board

    The usual eleven (danger on the left, ahead, on the right, the heading, the food's direction) don't say what
    lies behind the next cell, nor whether it will be gone by then.
    """

    def __init__(self, games: Games) -> None:
        self.games = games
        sight = np.arange(-SIGHT, SIGHT + 1)
        ahead, right = (axis.ravel() for axis in np.meshgrid(-sight, sight, indexing="ij"))
        not_head = (ahead != 0) | (right != 0)
        # What each of the cells around a head adds to its number, for each direction; one direction further
        # clockwise is to the right.
        to_the_right = np.roll(games.steps, -1)
        self._around = (
            np.outer(games.steps, ahead[not_head]) + np.outer(to_the_right, right[not_head])
        )  # (4, 24)
        self._seen = self._around.shape[1]
        # (width²,) where a cell is, in units of the longest way from one to another
        self._row, self._column = np.indices((games.width, games.width)).reshape(2, -1) / (games.size - 1)
        self.space = spaces.Box(-1.0, 1.0, (self._seen + 3,), np.float32)

    def see(self, which: Any = ALL) -> np.ndarray:
        """The features of `which` games (an index), (k, features)."""
        games = self.games
        head, direction, food = games.head[which], games.direction[which], games.food[which]
        length = games.length[which]
        features = np.empty((len(head), self._seen + 3), np.float32)

        around = self._around[direction]
        around += (games.board_starts[which] + head)[:, None]
        cells = features[:, : self._seen]
        np.subtract(games.free_at.ravel().take(around), games.clock[which, None], out=cells)
        cells /= length[:, None]
        cells.clip(0.0, 1.0, out=cells)

        down, along = self._row[food] - self._row[head], self._column[food] - self._column[head]
        row_step, column_step = ROWS[direction], COLUMNS[direction]
        features[:, -3] = down * row_step + along * column_step
        features[:, -2] = down * column_step - along * row_step
        features[:, -1] = length / games.cells
        return features


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
