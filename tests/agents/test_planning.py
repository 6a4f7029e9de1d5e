"""Dynamic programming, against answers from elsewhere: published values, linear systems, brute force over all
policies, and the theorems (contraction, monotone improvement)."""

from __future__ import annotations

import itertools
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents import Agent, PolicyEvaluation, PolicyIteration, TDPrediction, ValueIteration, evaluate
from agents.tabular.parts.planning import (
    SWEEPS,
    action_values,
    bellman_expectation,
    bellman_optimality,
    evaluate_policy,
    first_best,
    greedy_policy,
    in_place_sweep,
    optimal_values,
    plan_horizon,
    uniform_policy,
)
from envs import UsageError
from envs.model import Model, model_of

EXAMPLES = ["minigrad/GridWorld-v0", "FrozenLake-v1", "FrozenLake8x8-v1", "CliffWalking-v1"]
PLANNERS = [ValueIteration, PolicyIteration]


def model_by_id(env_id: str) -> Model:
    return model_of(gym.make(env_id))


def two_rooms() -> Model:
    """By hand: state 0 stays (reward 0) or goes (reward 1) to state 1, which stays (reward 2) or ends (reward 5)."""
    probability = np.zeros((3, 2, 3))
    for s, a, following in ((0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 2), (2, 0, 2), (2, 1, 2)):
        probability[s, a, following] = 1
    reward = np.array([[0.0, 1.0], [2.0, 5.0], [0.0, 0.0]])
    return Model(probability, reward, np.array([False, False, True]), np.array([1.0, 0.0, 0.0]))


@st.composite
def random_models(draw: st.DrawFn) -> Model:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    states, actions = draw(st.integers(2, 5)), draw(st.integers(1, 3))
    probability = rng.dirichlet(np.full(states, 0.5), size=(states, actions))
    reward = rng.normal(size=(states, actions))
    terminal = np.zeros(states, np.bool_)
    terminal[-1] = draw(st.booleans())
    probability[terminal] = np.eye(states)[terminal][:, None]
    reward[terminal] = 0.0
    return Model(probability, reward, terminal, np.eye(states)[0])


GAMMAS = st.sampled_from([0.0, 0.5, 0.9, 0.99])


def solved_slowly(model: Model, policy: tuple[int, ...], gamma: float) -> np.ndarray:
    """v_π by summing γᵗ Pᵗ r, doubling the horizon: no linear system, no operator of ours."""
    states = range(len(policy))
    power = gamma * np.array([model.probability[s, policy[s]] for s in states])
    total = np.array([model.reward[s, policy[s]] for s in states])
    for _ in range(14):
        total, power = total + power @ total, power @ power
    return total


def best_of_all_policies(model: Model, gamma: float) -> np.ndarray:
    states, actions = model.reward.shape
    every = itertools.product(range(actions), repeat=states)
    return np.max([solved_slowly(model, policy, gamma) for policy in every], axis=0)


# -- the operators


def test_by_hand() -> None:
    model, values = two_rooms(), np.array([10.0, 20.0, 0.0])
    np.testing.assert_allclose(action_values(model, values, 0.5), [[5, 11], [12, 5], [0, 0]])
    np.testing.assert_allclose(bellman_optimality(model, values, 0.5), [11, 12, 0])
    np.testing.assert_allclose(bellman_expectation(model, np.array([0, 1, 0]), values, 0.5), [5, 5, 0])
    np.testing.assert_allclose(bellman_expectation(model, uniform_policy(model), values, 0.5), [8, 8.5, 0])
    assert greedy_policy(model, values, 0.5).tolist() == [1, 0, 0]


def test_values_by_hand() -> None:
    """γ = 1/2: staying in state 1 for ever pays 2 / (1 - γ) = 4, ending pays 5; so v*(0) = 1 + 5/2."""
    model = two_rooms()
    np.testing.assert_allclose(evaluate_policy(model, np.array([1, 0, 0]), 0.5), [3, 4, 0])
    np.testing.assert_allclose(optimal_values(model, 0.5), [3.5, 5, 0])
    # γ = 0.8: staying pays 10, and going there 1 + 8.
    np.testing.assert_allclose(optimal_values(model, 0.8), [9, 10, 0])


