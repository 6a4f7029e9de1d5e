"""A run directory as it may be found: copied, damaged, changed, deleted, on a full disk, from somebody else."""

from __future__ import annotations

import errno
import json
import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from agents import DQN, QLearning, cli, load
from agents.runs import checkpoint, files
from agents.runs.checkpoint import Checkpoints
from agents.runs.run import Run, unused_directory
from agents.runs.tables import read_table
from envs import UsageError

ENV = "minigrad/GridWorld-v0"
LINE = ["train", "q-learning", "--env", ENV, "--steps", "300", "--checkpoint-every", "100", "--quiet"]


@pytest.fixture(autouse=True)
def without_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture) -> Path:
    """300 steps, with checkpoints at 200 and 300."""
    assert cli.main([*LINE, "--run", str(tmp_path / "run")]) == 0
    capsys.readouterr()
    return tmp_path / "run"


def contents(directory: Path) -> dict[str, bytes]:
    """What is in it; the clock's file is left out."""
    paths = [path for path in directory.rglob("*") if path.is_file() and path.name not in ("timing.csv", ".lock")]
    return {str(path.relative_to(directory)): path.read_bytes() for path in paths}


def refuse(line: list[str], capsys: pytest.CaptureFixture) -> str:
    """The one line that the command says, which ends with exit code 2."""
    assert cli.main(line) == 2
    said = capsys.readouterr().err
    assert said.startswith("minigrad: ")
    assert len(said.splitlines()) == 1, said
    return said


# -- which checkpoint is the newest


@pytest.mark.parametrize("name", ["step-2500 (copy)", "step-000000000200 (copy)", "step-999", "step-99999999999x"])
def test_a_copy_is_no_checkpoint(name: str, run: Path, capsys: pytest.CaptureFixture) -> None:
    shutil.copytree(run / "checkpoints" / "step-000000000200", run / "checkpoints" / name)
    assert cli.main(["evaluate", str(run)]) == 0
    assert "step 300: " in capsys.readouterr().out
    assert cli.main(["resume", str(run)]) == 0
    assert "is finished: 300 of 300" in capsys.readouterr().out
    assert (run / "checkpoints" / name).exists()


def test_a_copy_under_a_later_name_is_found_out(run: Path, capsys: pytest.CaptureFixture) -> None:
    shutil.copytree(run / "checkpoints" / "step-000000000200", run / "checkpoints" / "step-000000000400")
    assert cli.main(["evaluate", str(run)]) == 0
    said = capsys.readouterr()
    assert "step 300: " in said.out
    assert "step-000000000400 is damaged: by its content it is of step 200" in said.err


def test_names_are_compared_as_numbers(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    for step in (999_999_999_999, 1_000_000_000_000):  # the second has a digit more
        checkpoints.save(step, {"here": step})
    assert checkpoints.load_newest()[1] == {"here": 1_000_000_000_000}


# -- what can't be read is not what is damaged


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.EMFILE])
def test_what_cannot_be_read_is_not_deleted(
    number: int, run: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(run)
    original = checkpoint.read_file

    def unreadable(path: Path, most: int | None = None) -> bytes:
        if path.name == "state.json":
            raise OSError(number, os.strerror(number), str(path))
        return original(path, most)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "read_file", unreadable)
        said = refuse(["resume", str(run), "--steps", "400"], capsys)
    assert os.strerror(number) in said
    assert "step-000000000300 can't be read: state.json" in said
    assert contents(run) == before


@pytest.mark.parametrize("name", ["manifest.json", "state.json", "arrays.safetensors"])
@pytest.mark.parametrize("replace", [os.mkfifo, lambda path: os.symlink("/dev/zero", path)], ids=["pipe", "device"])
def test_a_pipe_or_a_device_is_not_read(name: str, replace, run: Path, capsys: pytest.CaptureFixture) -> None:
    """Reading a pipe waits for ever, and /dev/zero has no end."""
    path = run / "checkpoints" / "step-000000000300" / name
    path.unlink()
    replace(path)
    assert cli.main(["evaluate", str(run)]) == 0
    said = capsys.readouterr()
    assert f"{name} is not a regular file" in said.err
    assert "step 200: " in said.out


