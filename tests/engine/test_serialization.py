"""Weights files: what goes in comes out, in both libraries, and damage is noticed."""

from __future__ import annotations

import collections
import io
import json
import os
import pickle
import re
import stat
import subprocess
import sys

import numpy as np
import pytest
import safetensors.numpy

import minigrad as mg
import minigrad.nn as nn
import minigrad.optim as optim
from minigrad import serialization
from minigrad.serialization import load, save

TENSORS = {
    "z.weight": np.arange(6, dtype=np.float32).reshape(2, 3),
    "a.double": np.array([0.1, np.nan, -np.inf]),
    "scalar": np.array(3.5, np.float32),
    "empty": np.zeros((0, 4), np.float32),
    "mask": np.array([True, False]),
    **{str(np.dtype(t)): np.array([1, 2, 100], t) for t in (np.int8, np.uint8, np.int16, np.int32, np.int64)},
}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "weights.safetensors"


def test_names_order_dtypes_shapes_and_bits_are_kept(path):
    save({name: mg.tensor(a) for name, a in TENSORS.items()}, path)
    found = load(path)
    assert list(found) == list(TENSORS)
    for name, a in TENSORS.items():
        assert isinstance(found[name], mg.Tensor)
        assert (found[name].dtype, found[name].shape) == (a.dtype, a.shape)
        assert found[name].numpy().tobytes() == a.tobytes()


@pytest.mark.parametrize("view", ["x.t()", "x[:, ::2]", "x[1]", "x.expand(2, 3, 4)", "x.flip(0)"])
def test_tensors_that_are_not_contiguous(path, view, monkeypatch):
    import safetensors.numpy

    t = eval(view, {"x": mg.arange(12).reshape(3, 4)})
    given = []
    write = safetensors.numpy.save
    monkeypatch.setattr(safetensors.numpy, "save", lambda arrays, meta: given.append(arrays) or write(arrays, meta))
    save({"x": t}, path)
    assert given[0]["x"].flags.c_contiguous  # or safetensors 0.8.0 would corrupt it
    np.testing.assert_array_equal(load(path)["x"].numpy(), t.numpy())


def test_a_parameter_that_is_a_view_of_a_flat_buffer(path):
    net = nn.Linear(3, 2)
    optim.Adam(net.parameters())
    save(net.state_dict(keep_vars=True), path)
    np.testing.assert_array_equal(load(path)["weight"].numpy(), net.weight.detach().numpy())
    assert path.stat().st_size < 1000  # the view, not the buffer
    assert not load(path)["weight"].requires_grad


def test_loaded_tensors_are_free_to_change(path):
    save({"x": mg.zeros(2)}, path)
    x = load(path)["x"]
    x.add_(1.0)
    assert load(path)["x"].sum().item() == 0


def test_an_optimizers_state_dict_comes_back_as_it_was(path):
    net = nn.Linear(3, 2)
    optimizer = optim.Adam([{"params": [net.weight]}, {"params": [net.bias], "lr": 0.1}], lr=1e-3 / 3)
    net(mg.ones(1, 3)).sum().backward()
    optimizer.step()
    state = optimizer.state_dict()
    save(state, path)
    found = load(path)
    assert found["param_groups"] == state["param_groups"]  # floats and tuples exactly
    assert list(found["state"]) == [0, 1]
    for i, entry in state["state"].items():
        assert list(found["state"][i]) == list(entry)
        for name, t in entry.items():
            assert found["state"][i][name].numpy().tobytes() == t.numpy().tobytes()
    optim.Adam([{"params": [net.weight]}, {"params": [net.bias]}]).load_state_dict(found)


def test_nested_plain_values(path):
    tree = {"a": {"b": [mg.ones(1), (1, 2.5, None)], 3: True}, "name": "net", "inf": float("inf"), "none": {}}
    save(tree, path)
    found = load(path)
    assert found.pop("a")["b"][1] == (1, 2.5, None)
    assert found == {"name": "net", "inf": float("inf"), "none": {}}


@pytest.mark.parametrize(
    "saved",
    [
        "x",
        "(x, y)",
        "[x, [y, (x, 2)], {'a': y}]",
        "({'w': x}, {'w': y})",
        "{'net': {'w': x}, 'mean': np.ones(3), 'count': np.int64(7), 'half': np.float16([1.5, 2])}",
        "np.arange(6, dtype='>i4').reshape(2, 3)[:, ::2]",
        "{(0, 1): 0.5, (0, (2, None)): x, 3: 1, 'a': True, 2.5: None, False: y}",
        "[]",
        "3",
        "'words'",
        "None",
        "(np.zeros((0, 2)), np.float32(0.1), float('-inf'), 2**70, True)",
    ],
)
def test_what_can_be_saved_comes_back(path, saved):
    saved = eval(saved, {"x": mg.tensor([1.0, 2.0]), "y": mg.arange(6).reshape(2, 3), "np": np})
    buffer = io.BytesIO()
    save(saved, buffer)
    save(saved, str(path))
    with open(path, "rb") as file:
        from_open_file = load(file)
    buffer.seek(0)
    for found in (load(path), from_open_file, load(buffer)):
        assert_same(found, saved)


