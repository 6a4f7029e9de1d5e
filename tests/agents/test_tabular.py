"""The tabular learners against values that are known from elsewhere: linear systems, the model, published figures, and
the methods they must be equal to."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

from agents import (
    AGENTS,
    Agent,
    DynaQ,
    ExpectedSarsa,
    MonteCarlo,
    MonteCarloPrediction,
    NStepSarsa,
    NStepTDPrediction,
    OffPolicyMonteCarlo,
    OffPolicySarsa,
    QLearning,
    Sarsa,
    TDPrediction,
    evaluate,
)
from agents.core.randomness import draw
from agents.core.training import train
from agents.presets import preset_for
from agents.runs.progress import Returns
from agents.tabular.monte_carlo import RandomStart
from agents.tabular.parts.control import TabularControl, epsilon_greedy
from agents.tabular.parts.prediction import TabularPrediction
from envs import Transition, UsageError
from envs.model import Model, model_of
from tests.agents.conftest import assert_same_state

GRID = "minigrad/GridWorld-v0"
CLIFF = "minigrad/CliffWalking-v0"
GAMMA = 0.9

LEARNERS = [learner for learner in AGENTS.values() if issubclass(learner, TabularControl | TabularPrediction)]
CONTROL = [learner for learner in LEARNERS if issubclass(learner, TabularControl)]
PREDICTION = [learner for learner in LEARNERS if issubclass(learner, TabularPrediction)]


def named(learners: list[type[Agent]]) -> Any:
    return pytest.mark.parametrize("learner", learners, ids=lambda learner: learner.name)


def model() -> Model:
    return model_of(gym.make(GRID))


def exact_values(model: Model, policy: np.ndarray, gamma: float = GAMMA) -> np.ndarray:
    """v_π = (I - γ P_π)⁻¹ r_π of π(a | s), (states, actions)."""
    transition = np.einsum("sa,sat->st", policy, model.probability)
    reward = np.einsum("sa,sa->s", policy, model.reward)
    return np.linalg.solve(np.eye(len(policy)) - gamma * transition, reward)


def exact_action_values(model: Model, policy: np.ndarray, gamma: float = GAMMA) -> np.ndarray:
    return model.reward + gamma * model.probability @ exact_values(model, policy, gamma)


def uniform(model: Model) -> np.ndarray:
    return np.full(model.reward.shape, 1 / model.reward.shape[1])


def start_value_of_greedy_policy(agent: Agent) -> float:
    known = model()
    policy = np.eye(4)[agent.predict_batch(np.arange(len(known.terminal)))]
    return float(known.start @ exact_values(known, policy))


# -- environments


class Chain(gym.Env):
    """From `first` on to the next state and the next, `length` steps, whatever one does; the last pays 1."""

    def __init__(self, length: int = 3, first: int = 0, states: int = 12, start: int = 0) -> None:
        self.length, self.first, self.at = length, first, 0
        self.observation_space = spaces.Discrete(states, start=start)
        self.action_space = spaces.Discrete(2)

    def observation(self) -> int:
        return int(self.observation_space.start) + self.first + min(self.at, self.length - 1)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        super().reset(seed=seed)
        self.at = 0
        return self.observation(), {}

    def step(self, action: int):
        self.at += 1
        ended = self.at == self.length
        return self.observation(), float(ended), ended, False, {}


class CutOff(gym.Env):
    """State 0 leads to state 1, which pays 1 and leads to itself for ever; every episode is cut off at its second step:
    V(1) = 1 / (1 - γ), V(0) = γ V(1)."""

    observation_space, action_space = spaces.Discrete(2), spaces.Discrete(2)

    def __init__(self) -> None:
        self.at = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        super().reset(seed=seed)
        self.at = 0
        return 0, {}

    def step(self, action: int):
        self.at += 1
        return 1, float(self.at == 2), False, self.at == 2, {}


class RandomWalk(gym.Env):
    """Example 6.2 of Sutton & Barto: five states in a row, from the middle one a step to either side; to the right of
    the last one is a reward of 1. Walking at random, V = 1/6, 2/6, ..., 5/6."""

    observation_space, action_space = spaces.Discrete(5), spaces.Discrete(2)

    def __init__(self) -> None:
        self.at = 2

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        super().reset(seed=seed)
        self.at = 2
        return self.at, {}

    def step(self, action: int):
        self.at += 1 if action else -1
        ended = not 0 <= self.at < 5
        return min(max(self.at, 0), 4), float(self.at == 5), ended, False, {}


# -- control


@named(CONTROL)
def test_greedy_policy_is_optimal_on_the_grid_world(learner: type[Agent]) -> None:
    for seed in range(5):
        agent = learner(GRID, seed=seed).learn(preset_for(learner, GRID).steps)
        assert start_value_of_greedy_policy(agent) == pytest.approx(0.9**4, abs=1e-12), seed


@pytest.mark.parametrize(
    ("learner", "options"),
    [
        (MonteCarlo, {"visits": "every"}),
        (MonteCarlo, {"exploring_starts": True, "epsilon_start": 0.0, "epsilon_end": 0.0, "step_size": "constant"}),
        (OffPolicySarsa, {"n": 2}),
        (QLearning, {"step_size": "average"}),
    ],
)
def test_so_are_the_variants(learner: type[Agent], options: dict[str, Any]) -> None:
    for seed in range(3):
        agent = learner(GRID, seed=seed, **options).learn(20_000)
        assert start_value_of_greedy_policy(agent) == pytest.approx(0.9**4, abs=1e-12), (options, seed)


@pytest.mark.parametrize(
    ("learner", "options"),
    [
        (Sarsa, {}),
        (ExpectedSarsa, {}),
        (NStepSarsa, {"n": 3}),
        (MonteCarlo, {"step_size": "average"}),
        (MonteCarlo, {"step_size": "average", "visits": "every"}),
    ],
)
def test_action_values_of_the_random_policy(learner: type[Agent], options: dict[str, Any]) -> None:
    """With ε = 1 nothing that is learned changes the policy, so Q is q_π of a known linear system."""
    fixed = {"epsilon_start": 1.0, "epsilon_end": 1.0, "step_size": "linear", "learning_rate": 0.2}
    agents = [learner(GRID, seed=seed, **{**fixed, **options}).learn(6_000) for seed in range(5)]
    known = model()
    mean = np.mean([agent.table.value for agent in agents], 0)  # what is left of their luck is less than the limit
    assert distance(mean, exact_action_values(known, uniform(known))) < 0.07


def distance(values: np.ndarray, exact: np.ndarray) -> float:
    """The root of the mean squared error, over the states after which something follows."""
    return float(np.sqrt(((values - exact)[~model().terminal] ** 2).mean()))


@pytest.mark.parametrize("epsilon", [0.0, 0.3])
@pytest.mark.parametrize(
    ("learner", "options"),
    [(QLearning, {}), (DynaQ, {"planning_steps": 1}), (OffPolicySarsa, {"n": 1}), (OffPolicySarsa, {"n": 2})],
)
def test_values_of_another_policy_than_the_one_that_acts(learner, options, epsilon: float) -> None:
    """Acting at random, Q is still that of the best policy, or of the best of those that explore with ε = 0.3."""
    if learner is OffPolicySarsa:
        options = {**options, "target_epsilon": epsilon}
    elif epsilon:
        pytest.skip("learns the values of the greedy policy only")
    agent = learner(GRID, seed=0, epsilon_end=1.0, step_size="linear", learning_rate=0.5, **options).learn(15_000)
    known, values = model(), np.zeros(12)
    for _ in range(200):
        exact = known.reward + GAMMA * known.probability @ values
        values = (1 - epsilon) * exact.max(1) + epsilon * exact.mean(1)
    assert distance(agent.table.value, exact) < (0.06 if epsilon else 2e-3)
    assert distance(agent.table.value, exact_action_values(known, uniform(known))) > 0.3


# -- prediction


@pytest.mark.parametrize(
    ("learner", "options"),
    [
        (TDPrediction, {}),
        (NStepTDPrediction, {"n": 3}),
        (MonteCarloPrediction, {}),
        (MonteCarloPrediction, {"visits": "every"}),
    ],
)
@pytest.mark.parametrize("num_envs", [1, 3])
def test_values_of_the_random_policy(learner: type[Agent], options: dict[str, Any], num_envs: int) -> None:
    if learner is not MonteCarloPrediction:
        options = {"step_size": "linear", "learning_rate": 0.1, **options}
    agents = [learner(GRID, seed=seed, num_envs=num_envs, **options).learn(8_000) for seed in range(5)]
    known = model()
    assert distance(np.mean([agent.table.value for agent in agents], 0), exact_values(known, uniform(known))) < 0.05
    np.testing.assert_array_equal(agents[0].state_values(np.arange(12)), agents[0].table.value)


@named(PREDICTION)
def test_random_walk(learner: type[Agent]) -> None:
    agent = learner(RandomWalk, seed=0, gamma=1.0, step_size="linear", learning_rate=0.05).learn(20_000)
    np.testing.assert_allclose(agent.table.value, np.arange(1, 6) / 6, atol=0.05)


@named(PREDICTION)
def test_the_optimal_policy(learner: type[Agent]) -> None:
    agent = learner(GRID, policy="optimal").learn(2_000)
    assert agent.table.value[8] == pytest.approx(0.9**4, abs=1e-6)
    assert evaluate(agent, episodes=1).lengths.tolist() == [5]


@named(PREDICTION)
def test_any_policy(learner: type[Agent], tmp_path) -> None:
    """It is saved with the agent, and followed."""
    rightwards = np.tile([0.0, 1.0], (5, 1))
    agent = learner(RandomWalk, gamma=0.5)
    agent.policy = rightwards
    agent.learn(1_000).save(tmp_path / "agent")
    loaded = learner.load(tmp_path / "agent", env=RandomWalk)
    np.testing.assert_array_equal(loaded.policy, rightwards)
    np.testing.assert_allclose(loaded.table.value[2:], [0.25, 0.5, 1.0], rtol=1e-6)
    assert loaded.predict(2) == 1
    for bad in (np.ones((5, 3)) / 3, np.ones((5, 2)), np.tile([2.0, -1.0], (5, 1))):
        with pytest.raises(UsageError, match=r"a policy is an array of shape \(5, 2\)"):
            agent.policy = bad


# -- returns of another policy


TWO_THIRDS_RIGHT = np.tile([1 / 3, 2 / 3], (5, 1))


def off_policy(importance_sampling: str, seed: int, episodes: int) -> MonteCarloPrediction:
    agent = MonteCarloPrediction(
        RandomWalk, seed=seed, gamma=1.0, behaviour="uniform", importance_sampling=importance_sampling
    )
    agent.policy = TWO_THIRDS_RIGHT
    agent.total_steps = 10**9
    train(agent, stop=lambda: agent.episodes >= episodes)
    return agent


# A gambler who wins with p = 2/3 and starts with 3 of 6 ends with 6 with probability (1 - q³) / (1 - q⁶), q = 1/2.
EXACT = (1 - 0.5**3) / (1 - 0.5**6)


def test_ordinary_importance_sampling_is_unbiased() -> None:
    """However few the episodes: the mean over many agents is right."""
    estimates = [off_policy("ordinary", seed, episodes=5).table.value[2] for seed in range(200)]
    standard_error = np.std(estimates) / np.sqrt(len(estimates))
    assert standard_error < 0.06
    assert abs(np.mean(estimates) - EXACT) < 3 * standard_error


def test_weighted_importance_sampling_is_biased_at_first() -> None:
    """After one episode the ratio cancels, and the estimate is the return itself: on average the behaviour's value,
    1/2. Never is it outside the returns that were seen."""
    estimates = [off_policy("weighted", seed, episodes=1).table.value[2] for seed in range(200)]
    assert set(estimates) == {0.0, 1.0}
    assert np.mean(estimates) == pytest.approx(0.5, abs=0.12)  # 3.4 standard errors, and EXACT is 11 away
    assert max(off_policy("ordinary", seed, episodes=1).table.value[2] for seed in range(50)) > 1.0


@pytest.mark.parametrize("importance_sampling", ["ordinary", "weighted"])
def test_importance_sampling_is_consistent(importance_sampling: str) -> None:
    agent = off_policy(importance_sampling, seed=0, episodes=3_000)
    assert agent.table.value[2] == pytest.approx(EXACT, abs=0.08)


def test_weighted_importance_sampling_varies_less() -> None:
    spread = {
        kind: np.std([off_policy(kind, seed, episodes=30).table.value[2] for seed in range(40)])
        for kind in ("ordinary", "weighted")
    }
    assert spread["weighted"] < 0.5 * spread["ordinary"]


# -- learners that must be equal


def same_table(a: Agent, b: Agent) -> None:
    assert a.table.value.any()
    np.testing.assert_array_equal(a.table.value, b.table.value)
    np.testing.assert_array_equal(a.table.weight, b.table.weight)


GREEDY = {"epsilon_start": 0.0, "epsilon_end": 0.0}
RANDOM = {"epsilon_start": 1.0, "epsilon_end": 1.0}
FOUR = {"epsilon_start": 0.4, "epsilon_end": 0.4}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((Sarsa, {}), (NStepSarsa, {"n": 1})),
        ((TDPrediction, {}), (NStepTDPrediction, {"n": 1})),
        ((QLearning, {}), (DynaQ, {"planning_steps": 0})),
        ((QLearning, GREEDY), (ExpectedSarsa, GREEDY)),
        # With π = b every ratio is 1.
        ((Sarsa, FOUR), (OffPolicySarsa, {**FOUR, "target_epsilon": 0.4})),
        ((NStepSarsa, {**RANDOM, "n": 3}), (OffPolicySarsa, {**RANDOM, "target_epsilon": 1.0, "n": 3})),
    ],
    ids=lambda case: "-".join([case[0].name, *map(str, case[1].values())]),
)  # fmt: skip
@pytest.mark.parametrize("num_envs", [1, 3])
def test_equal_bit_for_bit(one: tuple, other: tuple, num_envs: int) -> None:
    first, second = (kind(GRID, seed=5, num_envs=num_envs, **options).learn(1_000) for kind, options in (one, other))
    same_table(first, second)


class TwoArms(gym.Env):
    """Action 0 pays 1 and action 1 pays 2. An episode is one step."""

    observation_space, action_space = spaces.Discrete(1), spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        super().reset(seed=seed)
        return 0, {}

    def step(self, action: int):
        return 0, 1.0 + action, True, False, {}


@named(CONTROL)
def test_an_optimistic_start_tries_everything_without_exploring(learner: type[Agent]) -> None:
    """Q = 0 for both: whoever happens to take action 0 first never leaves it."""
    found = {
        value: {learner(TwoArms, seed=seed, initial_value=value, **GREEDY).learn(60).predict(0) for seed in range(12)}
        for value in (0.0, 5.0)
    }
    assert found == {0.0: {0, 1}, 5.0: {1}}


# -- one update, by hand


def meet(agent: Agent, state: int, action: int, reward: float, following: int, **ends: bool) -> None:
    """Gives the agent one step of its only environment."""
    row = (state, action, reward, ends.get("terminated", False), ends.get("truncated", False), following, 0)
    agent.observe(Transition(*(np.array([each]) for each in row)))


def prepared(learner: type[Agent], env: Any = RandomWalk, **options: Any) -> Agent:
    """α = 0.1 and γ = 0.5; Q(2) = 1, 2, Q(3) = 4, 6, Q(4) = 8, 10, or V(2), V(3), V(4) = 1, 6, 10."""
    options = {"gamma": 0.5, "learning_rate": 0.1, "step_size": "constant", **options}
    agent = learner(env, seed=0, **options)
    rows = [[1, 2], [4, 6], [8, 10]] if agent.table.value.ndim == 2 else [1, 6, 10]
    agent.table.value[2:5] = rows
    return agent


def choose_always(agent: Agent, action: int) -> None:
    agent.choose = lambda observation, rng: np.full(len(observation), action)  # type: ignore[method-assign]


def test_q_learning_by_hand() -> None:
    """The target is 3 + 0.5 · 6, whatever comes next."""
    agent = prepared(QLearning)
    meet(agent, 2, 0, 3.0, 3)
    assert agent.table.value[2].tolist() == pytest.approx([1 + 0.1 * (6 - 1), 2])
    meet(agent, 3, 1, 2.0, 4, terminated=True)  # nothing follows
    assert agent.table.value[3].tolist() == pytest.approx([4, 6 + 0.1 * (2 - 6)])


def test_dyna_q_by_hand() -> None:
    """The one pair that it knows is learned from twice."""
    agent = prepared(DynaQ, planning_steps=1)
    meet(agent, 2, 0, 3.0, 3)
    assert agent.table.value[2, 0] == pytest.approx(1.5 + 0.1 * (6 - 1.5))


def test_dyna_qs_model_keeps_the_last_outcome() -> None:
    agent = prepared(DynaQ, planning_steps=0, learning_rate=0.0)
    meet(agent, 2, 0, 0.0, 3)
    meet(agent, 2, 0, 1.0, 4, terminated=True)
    assert agent.model.pairs == [2 * 2 + 0]
    assert agent.model.outcomes[4] == [1.0, True, 4]


def test_sarsa_by_hand() -> None:
    """a' is 0, which is not the best: 3 + 0.5 · 4."""
    agent = prepared(Sarsa)
    choose_always(agent, 0)
    meet(agent, 2, 0, 3.0, 3)
    assert agent.table.value[2, 0] == pytest.approx(1 + 0.1 * (5 - 1))
    choose_always(agent, 1)
    assert agent.act(np.array([3])).tolist() == [0]  # as it was learned from


