"""Sutton & Barto's figure 8.2: Dyna-Q in the Dyna maze, with 0, 5 and 50 planning steps after every real one.

    python benchmarks/dyna_q.py [--repetitions N] [--episodes N]

As in the book: α = 0.1, γ = 0.95, ε = 0.1, every value 0 at the start, a reward of 1 at the goal alone, no time limit.
In each repetition the seed is the same for every number of planning steps, so that the first episode is the same for
all: before a goal there is nothing to learn. Writes the steps of each episode, the mean over the repetitions, to
benchmarks/results/dyna_q.{md,json,png}.

Sutton & Barto, "Reinforcement Learning" (2018), section 8.2, example 8.1."""

from __future__ import annotations

import sys
from pathlib import Path

# Beside this file lies agents.py, which would be taken for the package.
sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks.common import RESULTS, fair_start, table, write

if __name__ == "__main__":
    fair_start()

import argparse

import numpy as np

from agents import DynaQ
from agents.core.training import train
from agents.tabular.parts.planning import evaluate_policy, optimal_values
from benchmarks.learning import median_and_interval
from envs import make_environments
from envs.gridworld import GridWorld

MAZE = """
.......#G
..#....#.
S.#....#.
..#......
.....#...
.........
"""
PLANNING_STEPS = (0, 5, 50)
HYPERPARAMETERS = dict(gamma=0.95, learning_rate=0.1, epsilon_start=0.1, epsilon_end=0.1)
NEAR = 1.2  # times what an ε-greedy agent needs that knows the best way


class Lengths(list[int]):
    """Stands where a `Progress` would, and keeps the length of every episode: the steps since the one before."""

    def __init__(self, agent: DynaQ) -> None:
        super().__init__()
        self._agent = agent

    def episode(self, total_reward: float, figures: dict[str, float | None]) -> None:
        self.append(self._agent.steps - sum(self))

    def update(self, step: int, force: bool = False) -> None:
        pass


def lengths_of(planning_steps: int, seed: int, episodes: int) -> list[int]:
    agent = DynaQ(GridWorld, env_options={"map": MAZE}, seed=seed, planning_steps=planning_steps, **HYPERPARAMETERS)
    agent.total_steps, lengths = 10**9, Lengths(agent)
    train(agent, progress=lengths, stop=lambda: agent.episodes >= episodes)  # type: ignore[arg-type]
    return lengths


def shortest_way(epsilon: float) -> float:
    """The steps from start to goal, in expectation, of an agent that knows the best values and is ε-greedy."""
    model = make_environments(GridWorld, 1, {"map": MAZE}).model()
    values = optimal_values(model, HYPERPARAMETERS["gamma"])
    worth = model.reward + HYPERPARAMETERS["gamma"] * model.probability @ values
    best = np.isclose(worth, worth.max(1, keepdims=True))
    policy = (1 - epsilon) * best / best.sum(1, keepdims=True) + epsilon / best.shape[1]
    counting = model._replace(reward=-np.ones_like(model.reward))
    return -float(model.start @ evaluate_policy(counting, policy, 1.0))


def draw(lengths: dict[int, np.ndarray], least: float) -> None:
    """The mean over the repetitions, (repetitions, episodes), from the second episode on, as in the book."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for steps, rows in lengths.items():
        at = np.arange(2, rows.shape[1] + 1)
        mean, error = rows[:, 1:].mean(0), rows[:, 1:].std(0, ddof=1) / np.sqrt(len(rows))
        (line,) = axes.plot(at, mean, label=f"{steps} planning steps")
        axes.fill_between(at, mean - error, mean + error, color=line.get_color(), alpha=0.2, linewidth=0)
    axes.axhline(least, color="grey", linewidth=0.8, linestyle="--", label="best, with ε = 0.1")
    axes.set(xlabel="episode", ylabel="steps in the episode", ylim=(0, 800), title="Dyna-Q in the Dyna maze")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(RESULTS / "dyna_q.png", dpi=100, metadata={"Software": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repetitions", type=int, default=30)
    parser.add_argument("--episodes", type=int, default=50)
    options = parser.parse_args()

    seeds, least = range(options.repetitions), shortest_way(HYPERPARAMETERS["epsilon_start"])
    lengths = {n: np.array([lengths_of(n, seed, options.episodes) for seed in seeds]) for n in PLANNING_STEPS}
    rows = []
    for n, of in lengths.items():
        near = of.mean(0) <= NEAR * least
        first = int(near.argmax()) + 1 if near.any() else f"after {options.episodes}"
        early = [f"{of[:, episode - 1].mean():.0f}" for episode in (1, 2, 3, 5, 10)]
        rows.append([n, *early, first, median_and_interval(of[:, -10:].mean(1))])
    draw(lengths, least)
    header = ["planning steps", *[f"episode {i}" for i in (1, 2, 3, 5, 10)], "near the best from", "the last 10"]
    about = [
        "Steps in an episode, means over the repetitions; of the last 10 episodes the median over the repetitions and",
        f"its 95 % bootstrap interval. The shortest way has {shortest_way(0.0):.0f} steps; with ε = 0.1 one who knows",
        f'it needs {least:.1f}. "Near the best" is the first episode with a mean of at most {NEAR:g} times that.',
        "",
        "The book: without planning it takes about 25 episodes to come near the best, with 5 planning steps about 5,",
        f"with 50 about 3. The first episode is a random walk, which has {shortest_way(1.0):.0f} steps in expectation,",
        "exactly (the book's had about 1,700).",
        "",
        "![steps in an episode](dyna_q.png)",
    ]
    means = {str(n): [round(float(mean), 2) for mean in of.mean(0)] for n, of in lengths.items()}
    title = f"Dyna-Q in the Dyna maze, {options.repetitions} repetitions"
    write("dyna_q", title, [table(header, rows), "\n".join(about)], {"best": round(least, 2), "mean_steps": means})


if __name__ == "__main__":
    main()
