"""What somebody's own environment should do, looked at before an agent trains in it.

gymnasium has a checker of its own, which knows its interface. The rest is ours: what agents and runs count on.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
from gymnasium.utils.env_checker import check_env

from .checking import Observations, check_spaces, check_step, first_observation
from .errors import UsageError
from .making import make_environments, name_of

# Random actions: more than an episode in most environments, and soon done.
STEPS = 1_000
SEED = 0


class Finding(NamedTuple):
    """Something to mend. An agent can train without what is only advice."""

    is_fault: bool
    text: str


def examine(make: Callable[[], Any]) -> list[Finding]:
    """What is to be mended in the environments that `make` makes, the faults first."""
    env = make()
    name, is_one = name_of(env), isinstance(env, gym.Env)
    close(env)
    if not is_one:  # a vector environment, which only our own agents look at
        return look_at_resuming(make, name)
    found = look_at_interface(make, name)
    # Where one fails, those after it would fail of the same.
    for looks in ((look_at_steps, look_with_gymnasium), (look_at_seeds, look_at_resuming)):
        if not any(finding.is_fault for finding in found):
            found += [finding for look in looks for finding in look(make, name)]
    return sorted(dict.fromkeys(found), key=lambda finding: not finding.is_fault)


def look_at_interface(make: Callable[[], gym.Env], name: str) -> list[Finding]:
    """Spaces, one `reset`, one `step`."""
    env = make()
    try:
        check_spaces(name, env)
        observations = Observations(name, env.observation_space)
        look_at_first(name, observations, env.reset(seed=SEED))
        env.action_space.seed(SEED)
        check_step(name, env.step(env.action_space.sample()))
    except UsageError as problem:
        return [Finding(True, tell(name, problem))]
    except Exception as problem:  # the environment's own
        return [Finding(True, f"it raises {type(problem).__name__}: {problem}")]
    finally:
        close(env)
    return []


def look_at_first(name: str, observations: Observations, given: Any) -> None:
    """Raises if an episode's first observation isn't in the space."""
    observation = np.asarray(observations.convert(first_observation(name, given)), observations.dtype)
    observations.check_finite(observation)
    observations.check_bounds(observation)


def look_at_steps(make: Callable[[], gym.Env], name: str) -> list[Finding]:
    """Many random steps: what they return, whether an episode ends, how large rewards are."""
    found: list[Finding] = []
    env = make()
    observations = Observations(name, env.observation_space)
    ended = False
    try:
        look_at_first(name, observations, env.reset(seed=SEED))
        env.action_space.seed(SEED)
        for _ in range(STEPS):
            given = env.step(env.action_space.sample())
            check_step(name, given)
            observation, reward, terminated, truncated, _ = given
            if observations.is_float and np.asarray(observation).dtype != env.observation_space.dtype:
                kinds = f"of {np.asarray(observation).dtype}, its space of {env.observation_space.dtype}"
                found.append(Finding(False, f"an observation is {kinds}; return observation.astype(the space's dtype)"))
            converted = np.asarray(observations.convert(observation), observations.dtype)
            observations.check_finite(converted)
            if not np.isfinite(float(reward)):
                return [*found, Finding(True, f"step returned the reward {reward}; rewards must be finite")]
            if not any("outside" in finding.text for finding in found):
                try:
                    observations.check_bounds(converted)
                except UsageError as problem:
                    text = f"{tell(name, problem)} (outside in the middle of an episode, which training doesn't refuse)"
                    found.append(Finding(False, text))
            if terminated or truncated:
                ended = True
                look_at_first(name, observations, env.reset())
    except UsageError as problem:
        return [*found, Finding(True, tell(name, problem))]
    except Exception as problem:  # the environment's own
        return [*found, Finding(True, f"it raises {type(problem).__name__} after some steps: {problem}")]
    finally:
        close(env)
    if not ended and not has_time_limit(env):
        found.append(
            Finding(
                False,
                f"no episode ended in {STEPS:,} random steps, and there is no time limit; give one where it is "
                f"registered, max_episode_steps=500, or with gymnasium.wrappers.TimeLimit",
            )
        )
    return found


def has_time_limit(env: gym.Env) -> bool:
    return env.spec is not None and env.spec.max_episode_steps is not None


def look_at_seeds(make: Callable[[], gym.Env], name: str) -> list[Finding]:
    """Whether the same seed gives the same episodes."""
    runs = []
    for _ in range(2):
        env = make()
        seen: list[Any] = []
        try:
            env.action_space.seed(SEED)
            seen.append(env.reset(seed=SEED)[0])
            for _ in range(STEPS // 10):
                observation, reward, terminated, truncated, _ = env.step(env.action_space.sample())
                seen += [np.copy(part) for part in (observation, reward, terminated, truncated)]
                if terminated or truncated:
                    seen.append(np.copy(env.reset()[0]))
        except Exception:  # look_at_steps says so
            return []
        finally:
            close(env)
        runs.append(seen)
    first, second = runs
    if len(first) == len(second) and all(np.array_equal(a, b) for a, b in zip(first, second, strict=True)):
        return []
    return [
        Finding(
            True,
            "the same seed gives other episodes, so no training can be repeated; begin reset with "
            "super().reset(seed=seed), and draw everything random from self.np_random",
        )
    ]


def look_with_gymnasium(make: Callable[[], gym.Env], name: str) -> list[Finding]:
    """gymnasium's own checker: what it raises is a fault, what it warns of is advice."""
    env = make()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            check_env(env.unwrapped, skip_render_check=True)
            raised: list[Finding] = []
        except Exception as problem:  # AssertionError, mostly
            raised = [Finding(True, f"gymnasium's checker: {one_line(problem)}")]
        finally:
            close(env)
    return raised + [Finding(False, f"gymnasium's checker: {one_line(warning.message)}") for warning in caught]


def look_at_resuming(make: Callable[[], Any], name: str) -> list[Finding]:
    """Whether it can be made again, and a run in it resumed."""
    try:
        environments = make_environments(make)
    except UsageError as problem:
        return [Finding(True, tell(name, problem))]
    found = []
    if (reason := environments.why_not_again) is not None:
        found.append(Finding(False, f"it can't be made again ({reason}), so it can't be evaluated during training"))
    elif (reason := environments.why_not_resumable()) is not None:
        found.append(
            Finding(
                False,
                f"a run that was stopped can't go on exactly: {reason}; draw everything random from self.np_random, or "
                f"give it get_state() and set_state(state)",
            )
        )
    environments.close()
    return found


def tell(name: str, problem: UsageError) -> str:
    """What is wrong, without the environment's name: that stands above."""
    return one_line(problem).removeprefix(f"{name}: ")


def one_line(text: Any) -> str:
    """Without the colours and the label that gymnasium's warnings have."""
    plain = re.sub(r"\x1b\[\d+m", "", str(text)).removeprefix("WARN: ")
    return " ".join(plain.split()) or type(text).__name__


def close(env: Any) -> None:
    """Closes it; one that can't be closed has been seen by gymnasium's checker."""
    try:
        env.close()
    except Exception:
        return
