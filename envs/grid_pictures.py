"""What is known about a grid's cells, as text and as pictures: values, policies, visits.

    print(values_as_text(env, values))
    print(policy_as_text(env, greedy_policy(action_values)))
    draw(env, values=values, policy=greedy_policy(action_values), path="values.png")
    draw(env, visits=visits, path="visits.png")

Values and visits are arrays (states,). A policy is (states,) actions, or (states, A) probabilities of the
grid's A actions. Wherever a grid is
asked for, an environment on one will do.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from .errors import UsageError
from .grid import LEGEND, MOVES, Grid

ARROWS = "↑↓←→○"  # in the order of the actions

CELL = 48  # pixels, in `map_as_picture`
INK = (70, 70, 75)
COLOURS = {
    "S": (222, 232, 246),
    ".": (250, 250, 248),
    "#": (96, 100, 108),
    "G": (206, 234, 204),
    "H": (250, 250, 248),
    "B": (250, 250, 248),
    "X": (246, 200, 138),
    "C": (158, 128, 98),
}
# What lies in a cell: discs (radius in cells, colour), one on the other.
DISCS = {
    "G": [(0.24, (58, 150, 72)), (0.10, (206, 234, 204))],
    "H": [(0.28, (60, 62, 72))],
    "B": [(0.24, (196, 62, 52)), (0.10, (250, 214, 120))],
}
AGENT = [(0.34, (255, 255, 255)), (0.30, (40, 98, 176))]


def grid_of(grid: Any) -> Grid:
    """The grid itself, or the one an environment is on."""
    found = grid if isinstance(grid, Grid) else getattr(getattr(grid, "unwrapped", None), "grid", None)
    if not isinstance(found, Grid):
        raise UsageError(
            f"expected a Grid or an environment on one, such as minigrad/GridWorld-v0, got {type(grid).__name__}"
        )
    return found


def greedy_policy(action_values: np.ndarray, tolerance: float = 1e-9) -> np.ndarray:
    """(states, actions) probabilities: equal ones for the actions whose values are the highest, up to
    `tolerance` of their size."""
    best = action_values.max(axis=1, keepdims=True)
    is_best = action_values >= best - tolerance * np.maximum(1.0, abs(best))
    return is_best / is_best.sum(axis=1, keepdims=True)


# Text


def values_as_text(grid: Any, values: np.ndarray, digits: int = 2) -> str:
    """The map with a number in every cell where one can stand: to `digits` decimals, or visits as they are.

    Goals and holes, where nothing follows, keep their letter.
    """
    grid = grid_of(grid)
    values = per_state(grid, values, "values")
    return in_columns(grid, [number(value, digits) for value in values])


def policy_as_text(grid: Any, policy: np.ndarray) -> str:
    """The map with the arrows of every action that the policy takes, in every cell where one can stand."""
    grid = grid_of(grid)
    taken = probabilities(grid, policy) > 0
    arrows = ["".join(a for a, is_taken in zip(ARROWS, row, strict=False) if is_taken) for row in taken]
    return in_columns(grid, arrows)


def map_as_text(grid: Grid, state: int | None = None) -> str:
    """The map as it is written, with the agent in `state` as `A`."""
    cells = grid.cells.copy()
    if state is not None:
        cells[state] = "A"
    return "\n".join("".join(row) for row in cells.reshape(grid.rows, grid.columns))


def number(value: Any, digits: int) -> str:
    if np.issubdtype(type(value), np.integer):
        return str(value)
    text = f"{value:.{digits}f}"
    return text[1:] if text.startswith("-") and float(text) == 0.0 else text  # no -0.00


def in_columns(grid: Grid, texts: list[str]) -> str:
    """One text a cell, right-aligned; where one can't stand, the map's character."""
    texts = [
        text if visitable else cell for text, visitable, cell in zip(texts, grid.visitable, grid.cells, strict=True)
    ]
    width = max(map(len, texts))
    table = np.array([text.rjust(width) for text in texts]).reshape(grid.rows, grid.columns)
    return "\n".join("  ".join(row) for row in table)


def per_state(grid: Grid, values: np.ndarray, what: str) -> np.ndarray:
    values = np.asarray(values)
    if values.shape != (grid.states,):
        hint = f"; of action values take {what}.max(axis=1)" if values.shape == (grid.states, len(grid.actions)) else ""
        raise UsageError(f"{what} must have shape ({grid.states},), one for each state, got {values.shape}{hint}")
    return values


def probabilities(grid: Grid, policy: np.ndarray) -> np.ndarray:
    """(states, A) from (states,) actions or from (states, A) probabilities."""
    policy, count = np.asarray(policy), len(grid.actions)
    if policy.shape == (grid.states,) and policy.dtype.kind in "iu" and ((policy >= 0) & (policy < count)).all():
        return np.eye(count)[policy]
    if policy.shape == (grid.states, count):
        sums = policy[grid.visitable].sum(axis=1)
        if (policy[grid.visitable] >= 0).all() and np.allclose(sums, 1.0):
            return policy
        raise UsageError(
            "the policy's rows are no probabilities, which are at least 0 and sum to 1; greedy_policy(action_values) "
            "makes them from action values"
        )
    raise UsageError(
        f"a policy is ({grid.states},) actions from 0 to {count - 1} or ({grid.states}, {count}) probabilities, got "
        f"{policy.dtype} {policy.shape}"
    )


# Pictures


def map_as_picture(grid: Grid, state: int | None = None) -> np.ndarray:
    """The map, with the agent in `state` as a blue disc: (48 rows, 48 columns, 3) uint8. Quick enough for
    every step of a video."""
    picture = np.array([COLOURS[cell] for cell in grid.cells], np.uint8).reshape(grid.rows, grid.columns, 3)
    picture = picture.repeat(CELL, axis=0).repeat(CELL, axis=1)
    for s, cell in enumerate(grid.cells):
        put_discs(picture, grid, s, DISCS.get(cell, []))
    picture[::CELL] = picture[:, ::CELL] = picture[-1] = picture[:, -1] = INK
    if state is not None:
        put_discs(picture, grid, state, AGENT)
    return picture


def put_discs(picture: np.ndarray, grid: Grid, state: int, discs: list) -> None:
    row, column = divmod(state, grid.columns)
    cell = picture[row * CELL : (row + 1) * CELL, column * CELL : (column + 1) * CELL]
    across = np.arange(CELL) - CELL / 2
    distance = np.hypot(across[:, None], across)
    for radius, colour in discs:
        # A pixel on the edge is mixed, or discs would have steps.
        share = np.clip(radius * CELL - distance + 0.5, 0.0, 1.0)[..., None]
        cell[...] = share * np.array(colour) + (1 - share) * cell


def draw(
    grid: Any,
    *,
    values: np.ndarray | None = None,
    policy: np.ndarray | None = None,
    visits: np.ndarray | None = None,
    title: str | None = None,
    path: str | Path | None = None,
    digits: int = 2,
) -> np.ndarray:
    """A picture of the grid as an RGB array (height, width, 3) of uint8, written to `path` as well, if given.

    `values` colour the cells (blue is high, red is low, white is 0 where there are both signs) and are written in
    them; `visits` likewise, as a heat map. `policy` puts an arrow for every action that is taken, the longer the more
    often.
    """
    # The object-oriented interface: pyplot would open a window system and keep every figure.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    grid = grid_of(grid)
    if values is not None and visits is not None:
        raise UsageError("values and visits would hide each other; draw two pictures")
    top = 0.35 if title else 0.0  # inches, as a cell is one wide and one high
    margin = 0.06
    figure = Figure(figsize=(grid.columns + 2 * margin, grid.rows + 2 * margin + top), dpi=96)
    canvas = FigureCanvasAgg(figure)
    width, height = figure.get_size_inches()
    axes = figure.add_axes((margin / width, margin / height, grid.columns / width, grid.rows / height))
    axes.set(xlim=(0, grid.columns), ylim=(grid.rows, 0), xticks=[], yticks=[])
    if title:
        axes.set_title(title, fontsize=12, pad=5)

    background = np.array([COLOURS[cell] for cell in grid.cells]) / 255  # (states, 3)
    numbers: np.ndarray | None = None
    if values is not None:
        numbers = per_state(grid, values, "values")
        background[grid.visitable] = colours_of_values(numbers[grid.visitable])
    elif visits is not None:
        numbers = per_state(grid, visits, "visits")
        background[grid.visitable] = colours_of_visits(numbers[grid.visitable])
    chances = None if policy is None else probabilities(grid, policy)
    for s in range(grid.states):
        draw_cell(axes, grid, s, background[s])
        if not grid.visitable[s]:
            continue
        if numbers is not None:
            y = 0.5 if chances is None else 0.88
            write(axes, grid, s, 0.5, y, number(numbers[s], digits), 12 if chances is None else 9, background[s])
        if chances is not None:
            draw_arrows(axes, grid, s, chances[s], background[s])
    canvas.draw()
    picture = np.asarray(canvas.buffer_rgba())[..., :3].copy()
    if path is not None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path)
    return picture


def colours_of_values(values: np.ndarray) -> np.ndarray:
    """(k, 3) from red through white to blue, which people who can't tell red from green can tell apart."""
    from matplotlib import colormaps

    low, high = float(values.min()), float(values.max())
    if low < 0 < high:
        high = max(high, -low)
        low = -high
    share = (values - low) / (high - low) if high > low else np.full(len(values), 0.5)
    return colormaps["RdBu"](0.15 + 0.7 * share)[:, :3]  # the ends are too dark to read numbers on


