"""What is drawn of a grid, as text and as pictures, against drawings made by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from envs import UsageError
from envs.cliff_walking import CliffWalking
from envs.grid import Grid
from envs.grid_pictures import draw, greedy_policy, policy_as_text, values_as_text
from envs.gridworld import GridWorld
from envs.model import model_of
from tests.envs.grids import (
    DOWN,
    RIGHT,
    STAY,
    UP,
    ZHAO,
    ZHAO_TWO_BY_TWO,
    optimal_values,
)


def test_values_policies_and_visits_as_text() -> None:
    env = gym.make("minigrad/GridWorld-v0")
    model = model_of(env)
    values = optimal_values(model, 0.9)
    policy = greedy_policy(model.reward + 0.9 * model.probability @ values)
    assert values_as_text(env, values).splitlines() == [
        "0.81  0.90  1.00     G",
        "0.73     #  0.90  1.00",
        "0.66  0.73  0.81  0.73",
    ]
    assert policy_as_text(env, policy).splitlines() == [
        " →   →   →   G",
        " ↑   #   ↑   ↑",
        "↑→   →   ↑   ←",
    ]
    assert policy_as_text(env, np.full(12, DOWN)).splitlines() == ["↓  ↓  ↓  G", "↓  #  ↓  ↓", "↓  ↓  ↓  ↓"]
    assert values_as_text(env.unwrapped.grid, np.arange(12)).splitlines()[2] == " 8   9  10  11"
    assert values_as_text(env, np.full(12, -0.001)).splitlines()[2] == "0.00  0.00  0.00  0.00"


def test_a_policy_that_stays_is_a_ring() -> None:
    grid = Grid(ZHAO_TWO_BY_TWO, **ZHAO)
    policy = np.array([DOWN, DOWN, RIGHT, STAY])
    assert policy_as_text(grid, policy).splitlines() == ["↓  ↓", "→  ○"]
    assert values_as_text(grid, np.array([9, 10, 10, 10])).splitlines() == [" 9  10", "10  10"]
    moving, staying = (draw(grid, policy=np.append(policy[:3], last)).astype(int) for last in (UP, STAY))
    changed = np.argwhere((moving != staying).any(axis=2))
    middle = np.array(moving.shape[:2]) / 4 * 3
    assert len(changed)
    assert np.abs(changed - middle).max() < 40  # in the last cell alone


def test_equally_good_actions_share_the_greedy_policy() -> None:
    action_values = np.array([[1.0, 1.0 + 1e-12, 0.0, 1.0], [-3.0, -2.0, -2.5, -4.0], [0.0] * 4])
    np.testing.assert_array_equal(greedy_policy(action_values), [[1 / 3, 1 / 3, 0, 1 / 3], [0, 1, 0, 0], [0.25] * 4])


def test_frames() -> None:
    env = gym.make("minigrad/GridWorld-v0", render_mode="ansi")
    env.reset(seed=0)
    assert env.render() == "...G\n.#.B\nA..."
    env.step(UP)
    assert env.render() == "...G\nA#.B\nS..."
    vector = gym.make_vec("minigrad/GridWorld-v0", num_envs=2, render_mode="rgb_array")
    vector.reset(seed=0)
    vector.step(np.array([UP, RIGHT]))
    first, second = vector.render()
    assert first.shape == second.shape == (144, 192, 3)
    assert first.dtype == np.uint8
    changed = (first != second).any(axis=2).reshape(3, 48, 4, 48).any(axis=(1, 3))
    np.testing.assert_array_equal(changed, [[False] * 4, [True, False, False, False], [False, True, False, False]])
    with pytest.raises(UsageError, match="render_mode"):
        GridWorld().render()


def brightness_by_cell(picture: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """(rows, columns, 3) the median colour of each cell, which is its background."""
    height, width = picture.shape[0] // rows, picture.shape[1] // columns
    cells = picture[: rows * height, : columns * width].reshape(rows, height, columns, width, 3)
    return np.median(cells, axis=(1, 3))


def test_a_picture_of_values_is_blue_where_they_are_high_and_red_where_they_are_low(tmp_path: Path) -> None:
    from matplotlib.image import imread

    env = CliffWalking()
    values = optimal_values(env.model(), 1.0)
    path = tmp_path / "new" / "values.png"
    picture = draw(env, values=values, policy=np.full((48, 4), 0.25), path=path)
    np.testing.assert_array_equal((imread(path)[..., :3] * 255).round().astype(np.uint8), picture)
    red, _, blue = np.moveaxis(brightness_by_cell(picture, 4, 12), 2, 0)
    blueness = (blue - red)[:3]
    assert (np.diff(blueness, axis=1) >= 0).all()  # nearer to the goal
    assert blueness[0, 0] < -100
    assert blueness[2, 11] > 50


def test_a_picture_of_visits_is_darker_the_more_there_are() -> None:
    grid = Grid()
    visits = np.zeros(12, np.int64)
    visits[[8, 4, 0, 1, 2]] = [100, 50, 20, 5, 1]
    light = brightness_by_cell(draw(grid, visits=visits, title="visits"), 3, 4).sum(axis=2).ravel()
    assert (np.diff(light[[8, 4, 0, 1, 2, 6]]) > 0).all()


def test_a_picture_of_a_policy_points_where_it_goes() -> None:
    """Its ink lies on the side of the cell that the action goes to."""
    grid = Grid("...\n.S.\n..G")
    for action, (down, right) in enumerate([(-1, 0), (1, 0), (0, -1), (0, 1)]):
        picture = draw(grid, policy=np.full(9, action)).astype(int).sum(axis=2)
        middle = picture[5 : 5 + 96, 5 + 96 : 5 + 192][5:-5, 5:-5]  # the first row's middle cell, without its border
        at = np.argwhere(middle < 300).mean(axis=0) - 43
        assert abs(at @ [right, down]) < 1
        assert at @ [down, right] > 5


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: draw("GridWorld"), "expected a Grid or an environment on one"),
        (lambda: draw(gym.make("CartPole-v1")), "expected a Grid or an environment on one"),
        (lambda: draw(Grid(), values=np.zeros(12), visits=np.zeros(12)), "draw two pictures"),
        (lambda: values_as_text(Grid(), np.zeros((12, 4))), r"values\.max\(axis=1\)"),
        (lambda: values_as_text(Grid(), np.zeros(11)), r"must have shape \(12,\)"),
        (lambda: policy_as_text(Grid(), np.full(12, 4)), "a policy is"),
        (lambda: policy_as_text(Grid(), np.zeros((12, 4))), "greedy_policy"),
    ],
)
def test_what_cannot_be_drawn_is_refused(call: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        call()
