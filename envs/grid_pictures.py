"""Values, policies and visits on a grid, as text and as pictures."""

from __future__ import annotations

import numpy as np

from .gridworld import Grid

CELL = 48  # pixels
COLOURS = {
    "S": (225, 233, 245),
    ".": (250, 250, 250),
    "#": (90, 90, 90),
    "G": (198, 232, 200),
    "H": (40, 40, 60),
    "B": (250, 214, 208),
    "C": (196, 160, 120),
}


def map_as_text(grid: Grid, state: int | None = None) -> str:
    """The map, with the agent in `state` as `A`."""
    cells = grid.cells.copy()
    if state is not None:
        cells[state] = "A"
    return "\n".join("".join(row) for row in cells.reshape(grid.rows, grid.columns))


def map_as_picture(grid: Grid, state: int | None = None) -> np.ndarray:
    """(rows * 48, columns * 48, 3) uint8"""
    cells = np.array([COLOURS[cell] for cell in grid.cells], np.uint8).reshape(grid.rows, grid.columns, 3)
    picture = cells.repeat(CELL, axis=0).repeat(CELL, axis=1)
    return picture