def test_expected_sarsa_by_hand() -> None:
    """ε = 0.4: Σ π Q = 0.6 · 6 + 0.4 · (4 + 6) / 2 = 5.6."""
    agent = prepared(ExpectedSarsa, **FOUR)
    meet(agent, 2, 0, 3.0, 3)
    assert agent.table.value[2, 0] == pytest.approx(1 + 0.1 * (3 + 0.5 * 5.6 - 1))


def test_n_step_sarsa_by_hand() -> None:
    """3 + 0.5 · 1 + 0.25 · 8, when the second step is there."""
    agent = prepared(NStepSarsa, n=2)
    choose_always(agent, 0)
    meet(agent, 2, 0, 3.0, 3)
    assert agent.table.value[2, 0] == 1
    meet(agent, 3, 0, 1.0, 4)
    assert agent.table.value[2, 0] == pytest.approx(1 + 0.1 * (5.5 - 1))
    assert agent.table.value[3, 0] == 4


def test_off_policy_sarsa_by_hand() -> None:
    """b is ε-greedy with ε = 0.5, so its best action has 0.75 and weighs 1 / 0.75; another one weighs nothing."""
    agent = prepared(OffPolicySarsa, epsilon_start=0.5, epsilon_end=0.5)
    choose_always(agent, 1)
    meet(agent, 2, 0, 3.0, 3)
    assert agent.table.value[2, 0] == pytest.approx(1 + 0.1 / 0.75 * (6 - 1))
    choose_always(agent, 0)
    meet(agent, 2, 1, 3.0, 3)
    assert agent.table.value[2, 1] == 2


