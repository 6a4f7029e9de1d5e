"""Every option of every subcommand changes something, and left out it is its default.

The options are those of the dataclasses; one without an entry here fails `test_every_option_has_an_entry`.
"""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agents import BC, cli, collect, load, read_steps
from agents.cli.ablation import AblationOptions
from agents.cli.check_env import CheckEnvOptions
from agents.cli.listing import ListOptions
from agents.cli.probe import ProbeOptions
from agents.cli.show import CollectOptions, EvaluateOptions, PlotOptions, RecordOptions
from agents.cli.train import ResumeOptions, TrainOptions
from agents.runs.tables import read_table

COMMANDS: dict[str, Any] = {
    "train": TrainOptions,
    "resume": ResumeOptions,
    "evaluate": EvaluateOptions,
    "record": RecordOptions,
    "collect": CollectOptions,
    "plot": PlotOptions,
    "list": ListOptions,
    "probe": ProbeOptions,
    "check-env": CheckEnvOptions,
    "ablation": AblationOptions,
}
ENV = "minigrad/GridWorld-v0"
ENTRIES: dict[tuple[str, str], Callable[[Session], None]] = {}


class Session:
    """A folder with a trained run, and what was said there."""

    def __init__(self, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
        self.capsys, self.monkeypatch = capsys, monkeypatch

    def out(self, *line: str, code: int = 0) -> str:
        return self._say(line, code).out

    def err(self, *line: str, code: int = 0) -> str:
        return self._say(line, code).err

    def _say(self, line: tuple[str, ...], code: int) -> Any:
        self.capsys.readouterr()
        assert cli.main(list(line)) == code, self.capsys.readouterr().err
        return self.capsys.readouterr()

    def train(self, run: str, *line: str) -> str:
        return self.out("train", "q-learning", "--env", ENV, "--steps", "200", "--run", run, *line)


def config(run: str) -> dict[str, Any]:
    return json.loads(Path(run, "config.json").read_text())


def entry(command: str, *options: str) -> Callable:
    def enter(function: Callable[[Session], None]) -> Callable[[Session], None]:
        for option in options:
            ENTRIES[command, option] = function
        return function

    return enter


def options_of(command: str) -> set[str]:
    # The hyper-parameters have a test of each in test_hyperparameters.py, and of their options in test_cli.py.
    return {field.name for field in dataclasses.fields(COMMANDS[command])} - {"hyperparameters"}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    line = f"train q-learning --env {ENV} --steps 200 --checkpoint-every 100 --quiet --run {folder / 'run'}"
    assert cli.main(line.split()) == 0
    return folder / "run"


@pytest.fixture
def session(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> Session:
    shutil.copytree(trained, tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    return Session(capsys, monkeypatch)


def test_every_command_is_here() -> None:
    assert COMMANDS.keys() == cli.COMMANDS.keys()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_has_an_entry(command: str) -> None:
    assert {option for of, option in ENTRIES if of == command} == options_of(command)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_every_option_with_its_meaning(command: str, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit):
        cli.main([command, *(["q-learning"] if command == "train" else []), "--help"])
    said = " ".join(re.sub("[│╭╮╰╯─]", " ", capsys.readouterr().out).split())
    for field in dataclasses.fields(COMMANDS[command]):
        if field.name in options_of(command):
            positional = field.name.removesuffix("s").upper()
            assert f"--{field.name.replace('_', '-')}" in said or positional in said, field.name


@entry("train", "capture")
def whether_updates_are_captured(session: Session) -> None:
    """The weights are the same, as the digests of two checkpoints are."""
    for name, option in (("default", []), ("without", ["--no-capture"])):
        session.out("train", "dqn", "--steps", "1100", "--run", name, "--quiet", *option)
    assert "capture" not in config("default")
    assert config("without")["capture"] is False
    first, second = (load(name).network.state_dict() for name in ("default", "without"))
    assert all((first[name].numpy() == second[name].numpy()).all() for name in first)


@entry("train", "env")
def the_environment(session: Session) -> None:
    session.out("train", "q-learning", "--steps", "30", "--run", "default", "--quiet")
    session.out("train", "q-learning", "--env", "FrozenLake-v1", "--steps", "30", "--run", "other", "--quiet")
    assert config("default")["env"] == ENV
    assert load("other").environments.name == "FrozenLake-v1"


@entry("train", "steps")
def the_number_of_steps(session: Session) -> None:
    from agents.presets import preset_for
    from agents.registry import agent_class

    session.monkeypatch.setattr("agents.cli.train.train", lambda *_, **__: False)  # not the whole of it
    assert "of 130;" in session.out("train", "q-learning", "--steps", "130")
    default = preset_for(agent_class("q-learning"), ENV).steps
    assert f"of {default:,};" in session.out("train", "q-learning")


@entry("train", "num_envs")
def the_number_of_environments(session: Session) -> None:
    session.train("three", "--num-envs", "3")
    assert (load("three").num_envs, load("run").num_envs) == (3, 1)


@entry("train", "seed")
def the_seed(session: Session) -> None:
    session.train("seed0", "--seed", "0")
    session.train("seed1", "--seed", "1")
    metrics = [Path(run, "metrics.csv").read_bytes() for run in ("run", "seed0", "seed1")]
    assert metrics[0] == metrics[1] != metrics[2]
    assert load("seed1").seed == 1


@entry("train", "device")
def the_device(session: Session) -> None:
    import minigrad as mg

    assert config("run")["device"] == "cpu"
    if not mg.cuda.is_available():
        said = session.err("train", "q-learning", "--device", "cuda", code=2)
        assert "cuda" in said.lower()


@entry("train", "run")
def where_the_run_goes(session: Session) -> None:
    session.train("some/where")
    assert Path("some/where/config.json").exists()
    session.out("train", "q-learning", "--steps", "30", "--quiet")
    assert Path("runs/q-learning-minigrad-GridWorld-v0-seed0/config.json").exists()


@entry("train", "checkpoint_every")
def how_often_it_is_saved(session: Session) -> None:
    assert read_table(Path("run/evaluations.csv"))["step"] == [100, 200]
    session.train("tenths")
    assert read_table(Path("tenths/evaluations.csv"))["step"] == list(range(20, 201, 20))
    shutil.rmtree("tenths/checkpoints/step-000000000200")
    session.out("resume", "tenths", "--steps", "210", "--quiet")  # a tenth of 210, counted from zero
    assert read_table(Path("tenths/evaluations.csv"))["step"][-2:] == [189, 210]


@entry("train", "evaluation_episodes")
def how_many_episodes_an_evaluation_has(session: Session) -> None:
    played: list[int] = []
    from agents.runs import recorder

    original = recorder.evaluate

    def evaluate(agent: Any, episodes: int) -> Any:
        played.append(episodes)
        return original(agent, episodes=episodes)

    session.monkeypatch.setattr(recorder, "evaluate", evaluate)
    session.train("default")
    session.train("three", "--evaluation-episodes", "3")
    assert played == [10] * 10 + [3] * 10
    session.train("none", "--evaluation-episodes", "0")
    assert not Path("none/evaluations.csv").exists()


@entry("train", "env_option")
def how_the_environment_is_made(session: Session) -> None:
    session.train("corridor", "--env-option", "map=S..G")
    assert load("corridor").environments.observation_space.n == 4
    assert load("run").environments.observation_space.n == 12


@entry("train", "stop_at_return")
def when_it_is_good_enough(session: Session) -> None:
    assert "stopped" not in session.train("whole", "--steps", "3000")
    said = session.train("part", "--steps", "3000", "--stop-at-return", "-100")
    assert "stopped     the mean return of 100 episodes is " in said
    assert len(read_table(Path("part/metrics.csv"))["return"]) == 100


@entry("train", "quiet")
def whether_there_is_progress(session: Session) -> None:
    line = ["train", "q-learning", "--env", ENV, "--steps", "100", "--run"]
    assert "100/100 steps" in session.err(*line, "loud")
    assert session.err(*line, "quiet", "--quiet") == ""


@entry("train", "data")
def what_it_learns_from(session: Session) -> None:
    line = ["--env", ENV, "--steps", "20", "--quiet", "--run"]
    session.out("collect", "run", "--output", "steps.safetensors")
    session.out("train", "bc", *line, "cloned", "--data", "steps.safetensors")
    assert load("cloned").steps == 20
    session.out("train", "dqn", *line, "helped", "--data", "steps.safetensors")
    count = len(read_steps("steps.safetensors"))
    assert len(load("helped").replay) == count + 20
    session.monkeypatch.setattr(BC, "__init__", BC.__init__.__wrapped__)  # type: ignore[attr-defined]  # conftest.py
    assert "bc learns from recorded steps; give data=FILE" in session.err("train", "bc", *line, "without", code=2)
    assert "ppo learns from its own steps alone" in session.err(
        "train", "ppo", *line, "own", "--data", "steps.safetensors", code=2
    )
    assert not Path("without").exists()
    assert not Path("own").exists()


@entry("resume", "run", "steps", "quiet")
def what_is_gone_on_with(session: Session) -> None:
    assert "run is finished: 200 of 200 steps" in session.out("resume", "run")
    said = session.err("resume", "run", "--steps", "260")
    assert "260/260 steps" in said
    assert load("run").steps == 260
    assert "/300 steps" not in session.err("resume", "run", "--steps", "300", "--quiet")
    assert load("run").steps == 300


@entry("resume", "agent", "env")
@entry("evaluate", "agent", "env")
@entry("record", "agent", "env")
@entry("collect", "agent", "env")
def the_class_and_the_environment(session: Session) -> None:
    Path("mine_of_options.py").write_text("from agents import QLearning\nclass Mine(QLearning):\n    pass\n")
    session.monkeypatch.syspath_prepend(".")
    for command in ("resume", "evaluate", "record", "collect"):
        line = [command, "run", *(["--output", "steps"] if command == "collect" else [])]
        said = session.err(*line, "--agent", "mine_of_options.py:Mine", code=2)
        assert "run was trained by agents." in said
        assert "not by mine_of_options:Mine" in said
        assert f"run was trained on {ENV}, not on CartPole-v1" in session.err(*line, "--env", "CartPole-v1", code=2)
    assert session.out("evaluate", "run", "--env", ENV) == session.out("evaluate", "run")


def spoil_newest(session: Session) -> None:
    """Makes the best checkpoint another one than the newest: at 100 everything is forgotten again."""
    session.train("two", "--checkpoint-every", "100", "--quiet")
    tree_of = lambda step: Path(f"two/checkpoints/step-{step:012d}")
    from agents.runs.checkpoint import Checkpoints

    checkpoints = Checkpoints(Path("two/checkpoints"))
    tree = checkpoints.load("step-000000000200")
    tree["best"] = {"step": 100, "mean": 1.0, "checkpoint": "step-000000000100"}
    checkpoints.save(200, tree, also_keep="step-000000000100")
    assert tree_of(100).exists()


@entry("evaluate", "run", "best")
@entry("record", "run", "best")
def the_best_checkpoint(session: Session) -> None:
    spoil_newest(session)
    assert "step 100: " in session.out("evaluate", "two", "--best")
    assert "step 200: " in session.out("evaluate", "two")
    seen: list[int] = []
    session.monkeypatch.setattr("agents.cli.show.record", lambda agent, *_: seen.append(agent.steps) or 1 / 0)
    for line in (["record", "two", "--best"], ["record", "two"]):
        with pytest.raises(ZeroDivisionError):
            cli.main(line)
    assert seen == [100, 200]


@entry("evaluate", "episodes", "seed")
def what_is_evaluated(session: Session) -> None:
    from agents import evaluate
    from agents.core.evaluation import EVALUATION_SEED

    asked: list[dict[str, int]] = []

    def remember(agent: Any, **options: int) -> Any:
        asked.append(options)
        return evaluate(agent, **options)

    session.monkeypatch.setattr("agents.cli.show.evaluate", remember)
    assert "over 3 episodes" in session.out("evaluate", "run", "--episodes", "3")
    assert "over 20 episodes" in session.out("evaluate", "run", "--seed", "7")
    assert "over 20 episodes" in session.out("evaluate", "run")
    assert [options["seed"] for options in asked] == [EVALUATION_SEED, 7, EVALUATION_SEED]
    assert "--episodes must be at least 1, got 0" in session.err("evaluate", "run", "--episodes", "0", code=2)


@entry("record", "episodes", "seed", "output")
def what_is_recorded(session: Session) -> None:
    from agents.core.evaluation import EVALUATION_SEED
    from agents.runs.films import Recording

    asked: list[tuple] = []

    def remember(agent: Any, output: Path, episodes: int, seed: int) -> Recording:
        asked.append((output, episodes, seed))
        return Recording(output, [1.0] * episodes, 5)  # type: ignore[arg-type]

    session.monkeypatch.setattr("agents.cli.show.record", remember)
    session.out("record", "run")
    session.out("record", "run", "--episodes", "3")
    session.out("record", "run", "--seed", "7")
    session.out("record", "run", "--output", "film.webp")
    inside = Path("run/episode.webp")
    assert asked == [
        (inside, 1, EVALUATION_SEED),
        (inside, 3, EVALUATION_SEED),
        (inside, 1, 7),
        (Path("film.webp"), 1, EVALUATION_SEED),
    ]


@entry("collect", "run", "output", "episodes", "seed", "stochastic", "best")
def what_is_collected(session: Session) -> None:
    from agents.core.evaluation import EVALUATION_SEED

    assert "a/b.safetensors: " in session.out("collect", "run", "--output", "a/b.safetensors")
    about = read_steps("a/b.safetensors").about
    assert (about["episodes"], len(about["returns"]), about["seed"]) == (10, 10, EVALUATION_SEED)
    session.out("collect", "run", "--output", "c", "--episodes", "3", "--seed", "7")
    about = read_steps("c").about
    assert (about["episodes"], len(about["returns"]), about["seed"]) == (3, 3, 7)
    spoil_newest(session)
    session.out("collect", "two", "--output", "newest")
    session.out("collect", "two", "--output", "best", "--best")
    assert [read_steps(name).about["agent_steps"] for name in ("newest", "best")] == [200, 100]
    asked: list[bool] = []

    def remember(agent: Any, output: Path, episodes: int, seed: int, deterministic: bool) -> Any:
        asked.append(deterministic)
        return collect(agent, output, episodes, seed, deterministic)

    session.monkeypatch.setattr("agents.cli.show.collect", remember)
    session.out("collect", "run", "--output", "d")
    session.out("collect", "run", "--output", "d", "--stochastic")
    assert asked == [True, False]


@entry("plot", "runs", "output", "window", "metric")
def what_is_drawn(session: Session) -> None:
    from matplotlib.axes import Axes

    rows = "".join(f"{step},{step % 3},{step % 5}\n" for step in range(1, 100))
    Path("run/metrics.csv").write_text(f"step,return,length\n{rows}")
    shutil.copytree("run", "run1")
    path = Path("run1/config.json")
    path.write_text(json.dumps({**config("run1"), "seed": 1}))
    drawn: list[list[list[float]]] = []
    session.monkeypatch.setattr(
        Axes, "legend", lambda axes: drawn.append([list(line.get_ydata()) for line in axes.lines])
    )
    assert session.out("plot", "run").strip() == "run/returns.png"
    assert session.out("plot", "run", "run1").strip().endswith("/compared.png")
    assert session.out("plot", "run", "--output", "a.png").strip() == "a.png"
    assert Path("a.png").exists()
    for runs in (["run"], ["run", "run1"]):
        drawn.clear()
        for more in ([], ["--window", "21"], ["--window", "1"], ["--metric", "length"]):
            session.out("plot", *runs, *more)
        default, same, narrow, other = (lines[1 if len(runs) == 1 else 0] for lines in drawn)
        assert default == same
        assert narrow != default
        assert other != default


@entry("probe", "algorithm", "seed")
def what_is_probed(session: Session) -> None:
    asked: list[tuple[str, int]] = []
    session.monkeypatch.setattr("agents.cli.probe.report", lambda kind, seed: asked.append((kind.name, seed)) or "said")
    assert session.out("probe", "ppo", "--seed", "3") == "said\n"
    session.out("probe", "dqn")
    assert asked == [("ppo", 3), ("dqn", 0)]


@entry("check-env", "env", "env_option")
def which_environment_is_checked(session: Session) -> None:
    asked: list[tuple[str, dict[str, Any]]] = []
    session.monkeypatch.setattr("agents.cli.check_env.examine", lambda make: make() and [])
    session.monkeypatch.setattr(
        "agents.cli.check_env.find_learners", lambda env, options: asked.append((env, options)) or (["dqn"], "")
    )
    assert "agents  dqn\n" in session.out("check-env", ENV)
    session.out("check-env", ENV, "--env-option", "slip=0.5", "--env-option", "stay=True")
    assert asked == [(ENV, {}), (ENV, {"slip": 0.5, "stay": True})]
    assert "has no option 'slop'" in session.err("check-env", ENV, "--env-option", "slop=1", code=2)


@entry("ablation", "env", "steps", "seeds", "jobs", "output")
def what_is_studied(session: Session) -> None:
    asked: list[tuple] = []
    session.monkeypatch.setattr("agents.cli.ablation.study", lambda *options: asked.append(options) or Path("p.png"))
    session.monkeypatch.setattr("agents.cli.ablation.summary", lambda directory, seeds: f"{seeds} seeds")
    session.out("ablation")
    line = ["--env", "Acrobot-v1", "--steps", "70", "--seeds", "2", "--jobs", "4", "--output", "study"]
    session.out("ablation", *line)
    assert asked == [
        (Path("runs/ablation-CartPole-v1"), "CartPole-v1", None, 3, 1),
        (Path("study"), "Acrobot-v1", 70, 2, 4),
    ]


@pytest.mark.parametrize("show", dict.fromkeys(ENTRIES.values()), ids=lambda show: show.__name__)
def test_what_an_option_changes(show: Callable[[Session], None], session: Session) -> None:
    show(session)


FAULTY = """
import gymnasium as gym
import numpy as np


class Faulty(gym.Env):
    observation_space = gym.spaces.Box(0, 1, (2,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.full(2, 5, np.float32), {}  # 5 is not in the space

    def step(self, action):
        return np.full(2, 5, np.float32), 0.0, False, True, {}


gym.register("Faulty-v0", Faulty, max_episode_steps=10)
"""


@entry("check-env", "env")
def the_environment_that_is_checked(session: Session) -> None:
    """One in which something must be mended, and one in which nothing must."""
    Path("faulty_environment.py").write_text(FAULTY)
    assert "nothing has to be mended" in session.out("check-env", ENV)
    assert "fault" in session.out("check-env", "faulty_environment:Faulty-v0", code=1)


@entry("check-env", "env_option")
def the_options_of_the_environment_that_is_checked(session: Session) -> None:
    said = session.err("check-env", "FrozenLake-v1", "--env-option", "is_slipery=False", code=2)
    assert "is_slippery" in said
    session.out("check-env", "FrozenLake-v1", "--env-option", "is_slippery=False")
