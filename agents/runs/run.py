"""A run is a directory; everything done afterwards (evaluate, resume, plot) takes that directory.

config.json       what was asked for: algorithm, environment, seed, steps, every hyper-parameter
metrics.csv       a row for every finished episode
evaluations.csv   a row for every greedy evaluation during training
timing.csv        the clock's side of it: the only file that differs between two runs of the same command
checkpoints/      everything needed to go on (see checkpoint.py)
.lock             held by the process that trains
"""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

import gymnasium as gym
import numpy as np

import minigrad as mg
from envs.errors import UsageError

from ..memory.ring import Ring
from .checkpoint import Checkpoints
from .config import changed_names, check_config, config_path, read_config, tell_changes
from .files import remove_leftovers, write_atomically
from .tables import Table

NO_ROWS: dict[str, Any] = {"rows": 0, "bytes": 0}


def command_line(*words: object) -> str:
    """A `minigrad` command as it can be pasted into a shell, whatever the names in it."""
    return shlex.join(["minigrad", *map(str, words)])


def command_for(config: dict[str, Any], *words: object) -> str:
    """As `command_line`, of a run with this config. It names again what no file may name: a module of environments, and
    the file of a class."""
    again: list[object] = []
    if ":" in config["env"]:
        again += ["--env", config["env"]]
    module, _, name = config.get("class", "").partition(":")
    file = getattr(sys.modules.get(module), "__file__", None)
    if not module.startswith("agents.") and file is not None and name.isidentifier():
        again += ["--agent", f"{os.path.relpath(file)}:{name}"]
    return command_line(*words, *again)


def way_to_go_on(config: dict[str, Any], directory: Path, env_has_id: bool = True) -> str:
    """The command that goes on with this run. Where no command can name its environment, it is Python's expression."""
    env = config["env"]
    # An id has a colon or a slash, or gymnasium knows it; else it is the name of a class.
    if env_has_id and (":" in env or "/" in env or env in gym.registry):
        return command_for(config, "resume", directory)
    return f"agents.load({str(directory)!r}, env=...).learn(steps, run={str(directory)!r})"


@dataclass(frozen=True)
class Saved:
    """A checkpoint that was read: what a run can go on from. `name` and `agent` are None before the first."""

    name: str | None = None
    agent: dict[str, Any] | None = None
    metrics: dict[str, Any] | None = None
    evaluations: dict[str, Any] | None = None
    best: dict[str, Any] | None = None
    callbacks: tuple[dict[str, Any], ...] = ()  # what each is, and its state
    damaged: tuple[str, ...] = ()  # a message for each newer checkpoint that can't be used


class Trained(Protocol):
    """What a run needs of an agent to be the agent's own."""

    steps: int
    total_steps: int

    def config(self) -> dict[str, Any]: ...

    def parts(self) -> dict[str, Any]: ...


