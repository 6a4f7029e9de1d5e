"""`agents.load`: an agent from a run directory, by whatever class it was trained.

A run says which class that was, only to be compared. It is looked for among the classes that exist: the registered
ones, and the subclasses of `Agent` that a script has defined. The command line takes `--agent FILE.py:CLASS`, and
imports that file because the user typed its name.
"""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from envs.errors import UsageError, did_you_mean

from ..core.agent import Agent
from ..core.names import qualified_name
from ..presets import find_id
from ..registry import AGENTS, agent_class
from .saved import check_class, is_class, make_agent, misfits_in_one_line, read_saved


def load(
    path: str | Path,
    env: Any = None,
    *,
    best: bool = False,
    device: Any = "cpu",
    agent: type[Agent] | None = None,
    **own: Any,
) -> Agent:
    """The agent that `path` holds: a run directory, or what `agent.save(path)` wrote.

    env     needed where it was not trained on an id, or on `module:Id`
    best    the checkpoint that evaluated best in training, instead of the newest
    device  need not be the one it was trained on
    agent   its class, if that is to be compared rather than found
    own     the user's own components that it was trained with, `network=...`

    Raises `UsageError` if its class does not exist in this process: define or import it first."""
    state = read_saved(path, best)
    config = state["config"]
    return make_agent(find_class(config, path, agent), {**config, "device": device}, env, state, path, own)


def find_class(config: dict[str, Any], path: str | Path, given: type[Agent] | None = None) -> type[Agent]:
    """The class that the run at `path` was trained by; `given`, if it is that one."""
    if given is not None:
        check_class(given, config, path)
        return given
    recorded = config.get("class")
    if recorded is None:  # an older run
        with misfits_in_one_line(path):
            return agent_class(config["algorithm"])
    registered = AGENTS.get(config["algorithm"])
    if registered is not None and is_class(registered, recorded):
        return registered
    # Of two of one name the later: a cell of a notebook that was run again.
    for kind in reversed(subclasses(Agent)):
        if qualified_name(kind) == recorded and kind.name == config["algorithm"]:
            return kind
    if recorded.startswith("agents."):  # damaged, or of another version
        with misfits_in_one_line(path):
            agent_class(config["algorithm"])
    raise UsageError(
        f"{path} was trained by {recorded}, a class that this process doesn't have, and nothing is imported because a "
        f"file names it; give --agent FILE.py:{recorded.partition(':')[2]} (from Python, import it before)"
    )


def name_again(config: dict[str, Any], env: str | None, path: str | Path) -> str | None:
    """`env`, where the user named the run's environment again; raises `UsageError` if it is another one."""
    if env is not None and find_id(env) != find_id(config["env"]):
        raise UsageError(f"{path} was trained on {config['env']}, not on {env}")
    return env


def subclasses(kind: type[Agent]) -> list[type[Agent]]:
    """All classes derived from this one, in the order of their definition among brothers."""
    return [found for child in kind.__subclasses__() for found in (child, *subclasses(child))]


def import_agent(text: str | None) -> type[Agent] | None:
    """The class that `FILE.py:CLASS` names. The file is run, as `python FILE.py` would find its neighbours, but under
    its own name."""
    if text is None:
        return None
    file, colon, name = text.rpartition(":")
    path = Path(file)
    if not colon or path.suffix != ".py" or not name:
        raise UsageError(f"--agent must be FILE.py:CLASS, got {text!r}")
    if not path.is_file():
        raise UsageError(f"--agent {text}: there is no file {file}")
    module: Any = sys.modules.get(path.stem)
    if module is None:
        sys.path.insert(0, str(path.resolve().parent))
        spec = spec_from_file_location(path.stem, path.resolve())
        assert spec is not None  # of a name that ends in .py there is one
        assert spec.loader is not None
        module = sys.modules[path.stem] = module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[path.stem]
            raise
    elif Path(getattr(module, "__file__", None) or "").resolve() != path.resolve():
        raise UsageError(f"--agent {text}: a module is called {path.stem} already; rename the file")
    found = vars(module).get(name)
    if not (isinstance(found, type) and issubclass(found, Agent)):
        known = [key for key, value in vars(module).items() if isinstance(value, type) and issubclass(value, Agent)]
        hint = did_you_mean(name, known) or f"; it has {', '.join(known) or 'none'}"
        raise UsageError(f"--agent {text}: {file} has no agent called {name}{hint}")
    return found