def test_off_policy_sarsa_weighs_the_action_after_a_truncation() -> None:
    """Four actions, all as likely: b = 0.25 and π = 1, so that Q moves by α · 4 · error. After an end there is none."""
    for ends, moved in (({"truncated": True}, 0.4), ({"terminated": True}, 0.1)):
        agent = OffPolicySarsa(GRID, gamma=0.5, learning_rate=0.1, step_size="constant", **RANDOM)
        agent.table.value[9] = [0, 0, 6, 0]
        choose_always(agent, 2)
        meet(agent, 8, 3, 1.0, 9, **ends)
        target = 4.0 if "truncated" in ends else 1.0
        assert agent.table.value[8, 3] == pytest.approx(moved * target)


def test_monte_carlo_by_hand() -> None:
    """The returns are 1 and 3 + 0.5 · 1; nothing is learned before the end."""
    agent, prediction = prepared(MonteCarlo), prepared(MonteCarloPrediction)
    for each in (agent, prediction):
        meet(each, 2, 0, 3.0, 3)
        assert each.table.value[2].tolist() in ([1, 2], 1)
        meet(each, 3, 1, 1.0, 4, terminated=True)
    assert agent.table.value[2:4].ravel().tolist() == pytest.approx([1 + 0.1 * (3.5 - 1), 2, 4, 6 + 0.1 * (1 - 6)])
    assert prediction.table.value[2:4].tolist() == pytest.approx([1 + 0.1 * (3.5 - 1), 6 + 0.1 * (1 - 6)])


