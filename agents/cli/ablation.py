"""The ablation study of Rainbow: DQN, DQN with each of the six improvements alone, and all of them together, trained
on one environment with the same seeds and drawn in one picture. Each trains with its preset: where Rainbow has one of
its own (MinAtar), it differs from DQN in more than the improvements.

After figure 1 of Hessel et al., "Rainbow: Combining Improvements in Deep Reinforcement Learning", AAAI (2018).
"""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from envs import UsageError

from ..presets import find_id
from ..runs.config import read_config
from ..runs.plots import plot_runs
from ..runs.run import unused_directory
from ..runs.tables import read_table
from ..value.c51 import C51
from ..value.double_dqn import DoubleDQN
from ..value.dqn import DQN
from ..value.dueling_dqn import DuelingDQN
from ..value.n_step_dqn import NStepDQN
from ..value.noisy_dqn import NoisyDQN
from ..value.prioritized_dqn import PrioritizedDQN
from ..value.rainbow import Rainbow
from .parsing import parse

STUDY: tuple[type[DQN], ...] = (
    DQN,
    DoubleDQN,
    PrioritizedDQN,
    DuelingDQN,
    NStepDQN,
    C51,
    NoisyDQN,
    Rainbow,
)


def run_of(directory: Path, algorithm: str, seed: int) -> Path:
    return directory / f"{algorithm}-seed{seed}"


def study(directory: Path, env: str, steps: int | None, seeds: int, jobs: int) -> Path:
    """Trains what is not trained yet, `jobs` runs at a time, each in a process of its own; returns the picture. Called
    again with the same directory, it goes on where it was."""

    def train(algorithm: str, seed: int) -> str:
        run = run_of(directory, algorithm, seed)
        if (run / "config.json").exists():
            check_is_part(run, env, steps)
            command = ["resume", str(run)]
        else:
            command = ["train", algorithm, "--env", env, "--seed", str(seed), "--run", str(run)]
            command += ["--steps", str(steps)] if steps else []
        done = subprocess.run([sys.executable, "-m", "agents.cli", *command, "--quiet"], capture_output=True, text=True)
        if done.returncode:
            # A signal is a negative number where it killed, and nothing is said then.
            said = done.stderr.strip().removeprefix("minigrad: ") or done.stdout.strip()
            raise UsageError(f"{algorithm}, seed {seed}: {said} (its training ended with exit code {done.returncode})")
        return f"{algorithm}, seed {seed}: {last_evaluation(run):.1f}"

    with ThreadPoolExecutor(jobs) as pool:
        tasks = [pool.submit(train, agent.name, seed) for seed in range(seeds) for agent in STUDY]
        try:
            for task in as_completed(tasks):
                print(task.result(), flush=True)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    runs = [run_of(directory, agent.name, seed) for agent in STUDY for seed in range(seeds)]
    return plot_runs(runs, directory / "ablation.png", window=51)


def check_is_part(run: Path, env: str, steps: int | None) -> None:
    """Raises `UsageError` if the run is one of another study."""
    config = read_config(run)
    if config["env"] != find_id(env) or steps not in (None, config["steps"]):
        wanted = f"{env}, {steps:,} steps" if steps else env
        raise UsageError(
            f"{run} is a training on {config['env']}, {config['steps']:,} steps, not on {wanted}; give another --output"
        )


def last_evaluation(run: Path) -> float:
    """The mean return of the greedy episodes played at the end. Raises `UsageError` for a training that has not come to
    its end."""
    table, steps = read_table(run / "evaluations.csv"), read_config(run)["steps"]
    step, mean = (table[name][-1] if table.get(name) else None for name in ("step", "mean"))
    if step is None or mean is None or step < steps:
        raise UsageError(
            f"{run} stopped at step {int(step or 0):,} of {steps:,}; the same command goes on with the study"
        )
    return mean


def summary(directory: Path, seeds: int) -> str:
    """A line for each algorithm: the median over the seeds of the last greedy evaluation, and the range."""
    lines = []
    for agent in STUDY:
        returns = [last_evaluation(run_of(directory, agent.name, seed)) for seed in range(seeds)]
        lines.append(f"{agent.name:<16} {np.median(returns):8.1f}   {min(returns):.1f} to {max(returns):.1f}")
    return "\n".join(lines)


@dataclass(frozen=True)
class AblationOptions:
    env: str = "CartPole-v1"
    """Environment: any gymnasium id."""
    steps: int | None = None
    """Environment steps of every training; left out, the preset's."""
    seeds: int = 3
    """Trainings of each algorithm."""
    jobs: int = 1
    """Trainings at the same time, each on one core."""
    output: Path | None = None
    """Directory of the runs and the picture; one that exists is gone on with. Left out, one under runs/."""


def command_ablation(arguments: list[str]) -> None:
    description = "Trains DQN, DQN with each of Rainbow's improvements, and Rainbow, and draws them together."
    options = parse(AblationOptions, arguments, "ablation", None, description)
    for name in ("seeds", "jobs", "steps"):
        value = getattr(options, name)
        if value is not None and value < 1:
            raise UsageError(f"--{name} must be at least 1, got {value}")
    directory = options.output or unused_directory(f"ablation-{options.env}")
    picture = study(directory, options.env, options.steps, options.seeds, options.jobs)
    print(f"\n{'greedy return':>25}   over {options.seeds} seeds\n{summary(directory, options.seeds)}\n\n{picture}")
