"""What an environment gives is compared with what it says; a mistake names it, and says what to mend."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

from agents import DQN, QLearning
from envs import Environments, UsageError, make_environments
from tests.envs.odd import BOX, Odd

GREY = spaces.Box(0, 255, (2,), np.uint8)
WHOLE = spaces.Box(0, 9, (2,), np.int32)


def play(env: Any, steps: int = 20) -> None:
    """Takes the first action again and again."""
    environments = make_environments(env)
    environments.reset(0)
    for _ in range(steps):
        environments.step(np.zeros(environments.num_envs, int))


@pytest.mark.parametrize("at", [0, 3, 5], ids=["first", "middle", "last"])
@pytest.mark.parametrize(
    ("space", "wrong", "message"),
    [
        (BOX, np.zeros(1, np.float32), r"observation of shape \(1,\).*Box\(-1.0, 1.0, \(3,\), float32\)"),
        (BOX, 0.5, r"observation of shape \(\)"),
        (BOX, np.zeros((3, 1), np.float32), r"observation of shape \(3, 1\)"),
        (BOX, [[1, 2], [3]], "whose parts don't make one array"),
        (BOX, None, "observation of"),
        (BOX, np.array(["a", "b", "c"]), "observation of <U1"),
        (BOX, np.zeros(3, np.complex64), "observation of complex64"),
        (GREY, np.array([0.3, 1.0]), "float64 with 0.3 in it, which uint8 can't keep"),
        (GREY, np.array([256, 3]), "int64 with 256 in it, which uint8 can't keep"),
        (GREY, np.array([-1, 3], np.int8), "int8 with -1 in it, which uint8 can't keep"),
        (WHOLE, np.array([np.nan, 3]), "float64 with nan in it, which int32 can't keep"),
        (spaces.Discrete(3), -1, r"observation -1, and its observation_space is Discrete\(3\)"),
        (spaces.Discrete(3), 3, "observation 3"),
        (spaces.Discrete(3, start=5), 4, "observation 4"),
        (spaces.Discrete(3), np.int64(-1), "observation .*-1"),
        (spaces.Discrete(3), 1.0, "observation 1.0"),
        (spaces.Discrete(3), np.array([1]), r"observation array\(\[1\]\)"),
    ],
    ids=str,
)
def test_an_observation_of_another_kind_is_refused_at_any_step(space, wrong, message, at) -> None:
    right = space.sample()
    env = Odd(space, observe=lambda env: wrong if env.t == at else right)
    with pytest.raises(UsageError, match=f"^Odd: the environment returned .*{message}"):
        play(env)


@pytest.mark.parametrize(
    ("space", "outside"),
    [
        (BOX, np.array([0, 0, 1.01], np.float32)),
        (BOX, np.array([0, -1.01, 0])),
        (spaces.Box(0, np.inf, (2,)), np.array([-0.1, 7])),
        (spaces.Box(0, 1, (2,), np.uint8), np.array([0, 2], np.uint8)),
        (spaces.MultiDiscrete([3, 4]), np.array([1, 4])),
        (spaces.MultiDiscrete([3, 4], start=[5, 5]), np.array([4, 5])),
        (spaces.MultiBinary(2), np.array([0, 2], np.int8)),
    ],
    ids=str,
)
def test_the_first_observation_of_an_episode_is_within_the_bounds(space, outside) -> None:
    inside = space.sample()
    for at, episode in ((0, 1), (1, 1), (0, 2)):  # of the first step, too
        seen = {"episodes": 0}

        def observe(env: Any, at: int = at, episode: int = episode, seen: dict[str, int] = seen) -> Any:
            seen["episodes"] += env.t == 0
            return outside if env.t == at and seen["episodes"] == episode else inside

        with pytest.raises(UsageError, match="^Odd: the environment returned an observation with .* in it, and its"):
            play(Odd(space, observe=observe))


def test_what_is_right_passes() -> None:
    """Values that the space can keep, whatever their dtype, and numbers that only rounding puts outside."""
    for space, given in (
        (BOX, np.array([0, 1, -1])),
        (BOX, [0.5, 0.25, 0.0]),
        (BOX, np.array([0, 0, 1.00001], np.float32)),
        (GREY, np.array([0.0, 255.0])),
        (GREY, (3, 4)),
        (spaces.Box(0, 1, (2,), np.bool_), np.array([0, 1])),
        (spaces.Discrete(3), np.array(2)),
        (spaces.Discrete(3), np.uint8(2)),
        (spaces.Discrete(2), True),
    ):
        environments = make_environments(Odd(space, observe=lambda env, given=given: given))
        environments.reset(0)
        step = environments.step(np.array([0]))
        np.testing.assert_array_equal(step.next_observation[0], np.asarray(given, environments.observation_dtype))


def test_bounds_are_not_compared_in_the_middle_of_an_episode() -> None:
    """Many environments leave them there, and learn well."""
    play(Odd(observe=lambda env: np.full(3, 7.0 if env.t > 1 else 0.0, np.float32)))


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda env, seen: (seen, 0.0, False, {}), r"4 values; return \(observation, reward, terminated, .*`done`"),
        (lambda env, seen: (seen, 0.0, False, False, {}, 1), r"6 values; return \(observation"),
        (lambda env, seen: None, r"None; return \(observation"),
        (lambda env, seen: (seen, None, False, False, {}), "the reward None; a reward is one number"),
        (lambda env, seen: (seen, "1", False, False, {}), "the reward '1'; a reward is one number"),
        (lambda env, seen: (seen, np.zeros(2), False, False, {}), r"a reward of shape \(2,\); a reward is one number"),
        (lambda env, seen: (seen, 0.0, None, False, {}), "terminated=None; it is True or False"),
        (lambda env, seen: (seen, 0.0, False, {}, False), "truncated={}; it is True or False"),
        (lambda env, seen: (seen, 0.0, np.zeros(2, bool), False, {}), "terminated=.*; it is True or False"),
        (lambda env, seen: (seen, 0.0, False, False, None), "None for info; it is a dict"),
    ],
)
def test_what_step_must_return(answer, message) -> None:
    with pytest.raises(UsageError, match=f"^Odd: step returned {message}"):
        play(Odd(answer=answer))


@pytest.mark.parametrize("number", [4, 6])
def test_another_number_of_values_is_refused_at_any_step(number) -> None:
    right = lambda env, seen: (seen, 0.0, False, False, {})
    answer = lambda env, seen: right(env, seen) if env.t < 4 else (*right(env, seen), {})[:number]
    with pytest.raises(UsageError, match=f"step returned {number} values"):
        play(Odd(answer=answer))


def test_a_late_reward_that_is_no_number() -> None:
    with pytest.raises(UsageError, match="the reward None; a reward is one number"):
        play(Odd(answer=lambda env, seen: (seen, None if env.t == 4 else 0.0, False, False, {})))


@pytest.mark.parametrize("episode", [1, 2])
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda env, seen: seen, r"an array of shape \(3,\) alone; return \(observation, info\)"),
        (lambda env, seen: (seen,), r"a tuple of 1 alone; return \(observation, info\)"),
        (lambda env, seen: (seen, None), r"a pair whose second value is None; return \(observation, info\)"),
    ],
)
def test_what_reset_must_return(wrong, message, episode) -> None:
    begun: list[int] = []

    def open_episode(env: Any, seen: Any) -> Any:
        begun.append(1)
        return wrong(env, seen) if len(begun) == episode else (seen, {})

    with pytest.raises(UsageError, match=f"^Odd: reset returned {message}"):
        play(Odd(open=open_episode))


def test_a_reset_without_a_seed() -> None:
    class Old(Odd):
        def reset(self):  # type: ignore[override]
            return super().reset()

    with pytest.raises(UsageError, match="^Old: reset takes no seed; write it as reset"):
        play(Old())


@pytest.mark.parametrize("attribute", ["observation_space", "action_space"])
def test_spaces_must_be_there(attribute) -> None:
    env = Odd()
    setattr(env, attribute, None)
    with pytest.raises(UsageError, match=f"^Odd: {attribute} is None; set it in __init__"):
        make_environments(env)


def test_an_exception_of_the_environment_itself_stays_what_it_is() -> None:
    def fail(env: Any, seen: Any) -> Any:
        raise ValueError("my own")

    for env in (Odd(answer=fail), Odd(open=fail)):
        with pytest.raises(ValueError, match="^my own$") as raised:
            play(env)
        assert raised.traceback[-1].name == "fail"


def test_agents_refuse_as_well() -> None:
    with pytest.raises(UsageError, match=r"observation of shape \(1,\)"):
        DQN(lambda: Odd(observe=lambda env: np.zeros(1 if env.t > 3 else 3, np.float32))).learn(100)
    with pytest.raises(UsageError, match="observation -1"):
        QLearning(lambda: Odd(spaces.Discrete(3), observe=lambda env: -1 if env.t > 3 else 0)).learn(100)


# -- vector environments


class Several(gym.vector.VectorEnv):
    """Two environments that observe what they are told, and never end."""

    metadata = {"autoreset_mode": gym.vector.AutoresetMode.NEXT_STEP}

    def __init__(self, space: gym.Space, observe: Callable[[int], Any]) -> None:
        self.num_envs, self.single_observation_space, self.single_action_space = 2, space, spaces.Discrete(2)
        self.observation_space = gym.vector.utils.batch_space(space, 2)
        self.action_space = spaces.MultiDiscrete([2, 2])
        self.observe, self.t = observe, 0

    def reset(self, *, seed: Any = None, options: Any = None) -> Any:
        self.t = 0
        return self.observe(0), {}

    def step(self, actions: Any) -> Any:
        self.t += 1
        return self.observe(self.t), np.zeros(2), np.zeros(2, bool), np.zeros(2, bool), {}


@pytest.mark.parametrize("at", [0, 1, 4])
@pytest.mark.parametrize(
    ("space", "right", "wrong", "message"),
    [
        (BOX, np.zeros((2, 3)), np.zeros((2, 1)), r"shape \(2, 1\)"),
        (BOX, np.zeros((2, 3)), np.zeros(3), r"shape \(3,\)"),
        (GREY, np.zeros((2, 2), np.uint8), np.full((2, 2), 0.5), "0.5 in it, which uint8 can't keep"),
        (spaces.Discrete(3), np.array([0, 2]), np.array([0, 3]), "observation 3"),
        (spaces.Discrete(3), np.array([0, 2]), np.array([-1, 0]), "observation -1"),
    ],
    ids=str,
)
def test_observations_of_vector_environments(space, right, wrong, message, at) -> None:
    with pytest.raises(UsageError, match=f"^Several: the environment returned .*{message}"):
        play(Several(space, lambda t: wrong if t == at else right))


def test_a_killed_process_of_a_vector_environment_is_named() -> None:
    vector = gym.vector.AsyncVectorEnv([Odd, Odd])
    environments: Environments = make_environments(vector)
    environments.reset(0)
    os.kill(vector.processes[1].pid, signal.SIGKILL)
    vector.processes[1].join()
    try:
        with pytest.raises(UsageError, match="^AsyncVectorEnv: a process of the AsyncVectorEnv is gone; .* num_envs=2"):
            for _ in range(3):
                environments.step(np.zeros(2, int))
    finally:
        vector.close_extras(terminate=True)
    assert not [child for child in multiprocessing.active_children() if child in vector.processes]
