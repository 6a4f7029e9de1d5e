"""Atari in training and in evaluation, against the package's own environments."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest

from envs import Environments, UsageError, make_environments
from envs.making import make_by_id
from envs.seeding import spawn_seeds
from tests.envs.test_vector import assert_same, streams

ale_py = pytest.importorskip("ale_py")


def transitions(environments: Environments, steps: int, seed: int = 0) -> list:
    rng = np.random.default_rng(seed)
    environments.reset(seed)
    return [environments.step(environments.sample_actions(rng)) for _ in range(steps)]


def package(game: str, num_envs: int = 1, **options) -> gym.vector.VectorEnv:
    """The package's own environments, with the sticky actions of the v5 ids."""
    return ale_py.AtariVectorEnv(game, num_envs, repeat_action_probability=0.25, **options)


def test_what_agents_see() -> None:
    environments = make_environments("ALE/Pong-v5", 2)
    assert environments.num_envs == 2
    assert environments.name == "ALE/Pong-v5"
    assert environments.observation_space == gym.spaces.Box(0, 255, (4, 84, 84), np.uint8)
    assert environments.observation_dtype == np.uint8
    assert environments.action_space == gym.spaces.Discrete(6)  # those that make a difference in this game
    assert environments.stacked_frames == 4
    assert environments.another().num_envs == 2
    assert make_environments(package("pong", stack_num=3)).stacked_frames == 3


def test_every_next_observation_goes_on_from_its_observation() -> None:
    """Also at the end of a game, where the first observation of the next one has nothing in common with it."""
    environments = make_environments("ALE/Breakout-v5", 2)
    games = 0
    for step in transitions(environments, 250):
        np.testing.assert_array_equal(step.next_observation[:, :3], step.observation[:, 1:])
        games += 2 - len(step.env)  # the step of a reset is no transition
    assert games >= 2


@pytest.mark.parametrize("mode", ["NextStep", "SameStep"])
def test_the_packages_autoreset_modes_yield_the_same_transitions(mode: str) -> None:
    taken = streams(make_environments(package("breakout", 2, autoreset_mode=mode)), 0, 200)
    assert any(transition[3] for transition in taken[0])
    assert_same(taken, streams(make_environments(lambda: make_by_id("ALE/Breakout-v5", num_envs=2)), 0, 200))


def test_the_mode_is_the_environments_own() -> None:
    """The package writes it into metadata that all vector environments share."""
    first = package("breakout", autoreset_mode="SameStep")
    package("breakout", autoreset_mode="NextStep")
    assert first.metadata["autoreset_mode"] is gym.vector.AutoresetMode.NEXT_STEP
    steps = transitions(make_environments(first), 350)
    assert any(step.terminated.any() for step in steps)
    for step in steps:
        np.testing.assert_array_equal(step.next_observation[:, :3], step.observation[:, 1:])


def test_a_lost_life_is_an_end_after_which_the_game_goes_on() -> None:
    """The same game in training and as it is: the same pictures, but more ends."""
    learned = transitions(make_environments("ALE/Breakout-v5"), 350)
    judged = transitions(make_environments(lambda: make_by_id("ALE/Breakout-v5")), 350)
    lives_lost, games = 0, 0
    for i, (mine, other) in enumerate(zip(learned, judged, strict=True)):
        np.testing.assert_array_equal(mine.next_observation, other.next_observation)
        if other.terminated.any():
            assert mine.terminated.all()
            games += 1
        elif mine.terminated.any():
            lives_lost += 1
            np.testing.assert_array_equal(learned[i + 1].observation, mine.next_observation)
    assert games >= 1
    assert lives_lost >= 4 * games  # Breakout has five lives, the last of which ends the game


def test_a_life_that_was_won_is_no_end() -> None:
    environments = make_environments("ALE/Breakout-v5", 2)
    environments.reset(0)
    environments._lives = np.array([3, 6])  # as if the first had won two since, and the second had lost one
    assert environments.step(np.array([0, 0])).terminated.tolist() == [False, True]


def test_training_sees_clipped_rewards_and_counts_the_games_score() -> None:
    environments = make_environments("ALE/SpaceInvaders-v5")
    environments.reset(3)
    env = package("space_invaders", reward_clipping=False)
    env.reset(seed=spawn_seeds(3, 1)[0])
    rng = np.random.default_rng(3)
    score, game_is_over, clipped = 0, False, []
    while not game_is_over:
        action = rng.integers(6, size=1)
        _, reward, terminated, truncated, _ = env.step(action)
        score += int(reward[0])
        game_is_over = bool(terminated[0] or truncated[0])
        clipped.append((float(environments.step(action).reward[0]), float(min(1, reward[0]))))
    assert score > 20
    assert all(mine == expected for mine, expected in clipped)
    assert [episode.total_reward for episode in environments.finished] == [score]
    assert environments.finished[0].length == len(clipped)


def test_evaluation_plays_whole_games_for_their_own_score() -> None:
    from agents import DQN, evaluate

    agent = DQN("ALE/SpaceInvaders-v5", replay_size=64, hidden=(8,), epsilon_start=1.0, epsilon_end=1.0)
    agent.action_values = lambda observation: np.random.default_rng(observation.sum()).random((len(observation), 6))
    # The smallest of its invaders is worth 5, and every score is a multiple of it.
    for result in (evaluate(agent, episodes=1), evaluate(agent, "ALE/SpaceInvaders-v5", episodes=1)):
        assert result.mean >= 20
        assert result.mean % 5 == 0


def test_same_seed_same_game() -> None:
    def seen(seed: int) -> bytes:
        environments = make_environments("ALE/Breakout-v5")
        environments.reset(seed)
        return b"".join(environments.step(np.array([t % 4])).next_observation.tobytes() for t in range(40))

    assert seen(1) == seen(1) != seen(2)


def test_a_run_cannot_be_resumed_exactly_and_says_so() -> None:
    environments = make_environments("ALE/Pong-v5")
    assert "memory" in environments.why_not_resumable()
    transitions(environments, 5)
    resumed = environments.another()
    resumed.reset(0)
    first = resumed.observation
    resumed.load_state_dict(environments.state_dict())
    np.testing.assert_array_equal(resumed.observation, first)


def test_an_unknown_game() -> None:
    with pytest.raises(UsageError, match=r"unknown environment 'ALE/Pnog-v5'; did you mean ALE/Pong-v5"):
        make_environments("ALE/Pnog-v5")
