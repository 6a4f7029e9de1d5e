"""Checkpoints come back as they were, and a damaged one never comes back at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import minigrad as mg
from agents.memory.ring import Ring
from agents.runs import checkpoint
from agents.runs.checkpoint import Checkpoints, DamagedCheckpoint, read, write

plain = st.none() | st.booleans() | st.integers(-(2**130), 2**130) | st.floats(allow_nan=False) | st.text(max_size=5)
arrays = hnp.arrays(
    st.sampled_from([np.float32, np.float64, np.int64, np.uint8, np.bool_]),
    hnp.array_shapes(min_dims=0, min_side=0),
)
keys = st.text("abcxyz", min_size=1, max_size=4)
trees = st.recursive(plain | arrays, lambda t: st.lists(t, max_size=3) | st.dictionaries(keys, t, max_size=3))


def assert_same(a, b) -> None:
    assert type(a) is type(b)
    if isinstance(a, dict):
        assert a.keys() == b.keys()
        for key in a:
            assert_same(a[key], b[key])
    elif isinstance(a, list):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            assert_same(x, y)
    elif isinstance(a, np.ndarray):
        assert a.dtype == b.dtype
        assert a.shape == b.shape
        np.testing.assert_array_equal(a, b)
    else:
        assert a == b


@settings(max_examples=60, deadline=None)
@given(tree=trees)
def test_any_tree_comes_back(tmp_path_factory: pytest.TempPathFactory, tree) -> None:
    path = tmp_path_factory.mktemp("checkpoint")
    write(path / "one", {"tree": tree}, path / "segments", {})
    assert_same(read(path / "one")["tree"], tree)


def test_arrays_that_are_not_contiguous(tmp_path: Path) -> None:
    """safetensors 0.8.0 would write these in the wrong order."""
    a = np.arange(24.0).reshape(4, 6)
    tree = {"transposed": a.T, "strided": a[::2, ::3], "reversed": a[::-1], "fortran": np.asfortranarray(a)}
    write(tmp_path / "one", tree, tmp_path / "segments", {})
    for name, array in read(tmp_path / "one").items():
        np.testing.assert_array_equal(array, tree[name])


def test_tensors_and_integer_keys(tmp_path: Path) -> None:
    tree = {"state": {0: {"step": 3, "m": mg.from_numpy(np.ones(2, np.float32))}}, "generator": 2**127 + 1}
    write(tmp_path / "one", tree, tmp_path / "segments", {})
    back = read(tmp_path / "one")
    assert list(back["state"]) == [0]
    assert isinstance(back["state"][0]["m"], mg.Tensor)
    assert back["generator"] == 2**127 + 1


def test_what_cannot_be_held_is_named(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"can.t hold object .at /a/1"):
        write(tmp_path / "one", {"a": [1, object()]}, tmp_path / "segments", {})


def ring_of(total: int, capacity: int = 100) -> Ring:
    ring = Ring(capacity, x=((3,), np.float32), y=((), np.int64))
    for i in range(total):
        ring.append(1, x=np.full((1, 3), i, np.float32), y=np.array([i]))
    return ring


@pytest.fixture
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "SEGMENT_BYTES", 16 * 20)  # 16 rows of 20 bytes


@pytest.mark.parametrize("totals", [[0], [5], [16], [99, 100, 101], [50, 90, 130, 131, 300], [250]])
def test_a_ring_comes_back_from_segments_written_once(tmp_path: Path, small_segments, totals: list[int]) -> None:
    checkpoints = Checkpoints(tmp_path)
    written: dict[str, int] = {}
    for total in totals:
        ring = ring_of(total)
        checkpoints.save(total, {"ring": ring})
        _, tree, _ = Checkpoints(tmp_path).load_newest()
        assert tree["ring"].total == total
        for name, array in ring.arrays.items():
            np.testing.assert_array_equal(tree["ring"].arrays[name], array)
        for path in (tmp_path / "segments").glob("*"):
            time = path.stat().st_mtime_ns
            assert written.setdefault(path.name, time) == time
    # Segments that no kept checkpoint needs are gone: at most two checkpoints' worth of 100 rows.
    assert len(list((tmp_path / "segments").glob("*"))) <= 2 * (100 // 16 + 1)


def test_a_resumed_run_knows_its_segments(tmp_path: Path, small_segments) -> None:
    Checkpoints(tmp_path).save(50, {"ring": ring_of(50)})
    times = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "segments").glob("*")}
    resumed = Checkpoints(tmp_path)
    resumed.load_newest()
    resumed.save(60, {"ring": ring_of(60)})
    for name, time in times.items():
        assert (tmp_path / "segments" / name).stat().st_mtime_ns == time


def test_old_checkpoints_go_and_the_best_stays(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, keep=2)
    for step in range(5):
        checkpoints.save(step, {"step": step}, also_keep=checkpoints.name(1))
    assert checkpoints.names() == [checkpoints.name(step) for step in (1, 3, 4)]


def files_of(directory: Path) -> list[Path]:
    return sorted(path for path in directory.rglob("*") if path.is_file())


@pytest.mark.parametrize("damage", ["flip", "truncate", "delete", "empty"])
def test_damage_anywhere_is_noticed_and_the_one_before_is_used(tmp_path: Path, small_segments, damage: str) -> None:
    rng = np.random.default_rng(0)
    for number in range(8):
        directory = tmp_path / str(number)
        checkpoints = Checkpoints(directory)
        checkpoints.save(40, {"ring": ring_of(40), "weights": np.arange(10.0)})
        shared = set(files_of(directory / "segments"))
        newest = checkpoints.save(80, {"ring": ring_of(80), "weights": np.arange(10.0)})
        candidates = [path for path in files_of(newest) + files_of(directory / "segments") if path not in shared]
        victim = candidates[number % len(candidates)]
        data = bytearray(victim.read_bytes())
        if damage == "flip":
            data[rng.integers(len(data))] ^= 1 << rng.integers(8)
        if damage == "delete":
            victim.unlink()
        else:
            victim.write_bytes({"flip": data, "truncate": data[: len(data) // 2], "empty": b""}[damage])
        with pytest.raises(DamagedCheckpoint, match=f"{newest.name} is damaged"):
            read(newest)
        name, tree, damaged = Checkpoints(directory).load_newest()
        assert name == checkpoints.name(40)
        assert tree["ring"].total == 40
        assert len(damaged) == 1
        assert newest.name in damaged[0]


def test_when_all_are_damaged(tmp_path: Path) -> None:
    path = Checkpoints(tmp_path).save(1, {"a": 1})
    (path / "state.json").write_text("{}")
    with pytest.raises(DamagedCheckpoint, match=r"state\.json is not what was written.*no good checkpoint is left"):
        Checkpoints(tmp_path).load_newest()


def test_an_old_damaged_checkpoint_is_no_obstacle(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, keep=3)
    path = checkpoints.save(1, {"ring": ring_of(3)})
    (path / "manifest.json").write_text("{")
    checkpoints.save(2, {"ring": ring_of(4)})
    assert Checkpoints(tmp_path).load_newest()[1]["ring"].total == 4


@pytest.mark.parametrize("first", [0, 3, 50, 95])
def test_a_ring_starts_where_it_started(tmp_path: Path, small_segments, first: int) -> None:
    """Its first rows may be forgotten although nothing has overwritten them: in memory, and in a segment on disk."""
    ring = ring_of(96)
    ring.first = first
    Checkpoints(tmp_path).save(1, {"ring": ring})
    back = Checkpoints(tmp_path).load_newest()[1]["ring"]
    assert (back.oldest, len(back), back.total) == (first, 96 - first, 96)
    np.testing.assert_array_equal(back.rows(first, 96)["y"], np.arange(first, 96))
