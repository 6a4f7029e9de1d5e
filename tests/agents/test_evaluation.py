"""Evaluation: whole episodes, fairly chosen, in environments that training never sees."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest

from agents import DQN, PPO, Reinforce, evaluate
from envs import UsageError, make_environments
from tests.agents.conftest import assert_same_state


class Lengths(gym.Env):
    """Episodes of its own fixed length, with reward 1 a step."""

    observation_space = gym.spaces.Box(-1, 1, (1,))
    action_space = gym.spaces.Discrete(2)

    def __init__(self, length: int = 1) -> None:
        self.length, self.elapsed = length, 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.elapsed = 0
        return np.zeros(1, np.float32), {}

    def step(self, action):
        self.elapsed += 1
        return np.zeros(1, np.float32), 1.0, self.elapsed == self.length, False, {}


def test_returns_lengths_and_their_spread() -> None:
    result = evaluate(DQN("minigrad/ProbeBoth-v0"), lambda: Lengths(5), episodes=7)
    assert result.returns.tolist() == [5.0] * 7
    assert result.lengths.tolist() == [5] * 7
    assert (result.mean, result.std) == (5.0, 0.0)
    assert str(result) == "5.0 ± 0.0 over 7 episodes"


def test_long_episodes_count_as_often_as_short_ones() -> None:
    uneven = gym.vector.SyncVectorEnv([lambda n=n: Lengths(n) for n in (2, 50)])
    result = evaluate(DQN("minigrad/ProbeBoth-v0"), uneven, episodes=5)
    assert sorted(result.returns) == [2.0, 2.0, 2.0, 50.0, 50.0]


class Endless(Lengths):
    """Has no end, but gives up, so that an evaluation that waits for one fails and doesn't hang."""

    def __init__(self) -> None:
        super().__init__(0)

    def step(self, action):
        assert self.elapsed < 1_000, "nobody cuts the episode off"
        return super().step(action)


@pytest.fixture
def limit_of_7(monkeypatch):
    monkeypatch.setitem(
        gym.registry, "Endless-v0", gym.envs.registration.EnvSpec("Endless-v0", entry_point=Endless, kwargs={})
    )
    monkeypatch.setattr("agents.core.evaluation.LONGEST_EPISODE", 7)


WAYS = {
    "id": lambda: "Endless-v0",
    "class": lambda: Endless,
    "function": lambda: lambda: Endless(),
    "instance": lambda: Endless(),
    "vector": lambda: gym.vector.SyncVectorEnv([Endless] * 2),
}


@pytest.mark.filterwarnings("ignore:.*can't be made a second time", "ignore:.*could not be put back")
@pytest.mark.parametrize("way", WAYS)
def test_an_episode_without_an_end_is_cut_off_however_the_environment_is_named(limit_of_7, way: str) -> None:
    agent = DQN("minigrad/ProbeBoth-v0")
    with pytest.warns(UserWarning, match="an episode of .* was cut off after 7 steps; .*TimeLimit"):
        result = evaluate(agent, WAYS[way](), episodes=3)
    assert result.lengths.tolist() == [7, 7, 7]
    assert result.returns.tolist() == [7.0, 7.0, 7.0]
    if way != "instance":
        with pytest.warns(UserWarning, match="was cut off after 7 steps"):
            assert evaluate(DQN(WAYS[way]()), episodes=2).lengths.tolist() == [7, 7]


def test_a_training_goes_on_where_no_episode_of_its_evaluation_ends(limit_of_7, tmp_path) -> None:
    with pytest.warns(UserWarning, match="was cut off after 7 steps"):
        DQN(Endless).learn(10, run=tmp_path / "run")
    assert (tmp_path / "run" / "evaluations.csv").read_text().splitlines()[-1] == "10,7.0,0.0"


@pytest.mark.parametrize(("length", "cut_off"), [(7, False), (8, True)])
def test_the_longest_episode_that_is_not_cut_off(limit_of_7, recwarn, length: int, cut_off: bool) -> None:
    result = evaluate(DQN("minigrad/ProbeBoth-v0"), lambda: Lengths(length), episodes=2)
    assert result.lengths.tolist() == [7, 7]
    assert [str(each.message) for each in recwarn if "cut off" in str(each.message)] == [
        "an episode of Lengths was cut off after 7 steps; if it has no end, wrap the environment in "
        "gymnasium.wrappers.TimeLimit"
    ] * cut_off  # once


