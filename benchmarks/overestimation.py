"""Does DQN believe that its actions are worth more than they are, and does Double DQN believe it less?

    python benchmarks/overestimation.py [--seeds N] [--steps N]

Both are trained on Pendulum-v1 with 11 actions and the same seeds. Then each plays greedy episodes; in every state of
their first half, max_a Q(s, a) is compared with the truth: the discounted rewards that really followed (what is left
out at the end of an episode of 200 steps counts less than γ^100 of a reward a step). Writes
benchmarks/results/overestimation.{md,json,png}; the picture shows max-Q during training. Rewards are never above 0, so
no value can be.

After van Hasselt, Guez & Silver, "Deep Reinforcement Learning with Double Q-learning", AAAI (2016), figure 3.
"""

from __future__ import annotations

import sys
from pathlib import Path

# Beside this file lies agents.py, which would be taken for the package.
sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks.common import RESULTS, fair_start, table, write

fair_start()

import argparse
import tempfile

import numpy as np

from agents import DQN, DoubleDQN
from agents.runs.plots import plot_runs
from agents.runs.tables import read_table

ENV = "Pendulum-v1"
EPISODES, COUNTED = 20, 100  # greedy episodes, and the steps of each that count


def believed_and_true(agent: DQN) -> tuple[float, float]:
    """The means, over the states of greedy episodes, of max_a Q(s, a) and of the discounted return from there."""
    environments = agent.make_environments(ENV, EPISODES)
    environments.reset(seed=3_000_000)
    believed, rewards = [], []
    for _ in range(200):
        believed.append(agent.action_values(environments.observation).max(axis=1))
        transition = environments.step(agent.predict_batch(environments.observation))
        rewards.append(transition.reward)
    returns = np.zeros(EPISODES)
    true = []
    for reward in reversed(rewards):
        returns = reward + agent.hyperparameters.gamma * returns
        true.append(returns)
    true.reverse()
    environments.close()
    return float(np.mean(believed[:COUNTED])), float(np.mean(true[:COUNTED]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=40_000)
    options = parser.parse_args()

    rows, data, runs = [], {}, []
    with tempfile.TemporaryDirectory() as directory:
        for kind in (DQN, DoubleDQN):
            found = []
            for seed in range(options.seeds):
                run = Path(directory, f"{kind.name}-{seed}")
                runs.append(run)
                agent = kind(ENV, seed=seed).learn(options.steps, run=run, progress=False)
                during = np.array([q for q in read_table(run / "metrics.csv")["max_q"] if q is not None])
                believed, true = believed_and_true(agent)
                found.append((float(during[len(during) // 2 :].mean()), believed, true, believed - true))
            during, believed, true, over = np.median(found, axis=0)
            spread = [one[-1] for one in found]
            rows.append(
                [kind.name, f"{during:.1f}", f"{believed:.1f}", f"{true:.1f}"]
                + [f"{over:+.2f} ({min(spread):+.2f} to {max(spread):+.2f})"]
            )
            data[kind.name] = found
        plot_runs(runs, RESULTS / "overestimation.png", window=21, metric="max_q")
    header = ["algorithm", "max-Q while training", "max-Q", "return that followed", "too high by (range)"]
    title = f"Over-estimation on {ENV}, medians over {options.seeds} seeds"
    write("overestimation", title, [table(header, rows)], data)


if __name__ == "__main__":
    main()