def test_an_in_place_sweep_uses_the_newest_values() -> None:
    """State 1 before state 2 would still see the old 0."""
    backup = lambda values, states: np.array([1.0, values[0] + 1, values[1] + 1])[states]
    np.testing.assert_array_equal(in_place_sweep(backup, np.zeros(3)), [1, 2, 3])
    np.testing.assert_array_equal(SWEEPS["two-array"](backup, np.zeros(3)), [1, 1, 1])


def test_of_equally_good_actions_the_first() -> None:
    values = np.array([[0.3, 0.1 + 0.2, 0.3], [1.0, 2.0, 2.0 - 1e-12], [1.0, 1.0 + 1e-8, 0.0]])
    assert first_best(values).tolist() == [0, 1, 1]


def test_errors() -> None:
    model = two_rooms()
    with pytest.raises(UsageError, match="from some state it never ends"):
        evaluate_policy(model, np.array([0, 1, 0]), 1.0)
    with pytest.raises(UsageError, match=r"a policy is a whole number for every state, \(3,\)"):
        evaluate_policy(model, np.zeros(2, np.int64), 0.9)
    with pytest.raises(UsageError, match="with gamma 1 the optimal values don't converge"):
        optimal_values(model, 1.0)
    with pytest.raises(UsageError, match="Blackjack-v1 has no model to plan on"):
        ValueIteration(
            lambda: gym.wrappers.TransformObservation(
                gym.make("Blackjack-v1"), lambda seen: seen[0], gym.spaces.Discrete(32)
            )
        )
    with pytest.raises(UsageError, match=r"value-iteration needs Discrete observations, but CartPole-v1 has Box"):
        ValueIteration("CartPole-v1")


def test_a_known_number_of_steps_by_hand() -> None:
    """Staying in state 1 pays 2 again and again, so one leaves it for the 5 in the very last step only."""
    values, policy = plan_horizon(two_rooms(), 3)
    np.testing.assert_array_equal(values, [[0, 0, 0], [1, 5, 0], [6, 7, 0], [8, 9, 0]])
    np.testing.assert_array_equal(policy[:, :2], [[1, 1], [1, 0], [1, 0]])


def test_many_steps_are_no_horizon() -> None:
    model = model_by_id("FrozenLake-v1")
    values, _ = plan_horizon(model, 300, 0.9)
    np.testing.assert_allclose(values[-1], optimal_values(model, 0.9), atol=1e-9)


def test_without_a_discount_a_greedy_policy_that_never_ends_is_refused() -> None:
    """The values are right: 1 everywhere. But all actions tie, and the first one leads up, against the wall."""
    grid = "minigrad/GridWorld-v0"
    agent = ValueIteration(grid, gamma=1.0)
    values = optimal_values(agent.model, 1.0)
    assert values[~agent.model.terminal].tolist() == [1.0] * 10
    for planner, more in (
        (ValueIteration, {}),
        (PolicyIteration, {}),
        (PolicyIteration, {"evaluation_sweeps": 3}),
        (PolicyEvaluation, {"epsilon": 0.0}),
        (PolicyEvaluation, {"epsilon": 0.3}),
        (TDPrediction, {"policy": "optimal"}),
    ):
        with pytest.raises(UsageError, match="from some state it never ends; give a gamma below 1"):
            planner(grid, gamma=1.0, **more).learn(500)


def test_without_a_discount_a_policy_that_ends_is_found() -> None:
    """Every step costs 1, so that no action ties with a loop."""
    agent = ValueIteration("minigrad/CliffWalking-v0", gamma=1.0).learn(100)
    assert agent.plan.converged
    assert evaluate(agent, episodes=1).mean == -13
    walk = PolicyEvaluation("minigrad/GridWorld-v0", gamma=1.0).learn(2_000)  # at random it ends
    exact = evaluate_policy(walk.model, uniform_policy(walk.model), 1.0)
    np.testing.assert_allclose(walk.plan.values, exact, atol=1e-8)


