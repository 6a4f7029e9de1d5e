"""Snake as gymnasium's environments: one game, or many at once. Both are the same rules seen in the same way; copy
`i` of the vectorised form, seeded with `s`, plays the game that the single form plays with the seed `s + i`.

Actions are relative to where the snake is heading: 0 left, 1 straight on, 2 right. So no action runs it into its own
neck, and with the view turned likewise, nothing has to be learned once for each of the four headings.

Rewards are 1 for eating, -1 for dying and 0 otherwise. The discount alone makes the agent hurry.

An episode terminates when the snake dies, or when it fills the board: it has won. It is truncated when the snake
hasn't eaten for `2 size²` steps, which stops those that go in circles. That is no termination: the agent doesn't see
how hungry the snake is, so the end would strike from nowhere, and its value would be blamed on a position that
is as good as ever. Bootstrapping past it is right.
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space

from ..errors import UsageError
from ..seeding import spawn_seeds
from .rules import Games
from .views import VIEWS


def parts(count: int, size: int, view: str) -> tuple[Games, Any]:
    """The games and what is seen of them."""
    if view not in VIEWS:
        raise UsageError(f"Snake's view must be one of {', '.join(VIEWS)}, got {view!r}")
    games = Games(count, size)
    return games, VIEWS[view](games)


def wrong_action(action: Any) -> UsageError:
    return UsageError(f"Snake's actions are 0 (left), 1 (straight on) and 2 (right), got {action}")


class Snake(gym.Env[np.ndarray, int]):
    """One game. `info["length"]` is the snake's length.

    size            of the board, from 6 up
    view            "features" or "image": see views.py
    render_mode     "ansi" gives text, "rgb_array" a picture, (height, width, 3) uint8
    """

    metadata: dict[str, Any] = {"render_modes": ["ansi", "rgb_array"], "render_fps": 10}

    def __init__(self, size: int = 6, view: str = "features", render_mode: str | None = None) -> None:
        self.games, self._view = parts(1, size, view)
        self.render_mode = render_mode
        self.observation_space = self._view.space
        self.action_space: Any = spaces.Discrete(3)
        self._one = np.zeros(1, np.int64)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        begins = seed is not None or self._np_random is None
        super().reset(seed=seed)
        if begins:
            self.games.seed([self.np_random])
        self.games.start(self._one)
        return self._view.see()[0], self._info()

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        if not 0 <= action <= 2:
            raise wrong_action(action)
        (reward,), (terminated,), (truncated,) = self.games.move(np.array([action]))
        return self._view.see()[0], float(reward), bool(terminated), bool(truncated), self._info()

    def render(self) -> Any:
        if self.render_mode == "ansi":
            return text(self.games)
        if self.render_mode == "rgb_array":
            from .drawing import picture

            return picture(self.games)
        return None

    def _info(self) -> dict[str, Any]:
        return {"length": int(self.games.length[0])}

    def get_state(self) -> dict[str, Any]:
        """Everything the environment's future depends on."""
        return self.games.get_state()

    def set_state(self, state: dict[str, Any]) -> None:
        self.games.set_state(state)


class VectorSnake(gym.vector.VectorEnv):
    """`num_envs` games at once, in NumPy. Games that end start again in the same step; their final observations
    are in `infos["final_obs"]`, (num_envs, ...), in the rows that `infos["_final_obs"]` marks, and the final
    lengths likewise in `infos["final_info"]["length"]`. `infos["length"]` are the lengths now."""

    takes_a_seed_each = True  # envs/vector.py asks
    metadata: dict[str, Any] = {
        "render_modes": [],
        "autoreset_mode": AutoresetMode.SAME_STEP,
    }

    def __init__(
        self, num_envs: int = 1, size: int = 6, view: str = "features", render_mode: str | None = None
    ) -> None:
        if render_mode is not None:
            raise UsageError("many games of Snake at once can't be rendered; make a single one")
        self.num_envs = num_envs
        self.games, self._view = parts(num_envs, size, view)
        self.single_observation_space, self.single_action_space = self._view.space, spaces.Discrete(3)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)

    def reset(self, *, seed: int | list[int] | None = None, options: dict[str, Any] | None = None):
        """`seed` is one for all games, or one for each."""
        begins = seed is not None or self._np_random is None
        super().reset(seed=seed[0] if isinstance(seed, list) else seed)
        if begins:
            one = int(self.np_random.integers(2**31)) if seed is None else seed
            seeds = one if isinstance(one, list) else spawn_seeds(one, self.num_envs)
            self.games.seed([seeding.np_random(own)[0] for own in seeds])
        self.games.start(np.arange(self.num_envs))
        return self._view.see(), {"length": self.games.length.copy()}

    def step(self, actions: np.ndarray):
        actions = np.asarray(actions)
        if actions.shape != (self.num_envs,):
            raise UsageError(f"{self.num_envs} games of Snake take as many actions, got {actions.shape}")
        if actions.min() < 0 or actions.max() > 2:
            raise wrong_action(actions[(actions < 0) | (actions > 2)][0])
        games = self.games
        reward, terminated, truncated = games.move(actions)
        observation = self._view.see()
        infos: dict[str, Any] = {}
        ended = terminated | truncated
        if ended.any():
            infos = {
                "final_obs": observation,
                "_final_obs": ended,
                "final_info": {"length": games.length.copy(), "_length": ended},
                "_final_info": ended,
            }
            (which,) = ended.nonzero()
            games.start(which)
            observation = observation.copy()
            observation[which] = self._view.see(which)
        infos["length"] = games.length.copy()
        return observation, reward, terminated, truncated, infos

    def get_state(self) -> dict[str, Any]:
        """Everything the environments' future depends on."""
        return self.games.get_state()

    def set_state(self, state: dict[str, Any]) -> None:
        self.games.set_state(state)


def text(games: Games, game: int = 0) -> str:
    """The board in letters: @ the head, o the body, * the food, # the walls."""
    size = games.size
    letters = np.full((size, size), ".")
    letters[np.divmod(np.flatnonzero(games.inside == games.food[game]), size)] = "*"
    body = games.body(game)
    letters[tuple(body.T)] = "o"
    letters[tuple(body[0])] = "@"
    wall = "#" * (size + 2)
    return "\n".join([wall, *(f"#{''.join(row)}#" for row in letters), wall])
