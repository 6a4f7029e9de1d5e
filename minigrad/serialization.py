"""Tensors on disk: safetensors files, which hold names, dtypes, shapes and numbers, and can't run code as a pickle can.

PyTorch's users read our weights with `safetensors.torch.load_file`, and we read what `safetensors.torch.save_file`
wrote. Two things that the format lacks go into its metadata, where other readers pass over them: how dicts are nested
and ordered (so that an optimizer's state_dict can be saved as well), and a checksum.
"""

from __future__ import annotations

import json
import os
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from . import dtypes
from .core.tensor import Tensor, wrap
from .dialect.attributes import to_numpy

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


def save(obj: Any, f: str | os.PathLike) -> None:
    """Write a state_dict to the file `f`: a dict of Tensors, which may be nested and hold plain values too.

    The file is complete or not there at all: it is written under another name and then renamed.

    Raises TypeError for what is no dict (a module, say), and for values that are neither Tensors, numbers, strings,
    None, dicts, lists nor tuples; ValueError if two tensors would have the same dotted name.
    """
    if not isinstance(obj, dict):
        hint = "pass its .state_dict()" if hasattr(obj, "state_dict") else "put it into one, {'name': tensor}"
        raise TypeError(f"save: expected a dict of Tensors, got {type(obj).__name__}; {hint}")
    if not isinstance(f, str | os.PathLike):
        raise TypeError(
            f"save: expected a path to write to, got {type(f).__name__}; the dict comes first, then the path"
        )
    arrays: dict[str, np.ndarray] = {}
    tree = json.dumps(_pack(obj, "", arrays))
    metadata = {"tree": tree, "crc32": _checksum(tree, arrays)}
    data = _safetensors().numpy.save(arrays, metadata)

    path = Path(f)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open(part, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def load(f: str | os.PathLike, map_location: Any = None, weights_only: bool = True) -> dict[str, Any]:
    """Read a file that `save` wrote, or any safetensors file: names to Tensors, in the order of saving.

    map_location: the device to put the tensors on. weights_only: True is all there is.

    Raises FileNotFoundError, and ValueError for a file that is damaged, of another format, or of a dtype that
    minigrad does not have.
    """
    if not weights_only:
        raise ValueError("load: weights_only=False could run code from the file, which minigrad won't do; leave it out")
    path = Path(f)
    if not path.exists():
        raise FileNotFoundError(f"load: there is no file {str(path)!r}; give the path that was passed to save")
    data = path.read_bytes()
    library = _safetensors()
    try:
        entries = dict(library.deserialize(data))
        metadata = _header(data).get("__metadata__", {})
    except (library.SafetensorError, ValueError) as error:
        raise ValueError(_unreadable(path, data, error)) from None
    arrays = {name: _array(path, name, entry) for name, entry in entries.items()}
    ours = "tree" in metadata or "crc32" in metadata
    if ours and metadata.get("crc32") != _checksum(metadata.get("tree", ""), arrays):
        raise ValueError(
            f"load: {str(path)!r} is damaged: its contents are not what was saved (the checksums differ); "
            "copy it again from where it came, or use an earlier file"
        )
    tensors = {name: wrap(a) if map_location is None else wrap(a).to(map_location) for name, a in arrays.items()}
    return _unpack(json.loads(metadata["tree"]), tensors) if ours else tensors


# -- nested dicts: each becomes a JSON tree, with the tensors' names in the place of the tensors -------------


def _pack(value: Any, place: str, arrays: dict[str, np.ndarray]) -> Any:
    if isinstance(value, Tensor):
        if place in arrays:
            raise ValueError(f"save: two tensors would be called '{place}'; rename one of the dict's keys")
        # A copy in row-major order, for safetensors 0.8.0 corrupts others; ascontiguousarray would make 0-d 1-d.
        arrays[place] = np.array(to_numpy(value), order="C")
        return {"tensor": place}
    if isinstance(value, dict):
        items = []
        for key, item in value.items():
            if type(key) not in (str, int):
                raise TypeError(f"save: the key {key!r} at '{place}' must be a str or an int; rename it")
            items.append([key, _pack(item, f"{place}.{key}" if place else str(key), arrays)])
        return {"dict": items}
    if isinstance(value, list | tuple):
        return {type(value).__name__: [_pack(v, f"{place}.{i}", arrays) for i, v in enumerate(value)]}
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    hint = "convert it with minigrad.tensor" if isinstance(value, np.ndarray) else "save plain values and Tensors only"
    if hasattr(value, "state_dict"):
        hint = "save its .state_dict()"
    raise TypeError(f"save: '{place}' is of type {type(value).__name__}, which a weights file can't hold; {hint}")


def _unpack(tree: Any, tensors: dict[str, Tensor]) -> Any:
    match tree:
        case {"tensor": name}:
            return tensors[name]
        case {"dict": items}:
            return {key: _unpack(value, tensors) for key, value in items}
        case {"list": values}:
            return [_unpack(value, tensors) for value in values]
        case {"tuple": values}:
            return tuple(_unpack(value, tensors) for value in values)
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


def _array(path: Path, name: str, entry: Any) -> np.ndarray:
    dtype = _DTYPES.get(entry["dtype"])
    if dtype is None:
        raise ValueError(
            f"load: '{name}' in {str(path)!r} has the dtype {entry['dtype']}; minigrad has {', '.join(_DTYPES)}: "
            "convert it with PyTorch first, tensor.float()"
        )
    return np.frombuffer(entry["data"], dtype).reshape(entry["shape"]).copy()  # bytes can not be written to


def _unreadable(path: Path, data: bytes, error: Exception) -> str:
    if data[:2] == b"PK" or data[:1] == b"\x80":
        return (
            f"load: {str(path)!r} is a pickle, as torch.save writes it, and unpickling can run anything; convert it "
            "where it came from: safetensors.torch.save_file(torch.load(path, weights_only=True), 'new.safetensors')"
        )
    return (
        f"load: {str(path)!r} ({len(data)} bytes) is no complete safetensors file ({error}): it was cut short, "
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
