"""Tensors on disk: safetensors files, which hold names, dtypes, shapes and numbers, and can't run code as a pickle can.

PyTorch's users read our weights with `safetensors.torch.load_file`, and we read what `safetensors.torch.save_file`
wrote. Two things that the format lacks go into its metadata, where other readers pass over them: how dicts and lists
are nested and ordered, with the plain values in them (so that an optimizer's state_dict can be saved as well), and a
checksum.
"""

from __future__ import annotations

import io
import json
import os
import zlib
from collections.abc import Callable
from pathlib import Path
from threading import get_ident
from typing import Any, BinaryIO

import numpy as np

from . import dtypes
from .core.tensor import Tensor, wrap
from .device import as_device, to_numpy

_DTYPES: dict[str, Any] = {
    "F32": dtypes.float32,
    "F64": dtypes.float64,
    "I64": dtypes.int64,
    "I32": dtypes.int32,
    "I16": dtypes.int16,
    "I8": dtypes.int8,
    "U8": dtypes.uint8,
    "BOOL": dtypes.bool,
}


_MORE_DTYPES: dict[str, Any] = {"F16": np.float16, "U16": np.uint16, "U32": np.uint32, "U64": np.uint64}
_ARRAY_DTYPES = _DTYPES | {name: np.dtype(dtype) for name, dtype in _MORE_DTYPES.items()}
"""Those of tensors, and what NumPy's arrays may have besides."""


def save(obj: Any, f: str | os.PathLike | BinaryIO) -> None:
    """Write tensors to the file `f`, a path or an open file: a state_dict, or any nesting of what follows.

    Tensors, NumPy arrays, numbers, strings, None; lists, tuples and dicts of these.
    A file that is named by its path is complete or not there at all: it is written under another name and then renamed.

    Raises TypeError for anything else (a whole module, say); ValueError if two tensors would have the same dotted name.
    """
    if hasattr(obj, "state_dict"):
        raise TypeError(f"save: expected tensors, or a dict of them, got {type(obj).__name__}; pass its .state_dict()")
    if not isinstance(f, str | os.PathLike) and (not hasattr(f, "write") or isinstance(f, io.TextIOBase)):
        hint = "open it with 'wb'" if isinstance(f, io.TextIOBase) else "what is saved comes first, then the path"
        raise TypeError(f"save: expected a path to write to, or a binary file, got {type(f).__name__}; {hint}")
    arrays: dict[str, np.ndarray] = {}
    tree = json.dumps(_pack(obj, "", arrays))
    metadata = {"tree": tree, "crc32": _checksum(tree, arrays)}
    data = _safetensors().numpy.save(arrays, metadata)
    if isinstance(f, str | os.PathLike):
        _replace(Path(f).resolve(), data)
    else:
        f.write(data)


