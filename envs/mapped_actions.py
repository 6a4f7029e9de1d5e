"""Environments whose actions an agent sees otherwise than the environment does: what such wrappers share."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np

from .transitions import Environments, Transition


class MappedActions(Environments):
    """`environments` with the actions `action_space`; `for_env` says what each is to the environment. Transitions hold
    the agent's own actions."""

    def __init__(self, environments: Environments, action_space: gym.Space) -> None:
        self._inner = environments
        super().__init__(
            environments.name,
            environments.observation_space,
            action_space,
            environments.num_envs,
            None,
            environments.stacked_frames,
        )

    @property
    def why_not_again(self) -> str | None:  # type: ignore[override]
        return self._inner.why_not_again

    def another(self) -> Environments:
        return self.around(self._inner.another())

    def instances(self) -> list[Any]:
        return self._inner.instances()

    def around(self, environments: Environments) -> Environments:
        """The same wrapper around other environments."""
        raise NotImplementedError

    def for_env(self, action: Any) -> Any:
        raise NotImplementedError

    def reset(self, seed: int) -> None:
        self._inner.reset(seed)
        self._show()

    def step(self, action: np.ndarray) -> Transition:
        transition = self._inner.step(self.for_env(action))
        self._show()
        return transition._replace(action=action[transition.env])

    def state_dict(self) -> dict[str, Any]:
        return self._inner.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._inner.load_state_dict(state)
        self._show()

    def close(self) -> None:
        self._inner.close()

    def _show(self) -> None:
        self.observation, self.finished = self._inner.observation, self._inner.finished
