"""How a run keeps its callbacks.

A built-in one is stored by its name and its settings, and its `state_dict` is in every checkpoint: a resumed run goes
on with it. One of the user's own can't be made again from a file; it is given again,
`learn(steps, run=the_same, callbacks=[...])`, and its state is restored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from envs.errors import UsageError

from ..core.built_in_callbacks import BUILT_IN, Every
from ..core.callbacks import Callback, CallFunction, make_callbacks
from ..core.names import qualified_name
from .config import config_path, read_config


def list_callbacks(given: Any, run: str | Path | None) -> list[Callback]:
    """The callbacks of `learn(callbacks=given, run=run)`. `None` is none, in a run that is there already, the run's."""
    if given is not None:
        return make_callbacks(given)
    if run is None or not config_path(run).exists():
        return []
    return make_again(read_config(run).get("callbacks", []), run)


def describe_all(callbacks: Sequence[Callback]) -> list[dict[str, Any]]:
    """What config.json says of them."""
    return [describe(callback) for callback in callbacks]


def describe_with_states(callbacks: Sequence[Callback]) -> list[dict[str, Any]]:
    """What they are and the state of each, for a checkpoint."""
    return [{**describe(callback), "state": callback.state_dict()} for callback in callbacks]


def describe(callback: Callback) -> dict[str, Any]:
    """A built-in one's name and settings; of the user's own, which class or function it is."""
    kind = type(callback)
    if BUILT_IN.get(kind.__name__) is kind:
        settings = {name: value for name, value in asdict(callback).items() if name[0] != "_"}  # type: ignore[call-overload]
        return {"name": kind.__name__, "settings": settings}
    what = callback.function if isinstance(callback, Every | CallFunction) else kind
    return {"own": qualified_name(what)}


def make_again(described: list[dict[str, Any]], where: Any) -> list[Callback]:
    """The callbacks of the run `where`, new; raises `UsageError` if one of them is the user's own."""
    own = [one["own"] for one in described if "own" in one]
    if own:
        raise UsageError(
            f"{where} was trained with callbacks of your own, which no file can bring back: {', '.join(own)}; give "
            f"them again from Python, learn(steps, run={str(where)!r}, callbacks=[...]), or callbacks=[] to go on "
            f"without"
        )
    made = []
    for one in described:
        if one["name"] not in BUILT_IN:
            raise UsageError(f"{where} names the callback {one['name']!r}, which this version of minigrad doesn't have")
        try:
            made.append(BUILT_IN[one["name"]](**one["settings"]))
        except TypeError as problem:
            raise UsageError(f"{where} is damaged: its callback {one['name']} can't be made again: {problem}") from None
    return made


def restore(callbacks: Sequence[Callback], saved: Sequence[dict[str, Any]]) -> None:
    """Gives every callback the state that the run `saved` of the same one; of two that are the same, in their order."""
    left = list(saved)
    for callback in callbacks:
        what = describe(callback)
        same = next((one for one in left if {k: v for k, v in one.items() if k != "state"} == what), None)
        if same is not None:
            left.remove(same)
            callback.load_state_dict(same["state"])
