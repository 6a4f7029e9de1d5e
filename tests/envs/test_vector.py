"""Whatever the environments are made of, the same valid transitions reach the agent."""

from __future__ import annotations

import sys

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st

from envs import Environments, UsageError, make_environments
from envs.seeding import spawn_seeds


def sync(env_id: str, num_envs: int, mode: str) -> Environments:
    vector = gym.make_vec(env_id, num_envs=num_envs, vectorization_mode="sync", vector_kwargs={"autoreset_mode": mode})
    return make_environments(vector)


def streams(environments: Environments, seed: int, steps: int) -> list[list[tuple]]:
    """Each environment's own transitions, when the k-th action of environment i is the same whatever the
    others do."""
    n = environments.num_envs
    actions = np.random.default_rng(seed).integers(2, size=(n, steps))
    taken: list[list[tuple]] = [[] for _ in range(n)]
    environments.reset(seed)
    while min(map(len, taken)) < steps:
        now = [actions[i, min(len(taken[i]), steps - 1)] for i in range(n)]
        step = environments.step(np.array(now))
        for row, env in enumerate(step.env.tolist()):
            assert step.action[row] == now[env]
            if len(taken[env]) < steps:
                taken[env].append(tuple(field[row] for field in step[:6]))
    environments.close()
    return taken


def assert_same(a: list[list[tuple]], b: list[list[tuple]], tolerance: float = 0.0) -> None:
    for mine, other in zip(a, b, strict=True):
        for transition, expected in zip(mine, other, strict=True):
            for x, y in zip(transition, expected, strict=True):
                np.testing.assert_allclose(x, y, rtol=tolerance, atol=tolerance)


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10_000), num_envs=st.integers(1, 4))
@pytest.mark.parametrize("mode", ["NextStep", "SameStep", "Disabled"])
def test_every_autoreset_mode_yields_the_bare_environments_transitions(mode: str, seed: int, num_envs: int) -> None:
    expected = streams(make_environments("CartPole-v1", num_envs), seed, 120)
    assert_same(streams(sync("CartPole-v1", num_envs, mode), seed, 120), expected)


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_the_vectorised_cartpole_yields_the_bare_ones_transitions(seed: int) -> None:
    # One copy only: with more, its single generator draws the copies' starts in another order.
    vectorised = make_environments(gym.make_vec("CartPole-v1", num_envs=1))
    expected = streams(make_environments("CartPole-v1"), seed, 120)
    assert_same(streams(vectorised, seed, 120), expected, tolerance=1e-5)


@pytest.mark.parametrize("mode", ["NextStep", "SameStep"])
def test_truncated_episodes_too(mode: str) -> None:
    expected = streams(make_environments("minigrad/ProbeTruncation-v0", 3), 0, 40)
    assert_same(streams(sync("minigrad/ProbeTruncation-v0", 3, mode), 0, 40), expected)


def test_environments_in_other_processes() -> None:
    other = gym.make_vec("CartPole-v1", num_envs=2, vectorization_mode="async")
    assert_same(streams(make_environments(other), 3, 60), streams(make_environments("CartPole-v1", 2), 3, 60))


@pytest.mark.parametrize(
    "make",
    [
        lambda: make_environments("CartPole-v1", 3),
        lambda: sync("CartPole-v1", 3, "NextStep"),
        lambda: sync("CartPole-v1", 3, "SameStep"),
        lambda: make_environments(gym.make_vec("CartPole-v1", num_envs=3)),
    ],
)
def test_episodes_are_counted_from_the_transitions_themselves(make) -> None:
    environments = make()
    environments.reset(0)
    rng = np.random.default_rng(0)
    counted, expected = [], []
    total, length = np.zeros(3), np.zeros(3, int)
    for _ in range(300):
        step = environments.step(environments.sample_actions(rng))
        for row, env in enumerate(step.env):
            total[env] += step.reward[row]
            length[env] += 1
            if step.terminated[row] or step.truncated[row]:
                expected.append((env, total[env], length[env]))
                total[env], length[env] = 0, 0
        counted += environments.finished
    assert len(counted) > 20
    assert counted == expected


@pytest.mark.parametrize("mode", [None, "NextStep", "SameStep"])
def test_next_observation_at_an_end_is_the_final_one(mode: str | None) -> None:
    env_id = "minigrad/ProbeTruncation-v0"  # starts at 0, ends at 1
    environments = make_environments(env_id, 2) if mode is None else sync(env_id, 2, mode)
    environments.reset(0)
    ends = 0
    for _ in range(12):
        step = environments.step(np.zeros(2, int))
        ended = step.terminated | step.truncated
        assert (step.next_observation[ended] == 1.0).all()
        ends += ended.sum()
    assert ends >= 6


def test_only_the_first_reset_is_seeded() -> None:
    """Seeding every reset would make every episode the same one."""
    seeds: list[int | None] = []

    class Spy(gym.Wrapper):
        def reset(self, *, seed=None, options=None):
            seeds.append(seed)
            return super().reset(seed=seed, options=options)

    environments = make_environments(lambda: Spy(gym.make("CartPole-v1")), 2)
    environments.reset(7)
    starts = [environments.observation[0]]
    rng = np.random.default_rng(0)
    for _ in range(200):
        environments.step(environments.sample_actions(rng))
        starts += [environments.observation[e.env] for e in environments.finished]
    assert seeds[:2] == spawn_seeds(7, 2)
    assert set(seeds[2:]) == {None}
    assert len(seeds) > 6
    assert len({start.tobytes() for start in starts}) == len(starts)


