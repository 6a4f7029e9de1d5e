"""Snake against a second implementation of its rules, written as one would by hand, and games known by heart."""

from __future__ import annotations

import itertools
from collections import Counter, deque

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from agents import DQN, PPO, evaluate
from envs import UsageError, make_environments
from envs.snake import Snake, VectorSnake
from envs.snake.rules import Games

LEFT, STRAIGHT, RIGHT = range(3)
IDS = ["minigrad/Snake-v0", "minigrad/SnakeImage-v0"]


def coordinates(games: Games, cell: int) -> tuple[int, int]:
    """Row and column of a cell, whose numbers count the walls, too."""
    (place,) = np.flatnonzero(games.inside == cell)
    return divmod(int(place), games.size)


def food_of(games: Games, game: int = 0) -> tuple[int, int]:
    return coordinates(games, games.food[game])


def put_food(env: Snake, row: int, column: int) -> None:
    env.games.food[0] = env.games.cell(row, column)


def snake(size: int = 6, **keywords) -> Snake:
    env = Snake(size, **keywords)
    env.reset(seed=0)
    put_food(env, 0, 0)  # out of the way
    return env


class ByHand:
    """Snake as a list of cells, the head first. Only where food appears is taken from the game it is compared with."""

    def __init__(self, games: Games, game: int) -> None:
        self.games, self.game, self.size = games, game, games.size
        self.restart()

    def restart(self) -> None:
        middle = self.size // 2
        self.body = deque((middle, middle - i) for i in range(3))
        self.heading = (0, 1)
        self.food = food_of(self.games, self.game)
        self.without_food = 0

    def turned(self, action: int) -> tuple[int, int]:
        down, along = self.heading
        return {LEFT: (-along, down), STRAIGHT: (down, along), RIGHT: (along, -down)}[action]

    def ahead(self, action: int) -> tuple[int, int]:
        down, along = self.turned(action)
        return self.body[0][0] + down, self.body[0][1] + along

    def is_deadly(self, action: int) -> bool:
        cell = self.ahead(action)
        outside = min(cell) < 0 or max(cell) >= self.size
        return outside or cell in list(self.body)[:-1]  # the tail will be gone

    def step(self, action: int) -> tuple[float, bool, bool]:
        """Reward, terminated, truncated."""
        died, cell = self.is_deadly(action), self.ahead(action)
        self.heading = self.turned(action)
        self.without_food += 1
        hungry = self.without_food == 2 * self.size**2
        if died:
            return -1.0, True, False
        self.body.appendleft(cell)
        if cell != self.food:
            self.body.pop()
            return 0.0, False, hungry
        self.without_food = 0
        won = len(self.body) == self.size**2
        if not won:
            self.food = food_of(self.games, self.game)
            assert self.food not in self.body
        return 1.0, won, False

    def choose(self, rng: np.random.Generator) -> int:
        """Mostly a step towards the food that doesn't kill."""
        actions = [action for action in range(3) if not self.is_deadly(action)] or [STRAIGHT]
        if rng.random() < 0.2:
            return int(rng.choice(actions)) if rng.random() < 0.9 else int(rng.integers(3))
        return min(actions, key=lambda a: sum(abs(p - q) for p, q in zip(self.ahead(a), self.food, strict=True)))

    def board(self) -> np.ndarray:
        """What must still pass of the body before each cell is free, as part of its length."""
        board = np.zeros((self.size, self.size))
        for i, cell in enumerate(self.body):
            board[cell] = (len(self.body) - i) / len(self.body)
        return board

    def quarter_turns(self) -> int:
        """That make the heading up, anticlockwise."""
        return [(-1, 0), (0, 1), (1, 0), (0, -1)].index(self.heading)

    def features(self) -> np.ndarray:
        walled = np.pad(self.board(), 2, constant_values=1.0)
        row, column = self.body[0]
        around = np.rot90(walled[row : row + 5, column : column + 5], self.quarter_turns()).ravel()
        down, along = np.subtract(self.food, self.body[0])
        ahead = np.dot((down, along), self.heading)
        right = np.dot((down, along), self.turned(RIGHT))
        rest = [ahead / (self.size - 1), right / (self.size - 1), len(self.body) / self.size**2]
        return np.array([*np.delete(around, 12), *rest])

    def image(self) -> np.ndarray:
        head, food = np.zeros((2, self.size, self.size))
        head[self.body[0]] = food[self.food] = 255
        planes = [head, np.floor(255 * self.board() + 1e-9), food]
        return np.stack([np.rot90(plane, self.quarter_turns()) for plane in planes])


