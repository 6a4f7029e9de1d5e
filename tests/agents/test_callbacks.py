"""Callbacks are called at the right moments with the right figures. They may stop a training; one that only looks
leaves it as it was. A run goes on with its own."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import agents
from agents import DQN, PPO, Agent, QLearning, cli
from agents.core.built_in_callbacks import Every, SaveEvery, StopAtReturn, StopWithoutImprovement
from agents.core.callbacks import Callback, CallFunction, make_callbacks
from agents.core.training import train
from agents.runs.kept_callbacks import describe
from agents.runs.run import Run
from envs import UsageError
from tests.agents.conftest import assert_same_state, env_of

ENV = "minigrad/ProbeBoth-v0"
GRID = "minigrad/GridWorld-v0"


class Log(Callback):
    """Writes down every call."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def on_start(self, agent, figures) -> None:
        self.calls.append(("start", figures))

    def on_step(self, agent, figures) -> None:
        self.calls.append(("step", figures))

    def on_update(self, agent, figures) -> None:
        self.calls.append(("update", figures))

    def on_episode(self, agent, figures) -> None:
        self.calls.append(("episode", figures))

    def on_evaluation(self, agent, figures) -> None:
        self.calls.append(("evaluation", figures))

    def on_end(self, agent, figures) -> None:
        self.calls.append(("end", figures))

    def named(self, name: str) -> list[dict[str, Any]]:
        return [figures for called, figures in self.calls if called == name]


