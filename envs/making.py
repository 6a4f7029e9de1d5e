"""Environments from whatever describes them: an id, an instance, a class, a function."""

from __future__ import annotations

import ast
import inspect
import json
import os
import re
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any

import gymnasium as gym
from gymnasium.envs.registration import find_highest_version, get_env_id, load_env_creator, parse_env_id

from .bare import BareEnvironments
from .errors import UsageError, did_you_mean, whole_number
from .transitions import Environments
from .vector import VectorEnvironments

# Packages whose environments a module of this folder makes, by the namespace of their ids. The extra that installs
# the package has the module's name.
MODULES = {"MinAtar": "minatar", "ALE": "atari"}
# gymnasium's own that need more than gymnasium: where they are, and the extra.
EXTRAS = {"gymnasium.envs.box2d": "box2d", "gymnasium.envs.mujoco": "mujoco"}
# What `gym.make` takes for itself, whatever the environment.
OPTIONS_OF_MAKE = ("max_episode_steps", "render_mode")


def make_environments(env: Any, num_envs: int = 1, options: Mapping[str, Any] | None = None) -> Environments:
    """Environments from whatever describes them.

    `env` is an id ("CartPole-v1"; "module:Id" imports the module first), a class or a function that makes an
    environment, a `gym.Env`, wrapped or not, or a vector environment (or a function that makes one), which brings its
    own number. `options` are passed to what makes the environment.
    """
    num_envs = whole_number("num_envs", num_envs, 1)
    options = plain_options(options or {})
    if is_made(env):
        if options:
            raise UsageError(
                f"{name_of(env)} is made already, so it takes no options; give its id, its class or a function"
            )
        return env if isinstance(env, Environments) else from_instance(env, num_envs)
    if isinstance(env, str):
        for_training = getattr(module_of(env), "for_training", None)
        if for_training:
            return for_training(env, num_envs, **options)
        return Recipe(partial(make_by_id, env, **options), num_envs, is_certain=True)()
    if callable(env):
        check_options(getattr(env, "__name__", type(env).__name__), env, options)
        return Recipe(partial(env, **options) if options else env, num_envs, is_certain=isinstance(env, type))()
    raise UsageError(
        f"env must be an id, an environment, or a class or a function that makes one, got {type(env).__name__}"
    )


def is_made(env: Any) -> bool:
    """Whether `env` is an environment, or several, and not what makes one."""
    return isinstance(env, Environments | gym.Env | gym.vector.VectorEnv)


# -- by id


def module_of(env_id: str) -> Any:
    """The module that makes `env_id`, `None` if gymnasium does. It has `make(env_id, **options)`, and may have
    `for_training(env_id, num_envs, **options)`, for an environment that agents learn from differently than they are
    judged by."""
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
    if module is not None:
        make = partial(module.make, env_id)
    else:
        spec = find_spec(env_id)
        if options:
            check_entry_options(env_id, spec, options)
        make = partial(gym.make, spec.id, disable_env_checker=True)
    try:
        return make(**options)
    except gym.error.DependencyNotInstalled as problem:
        for where, extra in EXTRAS.items():
            if str(gym.spec(env_id).entry_point).startswith(where):
                raise lacks_extra(env_id, extra) from problem
        raise UsageError(f"{env_id} needs a package that is not installed: {problem}") from problem
    except (gym.error.Error, ModuleNotFoundError) as problem:
        if module is not None and env_id not in gym.registry:
            raise unknown_id(env_id) from problem
        raise UsageError(f"{env_id} can't be made: {problem}") from problem
    except TypeError as problem:  # of one that takes **options and hands them on
        unknown = re.search(r"unexpected keyword argument '(\w+)'", str(problem))
        if unknown is None or unknown[1] not in options:
            raise
        raise UsageError(f"{env_id} has no option {unknown[1]!r}; its class says which it has") from problem


def find_spec(env_id: str) -> Any:
    """gymnasium's spec of an id, after the import of its module; `UsageError` if there is none. "CartPole" is the
    newest CartPole."""
    module, _, plain = env_id.rpartition(":")
    if module:
        import_module_of(env_id)
    try:
        return gym.spec(complete_id(plain))
    except gym.error.Error as problem:
        raise unknown_id(env_id) from problem


def complete_id(plain: str) -> str:
    """The id with its version: the newest where none is given, as `gym.make` takes it. Raises `gym.error.Error` for
    what can't be an id."""
    namespace, name, version = parse_env_id(plain)
    return get_env_id(namespace, name, find_highest_version(namespace, name) if version is None else version)


