"""A command whose stdout or stderr is closed, has lost its reader, or can't write every letter."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from agents import load
from agents.cli.streams import Output
from agents.runs.tables import read_table

TRAIN = "train q-learning --env minigrad/GridWorld-v0 --steps 300 --run run"


def shell(line: str, cwd: Path, **more: str) -> subprocess.CompletedProcess:
    """Runs a line, in which `minigrad` is the command, in the shell."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **more}
    line = f'minigrad() {{ "{sys.executable}" -m agents.cli "$@"; }}; {line}'
    return subprocess.run(["bash", "-c", line], capture_output=True, cwd=cwd, env=env, timeout=120)


@pytest.mark.parametrize("closed", ["2>&-", ">&-", "<&- >&- 2>&-"])
def test_a_missing_stream_is_normal(closed: str, tmp_path: Path) -> None:
    """Daemons and pythonw start programs so. No file of the run gets the number, and with it the words, of stderr."""
    done = shell(f"minigrad {TRAIN} {closed}", tmp_path)
    assert done.returncode == 0
    assert (b"300 steps" in done.stdout) == (">&-" not in closed.split())
    assert done.stderr == b"" or "2>&-" not in closed
    assert load(tmp_path / "run").steps == 300
    assert all(rows for rows in read_table(tmp_path / "run" / "metrics.csv").values())


def test_a_reader_that_has_gone_changes_nothing(tmp_path: Path) -> None:
    """Neither of the progress nor of the report; and the exit code is the command's own."""
    done = shell(f"set -o pipefail; minigrad {TRAIN} 2>&1 >report | head -c 1", tmp_path)
    assert done.returncode == 0
    assert b"300 steps" in (tmp_path / "report").read_bytes()
    done = shell(f"set -o pipefail; minigrad {TRAIN}-2 --quiet | true", tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")


ASCII = [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}]


@pytest.mark.parametrize("variables", ASCII, ids=str)
def test_a_letter_that_the_terminal_lacks_is_replaced(variables: dict[str, str], tmp_path: Path) -> None:
    done = shell(f"minigrad list && minigrad {TRAIN} --quiet", tmp_path, **variables)
    assert done.returncode == 0, done.stderr
    assert b"? 0.0 over 20 episodes" in done.stdout  # the sign ±


def test_only_a_reader_that_has_gone_is_forgiven(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as stream:
        output = Output(stream)
        output.write("for nobody\n")
        output.flush()
        output.write("again\n")  # into nothing
        output.flush()
    if os.path.exists("/dev/full"):
        done = shell("minigrad list > /dev/full", tmp_path)
        assert (done.returncode, done.stderr) == (2, b"minigrad: <stdout>: No space left on device\n")


def test_an_error_of_another_kind_is_passed_on() -> None:
    class Full:
        name = "<stdout>"

        def write(self, text: str) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left on device") as raised:
        Output(Full()).write("x")
    assert raised.value.filename == "<stdout>"
