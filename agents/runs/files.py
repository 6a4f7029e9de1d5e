"""Files of a run: written whole or not at all, and read only if they are what they should be.

Every `OSError` from here names its file. NumPy's and Python's own do not: a full disk says "No space left on device",
and not where.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MOST_JSON_BYTES = 2**30  # a state that was replayed for days is a hundredth of that


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Inside, an `OSError` that names no file is raised again with the name of this one."""
    try:
        yield
    except OSError as problem:
        if problem.filename is not None or problem.errno is None:
            raise
        raise OSError(problem.errno, problem.strerror, str(path)) from problem


def read_file(path: Path, most: int | None = None) -> bytes:
    """The bytes of a regular file. Raises `ValueError` for anything else that has its name (reading a pipe waits for
    ever, and a device has no end) and for more than `most` bytes."""
    if path.exists() and not path.is_file():
        raise ValueError(f"{path.name} is not a regular file")
    with naming(path), open(path, "rb") as file:
        if most is not None and (size := os.fstat(file.fileno()).st_size) > most:
            raise ValueError(f"{path.name} has {size:,} bytes, and at most {most:,} are believed")
        return file.read()


def write_file(path: Path, data: bytes) -> None:
    with naming(path), open(path, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def write_atomically(path: Path, data: bytes) -> None:
    """A file that is either the old one or the new one, whenever the machine stops."""
    part = path.with_name(f".{path.name}.part")
    try:
        write_file(part, data)
        os.replace(part, path)
    except OSError:  # what is half written would keep a full disk full
        part.unlink(missing_ok=True)
        raise
    sync(path.parent)


def sync(directory: Path) -> None:
    """Flushes a directory's list of names, without which a rename may be lost."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        with naming(directory):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove(path: Path) -> None:
    """Deletes a directory; renamed first, so that one half deleted doesn't pass for a whole one."""
    if path.exists():
        doomed = path.with_name(f".{path.name}.old")
        shutil.rmtree(doomed, ignore_errors=True)
        os.rename(path, doomed)
        shutil.rmtree(doomed)


def remove_leftovers(directory: Path) -> None:
    """Deletes what a kill left of a file or directory that was being written (.NAME.part) or deleted (.NAME.old)."""
    for path in directory.glob(".*"):
        if path.suffix in (".part", ".old"):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def size_of(directory: Path) -> int:
    """The bytes of all files in a directory."""
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
