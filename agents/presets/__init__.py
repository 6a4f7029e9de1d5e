"""Hyper-parameters that work, by algorithm and environment. There is a file for each family. A variant without its own
takes its parent's."""

from __future__ import annotations

from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

import gymnasium as gym

from . import policy_gradient, tabular, value
from .preset import PROBES as PROBES
from .preset import Preset as Preset

# An environment is an id, or a pattern for a family of ids; of several that fit, the first counts.
PRESETS: dict[tuple[str, str], Preset] = {**tabular.PRESETS, **value.PRESETS, **policy_gradient.PRESETS}


def preset_for(agent: type, env: Any) -> Preset:
    """The preset of the agent's class, or of the nearest class it is a variant of, with the components that make it
    a variant; else those alone."""
    spec = env.spec if isinstance(env, gym.Env | gym.vector.VectorEnv) else None
    env_id = env if isinstance(env, str) else spec.id if spec else None
    found: Preset | None = None
    variant: dict[str, Any] = {}  # the components of the classes looked at so far, the nearest first
    for ancestor in agent.__mro__:
        own = vars(ancestor)
        for (algorithm, pattern), preset in PRESETS.items():
            if found is None and algorithm == own.get("name") and fnmatchcase(env_id or "", pattern):
                found = preset
                variant = {**preset.hyperparameters, **variant}
        variant = {**own.get("components", {}), **variant}
    found = replace(found or Preset(), hyperparameters=variant)
    # A vector environment brings its own number.
    return replace(found, num_envs=1) if isinstance(env, gym.vector.VectorEnv) else found
