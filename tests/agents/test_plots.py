"""Curves: an average that keeps its length, an interval over seeds, pictures that are pictures."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents import DQN, cli
from agents.runs.plots import curve_of, grouped, mean_and_interval, moving_average, plot_runs
from envs import UsageError

PNG = b"\x89PNG\r\n"


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=40), st.integers(1, 15))
def test_moving_average(values: list[float], window: int) -> None:
    average = moving_average(np.array(values), window)
    assert len(average) == len(values)
    for i, mean in enumerate(average):
        half = min(i, len(values) - 1 - i, window // 2)
        assert mean == pytest.approx(np.mean(values[i - half : i + half + 1]), abs=1e-6)


def test_moving_average_of_a_line_is_the_line() -> None:
    line = np.arange(50.0)
    np.testing.assert_allclose(moving_average(line, 21), line)


def test_interval_over_seeds() -> None:
    steps = np.arange(1.0, 101.0)
    curves = [(steps * (1 + 0.01 * i), np.full(100, float(i))) for i in range(5)]
    grid, mean, low, high = mean_and_interval(curves)
    assert grid[0] == pytest.approx(1.04)
    assert grid[-1] == pytest.approx(100.0)
    np.testing.assert_allclose(mean, 2.0)
    assert (low < mean).all()
    assert (mean < high).all()
    assert (low >= 0).all()
    assert (high <= 4).all()
    _, mean, low, high = mean_and_interval(curves[:1])
    np.testing.assert_array_equal(low, high)


def test_plots_of_one_run_and_of_several(tmp_path: Path, capsys) -> None:
    for seed in range(3):
        DQN("minigrad/ProbeBoth-v0", seed=seed).learn(200, run=tmp_path / f"run{seed}")
    DQN("minigrad/ProbeBoth-v0", learning_rate=0.1).learn(200, run=tmp_path / "other")
    runs = [str(tmp_path / name) for name in ("run0", "run1", "run2", "other")]
    assert cli.main(["plot", runs[0]]) == 0
    assert (tmp_path / "run0" / "returns.png").read_bytes().startswith(PNG)
    assert cli.main(["plot", *runs, "--output", str(tmp_path / "new" / "all.png")]) == 0
    assert (tmp_path / "new" / "all.png").read_bytes().startswith(PNG)
    with pytest.raises(UsageError, match="is not a run"):
        plot_runs([tmp_path])


def test_plots_of_any_metric(tmp_path: Path, capsys) -> None:
    runs = [str(tmp_path / f"run{seed}") for seed in range(2)]
    for seed, run in enumerate(runs):
        DQN("minigrad/ProbeBoth-v0", seed=seed).learn(200, run=run)
    for window in ("0", "-5"):
        assert cli.main(["plot", runs[0], "--window", window]) == 2
        assert capsys.readouterr().err == f"minigrad: window must be at least 1, got {window}\n"
    assert cli.main(["plot", runs[0], "--metric", "q_value"]) == 0
    assert cli.main(["plot", *runs, "--metric", "q_value"]) == 0
    for path in ("run0/q_value.png", "compared-q_value.png"):  # within the run; beside several runs
        assert (tmp_path / path).read_bytes().startswith(PNG)
    capsys.readouterr()
    assert cli.main(["plot", *runs, "--metric", "q_valu"]) == 2
    assert capsys.readouterr().err == (
        f"minigrad: {runs[0]} has no metric 'q_valu'; it has episode, return, length, epsilon, loss, "
        f"q_value, max_q, gradient_norm; did you mean q_value?\n"
    )


def test_a_curve_leaves_out_empty_cells(tmp_path: Path) -> None:
    """Nothing is learned in the first episodes, so their loss is empty."""
    (tmp_path / "metrics.csv").write_text("step,return,loss,q_value\n1,0.5,,\n3,1.5,,\n4,2.5,0.25,\n6,0.5,0.125,\n")
    for metric, expected in (("return", [[1, 3, 4, 6], [0.5, 1.5, 2.5, 0.5]]), ("loss", [[4, 6], [0.25, 0.125]])):
        np.testing.assert_array_equal(curve_of(tmp_path, metric), expected)
    with pytest.raises(UsageError, match=r"no q_value yet: its column in metrics\.csv is empty"):
        curve_of(tmp_path, "q_value")
    with pytest.raises(UsageError, match=r"no metric 'step'.* it has return, loss, q_value"):
        curve_of(tmp_path, "step")


def test_what_is_drawn(tmp_path: Path, monkeypatch) -> None:
    """The named column's values, and the greedy evaluations among returns only."""
    from matplotlib.figure import Figure

    figures: list[Figure] = []
    monkeypatch.setattr(Figure, "savefig", lambda self, *_, **__: figures.append(self))
    run = tmp_path / "run"
    DQN("minigrad/ProbeBoth-v0").learn(200, run=run)
    for metric, lines in (("return", 3), ("loss", 2)):
        plot_runs([run], metric=metric)
        (axes,) = figures[-1].axes
        assert axes.get_ylabel() == metric
        assert len(axes.lines) == lines
        np.testing.assert_array_equal(axes.lines[0].get_xydata().T, curve_of(run, metric))