class TwoRooms(gym.Env):
    """An environment for its model alone."""

    observation_space, action_space = gym.spaces.Discrete(3), gym.spaces.Discrete(2)

    def model(self) -> Model:
        return two_rooms()

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        super().reset(seed=seed)
        return 0, {}


def test_one_update_of_every_planner_by_hand() -> None:
    """γ = 0.5, from the values 10, 20, 0."""
    for planner, more, expected in (
        (ValueIteration, {}, [11, 12, 0]),
        (ValueIteration, {"sweep": "in-place"}, [11, 12, 0]),
        (PolicyEvaluation, {"epsilon": 1.0}, [8, 8.5, 0]),
        (PolicyEvaluation, {"epsilon": 1.0, "sweep": "in-place"}, [8, 8.5, 0]),
        (PolicyIteration, {"evaluation_sweeps": 1}, [5, 12, 0]),  # its first policy takes action 0
        (PolicyIteration, {}, [0, 4, 0]),  # staying in state 1 for ever: 2 / (1 - 0.5)
    ):
        agent = planner(TwoRooms, gamma=0.5, **more)
        agent.plan.values = np.array([10.0, 20.0, 0.0])
        agent.update(1)
        np.testing.assert_allclose(agent.plan.values, expected, err_msg=str((planner.name, more)))
        assert not agent.plan.converged


@pytest.mark.parametrize(("tolerance", "sweeps"), [(0.95, 2), (0.7, 5), (1e-12, 6)])
@pytest.mark.parametrize(("planner", "more"), [(ValueIteration, {}), (PolicyEvaluation, {"epsilon": 0.0})])
def test_a_planner_stops_at_its_tolerance(planner: type[Agent], more: Any, tolerance: float, sweeps: int) -> None:
    """On the grid the goal's reward moves a cell further with every sweep: the changes are 1, 0.9, 0.81, 0.729, 0.6561
    and 0."""
    agent = planner("minigrad/GridWorld-v0", gamma=0.9, tolerance=tolerance, **more)
    assert updates_until_converged(agent) == sweeps


def test_policy_iterations_evaluation_stops_at_its_tolerance() -> None:
    sweeps = {
        tolerance: updates_until_converged(
            PolicyIteration("FrozenLake-v1", gamma=0.9, evaluation_sweeps=10_000, tolerance=tolerance)
        )
        for tolerance in (1e-2, 1e-6, 1e-12)
    }
    assert 2 * sweeps[1e-2] < sweeps[1e-6] < sweeps[1e-12] / 1.5, sweeps


# -- what is known from elsewhere


# The GridWorld's optimal values by hand, γ = 0.9: a step before the apple is worth 1, and every step further away 0.9
# times as much. The apple ends it, and nobody is ever inside the wall: both are worth 0.
GRID_WORLD_VALUES = [
    [0.81, 0.9, 1.0, 0.0],
    [0.729, 0.0, 0.9, 1.0],
    [0.6561, 0.729, 0.81, 0.729],
]
# And every action that is as good as the best, by the first letter of up, down, left, right.
GRID_WORLD_ACTIONS = [
    ["r", "r", "r", None],
    ["u", None, "u", "u"],
    ["ur", "r", "u", "l"],
]


@pytest.mark.parametrize("sweep", SWEEPS)
@pytest.mark.parametrize(
    ("planner", "more"),
    [
        (ValueIteration, {}),
        (PolicyIteration, {}),
        (PolicyIteration, {"evaluation_sweeps": 1}),
        (PolicyIteration, {"evaluation_sweeps": 3}),
        (PolicyIteration, {"evaluation_sweeps": 10_000}),
        (PolicyEvaluation, {"epsilon": 0.0}),
    ],
)
def test_grid_world(planner: type[Agent], more: dict[str, Any], sweep: str) -> None:
    """The optimal policy in all states, V*(start) = 0.9⁴ = 0.6561."""
    agent = planner("minigrad/GridWorld-v0", sweep=sweep, **more).learn(500)
    assert agent.hyperparameters.gamma == 0.9
    np.testing.assert_allclose(agent.plan.values.reshape(3, 4), GRID_WORLD_VALUES, rtol=0, atol=1e-14)
    for state, best in enumerate(itertools.chain(*GRID_WORLD_ACTIONS)):
        if best is not None:
            assert "udlr"[agent.predict(state)] == best[0]
    assert evaluate(agent, episodes=1).lengths.tolist() == [5]