@pytest.mark.parametrize("name", ["config.json", ".lock"])
def test_a_pipe_in_place_of_another_file(name: str, run: Path, capsys: pytest.CaptureFixture) -> None:
    (run / name).unlink()
    os.mkfifo(run / name)
    assert f"{name} is not a regular file" in refuse(["resume", str(run)], capsys)


def test_json_without_end(run: Path, capsys: pytest.CaptureFixture) -> None:
    with open(run / "config.json", "wb") as file:
        file.truncate(files.MOST_JSON_BYTES + 1)  # a hole, which takes no room on the disk
    assert "config.json is damaged: config.json has 1,073,741,825 bytes" in refuse(["evaluate", str(run)], capsys)


@pytest.mark.parametrize("name", ["manifest.json", "state.json"])
def test_deep_nesting_is_damage(name: str, run: Path, capsys: pytest.CaptureFixture) -> None:
    """Python's RecursionError; the checkpoint before is as good as ever."""
    import hashlib

    newest = run / "checkpoints" / "step-000000000300"
    (newest / name).write_text("[" * 100_000)
    if name == "state.json":
        manifest = json.loads((newest / "manifest.json").read_text())
        manifest[name] = hashlib.sha256(b"[" * 100_000).hexdigest()
        (newest / "manifest.json").write_text(json.dumps(manifest))
    assert cli.main(["evaluate", str(run)]) == 0
    said = capsys.readouterr()
    assert "step-000000000300 is damaged" in said.err
    assert "step 200: " in said.out


# -- config.json, checked


@pytest.mark.parametrize("command", ["evaluate", "resume", "plot", "record"])
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "expected an object with names, got a list"),
        ("{}", "it has no 'algorithm'"),
        ("7", "got 7"),
        ("null", "got null"),
        ("\udcff", "can't decode byte 0xff"),
        ("[" * 100_000, "recursion"),
    ],
)
def test_config_of_another_form(command: str, text: str, message: str, run: Path, capsys) -> None:
    (run / "config.json").write_bytes(text.encode(errors="surrogateescape"))
    said = refuse([command, str(run)], capsys)
    assert f"{run / 'config.json'} is damaged: " in said
    assert message in said


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("algorithm", 3),
        ("algorithm", "q-learnine"),
        ("env", None),
        ("seed", -1),
        ("seed", 0.5),
        ("num_envs", True),
        ("num_envs", 10**12),
        ("steps", "300"),
        ("device", "tpu"),
        ("hyperparameters", []),
        ("hyperparameters", {"learning_rate": "fast"}),
        ("hyperparameters", {"gamma": -1.0}),
        ("hyperparameters", {"seed": 1}),
        ("hyperparameters", {"gama": 1.0}),
        ("checkpoint_every", -7),
        ("evaluation_episodes", -3),
        ("evaluation_episodes", 2.5),
        ("class", 1),
        ("class", "QLearning"),
        ("own", 3),
        ("env_options", [1]),
        ("lengthened", [None]),
        ("evaluation_episodes", 2**64),
    ],
)
def test_every_entry_of_config_is_checked(name: str, value: Any, run: Path, capsys: pytest.CaptureFixture) -> None:
    """The same as the options of `train`, and the file is named."""
    path = run / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), name: value}))
    before = contents(run)
    assert str(path) in refuse(["resume", str(run), "--steps", "500"], capsys)
    assert contents(run) == before


# -- a refusal changes nothing


def test_a_refused_resume_changes_nothing(run: Path, capsys: pytest.CaptureFixture) -> None:
    """Rows after the checkpoint, a damaged newer checkpoint, leftovers of a kill: all are still there."""
    (run / "checkpoints" / "step-000000000300" / "state.json").write_text("{}")
    (run / "checkpoints" / ".step-000000000400.part").mkdir()
    path = run / "config.json"
    whole = path.read_text()
    config = json.loads(whole)
    config["hyperparameters"]["gamma"] = 0.25
    path.write_text(json.dumps(config))
    before = contents(run)
    assert cli.main(["resume", str(run)]) == 2
    assert "config.json was changed: hyperparameters" in capsys.readouterr().err
    assert contents(run) == before
    assert (run / "checkpoints" / ".step-000000000400.part").exists()
    path.write_text(whole)
    assert cli.main(["resume", str(run), "--quiet"]) == 0
    assert not (run / "checkpoints" / ".step-000000000400.part").exists()


