"""Environments that an agent sees otherwise than they are: what such wrappers share."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np

from .transitions import Environments, Transition


class WrappedEnvironments(Environments):
    """`environments` with other spaces. What they are asked about themselves, they answer themselves."""

    def __init__(self, environments: Environments, observation_space: gym.Space, action_space: gym.Space) -> None:
        self._inner = environments
        super().__init__(
            environments.name, observation_space, action_space, environments.num_envs, None, environments.stacked_frames
        )

    def around(self, environments: Environments) -> Environments:
        """The same wrapper around other environments."""
        raise NotImplementedError

    @property
    def why_not_again(self) -> str | None:  # type: ignore[override]
        return self._inner.why_not_again

    def another(self) -> Environments:
        return self.around(self._inner.another())

    def instances(self) -> list[Any]:
        return self._inner.instances()

    def layers(self) -> list[Any]:
        return self._inner.layers()

    @property
    def env_spaces(self) -> tuple[gym.Space, gym.Space]:
        return self._inner.env_spaces

    @property
    def bottom(self) -> Environments:
        return self._inner.bottom

    def go_back(self, state: dict[str, Any]) -> bool:
        is_back = self._inner.go_back(state)
        self._show()
        return is_back

    def for_agent(self, action: np.ndarray) -> np.ndarray:
        return self._inner.for_agent(action)

    def reset(self, seed: int) -> None:
        self._inner.reset(seed)
        self._show()

    def step(self, action: np.ndarray) -> Transition:
        transition = self._inner.step(action)
        self._show()
        return transition

    def state_dict(self) -> dict[str, Any]:
        return self._inner.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._inner.load_state_dict(state)
        self._show()

    def close(self) -> None:
        self._inner.close()

    def _show(self) -> None:
        """Makes what the agent looks at from what the environments show."""
        self.observation, self.finished = self._inner.observation, self._inner.finished
