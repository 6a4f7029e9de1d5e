"""Learning curves: one run's, or several runs' with an interval over seeds, as a PNG."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from envs import UsageError

from .runs import read_config, read_table

Curve = tuple[np.ndarray, np.ndarray]  # steps, values


def moving_average(values: np.ndarray, window: int) -> np.ndarray:
    """The mean of the `window` values around each one, as many values as were given: near the ends the window
    is cut to what is there, equally on both sides, so that the average never lags or leads."""
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


def returns_of(run: str | Path) -> Curve:
    table = read_table(Path(run) / "metrics.csv")
    if not table.get("return"):
        raise UsageError(f"{run} has no finished episode yet, so there is nothing to plot")
    return np.array(table["step"], np.float64), np.array(table["return"], np.float64)


def plot_runs(runs: Sequence[str | Path], output: str | Path | None = None, window: int = 21) -> Path:
    """Draws the runs' return curves and returns where. One run: its episodes, their moving average and its
    greedy evaluations. Several: runs that differ in nothing but the seed are one line, with an interval."""
    # The object-oriented interface: pyplot would open a window system and keep every figure.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    configs = [read_config(run) for run in runs]
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    if len(runs) == 1:
        draw_run(axes, Path(runs[0]), window)
    else:
        for label, group in grouped(runs, configs).items():
            curves = [(steps, moving_average(values, window)) for steps, values in map(returns_of, group)]
            grid, mean, low, high = mean_and_interval(curves)
            (line,) = axes.plot(grid, mean, label=f"{label} ({len(group)} seed{'s' * (len(group) > 1)})")
            axes.fill_between(grid, low, high, color=line.get_color(), alpha=0.2, linewidth=0)
    axes.set(
        xlabel="environment steps", ylabel="return", title=", ".join(dict.fromkeys(c["env"] for c in configs))
    )
    axes.grid(alpha=0.3)
    axes.legend()
    path = (
        Path(output)
        if output is not None
        else Path(runs[0]) / ("returns.png" if len(runs) == 1 else "compared.png")
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    return path


def draw_run(axes: Any, run: Path, window: int) -> None:
    steps, returns = returns_of(run)
    axes.plot(steps, returns, alpha=0.3, linewidth=0.8, label="episodes")
    axes.plot(steps, moving_average(returns, window), label=f"moving average ({window} episodes)")
    evaluations = read_table(run / "evaluations.csv")
    if evaluations:
        axes.plot(evaluations["step"], evaluations["mean"], "o-", markersize=4, label="greedy evaluation")


def grouped(runs: Sequence[str | Path], configs: list[dict[str, Any]]) -> dict[str, list[str | Path]]:
    """The runs by what they have in common besides the seed, under the shortest label that tells them
    apart."""
    groups: dict[str, list[int]] = {}
    for i, config in enumerate(configs):
        groups.setdefault(json.dumps({**config, "seed": None}, sort_keys=True), []).append(i)
    short = [
        f"{configs[members[0]]['algorithm']} {configs[members[0]]['env']}" for members in groups.values()
    ]
    return {
        label if short.count(label) == 1 else f"{label} ({Path(runs[members[0]]).name})": [
            runs[i] for i in members
        ]
        for label, members in zip(short, groups.values(), strict=True)
    }
