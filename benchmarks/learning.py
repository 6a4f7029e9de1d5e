"""How well an agent learns: returns over several seeds, with an interval, beside the published figure.

    python benchmarks/learning.py ALGORITHM ENV [--seeds N] [--steps N]

Trains with the presets, one seed after the other, and evaluates greedily on 100 new episodes: the final
weights, and the checkpoint that evaluated best during training. Adds the rows to
benchmarks/results/learning.csv and renders all of it as benchmarks/results/learning.md."""

from __future__ import annotations

import argparse
import csv
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

# Beside this file lies agents.py, which would be taken for the package.
sys.path[0] = str(Path(__file__).resolve().parents[1])

from agents import evaluate
from agents.presets import preset_for
from agents.registry import agent_class

RESULTS = Path(__file__).parent / "results"
EPISODES = 100
EPISODE_SEED = 2_000_000  # not the episodes that chose the best checkpoint
COLUMNS = ("algorithm", "env", "steps", "seed", "final", "best", "best_step", "seconds")

# Where a figure is published, and under which protocol: never two protocols in one column.
PUBLISHED = {
    (
        "dqn",
        "CartPole-v1",
    ): "500 ± 0 @50k (RL Zoo, one run); 488.7 ± 16 @500k (CleanRL, training returns, 3 seeds)",
    ("double-dqn", "CartPole-v1"): "452 @200k with prioritised replay (SLM-Lab, final moving average)",
}


def train_and_evaluate(algorithm: str, env: str, seed: int, steps: int) -> dict[str, str | int | float]:
    agent_type = agent_class(algorithm)
    with tempfile.TemporaryDirectory() as directory:
        started = time.perf_counter()
        agent = agent_type(env, seed=seed).learn(steps, run=f"{directory}/run")
        seconds = time.perf_counter() - started
        best = agent_type.load(f"{directory}/run", best=True)
    return {
        "algorithm": algorithm,
        "env": env,
        "steps": steps,
        "seed": seed,
        "final": round(evaluate(agent, episodes=EPISODES, seed=EPISODE_SEED).mean, 2),
        "best": round(evaluate(best, episodes=EPISODES, seed=EPISODE_SEED).mean, 2),
        "best_step": best.steps,
        "seconds": round(seconds, 1),
    }


def median_and_interval(values: np.ndarray) -> str:
    """The median over seeds and its 95 % bootstrap interval."""
    drawn = np.random.default_rng(0).choice(values, size=(10_000, len(values)))
    low, high = np.percentile(np.median(drawn, axis=1), [2.5, 97.5])
    return f"{np.median(values):.1f} [{low:.1f}, {high:.1f}]"


def render(rows: list[dict[str, str]]) -> str:
    lines = [
        f"Greedy returns on {EPISODES} new episodes: median over seeds and its 95 % bootstrap interval. Each row is",
        "`python benchmarks/learning.py ALGORITHM ENV --seeds N --steps N`.",
        "",
        "| algorithm | environment | steps | seeds | final weights | best checkpoint | seconds | published |",
        "|---|---|---|---|---|---|---|---|",
    ]
    groups: dict[tuple[str, str, str], list[dict[str, str]]] = {}
    for row in rows:
        groups.setdefault((row["algorithm"], row["env"], row["steps"]), []).append(row)
    for (algorithm, env, steps), group in sorted(groups.items()):
        final, best, seconds = (
            np.array([float(row[key]) for row in group]) for key in ("final", "best", "seconds")
        )
        cells = [algorithm, env, f"{int(steps):,}", str(len(group)), median_and_interval(final)]
        cells += [median_and_interval(best), f"{np.median(seconds):.0f}", PUBLISHED.get((algorithm, env), "")]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("algorithm")
    parser.add_argument("env")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int)
    options = parser.parse_args()
    steps = options.steps or preset_for(agent_class(options.algorithm), options.env).steps

    path = RESULTS / "learning.csv"
    RESULTS.mkdir(exist_ok=True)
    rows = list(csv.DictReader(path.open(newline=""))) if path.exists() else []
    same = (options.algorithm, options.env, str(steps))
    rows = [row for row in rows if (row["algorithm"], row["env"], row["steps"]) != same]
    for seed in range(options.seeds):
        row = train_and_evaluate(options.algorithm, options.env, seed, steps)
        print(", ".join(f"{key} {value}" for key, value in row.items()), flush=True)
        rows.append({key: str(value) for key, value in row.items()})
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    (RESULTS / "learning.md").write_text(render(rows))


if __name__ == "__main__":
    main()