@pytest.mark.parametrize("view", ["features", "image"])
@pytest.mark.parametrize("size", [6, 9])
@pytest.mark.parametrize("greedy", [False, True])
def test_the_rules_and_the_views_against_a_game_by_hand(view: str, size: int, greedy: bool) -> None:
    count, steps = 8, 400
    env = VectorSnake(count, size=size, view=view)
    observation, _ = env.reset(seed=5)
    games = [ByHand(env.games, i) for i in range(count)]
    rng = np.random.default_rng(0)
    ends: Counter = Counter()
    for _ in range(steps):
        for i, game in enumerate(games):
            expected = game.features() if view == "features" else game.image()
            np.testing.assert_allclose(observation[i], expected, atol=1e-6)
        actions = np.array([game.choose(rng) if greedy else rng.integers(3) for game in games])
        observation, reward, terminated, truncated, infos = env.step(actions)
        for i, game in enumerate(games):
            outcome = game.step(int(actions[i]))
            assert (reward[i], terminated[i], truncated[i]) == outcome
            ends[outcome] += 1
            if terminated[i] or truncated[i]:
                assert infos["final_info"]["length"][i] == len(game.body)
                expected = game.features() if view == "features" else game.image()
                np.testing.assert_allclose(infos["final_obs"][i], expected, atol=1e-6)
                game.restart()
            assert infos["length"][i] == len(game.body)
            assert env.games.body(i).tolist() == [list(cell) for cell in game.body]
    assert ends[-1.0, True, False] > 10  # died
    assert ends[1.0, False, False] > 10  # ate


@pytest.mark.parametrize("env_id", IDS)
@pytest.mark.parametrize("greedy", [False, True])
def test_one_game_is_the_same_as_one_of_many(env_id: str, greedy: bool) -> None:
    count = 5
    single, vectorised = make_environments(env_id, count), make_environments(gym.make_vec(env_id, num_envs=count))
    for environments in (single, vectorised):
        environments.reset(11)
    shared = vectorised._env.games
    games = [ByHand(shared, i) for i in range(count)]
    rng = np.random.default_rng(1)
    finished = 0
    for _ in range(600):
        action = np.array([game.choose(rng) if greedy else rng.integers(3) for game in games])
        for mine, other in zip(single.step(action), vectorised.step(action), strict=True):
            np.testing.assert_array_equal(mine, other)
        np.testing.assert_array_equal(single.observation, vectorised.observation)
        assert single.finished == vectorised.finished
        for game, one_action in zip(games, action, strict=True):
            if any(game.step(int(one_action))[1:]):
                game.restart()
        finished += len(single.finished)
    assert finished > 20


@pytest.mark.parametrize("env_id", IDS)
@pytest.mark.parametrize("size", [6, 7, 12])
def test_gymnasium_accepts_it(env_id: str, size: int) -> None:
    check_env(gym.make(env_id, size=size, render_mode="rgb_array").unwrapped)


@pytest.mark.parametrize("env_id", IDS)
def test_observations_are_in_their_space_up_to_the_end(env_id: str) -> None:
    env = gym.make_vec(env_id, num_envs=16)
    observation, _ = env.reset(seed=0)
    rng = np.random.default_rng(0)
    for _ in range(100):
        assert env.observation_space.contains(observation)
        observation, *_, infos = env.step(rng.integers(3, size=16))
        if "final_obs" in infos:
            assert env.observation_space.contains(infos["final_obs"])


# -- games known by heart


def test_the_start() -> None:
    env = Snake()
    _, info = env.reset(seed=0)
    assert info == {"length": 3}
    assert env.games.body().tolist() == [[3, 3], [3, 2], [3, 1]]  # heading right


def test_eating_grows_at_once() -> None:
    env = snake()
    put_food(env, 3, 4)
    _, reward, terminated, truncated, info = env.step(STRAIGHT)
    assert (reward, terminated, truncated, info) == (1.0, False, False, {"length": 4})
    assert env.games.body().tolist() == [[3, 4], [3, 3], [3, 2], [3, 1]]
    put_food(env, 0, 0)
    env.step(LEFT)
    assert env.games.body().tolist() == [[2, 4], [3, 4], [3, 3], [3, 2]]


