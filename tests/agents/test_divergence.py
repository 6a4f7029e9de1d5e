"""What a training that diverges says, of every policy gradient."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

from agents.policy_gradient.parts.rollout_agent import RolloutAgent
from envs import UsageError
from tests.agents.families import POLICY_GRADIENT

SAMPLING = [kind for kind in POLICY_GRADIENT if kind.own_networks]  # all but the one that knows the model


def learns_from_rollouts(kind: type) -> bool:
    return issubclass(kind, RolloutAgent)


class Huge(gym.Env):
    """Rewards beyond float32, in episodes of `length` steps."""

    observation_space = spaces.Box(-1, 1, (1,), np.float32)
    action_space = spaces.Discrete(2)

    def __init__(self, length: int = 5) -> None:
        self.length = length

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.left = self.length
        return np.zeros(1, np.float32), {}

    def step(self, action):
        self.left -= 1
        return np.zeros(1, np.float32), 1e300, self.left == 0, False, {}


@pytest.mark.filterwarnings("ignore:.*encountered in:RuntimeWarning")
@pytest.mark.parametrize(
    ("kind", "length"),
    [(kind, 5) for kind in SAMPLING] + [(kind, 10**9) for kind in SAMPLING if learns_from_rollouts(kind)],
)
def test_a_divergence_is_named(kind: type, length: int) -> None:
    """Also where it comes with the last update, and where no episode ever ends after it."""
    settings = dict(rollout_steps=16, batch_size=16, epochs=1, workers=1, num_envs=1)
    names = {*kind.Hyperparameters.__dataclass_fields__, "num_envs"}
    agent = kind(lambda: Huge(length), **{name: value for name, value in settings.items() if name in names})
    with pytest.raises(
        UsageError, match=rf"{kind.name} has diverged, after .* steps: .*; give a smaller learning_rate"
    ):
        agent.learn(80 if length == 5 else 16)
