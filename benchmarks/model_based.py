"""How few steps do agents with a learned model need? PETS and MBPO beside SAC on Pendulum-v1.

    python benchmarks/model_based.py [--seeds N]

SAC has 20,000 steps, PETS 2,000 and MBPO 1,600, as their presets say. Greedy returns from the same starts: 20, of which
PETS, whose every action is a search, plays 10. Returns on the way are those of the training's own episodes. Writes
benchmarks/results/model_based.{md,json}."""

from __future__ import annotations

import sys
from pathlib import Path

# Beside this file lies agents.py, which would be taken for the package.
sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks.common import fair_start, table, write

fair_start()

import argparse
import time
from typing import Any

import numpy as np

from agents import MBPO, PETS, SAC, evaluate
from agents.core.training import train
from agents.presets import preset_for
from agents.runs.progress import Returns

ENV, STARTS_SEED = "Pendulum-v1", 2_000_000
STARTS = {SAC: 20, MBPO: 20, PETS: 10}
GOAL = 15  # how far from SAC's mean return, from the same starts


def measure(kind: Any, seed: int) -> dict[str, Any]:
    agent, returns = kind(ENV, seed=seed), Returns()
    agent.total_steps = preset_for(kind, ENV).steps
    started = time.perf_counter()
    train(agent, progress=returns)
    seconds = time.perf_counter() - started
    greedy = evaluate(agent, episodes=STARTS[kind], seed=STARTS_SEED).returns
    figures = {"seed": seed, "seconds": round(seconds, 1), "training": np.round(returns, 1).tolist()}
    return {**figures, "greedy": np.round(greedy, 2).tolist()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    found: dict[str, list[dict[str, Any]]] = {}
    rows = []
    for kind in STARTS:
        runs = found[kind.name] = []
        for seed in range(options.seeds):
            runs.append(measure(kind, seed))
            print(kind.name, seed, np.mean(runs[-1]["greedy"]).round(1), f"{runs[-1]['seconds']:.0f} s", flush=True)
        means = [float(np.mean(run["greedy"])) for run in runs]
        peer = [float(np.mean(run["greedy"][: STARTS[kind]])) for run in found["sac"]]
        behind = np.median(peer) - np.median(means)
        rows.append(
            [
                kind.name,
                f"{preset_for(kind, ENV).steps:,}",
                str(STARTS[kind]),
                ", ".join(f"{mean:.1f}" for mean in means),
                f"{np.median(means):.1f}",
                "" if kind is SAC else f"**{behind:.1f}** (≤ {GOAL})",
                f"{np.median([run['seconds'] for run in runs]):.0f}",
            ]
        )
    columns = ["agent", "steps", "starts", "mean return of each seed", "median", "behind SAC (goal)", "seconds"]
    write("model_based", "Steps that a learned model saves", [table(columns, rows)], found)


if __name__ == "__main__":
    main()