class Run:
    """A run directory, open for writing. `Run.create` starts one, `Run.open` takes up an existing one, `Run.begin` does
    what `Agent.learn` needs of the two."""

    def __init__(self, directory: Path, config: dict[str, Any]) -> None:
        self.directory = directory
        self.config = config
        self.metrics = Table(directory / "metrics.csv")
        self.evaluations = Table(directory / "evaluations.csv")
        self.timing = Table(directory / "timing.csv")
        self.keeps_time = True  # not where timing.csv can't be gone on with
        self.checkpoints = Checkpoints(directory / "checkpoints")
        self.best: dict[str, Any] | None = None
        # Those of the checkpoint that it goes on from, with their states.
        self.callbacks: tuple[dict[str, Any], ...] = ()
        self._lock = lock(directory)

    @classmethod
    def create(cls, directory: str | Path, config: dict[str, Any]) -> Run:
        """A new run; raises `UsageError` if something is there."""
        directory = Path(directory)
        # A name with a dot is what a run that was killed in its first moment leaves.
        if directory.exists() and (not directory.is_dir() or any(path.name[0] != "." for path in directory.iterdir())):
            hint = f"; `{command_line('resume', directory)}` goes on with it" if config_path(directory).exists() else ""
            raise UsageError(f"{directory} exists already{hint}; give another run directory")
        directory.mkdir(parents=True, exist_ok=True)
        run = cls(directory, config)
        run._write_config()
        return run

    @classmethod
    def open(cls, directory: str | Path) -> Run:
        """A run that is there. Changes nothing in it but its lock."""
        directory = Path(directory)
        return cls(directory, read_config(directory))

    @classmethod
    def begin(
        cls, directory: str | Path, agent: Trained, preset: dict[str, Any], callbacks: list[dict[str, Any]]
    ) -> Run:
        """A new run of `agent`; or the agent's own run, where its newest checkpoint is what the agent is now,
        lengthened to the agent's `total_steps`. Raises `UsageError` for any other directory that is not empty."""
        if not config_path(directory).exists():
            return cls.create(directory, {**agent.config(), "preset": preset, "callbacks": callbacks})
        run = cls.open(directory)
        try:
            saved = run.read_newest()
            if reason := why_not_own(run, saved, agent):
                raise UsageError(
                    f"{directory} holds a run that is not this agent's: {reason}; give another run, or go on with that "
                    f"one: agents.load({str(directory)!r}).learn(steps, run={str(directory)!r})"
                )
            run.go_back_to(saved)
            run.lengthen(agent.total_steps, callbacks)
        except BaseException:
            run.close()
            raise
        return run

    def _write_config(self) -> None:
        write_atomically(config_path(self.directory), (json.dumps(self.config, indent=2) + "\n").encode())

    def lengthen(self, steps: int, callbacks: list[dict[str, Any]] | None = None) -> None:
        """From here on the run is one of `steps` steps in all, with these `callbacks`, if they are given. config.json
        keeps the totals that it had before, which its checkpoints were trained with."""
        if callbacks is not None:
            self.config = {**self.config, "callbacks": callbacks}
            self._write_config()
        if steps != self.config["steps"]:
            before = [*self.config.get("lengthened", []), self.config["steps"]]
            self.config = {**self.config, "steps": steps, "lengthened": before}
            self._write_config()

    def save(self, step: int, agent_state: dict[str, Any], callbacks: list[dict[str, Any]]) -> Path:
        """Writes a checkpoint of the agent and of how far the tables are. Raises `UsageError` if that is impossible."""
        self.check_is_there(step)
        with self.saying_how_to_go_on(step):
            # The tables first: a checkpoint may not count rows that a power cut can still lose.
            for table in (self.metrics, self.evaluations, self.timing):
                table.flush(to_disk=True)
            tables = {"metrics": self.metrics.mark(), "evaluations": self.evaluations.mark()}
            tree = {"agent": agent_state, "tables": tables, "best": self.best, "callbacks": callbacks}
            return self.checkpoints.save(step, tree, also_keep=self.best["checkpoint"] if self.best else None)

    @contextmanager
    def saying_how_to_go_on(self, step: int) -> Iterator[None]:
        """Inside, a full disk and its like are a `UsageError` with the file and the command that goes on."""
        try:
            yield
        except OSError as problem:
            names = self.checkpoints.names()
            last = f"from its last checkpoint, {names[-1]}" if names else "from the start"
            raise UsageError(
                f"{self.directory} could not be saved at step {step:,}: {problem.filename}: {problem.strerror}; when "
                f"that is mended, `{way_to_go_on(self.config, self.directory)}` goes on {last}"
            ) from problem

    def check_is_there(self, step: int) -> None:
        """Raises `UsageError` if the directory has gone. One of the same name may have been made again, by another
        training."""
        try:
            same = os.path.samestat(os.fstat(self._lock.fileno()), os.stat(self.directory / ".lock"))
        except FileNotFoundError:
            same = False
        if not same or not config_path(self.directory).exists():
            raise UsageError(
                f"{self.directory} was deleted, moved or replaced while it was trained; the training was stopped at "
                f"step {step:,}"
            )

    def read_newest(self) -> Saved:
        """The newest good checkpoint. Changes nothing on disk."""
        if not self.checkpoints.names():
            return Saved()
        name, tree, damaged = self.checkpoints.load_newest()
        try:
            tables = tree["tables"]
            callbacks = tuple(tree.get("callbacks", ()))  # an older checkpoint has none
            saved = Saved(
                name, tree["agent"], tables["metrics"], tables["evaluations"], tree["best"], callbacks, tuple(damaged)
            )
            check_config(saved.agent["config"] if saved.agent else None, f"{self.checkpoints.directory / name}, config")
            for mark in (saved.metrics, saved.evaluations):
                if not isinstance(mark, dict) or not all(isinstance(mark[key], int) for key in NO_ROWS):
                    raise TypeError
        except (KeyError, TypeError):
            raise UsageError(
                f"{self.checkpoints.directory / name} is not a run's checkpoint, or one of another version of minigrad"
            ) from None
        return saved

    def check_unchanged(self, saved: Saved) -> None:
        """Raises `UsageError` if config.json or a table is not what the checkpoint was made with. Changes nothing."""
        if saved.agent is None:
            return
        trained = saved.agent["config"]
        if changed := changed_names(trained, self.config):
            told = [tell_changes(name, trained[name], self.config.get(name)) for name in changed]
            raise UsageError(
                f"{config_path(self.directory)} was changed: {', '.join(told)} is not what its checkpoint was "
                f"trained with; change it back, or train a new run"
            )
        self.metrics.check(saved.metrics or NO_ROWS)
        self.evaluations.check(saved.evaluations or NO_ROWS)

    def go_back_to(self, saved: Saved) -> None:
        """Cuts the tables back to a checkpoint, and deletes what came after it."""
        self.check_unchanged(saved)
        self.checkpoints.forget_after(saved.name)
        remove_leftovers(self.directory)
        self.best, self.callbacks = saved.best, saved.callbacks
        self.metrics.cut_back(saved.metrics or NO_ROWS)
        self.evaluations.cut_back(saved.evaluations or NO_ROWS)
        try:
            self.timing.keep()
        except (OSError, ValueError) as problem:  # nothing depends on it
            self.keeps_time = False
            warnings.warn(f"{self.timing.path} is left alone: {problem}", stacklevel=2)

    def close(self) -> None:
        for table in (self.metrics, self.evaluations, self.timing):
            table.close()
        self._lock.close()