def rows(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def as_cells(figures: dict[str, Any]) -> dict[str, str]:
    return {name: "" if value is None else repr(value) for name, value in figures.items()}


def test_one_that_only_looks_changes_nothing(agent_type: type[Agent], tmp_path: Path) -> None:
    env = env_of(agent_type)
    alone = agent_type(env, seed=1, num_envs=2).learn(120, run=tmp_path / "alone")
    log = Log()
    watched = agent_type(env, seed=1, num_envs=2).learn(120, run=tmp_path / "watched", callbacks=[log])
    assert_same_state(alone, watched)
    for table in ("metrics.csv", "evaluations.csv"):
        assert (tmp_path / "alone" / table).read_bytes() == (tmp_path / "watched" / table).read_bytes()
    assert len(log.named("step")) == 60
    without_run = agent_type(env, seed=1, num_envs=2).learn(120)
    assert_same_state(without_run, agent_type(env, seed=1, num_envs=2).learn(120, callbacks=[Log()]))


def test_what_each_is_told(tmp_path: Path) -> None:
    log = Log()
    agent = DQN(ENV, seed=0, learning_starts=20, batch_size=4, train_every=5)
    agent.learn(50, run=tmp_path / "run", callbacks=[log])
    assert log.calls[0] == ("start", {"step": 0, "total_steps": 50, "run": tmp_path / "run", "evaluates": True})
    assert log.calls[-1] == ("end", {"step": 50, "finished": True, "reason": None})
    # What is in a table is what was told.
    assert [as_cells(figures) for figures in log.named("episode")] == rows(tmp_path / "run" / "metrics.csv")
    assert [as_cells(figures) for figures in log.named("evaluation")] == rows(tmp_path / "run" / "evaluations.csv")
    steps = log.named("step")
    assert [figures["step"] for figures in steps] == list(range(1, 51))
    assert all(len(figures["transition"].reward) == 1 for figures in steps)
    updates = log.named("update")
    assert [figures["step"] for figures in updates] == [
        25,
        30,
        35,
        40,
        45,
        50,
    ]  # after learning_starts, every train_every
    assert list(updates[0]) == ["step", *DQN.metric_names]


def test_the_figures_of_an_update_are_its_own() -> None:
    """Not the mean since the last episode. The mean of the updates of an episode is the episode's figure."""
    log = Log()
    QLearning(GRID, seed=0).learn(300, callbacks=[log])
    waiting: list[float] = []
    compared = 0
    for name, figures in log.calls:
        if name == "update":
            waiting.append(figures["td_error"])
        elif name == "episode":
            assert figures["td_error"] == pytest.approx(np.mean(waiting), rel=1e-9)
            compared += len(set(waiting)) > 1
            waiting = []
    assert compared


def test_the_order_in_a_step() -> None:
    log = Log()
    DQN(ENV, seed=0, learning_starts=4, batch_size=4).learn(8, callbacks=[log])
    names = [name for name, figures in log.calls if figures["step"] == 8]
    assert [name for name in names if name != "episode"] == ["update", "step", "end"]
    assert names[1] in ("episode", "step")
    # An episode that a step ends is told of before the step.
    where = [i for i, (name, _) in enumerate(log.calls) if name == "episode"]
    assert where
    assert all(log.calls[i + 1][0] == "step" for i in where)


def test_a_callback_stops_the_training(tmp_path: Path) -> None:
    class StopAt(Callback):
        def on_step(self, agent, figures) -> None:
            if figures["step"] == 23:
                agent.stop("enough")

    log = Log()
    agent = DQN(ENV, seed=0).learn(1_000, run=tmp_path / "run", callbacks=[StopAt(), log])
    assert agent.steps == 23
    assert agent.stopped == "enough"
    assert log.calls[-1] == ("end", {"step": 23, "finished": True, "reason": "enough"})
    # It has been evaluated and saved where it ended.
    assert [row["step"] for row in rows(tmp_path / "run" / "evaluations.csv")] == ["23"]
    loaded = DQN.load(tmp_path / "run", best=True)
    assert (loaded.steps, loaded.stopped) == (23, "enough")
    # It can go on.
    assert agent.learn(10).steps == 33
    assert agent.stopped is None


def test_a_callback_that_stops_before_the_first_step() -> None:
    class Never(Callback):
        def on_start(self, agent, figures) -> None:
            agent.stop("no")

    assert DQN(ENV).learn(10, callbacks=[Never()]).steps == 0


def test_functions() -> None:
    """A function is called at every episode; in `Every`, after so many steps, counted from zero."""
    at_episodes: list[int] = []
    at_steps: list[int] = []
    callbacks = [
        lambda agent, figures: at_episodes.append(figures["episode"]),
        Every(10, lambda agent, figures: at_steps.append(agent.steps)),
    ]
    agent = QLearning(GRID, seed=0, num_envs=3)
    agent.learn(35, callbacks=callbacks).learn(30, callbacks=callbacks)
    assert at_steps == [12, 21, 30, 42, 51, 60]
    assert at_episodes == list(range(1, agent.episodes + 1))


def test_stop_at_return() -> None:
    """The first moment at which the mean of the last three episodes is there."""
    returns: list[float] = []
    agent = QLearning(GRID, seed=0)
    note = CallFunction(lambda agent, figures: returns.append(figures["return"]))
    agent.learn(5_000, callbacks=[note, StopAtReturn(0.5, episodes=3)])
    means = [np.mean(returns[i - 3 : i]) for i in range(3, len(returns) + 1)]
    assert means[-1] >= 0.5
    assert len(means) == 1 or max(means[:-1]) < 0.5
    assert agent.steps < 5_000
    assert agent.stopped == f"the mean return of 3 episodes is {means[-1]:g}, at least 0.5"


def test_stop_without_improvement(tmp_path: Path) -> None:
    stop = StopWithoutImprovement(2)
    agent = DQN(ENV, seed=0)
    for mean, without in ((1.0, 0), (0.5, 1), (2.0, 0), (2.0, 1)):
        stop.on_evaluation(agent, {"step": 0, "mean": mean, "std": 0.0})
        assert (stop._without, agent.stopped) == (without, None)
    stop.on_evaluation(agent, {"step": 0, "mean": 1.9, "std": 0.0})
    assert agent.stopped == "2 evaluations in a row were not better than 2"
    # Of a training: the first evaluation is the best one, because nothing is learned.
    agent = DQN(ENV, seed=0).learn(100, run=tmp_path / "run", callbacks=[StopWithoutImprovement(3)])
    assert (agent.steps, len(rows(tmp_path / "run" / "evaluations.csv"))) == (40, 4)
    with pytest.raises(UsageError, match="StopWithoutImprovement needs evaluations, and this training has none"):
        DQN(ENV).learn(10, callbacks=[StopWithoutImprovement()])


def test_save_every(tmp_path: Path) -> None:
    agent = DQN(ENV, seed=0).learn(25, run=tmp_path / "run", callbacks=[SaveEvery(10)])
    saved = tmp_path / "run" / "saved"
    assert sorted(path.name for path in saved.iterdir()) == ["step-10", "step-20"]
    assert_same_state(DQN.load(saved / "step-20").learn(5), agent, but="/total_steps")
    DQN(ENV, seed=0).learn(10, callbacks=[SaveEvery(5, tmp_path / "here")])
    assert DQN.load(tmp_path / "here" / "step-5").steps == 5
    with pytest.raises(UsageError, match="SaveEvery has no place to save; give it a directory, or give the training"):
        DQN(ENV).learn(10, callbacks=[SaveEvery(5)])


@pytest.mark.parametrize(
    ("callbacks", "message"),
    [
        (StopAtReturn(1), r"callbacks must be a list, got .*; give \[StopAtReturn\(...\)\]"),
        ([StopAtReturn], r"a callback is a Callback or a function of .*; give StopAtReturn\(...\)"),
        (["stop"], "a callback is a Callback or a function of .*, got 'stop'"),
    ],
)
def test_what_is_no_callback(callbacks: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        DQN(ENV).learn(10, callbacks=callbacks)


def test_settings_are_checked() -> None:
    with pytest.raises(UsageError, match="value must be a number, got 'high'"):
        StopAtReturn("high")
    with pytest.raises(UsageError, match="episodes must be at least 1, got 0"):
        StopAtReturn(1, episodes=0)
    with pytest.raises(UsageError, match="evaluations must be at least 1, got 0"):
        StopWithoutImprovement(0)
    with pytest.raises(UsageError, match=r"steps must be a whole number, got 2.5"):
        SaveEvery(2.5)
    with pytest.raises(UsageError, match="steps must be at least 1, got 0"):
        Every(0, print)


def test_ppo_is_told_of_rollouts() -> None:
    log = Log()
    PPO("CartPole-v1", seed=0, num_envs=2, rollout_steps=8, batch_size=8, epochs=1).learn(64, callbacks=[log])
    assert [figures["step"] for figures in log.named("update")] == [16, 32, 48, 64]
    assert len(make_callbacks([log])) == 1


# -- in a run

SETTINGS = {"learning_starts": 20, "batch_size": 8, "hidden": (8,)}


def start(directory: Path, callbacks: list[Callback], until: int) -> DQN:
    """The first `until` steps of a training of 400, which is then interrupted and saved."""
    agent = DQN(ENV, seed=0, **SETTINGS)
    agent.total_steps = 400
    run = Run.create(directory, {**agent.config(), "callbacks": [describe(callback) for callback in callbacks]})
    train(agent, run, stop=lambda: agent.steps >= until, callbacks=callbacks)
    run.close()
    return agent


@pytest.mark.parametrize(
    "make",
    [
        lambda: StopAtReturn(0.8, episodes=10),
        lambda: StopWithoutImprovement(3),
        lambda: SaveEvery(70),
    ],
    ids=["StopAtReturn", "StopWithoutImprovement", "SaveEvery"],
)
def test_a_resumed_run_goes_on_with_its_callbacks(make: Any, tmp_path: Path, capsys) -> None:
    """Exactly: an interruption at any moment changes nothing, so what a callback has seen before it must count."""
    whole = DQN(ENV, seed=0, **SETTINGS).learn(400, run=tmp_path / "whole", callbacks=[make()])
    until = max(25, whole.steps - 3) if whole.stopped else 130
    start(tmp_path / "parts", [make()], until)
    assert cli.main(["resume", str(tmp_path / "parts"), "--quiet"]) == 0
    assert_same_state(whole, DQN.load(tmp_path / "parts"))
    for table in ("metrics.csv", "evaluations.csv"):
        assert (tmp_path / "whole" / table).read_bytes() == (tmp_path / "parts" / table).read_bytes()
    saved = [sorted(path.name for path in (tmp_path / run / "saved").glob("*")) for run in ("whole", "parts")]
    assert saved[0] == saved[1]
    if whole.stopped:
        assert whole.stopped in capsys.readouterr().out
        # It is finished, unless it is told to be longer.
        assert cli.main(["resume", str(tmp_path / "parts")]) == 0
        assert f"is finished: stopped at step {whole.steps:,}, {whole.stopped}; " in capsys.readouterr().out
    assert bool(whole.stopped) == (make().__class__ is not SaveEvery)


class Own(Callback):
    def __init__(self) -> None:
        self.seen = 0

    def on_step(self, agent, figures) -> None:
        self.seen += 1

    def state_dict(self) -> dict[str, Any]:
        return {"seen": self.seen}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.seen = state["seen"]


def test_ones_own_must_be_given_again(tmp_path: Path, capsys) -> None:
    run = tmp_path / "run"
    start(run, [Own(), SaveEvery(1_000)], until=50)
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    assert cli.main(["resume", str(run)]) == 2
    said = capsys.readouterr().err
    assert f"{run} was trained with callbacks of your own" in said
    assert "tests.agents.test_callbacks:Own" in said
    assert said.count("\n") == 1
    assert before == {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    with pytest.raises(UsageError, match="callbacks of your own, which no file can bring back"):
        agents.load(run).learn(10, run=run)
    own = Own()
    agents.load(run).learn(10, run=run, callbacks=[own])
    assert own.seen == 60
    assert json.loads((run / "config.json").read_text())["callbacks"] == [{"own": "tests.agents.test_callbacks:Own"}]
    agents.load(run).learn(10, run=run, callbacks=[])
    assert json.loads((run / "config.json").read_text())["callbacks"] == []
    agents.load(run).learn(10, run=run)


def ignore(agent: Agent, figures: dict[str, Any]) -> None:
    """Looks at nothing."""


def test_what_config_json_says(tmp_path: Path) -> None:
    run = tmp_path / "run"
    DQN(ENV).learn(10, run=run, callbacks=[StopAtReturn(3, 7), SaveEvery(4), Every(2, ignore), ignore])
    function = {"own": "tests.agents.test_callbacks:ignore"}
    assert json.loads((run / "config.json").read_text())["callbacks"] == [
        {"name": "StopAtReturn", "settings": {"value": 3.0, "episodes": 7}},
        {"name": "SaveEvery", "settings": {"steps": 4, "directory": None}},
        function,
        function,
    ]


@pytest.mark.parametrize(
    ("callback", "message"),
    [
        (
            {"name": "Nothing", "settings": {}},
            "names the callback 'Nothing', which this version of minigrad doesn't have",
        ),
        (
            {"name": "StopAtReturn", "settings": {"valu": 1}},
            "is damaged: its callback StopAtReturn can't be made again",
        ),
        ({"name": "StopAtReturn"}, "callbacks must be a list of names and settings"),
    ],
)
def test_a_damaged_config(callback: dict[str, Any], message: str, tmp_path: Path, capsys) -> None:
    run = tmp_path / "run"
    start(run, [], until=30)
    config = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps({**config, "callbacks": [callback]}))
    assert cli.main(["resume", str(run)]) == 2
    assert message in capsys.readouterr().err


def test_stop_at_return_on_the_command_line(tmp_path: Path, capsys) -> None:
    run = tmp_path / "run"
    line = ["train", "dqn", "--env", ENV, "--steps", "400", "--stop-at-return", "-1", "--run", str(run), "--quiet"]
    assert cli.main(line) == 0
    assert "stopped     the mean return of 100 episodes is " in capsys.readouterr().out
    assert agents.load(run).steps == 100
    assert json.loads((run / "config.json").read_text())["callbacks"] == [
        {"name": "StopAtReturn", "settings": {"value": -1.0, "episodes": 100}}
    ]