def test_off_policy_monte_carlo_by_hand() -> None:
    """The last action weighs 1 and its value is 9, the best. Taking it had 0.75, so the step before weighs 1 / 0.75, as
    much as all that came before it: the estimate moves half of the way to 3 + 0.5 · 9."""
    agent = prepared(OffPolicyMonteCarlo, step_size="average", epsilon_start=0.5, epsilon_end=0.5)
    agent.table.weight[2, 0] = 1 / 0.75
    for state, action, reward, ends in ((2, 0, 3.0, False), (3, 1, 9.0, True)):
        agent.act(np.array([state]))
        meet(agent, state, action, reward, state + 1, terminated=ends)
    assert agent.table.value[2:4].ravel().tolist() == pytest.approx([1 + 0.5 * (7.5 - 1), 2, 4, 9])


def test_td_by_hand() -> None:
    """One step: 3 + 0.5 · 6. Two: 3 + 0.5 · 1 + 0.25 · 10."""
    one, two = prepared(TDPrediction), prepared(NStepTDPrediction, n=2)
    meet(one, 2, 0, 3.0, 3)
    assert one.table.value[2] == pytest.approx(1 + 0.1 * (6 - 1))
    meet(two, 2, 0, 3.0, 3)
    assert two.table.value[2] == 1
    meet(two, 3, 1, 1.0, 4)
    assert two.table.value[2:4].tolist() == pytest.approx([1 + 0.1 * (6 - 1), 6])


