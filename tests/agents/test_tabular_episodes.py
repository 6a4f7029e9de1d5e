"""What every tabular learner makes of episodes: their ends, several environments, several steps."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from agents import (
    Agent,
    MonteCarlo,
    MonteCarloPrediction,
    NStepSarsa,
    NStepTDPrediction,
    OffPolicyMonteCarlo,
    OffPolicySarsa,
    Sarsa,
)
from agents.tabular.parts.control import TabularControl
from tests.agents.tabular_worlds import (
    GREEDY,
    LEARNERS,
    RANDOM,
    Chain,
    CutOff,
    RandomWalk,
    for_each,
    record_episodes,
    same_table,
)


def everywhere(agent: Agent) -> np.ndarray:
    """V or Q of every state, (states, actions or 1)."""
    return agent.table.value.reshape(len(agent.table.value), -1)


@for_each(LEARNERS)
@pytest.mark.parametrize("vector", [False, True], ids=["bare", "vector"])
def test_a_truncated_episode_would_have_gone_on(learner: type[Agent], vector: bool) -> None:
    """Taking it for the end would give V(1) = 1; going on with the state after the reset 1 / (1 - γ²) = 4/3."""
    env = (lambda: gym.vector.SyncVectorEnv([CutOff] * 2)) if vector else CutOff
    agent = learner(env, gamma=0.5, step_size="constant", learning_rate=0.1).learn(4_000)
    learned = everywhere(agent)
    np.testing.assert_allclose(learned[1], 2.0, atol=1e-2)
    np.testing.assert_allclose(learned[0], 1.0, atol=2e-2)


@for_each(LEARNERS)
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


@for_each(LEARNERS)
def test_states_that_count_from_elsewhere(learner: type[Agent]) -> None:
    from_zero, from_seven = (learner(lambda first=first: Chain(start=first)).learn(200) for first in (0, 7))
    same_table(from_zero, from_seven)
    assert from_zero.predict(1) == from_seven.predict(8)


@for_each([Sarsa, NStepSarsa, OffPolicySarsa])
def test_an_action_chosen_ahead_is_forgotten_when_the_episode_is_cut_off(learner: type[Agent]) -> None:
    """It was chosen for the state in which the episode ended."""
    agent = learner(CutOff, learning_rate=0.0, **GREEDY)
    agent.table.value[:] = np.eye(2)  # in state 0 action 0, in state 1 action 1
    transitions, observe = [], agent.observe
    agent.observe = lambda transition: (transitions.append(transition), observe(transition))
    agent.learn(20)
    taken = [(int(t.observation[0]), int(t.action[0])) for t in transitions]
    assert taken == [(0, 0), (1, 1)] * 10


@for_each([NStepSarsa, NStepTDPrediction, OffPolicySarsa])
def test_n_steps_by_the_book(learner: type[Agent]) -> None:
    """Sutton & Barto's pseudocode with its τ and T (sections 7.1 to 7.3), on what the agent went through."""
    n, gamma, alpha = 3, 0.9, 0.2
    kind: dict[str, Any] = {"epsilon_end": 1.0} if issubclass(learner, TabularControl) else {}
    agent = learner(RandomWalk, seed=2, gamma=gamma, learning_rate=alpha, n=n, **kind)
    episodes = record_episodes(agent, 30)
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


@pytest.mark.parametrize("visits", ["first", "every"])
@pytest.mark.parametrize(("learner", "options"), [(MonteCarloPrediction, {}), (MonteCarlo, RANDOM)])
def test_monte_carlo_averages_returns(learner: type[Agent], options: dict[str, float], visits: str) -> None:
    agent = learner(RandomWalk, seed=1, gamma=0.8, visits=visits, **options)
    returns: dict[Any, list[float]] = {place: [] for place in np.ndindex(agent.table.value.shape)}
    for states, actions, rewards in record_episodes(agent, 40):
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
    for states, actions, rewards in record_episodes(agent, 40):
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