def unknown_id(env_id: str) -> UsageError:
    module, _, plain = env_id.rpartition(":")
    hint = did_you_mean(plain, gym.registry)
    if module:
        return UsageError(f"{module} is there, but registers no environment {plain!r}{hint}")
    hint = hint or "; `minigrad list` shows the known ones, and module:Id finds one of your own"
    return UsageError(f"unknown environment {env_id!r}{hint}")


def import_module_of(env_id: str, in_working_folder: bool = False) -> None:
    """Imports the module of "module:Id", and the one that its environment is in; an id alone has none.

    `in_working_folder`: looks in the working folder first, as `python -m` does. That is for ids that somebody typed:
    no file may say what is imported.
    """
    module, _, plain = env_id.rpartition(":")
    if not module:
        return
    folder = os.getcwd()
    if in_working_folder:
        sys.path.insert(0, folder)
    try:
        import_module(module)
        spec = gym.registry.get(plain)
        if spec is not None and isinstance(spec.entry_point, str):
            load_env_creator(spec.entry_point)
    except ModuleNotFoundError as problem:
        missing = problem.name or ""
        if module == missing or module.startswith(f"{missing}."):
            where = f"in {folder} or installed" if in_working_folder else "on Python's path (sys.path)"
            raise UsageError(f"{env_id}: there is no module {missing!r} {where}") from problem
        raise UsageError(f"{env_id}: {module} needs the module {missing!r}, which is not installed") from problem
    finally:
        if in_working_folder:
            with suppress(ValueError):  # the module has taken it out
                sys.path.remove(folder)


# -- options


def plain_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """`options` as JSON has them, which is how a run keeps them: NumPy's numbers as Python's, tuples as lists."""
    try:
        return json.loads(json.dumps(dict(options), default=lambda value: value.tolist()))
    except (AttributeError, TypeError, ValueError) as problem:
        raise UsageError(
            f"an environment's options are kept in the run's config.json, so they are numbers, text, True, False, "
            f"None, and lists and dicts of those, but got {options!r}; give a function that makes the environment"
        ) from problem


def parse_option(text: str) -> tuple[str, Any]:
    """The name and the value in "is_slippery=False": a Python literal, else text."""
    name, equals, value = text.partition("=")
    name = name.strip().replace("-", "_")
    if not equals or not name.isidentifier():
        raise UsageError(f"an option of the environment is NAME=VALUE, such as is_slippery=False, got {text!r}")
    # "false" as text would count as true.
    value = {"true": "True", "false": "False", "none": "None", "null": "None"}.get(value.strip().lower(), value)
    try:
        return name, ast.literal_eval(value.strip())
    except (ValueError, SyntaxError):
        return name, value


def check_entry_options(env_id: str, spec: Any, options: Mapping[str, Any]) -> None:
    """Raises `UsageError` if the environment's own class or function doesn't take `options`."""
    try:
        entry = spec.entry_point if callable(spec.entry_point) else load_env_creator(spec.entry_point)
    except Exception:  # whatever is missing: making it says so better
        return
    own = {name: value for name, value in options.items() if name not in OPTIONS_OF_MAKE}
    check_options(env_id, entry, {**spec.kwargs, **own})


def check_options(name: str, make: Callable, options: Mapping[str, Any]) -> None:
    """Raises `UsageError` if `make` can't be called with `options`."""
    try:
        signature = inspect.signature(make)
    except (TypeError, ValueError):  # written in C: it says so itself
        return
    try:
        signature.bind(**options)
    except TypeError as problem:
        known = [
            key
            for key, parameter in signature.parameters.items()
            if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY) and key != "render_mode"
        ]
        unknown = [key for key in options if key not in known]
        if unknown:
            hint = did_you_mean(unknown[0], known) or f"; it has {', '.join(known) or 'none'}"
            raise UsageError(f"{name} has no option {unknown[0]!r}{hint}") from problem
        raise UsageError(f"{name}: {problem}; give it in env_options, or give a function that makes it") from problem


# -- what makes them again


@dataclass(frozen=True)
class Recipe:
    """`num_envs` environments of those that `make` makes. It is a class, because pickle can't copy a function that is
    defined in a function."""

    make: Callable[[], Any]
    num_envs: int
    is_certain: bool = False  # whether `make` is known to make a new one each time

    def __call__(self) -> Environments:
        first = self.make()
        if isinstance(first, gym.vector.VectorEnv):
            check_number(self.num_envs, first)
            return VectorEnvironments(name_of(first), first, self)
        if not isinstance(first, gym.Env):
            raise UsageError(
                f"env must be a function that makes an environment, but it returned {first!r}{old_gym(first)}"
            )
        return side_by_side(first, [self.make() for _ in range(self.num_envs - 1)], self)


