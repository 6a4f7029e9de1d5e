"""Learning curves: one run's, or several runs' with an interval over seeds, as a PNG. Of the return, or of any other
column of metrics.csv."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from envs.errors import UsageError, did_you_mean

from .config import read_config
from .tables import read_table

# What tells two samples of one experiment apart, and the machine that they were made on.
NOT_COMPARED = ("seed", "versions", "device", "capture")
Curve = tuple[np.ndarray, np.ndarray]  # steps, values


def moving_average(values: np.ndarray, window: int) -> np.ndarray:
    """The mean of the `window` values around each one (one more if that is even), as many values as were given: near
    the ends the window is cut to what is there, equally on both sides, so that the average never lags or leads."""
    values = np.asarray(values, np.float64)
    at = np.arange(len(values))
    half = np.minimum(np.minimum(at, len(values) - 1 - at), window // 2)
    total = np.concatenate([[0.0], np.cumsum(values)])
    return (total[at + half + 1] - total[at - half]) / (2 * half + 1)


def mean_and_interval(
    curves: Sequence[Curve], points: int = 200, resamples: int = 1000
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Steps, mean, and the ends of its 95 % bootstrap interval over the curves, where all of them have
    data."""
    first = max(steps[0] for steps, _ in curves)
    last = min(steps[-1] for steps, _ in curves)
    grid = np.linspace(first, last, points)
    values = np.stack([np.interp(grid, steps, value) for steps, value in curves])  # (curves, points)
    chosen = np.random.default_rng(0).integers(len(curves), size=(resamples, len(curves)))
    low, high = np.percentile(values[chosen].mean(axis=1), [2.5, 97.5], axis=0)
    return grid, values.mean(axis=0), low, high


def curve_of(run: str | Path, metric: str = "return") -> Curve:
    """A column of the run's metrics.csv, where it isn't empty."""
    table = read_table(Path(run) / "metrics.csv")
    if not table.get("return"):
        raise UsageError(f"{run} has no finished episode yet, so there is nothing to plot")
    known = [name for name in table if name != "step"]
    if metric not in known:
        raise UsageError(f"{run} has no metric {metric!r}; it has {', '.join(known)}{did_you_mean(metric, known)}")
    if "step" not in table:
        raise UsageError(f"{Path(run) / 'metrics.csv'} has no column step")
    points = [point for point in zip(table["step"], table[metric], strict=True) if point[1] is not None]
    if not points:
        raise UsageError(f"{run} has no {metric} yet: its column in metrics.csv is empty")
    steps, values = np.array(points, np.float64).T
    return steps, values


def plot_runs(
    runs: Sequence[str | Path], output: str | Path | None = None, window: int = 21, metric: str = "return"
) -> Path:
    """Draws the runs' curves of a `metric`, a column of metrics.csv, and returns where. One run: its episodes, their
    moving average and, of returns, its greedy evaluations. Several: runs that differ in nothing but the seed are one
    line, with an interval over the seeds; of a seed that is there twice, the first run counts.

    `output` left out, the picture goes into the run, or beside the runs where there are several.

    Raises `UsageError` for a metric that a run doesn't have, and for an empty window."""
    # The object-oriented interface: pyplot would open a window system and keep every figure.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if window < 1:
        raise UsageError(f"window must be at least 1, got {window}")
    configs = [read_config(run) for run in runs]
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    if len(runs) == 1:
        draw_run(axes, Path(runs[0]), window, metric)
    else:
        for label, group in grouped(runs, configs).items():
            curves = [
                (steps, moving_average(values, window)) for steps, values in (curve_of(run, metric) for run in group)
            ]
            grid, mean, low, high = mean_and_interval(curves)
            (line,) = axes.plot(grid, mean, label=f"{label} ({len(group)} seed{'s' * (len(group) > 1)})")
            axes.fill_between(grid, low, high, color=line.get_color(), alpha=0.2, linewidth=0)
    axes.set(
        xlabel="environment steps",
        ylabel=metric.replace("_", " "),
        title=", ".join(dict.fromkeys(c["env"] for c in configs)),
    )
    axes.grid(alpha=0.3)
    axes.legend()
    name = "returns" if metric == "return" else metric
    if len(runs) > 1:
        name = "compared" if metric == "return" else f"compared-{metric}"
    beside = (
        Path(runs[0]) if len(runs) == 1 else Path(os.path.commonpath([Path(run).absolute().parent for run in runs]))
    )
    path = Path(output) if output is not None else beside / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    return path


def draw_run(axes: Any, run: Path, window: int, metric: str) -> None:
    steps, values = curve_of(run, metric)
    axes.plot(steps, values, alpha=0.3, linewidth=0.8, label="episodes")
    axes.plot(steps, moving_average(values, window), label=f"moving average ({window} episodes)")
    evaluations = read_table(run / "evaluations.csv")
    if evaluations and metric == "return":
        axes.plot(evaluations["step"], evaluations["mean"], "o-", markersize=4, label="greedy evaluation")


def grouped(runs: Sequence[str | Path], configs: list[dict[str, Any]]) -> dict[str, list[str | Path]]:
    """The runs by what they have in common besides the seed, under the shortest label that tells them apart. In a group
    every seed is there once: two runs of one seed are one sample."""
    groups: dict[str, dict[int, int]] = {}  # the run of each seed, in each group
    for i, config in enumerate(configs):
        common = {name: value for name, value in config.items() if name not in NOT_COMPARED}
        seeds = groups.setdefault(json.dumps(common, sort_keys=True), {})
        if config["seed"] in seeds:
            first = runs[seeds[config["seed"]]]
            warnings.warn(f"{runs[i]} is left out: like {first} it is seed {config['seed']}", stacklevel=3)
        seeds.setdefault(config["seed"], i)
    members = [list(seeds.values()) for seeds in groups.values()]
    short = [label_of(configs[first]) for first, *_ in members]
    return {
        label if short.count(label) == 1 else f"{label} ({Path(runs[chosen[0]]).name})": [runs[i] for i in chosen]
        for label, chosen in zip(short, members, strict=True)
    }


def label_of(config: dict[str, Any]) -> str:
    """What a run is, in two or three words; a class that is not the algorithm's own is named."""
    kind = config.get("class", "agents.")
    own = "" if kind.startswith("agents.") else f" ({kind.partition(':')[2]})"
    return f"{config['algorithm']}{own} {config['env']}"
