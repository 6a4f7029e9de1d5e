"""Steps are recorded as they were, and an agent that is given them learns from just those."""

from __future__ import annotations

import json
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import safetensors.numpy
from gymnasium import spaces

from agents import DDPG, DQN, PPO, SAC, QLearning, Rainbow, collect, evaluate, load, read_steps
from agents.memory.recorded import FIELDS
from envs import UsageError, make_environments
from tests.agents.conftest import Near, assert_same_state
from tests.agents.recordings import record_play

GRID = "minigrad/GridWorld-v0"
SMALL = dict(hidden=(8,), batch_size=8, learning_starts=20)


class Counter(gym.Env):
    """Pictures that show how many steps were taken; even episodes end at the third, odd ones are cut off there."""

    observation_space = spaces.Box(0, 255, (3, 3, 1), np.uint8)
    action_space = spaces.Discrete(2, start=5)

    def __init__(self) -> None:
        self.episode = -1

    def picture(self) -> np.ndarray:
        return np.full((3, 3, 1), 10 * self.episode + self.step_number, np.uint8)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.episode, self.step_number = self.episode + 1, 0
        return self.picture(), {}

    def step(self, action):
        assert action in (5, 6)
        self.step_number += 1
        ends = self.step_number == 3
        return self.picture(), self.step_number / 2, ends and self.episode % 2 == 0, ends and self.episode % 2 == 1, {}


def test_every_step_as_it_was(tmp_path: Path) -> None:
    """Bytes stay bytes, a cut is no end, the last observation is the episode's own, actions are the environment's."""
    agent = DQN(Counter, seed=0, **SMALL)
    steps = collect(agent, tmp_path / "steps.safetensors", episodes=2)
    read = read_steps(tmp_path / "steps.safetensors")
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(read, name), getattr(steps, name))
    first = int(read.observation[0, 0, 0, 0])
    numbers = lambda pictures: (pictures[:, 0, 0, 0].astype(int) - first).tolist()
    assert read.observation.dtype == np.uint8
    assert numbers(read.observation) == [0, 1, 2, 10, 11, 12]
    assert numbers(read.next_observation) == [1, 2, 3, 11, 12, 13]
    assert read.reward.tolist() == [0.5, 1.0, 1.5] * 2
    assert read.terminated.sum() == read.truncated.sum() == 1
    assert (read.terminated | read.truncated).nonzero()[0].tolist() == [2, 5]
    assert set(read.action.tolist()) <= {5, 6}
    assert read.about["env"] == "Counter"
    assert read.about["returns"] == [3.0, 3.0]


def test_the_episodes_are_those_of_an_evaluation(tmp_path: Path) -> None:
    agent = QLearning(GRID, seed=0).learn(2_000)
    steps = collect(agent, tmp_path / "steps", episodes=5, seed=3)
    result = evaluate(agent, episodes=5, seed=3)
    assert steps.about["returns"] == result.returns.tolist()
    assert len(steps) == result.lengths.sum()


def test_collecting_leaves_the_training_as_it_was(tmp_path: Path) -> None:
    one, other = (DQN("CartPole-v1", seed=0, **SMALL).learn(60) for _ in range(2))
    collect(one, tmp_path / "steps", episodes=2)
    assert_same_state(one.learn(40), other.learn(40))


def test_a_replay_begins_with_them(tmp_path: Path) -> None:
    """Truncated is not terminated; actions are those that the agent itself would have kept."""
    path = record_play("Pendulum-v1", tmp_path / "steps", 30)
    steps = read_steps(path)
    for agent in (SAC("Pendulum-v1", seed=0, data=path, **SMALL), DQN("Pendulum-v1", seed=0, data=path, **SMALL)):
        agent.learn(5)
        arrays = agent.replay.ring.arrays
        assert len(agent.replay) == 35
        np.testing.assert_allclose(arrays["observation"][:30], steps.observation)
        np.testing.assert_allclose(arrays["reward"][:30], steps.reward, rtol=1e-6)
        assert (arrays["discount"][:30] == np.float32(agent.hyperparameters.gamma)).all()  # the last was cut off
        played = agent.environments.for_env(arrays["action"][:30])
        np.testing.assert_allclose(played, steps.action, atol=0.2 + 1e-6 if isinstance(agent, DQN) else 1e-6)


def test_an_end_is_an_end(tmp_path: Path) -> None:
    path = record_play(Near, tmp_path / "steps", 5)
    agent = DDPG(Near, seed=0, data=path, **SMALL).learn(1)
    assert (agent.replay.ring.arrays["discount"][:5] == 0).all()


def test_several_steps_at_a_time(tmp_path: Path) -> None:
    """The rows of an n-step replay are those of the same steps played by the agent itself."""
    path = record_play("CartPole-v1", tmp_path / "steps", 40)
    agent = Rainbow("CartPole-v1", seed=0, data=path, hidden=(8,), learning_starts=500).learn(1)
    steps, n, gamma = read_steps(path), agent.hyperparameters.n_step, agent.hyperparameters.gamma
    ends = (steps.terminated | steps.truncated).nonzero()[0]
    rewards = []
    for t in range(len(steps)):
        last = min(t + n, ends[ends >= t][0] + 1)
        rewards.append(sum(gamma**k * steps.reward[t + k] for k in range(last - t)))
    np.testing.assert_allclose(np.sort(agent.replay.ring.arrays["reward"][: len(steps)]), np.sort(rewards), rtol=1e-6)


