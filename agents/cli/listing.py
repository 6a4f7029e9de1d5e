"""`minigrad list`: the algorithms, and the environments with presets."""

from __future__ import annotations

import re
import sys
import textwrap
from dataclasses import dataclass

import gymnasium as gym

from ..core.agent import Agent
from ..presets import all_presets
from ..registry import AGENTS
from .parsing import parse


@dataclass(frozen=True)
class ListOptions:
    pass


def command_list(arguments: list[str]) -> None:
    parse(ListOptions, arguments, "list", None, "Lists the algorithms and the environments that have presets.")
    print("algorithms")
    for name, agent_type in AGENTS.items():
        takes = f"{kinds(agent_type.observation_spaces)} observations, {kinds(agent_type.action_spaces)} actions"
        print(f"  {name:<26} {doc(agent_type)} [{takes}]")
    print("environments with presets, and their steps (any other gymnasium id works too)")
    by_env: dict[str, list[str]] = {}
    for (algorithm, env), preset in all_presets().items():
        by_env.setdefault(env, []).append(f"{algorithm} {preset.steps:,}")
    for env, presets in by_env.items():
        print(textwrap.fill(", ".join(presets), 120, initial_indent=f"  {env:<28} ", subsequent_indent=" " * 31))


def doc(agent_type: type[Agent]) -> str:
    """The first sentence of the algorithm's file, or of a class in a file that says nothing, on one line."""
    text = sys.modules[agent_type.__module__].__doc__ or vars(agent_type).get("__doc__") or ""
    first_paragraph = text.partition("\n\n")[0]
    return re.split(r"(?<=\.)\s", first_paragraph, maxsplit=1)[0].replace("\n", " ")


def kinds(allowed: tuple[type[gym.Space], ...]) -> str:
    return " or ".join(space.__name__ for space in allowed) or "any"
