"""Environment steps per second, training included, beside Stable-Baselines3 when that is installed.

    python benchmarks/agents.py [--steps N] [--rounds N]

DQN on CartPole-v1 as both have it: 4→128→2, Adam, a batch of 64 after every step, ε 0.05, a target network
renewed every 500 steps, Huber loss, gradients clipped to norm 10. Beside it Double DQN with prioritised replay and
Rainbow, the same in everything else. All train in one process on one thread, in turns of five thousand steps; every
round gives one ratio to Stable-Baselines3's DQN, and the median is what counts. Then, by itself and not captured (a
replay has no parts that could be timed), where the time of a training step goes. PPO has a table of its own: 8
environments × 32 steps, 20 passes over each rollout in one minibatch, two networks 4→64→64 with tanh; and another for
half a million steps of 64 CartPoles that gymnasium has vectorised, with 8 passes over 64 × 64 steps in minibatches of
1,024. Continuous control has a file of its own, continuous.py.
"""

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
from typing import Any

import gymnasium as gym

import minigrad as mg
from agents import DQN, PPO, Agent, DoubleDQN, Rainbow, evaluate
from agents.core.training import train
from agents.policy_gradient import ppo as ppo_file
from agents.presets import preset_for

try:
    import stable_baselines3
    import torch

    torch.set_num_threads(1)
except ImportError:
    stable_baselines3 = None

CONTESTANTS = {
    "DQN": (DQN, {}),
    "Double DQN, prioritised": (DoubleDQN, {"replay": "prioritized"}),
    "Rainbow": (Rainbow, {"epsilon_start": 0.0, "epsilon_end": 0.0, "value_min": 0.0, "value_max": 100.0}),
}
PEER = "Stable-Baselines3's DQN"
PPO_PEER = "Stable-Baselines3's PPO"
GOALS = {"DQN": 6, "Rainbow": 1}  # times the peer's steps a second
WARM_UP = 2_000  # steps that aren't timed: the first 1,000 don't learn, then the caches fill


