"""Checkpoints: a tree of plain values and arrays on disk, whole or not at all, and never pickle.

A checkpoint is a directory:

    state.json           the tree, with a place-holder for every array
    arrays.safetensors   the arrays
    manifest.json        the SHA-256 of every file, those of the segments too

Its name is its step, `step-000000010000`; the step is in its tree, too, so that a copy under another name is found out.

It is written under another name, flushed to the disk and then renamed, so a directory with its proper name is
complete. safetensors has no checksum and loads a flipped bit without complaint; the manifest is what catches
it.

A replay (`Ring`) can be large and changes only at its end. Its rows go into segment files that are written
once, beside the checkpoints, and shared by all of them; a checkpoint itself holds only the rows after the
last full segment.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

import minigrad as mg
from envs.errors import UsageError

from ..memory.ring import Ring
from .files import MOST_JSON_BYTES, read_file, remove, remove_leftovers, sync, write_atomically, write_file

SEGMENT_BYTES = 16 * 2**20
# What Python raises where data are of another form than expected: a name, a type, a length, a nesting or a size.
MALFORMED = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RuntimeError, MemoryError)


class DamagedCheckpoint(UsageError):
    """A checkpoint that is incomplete or whose bytes are not the ones that were written."""


class Checkpoints:
    """The checkpoints of one run: `step-000010000`, `step-000020000`, ... and the segments that they
    share."""

    def __init__(self, directory: Path, keep: int = 2) -> None:
        self.directory = directory
        self.keep = keep
        self._segments: dict[str, list[dict[str, Any]]] = {}

    @staticmethod
    def name(step: int) -> str:
        return f"step-{step:012d}"

    @staticmethod
    def step(name: str) -> int | None:
        """The step that a directory's name says, `None` for a name that this class doesn't give."""
        match = re.fullmatch(r"step-([0-9]{12,})", name)
        return int(match[1]) if match and name == Checkpoints.name(int(match[1])) else None

    def names(self) -> list[str]:
        """The complete checkpoints, oldest first. What else lies there doesn't count: the copy that somebody made."""
        paths = self.directory.glob("step-*")
        steps = {path.name: step for path in paths if (step := self.step(path.name)) is not None and path.is_dir()}
        return sorted(steps, key=steps.__getitem__)

    def save(self, step: int, tree: dict[str, Any], also_keep: str | None = None) -> Path:
        """Writes a checkpoint, then deletes the old ones beyond the newest `keep` (and `also_keep`)."""
        path = self.directory / self.name(step)
        write(path, {**tree, "step": step}, self.directory / "segments", self._segments)
        for name in self.names()[: -self.keep]:
            if name != also_keep:
                remove(self.directory / name)
        self._remove_unused_segments()
        return path

    def load(self, name: str) -> dict[str, Any]:
        """The tree of the checkpoint `name`; raises `DamagedCheckpoint`, too, if it is of another step."""
        path = self.directory / name
        self._segments = {}
        tree = read(path, self._segments)
        if not isinstance(tree, dict):
            raise DamagedCheckpoint(f"checkpoint {path} is damaged: state.json holds no names")
        within = tree.pop("step", self.step(name))  # older ones don't have it
        if within != self.step(name):
            raise DamagedCheckpoint(f"checkpoint {path} is damaged: by its content it is of step {within!r}")
        return tree

    def load_newest(self) -> tuple[str, dict[str, Any], list[str]]:
        """The newest good checkpoint: its name, its tree, and a message for each damaged one that was passed
        over."""
        damaged: list[str] = []
        for name in reversed(self.names()):
            try:
                return name, self.load(name), damaged
            except DamagedCheckpoint as problem:
                damaged.append(str(problem))
        if damaged:
            raise DamagedCheckpoint("; ".join(damaged) + "; no good checkpoint is left")
        raise UsageError(f"{self.directory} has no checkpoint")

    def forget_after(self, name: str | None) -> None:
        """Deletes the checkpoints after `name` (all of them for `None`), which are damaged, so that they don't count as
        those to keep; and what a kill left half written or half deleted."""
        names = self.names()
        for newer in names[names.index(name) + 1 :] if name is not None else names:
            remove(self.directory / newer)
        remove_leftovers(self.directory)
        remove_leftovers(self.directory / "segments")

    def _remove_unused_segments(self) -> None:
        used = {file for name in self.names() for file in manifest_of(self.directory / name)}
        for path in (self.directory / "segments").glob("*"):
            if f"../segments/{path.name}" not in used:
                path.unlink()