def test_every_algorithm_is_one_class_away_from_agent_or_two() -> None:
    for learner in LEARNERS:
        between = [kind for kind in learner.__mro__[1:] if issubclass(kind, Agent) and kind is not Agent]
        assert len(between) <= 1, learner
        assert len(learner.__mro__) - len(between) == 3, learner  # itself, Agent and object: no mixins


# -- the contract: ends, several environments, several episodes


def everywhere(agent: Agent) -> np.ndarray:
    """V or Q of every state, (states, actions or 1)."""
    return agent.table.value.reshape(len(agent.table.value), -1)


@named(LEARNERS)
@pytest.mark.parametrize("vector", [False, True], ids=["bare", "vector"])
def test_a_truncated_episode_would_have_gone_on(learner: type[Agent], vector: bool) -> None:
    """Taking it for the end would give V(1) = 1; going on with the state after the reset 1 / (1 - γ²) = 4/3."""
    env = (lambda: gym.vector.SyncVectorEnv([CutOff] * 2)) if vector else CutOff
    agent = learner(env, gamma=0.5, step_size="constant", learning_rate=0.1).learn(4_000)
    learned = everywhere(agent)
    np.testing.assert_allclose(learned[1], 2.0, atol=1e-2)
    np.testing.assert_allclose(learned[0], 1.0, atol=2e-2)


