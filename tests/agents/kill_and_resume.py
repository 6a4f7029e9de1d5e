"""Run by test_resume.py in a process of its own: trains, is killed, resumes, is killed again, resumes to the
end.

    python kill_and_resume.py ALGORITHM ENV DIRECTORY

This process trains once, uninterrupted. Every other training is a fork of it, so that the imports are paid for
once. The killing is SIGKILL from inside, at a counted moment: before the n-th step of the environments, or before
the n-th call that changes what is on the disk.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
from pathlib import Path

from agents import AGENTS, cli
from agents.runs import run as runs
from envs.bare import BareEnvironments
from tests.agents.recordings import record_play

SYSTEM_CALLS = ("fsync", "rename", "replace")


def in_fork(arguments: list[str], kind: str = "", moment: int = 0) -> int | None:
    """The command's exit code, or None if it was killed."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115
        kill_at(kind, moment)
        os._exit(cli.main(arguments))
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return None
    return os.WEXITSTATUS(status)


def kill_at(kind: str, moment: int) -> None:
    """Arranges for this process to be killed at the `moment`-th event of its kind."""
    left = moment

    def counted(function):
        def call(*args, **kwargs):
            nonlocal left
            if left == 0:
                half_a_row()
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1
            return function(*args, **kwargs)

        return call

    if kind == "disk":
        for name in SYSTEM_CALLS:
            setattr(os, name, counted(getattr(os, name)))
    elif kind == "step":
        BareEnvironments.step = counted(BareEnvironments.step)


open_tables: list[runs.Table] = []


def half_a_row() -> None:
    """A buffer that is flushed because it is full ends anywhere; so leave the tables in the middle of a
    row."""
    for table in open_tables:
        table.flush()
        with open(table.path, "a", encoding="utf-8") as file:
            file.write("12,3.")


def remember_tables() -> None:
    original = runs.Table.write

    def write(self, row):
        if self not in open_tables:
            open_tables.append(self)
        original(self, row)

    runs.Table.write = write


def contents(run: Path) -> dict[str, bytes]:
    """Everything in a finished run that has to be the same to the last bit."""
    newest = sorted(run.glob("checkpoints/step-*"))[-1]
    files = [
        run / "metrics.csv",
        run / "evaluations.csv",
        *newest.iterdir(),
        *run.glob("checkpoints/segments/*"),
    ]
    return {str(path.relative_to(run)): path.read_bytes() for path in files}


def main(algorithm: str, env: str, directory: Path) -> None:
    remember_tables()
    train = [
        "train",
        algorithm,
        "--env",
        env,
        "--steps",
        "300",
        "--num-envs",
        "2",
        "--checkpoint-every",
        "70",
        "--quiet",
        "--evaluation-episodes",
        "2",
    ]
    if AGENTS[algorithm].needs_data:
        train += ["--data", str(record_play(env, directory / "steps.safetensors"))]
    uninterrupted = directory / "uninterrupted"
    assert cli.main([*train, "--run", str(uninterrupted)]) == 0  # here, for what is imported on the way
    expected = contents(uninterrupted)

    rng = random.Random(0)
    # Before the first file, inside the first checkpoint, inside later ones, while deleting old ones, between
    # them.
    moments = [("disk", n) for n in (0, 1, 5, 9, 17, 30, 42)] + [("step", n) for n in (3, 80, 120)]
    for kind, moment in moments:
        run = directory / "killed"
        shutil.rmtree(run, ignore_errors=True)
        assert in_fork([*train, "--run", str(run)], kind, moment) is None, (kind, moment)
        outcome = in_fork(["resume", str(run), "--quiet"], rng.choice(["disk", "step"]), rng.randrange(60))
        if outcome is None:
            outcome = in_fork(["resume", str(run), "--quiet"])
        if outcome == 2:  # killed before there was a run: resume says so, and the first command works again
            outcome = in_fork([*train, "--run", str(run)])
        assert outcome == 0, (kind, moment, outcome)
        found = contents(run)
        assert found.keys() == expected.keys(), (kind, moment)
        for name, data in expected.items():
            assert found[name] == data, (kind, moment, name)
    print(f"{len(moments)} moments")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