def test_a_cut_off_episode_is_no_part_of_the_next_one(limit_of_7) -> None:
    """Side by side: one ends after 10 steps, its rest after the cut doesn't count; the others go on meanwhile."""
    uneven = gym.vector.SyncVectorEnv([lambda n=n: Lengths(n) for n in (10, 3)])
    with pytest.warns(UserWarning, match="cut off"):
        result = evaluate(DQN("minigrad/ProbeBoth-v0"), uneven, episodes=6)
    assert sorted(result.lengths) == sorted(result.returns) == [3, 3, 3, 7, 7, 7]


def test_same_seed_same_episodes() -> None:
    agent = DQN("CartPole-v1")
    assert evaluate(agent).returns.tolist() == evaluate(agent).returns.tolist()
    assert evaluate(agent).returns.tolist() != evaluate(agent, seed=5).returns.tolist()


@pytest.mark.parametrize(
    "env",
    [lambda: gym.make("CartPole-v1"), lambda: gym.make_vec("CartPole-v1", num_envs=2)],
    ids=["one", "vector"],
)
def test_the_training_environment_is_left_alone(env) -> None:
    """An agent may be given an environment itself; evaluating in that one would cut the training episode
    short."""
    alone, watched = DQN(env(), seed=1), DQN(env(), seed=1)
    for agent, watch in ((alone, False), (watched, True)):
        agent.learn(30)
        if watch:
            assert len(evaluate(agent, episodes=3).returns) == 3
        agent.learn(30)
    assert_same_state(alone, watched)


