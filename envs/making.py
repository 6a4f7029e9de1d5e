"""Environments from whatever describes them: an id, an instance, a function."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

import gymnasium as gym

from .bare import BareEnvironments
from .errors import UsageError, did_you_mean
from .transitions import Environments
from .vector import VectorEnvironments

# Packages whose environments a module of this folder makes, by the namespace of their ids. The extra that installs
# the package has the module's name.
MODULES = {"MinAtar": "minatar", "ALE": "atari"}
# gymnasium's own that need more than gymnasium: where they are, and the extra.
EXTRAS = {"gymnasium.envs.box2d": "box2d", "gymnasium.envs.mujoco": "mujoco"}


def make_environments(env: Any, num_envs: int = 1) -> Environments:
    """Environments from whatever describes them.

    `env` is an id ("CartPole-v1"), a function that makes an environment, a `gym.Env` (`num_envs` 1), or a
    vector environment (or a function that makes one), which brings its own number.
    """
    if isinstance(num_envs, bool) or not isinstance(num_envs, int):
        raise UsageError(f"num_envs must be a whole number, got {num_envs!r}")
    if num_envs < 1:
        raise UsageError(f"num_envs must be at least 1, got {num_envs}")
    if isinstance(env, Environments):
        return env
    if isinstance(env, str):
        for_training = getattr(module_of(env), "for_training", None)
        return for_training(env, num_envs) if for_training else from_factory(lambda: make_by_id(env), num_envs)
    if isinstance(env, gym.Env | gym.vector.VectorEnv):
        return from_instance(env, num_envs)
    if callable(env):
        return from_factory(env, num_envs)
    raise UsageError(f"env must be an id, an environment or a function that makes one, got {type(env).__name__}")


def module_of(env_id: str) -> Any:
    """The module that makes `env_id`, `None` if gymnasium does. It has `make(env_id, **options)`, and may have
    `for_training(env_id, num_envs)`, for an environment that agents learn from differently than they are judged by."""
    name = MODULES.get(env_id.partition("/")[0])
    if name is None:
        return None
    try:
        return import_module(f".{name}", __package__)
    except ModuleNotFoundError as problem:
        raise lacks_extra(env_id, name) from problem


def lacks_extra(env_id: str, extra: str) -> UsageError:
    return UsageError(f'{env_id} needs a package: pip install "minigrad[{extra}]"')


def make_by_id(env_id: str, **options: Any) -> Any:
    """`gym.make`, with errors for the person who mistyped the id or lacks a package. Of Atari's games it makes a vector
    environment."""
    module = module_of(env_id)
    make = partial(gym.make, disable_env_checker=True) if module is None else module.make
    try:
        return make(env_id, **options)
    except gym.error.DependencyNotInstalled as problem:
        for where, extra in EXTRAS.items():
            if str(gym.spec(env_id).entry_point).startswith(where):
                raise lacks_extra(env_id, extra) from problem
        raise UsageError(f"{env_id} needs a package that is not installed: {problem}") from problem
    except (gym.error.Error, ModuleNotFoundError) as problem:
        if env_id in gym.registry:
            raise UsageError(f"{env_id} can't be made: {problem}") from problem
        suggestion = did_you_mean(env_id, gym.registry) or "; `minigrad list` shows the known ones"
        raise UsageError(f"unknown environment {env_id!r}{suggestion}") from problem


def from_factory(make: Callable[[], Any], num_envs: int) -> Environments:
    def again() -> Environments:
        first = make()
        if isinstance(first, gym.vector.VectorEnv):
            check_number(num_envs, first)
            return VectorEnvironments(name_of(first), first, again)
        if not isinstance(first, gym.Env):
            raise UsageError(f"env must be a function that makes an environment, but it returned {first!r}")
        return BareEnvironments(name_of(first), [first, *(make() for _ in range(num_envs - 1))], again)

    return again()


def from_instance(env: gym.Env | gym.vector.VectorEnv, num_envs: int) -> Environments:
    """`env` itself (and copies of it, if more are wanted); its spec is what a copy can be made from."""
    spec = env.spec
    name = name_of(env)
    again: Callable[[], Environments] | None = None
    if isinstance(env, gym.vector.VectorEnv):
        check_number(num_envs, env)
        if spec is not None:
            again = lambda: from_factory(lambda: gym.make_vec(spec), 1)
        return VectorEnvironments(name, env, again)
    if spec is None:
        if num_envs > 1:
            raise UsageError(f"one {name} can't be made into {num_envs}; give a function that makes it")
        return BareEnvironments(name, [env], None)
    again = lambda: from_factory(lambda: gym.make(spec), num_envs)
    return BareEnvironments(name, [env, *(gym.make(spec) for _ in range(num_envs - 1))], again)


def check_number(num_envs: int, env: gym.vector.VectorEnv) -> None:
    if num_envs not in (1, env.num_envs):
        raise UsageError(f"num_envs is {num_envs} but {name_of(env)} brings its own {env.num_envs}; leave it out")


def name_of(env: gym.Env | gym.vector.VectorEnv) -> str:
    return env.spec.id if env.spec is not None else type(env.unwrapped).__name__
