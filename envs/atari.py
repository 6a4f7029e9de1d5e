"""Atari: the games of the package `ale-py`, seen as DQN saw them.

Every action is held for 4 frames; of the last two the brighter pixel counts, because the console draws some things
in every other frame only; pictures are grey and 84×84; an observation is the last 4 of them; an episode begins with
up to 30 idle frames (Mnih et al., "Human-level control through deep reinforcement learning", Nature 518, 2015,
Methods). The `-v5` ids repeat the action before instead of the chosen one with probability 0.25 (Machado et al.,
"Revisiting the Arcade Learning Environment", 2018, section 5).

`make` makes the game as agents are judged by it: whole games, the game's own score. `for_training` makes it as they
learn from it.
"""

from __future__ import annotations

from typing import Any

import ale_py
import gymnasium as gym
import numpy as np

from .making import make_by_id
from .transitions import Environments, Transition
from .vector import VectorEnvironments

gym.register_envs(ale_py)


class AtariTraining(VectorEnvironments):
    """Rewards are clipped to [-1, 1], so that one step size serves all games, and a lost life is an end, though
    the game goes on after it. `finished` counts whole games and their own score.

    The package offers both, but its `episodic_life` begins a new game at every lost life, so that no agent would
    ever see its second one, and with its `life_loss_info` nobody could say when a game was over.
    """

    def reset(self, seed: int) -> None:
        super().reset(seed)
        self._lives = np.array(self.infos["lives"])

    def step(self, action: np.ndarray) -> Transition:
        lives_before = self._lives
        whole_game = super().step(action)
        self._lives = np.array(self.infos["lives"])
        lost_life = (self._lives < lives_before)[whole_game.env]
        return whole_game._replace(
            reward=np.clip(whole_game.reward, -1.0, 1.0), terminated=whole_game.terminated | lost_life
        )

    def why_not_resumable(self) -> str | None:
        return "the package doesn't give away the console's memory"

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing: new games have begun, which the old observation and score are no part of."""


def make(env_id: str, num_envs: int = 1, **options: Any) -> gym.vector.VectorEnv:
    """`num_envs` games that the package calls `env_id`, such as "ALE/Pong-v5"; `options` are those of its
    `AtariVectorEnv`."""
    ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)  # it greets in every process
    options = {"reward_clipping": False, **options}
    return gym.make_vec(env_id, num_envs, gym.VectorizeMode.VECTOR_ENTRY_POINT, **options)


def for_training(env_id: str, num_envs: int) -> Environments:
    def again() -> Environments:
        return AtariTraining(env_id, make_by_id(env_id, num_envs=num_envs), again)

    return again()