def test_the_random_policy_on_the_grid_world() -> None:
    """The nine cells one can be in, their equations written out: a quarter of each neighbour, walls stay."""
    agent = PolicyEvaluation("minigrad/GridWorld-v0").learn(500)
    v = agent.plan.values.reshape(3, 4)
    for cell, neighbours, reward in (
        ((0, 0), [(0, 0), (1, 0), (0, 0), (0, 1)], 0),
        ((0, 1), [(0, 1), (0, 1), (0, 0), (0, 2)], 0),
        ((0, 2), [(0, 2), (1, 2), (0, 1), (0, 3)], 1),
        ((1, 0), [(0, 0), (2, 0), (1, 0), (1, 0)], 0),
        ((1, 2), [(0, 2), (2, 2), (1, 2), (1, 3)], -1),
        ((1, 3), [(0, 3), (2, 3), (1, 2), (1, 3)], 1 - 1),
        ((2, 0), [(1, 0), (2, 0), (2, 0), (2, 1)], 0),
        ((2, 1), [(2, 1), (2, 1), (2, 0), (2, 2)], 0),
        ((2, 2), [(1, 2), (2, 2), (2, 1), (2, 3)], 0),
        ((2, 3), [(1, 3), (2, 3), (2, 2), (2, 3)], -1),
    ):
        assert v[cell] == pytest.approx((reward + 0.9 * sum(v[there] for there in neighbours)) / 4, abs=1e-10)
    assert v[0, 3] == v[1, 1] == 0
    assert v[2, 0] < 0  # wandering about is worse than nothing: the bomb is met again and again


@pytest.mark.parametrize(
    "env",
    [
        lambda: gym.make_vec("FrozenLake-v1", num_envs=3, vectorization_mode="sync"),
        lambda: gym.make_vec("minigrad/GridWorld-v0", num_envs=3, vectorization_mode="vector_entry_point"),
    ],
)
def test_plans_for_vector_environments(env) -> None:
    agent = ValueIteration(env, gamma=0.9).learn(600)
    alone = ValueIteration(agent.environments.name, gamma=0.9).learn(600)
    np.testing.assert_allclose(agent.plan.values, alone.plan.values, atol=1e-11)


def test_frozen_lake() -> None:
    """The slippery 4×4 lake with γ = 0.99 starts at 0.5420, the value that is published everywhere."""
    model = model_by_id("FrozenLake-v1")
    for planner in PLANNERS:
        agent = planner("FrozenLake-v1", gamma=0.99).learn(2_000)
        assert agent.plan.converged
        assert model.start @ agent.plan.values == pytest.approx(0.5420, abs=5e-5)


def test_undiscounted_frozen_lake() -> None:
    """Without a discount the value is the probability of reaching the goal: 14/17 from the start."""
    assert optimal_values(model_by_id("FrozenLake-v1"), 1.0)[0] == pytest.approx(14 / 17, abs=1e-6)


@pytest.mark.parametrize("planner", PLANNERS)
def test_cliff_walking(planner: type[Agent]) -> None:
    """The shortest way is 13 steps at -1 each."""
    agent = planner("CliffWalking-v1", gamma=0.9).learn(400)
    assert agent.model.start @ agent.plan.values == pytest.approx(-(1 - 0.9**13) / (1 - 0.9), abs=1e-9)
    assert evaluate(agent, episodes=1).mean == -13
    assert optimal_values(agent.model, 1.0)[36] == -13