def colours_of_visits(visits: np.ndarray) -> np.ndarray:
    """(k, 3) the darker the more; by the square root, so that cells that are rarely visited show."""
    from matplotlib import colormaps

    return colormaps["YlOrRd"](0.85 * np.sqrt(visits / max(visits.max(), 1)))[:, :3]


def draw_cell(axes: Any, grid: Grid, state: int, colour: np.ndarray) -> None:
    from matplotlib.patches import Circle, Rectangle

    row, column = divmod(state, grid.columns)
    axes.add_patch(Rectangle((column, row), 1, 1, facecolor=colour, edgecolor=np.array(INK) / 255, linewidth=1))
    cell = str(grid.cells[state])
    if cell in ".#":
        return
    if not grid.visitable[state]:
        for radius, disc_colour in DISCS.get(cell, []):
            axes.add_patch(Circle((column + 0.5, row + 0.5), radius, color=np.array(disc_colour) / 255))
    label = LEGEND[cell] if cell == "S" else f"{LEGEND[cell]} {grid.reward[state]:+g}"
    write(axes, grid, state, 0.06, 0.12, label.replace("-", "−"), 7.5, colour, left=True)


def draw_arrows(axes: Any, grid: Grid, state: int, chances: np.ndarray, background: np.ndarray) -> None:
    from matplotlib.patches import Circle

    row, column = divmod(state, grid.columns)
    for (down, right), chance in zip(MOVES, chances, strict=False):
        if chance < 0.005:
            continue
        if not (down or right):  # staying is a ring
            ring = Circle((column + 0.5, row + 0.5), 0.04 + 0.06 * chance, fill=False, color=ink_on(background))
            axes.add_patch(ring)
            continue
        start, end = 0.03, 0.14 + 0.15 * chance
        axes.annotate(
            "",
            xy=(column + 0.5 + right * end, row + 0.5 + down * end),
            xytext=(column + 0.5 + right * start, row + 0.5 + down * start),
            arrowprops={
                "arrowstyle": "-|>,head_width=0.25,head_length=0.4", "linewidth": 0.8 + chance,
                "color": ink_on(background), "shrinkA": 0, "shrinkB": 0,
            },
        )  # fmt: skip


def write(
    axes: Any, grid: Grid, state: int, x: float, y: float, text: str, size: float, background: np.ndarray,
    left: bool = False,
) -> None:  # fmt: skip
    row, column = divmod(state, grid.columns)
    axes.text(
        column + x, row + y, text.replace("-", "−"), size=size, color=ink_on(background),
        ha="left" if left else "center", va="center",
    )  # fmt: skip


def ink_on(background: np.ndarray) -> str:
    """Black or white, whichever can be read: by how bright red, green and blue look (Rec. 601)."""
    return "black" if background @ [0.299, 0.587, 0.114] > 0.5 else "white"