def manifest_of(path: Path) -> dict[str, str]:
    """The files of a checkpoint and their checksums; none if the manifest itself is damaged."""
    try:
        return read_json(path / "manifest.json")
    except (OSError, ValueError, RecursionError):
        return {}


def read_json(path: Path) -> Any:
    return json.loads(read_file(path, MOST_JSON_BYTES))


def write(path: Path, tree: Any, segments: Path, known: dict[str, list[dict[str, Any]]]) -> None:
    """Writes the checkpoint `path`. `known` lists each ring's segments on disk, by the ring's place in the
    tree."""
    arrays: dict[str, np.ndarray] = {}
    manifest: dict[str, str] = {}
    work = path.with_name(f".{path.name}.part")
    shutil.rmtree(work, ignore_errors=True)  # a killed run left it
    work.mkdir(parents=True)

    def pack_ring(place: str, ring: Ring) -> Any:
        known[place] = segment_rows(ring, segments, place, known.get(place, []))
        for segment in known[place]:
            manifest[os.path.relpath(segments / segment["file"], path)] = segment["sha256"]
        tail = max([ring.oldest, *(segment["stop"] for segment in known[place])])
        return {
            "capacity": ring.capacity,
            "total": ring.total,
            "first": ring.first,
            "fields": {name: [list(a.shape[1:]), a.dtype.str] for name, a in ring.arrays.items()},
            "segments": [{**s, "file": os.path.relpath(segments / s["file"], path)} for s in known[place]],
            "tail": tail,
            "rows": pack(ring.rows(tail, ring.total), f"{place}/tail", arrays, pack_ring),
        }

    try:
        state = json.dumps(pack(tree, "", arrays, pack_ring)).encode()
        for name, data in (("state.json", state), ("arrays.safetensors", safetensors.numpy.save(arrays))):
            write_file(work / name, data)
            manifest[name] = hashlib.sha256(data).hexdigest()
        write_file(work / "manifest.json", json.dumps(manifest, indent=1).encode())
        sync(work)
    except BaseException:  # what is half written would keep a full disk full
        shutil.rmtree(work, ignore_errors=True)
        raise
    remove(path)  # a checkpoint of this step that a killed run left is rewritten, the same
    os.rename(work, path)
    sync(path.parent)


def read(path: Path, known: dict[str, list[dict[str, Any]]] | None = None) -> Any:
    """Reads a checkpoint after comparing every file with its checksum; raises `DamagedCheckpoint` with its
    name."""
    try:
        manifest = read_json(path / "manifest.json")
        state = json.loads(verified(path / "state.json", manifest["state.json"]))
        arrays = safetensors.numpy.load(verified(path / "arrays.safetensors", manifest["arrays.safetensors"]))

        def unpack_ring(packed: dict[str, Any]) -> Ring:
            fields = {name: (tuple(shape), np.dtype(dtype)) for name, (shape, dtype) in packed["fields"].items()}
            ring = Ring(packed["capacity"], **fields)
            ring.total, ring.first = packed["total"], packed["first"]
            oldest = ring.oldest
            for segment in packed["segments"]:
                data = safetensors.numpy.load(verified(path / segment["file"], manifest[segment["file"]]))
                skip = max(0, oldest - segment["start"])  # rows that were overwritten since
                ring.put_rows(segment["start"] + skip, {name: rows[skip:] for name, rows in data.items()})
            ring.put_rows(packed["tail"], unpack(packed["rows"], arrays, unpack_ring))
            if known is not None:
                known[packed["place"]] = [{**s, "file": Path(s["file"]).name} for s in packed["segments"]]
            return ring

        return unpack(state, arrays, unpack_ring)
    except (FileNotFoundError, NotADirectoryError) as problem:
        raise DamagedCheckpoint(f"checkpoint {path} is damaged: {Path(problem.filename).name} is missing") from problem
    except OSError as problem:  # it may be as good as ever: no right to read it, too many open files
        raise UsageError(
            f"checkpoint {path} can't be read: {Path(problem.filename or path).name}: {problem.strerror}; nothing was "
            f"changed, so mend that and try again"
        ) from problem
    except (*MALFORMED, safetensors.SafetensorError) as problem:
        raise DamagedCheckpoint(f"checkpoint {path} is damaged: {reason_of(problem)}") from problem