@named(LEARNERS)
@pytest.mark.parametrize("mode", list(gym.vector.AutoresetMode))
def test_every_environment_has_its_own_trajectory(learner: type[Agent], mode: gym.vector.AutoresetMode) -> None:
    """Chains of different lengths in different states, side by side: α = 1 learns them exactly, γ to the power of the
    steps that are left, if nothing gets mixed up."""
    make = lambda: gym.vector.SyncVectorEnv([lambda: Chain(3, 0), lambda: Chain(5, 3)], autoreset_mode=mode)
    agent = learner(make, gamma=0.5, step_size="constant", learning_rate=1.0, **only_explores(learner)).learn(800)
    expected = [0.25, 0.5, 1.0, 0.0625, 0.125, 0.25, 0.5, 1.0]
    np.testing.assert_array_equal(everywhere(agent)[:8].max(1), expected)
    if learner.name != "off-policy-monte-carlo":  # which learns little but of the greedy action
        np.testing.assert_array_equal(everywhere(agent)[:8].min(1), expected)
    assert not everywhere(agent)[8:].any()


def only_explores(learner: type[Agent]) -> dict[str, float]:
    return {"epsilon_end": 1.0} if issubclass(learner, TabularControl) else {}


@named(LEARNERS)
def test_states_that_count_from_elsewhere(learner: type[Agent]) -> None:
    from_zero, from_seven = (learner(lambda first=first: Chain(start=first)).learn(200) for first in (0, 7))
    same_table(from_zero, from_seven)
    assert from_zero.predict(1) == from_seven.predict(8)


@named([Sarsa, NStepSarsa, OffPolicySarsa])
def test_an_action_chosen_ahead_is_forgotten_when_the_episode_is_cut_off(learner: type[Agent]) -> None:
    """It was chosen for the state in which the episode ended."""
    agent = learner(CutOff, learning_rate=0.0, **GREEDY)
    agent.table.value[:] = np.eye(2)  # in state 0 action 0, in state 1 action 1
    transitions, observe = [], agent.observe
    agent.observe = lambda transition: (transitions.append(transition), observe(transition))
    agent.learn(20)
    taken = [(int(t.observation[0]), int(t.action[0])) for t in transitions]
    assert taken == [(0, 0), (1, 1)] * 10


@named([NStepSarsa, NStepTDPrediction, OffPolicySarsa])
def test_n_steps_by_the_book(learner: type[Agent]) -> None:
    """Sutton & Barto's pseudocode with its τ and T (sections 7.1 to 7.3), on what the agent went through."""
    n, gamma, alpha = 3, 0.9, 0.2
    kind: dict[str, Any] = {"epsilon_end": 1.0} if issubclass(learner, TabularControl) else {}
    agent = learner(RandomWalk, seed=2, gamma=gamma, learning_rate=alpha, n=n, **kind)
    episodes = recorded(agent, 30)
    values = np.zeros_like(agent.table.value)
    for states, actions, rewards in episodes:
        T = len(rewards)
        for t in range(T + n - 1):
            tau = t - n + 1
            if tau < 0:
                continue
            last = min(tau + n, T)
            G = sum(gamma ** (i - tau - 1) * rewards[i - 1] for i in range(tau + 1, last + 1))
            rho = 1.0
            if tau + n < T:
                at = (states[tau + n], actions[tau + n]) if values.ndim == 2 else states[tau + n]
                G += gamma**n * values[at]
            if learner is OffPolicySarsa:
                for i in range(tau + 1, min(tau + n, T - 1) + 1):
                    best = values[states[i]] == values[states[i]].max()
                    rho *= (best / best.sum())[actions[i]] / 0.5
            place = (states[tau], actions[tau]) if values.ndim == 2 else states[tau]
            values[place] += min(1.0, alpha * rho) * (G - values[place])
    np.testing.assert_allclose(agent.table.value, values, rtol=1e-12, atol=1e-15)
    assert agent.table.value.any()


