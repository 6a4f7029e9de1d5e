"""One update of every tabular learner, on numbers that are worked out by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from agents import (
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
)
from envs import Transition
from tests.agents.tabular_worlds import FOUR, GRID, RANDOM, RandomWalk


def meet(agent: Agent, state: int, action: int, reward: float, following: int, **ends: bool) -> None:
    """Gives the agent one step of its only environment."""
    row = (state, action, reward, ends.get("terminated", False), ends.get("truncated", False), following, 0)
    agent.observe(Transition(*(np.array([each]) for each in row)))


def prepare(learner: type[Agent], env: Any = RandomWalk, **options: Any) -> Agent:
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
    agent = prepare(QLearning)
    meet(agent, 2, 0, 3.0, 3)
    assert agent.table.value[2].tolist() == pytest.approx([1 + 0.1 * (6 - 1), 2])
    meet(agent, 3, 1, 2.0, 4, terminated=True)  # nothing follows
    assert agent.table.value[3].tolist() == pytest.approx([4, 6 + 0.1 * (2 - 6)])


def test_dyna_q_by_hand() -> None:
    """The one pair that it knows is learned from twice."""
    agent = prepare(DynaQ, planning_steps=1)
    meet(agent, 2, 0, 3.0, 3)
    assert agent.table.value[2, 0] == pytest.approx(1.5 + 0.1 * (6 - 1.5))


def test_dyna_qs_model_keeps_the_last_outcome() -> None:
    agent = prepare(DynaQ, planning_steps=0, learning_rate=0.0)
    meet(agent, 2, 0, 0.0, 3)
    meet(agent, 2, 0, 1.0, 4, terminated=True)
    assert agent.model.pairs == [2 * 2 + 0]
    assert agent.model.outcomes[4] == [1.0, True, 4]


def test_sarsa_by_hand() -> None:
    """a' is 0, which is not the best: 3 + 0.5 · 4."""
    agent = prepare(Sarsa)
    choose_always(agent, 0)
    meet(agent, 2, 0, 3.0, 3)
    assert agent.table.value[2, 0] == pytest.approx(1 + 0.1 * (5 - 1))
    choose_always(agent, 1)
    assert agent.act(np.array([3])).tolist() == [0]  # as it was learned from


def test_expected_sarsa_by_hand() -> None:
    """ε = 0.4: Σ π Q = 0.6 · 6 + 0.4 · (4 + 6) / 2 = 5.6."""
    agent = prepare(ExpectedSarsa, **FOUR)
    meet(agent, 2, 0, 3.0, 3)
    assert agent.table.value[2, 0] == pytest.approx(1 + 0.1 * (3 + 0.5 * 5.6 - 1))


def test_n_step_sarsa_by_hand() -> None:
    """3 + 0.5 · 1 + 0.25 · 8, when the second step is there."""
    agent = prepare(NStepSarsa, n=2)
    choose_always(agent, 0)
    meet(agent, 2, 0, 3.0, 3)
    assert agent.table.value[2, 0] == 1
    meet(agent, 3, 0, 1.0, 4)
    assert agent.table.value[2, 0] == pytest.approx(1 + 0.1 * (5.5 - 1))
    assert agent.table.value[3, 0] == 4


def test_off_policy_sarsa_by_hand() -> None:
    """b is ε-greedy with ε = 0.5, so its best action has 0.75 and weighs 1 / 0.75; another one weighs nothing."""
    agent = prepare(OffPolicySarsa, epsilon_start=0.5, epsilon_end=0.5)
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
    agent, prediction = prepare(MonteCarlo), prepare(MonteCarloPrediction)
    for each in (agent, prediction):
        meet(each, 2, 0, 3.0, 3)
        assert each.table.value[2].tolist() in ([1, 2], 1)
        meet(each, 3, 1, 1.0, 4, terminated=True)
    assert agent.table.value[2:4].ravel().tolist() == pytest.approx([1 + 0.1 * (3.5 - 1), 2, 4, 6 + 0.1 * (1 - 6)])
    assert prediction.table.value[2:4].tolist() == pytest.approx([1 + 0.1 * (3.5 - 1), 6 + 0.1 * (1 - 6)])


def test_off_policy_monte_carlo_by_hand() -> None:
    """The last action weighs 1 and its value is 9, the best. Taking it had 0.75, so the step before weighs 1 / 0.75, as
    much as all that came before it: the estimate moves half of the way to 3 + 0.5 · 9."""
    agent = prepare(OffPolicyMonteCarlo, step_size="average", epsilon_start=0.5, epsilon_end=0.5)
    agent.table.weight[2, 0] = 1 / 0.75
    for state, action, reward, ends in ((2, 0, 3.0, False), (3, 1, 9.0, True)):
        agent.act(np.array([state]))
        meet(agent, state, action, reward, state + 1, terminated=ends)
    assert agent.table.value[2:4].ravel().tolist() == pytest.approx([1 + 0.5 * (7.5 - 1), 2, 4, 9])


def test_td_by_hand() -> None:
    """One step: 3 + 0.5 · 6. Two: 3 + 0.5 · 1 + 0.25 · 10."""
    one, two = prepare(TDPrediction), prepare(NStepTDPrediction, n=2)
    meet(one, 2, 0, 3.0, 3)
    assert one.table.value[2] == pytest.approx(1 + 0.1 * (6 - 1))
    meet(two, 2, 0, 3.0, 3)
    assert two.table.value[2] == 1
    meet(two, 3, 1, 1.0, 4)
    assert two.table.value[2:4].tolist() == pytest.approx([1 + 0.1 * (6 - 1), 6])