@settings(max_examples=25, deadline=None)
@given(random_models(), GAMMAS)
def test_the_optimum_is_the_best_of_all_policies(model: Model, gamma: float) -> None:
    np.testing.assert_allclose(optimal_values(model, gamma), best_of_all_policies(model, gamma), atol=1e-8)


@settings(max_examples=25, deadline=None)
@given(random_models(), st.sampled_from([0.0, 0.5, 0.9]), st.integers(0, 2**32 - 1))
def test_the_matrix_form(model: Model, gamma: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    states, actions = model.reward.shape
    policy = rng.integers(actions, size=states)
    exact = evaluate_policy(model, policy, gamma)
    np.testing.assert_allclose(exact, solved_slowly(model, tuple(policy), gamma), atol=1e-8)
    for sweep in SWEEPS.values():
        values = rng.normal(size=states)
        for _ in range(250):
            values = sweep(lambda v, s: bellman_expectation(model, policy, v, gamma, s), values)
        np.testing.assert_allclose(values, exact, atol=1e-8)


# -- the theorems


@settings(max_examples=50, deadline=None)
@given(random_models(), GAMMAS, st.sampled_from(list(SWEEPS)), st.integers(0, 2**32 - 1))
def test_every_sweep_contracts_by_gamma(model: Model, gamma: float, sweep: str, seed: int) -> None:
    """|T v - v*| <= γ |v - v*| in the maximum norm, from anywhere, both ways of sweeping."""
    rng = np.random.default_rng(seed)
    policy = rng.dirichlet(np.ones(model.reward.shape[1]), size=len(model.reward))
    for backup, fixed_point in (
        (lambda v, s: bellman_optimality(model, v, gamma, s), optimal_values(model, gamma)),
        (lambda v, s: bellman_expectation(model, policy, v, gamma, s), evaluate_policy(model, policy, gamma)),
    ):
        values = rng.normal(scale=10, size=len(model.reward))
        for _ in range(20):
            before = np.abs(values - fixed_point).max()
            values = SWEEPS[sweep](backup, values)
            assert np.abs(values - fixed_point).max() <= gamma * before + 1e-9


@settings(max_examples=50, deadline=None)
@given(random_models(), st.sampled_from([0.0, 0.5, 0.9]), st.sampled_from(list(SWEEPS)))
def test_value_iteration_ends_where_the_bellman_equation_holds(model: Model, gamma: float, sweep: str) -> None:
    values = np.zeros(len(model.reward))
    for _ in range(300):
        values = SWEEPS[sweep](lambda v, s: bellman_optimality(model, v, gamma, s), values)
    # Written out once more, with loops.
    for s, row in enumerate(model.reward):
        choices = [
            r + gamma * sum(p * v for p, v in zip(model.probability[s, a], values, strict=True))
            for a, r in enumerate(row)
        ]
        assert values[s] == pytest.approx(max(choices), abs=1e-9)


@settings(max_examples=50, deadline=None)
@given(random_models(), GAMMAS)
def test_a_greedy_policy_is_at_least_as_good_everywhere(model: Model, gamma: float) -> None:
    policy = np.zeros(len(model.reward), np.int64)
    for _ in range(10):
        values = evaluate_policy(model, policy, gamma)
        better = greedy_policy(model, values, gamma)
        assert (evaluate_policy(model, better, gamma) >= values - 1e-7).all()
        if (better == policy).all():
            break
        policy = better
    else:
        pytest.fail("ten improvements, and still going")
    np.testing.assert_allclose(values, optimal_values(model, gamma), atol=1e-6)


# -- the agents


def updates_until_converged(agent: Agent) -> int:
    for updates in itertools.count():
        if agent.plan.converged:
            return updates
        agent.update(1)
    raise AssertionError


@pytest.mark.parametrize("env_id", EXAMPLES)
def test_in_place_takes_fewer_sweeps(env_id: str) -> None:
    for planner in (ValueIteration, PolicyEvaluation):
        two_array, in_place = (
            updates_until_converged(planner(env_id, gamma=0.9, sweep=sweep)) for sweep in ("two-array", "in-place")
        )
        # Along the cliff the way to the goal runs with the numbers of the states, so their values come from behind.
        saves_nothing = planner is ValueIteration and env_id == "CliffWalking-v1"
        assert in_place == two_array if saves_nothing else in_place < two_array


@pytest.mark.parametrize("env_id", EXAMPLES)
@pytest.mark.parametrize("evaluation_sweeps", [0, 1, 5, 10_000])
@pytest.mark.parametrize("sweep", SWEEPS)
def test_policy_iteration_and_value_iteration_agree(env_id: str, evaluation_sweeps: int, sweep: str) -> None:
    agent = PolicyIteration(env_id, gamma=0.9, evaluation_sweeps=evaluation_sweeps, sweep=sweep).learn(4_000)
    other = ValueIteration(env_id, gamma=0.9, sweep=sweep).learn(1_000)
    assert agent.plan.converged
    assert other.plan.converged
    np.testing.assert_allclose(agent.plan.values, other.plan.values, atol=1e-9)
    np.testing.assert_array_equal(agent.plan.policy, greedy_policy(agent.model, other.plan.values, 0.9))


def test_one_evaluation_sweep_is_value_iteration() -> None:
    """Zhao 2025, section 4.3: an improvement and one sweep of evaluation are together one step of value iteration."""
    truncated = PolicyIteration("FrozenLake-v1", evaluation_sweeps=1)
    truncated.plan.sweeps = 1  # as if evaluated: it starts with the improvement
    truncated.plan.change = 1.0
    other = ValueIteration("FrozenLake-v1")
    for _ in range(50):
        truncated.learn(2)
        other.learn(1)
        np.testing.assert_allclose(truncated.plan.values, other.plan.values, rtol=1e-12, atol=0)


def test_exact_policy_iteration_ends_after_few_improvements() -> None:
    agent = PolicyIteration("FrozenLake8x8-v1", gamma=0.99)
    assert updates_until_converged(agent) == 2 * (agent.plan.improvements + 1)
    assert agent.plan.improvements <= 10


def test_policy_evaluation_evaluates_the_policy_it_plays() -> None:
    """The mean discounted return of the episodes it trains in, within four standard errors of its value."""
    for epsilon in (1.0, 0.3):
        agent = PolicyEvaluation("FrozenLake-v1", gamma=0.9, epsilon=epsilon, num_envs=8).learn(800)
        start = float(agent.model.start @ agent.plan.values)
        assert start == pytest.approx(
            float(agent.model.start @ evaluate_policy(agent.model, agent.policy, 0.9)), abs=1e-9
        )
        env, rng = gym.make("FrozenLake-v1"), np.random.default_rng(0)
        returns = []
        for episode in range(1_000):
            state, _ = env.reset(seed=episode)
            weight, total, over = 1.0, 0.0, False
            while not over:
                action = agent.choose(np.array([state]), rng)[0]
                state, reward, terminated, truncated, _ = env.step(int(action))
                total, weight, over = total + weight * reward, weight * 0.9, terminated or truncated
            returns.append(total)
        assert abs(np.mean(returns) - start) < 4 * np.std(returns) / np.sqrt(len(returns))


def test_a_converged_plan_stays_as_it_is() -> None:
    agent = ValueIteration("FrozenLake-v1", gamma=0.9).learn(1_000)
    values = agent.plan.values
    agent.metrics.take()
    agent.learn(100)
    assert agent.plan.values is values
    assert agent.metrics.take() == {"change": 0.0, "start_value": pytest.approx(values[0])}


def test_metrics_are_the_change_and_the_value_of_the_start() -> None:
    agent = ValueIteration("CliffWalking-v1", gamma=0.9)
    for sweep in range(3):
        agent.learn(1)
        change, start = agent.metrics.take().values()
        assert change == pytest.approx(0.9**sweep)
        assert start == pytest.approx(-sum(0.9**t for t in range(sweep + 1)))
