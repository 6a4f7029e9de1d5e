"""The package's games, turned channels first and resumable. Compared with the package's own environments."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest

from agents import DQN, evaluate
from agents.core.checkpoint import read, write
from agents.core.recording import record
from envs import UsageError, make_environments
from envs.vector import make_by_id
from tests.agents.conftest import assert_same_state

minatar_gym = pytest.importorskip("minatar.gym")

GAMES = ["Asterix", "Breakout", "Freeway", "Seaquest", "SpaceInvaders"]


def play(env: gym.Env, seed: int, steps: int, actions: np.random.Generator) -> list[tuple]:
    """Observation, reward and end of every step, from a reset with `seed` on."""
    taken = [(env.reset(seed=seed)[0], 0.0, False)]
    for _ in range(steps):
        observation, reward, terminated, _, _ = env.step(int(actions.integers(env.action_space.n)))
        taken.append((observation, reward, terminated))
        if terminated:
            taken.append((env.reset()[0], 0.0, False))
    return taken


def assert_same_games(a: list[tuple], b: list[tuple]) -> None:
    for mine, other in zip(a, b, strict=True):
        for x, y in zip(mine, other, strict=True):
            np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("game", GAMES)
def test_the_packages_own_game_channels_first(game: str) -> None:
    ours, kwargs = make_by_id(f"MinAtar/{game}-v1"), {"use_minimal_action_set": True}
    theirs = minatar_gym.BaseEnv(game="space_invaders" if game == "SpaceInvaders" else game.lower(), **kwargs)
    assert ours.observation_space.contains(ours.reset(seed=0)[0])
    assert ours.action_space == theirs.action_space
    expected = [
        (observation.transpose(2, 0, 1), *rest)
        for observation, *rest in play(theirs, 3, 500, np.random.default_rng(0))
    ]
    assert_same_games(play(ours, 3, 500, np.random.default_rng(0)), expected)


def test_a_seed_starts_the_same_game_whatever_was_played_before() -> None:
    """The package keeps the action that a sticky one repeats over a seeded reset."""
    fresh, used = (make_by_id("MinAtar/Breakout-v1", sticky_action_prob=1.0) for _ in range(2))
    used.reset(seed=1)
    used.unwrapped.game.last_action = 3
    for env in (fresh, used):
        env.reset(seed=7)
    for _ in range(5):
        np.testing.assert_array_equal(fresh.step(0)[0], used.step(0)[0])


def test_seeds_differ_and_may_be_large() -> None:
    env = make_by_id("MinAtar/Freeway-v1")
    first = [env.reset(seed=seed)[0].tobytes() for seed in (0, 1, 2**40 + 5, 2**40 + 5)]
    assert first[2] == first[3]
    assert len(set(first)) == 3


@pytest.mark.parametrize("game", GAMES)
@pytest.mark.parametrize("steps", [1, 230])
def test_goes_on_from_a_checkpoint(game: str, steps: int, tmp_path) -> None:
    """Through the file, in which numbers become Python's and tuples lists."""
    original, copy = (make_environments(f"MinAtar/{game}-v1", 2) for _ in range(2))
    assert original.why_not_resumable() is None
    rng = np.random.default_rng(0)
    original.reset(0)
    for _ in range(steps):
        original.step(original.sample_actions(rng))
    write(tmp_path / "step", {"environments": original.state_dict()}, tmp_path, {})
    copy.reset(9)
    copy.load_state_dict(read(tmp_path / "step")["environments"])
    for _ in range(300):
        action = original.sample_actions(rng)
        for mine, other in zip(copy.step(action), original.step(action), strict=True):
            np.testing.assert_array_equal(mine, other)


def test_a_saved_state_stays_what_it_was() -> None:
    """Games change their lists in place. An environment that was never seeded takes the state, too."""
    env = make_by_id("MinAtar/Asterix-v1")
    actions = [int(action) for action in np.random.default_rng(0).integers(3, size=200)]
    env.reset(seed=0)
    state = env.unwrapped.get_state()
    futures = [[env.step(action)[0].tobytes() for action in actions]]
    for follower in (env, env, make_by_id("MinAtar/Asterix-v1")):
        follower.reset()
        follower.unwrapped.set_state(state)
        futures.append([follower.step(action)[0].tobytes() for action in actions])
    assert futures[0] == futures[1] == futures[2] == futures[3]


def test_an_unknown_game() -> None:
    with pytest.raises(UsageError, match=r"unknown environment 'MinAtar/Breakot-v1'; did you mean MinAtar/Breakout"):
        make_by_id("MinAtar/Breakot-v1")


def test_pictures_are_bytes() -> None:
    """Black where nothing is; the package's palette elsewhere, in which every kind of thing has its own colour."""
    env = make_by_id("MinAtar/Breakout-v1", render_mode="rgb_array")
    observation, _ = env.reset(seed=0)
    picture = env.render()
    assert picture.dtype == np.uint8
    assert picture.shape == (10, 10, 3)
    theirs = minatar_gym.BaseEnv.render(env.unwrapped)
    np.testing.assert_allclose(picture, 255 * theirs, atol=0.5)
    np.testing.assert_array_equal(picture.any(axis=2), observation.any(axis=0))
    channels_first = make_by_id("MinAtar/Breakout-v1", render_mode="array")
    channels_first.reset(seed=0)
    np.testing.assert_array_equal(channels_first.render().transpose(2, 0, 1), observation)


def test_a_game_can_be_filmed(tmp_path) -> None:
    agent = DQN("MinAtar/Breakout-v1", hidden=(8,))
    made = record(agent, tmp_path / "x.webp")
    assert made.frames == evaluate(agent, episodes=1).lengths[0] + 1


def test_trains_resumes_and_is_evaluated(tmp_path) -> None:
    agent = DQN("MinAtar/Breakout-v1", num_envs=2, hidden=(8,), learning_starts=50, replay_size=500)
    agent.learn(150, run=tmp_path / "run")
    loaded = DQN.load(tmp_path / "run")
    assert_same_state(agent.learn(100), loaded.learn(100))
    assert agent.replay.sample(4).observation.dtype == np.bool_  # a byte for each number, not four
    assert len(evaluate(agent, episodes=2).returns) == 2
