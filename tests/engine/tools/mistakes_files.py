"""Mistakes with weights files: what is done, what it raises, and what the message must say."""

from __future__ import annotations

import io
import pickle
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

import minigrad as mg
import minigrad.nn as nn
from minigrad.serialization import load, save


def net():
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))


def file_with(damage: Callable[[bytes], bytes]) -> Path:
    """A weights file on which `damage` was done."""
    path = Path(tempfile.mkdtemp()) / "weights.safetensors"
    save(net().state_dict(), path)
    path.write_bytes(damage(path.read_bytes()))
    return path


def flipped(data: bytes) -> bytes:
    return data[:-9] + bytes([data[-9] ^ 16]) + data[-8:]


FILE_MISTAKES: list[tuple[str, Callable[[], object], type[Exception], list[str]]] = [
    ("saving a module", lambda: save(net(), "x.safetensors"), TypeError, ["got Sequential", ".state_dict()"]),
    ("saving a class", lambda: save({"net": nn.Linear}, "x.safetensors"), TypeError, ["'net'", "type", "state_dict()"]),
    ("saving a set", lambda: save([{1, 2}], "x.safetensors"), TypeError, ["'0'", "set", "lists, tuples and dicts"]),
    ("a key that is no word", lambda: save({nn.Tanh(): 1}, "x.safetensors"), TypeError, ["Tanh", "expected a str"]),
    (
        "a file opened for text",
        lambda: save(mg.ones(2), io.StringIO()),
        TypeError,
        ["binary file", "StringIO", "'wb'"],
    ),
    ("reading a file opened for text", lambda: load(io.StringIO("x")), TypeError, ["'StringIO'", "'rb'"]),
    (
        "reading on where writing stopped",
        lambda: load(io.BytesIO()),
        ValueError,
        ["'BytesIO'", "0 bytes", "seek(0)"],
    ),
    (
        "a directory that is not there",
        lambda: save(mg.ones(2), "nowhere/x.safetensors"),
        FileNotFoundError,
        ["no directory", "nowhere", "make it first"],
    ),
    ("a path first", lambda: save({"w": mg.ones(2)}, {"w": 1}), TypeError, ["path", "got dict", "comes first"]),
    (
        "saving an array of words",
        lambda: save({"a": {"w": np.array(["left"])}}, "x.safetensors"),
        TypeError,
        ["'a.w'", "<U4", "float32", "a list"],
    ),
    ("saving a module in a dict", lambda: save({"net": net()}, "x.safetensors"), TypeError, ["'net'", ".state_dict()"]),
    (
        "two tensors of one name",
        lambda: save({"a.b": mg.ones(1), "a": {"b": mg.ones(1)}}, "x.safetensors"),
        ValueError,
        ["'a.b'", "rename"],
    ),
    (
        "a tensor with the name of the metadata",
        lambda: save({"__metadata__": mg.ones(1)}, "x.safetensors"),
        ValueError,
        ["'__metadata__'", "rename"],
    ),
    (
        "a file that is not there",
        lambda: load("nowhere.safetensors"),
        FileNotFoundError,
        ["nowhere.safetensors", "save"],
    ),
    (
        "a file cut short",
        lambda: load(file_with(lambda d: d[:-20])),
        ValueError,
        ["cut short", "bytes", "copy it again"],
    ),
    ("an empty file", lambda: load(file_with(lambda d: b"")), ValueError, ["0 bytes", "cut short"]),
    ("a flipped bit", lambda: load(file_with(flipped)), ValueError, ["damaged", "checksums", "copy it again"]),
    (
        "a pickle",
        lambda: load(file_with(lambda d: pickle.dumps({"w": 1}))),
        ValueError,
        ["pickle", "safetensors.torch.save_file"],
    ),
    (
        "loading with pickle",
        lambda: load(file_with(lambda d: pickle.dumps({"w": 1})), weights_only=False),
        ValueError,
        ["is a pickle", "unpickling can run anything", "safetensors.torch.save_file"],
    ),
]
