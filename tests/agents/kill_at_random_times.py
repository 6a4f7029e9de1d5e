"""Trainings that are killed from outside, at any time at all, and resumed: each ends with the bytes of the
uninterrupted one.

    python kill_at_random_times.py KILLS DIRECTORY

kill_and_resume.py kills at counted moments, between two system calls; here the clock decides, so that a kill may come
in the middle of one. Algorithms take turns; half of the resumed trainings are killed again.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

from agents import cli
from tests.agents.kill_and_resume import contents, in_fork

# Tables and networks, replays and rollouts, noise, a distribution, several environments, pictures of a grid.
TRAININGS = {
    "q-learning": "--env minigrad/GridWorld-v0 --steps 4000 --num-envs 2",
    "n-step-sarsa": "--env FrozenLake-v1 --steps 4000",
    "dyna-q": "--env minigrad/GridWorld-v0 --steps 1500",
    "monte-carlo": "--env FrozenLake-v1 --steps 4000",
    "dqn": "--env CartPole-v1 --steps 1500 --learning-starts 200 --replay-size 500 --num-envs 2",
    "rainbow": "--env CartPole-v1 --steps 500 --learning-starts 100 --replay-size 300",
    "noisy-dqn": "--env Acrobot-v1 --steps 700 --learning-starts 100",
    "reinforce": "--env CartPole-v1 --steps 3000",
    "a2c": "--env CartPole-v1 --steps 3000",
    "trpo": "--env Pendulum-v1 --steps 5000",
    "sac": "--env Pendulum-v1 --steps 900 --hidden 16 --batch-size 32 --learning-starts 200 --replay-size 600",
    "td3": "--env Pendulum-v1 --steps 900 --hidden 16 --batch-size 32 --learning-starts 200 --num-envs 3",
    "ppo": "--env CartPole-v1 --steps 3000",
}


def killed(line: list[str], seconds: float) -> bool:
    """Runs the command in a fork and kills it after so many seconds; whether it was still there."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115
        os._exit(cli.main(line))
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)  # a child that has ended is there until it is waited for
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def main(kills: int, directory: Path) -> None:
    rng = random.Random(0)
    expected: dict[str, tuple[dict[str, bytes], float]] = {}
    lines = {
        name: f"train {name} {more} --evaluation-episodes 1 --quiet --run".split() for name, more in TRAININGS.items()
    }
    for name, line in lines.items():
        run = directory / f"{name}-uninterrupted"
        assert cli.main([*line, str(run)]) == 0  # here, for what is imported on the way
        started = time.perf_counter()
        assert in_fork([*line, str(directory / "timed")]) == 0
        expected[name] = contents(run), time.perf_counter() - started
        shutil.rmtree(directory / "timed")
    count = identical = 0
    while count < kills:
        for name, line in lines.items():
            if count == kills:
                break
            state, seconds = expected[name]
            run = directory / "killed"
            shutil.rmtree(run, ignore_errors=True)
            here = killed([*line, str(run)], rng.uniform(0, seconds))
            if here and (run / "config.json").exists() and rng.random() < 0.5:
                here += killed(["resume", str(run), "--quiet"], rng.uniform(0, seconds))
            resume = ["resume", str(run), "--quiet"]
            assert in_fork(resume if (run / "config.json").exists() else [*line, str(run)]) == 0, name
            found = contents(run)
            differ = [file for file in state.keys() | found.keys() if state.get(file) != found.get(file)]
            assert not differ, f"{name}, after {count} kills: {differ}"
            here = min(here, kills - count)
            count, identical = count + here, identical + here
    print(f"{count} kills, {identical} identical")


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