def test_more_than_fits_keeps_the_last(tmp_path: Path) -> None:
    path = record_play("CartPole-v1", tmp_path / "steps", 40)
    small = dict(hidden=(8,), batch_size=4, replay_size=10, learning_starts=100)
    agent = DQN("CartPole-v1", data=path, **small).learn(3)
    kept = np.sort(read_steps(path).observation[-7:, 1])
    assert np.isin(kept, agent.replay.ring.arrays["observation"][:, 1]).all()
    assert len(agent.replay) == 10


def test_a_run_with_them_goes_on_the_same(tmp_path: Path) -> None:
    """They are read once, in the first training: afterwards the file may be gone."""
    path = record_play("CartPole-v1", tmp_path / "steps", 40)
    agent = DQN("CartPole-v1", seed=0, data=path, **SMALL).learn(60, run=tmp_path / "run")
    path.unlink()
    loaded = load(tmp_path / "run")
    assert len(loaded.replay) == 100
    assert_same_state(agent.learn(40), loaded.learn(40))


def test_one_is_not_the_other(tmp_path: Path) -> None:
    path = record_play("CartPole-v1", tmp_path / "steps", 40)
    with pytest.raises(UsageError, match=r"the steps were recorded in CartPole-v1 .* but Pendulum-v1 has .* record"):
        SAC("Pendulum-v1", data=path)
    with pytest.raises(UsageError, match="ppo learns from its own steps alone; leave data out"):
        PPO("CartPole-v1", data=path)
    with pytest.raises(UsageError, match=r"nothing: there is no such file of recorded steps; `minigrad collect RUN`"):
        DQN("CartPole-v1", data=tmp_path / "nothing")


def spoil(path: Path, **changes) -> None:
    arrays = {**safetensors.numpy.load_file(path), **{k: v for k, v in changes.items() if k not in ("format", "about")}}
    with safetensors.safe_open(path, "numpy") as file:
        said = file.metadata()
    said |= {name: value for name, value in changes.items() if name in ("format", "about")}
    safetensors.numpy.save_file({name: array for name, array in arrays.items() if array is not None}, path, said)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "other 1"}, "its format is other 1, and not 'minigrad steps 1'"),
        ({"about": "{"}, "does not hold recorded steps"),
        ({"about": json.dumps({"env": 3})}, "don't say where the steps are from"),
        ({"reward": np.zeros(3)}, "its fields must have the same number of rows, at least one"),
        ({"truncated": np.zeros(20, np.bool_)}, "its episodes are not whole"),
    ],
)
def test_a_file_of_something_else(changes: dict, message: str, tmp_path: Path) -> None:
    path = record_play("Pendulum-v1", tmp_path / "steps", 20)
    spoil(path, **changes)
    with pytest.raises(UsageError, match=message):
        read_steps(path)


def test_no_tensors_at_all(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello")
    with pytest.raises(UsageError, match=r"text does not hold recorded steps: "):
        read_steps(tmp_path / "text")


@pytest.mark.parametrize(
    "box",
    [
        spaces.Box(10, 20, (2,), np.float32),
        spaces.Box(-np.inf, np.inf, (1,), np.float32),
        spaces.Box(0, 9, (1,), np.int64),
    ],
    ids=str,
)
def test_actions_come_back(box: spaces.Box) -> None:
    """What an agent would have done to get the environment's action."""

    class Taking(Near):
        action_space = box

    environments = SAC(Taking, seed=0, **SMALL).environments
    box.seed(0)
    given = np.stack([box.sample() for _ in range(20)])
    np.testing.assert_allclose(environments.for_env(environments.for_agent(given)), given, rtol=1e-5)
    counted = make_environments(Counter)
    np.testing.assert_array_equal(counted.for_agent(np.array([5, 6])), [0, 1])


def test_a_tables_states_are_recorded_as_the_environment_shows_them(tmp_path: Path) -> None:
    """Q-learning counts Blackjack's three numbers to one state; another agent reads the three."""
    steps = collect(QLearning("Blackjack-v1", seed=0), tmp_path / "steps", episodes=20)
    assert steps.observation.shape == steps.next_observation.shape == (len(steps), 3)
    assert ((steps.observation >= 0) & (steps.observation < [32, 11, 2])).all()
    agent = DQN("Blackjack-v1", data=tmp_path / "steps", **SMALL).learn(1)
    assert (agent.replay.ring.arrays["observation"][: len(steps)] == steps.observation).all()


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (np.full(20, 7), r"the recorded action 7 is not in Discrete\(2\)"),
        (np.full(20, -1), r"the recorded action -1 is not in Discrete\(2\)"),
        (np.zeros(20), r"the recorded action 0\.0 is not in Discrete\(2\)"),
        (np.zeros((20, 1), np.int64), r"the recorded actions must have shape \(20,\), got \(20, 1\)"),
    ],
)
def test_actions_that_are_none(action: np.ndarray, message: str, tmp_path: Path) -> None:
    path = record_play("CartPole-v1", tmp_path / "steps", 20)
    spoil(path, action=action)
    with pytest.raises(UsageError, match=message):
        DQN("CartPole-v1", data=path)
    box = record_play("Pendulum-v1", tmp_path / "box", 20)
    spoil(box, action=np.full((20, 1), 2.5, np.float32))
    with pytest.raises(UsageError, match=r"the recorded action \[2\.5\] is not in Box"):
        SAC("Pendulum-v1", data=box)
