"""Environments: probes with known answers, and the one module that knows how gymnasium's vector environments
reset themselves. Importing it registers the project's own ids (`minigrad/...`) with gymnasium."""

from gymnasium.envs.registration import register

from .errors import UsageError
from .vector import Environments, Episode, Transition, make_environments

for _probe in ("Constant", "Observation", "Discount", "Action", "Both", "Truncation"):
    register(f"minigrad/Probe{_probe}-v0", entry_point=f"envs.probes:Probe{_probe}")
for _name, _view in (("Snake", "features"), ("SnakeImage", "image")):
    register(
        f"minigrad/{_name}-v0",
        entry_point="envs.snake:Snake",
        vector_entry_point="envs.snake:VectorSnake",
        kwargs={"view": _view},
    )

__all__ = ["Environments", "Episode", "Transition", "UsageError", "make_environments"]