@pytest.mark.parametrize(
    "make", [lambda: gym.make("CartPole-v1"), lambda: gym.make_vec("CartPole-v1", 2)], ids=["bare", "vector"]
)
def test_the_action_space_is_seeded(make) -> None:
    draws = []
    for _ in range(2):
        env = make()
        make_environments(env).reset(3)
        draws.append([np.asarray(env.action_space.sample()).tolist() for _ in range(20)])
    assert draws[0] == draws[1]


class Custom(gym.Env):
    """Counts its steps in the observation, and returns whatever reward it is told to."""

    observation_space = spaces.Box(-np.inf, np.inf, (2,), np.float64)
    action_space = spaces.Discrete(3, start=1)

    def __init__(self, reward: float = 1.0, value: float = 0.0) -> None:
        self.reward, self.value = reward, value
        self.buffer = np.zeros(2)
        self.actions: list[int] = []

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.buffer[:] = 0
        return self.buffer, {}

    def step(self, action):
        self.actions.append(action)
        self.buffer += 1
        self.buffer[1] = self.value
        return self.buffer, self.reward, bool(self.buffer[0] == 4), False, {}


def test_an_environment_that_reuses_its_array() -> None:
    environments = make_environments(Custom())
    environments.reset(0)
    for i in [*range(4), *range(4)]:
        step = environments.step(np.array([0]))
        assert step.observation[0, 0] == i
        assert step.next_observation[0, 0] == i + 1
        assert step.observation.dtype == np.float32


def test_discrete_actions_that_start_elsewhere() -> None:
    env = Custom()
    environments = make_environments(env)
    environments.reset(0)
    environments.step(np.array([2]))
    assert env.actions == [3]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("mode", [None, "NextStep", "SameStep"])
def test_rewards_and_observations_must_be_finite(bad: float, mode: str | None) -> None:
    for broken, name in ((lambda: Custom(reward=bad), "reward"), (lambda: Custom(value=bad), "observation")):
        env = broken() if mode is None else gym.vector.SyncVectorEnv([broken, broken], autoreset_mode=mode)
        environments = make_environments(env)
        environments.reset(0)
        with pytest.raises(UsageError, match=rf"Custom.*{name}.*{bad}|SyncVectorEnv.*{name}.*{bad}"):
            environments.step(np.zeros(environments.num_envs, int))


def test_large_observations_are_finite_too() -> None:
    environments = make_environments(Custom(value=3e38))
    environments.reset(0)
    environments.step(np.array([0]))  # the sum of such numbers overflows; the numbers don't


def test_errors_say_what_to_do() -> None:
    with pytest.raises(UsageError, match=r"unknown environment 'Cartpole-v1'; did you mean CartPole-v1"):
        make_environments("Cartpole-v1")
    for environments in (make_environments("CartPole-v1"), make_environments(gym.make_vec("CartPole-v1", 2))):
        with pytest.raises(UsageError, match="seed must be at least 0, got -1"):
            environments.reset(-1)
        environments.reset(np.int64(3))
    assert make_environments("CartPole-v1", np.int64(2)).num_envs == 2
    with pytest.raises(UsageError, match="num_envs must be at least 1"):
        make_environments("CartPole-v1", 0)
    with pytest.raises(UsageError, match=r"num_envs must be a whole number, got 2\.5"):
        make_environments("CartPole-v1", 2.5)
    for vector in (gym.make_vec("CartPole-v1", 4), lambda: gym.make_vec("CartPole-v1", 4)):
        assert make_environments(vector, 4).num_envs == make_environments(vector).num_envs == 4
        with pytest.raises(UsageError, match="num_envs is 3 but CartPole-v1 brings its own 4"):
            make_environments(vector, 3)
    with pytest.raises(UsageError, match="a function that makes an environment, but it returned None"):
        make_environments(lambda: None)
    with pytest.raises(UsageError, match="one Custom can't be made into 3"):
        make_environments(Custom(), 3)
    with pytest.raises(UsageError, match="got int"):
        make_environments(3)
    dictionary = Custom()
    dictionary.observation_space = spaces.Dict({"a": spaces.Box(0, 1)})
    with pytest.raises(UsageError, match="FlattenObservation"):
        make_environments(dictionary)


@pytest.mark.parametrize(
    ("env_id", "package", "module", "extra"),
    [
        ("MinAtar/Breakout-v1", "minatar", "envs.minatar", "minatar"),
        ("ALE/Pong-v5", "ale_py", "envs.atari", "atari"),
        ("LunarLander-v3", "Box2D", "gymnasium.envs.box2d", "box2d"),
        ("HalfCheetah-v5", "mujoco", "gymnasium.envs.mujoco", "mujoco"),
    ],
)
def test_a_missing_package_is_one_line_that_says_what_to_install(
    env_id: str, package: str, module: str, extra: str, monkeypatch
) -> None:
    for loaded in [name for name in sys.modules if name.startswith((package, module))]:
        monkeypatch.delitem(sys.modules, loaded)
    monkeypatch.setitem(sys.modules, package, None)  # importing it fails, as if it were not there
    with pytest.raises(UsageError) as raised:
        make_environments(env_id)
    assert str(raised.value) == f'{env_id} needs a package: pip install "minigrad[{extra}]"'


def test_stacked_frames_are_known_where_nothing_changes_them_afterwards() -> None:
    stacked = lambda: gym.wrappers.FrameStackObservation(gym.make("CartPole-v1"), 3)
    assert make_environments(stacked, 2).stacked_frames == 3
    assert make_environments(lambda: gym.wrappers.TimeLimit(stacked(), 10)).stacked_frames == 3
    assert make_environments(lambda: gym.wrappers.FlattenObservation(stacked())).stacked_frames == 1
    assert make_environments(lambda: gym.wrappers.NormalizeObservation(stacked())).stacked_frames == 1
    assert make_environments("CartPole-v1").stacked_frames == 1
    assert make_environments(gym.make_vec("CartPole-v1", 2)).stacked_frames == 1