class Drifts(gym.Env):
    """A point that random steps move, and an action; episodes end at random. It has no spec to be made again from."""

    observation_space = gym.spaces.Box(-9, 9, (2,))
    action_space = gym.spaces.Discrete(2)
    position = 0.0

    def observe(self) -> np.ndarray:
        return np.clip([self.position, self.np_random.random()], -9, 9).astype(np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.position = 0.0
        return self.observe(), {}

    def step(self, action):
        self.position += self.np_random.normal() + action - 0.5
        return self.observe(), -abs(self.position), bool(self.np_random.random() < 0.1), False, {}


UNDISTURBED = {
    "evaluated in it": lambda agent, env: evaluate(agent, episodes=3),
    "given it": lambda agent, env: evaluate(agent, env, episodes=3),
    "given it wrapped": lambda agent, env: evaluate(agent, gym.wrappers.TimeLimit(env, 5), episodes=3),
}


@pytest.mark.filterwarnings("ignore:.*can't be made a second time")
@pytest.mark.parametrize("way", UNDISTURBED)
@pytest.mark.parametrize(
    ("learner", "settings"),
    [(DQN, dict(learning_starts=20, n_step=3)), (PPO, dict(rollout_steps=32, batch_size=16)), (Reinforce, {})],
)
def test_training_goes_on_as_if_nothing_had_been_played_in_its_environment(learner, settings, way: str) -> None:
    """Also in the middle of an episode, of a rollout, of a return over several steps: no row joins two episodes."""
    alone, watched = (learner(env, seed=1, **settings) for env in (Drifts(), Drifts()))
    for agent, watch in ((alone, False), (watched, True)):
        for steps in (37, 10, 50):
            agent.learn(steps)
            if watch:
                assert len(UNDISTURBED[way](agent, agent.env).returns) == 3
    assert_same_state(alone, watched)


class Unseeded(Drifts):
    """Has randomness of its own, so that the same actions don't lead to the same place."""

    def observe(self) -> np.ndarray:
        Unseeded.count = getattr(Unseeded, "count", 0) + 1
        return np.float32([self.position % 9, Unseeded.count % 7])


@pytest.mark.filterwarnings("ignore:.*can't be made a second time")
@pytest.mark.parametrize("make", [Unseeded, lambda: gym.vector.SyncVectorEnv([Drifts, Drifts])], ids=["one", "vector"])
def test_what_cannot_be_put_back_goes_on_with_a_new_episode(make) -> None:
    agent = DQN(make(), seed=0).learn(31)
    with pytest.warns(
        UserWarning, match="could not be put back to where its training was: it goes on with a new episode"
    ):
        evaluate(agent, episodes=2)
    first = agent.environments.observation.copy()
    assert first[0, 0] == 0.0  # where episodes start
    transitions, observe = [], agent.observe
    agent.observe = lambda transition: (transitions.append(transition), observe(transition))
    agent.learn(2)
    np.testing.assert_array_equal(transitions[0].observation, first)


@pytest.mark.parametrize("make", [lambda: Lengths(5), lambda: gym.vector.SyncVectorEnv([lambda: Lengths(5)])])
@pytest.mark.filterwarnings("ignore:.*can't be made a second time")
def test_a_reset_in_the_middle_of_an_episode_forgets_its_sums(make) -> None:
    environments = make_environments(make())
    environments.reset(0)
    for _ in range(3):
        environments.step(np.zeros(1, np.int64))
    environments.reset(0)
    finished = []
    for _ in range(5):
        environments.step(np.zeros(1, np.int64))
        finished += environments.finished
    assert finished == [(0, 5.0, 5)]


class Choice(gym.Env):
    """Pays the action, 0 or 1. An episode is one step."""

    observation_space = gym.spaces.Box(-1, 1, (1,))
    action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(1, np.float32), {}

    def step(self, action):
        return np.zeros(1, np.float32), float(action), True, False, {}


def test_actions_are_drawn_only_if_asked_for() -> None:
    """An untrained policy takes both actions about equally often."""
    agent = PPO(Choice, seed=0)
    assert len(set(evaluate(agent, episodes=50).returns)) == 1
    drawn = [evaluate(agent, episodes=200, deterministic=False) for _ in range(2)]
    assert all(0.3 < each.mean < 0.7 for each in drawn)
    assert drawn[0].returns.tolist() != drawn[1].returns.tolist()


def test_an_environment_with_other_spaces_is_refused() -> None:
    for trained, other, both in (
        (DQN(Choice), "Acrobot-v1", r"dqn was trained with .* Discrete\(2\), but Acrobot-v1 has .* Discrete\(3\)"),
        # Both have eleven actions to the agent; and a torque of 2 is not one of 1.
        (DQN("Pendulum-v1", actions=11), lambda: Torque(1.0), r"Box\(-2.0, 2.0, .*, but Torque has .*Box\(-1.0, 1.0, "),
        (PPO("Pendulum-v1"), lambda: Torque(1.0), r"Box\(-2.0, 2.0, .*, but Torque has .*Box\(-1.0, 1.0, "),
    ):
        with pytest.raises(UsageError, match=both):
            evaluate(trained, other, episodes=1)
    assert len(evaluate(PPO("Pendulum-v1"), lambda: Torque(2.0), episodes=1).returns) == 1


class Torque(Choice):
    """Pendulum's spaces, with a torque of its own."""

    def __init__(self, most: float) -> None:
        high = np.float32([1, 1, 8])
        self.observation_space = gym.spaces.Box(-high, high)
        self.action_space = gym.spaces.Box(-most, most, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(3, np.float32), {}

    def step(self, action):
        return np.zeros(3, np.float32), 0.0, True, False, {}


@pytest.mark.parametrize("episodes", [0, -1, 2.5, "3", True])
def test_a_number_of_episodes_that_is_none_is_refused(episodes) -> None:
    with pytest.raises(UsageError, match="episodes must be"):
        evaluate(DQN(Choice), episodes=episodes)


def test_a_seed_that_is_none_is_refused() -> None:
    with pytest.raises(UsageError, match="seed must be at least 0, got -1"):
        evaluate(DQN(Choice), seed=-1)
    assert len(evaluate(DQN(Choice), episodes=np.int64(2), seed=np.int64(3)).returns) == 2


@pytest.mark.parametrize("wrapper", [gym.wrappers.NormalizeObservation, gym.wrappers.NormalizeReward])
@pytest.mark.parametrize("vector", [False, True])
def test_a_wrapper_that_normalises_is_pointed_out(wrapper, vector: bool) -> None:
    one = lambda: wrapper(Lengths(3))
    agent = DQN((lambda: gym.vector.SyncVectorEnv([one])) if vector else one)
    kind = "observations" if "Observation" in wrapper.__name__ else "rewards"
    with pytest.warns(UserWarning, match=f"is wrapped in {wrapper.__name__}.*normalize_{kind}=True"):
        evaluate(agent, episodes=1)


@pytest.mark.filterwarnings("ignore:.*can't be made a second time")
def test_without_a_way_to_make_another_environment_a_run_has_no_evaluations(tmp_path) -> None:
    agent = DQN(Lengths(3))
    with pytest.warns(UserWarning, match="can't be resumed exactly"):
        agent.learn(20, run=tmp_path / "run")
    assert not (tmp_path / "run" / "evaluations.csv").exists()
    assert evaluate(agent, episodes=2).lengths.tolist() == [3, 3]