def _replace(path: Path, data: bytes) -> None:
    """Make the file `path` hold `data`, at one stroke."""
    if not path.parent.is_dir():
        raise FileNotFoundError(f"save: there is no directory {str(path.parent)!r} for {path.name!r}; make it first")
    part = path.with_name(f".{path.name}.{os.getpid()}.{get_ident()}.part")
    try:
        with open(part, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def load(f: str | os.PathLike | BinaryIO, map_location: Any = None, weights_only: bool | None = None) -> Any:
    """Read what `save` wrote, or any safetensors file: names to Tensors, in the order of saving.

    f: a path, or a file opened with "rb".
    map_location: where to put the tensors: a device; a function, which is given each tensor and "cpu" and returns the
        tensor where it should be; or a dict from devices to devices, of which the entry for "cpu" counts. By default
        they stay on the CPU, wherever they were saved.
    weights_only: changes nothing: the format has no place for code.

    Raises FileNotFoundError, and ValueError for a file that is damaged, of another format (a pickle is never opened),
    or of a dtype that minigrad does not have.
    """
    if hasattr(f, "read"):
        name, data = repr(str(getattr(f, "name", type(f).__name__))), f.read()
        if isinstance(data, str):
            raise TypeError(f"load: {name} was opened for text; open it with 'rb'")
    else:
        path = Path(f)
        if not path.exists():
            raise FileNotFoundError(f"load: there is no file {str(path)!r}; give the path that was passed to save")
        if not path.is_file():  # reading a pipe waits for ever, and a device has no end
            raise ValueError(
                f"load: {str(path)!r} is not a file but a directory, a pipe or a device; name a file in it"
            )
        name, data = repr(str(path)), path.read_bytes()
    library = _safetensors()
    try:
        entries = dict(library.deserialize(data))
        metadata = _header(data).get("__metadata__", {})
    except (library.SafetensorError, ValueError) as error:
        raise ValueError(_unreadable(name, data, error)) from None
    arrays = {place: _array(name, place, entry) for place, entry in entries.items()}
    ours = "tree" in metadata or "crc32" in metadata
    if ours and metadata.get("crc32") != _checksum(metadata.get("tree", ""), arrays):
        raise ValueError(
            f"load: {name} is damaged: its contents are not what was saved (the checksums differ); "
            "copy it again from where it came, or use an earlier file"
        )
    if not ours:
        return {place: _put(name, place, array, map_location) for place, array in arrays.items()}
    put = lambda place: _put(name, place, arrays[place], map_location)
    try:
        tree = json.loads(metadata["tree"])
        _unpack(tree, arrays, arrays.__getitem__)  # a tree may be wrong although its checksum is right
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(_unreadable(name, data, error)) from None
    return _unpack(tree, arrays, put)


def _put(name: str, place: str, array: np.ndarray, map_location: Any) -> Tensor:
    """An array as a Tensor, where `map_location` says."""
    if array.dtype not in dtypes.SUPPORTED:
        raise ValueError(
            f"load: '{place}' in {name} has the dtype {array.dtype}; minigrad has {', '.join(_DTYPES)}: "
            "convert it with PyTorch first, tensor.float()"
        )
    tensor = wrap(array)
    if isinstance(map_location, dict):
        map_location = next((to for where, to in map_location.items() if str(where) == "cpu"), None)
    if callable(map_location):
        moved = map_location(tensor, "cpu")
        return moved if isinstance(moved, Tensor) else tensor
    return tensor if map_location is None else tensor.to(as_device(map_location))


# -- nestings: each becomes a JSON tree, with the tensors' names in the place of the tensors -----------------


def _pack(value: Any, place: str, arrays: dict[str, np.ndarray]) -> Any:
    if isinstance(value, Tensor):
        return {"tensor": _store(to_numpy(value), place or "tensor", arrays)}
    if isinstance(value, np.ndarray):
        if value.dtype.newbyteorder("=") not in _ARRAY_DTYPES.values():
            raise TypeError(
                f"save: '{place}' is an array of {value.dtype}, which a weights file can't hold; it can hold "
                f"{', '.join(str(d) for d in _ARRAY_DTYPES.values())}: convert it, or save it as a list"
            )
        return {"array": _store(value, place or "array", arrays)}
    if isinstance(value, dict):
        items = []
        for key, item in value.items():
            items.append([_pack_key(key, place), _pack(item, f"{place}.{key}" if place else str(key), arrays)])
        return {"dict": items}
    if isinstance(value, list | tuple):
        kind = "list" if isinstance(value, list) else "tuple"  # a named tuple, too, whose names are not kept
        return {kind: [_pack(v, f"{place}.{i}" if place else str(i), arrays) for i, v in enumerate(value)]}
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    hint = "save numbers, strings, arrays and Tensors, in lists, tuples and dicts"
    if hasattr(value, "state_dict"):
        hint = "save its .state_dict()"
    raise TypeError(f"save: '{place}' is of type {type(value).__name__}, which a weights file can't hold; {hint}")


def _pack_key(key: Any, place: str) -> Any:
    """A dict's key, which may be a tuple: the state and action of a table."""
    if isinstance(key, tuple):
        return {"tuple": [_pack_key(k, place) for k in key]}
    if isinstance(key, np.generic):
        key = key.item()
    if key is None or isinstance(key, bool | int | float | str):
        return key
    raise TypeError(
        f"save: the key {key!r} at '{place}' is of type {type(key).__name__}; expected a str, a number or a tuple of "
        "them: rename it"
    )


def _store(array: Any, place: str, arrays: dict[str, np.ndarray]) -> str:
    """Put a copy of `array` among `arrays`; returns its name there."""
    if place in arrays or place == "__metadata__":  # the name of the metadata in a safetensors file
        raise ValueError(f"save: two tensors would be called '{place}'; rename one of the dict's keys")
    # A copy in row-major order, for safetensors 0.8.0 corrupts others; ascontiguousarray would make 0-d 1-d.
    arrays[place] = np.array(array, array.dtype.newbyteorder("="), order="C")
    return place


def _unpack(tree: Any, arrays: dict[str, np.ndarray], tensor_at: Callable[[str], Tensor]) -> Any:
    match tree:
        case {"tensor": place}:
            return tensor_at(place)
        case {"array": place}:
            return arrays[place]
        case {"dict": items}:
            return {_unpack(k, arrays, tensor_at): _unpack(v, arrays, tensor_at) for k, v in items}
        case {"list": values}:
            return [_unpack(value, arrays, tensor_at) for value in values]
        case {"tuple": values}:
            return tuple(_unpack(value, arrays, tensor_at) for value in values)
    if isinstance(tree, dict | list):
        raise ValueError(f"its tree has {str(tree)[:60]}, which save doesn't write")
    return tree


# -- bytes ------------------------------------------------------------------------------------------------


def _checksum(tree: str, arrays: dict[str, np.ndarray]) -> str:
    """CRC-32 of the tree and of all names, dtypes, shapes and elements, whatever the arrays' order."""
    crc = zlib.crc32(tree.encode())
    for name in sorted(arrays):
        array = arrays[name]
        crc = zlib.crc32(f"{name} {array.dtype} {array.shape}".encode(), crc)
        crc = zlib.crc32(array.tobytes(), crc)
    return f"{crc:08x}"


def _header(data: bytes) -> dict[str, Any]:
    """The JSON at the start of a safetensors file, after its length as 8 bytes."""
    return json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])