def reason_of(problem: Exception) -> str:
    """One line; of a `KeyError`, which says the key alone, that it is missing."""
    return f"{problem} is missing" if isinstance(problem, KeyError) else " ".join(str(problem).split())


def segment_rows(ring: Ring, directory: Path, place: str, known: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The segments that hold the ring's rows, the missing ones written now, up to the last full one."""
    oldest = ring.oldest
    kept = [segment for segment in known if segment["stop"] > oldest]
    start = kept[-1]["stop"] if kept else oldest
    row_bytes = sum(array[:1].nbytes for array in ring.arrays.values())
    size = max(1, SEGMENT_BYTES // max(1, row_bytes))
    while (stop := (start // size + 1) * size) <= ring.total:
        file = f"{place.strip('/').replace('/', '.')}-{start:012d}-{stop:012d}.safetensors"
        data = safetensors.numpy.save(ring.rows(start, stop))
        directory.mkdir(parents=True, exist_ok=True)
        write_atomically(directory / file, data)
        kept.append({"file": file, "start": start, "stop": stop, "sha256": hashlib.sha256(data).hexdigest()})
        start = stop
    return kept


def pack(tree: Any, place: str, arrays: dict[str, np.ndarray], pack_ring: Any) -> Any:
    """`tree` as JSON can hold it; its arrays go to `arrays`, named by where they are in the tree."""
    if isinstance(tree, np.ndarray | mg.Tensor):
        array = mg.to_numpy(tree)
        # Not ascontiguousarray, which makes a 0-d array 1-d; safetensors 0.8.0 corrupts what is not
        # contiguous.
        arrays[place] = np.array(array, order="C")
        return {"__array__" if array is tree else "__tensor__": place}
    if isinstance(tree, Ring):
        return {"__ring__": {"place": place, **pack_ring(place, tree)}}
    if isinstance(tree, dict):
        if all(isinstance(key, str) for key in tree):
            return {key: pack(value, f"{place}/{key}", arrays, pack_ring) for key, value in tree.items()}
        # JSON would turn an optimizer's integer keys into strings.
        return {"__items__": [[key, pack(v, f"{place}/{key}", arrays, pack_ring)] for key, v in tree.items()]}
    if isinstance(tree, list | tuple):
        return [pack(value, f"{place}/{i}", arrays, pack_ring) for i, value in enumerate(tree)]
    if isinstance(tree, np.generic):
        return tree.item()
    if tree is None or isinstance(tree, bool | int | float | str):
        return tree
    raise TypeError(f"a checkpoint can't hold {type(tree).__name__} (at {place}); give arrays and plain values")


def unpack(packed: Any, arrays: dict[str, np.ndarray], unpack_ring: Any) -> Any:
    if isinstance(packed, list):
        return [unpack(value, arrays, unpack_ring) for value in packed]
    if not isinstance(packed, dict):
        return packed
    match packed:
        case {"__array__": place}:
            return arrays[place]
        case {"__tensor__": place}:
            return mg.from_numpy(arrays[place])
        case {"__ring__": ring}:
            return unpack_ring(ring)
        case {"__items__": items}:
            return {key: unpack(value, arrays, unpack_ring) for key, value in items}
    return {key: unpack(value, arrays, unpack_ring) for key, value in packed.items()}


def verified(path: Path, sha256: str) -> bytes:
    data = read_file(path)
    if hashlib.sha256(data).hexdigest() != sha256:
        raise ValueError(f"{path.name} is not what was written (its SHA-256 differs)")
    return data
