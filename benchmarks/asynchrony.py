"""What A3C's workers are worth: the time of the same number of environment steps, by how many processes take them.

    python benchmarks/asynchrony.py [--steps N] [--rounds N] [--workers N]

A3C on CartPole-v1 as its preset has it, training included, from `learn` to its return: the workers' processes are
started and ended in that time. The numbers of workers take turns; every round gives one ratio to one worker, and the
median is what counts. Beside the clock's time, the processors': if all the workers' together is about what one worker
needs, then they don't hold each other up. Divided by the clock's it says how many cores they got: where others want the
same cores, or there are fewer than workers, no clock can show what more workers are worth.

Writes benchmarks/results/asynchrony.{md,json}."""

from __future__ import annotations

import sys
from pathlib import Path

# Beside this file lies agents.py, which would be taken for the package.
sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks.common import fair_start, ratio, table, write

fair_start()

import argparse
import os
import resource
import time
from statistics import median

from agents import A3C
from agents.presets import preset_for

ENV = "CartPole-v1"


def processor_seconds() -> float:
    """Of this process and those that it has started and that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def train(workers: int, steps: int) -> tuple[float, float]:
    """The clock's and the processors' seconds."""
    settings = {**preset_for(A3C, ENV).hyperparameters, "workers": workers}
    agent = A3C(ENV, seed=0, **settings)
    started, used = time.perf_counter(), processor_seconds()
    agent.learn(steps, progress=False)
    return time.perf_counter() - started, processor_seconds() - used


def main() -> None:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--steps", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=cores, help="the most; left out, one a core")
    options = parser.parse_args()

    numbers = range(1, options.workers + 1)
    clock: dict[str, list[float]] = {str(n): [] for n in numbers}
    processors: dict[str, list[float]] = {str(n): [] for n in numbers}
    starting: dict[str, list[float]] = {str(n): [] for n in numbers}
    train(1, 2_000)  # uncounted: caches fill
    for turn in range(options.rounds):
        for n in map(str, numbers):
            starting[n].append(train(int(n), 1)[0])
            seconds, used = train(int(n), options.steps)
            clock[n].append(seconds)
            processors[n].append(used)
            print(f"round {turn + 1}, {n} workers: {seconds:.1f} s, processors {used:.1f} s", flush=True)

    header = ["workers", "seconds", "steps a second", "times one worker's seconds", "lowest to highest"]
    header += ["times its processor time", "cores it got", "seconds to start and end"]
    rows = []
    for n in clock:
        each = [a / b for a, b in zip(clock[n], clock["1"], strict=True)]
        got = [a / b for a, b in zip(processors[n], clock[n], strict=True)]
        rows.append(
            [n, f"{median(clock[n]):.1f}", f"{options.steps / median(clock[n]):,.0f}", f"**{median(each):.2f}**"]
            + [f"{min(each):.2f} to {max(each):.2f}", f"{ratio(processors, n, '1'):.2f}", f"{median(got):.2f}"]
            + [f"{median(starting[n]):.1f}"]
        )
    about = f"{options.steps:,} steps of {ENV}, {options.rounds} rounds. Medians; a ratio is the median of the rounds'."
    data = {"steps": options.steps, "clock": clock, "processors": processors, "starting": starting}
    write("asynchrony", "A3C's time by its number of workers", [about, table(header, rows)], data)


if __name__ == "__main__":
    main()