def _array(name: str, place: str, entry: Any) -> np.ndarray:
    dtype = _ARRAY_DTYPES.get(entry["dtype"])
    if dtype is None:
        raise ValueError(
            f"load: '{place}' in {name} has the dtype {entry['dtype']}; minigrad has {', '.join(_DTYPES)}: "
            "convert it with PyTorch first, tensor.float()"
        )
    try:
        return np.frombuffer(entry["data"], dtype).reshape(entry["shape"]).copy()  # bytes can not be written to
    except ValueError as error:  # more dimensions than NumPy has
        raise ValueError(f"load: '{place}' in {name} can't be an array here: {error}") from None


def _unreadable(name: str, data: bytes, error: Exception) -> str:
    if data[:2] == b"PK" or data[:1] == b"\x80":
        return (
            f"load: {name} is a pickle, as torch.save writes it, and unpickling can run anything; convert it "
            "where it came from: safetensors.torch.save_file(torch.load(path, weights_only=True), 'new.safetensors')"
        )
    if not data:
        return f"load: {name} gave 0 bytes: it is empty or cut short; of a file that was just written, seek(0) first"
    return (
        f"load: {name} ({len(data)} bytes) is no complete safetensors file ({error}): it was cut short, "
        "damaged or is of another format; copy it again from where it came"
    )


def _safetensors() -> Any:
    """The library, imported when the first file is read or written: computing needs NumPy alone."""
    try:
        import safetensors
        import safetensors.numpy
    except ImportError:
        raise ImportError(
            "saving and loading need the package 'safetensors', which is not installed; "
            "install it with: pip install 'safetensors!=0.8.0'"
        ) from None
    return safetensors
