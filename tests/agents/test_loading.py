"""An agent out of a run, by its own class and in its own environment, and never by importing what a file names."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import gymnasium as gym
import pytest

import agents
from agents import DQN, QLearning, cli, load
from agents.runs.loading import import_agent
from agents.runs.run import Run
from envs import UsageError
from envs.gridworld import GridWorld

ENV = "minigrad/GridWorld-v0"


class Patient(QLearning):
    """It learns from every second step."""

    def update(self, new_steps: int) -> None:
        if self.steps % 2:
            super().update(new_steps)


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a class and an environment of the user's, which no other test has seen."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    name = f"own_{tmp_path.name}".replace("-", "_")
    (tmp_path / f"{name}.py").write_text(
        "import gymnasium\n"
        "from agents import QLearning\n"
        "from envs.gridworld import GridWorld\n"
        "class Hasty(QLearning):\n"
        "    def update(self, new_steps):\n"
        "        super().update(new_steps)\n"
        "        super().update(new_steps)\n"
        "class Other(QLearning):\n"
        "    pass\n"
        f"gymnasium.register('{name}/Grid-v0', entry_point=GridWorld, max_episode_steps=20)\n"
    )
    return tmp_path / f"{name}.py"


def in_new_process(code: str, cwd: Path) -> subprocess.CompletedProcess:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=cwd, env=env, timeout=60)


def test_public_names() -> None:
    for name in ("load", "record", "plot_runs", "train", "evaluate"):
        assert callable(getattr(agents, name))


def test_load_finds_the_class(tmp_path: Path) -> None:
    for kind in (QLearning, Patient):
        kind(ENV).learn(200, run=tmp_path / kind.__name__)
        kind(ENV).learn(50).save(tmp_path / f"{kind.__name__}-saved")
        for path in (tmp_path / kind.__name__, tmp_path / f"{kind.__name__}-saved"):
            assert type(load(path)) is kind
    assert json.loads((tmp_path / "Patient" / "config.json").read_text())["class"] == f"{__name__}:Patient"
    assert load(tmp_path / "Patient", best=True).steps <= 200


def test_a_subclass_is_not_continued_as_its_parent(tmp_path: Path) -> None:
    Patient(ENV).learn(200, run=tmp_path / "run")
    with pytest.raises(UsageError, match=r"run was trained by .*test_loading:Patient, not by agents\..*:QLearning"):
        QLearning.load(tmp_path / "run")
    with pytest.raises(UsageError, match="holds a q-learning agent, not dqn"):
        DQN.load(tmp_path / "run")
    QLearning(ENV).learn(200, run=tmp_path / "parent")
    with pytest.raises(UsageError, match=r"was trained by agents\..*:QLearning, not by .*:Patient"):
        Patient.load(tmp_path / "parent")


def test_where_a_class_is_defined_may_move(tmp_path: Path) -> None:
    """Trained by `python script.py`, loaded by whoever imports script; or a folder of this project has a new name."""
    for kind, module in ((Patient, "__main__"), (QLearning, "agents.somewhere.else")):
        run = tmp_path / kind.__name__
        kind.learn(kind(ENV), 30).save(run)
        state = run / "step-000000000030" / "state.json"
        manifest = run / "step-000000000030" / "manifest.json"
        import hashlib

        text = state.read_text().replace(f"{kind.__module__}:", f"{module}:")
        files = json.loads(manifest.read_text()) | {"state.json": hashlib.sha256(text.encode()).hexdigest()}
        state.write_text(text)
        manifest.write_text(json.dumps(files))
        assert kind.load(run).steps == 30
    assert type(load(tmp_path / "QLearning")) is QLearning


def test_own_class_from_the_command_line(own: Path, capsys: pytest.CaptureFixture) -> None:
    name = own.stem
    option = ["--agent", f"{own.name}:Hasty"]
    train = ["train", *option, "--env", ENV, "--steps", "200", "--quiet", "--run", "run"]
    done = in_new_process(f"import sys, agents.cli; sys.exit(agents.cli.main({train!r}))", own.parent)
    assert done.returncode == 0, done.stderr
    # In this process nobody has defined it, and the folder from which it came is no reason to import it.
    for command in (["evaluate"], ["resume", "--steps", "300"], ["record"]):
        assert cli.main([command[0], "run", *command[1:]]) == 2
        said = capsys.readouterr().err
        assert len(said.splitlines()) == 1
        assert f"run was trained by {name}:Hasty" in said
        assert "give --agent FILE.py:Hasty" in said
    assert name not in sys.modules
    assert cli.main(["plot", "run"]) == 0
    assert cli.main(["evaluate", "run", "--agent", f"{own.name}:Other"]) == 2
    assert f"run was trained by {name}:Hasty, not by {name}:Other" in capsys.readouterr().err
    assert cli.main(["evaluate", "run", *option]) == 0
    assert cli.main(["resume", "run", "--steps", "300", "--quiet", *option]) == 0
    assert cli.main(["record", "run", *option, "--output", "episode.gif"]) == 2  # it was found, at least
    assert "must end in .webp" in capsys.readouterr().err
    capsys.readouterr()
    assert cli.main(["evaluate", "run"]) == 0  # it is defined now
    assert "step 300: " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("own.py", "must be FILE.py:CLASS"),
        ("own:Hasty", "must be FILE.py:CLASS"),
        ("nowhere.py:Hasty", "there is no file nowhere.py"),
        ("json.py:Hasty", "a module is called json already"),
        ("FILE:Hast", "has no agent called Hast; did you mean Hasty"),
        ("FILE:gymnasium", "has no agent called gymnasium; it has "),
    ],
)
def test_a_mistake_in_the_option_is_said(text: str, message: str, own: Path, capsys: pytest.CaptureFixture) -> None:
    Path("json.py").write_text("")
    assert cli.main(["train", "--agent", text.replace("FILE", own.name)]) == 2
    assert message in capsys.readouterr().err
    assert cli.main(["train", "--agent"]) == 2
    assert "--agent needs a value" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["dqn", "--agent", "FILE:Hasty"], "stands in the place of an algorithm; leave dqn out"),
        (["FILE:Hasty"], "a class of your own is given as --agent FILE:Hasty"),
    ],
)
def test_the_option_and_the_algorithm_are_one_choice(words: list[str], message: str, own: Path, capsys) -> None:
    assert cli.main(["train", *(word.replace("FILE", own.name) for word in words)]) == 2
    assert message.replace("FILE", own.name) in capsys.readouterr().err


def test_an_algorithm_that_is_not_its_class_is_damage(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """Also before the first checkpoint, which would tell."""
    Run.create(tmp_path / "run", {**QLearning(ENV).config(), "algorithm": "q-learnine"}).close()
    assert cli.main(["resume", str(tmp_path / "run")]) == 2
    assert "unknown algorithm 'q-learnine'" in capsys.readouterr().err


def test_an_environment_without_an_id_is_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    class Own(GridWorld):
        pass

    make = lambda: gym.wrappers.TimeLimit(Own(), 9)
    QLearning(make).learn(30, run=tmp_path / "run")
    message = "trained in Own, which is the id of no environment here; if a class, a function or an instance made it"
    with pytest.raises(UsageError, match=message):
        load(tmp_path / "run")
    for command in ("evaluate", "resume", "record"):
        assert cli.main([command, str(tmp_path / "run"), *(["--steps", "60"] if command == "resume" else [])]) == 2
        assert message in capsys.readouterr().err
    assert load(tmp_path / "run", make).steps == 30


def test_a_wrapper_is_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """Its id alone would go on in another environment than it was trained in."""
    make = lambda: gym.wrappers.TransformReward(gym.make(ENV), lambda reward: -reward)
    QLearning(make).learn(30, run=tmp_path / "run")
    message = f"trained in {ENV} wrapped in TransformReward, which no file can make again"
    with pytest.raises(UsageError, match=message):
        load(tmp_path / "run")
    assert cli.main(["evaluate", str(tmp_path / "run")]) == 2
    assert message in capsys.readouterr().err
    again = load(tmp_path / "run", make).learn(30, run=tmp_path / "run")
    assert (again.steps, again.config()["wrappers"]) == (60, ["TransformReward"])
    # These change nothing: the id is enough.
    QLearning(lambda: gym.wrappers.RecordEpisodeStatistics(gym.make(ENV))).learn(30).save(tmp_path / "watched")
    assert load(tmp_path / "watched").steps == 30


def test_an_exception_in_the_file_is_its_own(own: Path) -> None:
    own.write_text("1 / 0")
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            import_agent(f"{own}:Hasty")


def test_no_environment_is_imported_because_a_file_names_it(own: Path, capsys: pytest.CaptureFixture) -> None:
    env = f"{own.stem}:{own.stem}/Grid-v0"
    code = (
        f"import sys; sys.path.insert(0, '.'); from agents import QLearning; QLearning({env!r}).learn(200, run='run')"
    )
    done = in_new_process(code, own.parent)
    assert done.returncode == 0, done.stderr
    for command in (["evaluate"], ["resume", "--steps", "300"], ["record"]):
        assert cli.main([command[0], "run", *command[1:]]) == 2
        said = capsys.readouterr().err
        assert f"the agent was trained on {env}, and no module is imported because a file names it" in said
        assert f"--env {env}" in said
    with pytest.raises(UsageError, match="env='own_"):
        load("run")
    with pytest.raises(UsageError, match="env='own_"):
        QLearning.load("run")
    assert own.stem not in sys.modules
    assert cli.main(["evaluate", "run", "--env", "CartPole-v1"]) == 2
    assert f"run was trained on {env}, not on CartPole-v1" in capsys.readouterr().err
    sys.path.insert(0, str(own.parent))
    try:
        assert cli.main(["evaluate", "run", "--env", env]) == 0
        assert cli.main(["resume", "run", "--env", env, "--steps", "300", "--quiet"]) == 0
        assert load("run", env).steps == 300
        # It is imported now, by somebody who wanted it.
        assert load("run").learn(50, run="run").steps == 350
    finally:
        gym.registry.pop(f"{own.stem}/Grid-v0")


def test_the_commands_that_a_run_suggests_can_be_typed(own: Path) -> None:
    """They name again what no file may name."""
    env = f"{own.stem}:{own.stem}/Grid-v0"
    line = ["train", "--agent", f"{own.name}:Hasty", "--env", env, "--steps", "50", "--quiet", "--run", "my run"]
    done = in_new_process(f"import sys, agents.cli; sys.exit(agents.cli.main({line!r}))", own.parent)
    assert done.returncode == 0, done.stderr
    (suggested,) = [text for text in done.stdout.splitlines() if text.startswith("next")]
    program, *words = shlex.split(suggested.removeprefix("next"))
    assert (program, *words[:2]) == ("minigrad", "evaluate", "my run")
    done = in_new_process(f"import sys, agents.cli; sys.exit(agents.cli.main({words!r}))", own.parent)
    assert done.returncode == 0, done.stderr
    assert "step 50: " in done.stdout


def test_a_scripts_run_goes_on_from_the_command_line(own: Path, capsys: pytest.CaptureFixture) -> None:
    """Its class was `__main__:Hasty` for the script, and is `own:Hasty` from then on."""
    with open(own, "a") as file:
        file.write(f"if __name__ == '__main__':\n    Hasty({ENV!r}).learn(100, run='run')\n")
    done = in_new_process(f"import runpy; runpy.run_path({own.name!r}, run_name='__main__')", own.parent)
    assert done.returncode == 0, done.stderr
    for steps in (200, 300):
        line = ["resume", "run", "--steps", str(steps), "--agent", f"{own.name}:Hasty", "--quiet"]
        assert cli.main(line) == 0, capsys.readouterr().err
    kind = import_agent(f"{own.name}:Hasty")
    assert kind is not None
    assert kind.load("run").learn(100, run="run").steps == 400
    assert json.loads(Path("run/config.json").read_text())["class"] == "__main__:Hasty"