def test_matplotlib_is_imported_only_to_draw() -> None:
    code = "import sys, agents.cli; print([m for m in ('matplotlib', 'torch') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_band_is_a_95_percent_interval_of_the_mean() -> None:
    """1.96 standard errors on either side; of a 90 % interval it would be 1.645."""
    values = np.random.default_rng(0).normal(size=400)
    curves = [(np.array([0.0, 1.0]), np.full(2, value)) for value in values]
    _, mean, low, high = mean_and_interval(curves, points=2, resamples=20_000)
    half = 1.96 * values.std() / np.sqrt(len(values))
    np.testing.assert_allclose(mean, values.mean())
    np.testing.assert_allclose((high - low) / 2, half, rtol=0.05)


def configuration(seed: int, **other: object) -> dict:
    common = {"algorithm": "dqn", "class": "agents.value.dqn:DQN", "env": "CartPole-v1", "num_envs": 1, "steps": 100}
    return {**common, "seed": seed, "hyperparameters": {"gamma": 0.9}, **other}


@pytest.mark.parametrize(
    "difference",
    [
        {"hyperparameters": {"gamma": 0.8}},
        {"class": "my:Greedy"},
        {"algorithm": "c51"},
        {"env": "Acrobot-v1"},
        {"steps": 200},
        {"num_envs": 2},
        {"lengthened": [50]},
    ],
    ids=str,
)
def test_runs_that_differ_in_more_than_the_seed_are_not_its_seeds(difference: dict) -> None:
    configs = [configuration(0), configuration(1), configuration(0, **difference), configuration(1, **difference)]
    assert sorted(grouped(["a", "b", "c", "d"], configs).values()) == [["a", "b"], ["c", "d"]]
    (same,) = grouped(["a", "b"], [configuration(0, versions={"numpy": "2"}), configuration(1, device="cuda")]).values()
    assert same == ["a", "b"]


def test_a_class_of_ones_own_is_in_the_label() -> None:
    labels = grouped(["a", "b"], [configuration(0), configuration(1, **{"class": "my:Greedy"})])
    assert list(labels) == ["dqn CartPole-v1", "dqn (Greedy) CartPole-v1"]


def test_a_seed_that_is_there_twice_counts_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that was typed again is no second sample: the band would have the width 0."""
    from matplotlib.axes import Axes

    labels: list[str] = []
    monkeypatch.setattr(Axes, "legend", lambda axes: labels.extend(line.get_label() for line in axes.lines))
    for name, seed in (("q0", 0), ("q0b", 0), ("q1", 1)):
        DQN("minigrad/ProbeBoth-v0", seed=seed).learn(200, run=tmp_path / name)
    with pytest.warns(UserWarning, match="q0b is left out: like .*q0 it is seed 0"):
        plot_runs([tmp_path / "q0", tmp_path / "q0b", tmp_path / "q1"])
    assert labels == ["dqn minigrad/ProbeBoth-v0 (2 seeds)"]
    with pytest.warns(UserWarning, match="q0b is left out"):
        plot_runs([tmp_path / "q0", tmp_path / "q0b"])
    assert labels[1:] == ["dqn minigrad/ProbeBoth-v0 (1 seed)"]
