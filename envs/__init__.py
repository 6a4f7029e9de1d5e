"""Environments: grids whose every value can be computed, probes with known answers, and the one module that
knows how gymnasium's vector environments reset themselves. Importing it registers the project's own ids
(`minigrad/...`) with gymnasium."""

from gymnasium.envs.registration import register

from .errors import UsageError
from .making import make_environments
from .transitions import Environments, Episode, Transition

for _probe in ("Constant", "Observation", "Discount", "Action", "Both", "Truncation", "Continuous"):
    register(f"minigrad/Probe{_probe}-v0", entry_point=f"envs.probes:Probe{_probe}")
for _name, _view in (("Snake", "features"), ("SnakeImage", "image")):
    register(
        f"minigrad/{_name}-v0",
        entry_point="envs.snake:Snake",
        vector_entry_point="envs.snake:VectorSnake",
        kwargs={"view": _view},
    )

for _grid, _module, _limit in (("GridWorld", "gridworld", 200), ("CliffWalking", "cliff_walking", 500)):
    register(
        f"minigrad/{_grid}-v0",
        entry_point=f"envs.{_module}:{_grid}",
        vector_entry_point=f"envs.{_module}:{_grid}Vector",
        max_episode_steps=_limit,
    )

__all__ = ["Environments", "Episode", "Transition", "UsageError", "make_environments"]
