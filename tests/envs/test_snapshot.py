"""A restored environment goes on exactly where the saved one was, and one that can't is noticed."""

from __future__ import annotations

from importlib.util import find_spec

import gymnasium as gym
import numpy as np
import pytest

from envs import UsageError, make_environments
from envs.snapshot import generator_from_state

OURS = [f"minigrad/Probe{name}-v0" for name in ("Constant", "Observation", "Discount", "Action", "Both", "Truncation")]
THEIRS = ["CartPole-v1", "Pendulum-v1", "Acrobot-v1", "MountainCar-v0", "MountainCarContinuous-v0"]
if find_spec("Box2D"):
    THEIRS += ["LunarLander-v3", "LunarLanderContinuous-v3"]
if find_spec("mujoco"):
    THEIRS += ["HalfCheetah-v5"]


@pytest.mark.parametrize("env_id", OURS + THEIRS)
@pytest.mark.parametrize("num_envs", [1, 3])
def test_known_environments_resume(env_id: str, num_envs: int) -> None:
    assert make_environments(env_id, num_envs).why_not_resumable() is None


def test_the_vectorised_cartpole_resumes() -> None:
    assert make_environments(lambda: gym.make_vec("CartPole-v1", num_envs=4)).why_not_resumable() is None
    assert make_environments(gym.make_vec("CartPole-v1", num_envs=4)).why_not_resumable() is None


@pytest.mark.parametrize("steps", [0, 1, 19, 20, 21, 57])
def test_at_any_moment(steps: int) -> None:
    make = lambda: make_environments(lambda: gym.make("CartPole-v1", max_episode_steps=20), 2)
    original, copy = make(), make()
    rng = np.random.default_rng(1)
    original.reset(5)
    for _ in range(steps):
        original.step(original.sample_actions(rng))
    copy.reset(6)
    copy.load_state_dict(original.state_dict())
    for _ in range(60):
        action = original.sample_actions(rng)
        for mine, other in zip(copy.step(action), original.step(action), strict=True):
            np.testing.assert_array_equal(mine, other)
        assert copy.finished == original.finished


class Secretive(gym.Wrapper):
    """Draws from a generator that nobody can find."""

    rng = np.random.default_rng()

    def step(self, action):
        observation, reward, *rest = super().step(action)
        return observation, reward + self.rng.random(), *rest


def test_one_that_cannot_is_found_out() -> None:
    environments = make_environments(lambda: Secretive(gym.make("CartPole-v1")))
    assert environments.why_not_resumable() == "reward differs 1 steps after resuming"


def test_one_that_cannot_be_made_again_is_found_out() -> None:
    reason = make_environments(Secretive(gym.make("CartPole-v1").unwrapped)).why_not_resumable()
    assert reason is not None


@pytest.mark.parametrize("kind", ["PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64"])
def test_a_generator_of_any_kind_goes_on(kind: str) -> None:
    original = np.random.Generator(getattr(np.random, kind)(3))
    original.random(5)
    assert generator_from_state(original.bit_generator.state).random() == original.random()


@pytest.mark.parametrize("name", ["seed", "default_rng", "RandomState", "Generator", "pcg64"])
def test_a_state_calls_nothing_but_bit_generators(name: str) -> None:
    """It comes from a file, and numpy.random has functions that change the whole process."""
    with pytest.raises(UsageError, match=f"no random generator is called '{name}'; known: PCG64, "):
        generator_from_state({"bit_generator": name})