def recorded(agent: Agent, episodes: int) -> list[tuple[list[int], list[int], list[float]]]:
    """What whole episodes were made of, with the agent learning from them."""
    agent.total_steps, found, current = 10**9, [], ([], [], [])
    observe = agent.observe

    def watched(transition) -> None:
        nonlocal current
        for kept, rows in zip(current, (transition.observation, transition.action, transition.reward), strict=True):
            kept.append(rows[0].item())
        if transition.terminated[0]:
            found.append(current)
            current = ([], [], [])
        observe(transition)

    agent.observe = watched
    train(agent, stop=lambda: agent.episodes >= episodes)
    return found


@pytest.mark.parametrize("visits", ["first", "every"])
@pytest.mark.parametrize(("learner", "options"), [(MonteCarloPrediction, {}), (MonteCarlo, RANDOM)])
def test_monte_carlo_averages_returns(learner: type[Agent], options: dict[str, float], visits: str) -> None:
    agent = learner(RandomWalk, seed=1, gamma=0.8, visits=visits, **options)
    returns: dict[Any, list[float]] = {place: [] for place in np.ndindex(agent.table.value.shape)}
    for states, actions, rewards in recorded(agent, 40):
        places = [(s, a)[: agent.table.value.ndim] for s, a in zip(states, actions, strict=True)]
        for t, place in enumerate(places):
            if visits == "every" or place not in places[:t]:
                returns[place].append(sum(0.8**k * reward for k, reward in enumerate(rewards[t:])))
    for place, found in returns.items():
        assert agent.table.value[place] == pytest.approx(np.mean(found), rel=1e-12), place
        assert agent.table.weight[place] == len(found)


def test_off_policy_control_by_the_book() -> None:
    """Sutton & Barto's pseudocode with its C and W (section 5.7), on what the agent went through; b is 1/2."""
    agent = OffPolicyMonteCarlo(RandomWalk, seed=1, gamma=0.8, **RANDOM)
    Q, C = np.zeros((5, 2)), np.zeros((5, 2))
    for states, actions, rewards in recorded(agent, 40):
        G, W = 0.0, 1.0
        for S, A, R in list(zip(states, actions, rewards, strict=True))[::-1]:
            G = 0.8 * G + R
            C[S, A] += W
            Q[S, A] += W / C[S, A] * (G - Q[S, A])
            if np.argmax(Q[S]) != A:
                break
            W *= 1 / 0.5
    assert C.max() > 40
    np.testing.assert_allclose(agent.table.value, Q, rtol=1e-12)
    np.testing.assert_array_equal(agent.table.weight, C)


# -- exploring starts


def test_exploring_starts_are_everywhere_and_not_in_evaluations() -> None:
    agent = MonteCarlo(GRID, seed=0, exploring_starts=True, epsilon_start=0.0, epsilon_end=0.0)
    started = [(recorded_states[0], actions[0]) for recorded_states, actions, _ in recorded(agent, 600)]
    pairs = {(state, action) for state in np.flatnonzero(~model().terminal).tolist() for action in range(4)}
    assert set(started) == pairs
    assert evaluate(agent, episodes=3).lengths.tolist() == [5, 5, 5]  # the start of the map is 5 steps from its goal


def test_exploring_starts_are_resumed_exactly(tmp_path) -> None:
    options = dict(seed=3, num_envs=2, exploring_starts=True)
    for env in (GRID, "FrozenLake-v1"):
        whole = MonteCarlo(env, **options).learn(300)
        half = MonteCarlo(env, **options)
        half.total_steps = 300
        train(half, stop=lambda agent=half: agent.steps >= 150)
        half.save(tmp_path / env)
        half = MonteCarlo.load(tmp_path / env)
        assert train(half)
        assert_same_state(whole, half)


def test_exploring_starts_of_gymnasiums_tables() -> None:
    env = RandomStart(gym.make("FrozenLake-v1"))
    env.reset(seed=0)
    started = set()
    for _ in range(200):
        observation, _ = env.reset()
        assert env.unwrapped.s == observation  # it is really there
        started.add(observation)
    assert started == set(range(16)) - {5, 7, 11, 12, 15}  # all but the holes and the goal


def test_exploring_starts_where_nobody_can_choose() -> None:
    with pytest.raises(UsageError, match="given by its id"):
        MonteCarlo(RandomWalk, exploring_starts=True)
    with pytest.raises(UsageError, match="has no model"):
        RandomStart(RandomWalk())

    class Stubborn(gym.Env):
        observation_space, action_space = spaces.Discrete(12), spaces.Discrete(4)

        def model(self) -> Model:
            return model()

        def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
            super().reset(seed=seed)
            return 3, {}

    with pytest.raises(UsageError, match=r"reset must take options=\{'state': s\}"):
        RandomStart(Stubborn()).reset(seed=0)


