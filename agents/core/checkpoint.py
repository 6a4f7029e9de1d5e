"""Checkpoints: a tree of plain values and arrays on disk, whole or not at all, and never pickle.

A checkpoint is a directory:

    state.json           the tree, with a place-holder for every array
    arrays.safetensors   the arrays
    manifest.json        the SHA-256 of every file, those of the segments too

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
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import safetensors.numpy

import minigrad as mg
from envs.errors import UsageError

from .ring import Ring

SEGMENT_BYTES = 16 * 2**20


class Memory(SimpleNamespace):
    """Attributes that must survive a crash: arrays, plain values and lists of them."""

    def state_dict(self) -> dict[str, Any]:
        return dict(vars(self))

    def load_state_dict(self, state: dict[str, Any]) -> None:
        vars(self).update(state)


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

    def names(self) -> list[str]:
        """The complete checkpoints, oldest first."""
        return sorted(path.name for path in self.directory.glob("step-*") if path.is_dir())

    def save(self, step: int, tree: Any, also_keep: str | None = None) -> Path:
        """Writes a checkpoint, then deletes the old ones beyond the newest `keep` (and `also_keep`)."""
        path = self.directory / self.name(step)
        write(path, tree, self.directory / "segments", self._segments)
        for name in self.names()[: -self.keep]:
            if name != also_keep:
                remove(self.directory / name)
        self._remove_unused_segments()
        return path

    def load_newest(self) -> tuple[str, Any, list[str]]:
        """The newest good checkpoint: its name, its tree, and a message for each damaged one that was passed
        over."""
        damaged: list[str] = []
        for name in reversed(self.names()):
            try:
                self._segments = {}
                return name, read(self.directory / name, self._segments), damaged
            except DamagedCheckpoint as problem:
                damaged.append(str(problem))
        if damaged:
            raise DamagedCheckpoint("; ".join(damaged) + "; no good checkpoint is left")
        raise UsageError(f"{self.directory} has no checkpoint")

    def forget(self, name: str) -> None:
        """Deletes a damaged checkpoint, so that it doesn't count as one of those to keep."""
        remove(self.directory / name)

    def _remove_unused_segments(self) -> None:
        used = {file for name in self.names() for file in manifest_of(self.directory / name)}
        for path in (self.directory / "segments").glob("*"):
            if f"../segments/{path.name}" not in used:
                path.unlink()


def manifest_of(path: Path) -> dict[str, str]:
    """The files of a checkpoint and their checksums; none if the manifest itself is damaged."""
    try:
        return json.loads((path / "manifest.json").read_text())
    except (OSError, ValueError):
        return {}


def write(path: Path, tree: Any, segments: Path, known: dict[str, list[dict[str, Any]]]) -> None:
    """Writes the checkpoint `path`. `known` lists each ring's segments on disk, by the ring's place in the
    tree."""
    arrays: dict[str, np.ndarray] = {}
    manifest: dict[str, str] = {}
    work = path.with_name(f".{path.name}.part")
    remove(work)
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

    state = json.dumps(pack(tree, "", arrays, pack_ring)).encode()
    for name, data in (("state.json", state), ("arrays.safetensors", safetensors.numpy.save(arrays))):
        write_file(work / name, data)
        manifest[name] = hashlib.sha256(data).hexdigest()
    write_file(work / "manifest.json", json.dumps(manifest, indent=1).encode())
    sync(work)
    remove(path)  # a checkpoint of this step that a killed run left is rewritten, the same
    os.rename(work, path)
    sync(path.parent)


def read(path: Path, known: dict[str, list[dict[str, Any]]] | None = None) -> Any:
    """Reads a checkpoint after comparing every file with its checksum; raises `DamagedCheckpoint` with its
    name."""
    try:
        manifest = json.loads((path / "manifest.json").read_text())
        state = json.loads(verified(path / "state.json", manifest["state.json"]))
        arrays = safetensors.numpy.load(verified(path / "arrays.safetensors", manifest["arrays.safetensors"]))

        def unpack_ring(packed: dict[str, Any]) -> Ring:
            fields = {
                name: (tuple(shape), np.dtype(dtype)) for name, (shape, dtype) in packed["fields"].items()
            }
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
    except (OSError, KeyError, TypeError, ValueError, safetensors.SafetensorError) as problem:
        reason = (
            f"{Path(problem.filename).name} is missing" if isinstance(problem, FileNotFoundError) else problem
        )
        raise DamagedCheckpoint(f"checkpoint {path} is damaged: {reason}") from problem


def segment_rows(
    ring: Ring, directory: Path, place: str, known: list[dict[str, Any]]
) -> list[dict[str, Any]]:
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
        write_file(directory / f".{file}.part", data)
        os.rename(directory / f".{file}.part", directory / file)
        sync(directory)
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
    raise TypeError(
        f"a checkpoint can't hold {type(tree).__name__} (at {place}); give arrays and plain values"
    )


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
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != sha256:
        raise ValueError(f"{path.name} is not what was written (its SHA-256 differs)")
    return data


def write_file(path: Path, data: bytes) -> None:
    with open(path, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def write_atomically(path: Path, data: bytes) -> None:
    """A file that is either the old one or the new one, whenever the machine stops."""
    write_file(path.with_name(f".{path.name}.part"), data)
    os.replace(path.with_name(f".{path.name}.part"), path)
    sync(path.parent)


def sync(directory: Path) -> None:
    """Flushes a directory's list of names, without which a rename may be lost."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove(path: Path) -> None:
    """Deletes a checkpoint; renamed first, so that one half deleted doesn't pass for one."""
    if path.exists():
        doomed = path.with_name(f".{path.name}.old")
        shutil.rmtree(doomed, ignore_errors=True)
        os.rename(path, doomed)
        shutil.rmtree(doomed)