def assert_same(found, saved):
    if isinstance(saved, np.generic):
        assert found == saved
        return
    assert type(found) is type(saved)
    if isinstance(saved, dict):
        assert list(map(repr, found)) == list(map(repr, saved))  # the order, and 1 is not True
        for key, value in saved.items():
            assert_same(found[key], value)
    elif isinstance(saved, list | tuple):
        assert len(found) == len(saved)
        for x, y in zip(found, saved, strict=True):
            assert_same(x, y)
    elif hasattr(saved, "shape"):
        assert (found.dtype, found.shape) == (saved.dtype.newbyteorder("="), saved.shape)
        assert found.tolist() == saved.tolist()
    else:
        assert found == saved


def test_a_named_tuple_comes_back_as_a_tuple_and_an_ordered_dict_as_a_dict(path):
    Point = collections.namedtuple("Point", "x y")
    save([Point(1, mg.ones(1)), collections.OrderedDict(b=1, a=2)], path)
    point, ordered = load(path)
    assert (type(point), point[0], point[1].item()) == (tuple, 1, 1.0)
    assert list(ordered.items()) == [("b", 1), ("a", 2)]


def test_where_tensors_are_put(path):
    save({"w": mg.ones(2), "a": np.ones(2)}, path)
    asked = []

    def as_it_is(storage, location):
        asked.append((storage.tolist(), location))
        return storage

    for where in (None, "cpu", mg.device("cpu"), as_it_is, lambda s, where: None, {"cuda:0": "cpu"}, {"cpu": "cpu"}):
        found = load(path, map_location=where)
        assert found["w"].tolist() == [1, 1]
        assert type(found["a"]) is np.ndarray
    assert asked == [([1, 1], "cpu")]
    assert load(path, map_location=lambda s, where: s.double())["w"].dtype == mg.float64  # what it returns counts
    for wrong in ("tpu", {"cpu": "tpu"}):
        with pytest.raises(RuntimeError, match="unknown device 'tpu'"):
            load(path, map_location=wrong)


def test_weights_only_changes_nothing(path):
    save({"w": mg.ones(1)}, path)
    for flag in (True, False, None):
        assert load(path, weights_only=flag)["w"].item() == 1


def test_a_link_stays_a_link(path, tmp_path):
    save(mg.zeros(1), path)
    link = tmp_path / "latest"
    link.symlink_to(path)
    save(mg.ones(1), link)
    assert link.is_symlink()
    assert load(path).item() == 1


@pytest.mark.parametrize(("old", "new"), [(b"[2,3]", b"[3,2]"), (b'"F32"', b'"I32"'), (b'"w"', b'"v"')])
def test_the_checksum_covers_shapes_dtypes_and_names(path, old, new):
    """The numbers are the same bytes; only the header says something else."""
    save({"w": mg.arange(6.0).reshape(2, 3)}, path)
    good = path.read_bytes()
    assert good.count(old) == 1
    path.write_bytes(good.replace(old, new))
    with pytest.raises(ValueError, match="damaged"):
        load(path)


def test_every_flipped_bit_is_noticed(path):
    save({"w": mg.arange(5).float(), "b": mg.zeros(2, dtype=mg.int64)}, path)
    good = path.read_bytes()
    for i in range(len(good)):
        bad = bytearray(good)
        bad[i] ^= 1 << (i % 8)
        path.write_bytes(bad)
        with pytest.raises(ValueError, match=r"damaged|has the dtype"):
            load(path)


@pytest.mark.parametrize(
    "tree",
    [
        "",
        "{",
        "[1, 2]",
        "{}",
        '{"tensor": "v"}',
        '{"tensor": 3}',
        '{"tensor": ["w"]}',
        '{"array": "v"}',
        '{"dict": 1}',
        '{"dict": [[1]]}',
        '{"dict": [[{"list": []}, 1]]}',
        '{"list": null}',
        '{"list": [{"tuple": 7}]}',
        '{"set": [1]}',
        "[" * 100_000,
        '{"list": [' * 5_000 + "]}" * 5_000,
    ],
    ids=lambda tree: tree[:30],
)
def test_a_tree_made_by_hand_is_refused_with_the_files_name(path, tree):
    """The checksum is right, because whoever made the file could compute it, too."""
    arrays = {"w": np.zeros(2, np.float32)}
    metadata = {"tree": tree, "crc32": serialization._checksum(tree, arrays)}
    path.write_bytes(safetensors.numpy.save(arrays, metadata))
    with pytest.raises(ValueError, match=re.escape(repr(str(path)))):
        load(path)