class HandOut:
    """Makes environments as `make(**options)` does; the first one that it hands out is made already."""

    def __init__(self, make: Callable[..., Any], options: Mapping[str, Any]) -> None:
        check_options(getattr(make, "__name__", type(make).__name__), make, options)
        self.make, self.options = make, options
        self.made = [make(**options)]

    def __call__(self) -> Any:
        return self.made.pop() if self.made else self.make(**self.options)


def make_first(env: Any, options: Mapping[str, Any]) -> tuple[Any, Any]:
    """An environment to look at, and what to make environments from. A function is called once for that; a class is
    not, because only `gym.make` gives an environment a spec. All else is both itself."""
    if is_made(env) or isinstance(env, str | type) or not callable(env):
        return env, env
    hand_out = HandOut(env, options)
    return hand_out.made[0], hand_out


def old_gym(env: Any) -> str:
    if any(base.__module__.partition(".")[0] == "gym" for base in type(env).__mro__):
        return ", which is one of the old gym; derive it from gymnasium.Env"
    return "; derive its class from gymnasium.Env" if hasattr(env, "step") and hasattr(env, "reset") else ""


def side_by_side(first: gym.Env, others: list[gym.Env], again: Callable[[], Environments] | None) -> Environments:
    """`first` and its copies; raises `UsageError` if they aren't separate and alike."""
    name = name_of(first)
    envs = [first, *others]
    if len({id(env.unwrapped) for env in envs}) < len(envs):
        raise UsageError(f"{name}: the function returns the same environment each time; make a new one in it")
    environments = BareEnvironments(name, envs, again)
    for what in ("observation_space", "action_space"):
        for env in others:
            if getattr(env, what) != getattr(first, what):
                raise UsageError(
                    f"{name}: environments side by side must be alike, and one has the {what} {getattr(env, what)}, "
                    f"another {getattr(first, what)}"
                )
    return environments


def from_instance(env: gym.Env | gym.vector.VectorEnv, num_envs: int) -> Environments:
    """`env` itself (and copies of it, if more are wanted); its spec is what a copy can be made from."""
    spec = spec_of(env)
    if isinstance(env, gym.vector.VectorEnv):
        check_number(num_envs, env)
        return VectorEnvironments(name_of(env), env, spec and Recipe(partial(gym.make_vec, spec), 1))
    if num_envs == 1:
        return BareEnvironments(name_of(env), [env], spec and Recipe(partial(gym.make, spec), 1))
    try:
        if spec is None:
            raise UsageError("it is an instance, and nothing says how it was made")
        others = [gym.make(spec) for _ in range(num_envs - 1)]
    except Exception as problem:  # somebody else's code: whatever it raises, it is the answer
        raise UsageError(
            f"one {name_of(env)} can't be made into {num_envs} ({problem}); give an id, a class, or a function that "
            f"makes it, or num_envs=1"
        ) from problem
    return side_by_side(env, others, Recipe(partial(gym.make, spec), num_envs))


def check_number(num_envs: int, env: gym.vector.VectorEnv) -> None:
    if num_envs not in (1, env.num_envs):
        raise UsageError(f"num_envs is {num_envs} but {name_of(env)} brings its own {env.num_envs}; leave it out")


# gymnasium.make's own, and those that only look.
NOT_TOLD = ("OrderEnforcing", "PassiveEnvChecker", "RecordEpisodeStatistics", "RecordVideo", "HumanRendering")


def list_wrappers(environments: Environments) -> list[str]:
    """The wrappers, from the outside in, that gymnasium.make would not put around these environments by their id, and
    that change what an agent sees or is given."""
    names = [name for layer in environments.layers() if (name := type(layer).__name__) not in NOT_TOLD]
    if names and names[-1] == "TimeLimit":  # the innermost is of the spec
        del names[-1]
    return names


def spec_of(env: Any) -> Any:
    """gymnasium's spec, `None` where there is none: a wrapper makes its own on the way, and may fail. What is not made
    yet (a class, a function) has none: a wrapper's class answers with the property itself."""
    try:
        spec = env.spec
    except Exception:
        return None
    return spec if hasattr(spec, "id") else None


def name_of(env: Any) -> str:
    if isinstance(env, Environments):
        return env.name
    spec = spec_of(env)
    return spec.id if spec is not None else type(env.unwrapped).__name__
