"""What each step of REINFORCE's story brings: the return over the first thousand episodes, and after them.

    python benchmarks/episodes.py [--seeds N] [--episodes N] [--jobs N]

On CartPole-v1, with the hyper-parameters that all have in common: the simple policy gradient (every action weighed by
the whole return), REINFORCE (by what came after it), and REINFORCE with a baseline, the best constant one and a learned
V(s). "Area" is the area under the learning curve, as the mean of its training returns; two figures tell how sure the
order is: the area's 95 % bootstrap interval, and on how many of the seeds it is above the one before. "Greedy" is the
final policy's return on 100 new episodes. Writes benchmarks/results/episodes.{md,json,png}."""

from __future__ import annotations

import sys
from pathlib import Path

# Beside this file lies agents.py, which would be taken for the package.
sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks.common import RESULTS, fair_start, table, write

if __name__ == "__main__":  # not in the processes that train
    fair_start()

import argparse
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import Any

import numpy as np

from agents import Agent, Reinforce, ReinforceWithBaseline, SimplePolicyGradient, evaluate
from agents.core.training import train
from agents.runs.plots import mean_and_interval, moving_average
from agents.runs.progress import Returns
from benchmarks.learning import EPISODE_SEED, EPISODES, median_and_interval

ENV = "CartPole-v1"
CONTESTANTS: dict[str, tuple[type[Agent], dict[str, Any]]] = {
    "simple policy gradient": (SimplePolicyGradient, {}),
    "REINFORCE": (Reinforce, {}),
    "REINFORCE, constant baseline": (ReinforceWithBaseline, {"baseline": "constant"}),
    "REINFORCE, learned V(s)": (ReinforceWithBaseline, {"baseline": "value"}),
}


def train_for(episodes: int, contestant: tuple[str, int]) -> tuple[list[float], float]:
    """The return of each of the first `episodes`, and the greedy one after them."""
    name, seed = contestant
    kind, changes = CONTESTANTS[name]
    agent = kind(ENV, seed=seed, num_envs=1, **changes)
    agent.total_steps = episodes * 500  # more than they can take
    returns = Returns()
    train(agent, progress=returns, stop=lambda: agent.episodes >= episodes)
    return returns, evaluate(agent, episodes=EPISODES, seed=EPISODE_SEED).mean


def draw(curves: dict[str, np.ndarray]) -> None:
    """The moving average of each contestant's returns, (seeds, episodes), with the interval over the seeds."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for name, returns in curves.items():
        at = np.arange(1, returns.shape[1] + 1)
        grid, mean, low, high = mean_and_interval([(at, moving_average(row, 21)) for row in returns])
        (line,) = axes.plot(grid, mean, label=name)
        axes.fill_between(grid, low, high, color=line.get_color(), alpha=0.2, linewidth=0)
    axes.set(xlabel="episode", ylabel="return while training, moving average of 21", title=ENV)
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(RESULTS / "episodes.png", dpi=100, metadata={"Software": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--episodes", type=int, default=1_000)
    parser.add_argument("--jobs", type=int, default=1, help="runs at the same time")
    options = parser.parse_args()

    runs = [(name, seed) for name in CONTESTANTS for seed in range(options.seeds)]
    with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool:
        results = list(pool.map(partial(train_for, options.episodes), runs))
    by_name = {
        name: [result for run, result in zip(runs, results, strict=True) if run[0] == name] for name in CONTESTANTS
    }
    curves = {name: np.array([returns for returns, _ in found]) for name, found in by_name.items()}
    areas = {name: returns.mean(axis=1) for name, returns in curves.items()}

    rows, before = [], None
    for name, found in by_name.items():
        above = "" if before is None else f"{np.sum(areas[name] > areas[before])} of {options.seeds}"
        greedy = np.array([final for _, final in found])
        rows.append([name, median_and_interval(areas[name]), above, median_and_interval(greedy)])
        before = name
    draw(curves)
    data = {
        name: [{"area": round(float(np.mean(returns)), 2), "greedy": round(final, 2)} for returns, final in found]
        for name, found in by_name.items()
    }
    title = f"The first {options.episodes:,} episodes of {ENV}, medians over {options.seeds} seeds"
    write("episodes", title, [table(["algorithm", "area", "above the one before", "greedy"], rows)], {"runs": data})


if __name__ == "__main__":
    main()
