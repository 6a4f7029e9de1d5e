"""How far do SAC and TD3 come on HalfCheetah-v5 in 50,000 steps, beside Stable-Baselines3's?

    python benchmarks/half_cheetah.py [--steps N]

Both train with the same settings, those of the preset, from the same seeds: SAC three, TD3 one. Greedy returns on 100
new episodes. Each run is kept in benchmarks/results/half_cheetah.json when it ends, so that a call goes on where the
one before was stopped; delete the file to begin anew. Without Stable-Baselines3 only ours are trained."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

# Beside this file lies agents.py, which would be taken for the package.
sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks.common import RESULTS, fair_start, table, write

fair_start()

import gymnasium as gym
import numpy as np

import agents
from benchmarks.learning import EPISODE_SEED, EPISODES, median_and_interval

ENV = "HalfCheetah-v5"
SEEDS = {"SAC": 3, "TD3": 1}
GOAL = 0.9  # of the peer's median


def train(kind: str, seed: int, steps: int) -> float:
    """The mean greedy return of our agent."""
    agent = getattr(agents, kind)(ENV, seed=seed).learn(steps, progress=False)
    return agents.evaluate(agent, episodes=EPISODES, seed=EPISODE_SEED).mean


def train_peer(kind: str, seed: int, steps: int) -> float:
    """The mean greedy return of Stable-Baselines3's, on the same episodes."""
    import stable_baselines3
    from stable_baselines3.common.noise import NormalActionNoise

    h = getattr(agents, kind)(ENV).hyperparameters
    size = gym.make(ENV).action_space.shape
    noise = {} if kind == "SAC" else {"action_noise": NormalActionNoise(np.zeros(size), np.full(size, h.noise_std))}
    model = getattr(stable_baselines3, kind)(
        "MlpPolicy",
        ENV,
        policy_kwargs={"net_arch": list(h.hidden)},
        learning_rate=h.learning_rate,
        gamma=h.gamma,
        batch_size=h.batch_size,
        buffer_size=h.replay_size,
        learning_starts=h.learning_starts,
        tau=h.target_rate,
        seed=seed,
        device="cpu",
        **noise,
    )
    model.learn(steps)
    env, returns = gym.make(ENV), []
    for episode in range(EPISODES):
        observation, _ = env.reset(seed=EPISODE_SEED + episode)
        total, over = 0.0, False
        while not over:
            action, _ = model.predict(observation, deterministic=True)
            observation, reward, terminated, truncated, _ = env.step(action)
            total, over = total + float(reward), terminated or truncated
        returns.append(total)
    return float(np.mean(returns))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--steps", type=int, default=50_000)
    options = parser.parse_args()
    file = RESULTS / "half_cheetah.json"
    runs: list[dict[str, Any]] = json.loads(file.read_text())["runs"] if file.exists() else []
    for kind, seeds in SEEDS.items():
        for seed in range(seeds):
            for who, learn in (("ours", train), ("Stable-Baselines3", train_peer)):
                key = {"agent": kind, "who": who, "seed": seed, "steps": options.steps}
                if any(key.items() <= run.items() for run in runs):
                    continue
                started = time.perf_counter()
                try:
                    final = learn(kind, seed, options.steps)
                except ModuleNotFoundError as error:
                    print(f"{who} is not trained: {error}")
                    continue
                runs.append({**key, "final": round(final, 1), "seconds": round(time.perf_counter() - started)})
                render(runs, options.steps)


def render(runs: list[dict[str, Any]], steps: int) -> None:
    rows = []
    for kind in SEEDS:
        found: dict[str, Any] = {}
        for who in ("ours", "Stable-Baselines3"):
            found[who] = [run for run in runs if (run["agent"], run["who"], run["steps"]) == (kind, who, steps)]
        medians = {who: np.median([run["final"] for run in one]) for who, one in found.items() if one}
        share = f"**{medians['ours'] / medians['Stable-Baselines3']:.2f}** (≥ {GOAL})" if len(medians) == 2 else ""
        for who, one in found.items():
            if one:
                finals = ", ".join(f"{run['final']:,.0f}" for run in one)
                spread = median_and_interval(np.array([run["final"] for run in one]))
                seconds = f"{np.median([run['seconds'] for run in one]):,.0f}"
                rows.append([kind, who, finals, spread, share if who == "ours" else "", seconds])
    columns = ["agent", "whose", "each seed", "median and its 95 % interval", "ratio (goal)", "seconds"]
    write("half_cheetah", f"{ENV} after {steps:,} steps", [table(columns, rows)], {"runs": runs})


if __name__ == "__main__":
    main()