# -- policies


def test_epsilon_greedy_shares_among_the_best() -> None:
    values = np.array([[1.0, 3.0, 3.0, 0.0], [0.0, 0.0, 0.0, 0.0], [4.0, 1.0, 2.0, 3.0]])
    expected = [[0.05, 0.45, 0.45, 0.05], [0.25] * 4, [0.85, 0.05, 0.05, 0.05]]
    np.testing.assert_allclose(epsilon_greedy(values, 0.2), expected, rtol=1e-15)


def test_draw_follows_the_probabilities() -> None:
    probability = np.array([0.0, 0.2, 0.0, 0.5, 0.3, 0.0])
    drawn = np.bincount(draw(np.tile(probability, (20_000, 1)), np.random.default_rng(0)), minlength=6) / 20_000
    assert (drawn[probability == 0] == 0).all()
    np.testing.assert_allclose(drawn, probability, atol=4 * np.sqrt(0.25 / 20_000))


@pytest.mark.parametrize("extreme", [0.0, np.nextafter(1.0, 0.0)])
def test_draw_never_takes_what_is_impossible(extreme: float) -> None:
    class Extreme:
        def random(self, size: tuple[int, int]) -> np.ndarray:
            return np.full(size, extreme)

    probability = np.array([[0.0, 0.1, 0.2, 0.7, 0.0], [0.0, 0.0, 1 / 3, 1 / 3, 1 / 3]])
    drawn = draw(probability, Extreme())
    assert (probability[[0, 1], drawn] > 0).all()


def test_observations_that_cannot_be_counted() -> None:
    with pytest.raises(UsageError, match="q-learning needs Discrete observations, but CartPole-v1 has Box"):
        QLearning("CartPole-v1")


# -- the cliff


def returns_on_the_cliff(agent: Agent, episodes: int) -> np.ndarray:
    agent.total_steps, returns = 10**9, Returns()
    train(agent, progress=returns, stop=lambda: agent.episodes >= episodes)
    return np.array(returns)


def test_sarsa_is_safe_and_q_learning_walks_along_the_edge() -> None:
    """Sutton & Barto, example 6.6 and figure 6.3: with ε = 0.1 Q-learning falls now and then, at about -50 an episode;
    Sarsa gets about -25 and expected Sarsa more than either; without exploration Q-learning's way is the shortest."""
    online, greedy = {}, {}
    for learner in (Sarsa, ExpectedSarsa, QLearning):
        agents = [learner(CLIFF, seed=seed, step_size="constant") for seed in range(2)]
        online[learner] = np.mean([returns_on_the_cliff(agent, 500)[250:].mean() for agent in agents])
        greedy[learner] = [evaluate(agent, episodes=1).mean for agent in agents]
    assert greedy[QLearning] == [-13.0] * 2
    assert max(greedy[Sarsa] + greedy[ExpectedSarsa]) < -13.0
    assert -65 < online[QLearning] < -40
    assert -32 < online[Sarsa] < online[ExpectedSarsa] < -18


def test_planning_learns_in_fewer_episodes() -> None:
    """Published for α = 0.1, γ = 0.9 and ε = 0.01: -13.4 to -16.5 at 300 episodes. With planning it takes fewer."""
    reached, late = {}, {}
    for planning_steps in (0, 2, 20):
        options = dict(gamma=0.9, learning_rate=0.1, step_size="constant", epsilon_start=0.01, epsilon_end=0.01)
        returns = np.array(
            [
                returns_on_the_cliff(DynaQ(CLIFF, seed=seed, planning_steps=planning_steps, **options), 120)
                for seed in range(2)
            ]
        )
        reached[planning_steps] = np.mean([(row >= -20).argmax() for row in returns])
        late[planning_steps] = returns[:, -20:].mean()
    assert 2 * reached[20] < reached[2] < reached[0] / 1.5, reached
    assert late[20] > -18, late


@pytest.mark.parametrize(
    "table", [{}, {"value": [], "weight": []}, {"value": np.zeros((2, 3)), "weight": np.zeros((2, 3))}]
)
def test_estimates_that_are_none_are_refused(table: dict) -> None:
    """Or the agent would begin anew, or fail at its first step."""
    agent = QLearning("minigrad/GridWorld-v0")
    with pytest.raises(UsageError, match="does not hold what this agent saves"):
        QLearning.from_config(agent.config(), state={**agent.state_dict(), "table": table})