def test_leftovers_of_a_kill_are_cleaned(run: Path) -> None:
    state = contents(run)
    for name in (".step-000000000100.old", ".step-000000000100.part", ".step-000000000100.part.old"):
        (run / "checkpoints" / name / "deep").mkdir(parents=True)
    (run / "checkpoints" / "segments").mkdir(exist_ok=True)
    (run / "checkpoints" / "segments" / ".x.safetensors.part").write_text("x")
    (run / ".config.json.part").write_text("x")
    assert cli.main(["resume", str(run), "--steps", "301", "--quiet"]) == 0
    assert [p for p in run.rglob(".*") if p.name != ".lock"] == []
    assert contents(run).keys() > state.keys() - {"checkpoints/step-000000000200/state.json"} - {
        name for name in state if "step-000000000200" in name
    }


# -- the directory and the disk while it is trained


@pytest.mark.parametrize("how", ["deleted", "replaced"])
def test_a_directory_that_is_gone_stops_the_training(how: str, tmp_path: Path) -> None:
    """Not made again, and above all not written into when it is another run's by now."""
    directory = tmp_path / "run"

    class Deleting(QLearning):
        def update(self, new_steps: int) -> None:
            super().update(new_steps)
            if self.steps == 150:
                shutil.rmtree(directory)
                if how == "replaced":
                    Run.create(directory, self.config()).close()

    with pytest.raises(UsageError, match=r"run was deleted, moved or replaced while .* stopped at step 200"):
        Deleting(ENV).learn(2000, run=directory)
    assert not (directory / "checkpoints").exists()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EFBIG])
