"""Environment steps per second of DDPG, TD3 and SAC, training included, beside Stable-Baselines3's when installed.

    python benchmarks/continuous.py [--steps N] [--rounds N]

On Pendulum-v1 as both have them: 256×256 units, a batch of 256 after every step, Adam, one thread. All train in one
process in turns; every round gives a ratio to the same algorithm there, and the median is what counts. Then, by itself
and not captured (a replay has no parts that could be timed), where the time of a training step goes."""

from __future__ import annotations

import sys
from pathlib import Path

# Beside this file lies agents.py, which would be taken for the package.
sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks.common import fair_start, ratio, table, write

fair_start()

import argparse
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np

import minigrad as mg
from agents import DDPG, SAC, TD3
from benchmarks.agents import go_on_with, in_turns, parts_of_a_step, stable_baselines3, where_the_time_goes

GOALS = {SAC: 1.3, TD3: 1.6, DDPG: 1.6}  # times the peer's steps a second
SETTINGS = dict(
    hidden=(256, 256),
    batch_size=256,
    learning_rate=1e-3,
    gamma=0.99,
    replay_size=100_000,
    learning_starts=100,
    train_every=1,
    updates=1,
    target_rate=0.005,
)


def make(kind: Any) -> Any:
    return kind("Pendulum-v1", seed=0, **SETTINGS)


def make_peer(kind: Any) -> Callable[[int], None]:
    from stable_baselines3.common.noise import NormalActionNoise

    noise = {} if kind is SAC else {"action_noise": NormalActionNoise(np.zeros(1), np.full(1, 0.1))}
    model = getattr(stable_baselines3, kind.__name__)(
        "MlpPolicy",
        "Pendulum-v1",
        policy_kwargs={"net_arch": [256, 256]},
        learning_rate=1e-3,
        gamma=0.99,
        batch_size=256,
        buffer_size=100_000,
        learning_starts=100,
        train_freq=1,
        gradient_steps=1,
        tau=0.005,
        seed=0,
        device="cpu",
        **noise,
    )
    return lambda steps: model.learn(steps, reset_num_timesteps=False)


def parts_of(agent: Any) -> dict[str, tuple[Any, str]]:
    parts = {
        "environment": (agent.environments, "step"),
        "acting": (agent, "act"),
        "keeping the transition": (agent, "observe"),
        "drawing a batch": (agent.replay, "sample"),
        "backward": (mg.Tensor, "backward"),
        "Adam": (mg.optim.Adam, "step"),
    }
    owner = agent.learner if isinstance(agent, SAC) else agent
    followers = [
        value for name, value in vars(owner).items() if name.startswith("target_") and hasattr(value, "follow")
    ]
    followed = {f"target {i + 1} follows": (follower, "follow") for i, follower in enumerate(followers)}
    return {**parts, "target": (owner, "target"), "actor's loss, forward": (owner, "actor_loss"), **followed}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--steps", type=int, default=300, help="environment steps in a turn")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    contestants: dict[str, Callable[[int], None]] = {}
    for kind in GOALS:
        contestants[kind.__name__] = go_on_with(make(kind))
        if stable_baselines3 is not None:
            contestants[peer_of(kind)] = make_peer(kind)
    times = in_turns(contestants, options.steps, options.rounds, warm_up=300)
    rows = []
    for kind, goal in GOALS.items():
        name, peer = kind.__name__, peer_of(kind)
        own = f"{1 / median(times[name]):,.0f}"
        if peer in times:
            rows.append(
                [name, own, f"{1 / median(times[peer]):,.0f}", f"**{1 / ratio(times, name, peer):.2f}** (≥ {goal})"]
            )
        else:
            rows.append([name, own, "not installed", ""])
    speed = table(["agent", "environment steps a second", "Stable-Baselines3's", "ratio (goal)"], rows)
    spent = {
        kind.__name__: parts_of_a_step(agent, parts_of(agent), 200, 300) for kind in GOALS for agent in [make(kind)]
    }
    data = {
        "steps_per_second": {name: [round(1 / second, 1) for second in seconds] for name, seconds in times.items()},
        "microseconds": {name: {part: round(us, 1) for part, us in one.items()} for name, one in spent.items()},
    }
    write("continuous", "Speed of continuous control", [speed, where_the_time_goes(spent)], data)


def peer_of(kind: Any) -> str:
    return f"Stable-Baselines3's {kind.__name__}"


if __name__ == "__main__":
    main()