def test_more_dimensions_than_numpy_has(path):
    header = json.dumps({"w": {"dtype": "F32", "shape": [1] * 70, "data_offsets": [0, 4]}}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    with pytest.raises(ValueError, match=f"'w' in {re.escape(repr(str(path)))} can't be an array here"):
        load(path)


def test_what_is_no_file_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for name in (tmp_path, tmp_path / "pipe", "/dev/zero"):
        with pytest.raises(ValueError, match=f"{re.escape(repr(str(name)))} is not a file"):
            load(name)


def test_every_truncation_is_noticed(path):
    save({"w": mg.arange(5)}, path)
    good = path.read_bytes()
    for n in range(len(good)):
        path.write_bytes(good[:n])
        with pytest.raises(ValueError, match="cut short"):
            load(path)


def test_a_pickle_is_refused_and_not_run(path, tmp_path):
    class Bomb:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "ran"),))

    path.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(ValueError, match="pickle"):
        load(path)
    assert not (tmp_path / "ran").exists()


def test_a_failed_save_leaves_the_old_file(path, monkeypatch):
    save({"w": mg.ones(2)}, path)
    good = path.read_bytes()

    def full(*args):
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space"):
        save({"w": mg.zeros(2)}, path)
    assert path.read_bytes() == good
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_file_is_replaced_and_never_written_over(path):
    """Who has opened the old file goes on reading the old one."""
    save({"w": mg.ones(2)}, path)
    good = path.read_bytes()
    with open(path, "rb") as reader:
        save({"w": mg.zeros(2)}, path)
        assert reader.read() == good
    assert load(path)["w"].tolist() == [0, 0]


def test_the_file_has_the_usual_permissions(path):
    save({"w": mg.ones(2)}, path)
    (path.parent / "other").write_bytes(b"")
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE((path.parent / "other").stat().st_mode)


def test_without_safetensors_the_message_says_what_to_install(path):
    code = (
        "import sys; sys.modules['safetensors'] = None\n"
        "import minigrad as mg\n"
        f"try: mg.save({{'w': mg.ones(2)}}, {str(path)!r})\n"
        "except ImportError as e: print(e)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "pip install 'safetensors!=0.8.0'" in out


def test_importing_minigrad_imports_no_safetensors():
    code = (
        "import minigrad, minigrad.nn, minigrad.optim, minigrad.serialization, sys; print('safetensors' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "False"


def test_files_of_other_programs_load_without_our_metadata(path):
    import safetensors.numpy

    safetensors.numpy.save_file({"w": np.ones(2, np.float32)}, path, metadata={"format": "pt"})
    assert load(path)["w"].tolist() == [1, 1]
    safetensors.numpy.save_file({"half": np.ones(2, np.float16)}, path)
    with pytest.raises(ValueError, match=r"'half' in .* has the dtype float16"):
        load(path)
    safetensors.numpy.save_file({"w": np.ones(2, np.float32)}, path, metadata={"format": "pt"})
    header = path.read_bytes()[8:]
    assert json.loads(header[: header.index(b"}}") + 2])["__metadata__"] == {"format": "pt"}


@pytest.mark.oracle
def test_pytorchs_users_read_our_files_and_we_read_theirs(path):
    torch = pytest.importorskip("torch")
    from safetensors.torch import load_file, save_file

    save({name: mg.tensor(a) for name, a in TENSORS.items()}, path)
    for name, t in load_file(path).items():
        assert t.numpy().tobytes() == TENSORS[name].tobytes()
        assert tuple(t.shape) == TENSORS[name].shape

    theirs = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.LayerNorm(8), torch.nn.Linear(8, 2))
    ours = nn.Sequential(nn.Linear(4, 8), nn.LayerNorm(8), nn.Linear(8, 2))
    save_file(theirs.state_dict(), path)
    ours.load_state_dict(load(path))
    x = np.random.default_rng(0).standard_normal((5, 4)).astype(np.float32)
    expected = theirs(torch.tensor(x)).detach().numpy()
    np.testing.assert_allclose(ours(mg.tensor(x)).detach().numpy(), expected, atol=1e-6)

    save(ours.state_dict(), path)
    theirs.load_state_dict(load_file(path))

    save_file({"half": torch.ones(2, dtype=torch.bfloat16)}, path)
    with pytest.raises(ValueError, match="BF16"):
        load(path)
