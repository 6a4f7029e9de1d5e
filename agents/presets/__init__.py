"""Hyper-parameters that work, by algorithm and environment. There is a file for each family, named as its folder. A
variant without its own takes its parent's."""

from __future__ import annotations

from dataclasses import replace
from fnmatch import fnmatchcase
from importlib import import_module
from typing import Any

import gymnasium as gym

from envs import Environments
from envs.making import complete_id, spec_of

from .preset import CONTINUOUS_PROBE as CONTINUOUS_PROBE
from .preset import PROBES as PROBES
from .preset import Preset as Preset

FAMILIES = ("tabular", "value", "policy_gradient", "continuous", "model_based", "imitation")


def presets_of(family: str) -> dict[tuple[str, str], Preset]:
    """The presets of a family, by algorithm and environment: an id, or a pattern for several ids. Of several that fit,
    the first counts. Another package's family has none."""
    presets: dict[tuple[str, str], Preset] = import_module(f".{family}", __name__).PRESETS if family in FAMILIES else {}
    return presets


def all_presets() -> dict[tuple[str, str], Preset]:
    return {key: preset for family in FAMILIES for key, preset in presets_of(family).items()}


def preset_for(agent: type, env: Any) -> Preset:
    """The preset of the agent's class, or of the nearest class it is a variant of, with the components that make it
    a variant; else those alone. `env` is an id or an environment; of a function nothing is known before it is called.
    """
    env_id = find_id(env)
    found: Preset | None = None
    variant: dict[str, Any] = {}  # the components of the classes looked at so far, the nearest first
    for ancestor in agent.__mro__:
        own = vars(ancestor)
        package, _, path = ancestor.__module__.partition(".")
        family = path.partition(".")[0] if package == "agents" else ""
        for (algorithm, pattern), preset in presets_of(family).items():
            if found is None and algorithm == own.get("name") and fnmatchcase(env_id or "", pattern):
                tuned = {name: value for name, value in preset.hyperparameters.items() if name not in variant}
                found = replace(preset, source=f"{algorithm} on {pattern}", tuned=tuned)
                variant = {**preset.hyperparameters, **variant}
        variant = {**own.get("components", {}), **variant}
    found = replace(found or Preset(), hyperparameters=variant)
    # A vector environment brings its own number.
    return replace(found, num_envs=1) if isinstance(env, gym.vector.VectorEnv) else found


def find_id(env: Any) -> str | None:
    """The id in the spec of the environment that `env` names or is: "CartPole" is CartPole-v1, however it was wrapped.
    `None` if it has none."""
    if isinstance(env, Environments):
        return env.name
    if not isinstance(env, str):
        spec = spec_of(env)
        return None if spec is None else spec.id
    env_id = env.rpartition(":")[2]  # "module:Id" is Id; the module only registers it
    try:
        return complete_id(env_id)
    except gym.error.Error:  # a name that can't be: whoever makes the environment says so
        return env_id
