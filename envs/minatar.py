"""MinAtar: five Atari games on a grid of 10×10, small enough to learn in minutes (Young & Tian, "MinAtar: An
Atari-Inspired Testbed for Thorough and Reproducible Reinforcement Learning Experiments", 2019).

The games are those of the package `minatar`, with its sticky actions and rising difficulty and without a step
limit, as the paper has them. Only what surrounds them is ours: channels come first, and a game saves its state.
Of the package's ids, `-v1` has the actions that make a difference in that game, `-v0` all six.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import Any

import gymnasium as gym
import minatar.gym
import numpy as np
from gymnasium import spaces


class MinAtar(minatar.gym.BaseEnv):
    """Observations are (channels, 10, 10) bool: each channel says where one kind of thing is."""

    def __init__(self, game: str, **options: Any) -> None:
        super().__init__(game, **options)
        height, width, channels = self.game.state_shape()
        dtype: Any = np.bool_  # gymnasium's annotation leaves it out
        self.observation_space = spaces.Box(0, 1, (channels, height, width), dtype)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        if seed is not None:
            self.game.seed(seed % 2**32)  # more than that the game's older kind of generator doesn't take
            self.game.last_action = 0  # a sticky action would repeat one from before the seed
        gym.Env.reset(self, seed=seed)  # `np_random` is seeded, too, for whoever draws from it; the game doesn't
        state, info = super().reset()
        return channels_first(state), info

    def step(self, action: int):
        state, reward, terminated, truncated, info = super().step(action)
        return channels_first(state), float(reward), terminated, truncated, info

    def render(self) -> Any:
        """As the package, but colours are bytes, as gymnasium has them, and not floats from 0 to 1."""
        picture = super().render()
        return (255 * picture).round().astype(np.uint8) if self.render_mode == "rgb_array" else picture

    def get_state(self) -> dict[str, Any]:
        """Everything the game's future depends on, as plain values and arrays."""
        inside = {name: value for name, value in vars(self.game.env).items() if name != "random"}
        return deepcopy(
            {
                "random": self.game.random.get_state(legacy=False),
                "last_action": self.game.last_action,
                "game": inside,
            }
        )

    def set_state(self, state: dict[str, Any]) -> None:
        state = deepcopy(state)
        # `seed` is what makes the game and its sticky actions draw from one generator.
        self.game.seed(0)
        self.game.random.set_state(state["random"])
        self.game.last_action = state["last_action"]
        vars(self.game.env).update(state["game"])


def channels_first(state: np.ndarray) -> np.ndarray:
    return state.transpose(2, 0, 1)


def make(env_id: str, **options: Any) -> gym.Env:
    """The game that the package calls `env_id`, such as "MinAtar/Breakout-v1"."""
    if "MinAtar/Breakout-v1" not in gym.registry:
        minatar.gym.register_envs()
    spec = replace(gym.spec(env_id), entry_point="envs.minatar:MinAtar")
    return gym.make(spec, disable_env_checker=True, **options)