@pytest.mark.parametrize(
    ("turns", "steps_on"),
    [([], 3), ([LEFT], 3), ([RIGHT], 2), ([LEFT, LEFT], 3)],
    ids=["right wall", "upper wall", "lower wall", "left wall"],
)
def test_a_wall_kills(turns: list[int], steps_on: int) -> None:
    env = snake()
    put_food(env, 5, 0)
    *before, last = [env.step(action)[1:3] for action in turns + [STRAIGHT] * steps_on]
    assert set(before) == {(0.0, False)}
    assert last == (-1.0, True)


def test_the_body_kills_and_the_cell_that_the_tail_leaves_does_not() -> None:
    env = snake()
    put_food(env, 3, 4)
    env.step(STRAIGHT)  # four long: a square turn ends on the tail's cell
    put_food(env, 0, 0)
    for _ in range(3):
        _, reward, terminated, *_ = env.step(LEFT)
        assert (reward, terminated) == (0.0, False)
    for _ in range(8):  # round and round in four cells
        assert not env.step(LEFT)[2]
    put_food(env, *env.games.body()[0] + env.games.body()[0] - env.games.body()[1])  # straight ahead
    assert env.step(STRAIGHT)[1] == 1.0
    put_food(env, 0, 0)
    env.step(LEFT)
    env.step(LEFT)
    _, reward, terminated, truncated, info = env.step(LEFT)  # five long: the cell is the tail's neighbour
    assert (reward, terminated, truncated, info) == (-1.0, True, False, {"length": 5})


def cycle_action(env: Snake) -> int:
    """The way around a cycle through every cell: up the first column, and from row to row through the others."""
    row, column = env.games.body()[0]
    last = env.games.size - 1
    if column == 0:
        heading = 0 if row > 0 else 1
    elif row % 2 == 0:
        heading = 1 if column < last else 2
    else:
        heading = 3 if column > 1 or row == last else 2
    return (heading - int(env.games.direction[0]) + 1) % 4


@pytest.mark.parametrize("view", ["features", "image"])
def test_filling_the_board_wins(view: str) -> None:
    env = Snake(view=view)
    env.reset(seed=2)
    env.step(LEFT)  # the cycle goes the other way where the snake starts
    total, steps, terminated = 0.0, 0, False
    while not terminated:
        observation, reward, terminated, truncated, info = env.step(cycle_action(env))
        assert env.observation_space.contains(observation)
        assert not truncated
        assert reward in (0.0, 1.0)
        total += reward
        steps += 1
        assert steps < 36 * 36
    assert info == {"length": 36}
    assert reward == 1.0
    assert food_of(env.games) == tuple(env.games.body()[0])  # there is nowhere else
    assert len({tuple(cell) for cell in env.games.body().tolist()}) == 36
    assert total == 33.0
    env.render_mode = "ansi"
    assert "*" not in env.render()
    env.reset()
    assert env.step(STRAIGHT)[4]["length"] <= 4


def test_going_in_circles_is_cut_off_and_eating_starts_the_count_again() -> None:
    env = snake()
    put_food(env, 0, 0)
    for _ in range(10):
        assert env.step(LEFT)[2:4] == (False, False)
    put_food(env, *2 * env.games.body()[0] - env.games.body()[1])
    assert env.step(STRAIGHT)[1] == 1.0
    put_food(env, 0, 0)
    ends = [env.step(LEFT)[2:4] for _ in range(72)]
    assert ends == [(False, False)] * 71 + [(False, True)]


def test_dying_of_hunger_and_of_a_wall_at_once_is_dying() -> None:
    env = snake()
    env.step(STRAIGHT)
    env.step(STRAIGHT)
    env.games.hunger[0] = 71
    assert env.step(STRAIGHT)[1:4] == (-1.0, True, False)


# -- food


def test_splitmix64_gives_its_published_numbers() -> None:
    """The reference implementation's first outputs for the seeds 0 and 1234567."""
    games = Games(2, 6)
    games.stream[:] = [0, 1234567]
    published = [
        (0xE220A8397B1DCDAF, 6457827717110365317),
        (0x6E789E6AA1B965F4, 3203168211198807973),
        (0x06C45D188009454F, 9817491932198370423),
    ]
    for numbers in published:
        np.testing.assert_array_equal(games.uniform(np.arange(2)), [(n >> 11) / 2**53 for n in numbers])


def test_food_is_as_likely_on_one_free_cell_as_on_another() -> None:
    games = Games(20_000, 6)
    games.seed([np.random.default_rng(i) for i in range(games.count)])
    games.start(np.arange(games.count))
    counts = Counter(food_of(games, i) for i in range(games.count))
    snake_cells = {(3, 3), (3, 2), (3, 1)}
    assert set(counts) == set(itertools.product(range(6), range(6))) - snake_cells
    expected = games.count / 33
    chi_squared = sum((count - expected) ** 2 / expected for count in counts.values())
    assert chi_squared < 32 + 5 * np.sqrt(2 * 32)  # 32 degrees of freedom, five standard deviations


