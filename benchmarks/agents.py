"""Environment steps per second, training included, beside Stable-Baselines3 when that is installed.

    python benchmarks/agents.py [--steps N] [--repeats N]

DQN on CartPole-v1 as both have it: 4→128→2, Adam, a batch of 64 after every step, a target network renewed
every 500, Huber loss, gradients clipped to norm 10. Each measurement is a process of its own, on one thread
and without OPENBLAS_CORETYPE (which halves NumPy's speed where a machine sets it), in turns, so that both
meet the same machine. Writes the medians to benchmarks/results/agents.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

WARM_UP = 2_000  # steps that aren't timed: the imports, the first 1,000 without learning, the caches
RESULTS = Path(__file__).parent / "results" / "agents.json"


def time_minigrad_dqn(steps: int) -> float:
    from agents import DQN
    from agents.core.training import train

    agent = DQN(
        "CartPole-v1",
        seed=0,
        hidden=(128,),
        batch_size=64,
        learning_starts=1_000,
        train_every=1,
        updates=1,
        target_every=500,
        learning_rate=1e-3,
        max_gradient_norm=10.0,
        loss="huber",
        gamma=0.99,
        epsilon_start=1.0,
        epsilon_end=0.05,
        epsilon_fraction=0.2,
        replay_size=100_000,
    )
    agent.total_steps = WARM_UP + steps
    train(agent, stop=lambda: agent.steps >= WARM_UP)
    started = time.perf_counter()
    train(agent)
    return steps / (time.perf_counter() - started)


def time_sb3_dqn(steps: int) -> float:
    import torch
    from stable_baselines3 import DQN
    from stable_baselines3.common.callbacks import BaseCallback

    torch.set_num_threads(1)

    class Clock(BaseCallback):
        started = 0.0

        def _on_step(self) -> bool:
            if self.num_timesteps == WARM_UP:
                self.started = time.perf_counter()
            return True

    model = DQN(
        "MlpPolicy",
        "CartPole-v1",
        seed=0,
        policy_kwargs={"net_arch": [128]},
        batch_size=64,
        learning_starts=1_000,
        train_freq=1,
        gradient_steps=1,
        target_update_interval=500,
        learning_rate=1e-3,
        max_grad_norm=10.0,
        gamma=0.99,
        exploration_initial_eps=1.0,
        exploration_final_eps=0.05,
        exploration_fraction=0.2,
        buffer_size=100_000,
        device="cpu",
    )
    clock = Clock()
    model.learn(WARM_UP + steps, callback=clock)
    return steps / (time.perf_counter() - clock.started)


CASES: dict[str, tuple[str, Callable[[int], float]]] = {
    "minigrad dqn": ("minigrad", time_minigrad_dqn),
    "stable-baselines3 dqn": ("stable_baselines3", time_sb3_dqn),
}


def measure(case: str, steps: int) -> float:
    """Steps per second, in a process of its own."""
    environment = {key: value for key, value in os.environ.items() if key != "OPENBLAS_CORETYPE"}
    environment |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    command = [sys.executable, __file__, "--case", case, "--steps", str(steps)]
    return float(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(": ")[2] for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in ("numpy", "gymnasium", "stable-baselines3", "torch"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--case", choices=CASES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        print(CASES[options.case][1](options.steps))
        return

    cases = [case for case, (package, _) in CASES.items() if find_spec(package)]
    speeds: dict[str, list[float]] = {case: [] for case in cases}
    for _ in range(options.repeats):
        for case in cases:
            speeds[case].append(measure(case, options.steps))
    medians = {case: statistics.median(values) for case, values in speeds.items()}
    for case in cases:
        slowest, fastest = min(speeds[case]), max(speeds[case])
        print(f"{case:<24}{medians[case]:>9,.0f} steps/s   ({slowest:,.0f} to {fastest:,.0f})")
    if "stable-baselines3 dqn" in medians:
        ratio = medians["minigrad dqn"] / medians["stable-baselines3 dqn"]
        print(f"{'ratio':<24}{ratio:>9.1f}   (goal: at least 6)")
    RESULTS.parent.mkdir(exist_ok=True)
    results = {
        "command": f"python benchmarks/agents.py --steps {options.steps} --repeats {options.repeats}",
        "processor": processor(),
        "threads": 1,
        "versions": versions(),
        "steps_per_second": {case: [round(value, 1) for value in values] for case, values in speeds.items()},
        "median": {case: round(value, 1) for case, value in medians.items()},
    }
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
