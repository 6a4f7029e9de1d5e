"""Several whole numbers become one state, each its own, and nothing else changes."""

from __future__ import annotations

import itertools

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

from agents import DQN, MonteCarlo, QLearning, evaluate
from envs import UsageError, make_environments
from envs.counted_states import count_states
from tests.envs.odd import Odd


def number(env: Odd, values: list[tuple]) -> tuple:
    """The observations one after the other."""
    return values[env.t % len(values)]


@pytest.mark.parametrize(
    ("space", "ranges"),
    [
        (spaces.MultiDiscrete([3, 2, 4]), (range(3), range(2), range(4))),
        (spaces.MultiDiscrete([3, 2], start=[5, -1]), (range(5, 8), range(-1, 1))),
        (spaces.MultiDiscrete([[3, 2], [2, 2]]), (range(3), range(2), range(2), range(2))),
        (spaces.MultiBinary(3), (range(2),) * 3),
        (spaces.Tuple([spaces.Discrete(3), spaces.Discrete(2, start=4)]), (range(3), range(4, 6))),
    ],
    ids=str,
)
def test_every_observation_is_a_state_of_its_own(space, ranges) -> None:
    """Counted as an odometer counts: the last number first."""
    values = [np.reshape(each, space.shape or -1) for each in itertools.product(*ranges)]
    environments = count_states(
        make_environments(lambda: Odd(space, observe=lambda env: number(env, values), length=99))
    )
    assert environments.observation_space == spaces.Discrete(len(values))
    environments.reset(0)
    for state in range(1, len(values)):
        step = environments.step(np.array([0]))
        assert (step.observation.tolist(), step.next_observation.tolist()) == ([state - 1], [state])
        assert environments.observation.tolist() == [state]
    assert [environments.from_env(value) for value in values] == list(range(len(values)))
    assert environments.from_env(np.array(values)).tolist() == list(range(len(values)))


@pytest.mark.parametrize("mode", ["NextStep", "SameStep"])
def test_vector_environments_observe_tuples_part_by_part(mode) -> None:
    """gymnasium gives an array for each part; of three environments with three parts it looks like an array of rows."""
    vector = gym.make_vec("Blackjack-v1", 3, "sync", vector_kwargs={"autoreset_mode": mode})
    environments, alone = make_environments(vector), make_environments("Blackjack-v1", 3)
    rng = np.random.default_rng(0)
    for each in (environments, alone):
        each.reset(5)
    np.testing.assert_array_equal(environments.observation, alone.observation)
    for _ in range(50):
        step = environments.step(rng.integers(2, size=3))
        for observation in (step.observation, step.next_observation):
            assert ((observation >= 0) & (observation < [32, 11, 2])).all()
        assert (step.observation[:, 1] == step.next_observation[:, 1]).all()  # the dealer's card stays


def test_too_many_states_for_a_table() -> None:
    space = spaces.MultiBinary(20)
    with pytest.raises(
        UsageError, match=r"^Odd: observations of MultiBinary\(20\) make 1,048,576 states, and 1,000,000"
    ):
        QLearning(lambda: Odd(space))


def test_a_dictionary_of_whole_numbers_says_what_to_make_of_it() -> None:
    space = spaces.Dict(a=spaces.Discrete(3), b=spaces.Discrete(2))
    with pytest.raises(
        UsageError, match=r"a Dict of whole numbers, .*; make the space a MultiDiscrete of them, or a Tuple"
    ):
        QLearning(lambda: Odd(space))


def test_a_table_learns_blackjack() -> None:
    """Twenty is a hand to stay with, and eleven can't be spoiled by another card (Sutton & Barto, example 5.1)."""
    agent = MonteCarlo("Blackjack-v1", seed=0, num_envs=2).learn(4_000)
    assert agent.predict((20, 10, False)) == 0
    assert agent.predict((11, 10, 0)) == 1
    assert agent.predict(np.array([[20, 10, 0], [11, 10, 0]])).tolist() == [0, 1]
    assert len(evaluate(agent, episodes=3).returns) == 3


def test_a_network_sees_the_numbers() -> None:
    assert DQN("Blackjack-v1").observation_space == spaces.MultiDiscrete([32, 11, 2])


def test_what_predict_is_not_given() -> None:
    table = QLearning("Blackjack-v1")
    with pytest.raises(
        UsageError, match=r"this is an observation of shape \(2,\), and .* MultiDiscrete\(\[32 11 2\]\)"
    ):
        table.predict((20, 5))
    with pytest.raises(UsageError, match="this is an observation with 40 in it"):
        table.predict((40, 5, 0))
    for state in (-1, 64):
        with pytest.raises(UsageError, match=f"this is the observation {state}, and its observation_space is Discrete"):
            QLearning("FrozenLake8x8-v1").predict(state)
    with pytest.raises(UsageError, match=r"this is \(observation, info\), as reset returns it"):
        DQN("CartPole-v1").predict(gym.make("CartPole-v1").reset())
    with pytest.raises(UsageError, match=r"FrozenLake-v1: this is an observation with 2\.7 in it, which int64 can't"):
        QLearning("FrozenLake-v1").predict(2.7)  # it is not state 2
    with pytest.raises(UsageError, match=r"CartPole-v1: this is a str, not numbers.*give an observation of that space"):
        DQN("CartPole-v1").predict("left")
    with pytest.raises(UsageError, match="CartPole-v1: this is a list of 2, and its parts don't make one array"):
        DQN("CartPole-v1").predict([[0, 0, 0, 0], [0, 0]])


def test_it_resumes() -> None:
    assert QLearning("Blackjack-v1", num_envs=2).environments.why_not_resumable() is None


def test_actions_that_are_counted_from_elsewhere() -> None:
    """What the environment gets is the agent's action once shifted, however many wrappers are around."""
    taken: list[int] = []

    class Far(Odd):
        def __init__(self) -> None:
            super().__init__(spaces.MultiDiscrete([3, 2]))
            self.action_space = spaces.Discrete(2, start=5)

        def step(self, action):
            taken.append(int(action))
            return super().step(action)

    environments = count_states(make_environments(Far))
    environments.reset(0)
    for action in (0, 1):
        environments.step(np.array([action]))
    assert taken == [5, 6]
    assert environments.for_agent(np.array([5, 6])).tolist() == [0, 1]