# -- seeds and states


def foods(env: Snake, seed: int | None) -> list[tuple[int, int]]:
    env.reset(seed=seed)
    found = []
    for _ in range(6):
        found.append(food_of(env.games))
        env.reset()
    return found


def test_the_seed_decides_and_episodes_differ() -> None:
    env = Snake()
    assert foods(env, 3) == foods(Snake(), 3)
    assert foods(env, 3) != foods(env, 4)
    assert len(set(foods(env, 3))) > 1
    unseeded = [tuple(foods(Snake(), None)) for _ in range(3)]
    assert len(set(unseeded)) > 1


@pytest.mark.parametrize("env_id", IDS)
@pytest.mark.parametrize("vectorised", [False, True])
def test_it_can_be_resumed_exactly(env_id: str, vectorised: bool) -> None:
    make = (lambda: gym.make_vec(env_id, num_envs=3)) if vectorised else env_id
    assert make_environments(make).why_not_resumable() is None


def test_a_saved_state_stays_what_it_was() -> None:
    env = snake()
    state = env.get_state()
    following = [env.step(action)[0].tolist() for action in (LEFT, LEFT, STRAIGHT)]
    copy = Snake()
    copy.reset(seed=9)
    for _ in range(2):
        copy.set_state(state)
        assert [copy.step(action)[0].tolist() for action in (LEFT, LEFT, STRAIGHT)] == following


def test_a_restored_snake_is_as_hungry() -> None:
    env, copy = snake(), snake()
    for _ in range(70):
        env.step(LEFT)
    copy.set_state(env.get_state())
    assert [copy.step(LEFT)[3] for _ in range(2)] == [False, True]


# -- pictures


def test_the_board_as_text() -> None:
    env = snake(render_mode="ansi")
    env.step(LEFT)
    assert env.render() == "\n".join(
        ["########", "#*.....#", "#......#", "#...@..#", "#..oo..#", "#......#", "#......#", "########"]
    )


def test_the_board_as_a_picture() -> None:
    env = snake(render_mode="rgb_array")
    put_food(env, 0, 5)
    env.step(LEFT)
    picture = env.render()
    assert picture.dtype == np.uint8
    assert picture.shape == (224, 224, 3)
    middles = picture[32:-16:32, 32:-16:32].astype(int)  # of the cells
    red, green, blue = np.moveaxis(middles, -1, 0)
    assert np.argwhere((red > green) & (red > blue)).tolist() == [[0, 5]]
    assert np.argwhere((blue > green) & (blue > red)).tolist() == [[2, 3], [3, 2], [3, 3]]
    assert ((green > red) & (green > blue)).sum() == 32
    assert (env.render() == picture).all()
    assert Snake().render() is None


# -- mistakes


def test_mistakes() -> None:
    for size in (5, 6.0, True):
        with pytest.raises(UsageError, match=rf"size must be a whole number from 6 up, got {size}"):
            Snake(size)
    with pytest.raises(UsageError, match="view must be one of features, image, got 'pixels'"):
        Snake(view="pixels")
    env = snake()
    for action in (3, -1):
        with pytest.raises(UsageError, match=rf"0 \(left\), 1 \(straight on\) and 2 \(right\), got {action}"):
            env.step(action)
    many = VectorSnake(3)
    many.reset(seed=0)
    with pytest.raises(UsageError, match="got 7"):
        many.step(np.array([0, 7, 1]))
    with pytest.raises(UsageError, match=r"3 games of Snake take as many actions, got \(2,\)"):
        many.step(np.array([0, 1]))
    with pytest.raises(UsageError, match="make a single one"):
        VectorSnake(2, render_mode="rgb_array")


# -- learning


@pytest.mark.slow
@pytest.mark.parametrize("env_id", IDS)
def test_dqn_learns_to_play(env_id: str) -> None:
    """Its goal is a mean length of 12; a return of 9 is that, since every food is 1 and the end, at most, -1."""
    agent = DQN(env_id, seed=0).learn(40_000)
    assert evaluate(agent, episodes=50).mean >= 9.0


@pytest.mark.slow
def test_ppo_learns_to_play() -> None:
    agent = PPO("minigrad/Snake-v0", seed=0).learn(200_000)
    assert evaluate(agent, episodes=50).mean >= 9.0
