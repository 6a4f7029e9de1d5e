"""Environment steps per second, training included, beside Stable-Baselines3 when that is installed.

    python benchmarks/agents.py [--steps N] [--rounds N]

DQN on CartPole-v1 as both have it: 4→128→2, Adam, a batch of 64 after every step, ε 0.05, a target network
renewed every 500 steps, Huber loss, gradients clipped to norm 10. Both train in one process on one thread, in
turns of five thousand steps; every round gives one ratio, and the median is what counts."""

from __future__ import annotations

import sys
from pathlib import Path

# This file has the name of the package that it measures: its folder must not be where Python looks first.
sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks.common import fair_start, ratio, table, write

fair_start()

import argparse
import time
from collections.abc import Callable
from statistics import median

from agents import DQN
from agents.core.training import train

try:
    import stable_baselines3
    import torch

    torch.set_num_threads(1)
except ImportError:
    stable_baselines3 = None

WARM_UP = 2_000  # steps that aren't timed: the first 1,000 don't learn, then the caches fill
GOAL = 6


def minigrad_dqn() -> Callable[[int], None]:
    """A function that trains for so many more steps."""
    agent = DQN(
        "CartPole-v1",
        hidden=(128,),
        learning_rate=1e-3,
        anneal_learning_rate=False,
        gamma=0.99,
        batch_size=64,
        replay_size=100_000,
        learning_starts=1_000,
        train_every=1,
        updates=1,
        target_every=500,
        epsilon_start=0.05,
        epsilon_end=0.05,
        max_gradient_norm=10.0,
        loss="huber",
    )

    def go_on(steps: int) -> None:
        agent.total_steps += steps
        train(agent)

    return go_on


def sb3_dqn() -> Callable[[int], None]:
    model = stable_baselines3.DQN(
        "MlpPolicy",
        "CartPole-v1",
        policy_kwargs={"net_arch": [128]},
        learning_rate=1e-3,
        gamma=0.99,
        batch_size=64,
        buffer_size=100_000,
        learning_starts=1_000,
        train_freq=1,
        gradient_steps=1,
        target_update_interval=500,
        exploration_initial_eps=0.05,
        exploration_final_eps=0.05,
        max_grad_norm=10.0,
        seed=0,
        device="cpu",
    )
    return lambda steps: model.learn(steps, reset_num_timesteps=False)


def in_turns(
    contestants: dict[str, Callable[[int], None]], steps: int, rounds: int
) -> dict[str, list[float]]:
    """Seconds per environment step of each contestant, one figure a round."""
    for go_on in contestants.values():
        go_on(WARM_UP)
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, go_on in contestants.items():
            started = time.perf_counter()
            go_on(steps)
            times[name].append((time.perf_counter() - started) / steps)
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--steps", type=int, default=5_000, help="environment steps in a turn")
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()

    contestants = {"minigrad": minigrad_dqn()}
    if stable_baselines3 is not None:
        contestants["stable-baselines3"] = sb3_dqn()
    times = in_turns(contestants, options.steps, options.rounds)
    rows = []
    for name, seconds in times.items():
        times_sb3 = (
            f"{1 / ratio(times, name, 'stable-baselines3'):.1f}" if len(times) > 1 else "not installed"
        )
        rows.append(["DQN", name, f"{1 / median(seconds):,.0f}", times_sb3])
    rows[0][-1] = f"**{rows[0][-1]}** (≥ {GOAL})"
    header = ["agent", "library", "environment steps a second", "times Stable-Baselines3 (goal)"]
    data = {
        "steps_per_second": {
            name: [round(1 / second, 1) for second in seconds] for name, seconds in times.items()
        }
    }
    write("agents", "Speed of the agents", [table(header, rows)], data)


if __name__ == "__main__":
    main()
