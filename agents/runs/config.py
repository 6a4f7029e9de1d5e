"""config.json: what was asked for. A run directory may come from anybody, so nothing in it is believed unchecked."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from envs.errors import UsageError

from .files import MOST_JSON_BYTES, read_file

MOST_ENVIRONMENTS = 100_000  # each is an object; a number far above would take all memory before any other error
LARGEST = 2**63 - 1  # more than any training takes, and the most that NumPy counts


def is_whole(least: int, most: float = LARGEST) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def is_kind(*kinds: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, kinds)


def is_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def is_callback(value: Any) -> bool:
    """Whether it describes a callback: a built-in one, or one of the user's own."""
    if not isinstance(value, dict):
        return False
    return isinstance(value.get("own"), str) or (
        isinstance(value.get("name"), str) and isinstance(value.get("settings"), dict)
    )


# What a run can't do without, and what may be left out: the test, and what it asks for.
NEEDED: dict[str, tuple[Callable[[Any], bool], str]] = {
    "algorithm": (is_kind(str), "a name"),
    "env": (is_kind(str), "a name"),
    "seed": (is_whole(0, float("inf")), "a whole number from 0 up"),
    "num_envs": (is_whole(1, MOST_ENVIRONMENTS), f"a whole number from 1 to {MOST_ENVIRONMENTS:,}"),
    "steps": (is_whole(0), "a whole number from 0 up"),
    "hyperparameters": (
        lambda value: isinstance(value, dict) and not value.keys() & {"env", "seed", "num_envs", "device"},
        "names and values of hyper-parameters",
    ),
}
OPTIONAL: dict[str, tuple[Callable[[Any], bool], str]] = {
    "class": (lambda value: isinstance(value, str) and bool(re.fullmatch(".+:.+", value)), "MODULE:CLASS"),
    "env_options": (is_kind(dict), "names and values of the environment's options"),
    "wrappers": (is_names, "the names of wrappers"),
    "data": (
        lambda value: isinstance(value, dict) and all(isinstance(value.get(name), str) for name in ("file", "sha256")),
        "the file of recorded steps, and its sha256",
    ),
    "own": (is_kind(dict), "names of the user's own networks"),
    "device": (lambda value: value in ("cpu", "cuda"), "cpu or cuda"),
    "capture": (lambda value: value in (True, False), "true or false"),
    "checkpoint_every": (is_whole(0), "a whole number from 0 up"),
    "evaluation_episodes": (is_whole(0), "a whole number from 0 up"),
    "preset": (is_kind(dict), "names and values of hyper-parameters"),
    "callbacks": (
        lambda value: isinstance(value, list) and all(map(is_callback, value)),
        "a list of names and settings of callbacks",
    ),
    "versions": (is_kind(dict), "names and values"),
    "lengthened": (
        lambda value: isinstance(value, list) and all(isinstance(v, int) for v in value),
        "the totals that it had before",
    ),
}


def check_config(config: Any, where: str | os.PathLike) -> dict[str, Any]:
    """`config`, if it can be one; else `UsageError` that names the file and the entry."""
    if not isinstance(config, dict):
        raise UsageError(f"{where} is damaged: expected an object with names, got {kind_of(config)}")
    for name, (allows, expected) in {**NEEDED, **OPTIONAL}.items():
        if name not in config:
            if name in NEEDED:
                raise UsageError(f"{where} is damaged: it has no {name!r}")
        elif not allows(config[name]):
            raise UsageError(f"{where} is damaged: {name} must be {expected}, got {json.dumps(config[name])[:80]}")
    return config


def kind_of(value: Any) -> str:
    return {list: "a list", str: "a text", type(None): "null"}.get(type(value), f"{value!r:.80}")


def config_path(directory: str | os.PathLike) -> Path:
    return Path(directory) / "config.json"


def read_config(directory: str | os.PathLike) -> dict[str, Any]:
    """A run's config.json, checked; `UsageError` with the reason if `directory` is no run."""
    path = config_path(directory)
    try:
        config = json.loads(read_file(path, MOST_JSON_BYTES))
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(f"{directory} is not a run: it has no config.json") from None
    except (ValueError, RecursionError) as problem:
        raise UsageError(f"{path} is damaged: {problem}") from None
    return check_config(config, path)


def are_same_class(a: str, b: str) -> bool:
    """Whether two MODULE:CLASS name one class. Where it is defined may have moved: within this package, or because a
    script was the main program then and is imported now."""
    (module_a, _, class_a), (module_b, _, class_b) = a.partition(":"), b.partition(":")
    return class_a == class_b and module_a.startswith("agents.") == module_b.startswith("agents.")


def tell_changes(name: str, before: Any, now: Any) -> str:
    """The entry `name` in words; of one that has entries of its own, those that differ."""
    if not (isinstance(before, dict) and isinstance(now, dict)):
        return name
    names = [key for key in {**before, **now} if before.get(key, now) != now.get(key, before)]
    return f"{name} ({', '.join(names)})"


def changed_names(trained: dict[str, Any], config: dict[str, Any]) -> list[str]:
    """The entries of config.json that are not what a checkpoint was trained with. A run that was lengthened may have a
    checkpoint from before."""
    totals = [config["steps"], *config.get("lengthened", [])]

    def is_changed(name: str, value: Any) -> bool:
        if name == "class":
            return not are_same_class(value, config.get(name, value))
        return value not in totals if name == "steps" else config.get(name) != value

    return [name for name, value in trained.items() if is_changed(name, value)]
