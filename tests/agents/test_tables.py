"""The CSV files of a run: only whole rows, and never a byte that somebody changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents import cli
from agents.runs.run import NO_ROWS
from agents.runs.tables import Table, read_table
from envs import UsageError

ENV = "minigrad/GridWorld-v0"


def train(run: Path, *more: str) -> None:
    line = ["train", "q-learning", "--env", ENV, "--steps", "300", "--checkpoint-every", "100", "--quiet"]
    assert cli.main([*line, "--run", str(run), *more]) == 0


def test_a_table_is_cut_back(tmp_path: Path) -> None:
    table = Table(tmp_path / "t.csv")
    marks = []
    for i in range(5):
        table.write({"step": i, "value": i / 3, "none": None})
        marks.append(table.mark())
    table.flush()
    with open(table.path, "a") as file:
        file.write("6,0.")
    table.cut_back(marks[2])
    assert table.path.read_text().splitlines() == [
        "step,value,none",
        "0,0.0,",
        "1,0.3333333333333333,",
        "2,0.6666666666666666,",
    ]
    table.write({"step": 3, "value": 1.0, "none": None})
    assert table.mark() == marks[3]  # as if it had never been longer
    table.flush()
    assert len(table.path.read_text().splitlines()) == 5
    with pytest.raises(UsageError, match="first 5 rows are not the ones that its checkpoint counts"):
        table.cut_back(marks[4])
    table.cut_back(NO_ROWS)
    assert table.path.read_text() == ""


def test_a_table_keeps_the_columns_that_it_was_begun_with(tmp_path: Path) -> None:
    """A newer version may measure more, or less, or in another order."""
    (tmp_path / "t.csv").write_text("step,return\n1,2.0\n")
    table = Table(tmp_path / "t.csv")
    table.keep()
    table.write({"step": 2, "entropy": 0.5, "return": 3.0})
    table.write({"step": 3, "entropy": 0.5})
    table.close()
    assert (tmp_path / "t.csv").read_text() == "step,return\n1,2.0\n2,3.0\n3,\n"


def test_a_row_that_is_half_written_is_left_out(tmp_path: Path) -> None:
    """Half a number looks like a whole one: 12.5 cut after the 1."""
    (tmp_path / "t.csv").write_text("step,return\n1,2.0\n2,\n3,1")
    assert read_table(tmp_path / "t.csv") == {"step": [1.0, 2.0], "return": [2.0, None]}
    (tmp_path / "t.csv").write_text("step,ret")
    assert read_table(tmp_path / "t.csv") == {}
    assert read_table(tmp_path / "none.csv") == {}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (b"1,2.0\n2,x3\n3,4.0\n", r"line 3: could not convert string to float: 'x3'"),
        (b"1,2.0\n2,3,4\n", r"line 3"),
        (b"1,2.0\n2\n3,4.0\n", r"line 3"),
        (b"1,2.0\n2,\xff\n", r"can't decode byte 0xff"),
    ],
)
def test_a_damaged_table_is_named_with_its_line(rows: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"step,return\n" + rows)
    with pytest.raises(UsageError, match=rf"t\.csv is damaged.*{message}"):
        read_table(tmp_path / "t.csv")


def test_a_damaged_table_in_a_command_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    train(tmp_path / "run")
    lines = (tmp_path / "run" / "metrics.csv").read_text().splitlines(keepends=True)
    (tmp_path / "run" / "metrics.csv").write_text("".join([*lines[:2], lines[2].replace(",", ",x", 1), *lines[3:]]))
    capsys.readouterr()
    assert cli.main(["plot", str(tmp_path / "run")]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"minigrad: {tmp_path / 'run' / 'metrics.csv'} is damaged in line 3: ")
    assert len(said.splitlines()) == 1


def test_timing_is_whole_after_a_resume(tmp_path: Path) -> None:
    """Every row has all its columns, in order, and half a row of a kill is gone."""
    train(tmp_path / "run")
    timing = tmp_path / "run" / "timing.csv"
    before = timing.read_text()
    timing.write_text(before + "999,1")
    assert cli.main(["resume", str(tmp_path / "run"), "--steps", "600", "--quiet"]) == 0
    assert timing.read_text().startswith(before)
    table = read_table(timing)
    assert list(table) == ["step", "seconds", "steps_per_second"]
    assert table["step"] == [100, 200, 300, 400, 500, 600]
    assert None not in table["seconds"] + table["steps_per_second"]


@pytest.mark.parametrize("damage", [b"\xff", b"\xff\n"])
def test_what_resume_does_not_need_is_left_alone(damage: bytes, tmp_path: Path) -> None:
    train(tmp_path / "run")
    timing = tmp_path / "run" / "timing.csv"
    timing.write_bytes(timing.read_bytes() + damage)
    whole = timing.read_bytes() if damage.endswith(b"\n") else timing.read_bytes()[:-1]
    assert cli.main(["resume", str(tmp_path / "run"), "--steps", "400", "--quiet"]) == 0
    assert timing.read_bytes().startswith(whole)
    assert timing.read_bytes().endswith(b"\n")


def test_a_timing_table_that_takes_no_row_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """Up to the end of the training, and not only where it is taken up."""
    train(tmp_path / "run")
    timing = tmp_path / "run" / "timing.csv"
    timing.unlink()
    timing.mkdir()
    assert cli.main(["resume", str(tmp_path / "run"), "--steps", "400", "--quiet"]) == 0
    assert f"{timing} is left alone" in capsys.readouterr().err
    assert timing.is_dir()


@pytest.mark.parametrize("name", ["metrics.csv", "evaluations.csv"])
@pytest.mark.parametrize("damage", ["digit", "short", "missing", "pipe"])
def test_a_change_before_the_checkpoint_stops_the_resume(
    name: str, damage: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    """Or the curve of the resumed run would not be the one of the training; and nothing in the run is changed."""
    import os

    train(tmp_path / "run")
    path = tmp_path / "run" / name
    data = path.read_bytes()
    path.unlink()
    if damage == "digit":
        path.write_bytes(data[:-3] + bytes([data[-3] ^ 1]) + data[-2:])
    elif damage == "short":
        path.write_bytes(data[:-1])
    elif damage == "pipe":  # reading it would wait for ever
        os.mkfifo(path)
    capsys.readouterr()
    before = {p: p.read_bytes() for p in (tmp_path / "run").rglob("*") if p.is_file()}
    assert cli.main(["resume", str(tmp_path / "run"), "--steps", "400", "--quiet"]) == 2
    assert name in capsys.readouterr().err
    assert {p: p.read_bytes() for p in (tmp_path / "run").rglob("*") if p.is_file()} == before