def why_not_own(run: Run, saved: Saved, agent: Trained) -> str | None:
    """`None` if `agent` is what the run's newest checkpoint holds, else the difference."""
    if saved.agent is None:
        return "it has no checkpoint yet"
    trained, own = saved.agent["config"], json.loads(json.dumps(agent.config()))
    for name in changed_names(trained, own):
        if name not in ("steps", "device", "capture"):
            return f"its {name} is {trained[name]!r}, the agent's {own.get(name)!r}"
    if saved.agent["steps"] != agent.steps:
        return f"its newest checkpoint is of step {saved.agent['steps']:,}, the agent is at step {agent.steps:,}"
    for name, part in agent.parts().items():
        if not are_equal(saved.agent.get(name), part.state_dict()):
            return f"its {name} differs from the agent's"
    return None


def are_equal(a: Any, b: Any) -> bool:
    """Whether two parts of a state are the same, bit for bit. A list equals a tuple: a checkpoint has lists."""
    if isinstance(a, Ring) and isinstance(b, Ring):
        return (a.total, a.oldest) == (b.total, b.oldest) and are_equal(
            a.rows(a.oldest, a.total), b.rows(b.oldest, b.total)
        )
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(are_equal(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(map(are_equal, a, b))
    left, right = (mg.to_numpy(value) if isinstance(value, mg.Tensor) else np.asarray(value) for value in (a, b))
    return left.dtype.kind == right.dtype.kind and np.array_equal(left, right, equal_nan=left.dtype.kind == "f")


def lock(directory: Path) -> IO[str]:
    """Holds the run for this process, until the file is closed or the process is gone."""
    path = directory / ".lock"
    if path.exists() and not path.is_file():  # opening a pipe would wait for ever
        raise UsageError(f"{path} is not a regular file; delete it")
    file = open(path, "w")  # noqa: SIM115
    try:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except ImportError:  # not on this system; then two processes on one run are the user's own care
        pass
    except BlockingIOError:
        file.close()
        raise UsageError(f"{directory} is being trained by another process") from None
    except OSError:  # a file system without locks
        pass
    return file


def unused_directory(name: str, parent: Path = Path("runs")) -> Path:
    """`runs/name`, or `runs/name-2`, `-3`, ... if that exists; of `name`, the letters that every system allows in the
    name of a file."""
    name = re.sub(r"[^\w.+-]+", "-", name)
    path, number = parent / name, 2
    while path.exists():
        path, number = parent / f"{name}-{number}", number + 1
    return path
