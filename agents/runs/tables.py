"""The tables of a run: CSV files that only grow."""

from __future__ import annotations

import csv
import hashlib
import io
import os
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import numpy as np

from envs.errors import UsageError

from .files import naming, read_file, write_atomically


class Table:
    """A CSV file that only grows, and that a resumed run cuts back to where its checkpoint was.

    `mark()` says how far it is: rows, bytes, and the SHA-256 of these bytes. `cut_back(mark)` goes back there, and
    notices a byte that was changed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows = self.bytes = 0
        self._hash = hashlib.sha256()
        self._columns: list[str] = []
        self._file: IO[bytes] | None = None

    def write(self, row: dict[str, Any]) -> None:
        """Appends a row; `None` is an empty cell. The first row's keys are the header, and the columns of all others: a
        run that an older version began has no others."""
        if self._file is None:
            if self.path.exists() and not self.path.is_file():
                raise UsageError(f"{self.path} is not a regular file, so no row can be added; move it away")
            self._file = open(self.path, "ab")  # noqa: SIM115
        if not self._columns:
            self._columns = list(row)
            self._append(",".join(row))
        self._append(",".join([cell(row.get(column)) for column in self._columns]))
        self.rows += 1

    def _append(self, line: str) -> None:
        data = f"{line}\n".encode()
        assert self._file is not None
        with naming(self.path):
            self._file.write(data)
        self._hash.update(data)
        self.bytes += len(data)

    def flush(self, to_disk: bool = False) -> None:
        if self._file is not None:
            with naming(self.path):
                self._file.flush()
                if to_disk:
                    os.fsync(self._file.fileno())

    def mark(self) -> dict[str, Any]:
        return {"rows": self.rows, "bytes": self.bytes, "sha256": self._hash.hexdigest()}

    def check(self, mark: dict[str, Any]) -> bytes:
        """The bytes up to the mark; `UsageError` if they are not what was written."""
        if not mark["rows"]:
            return b""
        try:
            data = read_file(self.path)[: mark["bytes"]]
        except FileNotFoundError:
            raise UsageError(f"{self.path} is missing, and its checkpoint counts {mark['rows']} rows there") from None
        except ValueError as problem:
            raise UsageError(f"{self.path.parent}: {problem}") from None
        if hashlib.sha256(data).hexdigest() != mark["sha256"]:
            raise UsageError(
                f"{self.path} was changed: its first {mark['rows']} rows are not the ones that its checkpoint counts; "
                f"put a copy of the old file there, or train a new run"
            )
        return data

    def cut_back(self, mark: dict[str, Any]) -> None:
        """Drops everything after the mark."""
        data = self.check(mark)
        self.close()
        write_atomically(self.path, data)
        self._take_up(data)

    def keep(self) -> None:
        """Goes on after what is there, whatever it is; only half a row at its end is dropped."""
        self.close()
        data = read_file(self.path) if self.path.exists() else b""
        whole = data[: data.rfind(b"\n") + 1]
        if whole != data:
            write_atomically(self.path, whole)
        self._take_up(whole)

    def _take_up(self, data: bytes) -> None:
        lines = data.splitlines()
        self._columns = lines[0].decode(errors="replace").split(",") if lines else []
        self.rows, self.bytes = max(0, len(lines) - 1), len(data)
        self._hash = hashlib.sha256(data)

    def close(self) -> None:
        if self._file is not None:
            with suppress(OSError):  # the rows since the last checkpoint, on a full disk; whoever flushed has said so
                self._file.close()
            self._file = None


def cell(value: Any) -> str:
    """A number as it stands in a table. `repr` gives the shortest digits that read back as the same float; NumPy's own
    numbers would put their type around them."""
    return "" if value is None else repr(value.item() if isinstance(value, np.generic) else value)


def read_table(path: Path) -> dict[str, list[float | None]]:
    """A table's columns; an empty cell is `None`. No file is an empty table.

    Raises `UsageError` with the file and the line for a cell that is no number."""
    if not path.exists():
        return {}
    try:
        text = read_file(path).decode()
    except ValueError as problem:
        raise UsageError(f"{path} is damaged: {problem}") from None
    # A run that is still going, or was killed, may end in half a row; half a number looks like a whole one.
    lines = csv.reader(io.StringIO(text[: text.rfind("\n") + 1], newline=""))
    header = next(lines, [])
    columns: dict[str, list[float | None]] = {name: [] for name in header}
    for number, row in enumerate(lines, 2):
        try:
            values = [float(value) if value else None for value in row]
            for name, value in zip(header, values, strict=True):
                columns[name].append(value)
        except ValueError as problem:
            raise UsageError(f"{path} is damaged in line {number}: {problem}") from None
    return columns
