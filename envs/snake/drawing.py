"""A picture of Snake, in NumPy alone. Every shape is a distance: a pixel is inside a stroke if the nearest point of its
middle line is nearer than half its width, and on the rim the colour is mixed, which makes the edges smooth."""

from __future__ import annotations

import numpy as np

from .rules import COLUMNS, ROWS, Games

CELL = 32  # pixels
FRAME = 16

GROUND = np.array([[170, 215, 81], [162, 209, 73]], np.float64)  # a chequered lawn
WALL = np.array([87, 138, 52], np.float64)
HEAD, TAIL = np.array([46, 78, 196], np.float64), np.array([122, 158, 245], np.float64)
FOOD, LEAF = np.array([225, 58, 44], np.float64), np.array([60, 125, 40], np.float64)
WHITE, BLACK = np.full(3, 255.0), np.full(3, 20.0)


class Canvas:
    """Pixels, (height, width, 3), and where their middles are."""

    def __init__(self, pixels: np.ndarray) -> None:
        self.pixels = pixels
        self.y, self.x = np.indices(pixels.shape[:2]) + 0.5

    def stroke(self, start: np.ndarray, end: np.ndarray, width: float, color: np.ndarray) -> None:
        """A line with round ends between two points (y, x); a disc, if they are the same."""
        radius = width / 2
        # Only the pixels around it, or every stroke would cost as much as the whole picture.
        low = np.floor(np.minimum(start, end) - radius - 1).astype(int).clip(0)
        high = np.ceil(np.maximum(start, end) + radius + 1).astype(int)
        box = np.s_[low[0] : high[0], low[1] : high[1]]
        y, x = self.y[box] - start[0], self.x[box] - start[1]
        dy, dx = end - start
        along = ((y * dy + x * dx) / max(dy * dy + dx * dx, 1e-9)).clip(0.0, 1.0)
        distance = np.hypot(y - along * dy, x - along * dx)
        cover = (radius + 0.5 - distance).clip(0.0, 1.0)[..., None]
        self.pixels[box] += cover * (color - self.pixels[box])

    def disc(self, middle: np.ndarray, width: float, color: np.ndarray) -> None:
        self.stroke(middle, middle, width, color)


def picture(games: Games, game: int = 0) -> np.ndarray:
    """(height, width, 3) uint8."""
    size = games.size
    side = size * CELL + 2 * FRAME
    pixels = np.empty((side, side, 3))
    pixels[:] = WALL
    rows, columns = np.indices((size * CELL, size * CELL)) // CELL
    pixels[FRAME:-FRAME, FRAME:-FRAME] = GROUND[(rows + columns) % 2]
    canvas = Canvas(pixels)

    body = games.body(game)
    middles = FRAME + (body + 0.5) * CELL  # (length, 2)
    if len(body) < games.cells:
        (place,) = np.flatnonzero(games.inside == games.food[game])
        food = FRAME + (np.array(divmod(int(place), size)) + 0.5) * CELL
        canvas.disc(food + [1, 0], CELL * 0.62, FOOD)
        canvas.disc(food + CELL * np.array([-0.08, -0.12]), CELL * 0.14, FOOD + 0.5 * (WHITE - FOOD))
        canvas.stroke(food - [CELL * 0.28, 0], food + CELL * np.array([-0.4, 0.1]), CELL * 0.1, LEAF)

    for i in range(len(body) - 1, 0, -1):  # from the tail, so that the head lies on top
        age = i / max(len(body) - 1, 1)
        canvas.stroke(middles[i], middles[i - 1], CELL * (0.72 - 0.22 * age), HEAD + age * (TAIL - HEAD))
    direction = int(games.direction[game])
    ahead = np.array([ROWS[direction], COLUMNS[direction]])
    aside = np.array([ahead[1], -ahead[0]])
    canvas.disc(middles[0], CELL * 0.84, HEAD)
    for side_of_head in (-1, 1):
        eye = middles[0] + CELL * (0.14 * ahead + 0.2 * side_of_head * aside)
        canvas.disc(eye, CELL * 0.26, WHITE)
        canvas.disc(eye + CELL * 0.05 * ahead, CELL * 0.13, BLACK)
    return (canvas.pixels + 0.5).astype(np.uint8)
