"""The tabular learners against values that are known from elsewhere: linear systems, the model, published figures, and
the methods they must be equal to."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

from agents import (
    Agent,
    DynaQ,
    ExpectedSarsa,
    MonteCarlo,
    MonteCarloPrediction,
    NStepSarsa,
    NStepTDPrediction,
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
from agents.runs.saved import make_agent
from agents.tabular.monte_carlo import RandomStart
from agents.tabular.parts.control import epsilon_greedy
from envs import UsageError
from envs.model import Model
from tests.agents.conftest import assert_same_state
from tests.agents.tabular_worlds import (
    CLIFF,
    CONTROL,
    FOUR,
    GAMMA,
    GREEDY,
    GRID,
    PREDICTION,
    RANDOM,
    RandomWalk,
    exact_action_values,
    exact_values,
    for_each,
    model,
    record_episodes,
    same_table,
    start_value_of_greedy_policy,
    uniform,
)

# -- control


@for_each(CONTROL)
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


@for_each(PREDICTION)
def test_random_walk(learner: type[Agent]) -> None:
    agent = learner(RandomWalk, seed=0, gamma=1.0, step_size="linear", learning_rate=0.05).learn(20_000)
    np.testing.assert_allclose(agent.table.value, np.arange(1, 6) / 6, atol=0.05)


@for_each(PREDICTION)
def test_the_optimal_policy(learner: type[Agent]) -> None:
    agent = learner(GRID, policy="optimal").learn(2_000)
    assert agent.table.value[8] == pytest.approx(0.9**4, abs=1e-6)
    assert evaluate(agent, episodes=1).lengths.tolist() == [5]


@for_each(PREDICTION)
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


@for_each(CONTROL)
def test_an_optimistic_start_tries_everything_without_exploring(learner: type[Agent]) -> None:
    """Q = 0 for both: whoever happens to take action 0 first never leaves it."""
    found = {
        value: {learner(TwoArms, seed=seed, initial_value=value, **GREEDY).learn(60).predict(0) for seed in range(12)}
        for value in (0.0, 5.0)
    }
    assert found == {0.0: {0, 1}, 5.0: {1}}


# -- exploring starts


def test_exploring_starts_are_everywhere_and_not_in_evaluations() -> None:
    agent = MonteCarlo(GRID, seed=0, exploring_starts=True, epsilon_start=0.0, epsilon_end=0.0)
    started = [(recorded_states[0], actions[0]) for recorded_states, actions, _ in record_episodes(agent, 600)]
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
        make_agent(QLearning, agent.config(), state={**agent.state_dict(), "table": table})
