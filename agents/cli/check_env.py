"""`minigrad check-env`: what is to be mended in an environment before an agent trains in it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import tyro

from envs import UsageError
from envs.examining import Finding, examine
from envs.making import import_module_of, make_by_id, parse_option

from ..registry import AGENTS
from .parsing import parse


@dataclass(frozen=True)
class CheckEnvOptions:
    env: tyro.conf.Positional[str]
    """Environment: any gymnasium id, or module:Id, of which the module is imported first (from this folder, too)."""
    env_option: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """An option of the environment, NAME=VALUE, such as is_slippery=False; may be given several times."""


def command_check_env(arguments: list[str]) -> int:
    """Prints what is to be mended, a line each. Returns 0 if nothing must be, else 1."""
    description = "Looks at an environment, and says what is to be mended before an agent trains in it."
    options = parse(CheckEnvOptions, arguments, "check-env", None, description)
    import_module_of(options.env, in_working_folder=True)
    env_options = dict(map(parse_option, options.env_option))
    found = examine(partial(make_by_id, options.env, **env_options))
    if not any(finding.is_fault for finding in found):
        learners, refusal = find_learners(options.env, env_options)
        if not learners:
            found.insert(0, Finding(True, f"no agent can learn in it: {refusal}"))
    faults = sum(finding.is_fault for finding in found)
    for is_fault, text in found:
        print(f"{'fault' if is_fault else 'advice':<8}{text}")
    if not faults:
        print(f"{'agents':<8}{', '.join(learners)}")
    print("nothing has to be mended" if not faults else f"to be mended: {faults}")
    return 1 if faults else 0


def find_learners(env: str, env_options: dict[str, Any]) -> tuple[list[str], str]:
    """The agents that can be made for `env`, and why the last of the others can't be. One that learns from recorded
    steps needs more than an environment."""
    learners, refusal = [], ""
    for name, agent_type in AGENTS.items():
        if agent_type.needs_data:
            continue
        try:
            agent = agent_type(env, env_options=env_options)
        except UsageError as problem:
            refusal = str(problem)
            continue
        agent.environments.close()
        learners.append(name)
    return learners, refusal