def test_a_full_disk_is_named_and_leaves_no_half_checkpoint(
    number: int, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, calls = tmp_path / "run", 0

    def full(descriptor: int) -> None:
        nonlocal calls
        calls += 1
        if calls > 30:
            raise OSError(number, os.strerror(number))  # as the system says it: without a name

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        said = refuse([*LINE, "--checkpoint-every", "30", "--run", str(run)], capsys)
    assert os.strerror(number) in said
    assert f"{run} could not be saved at step " in said
    assert f"`minigrad resume {run}` goes on from its last checkpoint, step-0" in said
    assert not list(run.rglob("*.part"))
    assert cli.main(["resume", str(run), "--quiet"]) == 0
    assert cli.main([*LINE, "--checkpoint-every", "30", "--run", str(tmp_path / "whole")]) == 0
    assert (run / "metrics.csv").read_bytes() == (tmp_path / "whole" / "metrics.csv").read_bytes()


def test_a_full_disk_between_checkpoints(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """A row that is written where nothing is saved; what is in the buffer can't be written when the file is closed."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    line = [
        "train",
        "q-learning",
        "--env",
        ENV,
        "--quiet",
        "--evaluation-episodes",
        "0",
        "--run",
        str(tmp_path / "run"),
    ]
    resource.setrlimit(resource.RLIMIT_FSIZE, (8_000, before[1]))  # bytes of a file
    try:
        said = refuse([*line, "--steps", "60000", "--checkpoint-every", "1000", "--run", str(tmp_path / "run")], capsys)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert f"{tmp_path / 'run' / 'metrics.csv'}: File too large" in said
    assert f"`minigrad resume {tmp_path / 'run'}` goes on from its last checkpoint, step-0" in said


# -- a checkpoint with right checksums, made by hand


def leaves(tree: Any, place: tuple = ()) -> list[tuple]:
    """Where every value of a tree is."""
    items: Any = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    found = [inner for key, value in items for inner in leaves(value, (*place, key))]
    return [place, *found] if place else found


def with_value(tree: Any, place: tuple, value: Any) -> Any:
    """A copy of the tree with another value in one place."""
    if not place:
        return value
    copy = dict(tree) if isinstance(tree, dict) else list(tree)
    copy[place[0]] = with_value(tree[place[0]], place[1:], value)
    return copy


@pytest.mark.parametrize("kind", [QLearning, DQN])
@pytest.mark.parametrize("value", [None, "text", -1, [], {}, 10**12], ids=repr)
def test_a_checkpoint_made_by_hand_is_never_a_traceback(kind: type, value: Any, tmp_path: Path, monkeypatch) -> None:
    """Every entry once replaced: it is loaded, or refused."""
    settings: dict[str, Any] = {} if kind is QLearning else {"hidden": (4,), "replay_size": 50, "batch_size": 8}
    kind(ENV, **settings).learn(30).save(tmp_path)
    name, tree, _ = Checkpoints(tmp_path).load_newest()
    for place in leaves(tree):
        if place[:2] == ("agent", "environments") and value == 10**12:
            continue  # a number of steps that nobody takes again
        changed = with_value(tree, place, value)
        monkeypatch.setattr(Checkpoints, "load_newest", lambda self, changed=changed: (name, changed, []))
        with suppress(UsageError):
            load(tmp_path)


# -- names and lengths


def test_names_that_every_system_allows(tmp_path: Path) -> None:
    assert unused_directory("dqn-mod:ns/My-v0-seed0", tmp_path) == tmp_path / "dqn-mod-ns-My-v0-seed0"


def test_a_run_is_lengthened(run: Path, capsys: pytest.CaptureFixture) -> None:
    assert cli.main(["resume", str(run), "--steps", "500", "--quiet"]) == 0
    assert "lengthened from 300 steps; what changes by plan (epsilon) is stretched" in capsys.readouterr().err
    config = json.loads((run / "config.json").read_text())
    assert (config["steps"], config["lengthened"]) == (500, [300])
    table = read_table(run / "metrics.csv")
    assert table["step"] == sorted(table["step"])
    assert table["step"][-1] > 400
    assert read_table(run / "evaluations.csv")["step"] == [100, 200, 300, 400, 500]
    assert load(run).total_steps == 500
    # What changes by plan is a function of how much of the new whole is done.
    agent = QLearning(ENV)
    agent.total_steps = 500
    for step, epsilon in zip(table["step"], table["epsilon"], strict=True):
        assert step is not None
        agent.steps = int(step)
        if step > 300:
            assert epsilon == agent.epsilon
    assert cli.main(["resume", str(run)]) == 0
    assert "is finished: 500 of 500 steps" in capsys.readouterr().out
    assert "--steps must be at least 500" in refuse(["resume", str(run), "--steps", "499"], capsys)


def test_a_lengthened_run_that_is_killed_goes_on_the_same(run: Path, tmp_path: Path) -> None:
    """Before its first checkpoint of the longer time; the newest one is still of the shorter."""
    shutil.copytree(run, tmp_path / "killed")
    opened = Run.open(tmp_path / "killed")
    opened.lengthen(500)
    opened.metrics.keep()
    opened.metrics.write({"step": 310})
    opened.close()
    assert cli.main(["resume", str(run), "--steps", "500", "--quiet"]) == 0
    assert cli.main(["resume", str(tmp_path / "killed"), "--quiet"]) == 0
    assert contents(run) == contents(tmp_path / "killed")


def test_from_python_a_run_goes_on_if_it_is_the_agents_own(tmp_path: Path) -> None:
    agent = QLearning(ENV).learn(300, run=tmp_path / "run").learn(200, run=tmp_path / "run")
    agent.predict(0, deterministic=False)  # looking at it changes nothing
    load(tmp_path / "run").learn(100, run=tmp_path / "run")
    assert load(tmp_path / "run").steps == 600
    for other, reason in (
        (agent, "its newest checkpoint is of step 600, the agent is at step 500"),
        (QLearning(ENV, seed=1), "its seed is 0, the agent's 1"),
        (QLearning(ENV, gamma=0.3), "its hyperparameters is"),
        (QLearning(ENV).learn(600), "its .* differs from the agent's"),
    ):
        with pytest.raises(UsageError, match=f"holds a run that is not this agent's: {reason}"):
            other.learn(100, run=tmp_path / "run")
    assert load(tmp_path / "run").steps == 600


def test_a_run_that_is_refused_leaves_the_agent_as_it_was(run: Path) -> None:
    """Its total counts: the step size that falls to the end of a training goes by it."""
    agent = QLearning(ENV, seed=5).learn(40)
    with pytest.raises(UsageError, match="holds a run that is not this agent's"):
        agent.learn(1_000, run=run)
    assert (agent.steps, agent.total_steps) == (40, 40)