def make(name: str) -> DQN:
    agent_type, changes = CONTESTANTS[name]
    settings = dict(
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
    return agent_type("CartPole-v1", **{**settings, **changes})


def go_on_with(agent: Agent) -> Callable[[int], None]:
    """A function that trains for so many more steps."""

    def go_on(steps: int) -> None:
        agent.total_steps += steps
        train(agent)

    return go_on


def parts_of_dqn(agent: DQN) -> dict[str, tuple[Any, str]]:
    return {
        "environment": (agent.environments, "step"),
        "acting": (agent, "act"),
        "keeping the transition": (agent, "observe"),
        "drawing a batch": (agent.replay, "sample"),
        "prediction, forward": (agent, "prediction"),
        "target": (agent, "target"),
        "loss, forward": (agent, "loss"),
        "backward": (mg.Tensor, "backward"),
        "clipping": (mg.nn.utils, "clip_grad_norm_"),
        "Adam": (agent.optimizer, "step"),
        "priorities": (agent.replay, "feedback"),
    }


def parts_of_ppo(agent: PPO) -> dict[str, tuple[Any, str]]:
    return {
        "environment": (agent.environments, "step"),
        "acting": (agent, "act"),
        "keeping the transition": (agent, "observe"),
        "old policy, values, advantages": (ppo_file, "judge_rollout"),
        "losses, forward": (agent, "losses"),
        "backward": (mg.Tensor, "backward"),
        "clipping": (mg.nn.utils, "clip_grad_norm_"),
        "Adam": (agent.optimizer, "step"),
    }


def parts_of_a_step(
    agent: Agent, parts: dict[str, tuple[Any, str]], steps: int, warm_up: int = WARM_UP
) -> dict[str, float]:
    """Where a training step's time goes: µs of each part, the smallest of five turns. A part is a method and what it
    belongs to; none calls another."""
    go_on = go_on_with(agent)
    go_on(warm_up)
    spent: dict[str, float] = {}

    def timed(part: str, function: Callable) -> Callable:
        def call(*args: Any, **kwargs: Any) -> Any:
            started = time.perf_counter()
            result = function(*args, **kwargs)
            spent[part] = spent.get(part, 0.0) + time.perf_counter() - started
            return result

        return call

    before = {part: getattr(holder, name) for part, (holder, name) in parts.items()}
    turns = []
    try:
        for part, (holder, attribute) in parts.items():
            setattr(holder, attribute, timed(part, before[part]))
        for _ in range(5):
            spent.clear()
            started = time.perf_counter()
            go_on(steps)
            total = time.perf_counter() - started
            spent["all the rest"] = total - sum(spent.values())
            turns.append({"a step": total, **spent})
    finally:
        for part, (holder, attribute) in parts.items():
            setattr(holder, attribute, before[part])
    return {part: min(turn[part] for turn in turns) / steps * 1e6 for part in turns[0]}


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


def sb3_ppo() -> Callable[[int], None]:
    model = stable_baselines3.PPO(
        "MlpPolicy",
        stable_baselines3.common.env_util.make_vec_env("CartPole-v1", 8, seed=0),
        n_steps=32,
        batch_size=256,
        n_epochs=20,
        gamma=0.98,
        gae_lambda=0.8,
        learning_rate=1e-3,
        clip_range=0.2,
        seed=0,
        device="cpu",
    )
    return lambda steps: model.learn(steps, reset_num_timesteps=False)


def ppo() -> PPO:
    """With CartPole's preset, which is the peer's, but for what falls over training."""
    return PPO("CartPole-v1", seed=0, anneal_learning_rate=False, anneal_clip=False)


def ppo_in_many_cart_poles() -> tuple[str, dict[str, float]]:
    """A table, and its figures."""
    env = gym.make_vec("CartPole-v1", num_envs=64, vectorization_mode="vector_entry_point")
    preset = preset_for(PPO, "CartPole-v1").hyperparameters
    agent = PPO(env, seed=0, **{**preset, "rollout_steps": 64, "batch_size": 1_024, "epochs": 8})
    started = time.perf_counter()
    agent.learn(500_000, progress=False)
    seconds = time.perf_counter() - started
    greedy = evaluate(agent, "CartPole-v1", episodes=100).mean
    row = [f"{agent.steps:,}", f"**{seconds:.1f}** (under 15)", f"**{greedy:.1f}** (≥ 475)"]
    figures = {"steps": agent.steps, "seconds": round(seconds, 2), "return": greedy}
    return table(["PPO, steps of 64 vectorised CartPoles", "seconds (goal)", "greedy return (goal)"], [row]), figures


def where_the_time_goes(spent: dict[str, dict[str, float]]) -> str:
    """A table of µs, by agent and part."""
    parts = list(dict.fromkeys(part for one in spent.values() for part in one))
    lines = [[part, *(f"{one[part]:.1f}" if part in one else "" for one in spent.values())] for part in parts]
    return table(["µs of a training step", *spent], lines)


def ppo_beside_its_peer(steps: int, rounds: int) -> tuple[str, dict[str, list[float]]]:
    """A table, and the seconds per environment step."""
    contestants = {"PPO": go_on_with(ppo())}
    if stable_baselines3 is not None:
        contestants[PPO_PEER] = sb3_ppo()
    times = in_turns(contestants, max(1, steps // 256) * 256, rounds)  # whole rollouts, or the peer would make more
    rows = [[name, f"{1 / median(seconds):,.0f}", "1.0"] for name, seconds in times.items()]
    rows[0][2] = f"**{1 / ratio(times, 'PPO', PPO_PEER):.1f}** (≥ 4)" if PPO_PEER in times else "not installed"
    return table(["agent", "environment steps a second", f"times {PPO_PEER} (goal)"], rows), times


def in_turns(
    contestants: dict[str, Callable[[int], None]], steps: int, rounds: int, warm_up: int = WARM_UP
) -> dict[str, list[float]]:
    """Seconds per environment step of each contestant, one figure a round."""
    for go_on in contestants.values():
        go_on(warm_up)
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

    contestants = {name: go_on_with(make(name)) for name in CONTESTANTS}
    if stable_baselines3 is not None:
        contestants[PEER] = sb3_dqn()
    times = in_turns(contestants, options.steps, options.rounds)
    rows = []
    for name, seconds in times.items():
        against = f"{1 / ratio(times, name, PEER):.1f}" if PEER in times else "not installed"
        if name in GOALS:
            against = f"**{against}** (≥ {GOALS[name]})"
        rows.append([name, f"{1 / median(seconds):,.0f}", against])
    speed = table(["agent", "environment steps a second", f"times {PEER} (goal)"], rows)

    ppo_speed, ppo_times = ppo_beside_its_peer(options.steps, options.rounds)
    times |= ppo_times

    many, many_figures = ppo_in_many_cart_poles()

    spent = {name: parts_of_a_step(agent, parts_of_dqn(agent), 2_000) for name in CONTESTANTS for agent in [make(name)]}
    agent = ppo()
    spent_by_ppo = {"PPO": parts_of_a_step(agent, parts_of_ppo(agent), 40 * 256)}  # whole rollouts
    where = [where_the_time_goes(spent), where_the_time_goes(spent_by_ppo)]
    spent |= spent_by_ppo
    data = {
        "steps_per_second": {name: [round(1 / second, 1) for second in seconds] for name, seconds in times.items()},
        "64_cart_poles": many_figures,
        "microseconds": {name: {part: round(us, 2) for part, us in one.items()} for name, one in spent.items()},
    }
    write("agents", "Speed of the agents", [speed, ppo_speed, many, *where], data)


if __name__ == "__main__":
    main()
