"""A run is a directory; everything done afterwards (evaluate, resume, plot) takes that directory.

config.json       what was asked for: algorithm, environment, seed, steps, every hyper-parameter
metrics.csv       a row for every finished episode
evaluations.csv   a row for every greedy evaluation during training
timing.csv        the clock's side of it: the only file that differs between two runs of the same command
checkpoints/      everything needed to go on (see checkpoint.py)
"""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path
from typing import IO, Any

import numpy as np

from envs.errors import UsageError

from .checkpoint import Checkpoints, write_atomically


class Table:
    """A CSV file that only grows, and that a resumed run cuts back to where its checkpoint was."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows = 0
        self._columns: list[str] = []
        self._file: IO[str] | None = None

    def write(self, row: dict[str, Any]) -> None:
        """Appends a row; `None` is an empty cell. The first row's keys are the header, and the columns of all others: a
        run that an older version began has no others."""
        if self._file is None:
            self._file = open(self.path, "a", encoding="utf-8", newline="")  # noqa: SIM115
        if self.rows == 0:
            self._columns = list(row)
            self._file.write(",".join(row) + "\n")
        self._file.write(",".join([cell(row.get(column)) for column in self._columns]) + "\n")
        self.rows += 1

    def flush(self, to_disk: bool = False) -> None:
        if self._file is not None:
            self._file.flush()
            if to_disk:
                os.fsync(self._file.fileno())

    def cut(self, rows: int) -> None:
        """Drops everything after the first `rows` rows."""
        self.close()
        lines = self.path.read_text(encoding="utf-8").splitlines(keepends=True) if self.path.exists() else []
        kept = lines[: rows + 1] if rows else []
        if rows and (len(kept) < rows + 1 or not kept[-1].endswith("\n")):
            raise UsageError(
                f"{self.path} has fewer than the {rows} rows that its checkpoint counts; it was changed"
            )
        write_atomically(self.path, "".join(kept).encode())
        self.rows = rows
        self._columns = kept[0].rstrip("\n").split(",") if kept else []

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def cell(value: Any) -> str:
    """A number as it stands in a table. `repr` gives the shortest digits that read back as the same float; NumPy's own
    numbers would put their type around them."""
    return "" if value is None else repr(value.item() if isinstance(value, np.generic) else value)


class Run:
    """A run directory, open for writing. `Run.create` starts one, `Run.open` takes up an existing one."""

    def __init__(self, directory: Path, config: dict[str, Any]) -> None:
        self.directory = directory
        self.config = config
        self.metrics = Table(directory / "metrics.csv")
        self.evaluations = Table(directory / "evaluations.csv")
        self.timing = Table(directory / "timing.csv")
        self.checkpoints = Checkpoints(directory / "checkpoints")
        self.best: dict[str, Any] | None = None
        self._lock = lock(directory)

    @classmethod
    def create(cls, directory: str | Path, config: dict[str, Any]) -> Run:
        directory = Path(directory)
        # A name with a dot is what a run that was killed in its first moment leaves.
        if directory.exists() and (
            not directory.is_dir() or any(path.name[0] != "." for path in directory.iterdir())
        ):
            hint = (
                f"; `minigrad resume {directory}` goes on with it"
                if (directory / "config.json").exists()
                else ""
            )
            raise UsageError(f"{directory} exists already{hint}; give another --run")
        directory.mkdir(parents=True, exist_ok=True)
        write_atomically(directory / "config.json", (json.dumps(config, indent=2) + "\n").encode())
        return cls(directory, config)

    @classmethod
    def open(cls, directory: str | Path) -> Run:
        directory = Path(directory)
        return cls(directory, read_config(directory))

    def save(self, step: int, agent_state: dict[str, Any]) -> Path:
        """Writes a checkpoint of the agent and of how far the tables are."""
        # The tables first: a checkpoint may not count rows that a power cut can still lose.
        for table in (self.metrics, self.evaluations, self.timing):
            table.flush(to_disk=True)
        tables = {"metrics": self.metrics.rows, "evaluations": self.evaluations.rows}
        tree = {"agent": agent_state, "tables": tables, "best": self.best}
        return self.checkpoints.save(step, tree, also_keep=self.best["checkpoint"] if self.best else None)

    def restore(self) -> tuple[dict[str, Any] | None, list[str]]:
        """The agent's state at the newest good checkpoint, `None` if the run was killed before its first; and
        what is wrong with any newer one. Cuts the tables back to it."""
        state: dict[str, Any] | None = None
        damaged: list[str] = []
        tables = {"metrics": 0, "evaluations": 0}
        if self.checkpoints.names():
            name, tree, damaged = self.checkpoints.load_newest()
            for newer in self.checkpoints.names():
                if newer > name:
                    self.checkpoints.forget(newer)
            state, tables, self.best = tree["agent"], tree["tables"], tree["best"]
        self.metrics.cut(tables["metrics"])
        self.evaluations.cut(tables["evaluations"])
        if self.timing.path.exists():
            self.timing.rows = max(0, len(self.timing.path.read_text().splitlines()) - 1)
        return state, damaged

    def close(self) -> None:
        for table in (self.metrics, self.evaluations, self.timing):
            table.close()
        self._lock.close()


def read_config(directory: str | Path) -> dict[str, Any]:
    """A run's config.json; an error with the reason if `directory` is no run."""
    path = Path(directory) / "config.json"
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(f"{directory} is not a run: it has no config.json") from None
    except ValueError as problem:
        raise UsageError(f"{path} is damaged: {problem}") from None


def read_table(path: Path) -> dict[str, list[float | None]]:
    """A table's columns; an empty cell is `None`."""
    if not path.exists():
        return {}
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    # A run that is still going, or was killed, may end in half a row.
    whole = [row for row in rows if None not in row.values()]
    return {
        name: [float(row[name]) if row[name] else None for row in whole] for name in (rows[0] if rows else {})
    }


def lock(directory: Path) -> IO[str]:
    """Holds the run for this process, until the file is closed or the process is gone."""
    file = open(directory / ".lock", "w")  # noqa: SIM115
    try:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except ImportError:  # not on this system; then two processes on one run are the user's own care
        pass
    except OSError:
        file.close()
        raise UsageError(f"{directory} is being trained by another process") from None
    return file


def unused_directory(name: str, parent: Path = Path("runs")) -> Path:
    """`runs/name`, or `runs/name-2`, `-3`, ... if that exists."""
    path, number = parent / name, 2
    while path.exists():
        path, number = parent / f"{name}-{number}", number + 1
    return path
