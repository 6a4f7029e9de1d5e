"""Grids against hand-computed steps, published and exactly known values, gymnasium's own tables, and counted
simulations."""

from __future__ import annotations

import json
import time
import warnings
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from envs import UsageError, make_environments
from envs.grid import Grid
from envs.gridworld import GridWorld, GridWorldVector
from envs.model import Model, model_of
from tests.envs.grids import (
    DOWN,
    LEFT,
    MIXED_OPTIONS,
    RIGHT,
    UP,
    ZHAO,
    optimal_values,
    walk,
)

IDS = ["minigrad/GridWorld-v0", "minigrad/CliffWalking-v0"]


# What a step does


@pytest.mark.parametrize("options", [{}, {"render_mode": "ansi"}, {"render_mode": "rgb_array"}])
@pytest.mark.parametrize("env_id", IDS)
def test_gymnasium_accepts_them(env_id: str, options: dict[str, Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(gym.make(env_id, **options).unwrapped)


def test_gymnasium_accepts_a_random_one() -> None:
    check_env(gym.make("minigrad/GridWorld-v0", **MIXED_OPTIONS).unwrapped)


def test_the_courses_grid_step_by_step() -> None:
    # The cells:  0 1 2 3     a goal in 3, a wall in 5, a bomb in 7, the start in 8
    #             4 5 6 7
    #             8 9 10 11
    env = GridWorld()
    assert env.reset(seed=0) == (8, {})
    assert walk(env, [UP, UP, RIGHT, RIGHT, RIGHT]) == [
        (4, 0.0, False),
        (0, 0.0, False),
        (1, 0.0, False),
        (2, 0.0, False),
        (3, 1.0, True),
    ]
    off_the_map = [(8, 0.0, False), (8, 0.0, False)]
    assert walk(env, [LEFT, DOWN]) == off_the_map
    assert walk(env, [RIGHT, UP]) == [(9, 0.0, False), (9, 0.0, False)]  # the wall from below
    assert walk(env, [DOWN], start=1) == [(1, 0.0, False)]  # from above
    assert walk(env, [RIGHT], start=4) == [(4, 0.0, False)]  # from the left
    assert walk(env, [LEFT], start=6) == [(6, 0.0, False)]  # from the right
    # The bomb goes off whenever it is entered, staying there included, and the episode goes on.
    assert walk(env, [UP, RIGHT, UP], start=11) == [(7, -1.0, False), (7, -1.0, False), (3, 1.0, True)]


def test_every_kind_of_cell() -> None:
    rewards = {"step_reward": -0.1, "goal_reward": 2.0, "hole_reward": -3.0, "bomb_reward": -4.0}
    env = GridWorld("SGHB\n.C..", cliff_reward=-5.0, **rewards)
    assert walk(env, [LEFT]) == [(0, -0.1, False)]
    assert walk(env, [RIGHT]) == [(1, 2.0, True)]
    assert walk(env, [UP], start=6) == [(2, -3.0, True)]
    assert walk(env, [UP, UP, DOWN], start=7) == [(3, -4.0, False), (3, -4.0, False), (7, -0.1, False)]
    assert walk(env, [DOWN, RIGHT, DOWN]) == [(4, -0.1, False), (0, -5.0, False), (4, -0.1, False)]


def test_the_safe_way_past_the_cliff_takes_17_steps_and_the_edge_13() -> None:
    env = gym.make("minigrad/CliffWalking-v0")
    for way in ([UP] * 3 + [RIGHT] * 11 + [DOWN] * 3, [UP] + [RIGHT] * 11 + [DOWN]):
        steps = walk(env, way)
        assert [ended for *_, ended in steps] == [False] * (len(way) - 1) + [True]
        assert sum(reward for _, reward, _ in steps) == -len(way)
    assert walk(env, [UP, RIGHT, DOWN, RIGHT]) == [
        (24, -1.0, False),
        (25, -1.0, False),
        (36, -100.0, False),
        (36, -100.0, False),
    ]


@pytest.mark.parametrize(("env_id", "limit"), [(IDS[0], 200), (IDS[1], 500)])
def test_a_policy_that_walks_into_a_wall_comes_to_an_end(env_id: str, limit: int) -> None:
    env = gym.make(env_id)
    env.reset(seed=0)
    ends = [env.step(LEFT)[2:4] for _ in range(limit)]
    assert ends == [(False, False)] * (limit - 1) + [(False, True)]


# What is known about the values


def test_the_courses_values_are_powers_of_gamma() -> None:
    values = optimal_values(model_of(gym.make("minigrad/GridWorld-v0")), 0.9)
    steps_to_the_goal = np.array([[2, 1, 0, np.inf], [3, np.inf, 1, 0], [4, 3, 2, 3]])
    np.testing.assert_allclose(values.reshape(3, 4), 0.9**steps_to_the_goal, rtol=1e-14)
    assert values[8] == pytest.approx(0.6561, rel=1e-14)


def test_the_value_of_walking_at_random_solves_the_linear_system() -> None:
    """Bellman's equation for a policy, cell by cell, written without the model's tables."""
    env, gamma = GridWorld(), 0.9
    matrix, right = np.eye(12), np.zeros(12)
    for state in np.flatnonzero(env.grid.visitable):
        for action in range(4):
            ((following, reward, ended),) = walk(env, [action], start=int(state))
            matrix[state, following] -= 0.0 if ended else gamma / 4
            right[state] += reward / 4
    expected = np.linalg.solve(matrix, right)
    model = env.model()
    transition, reward = model.probability.mean(axis=1), model.reward.mean(axis=1)
    np.testing.assert_allclose(
        np.linalg.solve(np.eye(12) - gamma * transition, reward), expected, rtol=1e-12, atol=1e-15
    )
    # As published for this grid (Saitoh, "Deep Learning from Scratch 4", chapter 4), where the iteration was stopped
    # when nothing changed by 0.001 any more.
    np.testing.assert_allclose(
        expected.reshape(3, 4),
        [[0.03, 0.10, 0.21, 0.00], [-0.03, 0.00, -0.50, -0.37], [-0.10, -0.22, -0.43, -0.78]],
        atol=0.01,
    )


def test_the_values_of_russell_and_norvigs_world() -> None:
    """ "Artificial Intelligence: A Modern Approach", the utilities of the 4×3 world: no discount, -0.04 a step,
    a step slips with probability 0.2. Their reward is the cell's one stands on, ours the one's that is entered."""
    grid = Grid("...G\n.#.H\nS...", step_reward=-0.04, slip=0.2)
    utilities = optimal_values(grid.model(), 1.0) - 0.04
    published = [0.812, 0.868, 0.918, 0.762, 0.660, 0.705, 0.655, 0.611, 0.388]
    np.testing.assert_allclose(utilities[grid.visitable], published, atol=0.0006)


def test_the_optimal_return_past_the_cliff_is_minus_13() -> None:
    values = optimal_values(model_of(gym.make("minigrad/CliffWalking-v0")), 1.0)
    assert values[36] == -13.0
    # Everywhere: straight down or along the edge.
    row, column = np.divmod(np.arange(36), 12)
    np.testing.assert_array_equal(values[:36], -((11 - column) + (3 - row)))


# The model


def assert_same_model(ours: Model, theirs: Model, order: list[int]) -> None:
    """`order`: gymnasium's number of each of our actions. Cells that nobody can stand on are compared by value
    only: 0."""
    at = ~ours.terminal
    assert at.sum() > 5
    np.testing.assert_allclose(ours.probability[at], theirs.probability[at][:, order], atol=1e-15)
    np.testing.assert_allclose(ours.reward[at], theirs.reward[at][:, order], atol=1e-13)
    np.testing.assert_array_equal(ours.start, theirs.start)
    assert (ours.terminal >= theirs.terminal).all()
    np.testing.assert_array_equal(ours.probability[ours.terminal].argmax(axis=2).T, [np.flatnonzero(~at)] * 4)
    assert (ours.reward[ours.terminal] == 0.0).all()


@pytest.mark.parametrize("slippery", [False, True])
def test_cliff_walking_is_gymnasiums(slippery: bool) -> None:
    theirs = model_of(gym.make("CliffWalking-v1", is_slippery=slippery))
    ours = model_of(gym.make("minigrad/CliffWalking-v0", slip=2 / 3 if slippery else 0.0))
    assert_same_model(ours, theirs, [0, 2, 3, 1])


@pytest.mark.parametrize("slippery", [False, True])
@pytest.mark.parametrize("size", ["4x4", "8x8"])
def test_frozen_lake_can_be_drawn_as_a_map(size: str, slippery: bool) -> None:
    lake = gym.make("FrozenLake-v1", map_name=size, is_slippery=slippery)
    rows = ["".join(row) for row in lake.unwrapped.desc.astype(str)]
    grid = Grid("\n".join(rows).replace("F", "."), hole_reward=0.0, slip=2 / 3 if slippery else 0.0)
    assert_same_model(grid.model(), model_of(lake), [3, 1, 0, 2])


def test_probabilities_are_probabilities() -> None:
    model = Grid(**MIXED_OPTIONS).model()
    np.testing.assert_allclose(model.probability.sum(axis=2), 1.0, rtol=1e-14)
    assert (model.probability >= 0).all()
    np.testing.assert_array_equal(np.flatnonzero(model.start), [0, 10])
    assert model.start.sum() == 1.0


def frequencies(following: np.ndarray, states: int) -> np.ndarray:
    return np.bincount(following, minlength=states) / len(following)


def assert_likely(counted: np.ndarray, probability: np.ndarray, n: int) -> None:
    """Within five standard deviations of a binomial share; what is impossible never happens."""
    deviation = np.sqrt(probability * (1 - probability) / n)
    assert (np.abs(counted - probability) <= 5 * deviation + 1e-12).all()


@pytest.mark.parametrize(
    "options", [MIXED_OPTIONS, {"map": "SX\n#G", "slip": 0.4, **ZHAO}], ids=["mixed", "with all options"]
)
def test_simulated_frequencies_are_the_models_probabilities(options: dict[str, Any]) -> None:
    n = 20_000
    vector = GridWorldVector(num_envs=n, **options)
    grid, model = vector.grid, vector.model()
    vector.reset(seed=3)
    for state in np.flatnonzero(grid.visitable):
        for action in range(len(grid.actions)):
            vector.reset(options={"state": int(state)})
            after, reward, terminated, truncated, infos = vector.step(np.full(n, action))
            if terminated.any():
                after = infos["final_obs"]
            np.testing.assert_array_equal(terminated, grid.ends[after])
            assert not truncated.any()
            assert_likely(frequencies(after, grid.states), model.probability[state, action], n)
            assert reward.mean() == pytest.approx(model.reward[state, action], abs=5 * reward.std() / n**0.5 + 1e-12)


def test_the_single_environments_frequencies_are_the_models_probabilities() -> None:
    n = 3000
    env = GridWorld(**MIXED_OPTIONS)
    model = env.model()
    starts = np.array([env.reset(seed=5 if i == 0 else None)[0] for i in range(n)])
    assert_likely(frequencies(starts, 15), model.start, n)
    for state, action in ((8 - 1, RIGHT), (11, UP), (13, UP), (9, LEFT), (0, LEFT)):  # 7 is a bomb beside the cliff
        after, rewards = [], []
        for _ in range(n):
            env.reset(options={"state": state})
            following, reward, terminated, *_ = env.step(action)
            assert terminated == (following in (4, 6))
            after.append(following)
            rewards.append(reward)
        assert_likely(frequencies(np.array(after), 15), model.probability[state, action], n)
        assert np.mean(rewards) == pytest.approx(model.reward[state, action], abs=5 * np.std(rewards) / n**0.5 + 1e-12)


# Many at once


@pytest.mark.parametrize(("env_id", "limit"), [(IDS[0], 9), (IDS[1], 20)])
def test_many_at_once_step_as_gymnasiums_sync_vector_does(env_id: str, limit: int) -> None:
    ours = gym.make_vec(env_id, num_envs=32, vectorization_mode="vector_entry_point", max_episode_steps=limit)
    theirs = gym.vector.SyncVectorEnv(
        [lambda: gym.make(env_id, max_episode_steps=limit)] * 32, autoreset_mode="SameStep"
    )
    model = ours.unwrapped.model()
    to_the_goal = (model.reward + model.probability @ optimal_values(model, 1.0)).argmax(axis=1)
    assert type(ours.unwrapped) is not type(theirs)
    assert ours.observation_space == theirs.observation_space
    assert ours.action_space == theirs.action_space
    assert ours.metadata["autoreset_mode"] == theirs.metadata["autoreset_mode"]
    observation, _ = ours.reset(seed=0)
    np.testing.assert_array_equal(observation, theirs.reset(seed=0)[0])
    rng = np.random.default_rng(1)
    ends = np.zeros(2, np.int64)
    for _ in range(300):
        # Walking at random alone, nobody would reach the cliff's other end.
        actions = np.where(rng.random(32) < 0.8, to_the_goal[observation], rng.integers(4, size=32))
        *mine, my_infos = ours.step(actions)
        *other, their_infos = theirs.step(actions)
        for a, b in zip(mine, other, strict=True):
            np.testing.assert_array_equal(a, b)
            assert a.dtype == b.dtype
        observation, _, terminated, truncated = mine
        assert ("final_obs" in my_infos) == ("final_obs" in their_infos) == bool((terminated | truncated).any())
        if "final_obs" in my_infos:
            ended = their_infos["_final_obs"]
            np.testing.assert_array_equal(my_infos["_final_obs"], ended)
            np.testing.assert_array_equal(my_infos["final_obs"][ended], their_infos["final_obs"][ended].astype(int))
        ends += terminated.sum(), truncated.sum()
    assert (ends > 5).all()


@pytest.mark.parametrize("options", [{}, MIXED_OPTIONS], ids=["course", "mixed"])
@pytest.mark.parametrize("many", [False, True], ids=["one by one", "many at once"])
def test_agents_are_handed_transitions_of_the_model(options: dict[str, Any], many: bool) -> None:
    if many:
        environments = make_environments(gym.make_vec("minigrad/GridWorld-v0", num_envs=16, **options))
    else:
        environments = make_environments(lambda: gym.make("minigrad/GridWorld-v0", **options), 16)
    grid = Grid(**options)
    model = grid.model()
    environments.reset(0)
    rng = np.random.default_rng(1)
    lengths = []
    for _ in range(450):
        step = environments.step(environments.sample_actions(rng))
        assert len(step.env) == 16
        assert not model.terminal[step.observation].any()
        assert (model.probability[step.observation, step.action, step.next_observation] > 0).all()
        np.testing.assert_array_equal(step.terminated, grid.ends[step.next_observation])
        ended = step.terminated | step.truncated
        np.testing.assert_array_equal(environments.observation[~ended], step.next_observation[~ended])
        assert (model.start[environments.observation[ended]] > 0).all()
        lengths += [episode.length for episode in environments.finished]
    assert max(lengths) <= 200
    assert len(set(lengths)) > 10


def test_starts_are_drawn_equally_often_in_all_copies() -> None:
    vector = GridWorldVector("SS.S\n...G", num_envs=30_000)
    assert_likely(frequencies(vector.reset(seed=0)[0], 8), vector.model().start, 30_000)
    np.testing.assert_array_equal(vector.model().start, [1 / 3, 1 / 3, 0, 1 / 3, 0, 0, 0, 0])
    vector.reset(options={"state": np.where(np.arange(30_000) < 10_000, 6, 2)})
    after, reward, terminated, *_ = vector.step(np.full(30_000, RIGHT))
    assert (after[10_000:] == 3).all()
    assert (terminated == (np.arange(30_000) < 10_000)).all()
    assert (terminated == (reward == 1.0)).all()
    assert_likely(frequencies(after[:10_000], 8), vector.model().start, 10_000)


def test_what_a_step_returns_is_nobody_elses() -> None:
    vector = GridWorldVector(num_envs=3)
    vector.reset(seed=0)[0][:] = 0
    observation, *_ = vector.step(np.full(3, UP))
    np.testing.assert_array_equal(observation, [4, 4, 4])
    observation[:] = 2
    np.testing.assert_array_equal(vector.step(np.full(3, UP))[0], [0, 0, 0])


def test_a_million_steps_a_second() -> None:
    vector = gym.make_vec("minigrad/GridWorld-v0", num_envs=256, vectorization_mode="vector_entry_point")
    vector.reset(seed=0)
    actions = np.random.default_rng(0).integers(4, size=(200, 256))
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        for action in actions:
            vector.step(action)
        seconds.append(time.perf_counter() - start)
    assert actions.size / min(seconds) > 1e6


# Saved and restored


@pytest.mark.parametrize("options", [{}, MIXED_OPTIONS], ids=["course", "mixed"])
def test_they_resume_exactly(options: dict[str, Any]) -> None:
    env_id = "minigrad/GridWorld-v0"
    assert make_environments(lambda: gym.make(env_id, **options), 3).why_not_resumable() is None
    assert make_environments(gym.make_vec(env_id, num_envs=5, **options)).why_not_resumable() is None
    short = gym.make_vec(env_id, num_envs=5, max_episode_steps=7, **options)
    assert make_environments(short).why_not_resumable() is None


def test_a_single_environments_state_is_json() -> None:
    env, copy = GridWorld(**MIXED_OPTIONS), GridWorld(**MIXED_OPTIONS)
    env.reset(seed=0)
    env.step(RIGHT)
    copy.reset(seed=1)
    copy.set_state(json.loads(json.dumps(env.get_state())))
    assert [env.step(DOWN) for _ in range(50)] == [copy.step(DOWN) for _ in range(50)]
    assert env.reset() == copy.reset()


# Mistakes


@pytest.mark.parametrize(
    ("drawing", "message"),
    [
        ("S.\n..G", "equally long: row 0 has 2 cells, row 1 has 3"),
        ("S.G\n.x.", "unknown cell 'x' in row 1, column 1"),
        ("S G", "unknown cell ' ' in row 0, column 1"),
        ("..G", "no start"),
        ("S..", "no goal can be reached from the start at row 0, column 0"),
        ("S#G", "no goal can be reached"),
        ("SHG", "no goal can be reached"),
        ("SCG", "no goal can be reached"),
        ("S.G#S", "no goal can be reached from the start at row 0, column 4"),
        ("\n \n", "the map is empty"),
        (["S.G"], "a map is text"),
    ],
)
def test_a_bad_map_is_refused(drawing: Any, message: str) -> None:
    for make in (GridWorld, lambda map: gym.make_vec("minigrad/GridWorld-v0", map=map)):
        with pytest.raises(UsageError, match=message):
            make(drawing)


def test_a_bomb_is_no_obstacle_and_layout_is_not_part_of_the_map() -> None:
    grid = Grid("""

        SBG
        .#.
    """)
    assert (grid.rows, grid.columns) == (2, 3)
    assert "".join(grid.cells) == "SBG.#."


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"slip": 1.5}, "slip is a probability"),
        ({"goal_reward": float("nan")}, "the reward of a goal must be finite"),
        ({"boundary_reward": float("inf")}, "boundary_reward must be finite, or None"),
        ({"stay": "no"}, "stay must be True or False, got 'no'"),
        ({"goal_ends": 0}, "goal_ends must be True or False, got 0"),
    ],
)
def test_a_bad_option_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        gym.make("minigrad/GridWorld-v0", **options)


@pytest.mark.parametrize("state", [12, -1, 0.5, 3, 5])
def test_an_episode_can_start_only_where_one_can_stand(state: Any) -> None:
    with pytest.raises(UsageError, match=r"a state is a whole number from 0 to 11|no episode can start in state"):
        GridWorld().reset(options={"state": state})
    with pytest.raises(UsageError, match=r"a state is a whole number from 0 to 11|no episode can start in state"):
        GridWorldVector(num_envs=2).reset(options={"state": np.array([8, state])})


@pytest.mark.parametrize("action", [-1, 4])
def test_an_action_that_is_none_is_refused(action: int) -> None:
    env, vector = GridWorld(), GridWorldVector(num_envs=2)
    env.reset(seed=0)
    vector.reset(seed=0)
    with pytest.raises(UsageError, match=r"an action is a number from 0 to 3 \(up, down, left, right\), got"):
        env.step(action)
    with pytest.raises(UsageError, match="actions must be 2 numbers from 0 to 3"):
        vector.step(np.array([0, action]))
    with pytest.raises(UsageError, match="actions must be 2 numbers from 0 to 3"):
        vector.step(np.array([[0], [0]]))
