"""An agent out of what was saved, a run directory or what `Agent.save` wrote.

Nothing is imported because a file names it: config.json may come from anybody. The class is looked for among those that
exist in this process, and an environment `module:Id` is one that the caller names again.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gymnasium as gym

from envs.errors import UsageError
from envs.making import find_spec, is_made

from ..core.names import qualified_name
from ..networks.own import match_own_networks
from ..presets import find_id
from .checkpoint import MALFORMED, Checkpoints, reason_of
from .config import are_same_class, check_config


def read_saved(path: str | Path, best: bool = False) -> dict[str, Any]:
    """The newest good state of the agent in `path`, or the one that evaluated `best`; its "config" is checked."""
    path = Path(path)
    directory = path / "checkpoints" if (path / "checkpoints").is_dir() else path
    if not directory.is_dir():
        raise UsageError(f"{path} does not exist")
    checkpoints = Checkpoints(directory)
    name, tree, damaged = checkpoints.load_newest()
    if damaged:
        warnings.warn("; ".join(damaged) + "; the one before is used", stacklevel=3)
    if best:
        if not tree.get("best"):
            raise UsageError(f"{path} has no best checkpoint: nothing was evaluated in training; leave best out")
        with misfits_in_one_line(directory / name):
            name = tree["best"]["checkpoint"]
            if checkpoints.step(name) is None:  # a path to somewhere else
                raise ValueError(f"the best one is called {name!r}")
        tree = checkpoints.load(name)
    with misfits_in_one_line(directory / name):
        state: dict[str, Any] = tree["agent"]
        check_config(state["config"], "config")
    return state


def load_agent(kind: Any, path: str | Path, env: Any, best: bool, device: Any, own: Mapping[str, Any]) -> Any:
    """What `Agent.load` returns: an agent of the class `kind` from `path`."""
    state = read_saved(path, best)
    check_class(kind, state["config"], path)
    return make_agent(kind, {**state["config"], "device": device}, env, state, path, own)


def make_agent(
    kind: Any,
    config: dict[str, Any],
    env: Any = None,
    state: dict[str, Any] | None = None,
    where: str | Path = "what was saved",
    own: Mapping[str, Any] | None = None,
) -> Any:
    """The agent of the class `kind` that `config` describes, in `state` if one is given, with the user's `own`
    components. An error says `where` the two are from."""
    # Options say how an environment is made; one that is given made, or another id, has none of them.
    is_same = env is None or (find_id(env) == find_id(config["env"]) if isinstance(env, str) else not is_made(env))
    own = own or {}
    match_own_networks(kind.__name__, config.get("own", {}), kind.own_networks, own)
    networks = {name: network for name, network in own.items() if name in kind.own_networks}
    components = {name: component for name, component in own.items() if name not in kind.own_networks}
    with misfits_in_one_line(where, (MemoryError,)):
        # As a preset: an older config has settings of components that were not chosen.
        hyperparameters = kind.Hyperparameters.of(components, config["hyperparameters"])
        agent = kind(
            environment_of(config, env),
            env_options=config.get("env_options") if is_same else None,
            seed=config["seed"],
            num_envs=config["num_envs"],
            device=config.get("device", "cpu"),
            capture=config.get("capture", "auto"),
            **({"data": config["data"]} if "data" in config else {}),
            **vars(hyperparameters),
            **networks,
        )
    agent.total_steps = config["steps"]
    if state is not None:
        with misfits_in_one_line(where):
            agent.load_state_dict(state)
    return agent


@contextmanager
def misfits_in_one_line(where: str | Path, kinds: tuple[type[Exception], ...] = MALFORMED) -> Iterator[None]:
    """Inside, what Python raises for data of another form (of these `kinds`) is a `UsageError`, and every
    `UsageError` says `where`: a checkpoint with right checksums may still hold anything."""
    try:
        yield
    except UsageError as problem:
        raise UsageError(f"{where}: {problem}") from problem
    except kinds as problem:
        raise UsageError(
            f"{where} does not hold what this agent saves ({type(problem).__name__}: {reason_of(problem)}); it is of "
            f"another version, or was changed"
        ) from problem


def is_class(kind: type, recorded: str) -> bool:
    return are_same_class(qualified_name(kind), recorded)


def check_class(kind: Any, config: dict[str, Any], path: str | Path) -> None:
    """Raises `UsageError` unless `kind` is the class of the agent that `path` holds, as its config says."""
    if config["algorithm"] != kind.name:
        raise UsageError(
            f"{path} holds a {config['algorithm']} agent, not {kind.name}; agents.load(path) finds its class"
        )
    if not is_class(kind, config.get("class", qualified_name(kind))):  # an older run has none
        raise UsageError(
            f"{path} was trained by {config['class']}, not by {qualified_name(kind)}; load it by that class, or by "
            f"agents.load(path), which finds it"
        )


def check_id(known: str) -> None:
    """Raises `UsageError` for a name that is no id: a class, a function or an instance made that environment."""
    try:
        find_spec(known)
    except UsageError as problem:
        raise UsageError(
            f"the agent was trained in {known}, which is the id of no environment here; if a class, a function or an "
            f"instance made it, give that again from Python: env=... ({problem})"
        ) from problem


def environment_of(config: dict[str, Any], env: Any = None) -> Any:
    """What to make the environments from: `env`, or the id in `config` if that imports nothing."""
    known = config["env"]
    if env is not None:
        return env
    if ":" not in known:
        check_id(known)
        if wrappers := config.get("wrappers"):
            raise UsageError(
                f"the agent was trained in {known} wrapped in {', '.join(wrappers)}, which no file can make again; "
                f"give the environment again from Python, env=..."
            )
        return known
    module, _, registered = known.partition(":")
    if module in sys.modules:  # imported already, by whoever wanted to
        return known
    if registered in gym.registry:  # by a module of another name
        return registered
    raise UsageError(
        f"the agent was trained on {known}, and no module is imported because a file names it; name it again: "
        f"--env {known} (from Python, env={known!r})"
    )
