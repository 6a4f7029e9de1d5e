"""The probes are proper environments, and their stated values are right."""

from __future__ import annotations

import warnings

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from envs import make_environments

PROBES = [
    f"minigrad/Probe{name}-v0"
    for name in ("Constant", "Observation", "Discount", "Action", "Both", "Truncation")
]


@pytest.mark.parametrize("env_id", PROBES)
def test_gymnasium_accepts_them(env_id: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check_env(gym.make(env_id).unwrapped, skip_render_check=True)


@pytest.mark.parametrize("env_id", PROBES)
@pytest.mark.parametrize("gamma", [0.5, 0.9])
def test_action_values_satisfy_the_bellman_equation(env_id: str, gamma: float) -> None:
    values = gym.make(env_id).unwrapped.action_values(gamma)
    environments = make_environments(env_id)
    environments.reset(0)
    rng = np.random.default_rng(1)  # not the seed of the environment, whose draws it would repeat
    seen = set()
    for _ in range(100):
        step = environments.step(environments.sample_actions(rng))
        state, action, next_state = (
            float(step.observation[0, 0]),
            int(step.action[0]),
            float(step.next_observation[0, 0]),
        )
        bootstrap = 0.0 if step.terminated[0] else gamma * max(values[next_state])
        assert values[state][action] == pytest.approx(step.reward[0] + bootstrap)
        seen.add((state, action))
    assert seen == {(state, action) for state, of in values.items() for action in range(len(of))}
